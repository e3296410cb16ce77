"""``notify send`` and ``notify mms``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from notify_core.cli import exits, recipients, terminal
from notify_core.cli.exits import Misuse
from notify_core.cli.options import (
    DEFAULT_CONFIG,
    At,
    ConfigFile,
    DryRun,
    Enqueue,
    Extension,
    Json,
    Key,
    Route,
    To,
    ToFile,
    Via,
    load,
    option,
)

if TYPE_CHECKING:
    from notify_core.cli.following import Follower
    from notify_core.messages import Message
    from notify_core.notifier import Notifier
    from notify_core.results import Result


def send(
    *,
    to: To = None,
    to_file: ToFile = "",
    text: Annotated[str | None, option("--text", "TEXT", "What to say.")] = None,
    text_file: Annotated[str, option("--text-file", "FILE", "What to say, from a UTF-8 file. - reads stdin.")] = "",
    template: Annotated[str, option("--template", "NAME", "What to say, by a template of the configuration.")] = "",
    value: Annotated[list[str] | None, option("--value", "KEY=VALUE", "A value for the template. Repeatable.")] = None,
    route: Route = "",
    via: Via = "",
    ext: Extension = "",
    at: At = "",
    enqueue: Enqueue = False,
    key: Key = "",
    dry_run: DryRun = False,
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Send a text message.

    It leaves once, by the first path of the route that can take it. Exit code 0: accepted for every recipient; 1:
    surely not sent to some; 3: in doubt for some, and not to be sent to these again. Where the configuration names a
    store, `notify outbox` shows it from then on. With --enqueue code 0 says that it is in the store, for `notify
    worker` to send.

    Examples:
      notify send --to 13800000001 --text 您的验证码：1439
      notify send --to 13800000001 13800000002 --template otp --value code=1439
      notify send --to-file numbers.txt --text-file notice.txt --route notices --enqueue
    """
    from notify_core.messages import Sms

    if text_file == to_file == "-":
        raise Misuse("stdin can be read only once: give a file to --to-file or to --text-file")
    content = _content(text, text_file, template, value or ())
    send_at = _time(at)
    _Order(to or (), to_file, route, via, key, config, enqueue).carry_out(
        lambda numbers: Sms(to=numbers, extension=ext, send_at=send_at, **content), dry_run=dry_run, as_json=as_json
    )


def mms(
    *,
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="The parts: texts and pictures, in order.")],
    subject: Annotated[str, option("--subject", "TEXT", "The subject.")],
    to: To = None,
    to_file: ToFile = "",
    route: Route = "",
    via: Via = "",
    ext: Extension = "",
    at: At = "",
    enqueue: Enqueue = False,
    key: Key = "",
    dry_run: DryRun = False,
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Send a multimedia message.

    It has a subject, and files that are shown one after the other. Only paths that carry MMS are taken, such as
    clinic.mms. Exit codes are those of `notify send`.

    Example:
      notify mms --to 13800000001 --subject 您的照片 --via clinic.mms 1.txt 2.jpg
    """
    from notify_core.messages import Mms

    send_at = _time(at)
    _Order(to or (), to_file, route, via, key, config, enqueue).carry_out(
        lambda numbers: Mms(to=numbers, subject=subject, parts=files, extension=ext, send_at=send_at),
        dry_run=dry_run,
        as_json=as_json,
    )


@dataclass(frozen=True, slots=True)
class _Order:
    """To whom a message goes, and by which way."""

    to: Sequence[str]
    to_file: str
    route: str
    via: str
    key: str
    config: str
    enqueue: bool

    def carry_out(self, message: Callable[[list[str]], Message], *, dry_run: bool, as_json: bool) -> None:
        """Make the message for the recipients, send or enqueue it, show what became of it, and end the command."""
        from notify_core.cli import outcome
        from notify_core.cli.following import Follower
        from notify_core.notifier import Notifier

        follower = Follower()
        config = load(self.config, follower)
        with terminal.busy("reading the recipients") if self.to_file else nullcontext():
            ready = message(recipients.numbers(self.to, self.to_file, config.default_region))
        with Notifier(config) as notifier:
            self._check_kind(notifier, ready.kind)
            if dry_run:
                outcome.tell_estimate(notifier.estimate(ready, route=self.route, via=self.via), as_json=as_json)
                return
            if self.enqueue:
                self._enqueue(notifier, ready, as_json=as_json)
                return
            result = self._sent(notifier, ready, follower, as_json=as_json)
        outcome.tell(result, as_json=as_json)
        raise typer.Exit(outcome.code(result))

    def _check_kind(self, notifier: Notifier, kind: str) -> None:
        """Raise ``Misuse`` for a route without a path for such messages, naming the paths that there are for them."""
        way = notifier.routes.get(self.route or "default")
        if self.via or way is None or any(kind in path.transport.carries for path in way.paths):
            return
        able = [path.name for path in notifier.paths if kind in path.transport.carries and not path.problem]
        instead = f": name another route, or --via {' or '.join(able)}" if able else ""
        raise Misuse(f"no path of route {way.name!r} carries {kind}{instead}")

    def _enqueue(self, notifier: Notifier, message: Message, *, as_json: bool) -> None:
        """Put it into the outbox, and say where it can be followed."""
        from notify_core.cli import outcome

        workers = notifier.outbox.store.workers()  # asked first: nothing may fail once the message is in
        with terminal.busy(f"enqueueing {len(message.to):,} deliveries"):
            enqueued = notifier.enqueue(message, route=self.route, via=self.via, key=self.key)
        if as_json:
            terminal.show_json(outcome.enqueued_document(enqueued, message.to, workers))
        else:
            terminal.show(*(exits.named(words, self.config) for words in outcome.enqueued_words(enqueued, workers)))

    def _sent(self, notifier: Notifier, message: Message, follower: Follower, *, as_json: bool) -> Result:
        """The result of sending. Where that breaks off once something may have left, tell what became of whom."""
        from notify_core.cli import outcome
        from notify_core.cli.following import progress

        try:
            with progress(len(message.to)) as follower.settled:
                return notifier.send(message, route=self.route, via=self.via, key=self.key)
        except (KeyboardInterrupt, Exception) as error:
            if not follower.began:
                raise
            broken = follower.result(self.route or self.via, message.to)
            exits.report(error, as_json=False)
            outcome.tell(broken, as_json=as_json)
            interrupted = isinstance(error, KeyboardInterrupt)
            raise typer.Exit(exits.code(error) if interrupted else outcome.code(broken)) from None


def _content(text: str | None, text_file: str, template: str, values: Sequence[str]) -> dict[str, Any]:
    """What an SMS says, as the arguments of ``Sms``. Raises ``Misuse``."""
    if (text is not None) + bool(text_file) + bool(template) != 1:
        raise Misuse("give what to say, once: --text TEXT, --text-file FILE, or --template NAME")
    if text_file:
        text = recipients.read_text(text_file).rstrip("\r\n")
    return {"text": text or "", "template": template, "values": dict(map(_value, values))}


def _value(pair: str) -> tuple[str, str]:
    key, equals, value = pair.partition("=")
    if not key or not equals:
        raise Misuse("each --value is written KEY=VALUE, such as --value code=1439")
    return key, value


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Misuse(f"--at {text} is not a time: write it such as 2030-01-31T09:00+08:00") from None
    if time.tzinfo is None:
        written = time.isoformat()
        raise Misuse(f"--at {text} has no time zone: write {written}+08:00 for China, or {written}Z for UTC")
    return time

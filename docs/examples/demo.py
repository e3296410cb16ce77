"""See it work: ``make demo``, or ``python docs/examples/demo.py``.

Every message crosses a real socket to the local gateway that ships with the project. Where anything turns out other
than the text says, the demo stops there with exit code 1.
"""

from __future__ import annotations

import logging
import sys
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from struct import pack
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table

from notify_core import Mms, Notifier, Part, Result, Sms, State, hookimpl
from notify_core.events import FailedOver, InDoubt
from notify_core.phones import mask
from notify_core.sandbox import LocalGateway
from notify_core.testing import sandbox

CONFIG = """\
default_region: CN
accounts:
  clinic:
    provider: ipyy
    base_url: {url}
    account: sandbox
    password: sandbox-secret
    user_id: "1001"
    signature: 腾飞
  backup:
    provider: ipyy
    base_url: {url}
    account: backup
    password: backup-secret
    signature: 腾飞
routes:
  default:
    - clinic.json
    - clinic.soap
    - backup.json
"""
OTP = Sms(to="13800000001", text="您的验证码：1439")
COLOURS = {State.ACCEPTED: "green", State.DELIVERED: "green", State.IN_DOUBT: "yellow"}  # the others: red


@dataclass(frozen=True)
class Stage:
    """What every scene has: the terminal, the gateway, and a folder for configurations."""

    console: Console
    gateway: LocalGateway
    folder: Path

    @property
    def yaml(self) -> str:
        """The configuration that most scenes start from."""
        return CONFIG.format(url=self.gateway.url)

    def notifier(self, yaml: str = "") -> Notifier:
        """A notifier from a YAML file, with a listener that tells what happens on the way."""
        file = self.folder / "notify.yaml"
        file.write_text(yaml or self.yaml, "utf-8")
        return Notifier.from_yaml(file, Listener(self))

    def scene(self, title: str, *sentences: str) -> None:
        """Begin a scene."""
        self.console.print()
        self.console.rule(f"[bold]{title}", align="left", style="cyan")
        self.say(*sentences)

    def say(self, *sentences: str) -> None:
        """Tell something."""
        for sentence in sentences:
            self.console.print(sentence, highlight=False)

    def show(self, *columns: str, rows: Iterable[Iterable[str]]) -> None:
        """Show a table."""
        table = Table(*columns, box=None, show_header=any(columns), header_style="dim", padding=(0, 3, 0, 0))
        for row in rows:
            table.add_row(*row)
        self.console.print(indented(table))

    def attempts(self, result: Result) -> None:
        """Show the submissions of a send, and why those failed that did."""
        rows = [[a.path, coloured(a.state), escape(str(a.error or f"task {a.task_id}"))] for a in result.attempts]
        self.show("path", "outcome", "what the gateway said", rows=rows)

    def must(self, sentence: str, holds: bool) -> None:  # noqa: FBT001  # it is what the sentence stands on
        """Tell something that is true; stop the demo where it is not."""
        if not holds:
            self.console.print(f"[bold red]✗ not so:[/] {sentence}")
            raise SystemExit(1)
        self.console.print(f"[green]✓[/] {sentence}", highlight=False)


def indented(what: RenderableType) -> Padding:
    """What is shown, a little to the right of what is told."""
    return Padding(what, (0, 0, 0, 2), expand=False)


@dataclass(frozen=True)
class Listener:
    """An application's own listener: failover and doubt are told, so that neither goes unnoticed."""

    stage: Stage

    @hookimpl
    def failed_over(self, event: FailedOver) -> None:
        """A message goes on by another path."""
        self.stage.say(f"  [magenta]event[/] failed over: {event.previous} → {event.path}")

    @hookimpl
    def in_doubt(self, event: InDoubt) -> None:
        """A message may or may not have been accepted."""
        self.stage.say(f"  [magenta]event[/] in doubt: {event.path}")


def every_dialect(stage: Stage) -> None:
    """One text by each SMS transport, and a picture by MMS."""
    stage.scene("1. One account, every dialect of its gateway", "The configuration is this file:")
    stage.console.print(indented(Syntax(stage.yaml.strip(), "yaml", theme="ansi_dark", background_color="default")))
    stage.say("A path is an account and a dialect. The same code by each of them, and what the gateway decoded:")
    with stage.notifier() as notifier:
        results = [notifier.send(OTP, via=f"clinic.{dialect}") for dialect in ("json", "soap", "ensms", "xml", "gbk")]
        results.append(notifier.send(picture(), via="clinic.mms"))
    received = stage.gateway.received
    stage.show("path", "outcome", "reached", "as", rows=map(decoded, results, received))
    stage.must("All six were accepted.", all(result.accepted for result in results))
    texts = {submission.get("text") for submission in received[:5]}
    stage.must("Each dialect carried the same text, signed once.", texts == {"您的验证码：1439【腾飞】"})
    stage.must("The picture arrived to the byte.", received[5]["parts"][1]["content"] == png())


def decoded(result: Result, submission: Any) -> list[str]:
    """A row: how a message left, and what the gateway made of it."""
    said = submission.get("text") or f"{submission['subject']}: " + ", ".join(p["name"] for p in submission["parts"])
    return [result.route, coloured(result.deliveries[0].state), submission["endpoint"], escape(said)]


def another_order(stage: Stage) -> None:
    """The order of two lines decides the transport."""
    stage.scene("2. Two lines of YAML change the transport", "No code changes, only the order under [bold]default[/]:")
    first, second = "    - clinic.json\n", "    - clinic.soap\n"
    swapped = stage.yaml.replace(first + second, second + first)
    used = []
    for yaml in (stage.yaml, swapped):
        with stage.notifier(yaml) as notifier:
            used.append(notifier.send(OTP).attempts[0].path)
    stage.show("default:", "default:", rows=[["- clinic.json", "- clinic.soap"], ["- clinic.soap", "- clinic.json"]])
    stage.must(f"The first file sent by {used[0]}, the second by {used[1]}.", used == ["clinic.json", "clinic.soap"])


def failover(stage: Stage) -> None:
    """What surely was not sent goes on by the next path."""
    stage.scene("3. Failover", "The gateway now answers 503 to JSON: surely not sent, so the next path may try.")
    stage.gateway.fault("smsJson.aspx:503:times=1")
    with stage.notifier() as notifier:
        result = notifier.send(OTP)
    stage.attempts(result)
    stage.must("The message left by the second path, once.", result.accepted and len(stage.gateway.received) == 1)


def doubt(stage: Stage) -> None:
    """What may have been sent is not sent again; a report tells what became of it."""
    stage.scene("4. Doubt", "The gateway now takes the message, and cuts the connection before it answers.")
    stage.gateway.fault("smsJson.aspx:cut-after:times=1")
    with stage.notifier() as notifier:
        result = notifier.send(Sms(to="13800000004", text="您的验证码：7890"))
        stage.attempts(result)
        stage.must("Two more paths were free. Nobody sent it again.", result.in_doubt and len(result.attempts) == 1)
        stage.must("The gateway has it once, not twice.", len(stage.gateway.received) == 1)
        stage.gateway.settle(to="13800000004")
        reports = notifier.reports("clinic")
    stage.say("A little later the gateway has a delivery report for that number, which we pull:")
    stage.show("recipient", "task", "state", rows=[[mask(r.recipient), r.task_id, coloured(r.state)] for r in reports])
    states = [(report.recipient, report.state) for report in reports]
    stage.must("The doubt is resolved: it was delivered.", states == [("+8613800000004", State.DELIVERED)])


def wrong_password(stage: Stage) -> None:
    """A failure of the account skips the account's other paths."""
    stage.scene("5. A wrong password", "It is as wrong by SOAP as by JSON, so the account's second path is not tried.")
    with stage.notifier(stage.yaml.replace("sandbox-secret", "mistyped")) as notifier:
        result = notifier.send(OTP)
    stage.attempts(result)
    used = [attempt.path for attempt in result.attempts]
    stage.must("The other account took the message.", result.accepted and used == ["clinic.json", "backup.json"])
    shown = f"{result!r}{result.attempts[0].raw}{result.attempts[0].error}"
    stage.must("No error, record or repr shows a password or a whole number.", not leaks(shown))


def leaks(shown: str) -> bool:
    """Whether a text holds what nobody should read."""
    return any(secret in shown for secret in ("mistyped", "backup-secret", "13800000001", "1439"))


def unreachable(stage: Stage) -> None:
    """A gateway that is not there surely did not take the message."""
    stage.scene("6. A gateway that cannot be reached", "Nothing listens at the address, and there is no other path.")
    with sandbox() as other:
        nowhere = other.url
    with stage.notifier(stage.yaml.replace(stage.gateway.url, nowhere)) as notifier:
        result = notifier.send(OTP, via="clinic.json")
    stage.attempts(result)
    error = result.error
    stage.must(
        "It is rejected: surely not sent, safe to try again later.", error is not None and error.retry == "later"
    )


def money_and_answers(stage: Stage) -> None:
    """The cost before sending, and all that comes back."""
    stage.scene("7. What it costs, and what comes back", "A text to two recipients, too long for one segment of 70:")
    message = Sms(to=["13800000005", "13800000006"], text="明天上午九点请到三号诊室复诊。" + "请带上病历。" * 9)
    with stage.notifier() as notifier:
        estimate, result = notifier.estimate(message), notifier.send(message)
        stage.gateway.settle(to="13800000005")
        stage.gateway.settle(outcome="failed", to="13800000006")
        stage.gateway.inbound(sender="13800000005", text="收到，谢谢")
        balance, reports, answers = notifier.balance("clinic"), notifier.reports("clinic"), notifier.inbound("clinic")
    rows = [["estimate", f"{estimate.recipients} × {estimate.segments} segments = {estimate.units} units", ""]]
    rows += [["balance", f"{balance.units} units left", ""]]
    rows += [["report", f"{coloured(report.state)} {report.code}", mask(report.recipient)] for report in reports]
    rows += [["inbound", answer.text, mask(answer.sender)] for answer in answers]
    stage.show("", "", "", rows=rows)
    stage.must("It cost what was estimated.", stage.gateway.received[0]["billed"] == estimate.units == 4)
    states = [report.state for report in reports]
    stage.must("One has it, one does not.", result.accepted and states == [State.DELIVERED, State.UNDELIVERED])
    stage.must(
        "One answered.", [(answer.sender, answer.text) for answer in answers] == [("+8613800000005", "收到，谢谢")]
    )


def picture() -> Mms:
    """A multimedia message with a text and a picture made here."""
    return Mms(to="13800000001", subject="路线图", parts=[Part("1.txt", "三号诊室".encode()), Part("2.png", png())])


def png() -> bytes:
    """A picture of 32 by 32 pixels in shades of grey (W3C PNG, 3rd edition, §5 and §11)."""
    lines = b"".join(b"\0" + bytes((x * 8 + y * 4) % 256 for x in range(32)) for y in range(32))
    header = pack(">IIBBBBB", 32, 32, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))


def coloured(state: State) -> str:
    """A state in its colour."""
    return f"[{COLOURS.get(state, 'red')}]{state.replace('_', ' ')}[/]"


SCENES: tuple[Callable[[Stage], None], ...] = (
    *(every_dialect, another_order, failover, doubt, wrong_password, unreachable, money_and_answers),
)


def main() -> None:
    """Play every scene on one gateway."""
    logging.getLogger("notify").addHandler(logging.NullHandler())  # the scenes tell the same by events
    started = time.perf_counter()
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    with TemporaryDirectory() as folder, sandbox() as gateway:
        gateway.account(name="backup", password="backup-secret")
        console.print(f"A gateway listens at {gateway.url}. Every message below crosses a real socket to it.")
        for scene in SCENES:
            gateway.forget()
            scene(Stage(console, gateway, Path(folder)))
    console.rule(style="cyan")
    console.print(f"All as told, in {time.perf_counter() - started:.1f} s. To try it by hand: README.md, “Use it”.")


if __name__ == "__main__":
    main()

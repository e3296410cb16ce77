"""``notify outbox payloads|replay``: what gateways handed out, as it came, and reading it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from notify_core.cli import exits, terminal
from notify_core.cli.exits import Misuse
from notify_core.cli.options import DEFAULT_CONFIG, ConfigFile, Json, load, option
from notify_core.cli.store import opened
from notify_core.cli.tables import Block, Table
from notify_core.errors import NotifyError
from notify_core.narration import ended
from notify_core.times import clock

if TYPE_CHECKING:
    from notify_core.mailbox import Mailbox
    from notify_core.store import Applied, Kept, Payload, Store


class Wanted(StrEnum):
    """The states of a payload."""

    WAITING = "waiting"
    APPLIED = "applied"
    UNREADABLE = "unreadable"


_OPEN = (Wanted.WAITING, Wanted.UNREADABLE)


def payloads(
    *,
    state: Annotated[
        list[Wanted] | None,
        option("--state", "STATE", "Only those: waiting, applied or unreadable. Without it, all but the applied ones."),
    ] = None,
    below: Annotated[int | None, option("--below", "ID", "Only those with a smaller id: the next page.")] = None,
    most: Annotated[int, typer.Option("--most", metavar="N", min=1, help="How many, at most.")] = 50,
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """List what gateways handed out and what is not applied yet, the newest first.

    Each pull of reports or inbound messages, and each push, is kept as it came before it is read. waiting: kept, and to
    be applied by a worker within a minute or two. unreadable: nobody could read it; it stays until it is replayed or
    purged. What it says is not shown.

    Examples:
      notify outbox payloads
      notify outbox payloads --state applied --most 10 --json
    """
    with opened(config) as store:
        found = store.payloads(state or _OPEN, below=below, most=most + 1)
    more = found[most].id + 1 if len(found) > most else None
    found = found[:most]
    if as_json:
        facts = ("id", "account", "transport", "origin", "hook", "state", "error", "received", "size")
        document = [{fact: getattr(each, fact) for fact in facts} for each in found]
        terminal.show_json({"payloads": document, "next_below": more})
    else:
        terminal.show(*_listed(found, more))


def replay(
    payload: Annotated[
        str,
        typer.Argument(metavar="ID|FILE", show_default=False, help="A payload, by its id, or the file that has it."),
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="Every payload that is waiting or unreadable.")] = False,
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Read payloads again and apply what they say, such as after an upgrade that can read them.

    Nothing is asked of the gateway. What was applied before is recognised and changes nothing. A file
    notify-unkept-….json has what the store could not take when it came: it is taken now, and the file removed. Exit
    code 1: one of them still could not be read or applied.

    Examples:
      notify outbox replay 17
      notify outbox replay --all
      notify outbox replay notify-unkept-20300131T090000Z.json
    """
    from notify_core.notifier import Notifier

    if bool(payload) is every:
        raise Misuse("give either the id of a payload or --all: `notify outbox payloads` shows those there are")
    unkept = None if every or payload.isdecimal() else _in_file(payload)
    with Notifier(load(config)) as notifier:
        store = notifier.outbox.store
        numbers = _open(store) if every else [_one(store, unkept, payload)]
        found = [_replayed(notifier.mailbox, number) for number in numbers]
    if as_json:
        terminal.show_json({"replayed": [_document(*each) for each in found]})
    else:
        terminal.show(*([_sentence(*each) for each in found] or ["There is nothing to replay."]))
    if any(isinstance(outcome, NotifyError) for _, outcome in found):
        raise typer.Exit(exits.FAILED)


def mentioned(counts: Mapping[str, int]) -> Iterator[str]:
    """What a list of deliveries says of payloads that nobody could read: how many there are."""
    if count := counts.get("unreadable"):
        yield f"{_counted(count, 'payload')} could not be read: `notify outbox payloads` shows why."


def _in_file(name: str) -> Payload:
    from notify_core.store import Payload

    try:
        return Payload.of_document(Path(name).read_bytes())
    except OSError as error:
        raise Misuse(f"{name}: {error.strerror}: give the id of a payload, or the file that has it") from None
    except ValueError:
        raise Misuse(f"{name}: this is no file that notify kept a payload in: notify-unkept-….json is one") from None


def _one(store: Store, unkept: Payload | None, given: str) -> int:
    """The number of the payload that was asked for. Raises ``StoreError`` where there is none of that number."""
    return _taken_in(store, unkept, given) if unkept else store.payload(int(given)).id


def _taken_in(store: Store, unkept: Payload, file: str) -> int:
    """The number that the store gives it. The file goes: taken twice, what has no time of its own would count twice."""
    number = store.keep(unkept)
    with suppress(OSError):
        Path(file).unlink()
    return number


def _open(store: Store) -> list[int]:
    """Every payload that is not applied, the oldest first."""
    numbers: list[int] = []
    while some := store.payloads(_OPEN, below=numbers[-1] if numbers else None):
        numbers += [each.id for each in some]
    return numbers[::-1]


def _replayed(mailbox: Mailbox, number: int) -> tuple[int, Applied | NotifyError]:
    try:
        return number, mailbox.replay(number)
    except NotifyError as error:
        return number, error


def _listed(found: Sequence[Kept], more: int | None) -> Iterator[Block]:
    if not found:
        yield "No payload fits."
        return
    columns = ("id", "account", "transport", "how", "received", "bytes", "state", "why")
    yield Table(columns, [_row(each) for each in found])
    if more:
        yield f"There are older ones: add --below {more}, or --most."
    if any(each.state == "unreadable" for each in found):
        yield "`notify outbox replay ID` reads one again, such as after an upgrade."


def _row(each: Kept) -> tuple[str, ...]:
    how = each.origin if each.origin == "push" else f"{each.origin} of {_PULLED[each.hook]}"
    received = clock(each.received)
    return (str(each.id), each.account, each.transport, how, received, f"{each.size:,}", each.state, each.error)


_PULLED = {"status": "reports", "inbound": "inbound"}


def _document(number: int, outcome: Applied | NotifyError) -> dict[str, object]:
    if isinstance(outcome, NotifyError):
        return {"id": number, "error": exits.document(outcome)}
    news = {"reports": len(outcome.reports), "inbound": len(outcome.inbound)}
    return {"id": number, "came": outcome.came, "news": news, "moved": outcome.moved, "opted_out": outcome.opted_out}


def _sentence(number: int, outcome: Applied | NotifyError) -> str:
    if isinstance(outcome, NotifyError):
        return f"Payload {number} is as it was: {ended(str(outcome))}"
    news = f"{_counted(len(outcome.reports), 'report')} and {_counted(len(outcome.inbound), 'inbound message')}"
    moved = f"{_counted(outcome.moved, 'delivery', 'deliveries')} changed"
    return f"Payload {number} is applied: {news} of {outcome.came:,} were news; {moved}."


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one}" if count == 1 else f"{count:,} {many or one + 's'}"

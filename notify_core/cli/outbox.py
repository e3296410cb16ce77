"""``notify outbox``: what became of each message in the store, and what people may do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from notify_core import narration, retrial
from notify_core.cli import exits, notices, payloads, terminal, times
from notify_core.cli.command import Family
from notify_core.cli.exits import Misuse
from notify_core.cli.options import DEFAULT_CONFIG, ConfigFile, Json, load, option
from notify_core.cli.store import opened
from notify_core.cli.tables import Block, Table, words
from notify_core.errors import coded, nearest
from notify_core.phones import mask
from notify_core.states import IllegalMove, State
from notify_core.times import clock, shown

if TYPE_CHECKING:
    from notify_core.config import Config
    from notify_core.store import Filter, Gauges, Store, Stored

Ids = Annotated[list[int], typer.Argument(metavar="ID", show_default=False, help="Deliveries, by their ids.")]
Known = Literal["accepted", "delivered", "undelivered", "abandoned"]


def list_(
    *,
    state: Annotated[
        list[State] | None, option("--state", "STATE", "Only those in this state, such as in_doubt. Repeatable.")
    ] = None,
    route: Annotated[str, option("--route", "ROUTE", "Only those enqueued along this route.")] = "",
    via: Annotated[str, option("--via", "PATH", "Only those enqueued by this one path.")] = "",
    path: Annotated[str, option("--path", "PATH", "Only those last tried by this path, or this account.")] = "",
    to: Annotated[str, option("--to", "NUMBER", "Only those to this recipient.")] = "",
    since: Annotated[str, option("--since", "TIME", "Only those enqueued since: 2h or 7d ago, or 2030-01-31.")] = "",
    message: Annotated[int | None, option("--message", "ID", "Only those of one message.")] = None,
    key: Annotated[str, option("--key", "KEY", "Only those of the message enqueued with this key.")] = "",
    task_id: Annotated[str, option("--task-id", "ID", "Only those of the submission that the gateway calls so.")] = "",
    below: Annotated[int | None, option("--below", "ID", "Only those with a smaller id: the next page.")] = None,
    most: Annotated[int, typer.Option("--most", metavar="N", min=1, help="How many, at most.")] = 50,
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """List deliveries, the newest first: one for each recipient of a message.

    Numbers are masked; with --json they are whole, and so is the reason of each. Times are those of this machine.

    Examples:
      notify outbox list --state in_doubt
      notify outbox list --to 13800000001 --since 2h
      notify outbox list --route otp --state queued sending --json
    """
    from notify_core.store import Filter, Way

    settings = load(config)
    wanted = Filter(
        states=state or (),
        recipient=_e164(to, settings.default_region),
        way=Way(route=route, via=via) if route or via else None,
        path=path,
        key=key,
        message=message,
        task_id=task_id,
        since=times.moment("--since", since),
        below=below,
    )
    with opened(config, settings) as store:
        found, more = _page(store, wanted, most)
        gauges = store.gauges()
    if not found:
        _check_names(settings, route, via, path)
    counts = {each.value: count for each, count in gauges.open.items()}
    if as_json:
        last = found[-1].id if more else None
        document = {"deliveries": [each.document() for each in found], "open": counts, "next_below": last}
        terminal.show_json(document | _gauged(gauges))
    else:
        remarks = (exits.named(each, config) for each in _remarks(gauges))
        terminal.show(*_listed(found, counts, more=more), *remarks)


def show(
    delivery: Annotated[int, typer.Argument(metavar="ID", show_default=False, help="A delivery, by its id.")],
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Tell the whole life of one delivery, what it means now, and what may be done.

    `notify outbox list` shows the ids. What the message says is not shown.

    Example:
      notify outbox show 17
    """
    from notify_core.cli import timeline

    with opened(config) as store:
        stored, events = store.delivery(delivery), store.timeline(delivery)
        again = retrial.tried_again(store, delivery)
    if as_json:
        facts = ("at", "what", "path", "task_id", "code", "description")
        document = {
            "delivery": stored.document(),
            "timeline": [{fact: getattr(event, fact) for fact in facts} for event in events],
            "meaning": narration.meaning(stored),
            "possible": narration.possible(stored),
            "tried_again_as": again,
        }
        terminal.show_json(document)
        return
    terminal.show(*timeline.told(stored, events))
    if again:
        terminal.show(f"It was tried again as delivery {again}: `notify outbox show {again}`.")


def retry(deliveries: Ids, as_json: Json = False, config: ConfigFile = DEFAULT_CONFIG) -> None:
    """Try again what surely was not sent.

    A queued delivery becomes due now; quiet hours and limits still hold. A rejected one stays as it is, and its message
    is enqueued again for its recipient as a new delivery, once: repeating the command does not send twice. All others
    are refused, because they may have been sent or are over; then nothing is done for any of the ids.

    Examples:
      notify outbox retry 17
      notify outbox list --state rejected --since 1h
    """
    from notify_core.notifier import Notifier

    with Notifier(load(config)) as notifier:
        store = notifier.outbox.store
        _check_unsent([store.delivery(number) for number in deliveries])
        with _legal():
            done = retrial.retry(notifier, deliveries)
    if as_json:
        terminal.show_json({"hastened": done.hastened, "enqueued": done.enqueued})
        return
    terminal.show(
        *(f"Delivery {number} is due now: it leaves once quiet hours and limits let it." for number in done.hastened),
        *(f"Delivery {old} is enqueued again, as delivery {new}." for old, new in done.enqueued.items()),
    )


def cancel(
    deliveries: Ids,
    note: Annotated[str, option("--note", "TEXT", "Who took it back, and why; kept for the timeline.")] = "",
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Take back what is queued, before it leaves.

    All of the ids, or none of them where one has begun to leave.

    Example:
      notify outbox cancel 17 18 --note "wrong date, says Li"
    """
    with opened(config) as store, _legal():
        store.cancel(deliveries, note)
    _done(deliveries, State.CANCELLED, as_json=as_json)


def resolve(
    deliveries: Ids,
    state: Annotated[
        Known,
        typer.Argument(metavar="STATE", show_default=False, help="accepted, delivered, undelivered or abandoned."),
    ],
    note: Annotated[str, option("--note", "TEXT", "Who knows it, and how; kept for the timeline.")],
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Say what became of deliveries that are in doubt.

    For what no report will tell: ask the provider first. accepted: the gateway has it; delivered: the phone has it;
    undelivered: it never will; abandoned: nobody knows, and nobody will ask again. Nothing is sent by this.

    Example:
      notify outbox resolve 17 delivered --note "the patient has it, says Li"
    """
    with opened(config) as store, _legal():
        store.resolve(deliveries, State(state), note)
    _done(deliveries, State(state), as_json=as_json)


def purge(
    older_than: Annotated[str, option("--older-than", "SPAN", "How old, such as 90d.")],
    as_json: Json = False,
    config: ConfigFile = DEFAULT_CONFIG,
) -> None:
    """Remove what is over and older than a span of time, for good.

    Removes messages, deliveries, attempts, reports, inbound messages and payloads. What is queued, being sent or in
    doubt stays, however old. An accepted delivery counts as over: a report that comes later finds nothing. A key may be
    used anew once its message is gone. Sending goes on meanwhile.

    Example:
      notify outbox purge --older-than 90d
    """
    before = times.ago("--older-than", older_than)
    with opened(config) as store, terminal.busy("purging"):
        purged = store.purge(before)
    if as_json:
        terminal.show_json({"before": before, "removed": purged.rows})
        return
    found = ", ".join(
        f"{count:,} {kind.removeprefix('notify_').replace('_', ' ')}" for kind, count in _some(purged.rows)
    )
    terminal.show(f"Removed what was over before {shown(before)}: {found or 'there was nothing'}.")


COMMANDS = Family(
    "outbox",
    "See what became of messages, and act on them: try again, take back, resolve, purge.",
    (list_, show, retry, cancel, resolve, purge, payloads.payloads, payloads.replay, notices.notices, notices.tell),
)


def _some(rows: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(kind, count) for kind, count in rows.items() if count]


def _e164(number: str, region: str) -> str:
    from notify_core.phones import e164

    return number and e164(number, region)


def _check_names(config: Config, route: str, via: str, path: str) -> None:
    """Raises ``Misuse`` where nothing fits because of a misspelt name: what the store has may be of an older one."""
    paths = {
        f"{name}.{transport.dialect}"
        for name, account in config.accounts.items()
        for transport in config.plugins.transports.values()
        if transport.provider == account.provider
    }
    accounts_too = paths | config.accounts.keys()
    for kind, name, known in (("route", route, config.routes), ("path", via, paths), ("path", path, accounts_too)):
        if name and name not in known:
            raise Misuse(f"no delivery fits, and the configuration has no {kind} {name!r}{nearest(name, known)}")


def _page(store: Store, wanted: Filter, most: int) -> tuple[list[Stored], bool]:
    """The newest that fit, and whether there are more."""
    found = store.deliveries(wanted, most=most + 1)
    return found[:most], len(found) > most


def _listed(found: Sequence[Stored], counts: Mapping[str, int], *, more: bool) -> Iterator[Block]:
    if found:
        columns = ("id", "recipient", "state", "way", "by", "enqueued", "why")
        yield Table(columns, [_row(each) for each in found])
    else:
        yield "No delivery fits."
    if more:
        yield f"There are older ones: add --below {found[-1].id}, or --most."
    yield f"In the whole store: {', '.join(f'{count:,} {words(State(state))}' for state, count in counts.items())}."


def _remarks(gauges: Gauges) -> Iterator[str]:
    """What a person should do about the store as a whole."""
    yield from payloads.mentioned(gauges.payloads)
    if gauges.unattended:
        yield narration.unattended(gauges.late)


def _gauged(gauges: Gauges) -> dict[str, object]:
    """The same for programs."""
    facts = ("payloads", "late", "workers", "unattended")
    untold = {narration.audience(target): asdict(each) for target, each in gauges.untold.items()}
    return {fact: getattr(gauges, fact) for fact in facts} | {"untold": untold}


def _row(each: Stored) -> tuple[str, ...]:
    way = each.way.route or each.way.via
    why, enqueued = coded(each.description, each.code), clock(each.created)
    return (str(each.id), mask(each.recipient), words(each.state), way, each.path, enqueued, why)


@contextmanager
def _legal() -> Iterator[None]:
    """Tell what a delivery's state does not allow as wrong usage, which it is here."""
    try:
        yield
    except IllegalMove as error:
        raise Misuse(f"{error}; nothing was changed. `notify outbox show ID` tells what may be done") from None


def _done(deliveries: Sequence[int], state: State, *, as_json: bool) -> None:
    if as_json:
        terminal.show_json({"deliveries": deliveries, "state": state})
    else:
        terminal.show(*(f"Delivery {number} is {words(state)}." for number in deliveries))


def _check_unsent(found: Sequence[Stored]) -> None:
    """Raises ``Misuse`` if one of them may have been sent, or is over, so that trying it again would be a mistake."""
    faults = [each for each in found if each.state not in retrial.UNSENT]
    if faults:
        reasons = (
            f"delivery {each.id} is {words(each.state)}. What may be done: {narration.possible(each)}"
            for each in faults
        )
        raise Misuse("\n".join([*reasons, "Only what is queued or rejected is tried again; nothing was changed"]))

"""What a send came to, for people and for programs, and the exit code that it gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from notify_core.cli import exits, salvage, terminal
from notify_core.cli.following import MANY
from notify_core.cli.tables import Block, Table, words
from notify_core.errors import SendError
from notify_core.names import account_of
from notify_core.phones import mask
from notify_core.results import Attempt, Delivery, Estimate, Result
from notify_core.states import State

if TYPE_CHECKING:
    from notify_core.store import Enqueued

_LISTED = 50
_DOUBT = (
    "In doubt: the gateway may have taken the message, and cannot be asked. Do not send it again: it could arrive, and "
    "be billed, twice. {shown} shows what became of it once the gateway knows; else ask the provider."
)


def tell(result: Result, *, as_json: bool) -> None:
    """Show a result, with advice where it is not accepted for everybody.

    Many recipients of whom some were not sent to are kept in a file too: one cannot send again to ask who they were.
    """
    if as_json:
        terminal.show_json(document(result))
    else:
        terminal.show(*_blocks(result))
        if _many(result) and not result.accepted:
            place = salvage.keep(terminal.json_text(document(result)).encode(), "result", ".json")
            again = f" --to-file {place} sends again to those alone who were not sent to." if result.rejected else ""
            terminal.show(f"Everything, with whole numbers, is in {place}.{again}")
    terminal.complain(*_advice(result))


def code(result: Result) -> int:
    """The exit code of a send: in doubt, however few, says so."""
    if result.in_doubt:
        return exits.IN_DOUBT
    return exits.DONE if result.accepted else exits.FAILED


def document(result: Result) -> dict[str, object]:
    """A result as ``--json`` tells it: numbers whole, for they are the caller's own; the text is not repeated."""
    return {
        "accepted": result.accepted,
        "in_doubt": result.in_doubt,
        "route": result.route,
        "task_id": result.task_id,
        "segments": result.segments,
        "units": _units(result),
        "deliveries": [_delivery(delivery) for delivery in result.deliveries],
        "attempts": [_attempt(attempt) for attempt in result.attempts],
    }


def tell_estimate(estimate: Estimate, *, as_json: bool) -> None:
    """Show what a message would cost."""
    facts = {fact: getattr(estimate, fact) for fact in ("path", "segments", "recipients", "units")}
    if as_json:
        terminal.show_json({"dry_run": True, **facts})
        return
    to = _counted(estimate.recipients, "recipient")
    each = _counted(estimate.segments, "segment")
    terminal.show(
        f"Would go by {estimate.path} to {to}, {each} each: {_counted(estimate.units, 'unit')}. Nothing sent."
    )


def enqueued_document(enqueued: Enqueued, recipients: Sequence[str], workers: int) -> dict[str, object]:
    """Where an enqueued message can be followed, as ``--json`` tells it, and how many workers are there to send it."""
    ids = zip(enqueued.deliveries, recipients, strict=True)
    deliveries = [{"id": number, "recipient": to} for number, to in ids]
    return {"enqueued": enqueued.new, "message": enqueued.message_id, "deliveries": deliveries, "workers": workers}


def enqueued_words(enqueued: Enqueued, workers: int) -> Iterator[str]:
    """The same for people, and what to do where there is no worker."""
    message, ids = enqueued.message_id, enqueued.deliveries
    these = f"delivery {ids[0]}" if len(ids) == 1 else f"deliveries {ids[0]} to {ids[-1]}"
    shown = f"`notify outbox list --message {message}` shows what becomes of it."
    if not enqueued.new:
        yield f"Enqueued before, under the same key: message {message}, {these}. Nothing was added; {shown}"
        return
    yield f"Enqueued for {_counted(len(ids), 'recipient')}: message {message}, {these}."
    yield f"{'A worker sends it' if workers else 'No worker is running: `notify worker` sends it'}; {shown}"


def _delivery(delivery: Delivery) -> dict[str, object]:
    facts = {fact: getattr(delivery, fact) for fact in ("id", "recipient", "state", "path", "task_id")}
    return {**facts, "error": delivery.error and exits.document(delivery.error)}


def _attempt(attempt: Attempt) -> dict[str, object]:
    facts = {fact: getattr(attempt, fact) for fact in ("path", "at", "state", "task_id", "recipients", "raw")}
    seconds = round(attempt.seconds, 6)
    return {**facts, "seconds": seconds, "error": attempt.error and exits.document(attempt.error)}


def _many(result: Result) -> bool:
    return len(result.deliveries) > MANY


def _blocks(result: Result) -> Iterator[Block]:
    listed = [d for d in result.deliveries if not _many(result) or d.state is not State.ACCEPTED]
    yield _summary(result)
    if len(listed) > _LISTED:
        yield _grouped(listed)
    elif listed:
        yield _deliveries(listed)
    way = _way(result.attempts)
    if len(way.rows) > 1:
        yield way


def _summary(result: Result) -> str:
    counts = {state: sum(d.state is state for d in result.deliveries) for state in _SUMMARY}
    found = "; ".join(f"{count:,} {_SUMMARY[state]}" for state, count in counts.items() if count)
    if not (units := _units(result)):
        return f"{found}."
    return f"{found}; {_counted(result.segments, 'segment')} each, {_counted(units, 'unit')} in all."


_SUMMARY = {state: words(state) for state in State} | {State.REJECTED: "not sent"}


def _deliveries(deliveries: Sequence[Delivery]) -> Table:
    columns = ("recipient", "state", "path", "task id", "why")
    return Table(columns, [(mask(d.recipient), words(d.state), d.path, d.task_id, _why(d.error)) for d in deliveries])


def _grouped(deliveries: Sequence[Delivery]) -> Table:
    """How many recipients share a state and a reason, and the first of them."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for d in deliveries:
        groups.setdefault((words(d.state), d.path, _why(d.error)), []).append(d.recipient)
    rows = [
        (f"{len(numbers):,}", state, path, why, f"{', '.join(map(mask, numbers[:3]))}{', …' * (len(numbers) > 3)}")
        for (state, path, why), numbers in groups.items()
    ]
    return Table(("recipients", "state", "path", "why", "which"), rows)


def _way(attempts: Sequence[Attempt]) -> Table:
    """The way that the message took: each path with what came of it, in the order in which they were tried."""
    groups: dict[tuple[str, str, str], list[float]] = {}
    for a in attempts:
        groups.setdefault((a.path, words(a.state), _why(a.error)), []).append(a.seconds)
    rows = [
        (path, f"{len(took):,}", outcome, f"{sum(took):.2f} s", why) for (path, outcome, why), took in groups.items()
    ]
    return Table(("tried", "submissions", "outcome", "took", "why"), rows)


def _why(error: SendError | None) -> str:
    return str(error) if error else ""


def _advice(result: Result) -> Iterator[str]:
    """What to do next: for those in doubt, and for each reason why others were not sent to."""
    doubtful = [delivery for delivery in result.deliveries if delivery.state is State.IN_DOUBT]
    if doubtful:
        yield _DOUBT.format(shown=_place(doubtful))
    reasons = {str(d.error): d.error for d in result.rejected if d.error}
    for error in list(reasons.values())[:10]:
        yield f"Not sent: {exits.advised(error)}"


def _place(doubtful: Sequence[Delivery]) -> str:
    """The commands that show what became of these: of the store, where they are in one."""
    if doubtful[0].id:
        return (
            f"`notify outbox show {doubtful[0].id}`" if len(doubtful) == 1 else "`notify outbox list --state in_doubt`"
        )
    accounts = {account_of(d.path) for d in doubtful if d.path} or {"ACCOUNT"}
    return " and ".join(f"`notify reports {name}`" for name in sorted(accounts))


def _units(result: Result) -> int:
    return result.segments * sum(delivery.state is State.ACCEPTED for delivery in result.deliveries)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"

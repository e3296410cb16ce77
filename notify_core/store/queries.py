"""What the store tells: deliveries by filter, one delivery's life, how much is open."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from notify_core.messages import Message
from notify_core.names import account_of
from notify_core.phones import mask
from notify_core.states import FINAL, State
from notify_core.store import bodies, statements
from notify_core.store.outbox import LAST_ID, NoDelivery, Way
from notify_core.times import moment, stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which deliveries are meant; what is left empty does not restrict. ``path`` may be the name of an account.

    ``since`` and ``until`` bound when they were enqueued (aware). ``below`` pages: only ids smaller than that. ``ids``
    are those of which one has the numbers.
    """

    states: Collection[State] = ()
    recipient: str = ""
    way: Way | None = None
    path: str = ""
    key: str = ""
    message: int | None = None
    task_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    below: int | None = None
    ids: Collection[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Stored:
    """A delivery as the store has it. Times are aware."""

    id: int
    message: int
    recipient: str
    state: State
    way: Way
    priority: int
    due: datetime
    expires_at: datetime | None
    attempts: int
    path: str
    task_id: str
    code: str
    description: str
    key: str
    created: datetime
    changed: datetime

    def __repr__(self) -> str:
        return f"Stored({self.id}, {mask(self.recipient)}, {self.state}, path={self.path!r}, task_id={self.task_id!r})"

    def document(self) -> dict[str, Any]:
        """All of it for the application whose it is, its number whole; the text is not repeated."""
        facts = ("id", "message", "recipient", "state", "priority", "due", "expires_at", "attempts", "path", "task_id")
        later = ("code", "description", "key", "created", "changed")
        way = {"route": self.way.route, "via": self.way.via}
        return {fact: getattr(self, fact) for fact in facts} | way | {fact: getattr(self, fact) for fact in later}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One moment of a delivery's life, as a support person reads it aloud."""

    at: datetime
    what: str
    path: str = ""
    task_id: str = ""
    code: str = ""
    description: str = ""


def deliveries(connection: Connection, wanted: Filter, most: int) -> list[Stored]:
    """The newest ``most`` deliveries that fit, newest first."""
    values = _values(wanted)
    statement = statements.filtered(wanted.states, values)
    return [_stored(row) for row in connection.execute(statement, {**values, "most": most})]


def _values(wanted: Filter) -> dict[str, Any]:
    """The restrictions, by their names in ``statements.FILTERS``."""
    values = {
        "recipient": wanted.recipient,
        "way": str(wanted.way) if wanted.way else "",
        "path": wanted.path,
        "key": wanted.key,
        "message": wanted.message and min(wanted.message, LAST_ID),
        "task_id": wanted.task_id,
        "since": stamp(wanted.since),
        "until": stamp(wanted.until),
        "below": wanted.below and min(wanted.below, LAST_ID),
        "ids": wanted.ids or None,
    }
    return {f"wanted_{name}": value for name, value in values.items() if value not in ("", None)}


def delivery(connection: Connection, number: int) -> Stored:
    """One delivery. Raises ``StoreError`` where there is none of that id."""
    rows = connection.execute(statements.THE_DELIVERY, {"delivery": number}).all() if number <= LAST_ID else ()
    if not rows:
        raise NoDelivery(number)
    return _stored(rows[0])


def message(connection: Connection, number: int) -> Message:
    """What a delivery says, to its recipient alone. Raises ``StoreError`` where its text was wiped."""
    found = delivery(connection, number)
    row = connection.execute(statements.MESSAGE, {"message": found.message}).one()
    return bodies.rebuilt(row.kind, row.body, [found.recipient], row.send_at)


def timeline(connection: Connection, number: int) -> list[Event]:
    """All that befell a delivery, in order. Raises ``StoreError``."""
    found = delivery(connection, number)
    events = [Event(at=found.created, what=State.QUEUED.value, description=str(found.way))]
    for statement in (statements.ATTEMPTS_OF, statements.ACCEPTED_BY):
        events += [_event(row) for row in connection.execute(statement, {"delivery": number})]
    events += _reports(connection, found, events)
    told = {event.what for event in events[1:]}
    if found.state not in told and (found.state is not State.QUEUED or found.code):
        events.append(_state_of(found))
    return sorted(events, key=lambda event: event.at)


def _reports(connection: Connection, found: Stored, events: Collection[Event]) -> Iterator[Event]:
    """What the gateway reported, also what changed nothing, and for one in doubt what may be about it."""
    resolved = [event.what for event in events if event.code == "resolved" and not event.path]
    over, doubted = any(State(state) in FINAL for state in resolved), None if resolved else _doubted(events)
    for row in connection.execute(statements.REPORTS_OF, {"delivery": found.id}):
        event = _event(row)
        yield replace(event, description="it changes nothing" if over else _resolving(event, doubted))
        over, doubted = over or State(row.state) in FINAL, None
    if found.state is State.IN_DOUBT:
        facts = {"recipient": found.recipient, "account_name": account_of(found.path)}
        for row in connection.execute(statements.PARKED_REPORTS_ON, facts):
            task = f"task {row.task_id}" if row.task_id else "a task without id"
            yield replace(_event(row), description=f"it is about {task}, which may be this message or another")


def _doubted(events: Collection[Event]) -> datetime | None:
    """Since when a delivery was in doubt, where no other reply of a gateway ended that."""
    if any(event.what == State.ACCEPTED for event in events):
        return None
    return max((event.at for event in events if event.what == State.IN_DOUBT), default=None)


def _resolving(report: Event, doubted: datetime | None) -> str:
    """What a report did to a doubt, which it may have preceded."""
    if doubted is None:
        return ""
    return "it resolved the doubt" if report.at >= doubted else "it came before the doubt, and resolved it"


def _state_of(found: Stored) -> Event:
    """The state that a delivery is in, where nothing else tells of it: waiting, being sent, ended before it left."""
    # What a request ended is told by that: one rejected without it was claimed for its path, and never tried by it.
    path = "" if found.state is State.REJECTED else found.path
    return Event(at=found.changed, what=found.state.value, path=path, code=found.code, description=found.description)


def _event(row: Row[*tuple[Any, ...]]) -> Event:
    return Event(
        at=moment(row.at),
        what=row.state,
        path=row.path,
        task_id=row.task_id or "",
        code=row.code,
        description=row.description,
    )


def _stored(row: Row[*tuple[Any, ...]]) -> Stored:
    return Stored(
        id=row.id,
        message=row.message_id,
        recipient=row.recipient,
        state=State(row.state),
        way=Way.parse(row.way),
        priority=row.priority,
        due=moment(row.due),
        expires_at=moment(row.expires_at),
        attempts=row.attempts,
        path=row.path,
        task_id=row.task_id or "",
        code=row.code,
        description=row.description,
        key=row.key or "",
        created=moment(row.created),
        changed=moment(row.changed),
    )


def open_counts(connection: Connection) -> Mapping[State, int]:
    """How many deliveries are queued, being sent, in doubt."""
    return {State(row.state): row.total for row in connection.execute(statements.OPEN_COUNTS)}

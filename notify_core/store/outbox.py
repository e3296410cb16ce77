"""Putting messages into the outbox, and what people and the clock do to those that lie there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Connection

from notify_core.errors import InvalidMessage, KeyConflict, StoreError
from notify_core.messages import Message
from notify_core.states import IllegalMove, State, move
from notify_core.store import bodies, statements
from notify_core.store.database import reserve
from notify_core.times import moment, stamp

CHANNEL = "notify_outbox"
"""The PostgreSQL channel on which new work is announced."""
_ROWS = 10_000
"""Rows that are written at a time, so that memory does not grow with a list of recipients."""


LAST_ID = 2**63 - 1
"""The largest id that either database has room for."""


class NoDelivery(StoreError):
    """There is no delivery of that id."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no delivery {number}: `notify outbox list` shows those there are")


@dataclass(frozen=True, slots=True)
class Way:
    """How a message is to leave: along a route, or by one path (give one of the two, by name)."""

    route: str = ""
    via: str = ""

    def __post_init__(self) -> None:
        if bool(self.route) == bool(self.via):
            raise InvalidMessage("give either a route or via, not both and not none")

    def __str__(self) -> str:
        return f"route:{self.route}" if self.route else f"via:{self.via}"

    @classmethod
    def parse(cls, spelled: str) -> Self:
        """The way that ``str`` spelled."""
        kind, _, name = spelled.partition(":")
        return cls(**{kind: name})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A message for the outbox: rendered, its recipients in E.164. Raises ``InvalidMessage``.

    ``key``: the same again with the same message gives the first result. ``priority``: more leaves sooner. ``due``: not
    before that time (None: at once), held by us, while ``message.send_at`` is the provider's. ``expires_at``: not after
    it. ``transactional``: goes to those who opted out too. ``wipe``: the text is wiped when it is no longer needed.
    """

    message: Message
    way: Way
    key: str = ""
    priority: int = 0
    due: datetime | None = None
    expires_at: datetime | None = None
    transactional: bool = False
    wipe: bool = False

    def __post_init__(self) -> None:
        for name in ("due", "expires_at"):
            time: datetime | None = getattr(self, name)
            if time is not None and time.tzinfo is None:
                raise InvalidMessage(f"{name}={time.isoformat()} has no time zone: give an aware time")
        if self.due and self.expires_at and self.expires_at <= self.due:
            raise InvalidMessage(f"expires_at={self.expires_at.isoformat()} is not after due={self.due.isoformat()}")
        if "\0" in self.key:
            raise InvalidMessage("a key has no NUL in it")
        if not -1000 <= self.priority <= 1000:
            raise InvalidMessage(f"priority={self.priority} is out of range: give -1000 to 1000, more leaves sooner")


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What became of an entry: ids of the message and its deliveries, in the order of ``message.to``.

    ``new`` is False where its key had been used for the same message: the ids are those of the first time.
    """

    message_id: int
    deliveries: Sequence[int]
    new: bool = True


@dataclass(frozen=True, slots=True)
class _Row:
    """An entry on its way into the tables."""

    entry: Entry
    id: int
    deliveries: Sequence[int]
    body: str
    fingerprint: str

    def message(self, now: float) -> dict[str, Any]:
        entry = self.entry
        return {
            "id": self.id,
            "key": entry.key or None,
            "fingerprint": self.fingerprint,
            "kind": entry.message.kind,
            "body": self.body,
            "send_at": stamp(entry.message.send_at),
            "transactional": entry.transactional,
            "unwiped": now if entry.wipe else None,
            "created": now,
        }

    def each_delivery(self, now: float) -> Iterator[dict[str, Any]]:
        entry = self.entry
        same = {
            "message_id": self.id,
            "state": State.QUEUED.value,
            "way": str(entry.way),
            "priority": entry.priority,
            "due": now if entry.due is None else entry.due.timestamp(),
            "expires_at": stamp(entry.expires_at),
            "changed": now,
        }
        for number, recipient in zip(self.deliveries, entry.message.to, strict=True):
            yield {"id": number, "recipient": recipient, **same}


def enqueue(connection: Connection, now: float, entries: Sequence[Entry]) -> list[Enqueued]:
    """Write entries, in the transaction of ``connection``. Raises ``KeyConflict``, ``InvalidMessage``."""
    rows = _rows(connection, entries)
    first = _add_messages(connection, now, rows)
    _add_deliveries(connection, now, [row for row in rows if row.id == first.get(row.entry.key, row.id)])
    ring(connection)
    known = _deliveries_of(connection, [first[row.entry.key] for row in rows if row.entry.key])
    return [_enqueued(row, first.get(row.entry.key, row.id), known) for row in rows]


def _enqueued(row: _Row, first: int, known: dict[int, list[int]]) -> Enqueued:
    return Enqueued(row.id, row.deliveries) if row.id == first else Enqueued(first, known.get(first, []), new=False)


def _rows(connection: Connection, entries: Sequence[Entry]) -> list[_Row]:
    written = [(entry, bodies.written(entry.message)) for entry in entries]
    ids = reserve(connection, len(entries) + sum(len(entry.message.to) for entry in entries))
    rows, used = [], len(entries)
    for number, (entry, body) in enumerate(written):
        deliveries = ids[used : used + len(entry.message.to)]
        used += len(deliveries)
        fingerprint = bodies.fingerprint(entry.message.kind, body, entry.message.to) if entry.key else ""
        rows.append(_Row(entry, ids[number], deliveries, body, fingerprint))
    return rows


def _add_messages(connection: Connection, now: float, rows: Sequence[_Row]) -> dict[str, int]:
    """Add them, and say for each key which message has it: one of these, or one that was there before."""
    keyless = [row.message(now) for row in rows if not row.entry.key]
    keyed = sorted((row for row in rows if row.entry.key), key=lambda row: (row.entry.key, row.id))
    statements.ADD_MESSAGES.run(connection, keyless)
    if not keyed:
        return {}
    # Sorted by key: two transactions with the same keys then wait for each other, and not in a circle.
    statements.ADD_KEYED_MESSAGES.run(connection, [row.message(now) for row in keyed])
    owners = {
        key: owner
        for owner in connection.execute(statements.KEYED, {"keys": [row.entry.key for row in keyed]})
        if (key := owner.key)
    }
    for row in keyed:
        _check_same(row, owners[row.entry.key])
    return {key: owner.id for key, owner in owners.items()}


def _check_same(row: _Row, owner: Any) -> None:
    """Wiping a text wipes its fingerprint too, by which the text could be guessed: the key alone counts then."""
    if owner.fingerprint not in ("", row.fingerprint):
        since = moment(owner.created).isoformat(timespec="seconds")
        raise KeyConflict(
            f"key {row.entry.key!r} was used on {since} for message {owner.id}, which says something else or goes to "
            "others: use a new key for a new message, or repeat the first one exactly"
        )


def _add_deliveries(connection: Connection, now: float, rows: Sequence[_Row]) -> None:
    waiting: list[dict[str, Any]] = []
    for row in rows:
        for delivery in row.each_delivery(now):
            waiting.append(delivery)
            if len(waiting) == _ROWS:
                statements.ADD_DELIVERIES.run(connection, waiting)
                waiting = []
    if waiting:
        statements.ADD_DELIVERIES.run(connection, waiting)


def _deliveries_of(connection: Connection, messages: Sequence[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    if messages:
        for message, delivery in connection.execute(statements.DELIVERIES_OF, {"messages": messages}):
            found.setdefault(message, []).append(delivery)
    return found


def ring(connection: Connection) -> None:
    """Announce new work when the transaction is committed. On SQLite the commit itself can be noticed."""
    if connection.dialect.name == "postgresql":
        connection.execute(statements.RING, {"channel": CHANNEL})


def cancel(connection: Connection, now: float, deliveries: Sequence[int], words: str) -> None:
    """Take back what is queued, all of it or nothing. Raises ``IllegalMove``."""
    _check_moves(connection, deliveries, State.CANCELLED, {State.QUEUED})
    _move(connection, now, State.CANCELLED, deliveries, "cancelled", bodies.storable(words))


def hasten(connection: Connection, now: float, deliveries: Sequence[int]) -> None:
    """Let what is queued leave at once, all of it or nothing. Raises ``IllegalMove``."""
    _check_moves(connection, deliveries, State.SENDING, {State.QUEUED})
    connection.execute(statements.HASTEN, {"deliveries": deliveries, "until": now, "now": now})
    ring(connection)


def resolve(connection: Connection, now: float, deliveries: Sequence[int], state: State, words: str) -> None:
    """Say what became of deliveries in doubt, all of them or none. Raises ``IllegalMove``."""
    _check_moves(connection, deliveries, state, {State.IN_DOUBT})
    words = bodies.storable(words)
    _move(connection, now, state, deliveries, "resolved", words)
    note(connection, now, [(delivery, "", state) for delivery in deliveries], "resolved", words)


def expire(connection: Connection, now: float, most: int) -> list[int]:
    """End what is queued and whose time has passed, ``most`` at a time: their ids."""
    stale = list(connection.scalars(statements.STALE, {"now": now, "most": most}))
    if stale:
        _move(connection, now, State.EXPIRED, stale, "expired", "its time passed before it could leave")
    return stale


def note(connection: Connection, now: float, facts: Sequence[tuple[int, str, State]], code: str, words: str) -> None:
    """Keep for the timeline what befell deliveries without a request: (delivery, path, state) each."""
    ids = reserve(connection, len(facts))
    common = {"submission_id": None, "at": now, "code": code, "description": words}
    rows = [
        {"id": number, "delivery_id": delivery, "path": path, "state": state.value, **common}
        for number, (delivery, path, state) in zip(ids, facts, strict=True)
    ]
    statements.ADD_ATTEMPTS.run(connection, rows)


def _move(connection: Connection, now: float, state: State, deliveries: Sequence[int], code: str, words: str) -> None:
    facts = {"deliveries": deliveries, "why": code, "words": words, "now": now}
    connection.execute(statements.MOVE[state], facts)


def _check_moves(connection: Connection, deliveries: Sequence[int], after: State, allowed: set[State]) -> None:
    """Let nobody else change the deliveries, and raise if one of them cannot go to ``after`` from where it is."""
    known = [delivery for delivery in deliveries if delivery <= LAST_ID]
    found = {row.id: State(row.state) for row in connection.execute(statements.STATES, {"deliveries": known})}
    for delivery in deliveries:
        if delivery not in found:
            raise NoDelivery(delivery)
        if found[delivery] not in allowed:
            raise IllegalMove(f"delivery {delivery} is {found[delivery]}: only {_or(allowed)} can become {after}")
        move(found[delivery], after)


def _or(states: set[State]) -> str:
    return " or ".join(f"one that is {state}" for state in sorted(states))

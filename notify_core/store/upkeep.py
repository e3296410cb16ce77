"""Housekeeping: what is old is purged, and texts that nobody needs any more are wiped.

Everything is done in small transactions, so that sending goes on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from notify_core.store import balances, statements
from notify_core.store.database import Database

_ROWS = 5_000
"""Rows of one transaction."""


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows of each kind are gone."""

    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(self.rows.values())


Step = Callable[[Connection], int]
"""One small transaction: how many rows it dealt with, 0 at the end."""


def purge(database: Database, before: float) -> Purged:
    """Remove messages enqueued before that time whose deliveries are over and unchanged since, and what hangs on them.

    A delivery that was accepted counts as over: no report comes any more. One in doubt does not: a person decides. The
    keys of messages go with them. Inbound messages, parked reports, payloads and notices go by their own age, told or
    not; a payload that is about to be applied stays.
    """
    counts = _purge_messages(database, before)
    counts |= {table: _repeat(database, _purging(table, before)) for table in statements.PURGE}
    _purge_traffic(database)
    return Purged(counts | {"limit slots": _repeat(database, _purging_slots(database))})


def wipe(database: Database, before: float) -> int:
    """Empty the texts marked so whose deliveries are all final, or accepted before that time: how many.

    A gateway that reports nothing leaves its deliveries accepted for ever; hence the time.
    """
    wiped, after = 0, {"after": 0.0, "after_id": 0}
    while True:
        with database.reading() as connection:  # it may walk past many that wait for a report, and locks nobody out
            rows = connection.execute(statements.SAID, {"before": before, "most": _ROWS, **after}).all()
        if not rows:
            return wiped
        with database.writing() as connection:
            connection.execute(statements.WIPE, {"messages": [row.id for row in rows]})
        wiped += len(rows)
        after = {"after": rows[-1].unwiped, "after_id": rows[-1].id}


def _purge_messages(database: Database, before: float) -> dict[str, int]:
    counts = {"messages": 0, "deliveries": 0}
    after = {"after": 0.0, "after_id": 0}
    while True:
        with database.reading() as connection:
            rows = connection.execute(statements.OVER, {"before": before, "most": _ROWS, **after}).all()
        if not rows:
            return counts
        after = {"after": rows[-1].created, "after_id": rows[-1].id}
        messages = [row.id for row in rows]
        # The message goes last: where this is interrupted, it is found again.
        counts["deliveries"] += _repeat(database, _purging_deliveries(messages))
        with database.writing() as connection:
            counts["messages"] += connection.execute(statements.PURGE_MESSAGES, {"messages": messages}).rowcount


def _repeat(database: Database, step: Step) -> int:
    total = 0
    while True:
        with database.writing() as connection:
            count = step(connection)
        if not count:
            return total
        total += count


def _purging_deliveries(messages: list[int]) -> Step:
    def step(connection: Connection) -> int:
        facts = {"messages": messages, "most": _ROWS}
        these = {"deliveries": connection.scalars(statements.DELIVERIES_TO_PURGE, facts).all()}
        for statement in (statements.PURGE_ATTEMPTS, statements.PURGE_REPORTS, statements.PURGE_DELIVERIES):
            connection.execute(statement, these)
        return len(these["deliveries"])

    return step


def _purging(table: str, before: float) -> Step:
    return lambda connection: connection.execute(statements.PURGE[table], {"before": before, "most": _ROWS}).rowcount


def _purge_traffic(database: Database) -> None:
    """Forget what was spent before the days from which the pace is taken: an hour's row for each path."""
    with database.writing() as connection:
        hour = int(database.now(connection) - balances.RECENT) // balances.HOUR
        connection.execute(statements.PURGE_TRAFFIC, {"before_hour": hour})


def _purging_slots(database: Database) -> Step:
    def step(connection: Connection) -> int:
        facts = {"now_ms": int(database.now(connection) * 1000), "most": _ROWS}
        return connection.execute(statements.PURGE_SLOTS, facts).rowcount

    return step

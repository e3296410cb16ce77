"""How full the store is, and how late: what a monitor asks for every few seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from notify_core.states import State
from notify_core.store import queries, statements
from notify_core.store.notices import LISTENERS

UNAPPLIED = ("waiting", "unreadable")
"""The states of a payload that is not applied."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for one target to be told: how much, and for how many seconds the oldest of it."""

    count: int
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """What is open: deliveries by state, and payloads that are kept and not applied by state.

    ``late`` is how many seconds the oldest queued delivery is overdue, 0.0 where none is. ``workers`` is how many live.
    ``untold`` is what listeners (the empty name) and each webhook are still to be told of.
    """

    open: Mapping[State, int]
    payloads: Mapping[str, int]
    late: float
    workers: int
    untold: Mapping[str, Backlog]

    @property
    def unattended(self) -> bool:
        """Whether something is due, and no worker is there to send it."""
        return self.late > 0 and not self.workers


def workers(connection: Connection, now: float) -> int:
    """How many workers live, on all machines."""
    return connection.scalar(statements.LIVING_WORKERS, {"now": now}) or 0


def read(connection: Connection, now: float) -> Gauges:
    """The gauges at the time ``now``."""
    due = connection.scalar(statements.EARLIEST_DUE)
    untold = connection.execute(statements.NOTICES_UNTOLD)
    payloads = {row.state: row.total for row in connection.execute(statements.UNAPPLIED)}
    return Gauges(
        open=queries.open_counts(connection),
        payloads={state: payloads.get(state, 0) for state in UNAPPLIED},
        late=0.0 if due is None else max(0.0, now - due),
        workers=workers(connection, now),
        untold={LISTENERS: Backlog(0, 0.0)}
        | {row.target: Backlog(row.total, max(0.0, now - row.at)) for row in untold},
    )

"""Messages from subscribers, as they arrived."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from notify_core.phones import mask
from notify_core.store import statements
from notify_core.store.outbox import LAST_ID
from notify_core.times import moment, stamp


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Arrival:
    """A message from a subscriber as the store has it: ``at`` by the gateway's clock, ``received`` by ours (aware)."""

    id: int
    account: str
    sender: str
    text: str
    extension: str
    task_id: str
    at: datetime | None
    received: datetime

    def __repr__(self) -> str:
        return f"Arrival({self.id}, {self.account!r}, {mask(self.sender)}, <{len(self.text)} characters>)"

    def document(self) -> dict[str, Any]:
        """All of it, for the application that it was written to."""
        return asdict(self)


def listed(connection: Connection, account: str, since: datetime | None, below: int | None, most: int) -> list[Arrival]:
    """The newest ``most`` that fit, newest first."""
    found = {"account": account or None, "since": stamp(since), "below": below and min(below, LAST_ID)}
    values = {f"wanted_{name}": value for name, value in found.items() if value is not None}
    rows = connection.execute(statements.arrived(values), {**values, "most": most})
    return [_arrival(row) for row in rows]


def _arrival(row: Row[*tuple[Any, ...]]) -> Arrival:
    return Arrival(
        id=row.id,
        account=row.account,
        sender=row.sender,
        text=row.text,
        extension=row.extension,
        task_id=row.task_id,
        at=moment(row.at),
        received=moment(row.received),
    )

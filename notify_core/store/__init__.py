"""The store: an outbox and its records, in SQLite or PostgreSQL. Needs the extra ``store`` (and ``postgres``)."""

from __future__ import annotations

from notify_core.errors import MissingExtra

try:
    import sqlalchemy as _sqlalchemy  # noqa: F401 - nothing below can be imported without it
except ModuleNotFoundError as error:
    raise MissingExtra("store", "SQLAlchemy") from error

from notify_core.store.bell import Bell
from notify_core.store.claims import Claim, Intent, Lane, LeaseLost, Outcome, Parcel, Plan, Worker
from notify_core.store.database import Synchronous
from notify_core.store.optout import OptOut
from notify_core.store.outbox import Enqueued, Entry, Way
from notify_core.store.queries import Event, Filter, Stored
from notify_core.store.store import Store
from notify_core.store.upkeep import Purged

__all__ = [
    "Bell",
    "Claim",
    "Enqueued",
    "Entry",
    "Event",
    "Filter",
    "Intent",
    "Lane",
    "LeaseLost",
    "OptOut",
    "Outcome",
    "Parcel",
    "Plan",
    "Purged",
    "Store",
    "Stored",
    "Synchronous",
    "Way",
    "Worker",
]

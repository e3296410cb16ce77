"""The store: an outbox and its records, in SQLite or PostgreSQL. Needs the extra ``store`` (and ``postgres``)."""

from __future__ import annotations

from notify_core.errors import MissingExtra

try:
    import sqlalchemy as _sqlalchemy  # noqa: F401 - nothing below can be imported without it
except ModuleNotFoundError as error:
    raise MissingExtra("store", "SQLAlchemy") from error

from notify_core.events import Change
from notify_core.store.arrivals import Arrival
from notify_core.store.balances import Standing
from notify_core.store.bell import Bell
from notify_core.store.claims import Claim, Intent, Lane, LeaseLost, Outcome, Parcel, Plan, Worker
from notify_core.store.database import Synchronous
from notify_core.store.gauges import Backlog, Gauges
from notify_core.store.mailbox import Applied, Kept, Parked, Payload
from notify_core.store.notices import LISTENERS, Notice, Refused, Targets
from notify_core.store.optout import OptOut
from notify_core.store.outbox import Enqueued, Entry, NoDelivery, Way
from notify_core.store.queries import Event, Filter, Stored
from notify_core.store.schema import DIRECT
from notify_core.store.store import Store
from notify_core.store.upkeep import Purged

__all__ = [
    "DIRECT",
    "LISTENERS",
    "Applied",
    "Arrival",
    "Backlog",
    "Bell",
    "Change",
    "Claim",
    "Enqueued",
    "Entry",
    "Event",
    "Filter",
    "Gauges",
    "Intent",
    "Kept",
    "Lane",
    "LeaseLost",
    "NoDelivery",
    "Notice",
    "OptOut",
    "Outcome",
    "Parcel",
    "Parked",
    "Payload",
    "Plan",
    "Purged",
    "Refused",
    "Standing",
    "Store",
    "Stored",
    "Synchronous",
    "Targets",
    "Way",
    "Worker",
]

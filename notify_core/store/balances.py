"""What credit each account has, and when it became low: noted once, however many machines see it at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from notify_core.events import Change, Credit
from notify_core.settings import CreditSettings
from notify_core.store import notices, statements
from notify_core.store.notices import Draft, Targets
from notify_core.times import moment

_UNKNOWN = ""
"""The units of an account of which it is only known that it cannot pay, or can."""
HOUR = 3600
_DAY = 86400
RECENT = 7 * _DAY
"""Seconds of traffic from which the pace is taken: with a whole week, a Sunday is no surprise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The credit of an account at a time (aware), and whether that is low.

    ``units`` are the provider's own. ``days`` is how long it lasts at the pace of recent traffic, None where nothing
    was sent lately.
    """

    units: Decimal
    at: datetime
    low: bool
    days: float | None = None


def note(
    connection: Connection,
    now: float,
    account: str,
    units: Decimal | None,
    at: datetime,
    rule: CreditSettings,
    targets: Targets,
    *,
    broke: bool,
) -> tuple[Change, Credit] | None:
    """Keep a balance: what changed by it, of which a notice is made; None where nothing did, or a newer one is known.

    ``account`` may be the name of a path, where that has a purse of its own. Where the ``units`` are not known, those
    that were told last are kept, with their time. An account that is ``broke`` is low by any rule.
    """
    told = at.timestamp()
    first = {"account": account, "units": _UNKNOWN if units is None else str(units), "at": told, "low": False}
    statements.ADD_BALANCE.run(connection, [first])
    before = connection.execute(statements.BALANCE, {"account_name": account}).one()
    if before.at > told:
        return None
    days = None if units is None else _days(connection, now, account, units)
    low = broke or (units is not None and _is_low(rule, units, days))
    amount, moment = (before.units, before.at) if units is None else (str(units), told)
    facts = {"account_name": account, "amount": amount, "moment": moment, "is_low": low, "left": days}
    connection.execute(statements.SET_BALANCE, facts)
    if low == before.low:
        return None
    change: Change = "balance_low" if low else "balance_recovered"
    credit = Credit(account=account, units=units, at=at, days=days)
    notices.add(connection, now, account, [Draft(kind=change, subject="", event=credit)], targets)
    return change, credit


def standings(connection: Connection) -> Mapping[str, Standing]:
    """The last balance of each account that has told one."""
    return {
        row.account: Standing(units=Decimal(row.units), at=moment(row.at), low=row.low, days=row.days)
        for row in connection.execute(statements.BALANCES)
        if row.units != _UNKNOWN
    }


def _is_low(rule: CreditSettings, units: Decimal, days: float | None) -> bool:
    too_few = rule.low is not None and units < rule.low
    too_short = rule.low_days is not None and days is not None and days < rule.low_days
    return too_few or too_short


def _days(connection: Connection, now: float, account: str, units: Decimal) -> float | None:
    """How long ``units`` last at the pace of the last days; where traffic began within one day, of that day."""
    since = int(now - RECENT) // HOUR
    spent, first = connection.execute(statements.SPENT, {"account_name": account, "since": since}).one()
    if not spent:
        return None
    seconds = max(now - first * HOUR, _DAY)
    return max(float(units), 0.0) * float(seconds) / float(spent) / _DAY

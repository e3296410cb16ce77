"""Who wants no more messages from an account."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from notify_core.phones import mask
from notify_core.store import statements
from notify_core.store.bodies import storable
from notify_core.times import moment


@dataclass(frozen=True, slots=True, repr=False)
class OptOut:
    """A recipient (E.164) who opted out of an account's messages: since when, and by which word."""

    account: str
    recipient: str
    since: datetime
    word: str

    def __repr__(self) -> str:
        return f"OptOut({self.account!r}, {mask(self.recipient)}, {self.word!r})"


def add(connection: Connection, now: float, account: str, recipients: Iterable[str], word: str) -> None:
    """Note that they opted out; who did before stays as he is noted."""
    rows = [{"account": account, "recipient": number, "word": storable(word), "since": now} for number in recipients]
    statements.ADD_OPT_OUTS.run(connection, rows)


def remove(connection: Connection, account: str, recipients: Iterable[str]) -> int:
    """Let them be sent to again: how many of them had opted out."""
    facts = {"account_name": account, "recipients": list(recipients)}
    return connection.execute(statements.REMOVE_OPT_OUTS, facts).rowcount


def listed(connection: Connection, account: str) -> list[OptOut]:
    """Who opted out of ``account``, or of any account where it is empty."""
    rows = connection.execute(statements.OPT_OUTS, {"account_name": account})
    return [OptOut(row.account, row.recipient, moment(row.since), row.word) for row in rows]

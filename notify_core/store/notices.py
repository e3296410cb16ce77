"""What the application must still be told: each thing once to its listeners and once to each webhook that wants it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row

from notify_core.events import Credit
from notify_core.messages import Inbound, Report
from notify_core.results import Delivery
from notify_core.states import State
from notify_core.store import bodies, statements
from notify_core.store.database import reserve
from notify_core.store.outbox import ring
from notify_core.times import moment, stamp

LISTENERS = ""
"""The target that stands for the listeners of a worker."""

Targets = Mapping[str, Sequence[str]]
"""By kind of notice (``reported``, ``received``, ``balance_low``, ``balance_recovered``), the webhooks that want it.

The listeners of a worker are told of every kind, beside them.
"""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Notice:
    """Something to be told to ``target``: a webhook by name, or the listeners of a worker (empty).

    One of ``report``, ``inbound`` and ``credit`` is what happened; ``delivery`` is what the report is about, where that
    is known by now, and ``message`` the id of its message (0 without). ``at`` (aware) is when it was noted, ``tries``
    how often telling it failed, ``heard`` the listeners who need not hear it again.
    """

    id: int
    kind: str
    target: str
    account: str
    at: datetime
    tries: int = 0
    heard: tuple[str, ...] = ()
    report: Report | None = None
    inbound: Inbound | None = None
    credit: Credit | None = None
    delivery: Delivery | None = None
    message: int = 0

    def __repr__(self) -> str:
        return f"Notice({self.id}, {self.kind}, target={self.target!r}, account={self.account!r}, tries={self.tries})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A notice that was not heard, and why: ``again`` (aware) is when it is told next, None once it is given up."""

    id: int
    kind: str
    target: str
    account: str
    at: datetime
    again: datetime | None
    tries: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A notice before it has a target: ``subject`` is the number whose notices are told in order.

    ``about`` is the id of the report or inbound message, ``wait`` the seconds before it is told.
    """

    kind: str
    subject: str
    event: Report | Inbound | Credit
    about: int | None = None
    wait: float = 0.0


def add(connection: Connection, now: float, account: str, drafts: Iterable[Draft], targets: Targets) -> None:
    """Note what must be told, to the listeners and to each webhook in ``targets``."""
    rows = [
        {
            "kind": draft.kind,
            "target": target,
            "account": account,
            "subject_id": subject_id(account, draft.subject),
            "about_id": draft.about,
            "body": body,
            "at": now,
            "due": now + draft.wait,
        }
        for draft, body in ((draft, _written(draft.event)) for draft in drafts)
        for target in (LISTENERS, *targets.get(draft.kind, ()))
    ]
    if rows:
        ids = reserve(connection, len(rows))
        numbered = [{"id": number, **row} for number, row in zip(ids, rows, strict=True)]
        statements.ADD_NOTICES.run(connection, numbered)
        ring(connection)


def hasten(connection: Connection, now: float, matched: Iterable[tuple[int, str, str]]) -> None:
    """Let what is noted of reports be told now, because their deliveries are known: (id, account, recipient) each."""
    found = [(report, subject_id(account, recipient)) for report, account, recipient in matched]
    if found:
        facts = {"reports": [report for report, _ in found], "subjects": [subject for _, subject in found], "now": now}
        connection.execute(statements.HASTEN_NOTICES, facts)
        ring(connection)


def due(connection: Connection, now: float, targets: Sequence[str], most: int) -> list[Notice]:
    """What is to be told to ``targets`` now: of each subject the first only, the longest due first."""
    rows = connection.execute(statements.DUE_NOTICES, {"targets": targets, "now": now, "most": most}).all()
    about = [row.about_id for row in rows if row.kind == "reported"]
    deliveries = connection.execute(statements.REPORTED, {"reports": about}) if about else ()
    known = {row.report: row for row in deliveries}
    return [_notice(row, known.get(row.about_id)) for row in rows]


def told(connection: Connection, now: float, numbers: Sequence[int]) -> None:
    """They were told, and are never told again."""
    connection.execute(statements.TOLD, {"notices": numbers, "now": now})


def untold(connection: Connection, now: float, number: int, after: float, error: str, heard: Sequence[str]) -> None:
    """It could not be told: it is due again in ``after`` seconds."""
    facts = {"notice": number, "until": now + after, "words": bodies.storable(error), "ears": json.dumps([*heard])}
    connection.execute(statements.UNTOLD, facts)


def give_up(connection: Connection, now: float, number: int, error: str) -> None:
    """It is not tried again, and is kept with its error; what comes after it is told."""
    connection.execute(statements.GIVE_UP, {"notice": number, "now": now, "words": bodies.storable(error)})


def refused(connection: Connection, most: int) -> list[Refused]:
    """What could not be told, or not yet: the newest ``most``, newest first."""
    return [
        Refused(
            id=row.id,
            kind=row.kind,
            target=row.target,
            account=row.account,
            at=moment(row.at),
            again=None if row.done is not None else moment(row.due),
            tries=row.tries,
            error=row.error,
        )
        for row in connection.execute(statements.REFUSED_NOTICES, {"most": most})
    ]


def tell_again(connection: Connection, now: float, numbers: Sequence[int]) -> list[int]:
    """Let those of them that could not be told be told now: their ids."""
    found = list(connection.scalars(statements.TELL_AGAIN, {"notices": numbers, "now": now}))
    ring(connection)
    return found


def subject_id(account: str, subject: str) -> int:
    """The number under which what concerns ``subject`` (a phone number) and ``account`` is told in order."""
    digest = hashlib.blake2b(f"{account}\0{subject}".encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def _notice(row: Row[*tuple[Any, ...]], known: Row[*tuple[Any, ...]] | None) -> Notice:
    return Notice(
        id=row.id,
        kind=row.kind,
        target=row.target,
        account=row.account,
        at=moment(row.at),
        tries=row.tries,
        heard=tuple(json.loads(row.heard)),
        delivery=_delivery(known) if known else None,
        message=known.message_id if known else 0,
        **_read(row.kind, row.account, json.loads(row.body)),
    )


def _delivery(row: Row[*tuple[Any, ...]]) -> Delivery:
    return Delivery(
        recipient=row.recipient,
        state=State(row.state),
        path=row.path,
        task_id=row.task_id or "",
        id=row.id,
        key=row.key or "",
    )


def _written(event: Report | Inbound | Credit) -> str:
    """What happened, as JSON."""
    if isinstance(event, Credit):
        units = None if event.units is None else str(event.units)
        facts: dict[str, Any] = {"units": units, "days": event.days}
    else:
        facts = {name: getattr(event, name) for name in event.__slots__}
    return json.dumps({**facts, "at": stamp(event.at)}, separators=(",", ":"))


def _read(kind: str, account: str, facts: dict[str, Any]) -> dict[str, Any]:
    """The event again, under the name of the field of a notice that has it."""
    facts["at"] = moment(facts["at"])
    if kind == "reported":
        return {"report": Report(**facts | {"state": State(facts["state"])})}
    if kind == "received":
        return {"inbound": Inbound(**facts)}
    units = None if facts["units"] is None else Decimal(facts["units"])
    return {"credit": Credit(account=account, units=units, at=facts["at"], days=facts["days"])}

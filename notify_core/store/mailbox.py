"""What gateways hand out once: payloads as they came, and the reports and inbound messages that were read from them.

A payload is on disk before anybody reads it. What it says is applied in one transaction, and what was said before is
recognised by its content, so that it may be applied again at any time: after a crash, by two at once, by a replay.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any, Literal, Self, TypeVar

from sqlalchemy import Connection, Row, Select

from notify_core.errors import StoreError
from notify_core.messages import Inbound, Report
from notify_core.phones import mask
from notify_core.states import State
from notify_core.store import matching, notices, optout, statements
from notify_core.store.bodies import storable
from notify_core.store.bulk import Bulk
from notify_core.store.database import reserve
from notify_core.store.notices import Draft, Targets
from notify_core.store.outbox import LAST_ID
from notify_core.times import moment, stamp

Origin = Literal["pull", "push"]
Hook = Literal["status", "inbound", "push"]
PayloadState = Literal["waiting", "applied", "unreadable"]
"""Of a payload: kept and not applied yet; applied; kept because it could not be read."""

_WORDS = ("account", "transport", "origin", "hook")

_PARKED = 30.0
"""Seconds for which a report waits to be told whose delivery is not known: it may be about to be recorded."""
_DOUBTED = 120.0
"""The same where a message to that number is being sent or in doubt: a lease (60 s) may have to lapse before that is
known, and the doubt is resolved after that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What one pull answered, or one push said, as it came.

    ``transport`` is the dialect of the account that reads it, ``hook`` the hook. ``request`` is what else is needed to
    read it again, for JSON: of a push its method, path, query and headers; of a pull what was asked for, and status,
    headers and length of each reply, whose bodies stand one behind the other in ``body``. ``id`` is 0 before it is
    kept.
    """

    account: str
    transport: str
    origin: Origin
    hook: Hook
    request: Mapping[str, Any] = field(repr=False)
    body: bytes = field(repr=False)
    id: int = 0
    state: PayloadState = "waiting"
    error: str = ""
    received: datetime | None = None

    @property
    def path(self) -> str:
        """The path that reads it, such as ``clinic.json``."""
        return f"{self.account}.{self.transport}"

    def document(self) -> bytes:
        """All of it as JSON, its body in base64: what is left to do with it where no store takes it."""
        facts = {name: getattr(self, name) for name in (*_WORDS, "request")}
        return json.dumps({**facts, "body": b64encode(self.body).decode()}).encode()

    @classmethod
    def of_document(cls, document: bytes) -> Self:
        """The payload that ``document`` wrote. Raises ``ValueError`` for anything else."""
        read = json.loads(document)
        facts = read if isinstance(read, dict) else {}
        kinds = {**dict.fromkeys((*_WORDS, "body"), str), "request": dict}
        if not all(isinstance(facts.get(name), kind) for name, kind in kinds.items()):
            raise ValueError(f"expected an object with {', '.join(kinds)}")
        words = {name: facts[name] for name in _WORDS}
        return cls(request=facts["request"], body=b64decode(facts["body"], validate=True), **words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A payload in a list: without its body, of which it has the ``size`` in bytes."""

    id: int
    account: str
    transport: str
    origin: Origin
    hook: Hook
    state: PayloadState
    error: str
    received: datetime
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a payload brought: the reports and inbound messages that were news.

    ``came`` is how many items it had, repeated ones included; ``moved`` how many deliveries changed their state by it;
    ``opted_out`` how many senders asked for no more messages.
    """

    reports: tuple[Report, ...] = ()
    inbound: tuple[Inbound, ...] = ()
    came: int = 0
    moved: int = 0
    opted_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Parked:
    """A report of which nobody knows yet what it is about. ``received`` is aware."""

    id: int
    account: str
    report: Report
    received: datetime

    def __repr__(self) -> str:
        return f"Parked({self.id}, {self.account!r}, {mask(self.report.recipient)}, {self.report.state})"


# --- payloads


def keep(connection: Connection, now: float, payload: Payload) -> int:
    """Keep a payload as it came: its number."""
    number = reserve(connection, 1)[0]
    _add(connection, now, number, payload)
    return number


def _add(connection: Connection, now: float, number: int, payload: Payload) -> None:
    row = {
        "id": number,
        "account": payload.account,
        "transport": payload.transport,
        "origin": payload.origin,
        "hook": payload.hook,
        **_contents(payload),
        "state": payload.state,
        "error": storable(payload.error),
        "received": now,
    }
    connection.execute(statements.ADD_PAYLOAD, row)


def extend(connection: Connection, now: float, number: int, payload: Payload) -> None:
    """Put what is in ``payload`` in the place of what was kept: another reply came.

    Where nothing of it is left, for what was kept by itself was read and forgotten, it is kept anew.
    """
    facts = {"payload": number, **_contents(payload)}
    if not connection.execute(statements.EXTEND_PAYLOAD, facts).rowcount:
        _add(connection, now, number, payload)


def _contents(payload: Payload) -> dict[str, Any]:
    return {
        "request": json.dumps(payload.request),
        "body": payload.body,
        "digest": hashlib.blake2b(payload.body, digest_size=16).hexdigest(),
    }


def forget(connection: Connection, number: int) -> None:
    """Remove a payload in which nothing was."""
    connection.execute(statements.FORGET_PAYLOAD, {"payload": number})


def unreadable(connection: Connection, number: int, error: str) -> None:
    """Mark a payload that cannot be read, unless it was applied meanwhile."""
    connection.execute(statements.UNREADABLE, {"payload": number, "words": storable(error)})


def payload(connection: Connection, number: int) -> Payload:
    """One payload. Raises ``StoreError`` where there is none of that number."""
    if number > LAST_ID or (row := connection.execute(statements.PAYLOAD, {"payload": number}).one_or_none()) is None:
        raise _no_payload(number)
    facts = {name: getattr(row, name) for name in ("id", "account", "transport", "origin", "hook", "state", "error")}
    request = json.loads(row.request)
    return Payload(**facts, request=request, body=bytes(row.body), received=moment(row.received))


def listed(connection: Connection, states: Collection[str], below: int | None, most: int) -> list[Kept]:
    """The newest ``most`` payloads in one of ``states`` (any, where none is given), newest first."""
    open_only = bool(states) and "applied" not in states
    facts = {
        "states": list(states or ("waiting", "applied", "unreadable")),
        "below": min(below or LAST_ID, LAST_ID),
        "most": most,
    }
    rows = connection.execute(statements.PAYLOADS[open_only], facts).mappings()
    return [Kept(**{**row, "received": moment(row["received"])}) for row in rows]


def waiting(connection: Connection, before: float, most: int) -> list[int]:
    """Payloads that were kept before that time and are not applied, the oldest first."""
    return list(connection.scalars(statements.WAITING_PAYLOADS, {"before": before, "most": most}))


def parked(connection: Connection, account: str, most: int) -> list[Parked]:
    """The newest reports that belong to no delivery that is known, of ``account`` or (empty) of all."""
    rows = connection.execute(statements.PARKED, {"account_name": account, "most": most})
    return [Parked(id=row.id, account=row.account, report=_report(row), received=moment(row.received)) for row in rows]


def _report(row: Row[*tuple[Any, ...]]) -> Report:
    facts = {"recipient": row.recipient, "task_id": row.task_id, "code": row.code}
    return Report(**facts, state=State(row.state), at=moment(row.at))


def _no_payload(number: int) -> StoreError:
    return StoreError(f"there is no payload {number}: `notify outbox payloads` shows those there are")


# --- what they say


def apply(
    connection: Connection,
    now: float,
    number: int,
    items: Sequence[Report | Inbound],
    opt_out_words: Collection[str],
    targets: Targets,
) -> Applied:
    """Write down what a payload said: only what is news changes anything. Raises ``StoreError`` without such a one."""
    source = connection.execute(statements.HOLD_PAYLOAD, {"payload": number}).one_or_none()
    if source is None:
        raise _no_payload(number)
    post = _Post(connection, now, source, targets)
    reports, moved = post.take_reports(item for item in items if isinstance(item, Report))
    inbound, out = post.take_inbound((item for item in items if isinstance(item, Inbound)), opt_out_words)
    connection.execute(statements.APPLIED, {"payload": number})
    return Applied(reports=tuple(reports), inbound=tuple(inbound), came=len(items), moved=moved, opted_out=out)


class _Post:
    """What one payload said on its way into the tables, within its transaction."""

    def __init__(self, connection: Connection, now: float, source: Row[*tuple[Any, ...]], targets: Targets) -> None:
        self._connection = connection
        self._now = now
        self._source = source
        self._account: str = source.account
        self._targets = targets

    def take_reports(self, said: Iterable[Report]) -> tuple[Sequence[Report], int]:
        """The reports that are news, and how many deliveries they moved."""
        news = self._add(statements.ADD_REPORTS, statements.THESE_REPORTS, list(map(self._report, said)))
        if not news:
            return (), 0
        reports: dict[int, Report] = {number: item for number, (item, _) in news.items()}
        found = matching.of_tasks(self._connection, self._account, {row["task_id"] for _, row in news.values()})
        moved = matching.settle(self._connection, self._now, found)
        matching.hasten(self._connection, self._now, [match for match in found if match.report not in news])
        self._tell_reports(reports, {match.report for match in found})
        return list(reports.values()), moved

    def _report(self, report: Report) -> tuple[Report, dict[str, Any]]:
        row = {
            "account": self._account,
            "recipient": storable(report.recipient),
            "task_id": storable(report.task_id),
            "state": report.state.value,
            "code": storable(report.code),
            "at": stamp(report.at),
        }
        return report, {**row, "digest": _digest(*row.values()), "delivery_id": None}

    def _tell_reports(self, news: Mapping[int, Report], matched: Collection[int]) -> None:
        unknown = [report.recipient for number, report in news.items() if number not in matched]
        doubted = set(self._connection.scalars(statements.UNDECIDED, {"recipients": unknown}) if unknown else ())
        waits = {True: _DOUBTED, False: _PARKED}
        self._tell(
            Draft(
                kind="reported",
                subject=report.recipient,
                event=report,
                about=number,
                wait=0.0 if number in matched else waits[report.recipient in doubted],
            )
            for number, report in news.items()
        )

    def take_inbound(self, said: Iterable[Inbound], opt_out_words: Iterable[str]) -> tuple[Sequence[Inbound], int]:
        """The inbound messages that are news, and how many senders want no more messages."""
        rows = list(self._numbered(map(self._inbound, said)))
        news = self._add(statements.ADD_INBOUND, statements.THESE_INBOUND, rows)
        self._tell(
            Draft(kind="received", subject=each.sender, event=each, about=number) for number, (each, _) in news.items()
        )
        found = [each for each, _ in news.values()]
        return found, self._opt_out(found, {_folded(word) for word in opt_out_words})

    def _inbound(self, inbound: Inbound) -> tuple[Inbound, dict[str, Any]]:
        row = {
            "account": self._account,
            "sender": storable(inbound.sender),
            "text": storable(inbound.text),
            "extension": storable(inbound.extension),
            "task_id": storable(inbound.task_id),
            "at": stamp(inbound.at),
        }
        return inbound, row

    def _numbered(self, rows: Iterable[tuple[Inbound, dict[str, Any]]]) -> Iterator[tuple[Inbound, dict[str, Any]]]:
        """With a digest each. Without a time, two messages that say the same are told apart by where they came."""
        source = self._source
        place = source.digest if source.origin == "push" else f"payload {source.id}"
        before: Counter[tuple[Any, ...]] = Counter()
        for inbound, row in rows:
            said = tuple(row.values())
            where = (place, before[said]) if inbound.at is None else ()
            before[said] += 1
            yield inbound, {**row, "digest": _digest(*said, *where)}

    def _opt_out(self, news: Iterable[Inbound], words: Collection[str]) -> int:
        """Put those who asked for it on the account's list: how many they are."""
        asked: dict[str, str] = {each.sender: each.text for each in news if _folded(each.text) in words and each.sender}
        for word in sorted(set(asked.values())):
            senders = sorted(sender for sender, said in asked.items() if said == word)
            optout.add(self._connection, self._now, self._account, senders, word.strip())
        return len(asked)

    def _add(self, add: Bulk, find: Select[Any], items: Sequence[tuple[_Item, dict[str, Any]]]) -> dict[int, Any]:
        """Insert what is not there yet: the items that are news with their rows, by number, in the order given."""
        if not items:
            return {}
        same = {"payload_id": self._source.id, "received": self._now}
        ids = reserve(self._connection, len(items))
        given = {number: (item, {**row, **same}) for number, (item, row) in zip(ids, items, strict=True)}
        # In the order of the digests: two that add the same then wait for each other, and not in a circle.
        rows = sorted(({"id": number, **row} for number, (_, row) in given.items()), key=itemgetter("digest", "id"))
        add.run(self._connection, rows)
        news = set(self._connection.scalars(find, {"items": list(ids)}))
        return {number: given[number] for number in ids if number in news}

    def _tell(self, drafts: Iterable[Draft]) -> None:
        notices.add(self._connection, self._now, self._account, drafts, self._targets)


_Item = TypeVar("_Item", Report, Inbound)


def _digest(*facts: object) -> str:
    """By what the same thing is recognised when it is said again."""
    return hashlib.blake2b("\0".join(map(str, facts)).encode(), digest_size=16).hexdigest()


def _folded(text: str) -> str:
    return text.strip().casefold()

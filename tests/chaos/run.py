"""One run on one database: traffic and troubles at once, then quiet, then the facts."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Engine, Table, create_engine, exists, func, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from notify_core import KeyConflict, Notifier, Sms, State, StoreError
from notify_core.settings import Limit
from notify_core.store import Filter, Payload, Store
from notify_core.store import schema as tables
from tests.chaos import clock, traffic, troubles
from tests.chaos.audit import KINDS, LEFT, Finding, audited, lost
from tests.chaos.crew import Crew
from tests.chaos.databases import DATABASES, Database
from tests.chaos.facts import Accepted, Asked, Doubt, Facts, Handed, Kept, Mark, Name, Skew, Window
from tests.chaos.gateway import PASSWORD, SIGNATURE, Gateway, e164, said
from tests.chaos.post import Postman, heard
from tests.chaos.traffic import How, Step
from tests.chaos.troubles import Size, Trouble, What

PATIENCE = 3.0
"""Seconds that a gateway has to answer."""
QUIET = 150.0
"""Seconds that all may take to come to rest once the troubles are over."""
ACCOUNTS = ("clinic", "backup")
_LEFT_BEHIND = 8.0
"""Seconds after which a file of what the store could not take is one that nobody will store any more."""

Progress = Callable[[str, float], None]
"""Told what is being done, and how much of it is (0 to 1)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to: its figures in the order of the table, and what must not be."""

    database: str
    seed: int
    figures: Mapping[str, str]
    findings: Sequence[Finding]


def run(database: str, seed: int, size: Size, progress: Progress) -> Outcome:
    """Let it all happen, and compare. What the run wrote stays where something was found."""
    began = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix=f"notify-chaos-{database}-"))
    with Stage(database, seed, size, directory) as stage:
        stage.play(progress)
        rested = stage.rest(progress)
        stage.postman.close()
        stage.crew.close()
        progress("comparing", 0.0)
        found = stage.facts()
        findings = [*audited(found), *(Finding("workers", words) for words in stage.crew.untoward)]
        figures = stage.figures(found, findings)
    figures["seconds"] = f"{time.monotonic() - began:.0f} ({rested:.0f} to come to rest)"
    if findings:
        figures["logs"] = str(directory)
    else:
        shutil.rmtree(directory)
    return Outcome(database, seed, figures, findings)


@dataclass(slots=True)
class _Told:
    """What was enqueued, as far as whoever enqueued it knows."""

    wanted: dict[Mark, bool] = field(default_factory=dict)
    undone: set[Mark] = field(default_factory=set)
    joined: set[str] = field(default_factory=set)
    calls: Counter[str] = field(default_factory=Counter)


class Stage:
    """Everything that takes part, for as long as the context is open."""

    def __init__(self, database: str, seed: int, size: Size, directory: Path) -> None:
        self._kind, self._seed, self._size, self._directory = database, seed, size, directory
        self._stack = ExitStack()
        self._told = _Told()
        self._happened: Counter[What] = Counter()
        self._failures: list[BaseException] = []

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self) -> None:
        self._database: Database = self._stack.enter_context(DATABASES[self._kind](self._directory))
        self._gateways = [self._stack.enter_context(Gateway(name)) for name in ACCOUNTS]
        for gateway in self._gateways:
            gateway.call("POST", "accounts", black_list=traffic.refused())
        Store.create(self._database.url)
        self._clock = clock.SharedClock(self._directory / "clock")
        self._settings = _settings(self._database.url, self._gateways, self._size)
        self._notifier = self._stack.enter_context(Notifier.from_mapping(self._settings))
        self._store = self._notifier.outbox.store
        shared = None
        if self._database.one_machine:
            shared = self._clock.path
            clock.shift_store(self._notifier, clock.reading(shared))
        self._engine = self._orders()
        self._workers = 1 if self._database.one_machine else self._size.workers
        self.postman = Postman(self._gateways, self._notifier.mailbox, self._seed)
        self._stack.callback(self.postman.close)
        self.crew = Crew(self._settings, self._workers, self._store, self._directory, self._size.lease, shared)
        self._stack.callback(self.crew.abort)
        self.crew.await_ready()

    def _orders(self) -> Engine:
        """The application's own table, in the same database."""
        waits = {"timeout": 60} if self._database.one_machine else {}
        engine = create_engine(self._database.url, connect_args=waits, pool_pre_ping=True)
        self._stack.callback(engine.dispose)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE orders (key VARCHAR(40) PRIMARY KEY)"))
        return engine

    # --- traffic

    def play(self, progress: Progress) -> None:
        """Enqueue everything, while troubles come."""
        enqueuing = threading.Thread(target=self._guarded, args=(self._enqueue_all, progress))
        enqueuing.start()
        self._trouble_all()
        enqueuing.join()
        if self._failures:
            raise self._failures[0]

    def _guarded(self, work: Callable[[Progress], None], progress: Progress) -> None:
        try:
            work(progress)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits for this one
            self._failures.append(error)

    def _enqueue_all(self, progress: Progress) -> None:
        began, done = time.monotonic(), 0
        for step in traffic.steps(traffic.dice("traffic", self._seed), self._size.deliveries):
            share = done / self._size.deliveries
            time.sleep(max(0.0, began + 0.9 * self._size.seconds * share - time.monotonic()))
            progress("enqueueing, amid troubles", share)
            self._put(step)
            done += step.size if step.how is not How.UNDONE else 0

    def _put(self, step: Step) -> None:
        """One call; where it has a key it is repeated until its answer is known."""
        if step.how is How.UNDONE:
            self._told.undone.update(step.marks)
        if step.how in (How.JOINED, How.UNDONE):
            self._told.joined.add(step.key)
        while not self._tried(step):
            time.sleep(0.2)

    def _tried(self, step: Step) -> bool:
        try:
            _CALLS[step.how](self, step)
        except (StoreError, SQLAlchemyError):
            self._told.calls["failed"] += 1
            if step.key:
                return False
            self._told.wanted.update(dict.fromkeys(step.marks, False))
            return True
        if step.how is not How.UNDONE:
            self._told.wanted.update(dict.fromkeys(step.marks, True))
        return True

    def _put_own(self, step: Step) -> None:
        self._notifier.enqueue(step.sms(), route=step.route)

    def _put_joined(self, step: Step) -> None:
        with self._engine.begin() as connection:
            self._put_within(step, connection)

    def _put_undone(self, step: Step) -> None:
        with self._engine.connect() as connection:
            self._put_within(step, connection)
            connection.rollback()

    def _put_within(self, step: Step, connection: Connection) -> None:
        add = text("INSERT INTO orders VALUES (:key) ON CONFLICT DO NOTHING")
        connection.execute(add, {"key": step.key})
        (message,) = step.sms()
        self._notifier.enqueue(message, route=step.route, key=step.key, connection=connection)

    def _put_again(self, step: Step) -> None:
        (message,) = step.sms()
        first = self._notifier.enqueue(message, route=step.route, key=step.key)
        second = self._notifier.enqueue(message, route=step.route, key=step.key)
        assert not second.new
        assert list(second.deliveries) == list(first.deliveries)
        other = Sms(to=message.to, text=f"{message.text}（改）")
        try:
            self._notifier.enqueue(other, route=step.route, key=step.key)
        except KeyConflict:
            return
        raise AssertionError(f"key {step.key} was taken for two messages")

    # --- troubles

    def _trouble_all(self) -> None:
        began = time.monotonic()
        for trouble in troubles.schedule(traffic.dice("troubles", self._seed), self._size):
            time.sleep(max(0.0, began + trouble.at - time.monotonic()))
            if _TROUBLES[trouble.what](self, trouble):
                self._happened[trouble.what] += 1

    def _fault(self, trouble: Trouble) -> bool:
        self._gateway(trouble).call("POST", "faults", fault=trouble.words)
        return True

    def _refusal(self, trouble: Trouble) -> bool:
        gateway = self._gateway(trouble)
        gateway.call("POST", "accounts", refusal=trouble.words)
        healing = threading.Timer(0.5 + 2 * trouble.draw, lambda: gateway.call("POST", "accounts", refusal=""))
        healing.start()
        self._stack.callback(healing.join)
        return True

    def _outage(self, trouble: Trouble) -> bool:
        self._gateway(trouble).cut(0.3 + 1.5 * trouble.draw)
        return True

    def _kill(self, trouble: Trouble) -> bool:
        self.crew.kill(trouble.which, self._shift(trouble))
        return True

    def _stop(self, trouble: Trouble) -> bool:
        self.crew.stop(trouble.which, self._shift(trouble))
        return True

    def _pause(self, trouble: Trouble) -> bool:
        self.crew.pause(trouble.which, 6.0)
        return True

    def _database_trouble(self, trouble: Trouble) -> bool:
        self._database.trouble(trouble.draw)
        return True

    def _jump(self, trouble: Trouble) -> bool:
        """Forward by less than what is left of a lease at any time, or back."""
        if self._database.one_machine:
            self._clock.jump(2.0 if trouble.which % 2 else -5.0 * trouble.draw)
        return self._database.one_machine

    def _shift(self, trouble: Trouble) -> float:
        """How wrong the clock of a worker is whose machine is not the store's."""
        return 0.0 if self._database.one_machine else (0.0, 45.0, -240.0, 900.0, -3600.0)[trouble.which % 5]

    def _gateway(self, trouble: Trouble) -> Gateway:
        return self._gateways[trouble.which % len(self._gateways)]

    # --- quiet

    def rest(self, progress: Progress) -> float:
        """Wait until nothing is to be sent any more: the seconds that took. Faults that are set still happen."""
        began = time.monotonic()
        for gateway in self._gateways:
            gateway.call("POST", "accounts", refusal="")
        while (left := sum(self._left().values())) and time.monotonic() - began < QUIET:
            progress("coming to rest", 1 - left / self._size.deliveries)
            self._hasten()
            self._take_in()
            if not self._store.open_counts()[State.SENDING]:
                self._age()
            time.sleep(0.5)
        return time.monotonic() - began

    def _left(self) -> Counter[str]:
        """How much is still on its way: to the gateways, from them, and to the listeners."""
        counts = self._store.open_counts()
        with self._store._database.reading() as connection:
            unsettled, untold = (int(connection.scalar(each) or 0) for each in (_UNSETTLED, _UNTOLD))
        return Counter(
            {
                "to be sent": counts[State.QUEUED] + counts[State.SENDING],
                "to be pulled": sum(len(gateway.call("GET", "reports")) for gateway in self._gateways),
                "to be pushed": int(not self.postman.idle),
                "to be matched": unsettled,
                "to be told": untold,
            }
        )

    def _shown_left(self) -> str:
        return ", ".join(f"{count:,} {what}" for what, count in self._left().items() if count) or "nothing"

    def _hasten(self) -> None:
        """As a person does who knows that the gateways are back: what waits for its turn under a limit still waits."""
        waiting = self._store.deliveries(Filter(states=[State.QUEUED]), most=5_000)
        late = [stored.id for stored in waiting if stored.code not in ("", "limit")]
        if late:
            hastened = set(late)
            try:
                self._store.hasten(sorted(hastened))
            except (StoreError, ValueError):  # one of them is being sent already
                return

    def _take_in(self) -> None:
        """As `notify outbox replay FILE` does: what workers had pulled that had to end while the database was away."""
        for file in self._directory.glob("notify-unkept-*.json"):
            if time.time() - file.stat().st_mtime > _LEFT_BEHIND:
                self._notifier.mailbox.keep(Payload.of_document(file.read_bytes()))
                file.unlink()
                self._told.calls["files"] += 1

    def _age(self) -> None:
        """Let two minutes pass for what waits for time to pass: what is parked, kept for later, or told again later."""
        for table, column, waits in _WAITING:
            try:
                with self._store._database.writing() as connection:
                    connection.execute(update(table).values({column: table.c[column] - 120}).where(waits))
            except StoreError:  # it met a worker that changed the same: the next time, then
                continue

    # --- facts

    def facts(self) -> Facts:
        """What the store, the gateways and the crew know."""
        with self._store._database.reading() as connection:
            kept, doubts, applied = list(_kept(connection)), list(_doubts(connection)), _applied(connection)
        with self._engine.connect() as connection:
            orders = set(connection.scalars(text("SELECT key FROM orders")))
        return Facts(
            wanted=self._told.wanted,
            undone=frozenset(self._told.undone),
            orders={key: key in orders for key in self._told.joined},
            kept=kept,
            doubts=doubts,
            accepted=[each for gateway in self._gateways for each in _accepted(gateway)],
            asked=[each for gateway in self._gateways for each in _asked(gateway)],
            limits={name: tuple(map(Limit.model_validate, each)) for name, each in _limits(self._size).items()},
            held=frozenset(self.crew.held),
            kills=self.crew.kills,
            handed=dict(handing for gateway in self._gateways for handing in _handed(gateway)),
            stalls=self.crew.stalls,
            outages={gateway.name: list(_outages(gateway)) for gateway in self._gateways},
            shifts=frozenset(self.crew.shifts),
            skew=Skew(self._clock.history),
            patience=PATIENCE,
            told=self.postman.told,
            came=self.postman.came,
            applied=applied,
            heard=heard(self._directory / "heard"),
        )

    def figures(self, found: Facts, findings: Sequence[Finding]) -> dict[str, str]:
        """The rows of the table, beside those that count findings."""
        states = Counter(kept.state for kept in found.kept)
        met = Counter(kind for asked in found.asked for kind in asked.faults)
        doubted = {doubt.delivery for doubt in found.doubts}
        lapsed = {doubt.delivery for doubt in found.doubts if doubt.lapsed}
        kinds = Counter(finding.kind for finding in findings)
        resolved = sum(kept.state in LEFT for kept in found.kept if kept.id in doubted)
        again = sum(many > 1 for many in found.heard.values())
        calls = self.postman.calls
        rows = {
            "deliveries": f"{len(found.kept):,} ({len(found.undone):,} more rolled back)",
            "requests to the gateways": f"{len(found.asked):,}, {len(found.accepted):,} recipients accepted",
            **{f"… {state.value}": f"{count:,}" for state, count in sorted(states.items())},
            "doubts": f"{len(doubted):,}: {len(doubted - lapsed):,} by requests, {len(lapsed):,} by lost workers",
            "doubts resolved": f"{resolved:,}",
            "faults met": f"{sum(met.values()):,} of {len(met)} kinds",
            "calls of enqueue that failed": f"{self._told.calls['failed']:,}",
            "reports": f"{len(found.told):,}, and {len(found.came):,} messages from subscribers",
            "pushes": f"{calls['pushes']:,}, {calls['refused']:,} of them refused and repeated",
            "told to a listener": f"{len(found.heard):,}, {again:,} of them again",
            "pulls taken in from files": f"{self._told.calls['files']:,}",
            "reports that died with their reader": f"{sum(lost(found, told) for told in found.told):,}",
            "left when all was quiet": self._shown_left(),
            "workers with a wrong clock": f"{self.crew.astray:,}",
            **{what.value: f"{self._happened[what]:,}" for what in What if what is not What.FAULT},
        }
        return (
            rows
            | {"kinds of faults": ", ".join(f"{kind} {count}" for kind, count in sorted(met.items()))}
            | {f"found: {kind}": f"{kinds[kind]:,}" for kind in KINDS}
        )


_CALLS: Mapping[How, Callable[[Stage, Step], None]] = {
    How.OWN: Stage._put_own,
    How.JOINED: Stage._put_joined,
    How.UNDONE: Stage._put_undone,
    How.AGAIN: Stage._put_again,
}
_TROUBLES: Mapping[What, Callable[[Stage, Trouble], bool]] = {
    What.FAULT: Stage._fault,
    What.REFUSAL: Stage._refusal,
    What.OUTAGE: Stage._outage,
    What.KILL: Stage._kill,
    What.STOP: Stage._stop,
    What.PAUSE: Stage._pause,
    What.DATABASE: Stage._database_trouble,
    What.JUMP: Stage._jump,
}


def _settings(url: str, gateways: Sequence[Gateway], size: Size) -> dict[str, Any]:
    account = {
        "provider": "ipyy",
        "account": "sandbox",
        "password": PASSWORD,
        "user_id": "1001",
        "signature": SIGNATURE,
        "max_recipients": 50,
        "pull": {"reports": "1s"},
        "connect_timeout": "1s",
        "read_timeout": f"{PATIENCE:g}s",
    }
    limits = _limits(size)
    return {
        "default_region": "CN",
        "store": url,
        "plugins": ["tests.chaos.listener"],
        "accounts": {
            gateway.name: {**account, "base_url": gateway.url, "limits": limits[gateway.name]} for gateway in gateways
        },
        "routes": {
            "otp": {"paths": ["clinic.ensms", "clinic.json", "backup.json"], "priority": 10, "deadline": "8s"},
            "flash": {"paths": ["backup.ensms", "clinic.json"], "priority": 10, "expires": "3s"},
            "notices": ["clinic.json", "backup.xml"],
            "orders": {"paths": ["backup.json", "clinic.xml"], "strategy": "weighted", "weights": [1, 1]},
        },
    }


def _limits(size: Size) -> dict[str, list[dict[str, Any]]]:
    """Narrow enough to bite: few codes to one number, and a little less in all than what comes in."""
    pace = size.deliveries / size.seconds
    return {
        "clinic": [
            {"per": "recipient", "count": 2, "within": "6s", "containing": "验证码"},
            {"per": "recipient", "count": 3, "within": "9s"},
            {"per": "account", "count": int(4 * pace * 0.6), "within": "4s"},
        ],
        "backup": [
            {"per": "recipient", "count": 2, "within": "5s"},
            {"per": "account", "count": int(3 * pace * 0.6), "within": "3s"},
        ],
    }


# --- what the store says

_r, _s, _n = tables.reports.c, tables.submissions.c, tables.notices.c
_d = tables.deliveries.c
_recorded = exists().where(
    _s.task_id == _r.task_id, _s.account == _r.account, _d.submission_id == _s.id, _d.recipient == _r.recipient
)
_UNSETTLED = select(func.count()).where(_r.delivery_id.is_(None), _recorded)
"""Reports that came before their submission was recorded, and have not found it yet."""
_WAITING: Sequence[tuple[Table, str, ColumnElement[bool]]] = (
    (tables.reports, "received", _r.delivery_id.is_(None)),
    (tables.payloads, "received", tables.payloads.c.state == "waiting"),
    (tables.notices, "due", _n.done.is_(None)),
)
_UNTOLD = select(func.count()).select_from(tables.notices).where(_n.done.is_(None))
"""What no listener has heard yet."""


def _kept(connection: Connection) -> Iterator[Kept]:
    d, m, s = tables.deliveries.c, tables.messages.c, tables.submissions.c
    rows = connection.execute(
        select(d.id, d.recipient, d.state, d.path, d.code, d.expires_at, m.kind, m.body, m.key, s.task_id)
        .select_from(tables.deliveries.join(tables.messages, m.id == d.message_id))
        .outerjoin(tables.submissions, s.id == d.submission_id)
        .order_by(d.id)
    )
    texts: dict[str, str] = {}
    for row in rows:
        yield Kept(
            id=row.id,
            mark=(row.recipient, texts.setdefault(row.body, _text(row.body))),
            state=State(row.state),
            key=row.key or "",
            account=row.path.rpartition(".")[0],
            task_id=row.task_id or "",
            code=row.code,
            expires_at=row.expires_at,
        )


def _text(body: str) -> str:
    return str(json.loads(body)["text"])


def _doubts(connection: Connection) -> Iterator[Doubt]:
    a = tables.attempts.c
    rows = connection.execute(select(a.delivery_id, a.at, a.path, a.code).where(a.state == State.IN_DOUBT.value))
    for row in rows:
        yield Doubt(row.delivery_id, row.path.rpartition(".")[0], row.at, lapsed=row.code == "lapsed")


def _applied(connection: Connection) -> Counter[Name]:
    i = tables.inbound.c
    rows = [
        *connection.execute(select(_r.account, _r.task_id, _r.recipient)),
        *connection.execute(select(i.account, i.text, i.sender)),
    ]
    return Counter((account, what, whom) for account, what, whom in rows)


# --- what the gateways noted


def _accepted(gateway: Gateway) -> Iterator[Accepted]:
    for each in gateway.call("GET", "received"):
        at = datetime.fromisoformat(each["at"]).timestamp()
        for mobile in each["to"]:
            yield Accepted(gateway.name, (e164(mobile), said(each["text"])), each["task_id"], at)


def _asked(gateway: Gateway) -> Iterator[Asked]:
    for each in gateway.call("GET", "asked"):
        marks = tuple((e164(mobile), said(each["text"])) for mobile in each["to"])
        yield Asked(gateway.name, marks, tuple(each["faults"]), each["at"], each["seconds"], each["whole"])


def _handed(gateway: Gateway) -> Iterator[tuple[Name, Handed]]:
    for each in gateway.call("GET", "handed"):
        for task_id, mobile in each["reports"]:
            yield (gateway.name, task_id, e164(mobile)), Handed(each["at"], whole=each["whole"])


def _outages(gateway: Gateway) -> Iterator[Window]:
    """What was under way may have begun before, and be noticed after."""
    for begin, end in gateway.call("GET", "outages"):
        yield Window(begin - PATIENCE, end + 1)

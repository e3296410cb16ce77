"""The door of the store: each method is one transaction, or joins the caller's."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Protocol, Self

from sqlalchemy import Connection

from notify_core.errors import StoreError
from notify_core.events import Change, Credit
from notify_core.messages import Inbound, Message, Report
from notify_core.settings import CreditSettings
from notify_core.states import State
from notify_core.store import (
    arrivals,
    balances,
    claims,
    gauges,
    holders,
    mailbox,
    matching,
    notices,
    optout,
    outbox,
    queries,
    slots,
    upkeep,
    versions,
)
from notify_core.store.arrivals import Arrival
from notify_core.store.balances import Standing
from notify_core.store.bell import Bell, PostgresBell, SqliteBell
from notify_core.store.claims import Claim, Intent, Lane, LeaseLost, Outcome, Plan, Wait, Worker, new_token
from notify_core.store.database import BUSY, Database, Synchronous, reserve
from notify_core.store.gauges import Gauges
from notify_core.store.mailbox import Applied, Kept, Parked, Payload
from notify_core.store.notices import LISTENERS, Notice, Refused, Targets
from notify_core.store.optout import OptOut
from notify_core.store.outbox import Enqueued, Entry
from notify_core.store.queries import Event, Filter, Stored
from notify_core.store.trouble import translated
from notify_core.store.upkeep import Purged

NO_TARGETS: Targets = {}
LEASE = 60.0
"""Seconds for which a worker has what it claimed without saying that it lives."""
_ROWS = 1_000
"""Deliveries that expire or lapse in one transaction."""


class Session(Protocol):
    """What is needed of an ORM session (``sqlalchemy.orm.Session``, ``scoped_session``)."""

    def connection(self) -> Connection:
        """The connection of its transaction."""


class Store:
    """An outbox and its records at ``url``: ``sqlite:///notify.db`` or ``postgresql+psycopg://…``.

    Use one per process, from any thread. Opening it checks that its tables are those of this code. Every method may
    raise ``StoreError``; then what it was asked is not done (where the answer to a commit was lost, the text says so).
    """

    def __init__(
        self,
        url: str,
        *,
        synchronous: Synchronous = "full",
        clock: Callable[[], float] | None = None,
        busy: float = BUSY,
    ) -> None:
        self._database = Database(url, synchronous=synchronous, clock=clock, busy=busy)
        try:
            versions.check(self._database)
        except BaseException:
            self._database.close()
            raise

    @classmethod
    def create(cls, url: str) -> bool:
        """Make the tables at ``url`` where there are none: whether it did. A store that is there is left as it is."""
        with closing(Database(url)) as database:
            return versions.create(database)

    @classmethod
    def upgrade(cls, url: str) -> str:
        """Bring the tables at ``url`` to the version of this code: their old one. Stop what uses them first."""
        with closing(Database(url)) as database:
            return versions.upgrade(database)

    def check(self) -> str:
        """The version of the tables, if it is that of the code. Raises ``StoreError``."""
        return versions.check(self._database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self.address!r})"

    @property
    def address(self) -> str:
        """Where the store is, without a password."""
        return self._database.address

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def bell(self) -> Bell:
        """What rings when there may be new work. Close it."""
        return (
            SqliteBell(self._database.url) if self._database.dialect == "sqlite" else PostgresBell(self._database.url)
        )

    @contextmanager
    def _writing(self) -> Iterator[tuple[Connection, float]]:
        with self._database.writing() as connection:
            yield connection, self._database.now(connection)

    # --- putting messages in, and what people do to them

    def enqueue(self, entries: Iterable[Entry], *, connection: Connection | Session | None = None) -> list[Enqueued]:
        """Put messages into the outbox: all of them, or none.

        With ``connection`` (SQLAlchemy's, or an ORM session) they are part of its transaction: they leave when it is
        committed, and are gone with it. On SQLite it has the write lock from then on: be quick to commit. Raises
        ``KeyConflict``, ``InvalidMessage``.
        """
        rows = list(entries)
        if connection is None:
            with self._writing() as (own, now):
                return outbox.enqueue(own, now, rows)
        with joined(connection) as theirs:
            return outbox.enqueue(theirs, self._database.now(theirs), rows)

    def cancel(self, deliveries: Sequence[int], words: str = "") -> None:
        """Take back what is queued, all of it or nothing. Raises ``IllegalMove``."""
        with self._writing() as (connection, now):
            outbox.cancel(connection, now, deliveries, words)

    def hasten(self, deliveries: Sequence[int]) -> None:
        """Let what is queued leave at once, all of it or nothing. Raises ``IllegalMove``."""
        with self._writing() as (connection, now):
            outbox.hasten(connection, now, deliveries)

    def resolve(self, deliveries: Sequence[int], state: State, words: str = "") -> None:
        """Say what became of deliveries in doubt: accepted, delivered, undelivered or abandoned; all of them or none.

        ``words`` says who knows it, and how. Raises ``IllegalMove``.
        """
        with self._writing() as (connection, now):
            outbox.resolve(connection, now, deliveries, state, words)

    def expire(self) -> list[int]:
        """End what is queued and whose time has passed: their ids."""
        return self._all(outbox.expire)

    # --- what workers do

    def enroll(self, name: str = "", *, lease: float = LEASE) -> Worker:
        """Make a worker known. It has what it claims for ``lease`` seconds, and longer by each ``heartbeat``."""
        with self._writing() as (connection, now):
            return claims.enroll(connection, now, name or f"{socket.gethostname()}:{os.getpid()}", lease)

    def heartbeat(self, worker: Worker) -> None:
        """Say that the worker lives: often, such as four times in a lease. Raises ``LeaseLost``."""
        with self._tidied(worker) as (connection, now):
            claims.heartbeat(connection, now, worker)

    def retire(self, worker: Worker) -> None:
        """Say that the worker is gone. What it still has lapses: record it or hand it back before."""
        with self._writing() as (connection, _now):
            claims.retire(connection, worker)

    def lapse(self) -> list[int]:
        """End what workers had who are gone without a word: their ids, most of them in doubt now."""
        return self._all(claims.lapse)

    def lanes(self) -> list[Lane]:
        """What is queued, by way and priority: the most urgent first. A look into the index for each of them."""
        with self._database.reading() as connection:
            return claims.lanes(connection, self._database.now(connection))

    def claim(self, worker: Worker, lane: Lane, *, most: int, plan: Plan, wait: Wait | None = None) -> Claim:
        """Take at most ``most`` due deliveries of a lane: those that may leave now, each by its path, slots included.

        What expired, or whose recipient opted out, is ended; what is over a limit, or has to ``wait`` for the end of
        quiet hours, waits in the queue for its turn, or is ended where it expires before. All is on disk when this
        returns. Raises ``LeaseLost``.
        """
        token = new_token()
        with self._uncertain(worker, token, State.QUEUED), self._writing() as (connection, now):
            return claims.claim(connection, now, worker, token, lane, most, plan, wait)

    def begin(self, worker: Worker, entry: Entry, *, plan: Plan) -> tuple[Enqueued, Claim]:
        """Enqueue a message and claim it at once, for direct sending: its intent is on disk when this returns.

        Nothing is claimed where its key was used before. The lease must outlast the send, for twice as long as that.
        Raises ``LeaseLost`` (enroll again), ``KeyConflict``, ``InvalidMessage``.
        """
        token = new_token()
        with self._uncertain(worker, token, State.REJECTED), self._tidied(worker) as (connection, now):
            return claims.begin(connection, now, worker, token, entry, plan)

    def hold(self, token: int, intent: Intent, deliveries: Mapping[str, int]) -> dict[str, float]:
        """Before what is being sent leaves by another path: take its slots, and note the path.

        Returns the recipients who are over a limit, with the seconds until their turn: nothing is taken for them.
        Slots that they hold already are not taken again. Raises ``LeaseLost``.
        """
        with self._writing() as (connection, now):
            return claims.hold(connection, now, token, intent, deliveries)

    def give_back(self, deliveries: Sequence[int], account: str) -> None:
        """Free the slots of ``account`` that these hold: it surely did not take them. ``record`` does so by itself."""
        with self._writing() as (connection, _now):
            slots.give_back(connection, deliveries, account)

    def record(self, outcomes: Iterable[Outcome]) -> list[int]:
        """Write down what became of deliveries, many at once. Returns those to which it was no news.

        Recording the same twice changes nothing, so that it may be tried again after a ``StoreError``. An outcome that
        comes after its delivery lapsed counts where that is a legal move: accepted.
        """
        rows = list(outcomes)
        with self._writing() as (connection, now):
            return claims.record(connection, now, rows)

    def hand_back(self, token: int, deliveries: Sequence[int]) -> None:
        """Put deliveries back into the queue that were claimed and surely not sent, with their slots."""
        with self._writing() as (connection, now):
            claims.hand_back(connection, now, token, deliveries)

    # --- opting out

    def opt_out(self, account: str, recipients: Iterable[str], word: str = "") -> None:
        """Send no more messages of ``account`` to these recipients, transactional ones apart."""
        with self._writing() as (connection, now):
            optout.add(connection, now, account, recipients, word)

    def opt_in(self, account: str, recipients: Iterable[str]) -> int:
        """Send to them again: how many of them had opted out."""
        with self._writing() as (connection, _now):
            return optout.remove(connection, account, recipients)

    def opt_outs(self, account: str = "") -> list[OptOut]:
        """Who opted out of ``account``, or of any."""
        with self._database.reading() as connection:
            return optout.listed(connection, account)

    # --- the mailbox

    def keep(self, payload: Payload) -> int:
        """Keep what a gateway handed out, as it came, before anybody reads it: its number."""
        with self._writing() as (connection, now):
            return mailbox.keep(connection, now, payload)

    def extend(self, number: int, payload: Payload) -> None:
        """Put ``payload`` in the place of what was kept under that number: another reply came."""
        with self._writing() as (connection, now):
            mailbox.extend(connection, now, number, payload)

    def forget(self, number: int) -> None:
        """Remove a payload in which nothing was."""
        with self._writing() as (connection, _now):
            mailbox.forget(connection, number)

    def unreadable(self, number: int, error: str) -> None:
        """Mark a payload that cannot be read, and say why. It stays until it is replayed or purged."""
        with self._writing() as (connection, _now):
            mailbox.unreadable(connection, number, error)

    def apply(
        self,
        number: int,
        items: Sequence[Report | Inbound],
        *,
        opt_out_words: Collection[str] = (),
        targets: Targets = NO_TARGETS,
    ) -> Applied:
        """Write down what a payload said: reports, moves of deliveries, inbound messages, opt-outs, notices.

        All of it, or nothing. What was said before is recognised and changes nothing, so that it may be repeated.
        """
        with self._writing() as (connection, now):
            return mailbox.apply(connection, now, number, items, opt_out_words, targets)

    def match(self, *, within: float = 600.0) -> int:
        """Look at parked reports again, and resolve doubts by them: how many found their delivery.

        Those received ``within`` so many seconds are looked at for submissions recorded meanwhile; all of them for
        deliveries in doubt. Where there is nothing to do, it only reads.
        """
        with self._database.reading() as connection:
            if not matching.outstanding(connection, self._database.now(connection), within):
                return 0
        with self._writing() as (connection, now):
            return matching.match(connection, now, within)

    def payload(self, number: int) -> Payload:
        """One payload, as it came."""
        with self._database.reading() as connection:
            return mailbox.payload(connection, number)

    def payloads(self, states: Collection[str] = (), *, below: int | None = None, most: int = 100) -> list[Kept]:
        """The newest ``most`` payloads in one of ``states`` (any, without), newest first; page with ``below``."""
        with self._database.reading() as connection:
            return mailbox.listed(connection, states, below, most)

    def waiting(self, age: float, *, most: int = 100) -> list[int]:
        """Payloads that are kept for ``age`` seconds and not applied, the oldest first."""
        with self._database.reading() as connection:
            return mailbox.waiting(connection, self._database.now(connection) - age, most)

    def parked(self, account: str = "", *, most: int = 100) -> list[Parked]:
        """The newest reports that belong to no delivery that is known, newest first."""
        with self._database.reading() as connection:
            return mailbox.parked(connection, account, most)

    # --- telling the application

    def notices(self, targets: Sequence[str] = (LISTENERS,), *, most: int = 100) -> list[Notice]:
        """What is to be told to ``targets`` now, the longest due first; of each number the first only.

        The next one of that number follows when this is told, or given up.
        """
        with self._database.reading() as connection:
            return notices.due(connection, self._database.now(connection), targets, most)

    def told(self, numbers: Sequence[int]) -> None:
        """Say that these notices were told: they never are again."""
        with self._writing() as (connection, now):
            notices.told(connection, now, numbers)

    def untold(self, number: int, *, after: float, error: str, heard: Sequence[str] = ()) -> None:
        """Say that a notice could not be told, and why: it is due again in ``after`` seconds.

        ``heard`` are listeners who need not hear it again.
        """
        with self._writing() as (connection, now):
            notices.untold(connection, now, number, after, error, heard)

    def give_up(self, number: int, error: str) -> None:
        """Say that a notice will never be told, and why: it is kept, and stands in nobody's way."""
        with self._writing() as (connection, now):
            notices.give_up(connection, now, number, error)

    def refused_notices(self, *, most: int = 100) -> list[Refused]:
        """What could not be told, or not yet, and why: the newest ``most``, newest first."""
        with self._database.reading() as connection:
            return notices.refused(connection, most)

    def tell_again(self, numbers: Sequence[int]) -> list[int]:
        """Let notices that could not be told be told now, those that were given up too: the ids of those."""
        with self._writing() as (connection, now):
            return notices.tell_again(connection, now, numbers)

    # --- credit, and who alone may do what

    def note_balance(
        self,
        account: str,
        units: Decimal | None,
        at: datetime,
        rule: CreditSettings,
        targets: Targets = NO_TARGETS,
        *,
        broke: bool = False,
    ) -> tuple[Change, Credit] | None:
        """Keep a balance: what changed by it, of which a notice is made once, whoever else sees the same.

        None where it is as low or not low as before, or where a newer one is known. ``at`` is aware. ``units`` are None
        where they are not known. ``broke``: the gateway refuses messages for want of credit, which is low by any rule.
        """
        with self._writing() as (connection, now):
            return balances.note(connection, now, account, units, at, rule, targets, broke=broke)

    def balances(self) -> Mapping[str, Standing]:
        """The last balance of each account that has told one."""
        with self._database.reading() as connection:
            return balances.standings(connection)

    def seize(self, name: str, holder: str, seconds: float) -> bool:
        """Have ``name`` alone for so long, across machines: whether nobody else has it. One's own is renewed."""
        with self._writing() as (connection, now):
            return holders.seize(connection, now, name, holder, seconds)

    def release(self, name: str, holder: str) -> None:
        """Let others have ``name``, if ``holder`` has it."""
        with self._writing() as (connection, _now):
            holders.release(connection, name, holder)

    # --- telling

    def deliveries(self, wanted: Filter | None = None, *, most: int = 100) -> list[Stored]:
        """The newest ``most`` deliveries that fit, newest first; page with ``Filter.below``."""
        with self._database.reading() as connection:
            return queries.deliveries(connection, wanted or Filter(), most)

    def delivery(self, number: int) -> Stored:
        """One delivery."""
        with self._database.reading() as connection:
            return queries.delivery(connection, number)

    def message(self, number: int) -> Message:
        """What a delivery says, to its recipient alone. ``StoreError`` where its text was wiped."""
        with self._database.reading() as connection:
            return queries.message(connection, number)

    def timeline(self, number: int) -> list[Event]:
        """All that befell a delivery, in order."""
        with self._database.reading() as connection:
            return queries.timeline(connection, number)

    def open_counts(self) -> Mapping[State, int]:
        """How many deliveries are queued, being sent, in doubt."""
        with self._database.reading() as connection:
            return queries.open_counts(connection)

    def workers(self) -> int:
        """How many workers live, on all machines."""
        with self._database.reading() as connection:
            return gauges.workers(connection, self._database.now(connection))

    def gauges(self) -> Gauges:
        """How much is open, and how late the oldest of it is."""
        with self._database.reading() as connection:
            return gauges.read(connection, self._database.now(connection))

    def arrivals(
        self, account: str = "", *, since: datetime | None = None, below: int | None = None, most: int = 100
    ) -> list[Arrival]:
        """The newest ``most`` messages from subscribers, newest first; page with ``below``.

        ``since`` (aware) is when we received them.
        """
        with self._database.reading() as connection:
            return arrivals.listed(connection, account, since, below, most)

    # --- upkeep

    def purge(self, before: datetime) -> Purged:
        """Remove what is over and older than that, in small transactions. Queued, sending and in doubt stay."""
        return upkeep.purge(self._database, before.timestamp())

    def wipe(self, accepted_before: datetime) -> int:
        """Empty the texts of entries with ``wipe`` that are final, or were accepted before that time: how many."""
        return upkeep.wipe(self._database, accepted_before.timestamp())

    # ---

    def _all(self, step: Callable[[Connection, float, int], list[int]]) -> list[int]:
        """Do ``step`` in small transactions until nothing is left for it."""
        found: list[int] = []
        while True:
            with self._writing() as (connection, now):
                some = step(connection, now, _ROWS)
            found += some
            if len(some) < _ROWS:
                return found

    @contextmanager
    def _uncertain(self, worker: Worker, token: int, state: State) -> Iterator[None]:
        """Remember a claim whose commit may have been made or not; what it took is to go to ``state``."""
        try:
            yield
        except LeaseLost:
            raise
        except StoreError:
            worker.uncertain[token] = state
            raise

    @contextmanager
    def _tidied(self, worker: Worker) -> Iterator[tuple[Connection, float]]:
        """A transaction in which such claims of the worker are undone first."""
        uncertain = list(worker.uncertain.items())
        with self._writing() as (connection, now):
            claims.tidy(connection, now, uncertain)
            yield connection, now
        for token, _ in uncertain:
            worker.uncertain.pop(token, None)


@contextmanager
def joined(connection: Connection | Session) -> Iterator[Connection]:
    """A part of the caller's transaction, undone by itself where it fails. Raises ``StoreError``."""
    theirs = connection if isinstance(connection, Connection) else connection.connection()
    address = theirs.engine.url.render_as_string(hide_password=True)
    with translated(address):
        _check_transaction(theirs, address)
        with theirs.begin_nested():
            yield theirs


def _check_transaction(connection: Connection, address: str) -> None:
    """Refuse a connection that commits each statement by itself: half of a message could stay."""
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        # The driver begins a transaction before the first statement that writes, and not before a savepoint, whose
        # release would then be a commit. This one writes nothing new.
        reserve(connection, 0)
        commits = not driver.in_transaction
    else:
        commits = bool(getattr(driver, "autocommit", False))
    if commits:
        raise StoreError(f"{address}: the connection commits each statement by itself: give one in a transaction")

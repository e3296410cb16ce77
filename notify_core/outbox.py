"""The outbox: what a notifier does where it has a store.

A message is enqueued for a worker, or sent at once with a record. Either way its intent (who sends it, by which path)
is on disk before a request leaves, the provider's limits are the store's, and what became of it is written down.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from notify_core import routing
from notify_core.config import RouteSettings
from notify_core.credit import PACE, Note, Purse, log_change
from notify_core.errors import InvalidMessage, Retry, Scope, SendError, Sent, StoreError
from notify_core.lease import Lease
from notify_core.messages import Message
from notify_core.results import Delivery, Result
from notify_core.routing import Route, said
from notify_core.states import State
from notify_core.store import (
    DIRECT,
    Claim,
    Enqueued,
    Entry,
    Filter,
    Intent,
    LeaseLost,
    Outcome,
    Parcel,
    Plan,
    Store,
    Stored,
    Way,
)
from notify_core.transports import Fit, Path

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from notify_core.store.store import Session

log = logging.getLogger("notify")

SOON, LATER, LONGEST = 1.0, 10.0, 900.0
"""Seconds before the first repetition by the error's verdict (now, later), and the most that doubling makes of them."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How messages of one way leave: the route that is walked, and what its settings say about storing."""

    way: Way
    route: Route
    settings: RouteSettings

    @property
    def tries(self) -> int:
        """How many requests may be made for one recipient: every path, as often as the route is walked."""
        return self.settings.attempts * len(self.route.paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """What may be said of messages when they are enqueued; what is left out is as the route has it."""

    key: str = ""
    priority: int | None = None
    due: datetime | None = None
    expires_at: datetime | None = None


PLAIN = Posting()


class Outbox:
    """``terms`` gives those of a way, and raises ``InvalidMessage`` for one that the configuration does not have.

    ``purses`` are the accounts' credit in this process, which it shares with others through the store; ``targets`` says
    which webhooks are told of it.
    """

    def __init__(
        self,
        store: Store,
        terms: Callable[[Way], Terms],
        now: Callable[[], datetime],
        tell: routing.Tell,
        purses: Mapping[str, Purse],
        targets: Callable[[str], Mapping[str, Sequence[str]]],
    ) -> None:
        self.store = store
        self.terms = terms
        self.purses = purses
        self._targets = targets
        self._now = now
        self._tell = tell
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        self._process = 0

    def close(self) -> None:
        """Take leave of the store, and close it."""
        if self._lease is not None and self._process == os.getpid():
            self._lease.close()
        self.note_credit(pace=0.0)
        self.store.close()

    # --- putting in

    def enqueue(
        self,
        messages: Iterable[Message],
        way: Way,
        posting: Posting = PLAIN,
        connection: Connection | Session | None = None,
    ) -> list[Enqueued]:
        """Put addressed messages in: all or none. Raises ``InvalidMessage``, ``KeyConflict``, ``StoreError``."""
        terms = self.terms(way)
        return self.store.enqueue([self._entry(message, terms, posting) for message in messages], connection=connection)

    def _entry(self, message: Message, terms: Terms, posting: Posting) -> Entry:
        """Raises ``InvalidMessage`` where no path of the route can carry the message."""
        routing.first_fit(terms.route.paths, message)
        settings = terms.settings
        if settings.schedule == "local" and message.send_at is not None:
            posting = replace(posting, due=max(message.send_at, posting.due or message.send_at))
            message = message.unscheduled()
        terms.route.check_time(message)
        return Entry(
            message=message,
            way=terms.way,
            key=posting.key,
            priority=settings.priority if posting.priority is None else posting.priority,
            due=posting.due,
            expires_at=posting.expires_at or self._expiry(settings, posting.due),
            transactional=settings.transactional,
            wipe=settings.wipe_texts == "final",
        )

    def _expiry(self, settings: RouteSettings, due: datetime | None) -> datetime | None:
        return None if settings.expires is None else (due or self._now()) + timedelta(seconds=settings.expires)

    # --- sending at once

    def send(self, message: Message, way: Way, key: str = "") -> Result:
        """Send an addressed message and record it. A key that was used for the same message gives its first result.

        Raises ``InvalidMessage``, ``KeyConflict`` and ``StoreError`` before anything leaves.
        """
        terms = self.terms(way)
        entry = self._entry(message, terms, Posting(key=key))
        order = terms.route.order(random.random)
        started = time.monotonic()
        lease, enqueued, claim = self._begin(entry, planned(lambda: order))
        if not enqueued.new:
            return self._first_result(terms.route, message, enqueued)
        numbers = dict(zip(message.to, enqueued.deliveries, strict=True))
        ended = {recipient: _ended(recipient) for recipient, number in numbers.items() if number in claim.suppressed}
        going = _whole(claim, message, numbers, ended)
        result = Result(route=terms.route.name, deliveries=(), attempts=(), segments=0)
        if going.deliveries:
            paths = {recipient: parcel.path for parcel in claim.parcels for recipient in parcel.deliveries}
            try:
                result = self._walk(terms.route, order, going, paths, _end(going, started))
            except BaseException:  # such as Ctrl-C, or the time limit of a web server: this process goes on, perhaps
                lease.record(_broken_off(going, paths))
                raise
            lease.record(going.outcomes(result, _never))
            self.note_credit()
        states = {delivery.recipient: delivery for delivery in result.deliveries} | ended
        return self._told(replace(result, deliveries=tuple(states[recipient] for recipient in message.to)), numbers)

    def _begin(self, entry: Entry, plan: Plan) -> tuple[Lease, Enqueued, Claim]:
        lease = self._leased()
        try:
            return lease, *self.store.begin(lease.worker, entry, plan=plan)
        except LeaseLost:  # such as by a machine that slept
            lease.lost = True
        lease = self._leased()
        return lease, *self.store.begin(lease.worker, entry, plan=plan)

    def _leased(self) -> Lease:
        """This process's own lease: threads do not survive a fork."""
        with self._lock:
            if self._process != os.getpid():
                self._lease, self._process = None, os.getpid()
            if self._lease is not None and self._lease.lost:
                self._lease.close()
                self._lease = None
            self._lease = self._lease or Lease(self.store, DIRECT)
            return self._lease

    def _walk(
        self, route: Route, order: Sequence[Path], parcel: Parcel, paths: dict[str, str], until: float | None
    ) -> Result:
        """Walk the route with what a claim took; ``paths`` are those by which it took them, and then those it goes."""
        return routing.walk(
            route,
            parcel.message,
            now=self._now,
            tell=self._tell,
            order=order,
            journal=Claimed(self.store, parcel, paths),
            until=until,
        )

    def _told(self, result: Result, numbers: Mapping[str, int]) -> Result:
        """The result with the numbers that its deliveries have in the store, and listeners told of it."""
        deliveries = tuple(delivery.numbered(numbers[delivery.recipient]) for delivery in result.deliveries)
        numbered = replace(result, deliveries=deliveries)
        self._tell("sent", result=numbered)
        return numbered

    def _first_result(self, route: Route, message: Message, enqueued: Enqueued) -> Result:
        stored = self.store.deliveries(Filter(message=enqueued.message_id), most=max(1, len(enqueued.deliveries)))
        segments = routing.first_fit(route.paths, message).segments
        deliveries = tuple(map(_told_before, reversed(stored)))
        return Result(route=route.name, deliveries=deliveries, attempts=(), segments=segments)

    # --- credit

    def note_credit(self, pace: float = PACE) -> None:
        """Let the store know what was learned of the accounts' credit, if anything, once in ``pace`` seconds each.

        Never raises.
        """
        for purse in self.purses.values():
            if note := purse.note(pace):
                try:
                    self._note(note)
                except StoreError as error:
                    purse.unnoted()
                    log.warning("a balance was not noted: %s", error, extra={"action": "balance_unnoted"})

    def _note(self, note: Note) -> None:
        targets = self._targets(note.purse)
        change = self.store.note_balance(note.purse, note.units, note.at, note.rule, targets, broke=note.broke)
        if change is not None:
            log_change(*change)

    def look_at_credit(self) -> None:
        """Learn what other processes found out, where an account is without credit here. Raises ``StoreError``."""
        if any(purse.short is not None for purse in self.purses.values()):
            self.read_credit()

    def read_credit(self) -> None:
        """Learn what other processes found out of any account. Raises ``StoreError``."""
        for name, standing in self.store.balances().items():
            if name in self.purses:
                self.purses[name].told(standing.units, standing.at, low=standing.low, days=standing.days)

    # --- for workers

    def carry(self, parcel: Parcel, way: Way, until: float | None) -> list[Outcome]:
        """Send what a worker claimed: what became of it, to be recorded. No request begins after ``until`` (monotonic).

        Never raises.
        """
        try:
            return self._carry(parcel, self.terms(way), until)
        except InvalidMessage as error:
            verdict = SendError(str(error), scope=Scope.MESSAGE, code="unfit")
            return [_all_of(parcel, State.REJECTED, verdict)]
        except BaseException as error:  # noqa: BLE001 - a sender goes on, whoever wants to exit; its text may quote it
            words = f"{type(error).__name__} while it was being sent: nobody knows whether it left"
            log.error("a parcel failed: %s", words, extra={"action": "parcel_failed", "path": parcel.path})  # noqa: TRY400
            return [_all_of(parcel, State.IN_DOUBT, SendError(words, sent=Sent.UNKNOWN, code="local"))]

    def _carry(self, parcel: Parcel, terms: Terms, until: float | None) -> list[Outcome]:
        if until is not None and until <= time.monotonic():
            return [_all_of(parcel, State.QUEUED, None)]  # what is over is ended in the queue
        order = sorted(terms.route.order(random.random), key=lambda path: path.name != parcel.path)
        paths = dict.fromkeys(parcel.deliveries, parcel.path)
        result = self._told(self._walk(terms.route, order, parcel, paths, until), parcel.deliveries)
        return parcel.outcomes(result, Repetition(terms, parcel.attempts, result).after)


class Claimed:
    """The journal of deliveries that a claim took: another path than theirs is noted in the store before it is used.

    ``paths`` has the path of each recipient, and is kept true.
    """

    def __init__(self, store: Store, parcel: Parcel, paths: dict[str, str]) -> None:
        self._store = store
        self._parcel = parcel
        self._paths = paths

    def intend(self, path: Path, recipients: Sequence[str], text: str) -> Mapping[str, float]:
        """See ``routing.Journal``."""
        numbers = self._parcel.deliveries
        others = {each: numbers[each] for each in recipients if self._paths.get(each) != path.name}
        if not others:
            return {}
        waits = self._store.hold(self._parcel.token, intended(path, text), others)
        self._paths.update({each: path.name for each in others if each not in waits})
        return waits

    def spend(self, path: Path, recipients: Sequence[str], text: str) -> None:
        """See ``routing.Journal``. The store counts them when it records what became of them, in one transaction."""

    def give_back(self, path: Path, recipients: Sequence[str], text: str) -> None:
        """See ``routing.Journal``."""
        if not intended(path, text).limits:
            return
        try:
            self._store.give_back([self._parcel.deliveries[each] for each in recipients], path.account.name)
        except StoreError as error:  # counted as sent, then: too much, and never too little
            log.warning("slots were not given back: %s", error, extra={"action": "slots_kept", "path": path.name})


class Repetition:
    """When what surely was not sent is tried again: by the verdicts of its errors, and how often it was tried."""

    def __init__(self, terms: Terms, attempts: int, result: Result) -> None:
        self._tries = terms.tries
        self._walks = attempts // len(terms.route.paths)
        self._before = attempts
        self._result = result
        self._jitter = random.uniform(0.5, 1.0)  # noqa: S311 - one for all, so that equal texts stay together
        self._errors: dict[str, list[SendError]] | None = None

    def after(self, delivery: Delivery) -> float | None:
        """The seconds until then; None where it would not help, or was tried often enough."""
        tried = self._tried().get(delivery.recipient, [])
        errors = [*tried, delivery.error] if delivery.error else tried
        if tried and self._before + len(tried) >= self._tries:
            return None
        if any(error.scope is Scope.MESSAGE for error in errors):
            return None
        return min((self._delay(error) for error in errors if error.retry is not Retry.NEVER), default=None)

    def _tried(self) -> dict[str, list[SendError]]:
        """The errors of the attempts by recipient, found once and only where something failed."""
        if self._errors is None:
            self._errors = defaultdict(list)
            for attempt in self._result.attempts:
                for recipient in attempt.recipients if attempt.error else ():
                    self._errors[recipient].append(attempt.error)  # type: ignore[arg-type] # those with an error
        return self._errors

    def _delay(self, error: SendError) -> float:
        if error.after is not None:
            return error.after
        first = SOON if error.retry is Retry.NOW else LATER
        return min(LONGEST, first * 2.0 ** min(self._walks, 30)) * self._jitter


def planned(ordered: Callable[[], Sequence[Path]]) -> Plan:
    """Tells a claim by which paths a message may leave: the first of each account that can carry it.

    ``ordered`` gives the paths of the route as one message tries them. A path that cannot reach the number which a
    claim asks about is one of them: it may reach the others that get the same message, and the walk goes past it.
    """

    def plan(message: Message) -> Sequence[Intent]:
        order = ordered()
        if len(order) == 1:  # whether it can carry the message, the walk says
            return [intended(order[0], said(order[0].worded(message)))]
        found = [(path, fit) for path in order if (fit := _carried(path, message))]
        found.sort(key=_without_credit)
        intents: dict[str, Intent] = {}
        for path, fit in found:
            if path.account.name not in intents:
                intents[path.account.name] = intended(path, said(fit.message))
        # None where the configuration changed since it was enqueued; the walk says so.
        return tuple(intents.values()) or [Intent(order[0].name)]

    return plan


def _carried(path: Path, message: Message) -> Fit | None:
    """What the path can carry of a message, if anything."""
    try:
        return path.fit(path.worded(message))
    except InvalidMessage:
        return None


def _without_credit(carrier: tuple[Path, Fit]) -> bool:
    """Whether the path's account cannot pay for one recipient: the claim then counts on another, if there is one."""
    path, fit = carrier
    return path.purse.short is not None and path.purse.lacks(fit.segments)


def intended(path: Path, text: str) -> Intent:
    """The intent to send by ``path``, with those of the account's limits that count a message of that text."""
    limits = path.account.settings.limits
    return Intent(path.name, tuple(limit for limit in limits if limit.containing in text))


def _all_of(parcel: Parcel, state: State, error: SendError | None) -> Outcome:
    return Outcome(token=parcel.token, deliveries=tuple(parcel.deliveries.values()), state=state, error=error)


def _broken_off(parcel: Parcel, paths: Container[str]) -> list[Outcome]:
    """What is known of a send that raised: what had a path is in doubt, the rest surely was not sent."""
    words = "the call that sent it was broken off"
    doubt = SendError(f"{words}: nobody knows whether it left", sent=Sent.UNKNOWN, code="broken off")
    verdicts = {State.IN_DOUBT: doubt, State.REJECTED: SendError(f"{words} before it left", code="broken off")}
    sorted_out: dict[State, list[int]] = defaultdict(list)
    for recipient, number in parcel.deliveries.items():
        sorted_out[State.IN_DOUBT if recipient in paths else State.REJECTED].append(number)
    return [
        Outcome(token=parcel.token, deliveries=numbers, state=state, error=verdicts[state])
        for state, numbers in sorted_out.items()
    ]


def _never(_: Delivery) -> None:
    """What is sent at once is not tried again behind the caller's back."""


def _whole(claim: Claim, message: Message, numbers: Mapping[str, int], ended: Container[str]) -> Parcel:
    """What a direct send's claim took as one parcel, whichever paths it gave to each, and those that it held over."""
    going = {recipient: number for recipient, number in numbers.items() if recipient not in ended}
    return Parcel(
        token=claim.token,
        message=message.narrowed(tuple(going)),
        path="",
        deliveries=going,
        attempts=0,
        left=min((parcel.left for parcel in claim.parcels if parcel.left is not None), default=None),
    )


def _end(parcel: Parcel, claimed: float) -> float | None:
    """When a parcel expires that was claimed then (both monotonic)."""
    return None if parcel.left is None else claimed + parcel.left


def _ended(recipient: str) -> Delivery:
    error = SendError("the recipient opted out", scope=Scope.RECIPIENT, code="opted out")
    return Delivery(recipient=recipient, state=State.SUPPRESSED, error=error)


_UNDER_WAY = (State.QUEUED, State.SENDING, State.ACCEPTED, State.DELIVERED, State.UNDELIVERED)


def _told_before(stored: Stored) -> Delivery:
    """A delivery as the store has it."""
    error = None
    if stored.state not in _UNDER_WAY:
        sent = Sent.UNKNOWN if stored.state is State.IN_DOUBT else Sent.NO
        error = SendError(stored.description or stored.state.value, sent=sent, code=stored.code)
    return Delivery(
        recipient=stored.recipient,
        state=stored.state,
        path=stored.path,
        task_id=stored.task_id,
        error=error,
        id=stored.id,
    )

"""The worker: sends what lies in the outbox, in as many threads, processes and machines as there are.

One thread claims, many send, one records in batches, one sweeps, and each duty beside that has its own; nothing of the
store is locked while a request is under way. What a worker claimed and did not send when it stops goes back into the
queue.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice

from notify_core.errors import InvalidMessage, StoreError
from notify_core.lease import SECONDS, Lease
from notify_core.narration import words
from notify_core.notifier import Notifier
from notify_core.outbox import Outbox, planned
from notify_core.phones import mask
from notify_core.routing import Route
from notify_core.states import State
from notify_core.store import Bell, Claim, Filter, Lane, LeaseLost, Outcome, Parcel, Store, Way
from notify_core.worker.duties import Duty, duties

log = logging.getLogger("notify")
news = logging.getLogger("notify.news")

THREADS = 16
"""Requests that one worker has under way at a time. Rate is threads over latency: 16 at 50 ms carry 320 a second."""
LIMIT = 30.0
"""Seconds that a worker which is told to stop waits for the requests that are under way."""

_LEAST, _DISTINCT, _REPEATED = 50, 200, 1_000
"""Deliveries of one claim: at first and at least, and at most where texts are distinct, and where they repeat."""
_QUICK, _SLOW = 0.015, 0.030
"""Seconds of a claim after which more, or less, distinct texts are claimed the next time. What is more urgent waits for
a claim that is under way, and for the write lock that it has on SQLite."""
_DELIVERIES, _GATHER = 1_000, 0.1
"""What is recorded at once, also for the sake of the lock: so many deliveries, or what came within so many seconds."""
_PAUSE = 0.02
"""Seconds for which senders begin nothing at most, while the store is asked what is urgent."""
_STALL = 0.1
"""Seconds after which a request that is under way is thought to hang, and another sender takes its place."""
_SEEN = 32
"""Messages after which it is considered anew how many senders are of use."""
_LOOK = 5.0
"""Seconds after which the queue is looked at even if no bell rang, and between two sweeps."""
_TROUBLE = 1.0
"""Seconds between two attempts to reach a store that fails."""
_REPORTED_BY = timedelta(days=3)
"""How long a report may take: the text of an accepted message that wants wiping is kept for so long."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A parcel that waits for a sender, the lease by which it was claimed, and until when (monotonic) it may leave."""

    lane: tuple[Way, int]
    parcel: Parcel
    lease: Lease
    until: float | None


@dataclass(frozen=True, slots=True)
class _Done:
    """A task that was sent, the seconds that it took, and those of the CPU."""

    task: _Task
    seconds: float
    cpu: float


class _Pace:
    """How many senders of one lane are of use.

    While one waits for its answer, others can work: as many as the CPU of a message fits into the time of one. More
    would wait for Python's lock, and each wait costs CPU: with a gateway that answers at once, two processes of four
    senders each took 700 µs a message where those of two took 460. The eighth that was answered soonest tells the
    time, for it did not wait for the lock.
    """

    def __init__(self, most: int) -> None:
        self.senders = self._most = most
        self._seen: list[tuple[float, float]] = []

    def note(self, seconds: float, cpu: float) -> None:
        """A message took so long, and so much of the CPU."""
        self._seen.append((seconds, cpu))
        if len(self._seen) == _SEEN:
            soon = sorted(seconds for seconds, _ in self._seen)[_SEEN // 8]
            cpu = sum(cpu for _, cpu in self._seen) / _SEEN
            self.senders = max(1, min(self._most, round(soon / max(cpu, 1e-6))))
            self._seen.clear()


class _Counter:
    """Where senders take what is claimed: the most urgent first, and no lane with all of them while another waits."""

    def __init__(self, threads: int, low: Callable[[], None]) -> None:
        self._most = max(1, threads - max(1, threads // 4))
        self._least = 2 * threads
        self._low = low
        self._paces: dict[tuple[Way, int], _Pace] = defaultdict(lambda: _Pace(self._most))
        self._waiting: dict[tuple[Way, int], deque[_Task]] = {}  # no lane is empty
        self._enough: dict[tuple[Way, int], int] = {}
        self._begun: dict[tuple[Way, int], dict[int, float]] = {}  # when each task was taken, monotonic
        self._served: Counter[tuple[Way, int]] = Counter()
        self._turn = 0
        self._watched = False
        self._paused_until = self._rest_until = 0.0
        self._open = True
        self._change = threading.Condition()

    def wants(self, lane: tuple[Way, int]) -> bool:
        """Whether more of the lane should be claimed, before its senders run dry."""
        with self._change:
            return len(self._waiting.get(lane, ())) <= self._enough.get(lane, self._least)

    def is_dry(self, lane: tuple[Way, int]) -> bool:
        """Whether nothing of the lane waits for a sender."""
        with self._change:
            return lane not in self._waiting

    def put(self, tasks: Sequence[_Task], portion: int) -> None:
        """Let these be sent. So many are claimed of their lane at a time: more is wanted when half of it is left."""
        enough = max(self._least, _LEAST, portion // 2)
        with self._change:
            for task in tasks:
                self._waiting.setdefault(task.lane, deque()).append(task)
                self._enough[task.lane] = enough
            self._change.notify()

    def take(self, done: _Done | None = None) -> _Task | None:
        """The next to send, for who has ``done`` another; None once there is none and never will be."""
        with self._change:
            if done is not None:
                self._settle(done)
            while self._open and ((left := self._pause_left()) or not (lanes := self._eligible())):
                self._wait(left)
            if not self._open:
                return None
            task = self._pick(lanes)
            if self._eligible() or (self._waiting and not self._watched):
                self._change.notify()  # one wakes the next, as long as there is something for it
            low = len(self._waiting.get(task.lane, ())) == self._enough[task.lane]
        if low:
            self._low()
        return task

    def _wait(self, left: float) -> None:
        """Wait for something to do. One of those that wait looks for what has stalled, while others lack a sender."""
        watch = bool(self._waiting) and not self._watched
        self._watched = self._watched or watch
        self._change.wait(left or (_STALL / 2 if watch else None))
        if watch:
            self._watched = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Begin nothing meanwhile.

        Who asks the store for what is urgent needs Python's lock after each answer, and waits for it behind each
        sender that is busy. A store that is slow holds nobody up for long, nor for more than a fifth of the time.
        """
        began = time.monotonic()
        if began < self._rest_until:
            yield
            return
        self._paused_until = began + _PAUSE
        try:
            yield
        finally:
            with self._change:
                now = time.monotonic()
                self._paused_until, self._rest_until = 0.0, now + 4 * (now - began)
                self._change.notify()

    def _pause_left(self) -> float:
        return max(0.0, self._paused_until - time.monotonic()) if self._paused_until else 0.0

    def is_less_urgent(self, lane: tuple[Way, int]) -> bool:
        """Whether anything less urgent is being sent, or waits for a sender."""
        with self._change:
            return any(other[1] < lane[1] for other in (*self._waiting, *self._begun))

    def _settle(self, done: _Done) -> None:
        lane = done.task.lane
        self._paces[lane].note(done.seconds, done.cpu)
        del self._begun[lane][id(done.task)]
        if not self._begun[lane]:
            del self._begun[lane]
            if lane not in self._waiting:
                self._served.pop(lane, None)

    def clear(self) -> list[_Task]:
        """Take away what nobody has begun."""
        with self._change:
            tasks = [task for waiting in self._waiting.values() for task in waiting]
            self._waiting.clear()
            return tasks

    def close(self) -> list[_Task]:
        """Let the senders go home: what nobody has begun."""
        with self._change:
            self._open = False
            self._change.notify_all()
        return self.clear()

    def _eligible(self) -> list[tuple[Way, int]]:
        late = time.monotonic() - _STALL
        return [lane for lane in self._waiting if self._has_room(lane, late)]

    def _has_room(self, lane: tuple[Way, int], late: float) -> bool:
        """What is under way for long takes no sender of the pace: one request that hangs must not stop the others."""
        begun = self._begun.get(lane)
        if not begun:
            return True
        return len(begun) < self._most and sum(at > late for at in begun.values()) < self._paces[lane].senders

    def _pick(self, lanes: list[tuple[Way, int]]) -> _Task:
        """The most urgent; of equal ones that which waited longest for its turn."""
        lane = min(lanes, key=lambda each: (-each[1], self._served[each]))
        self._turn += 1
        self._served[lane] = self._turn
        waiting = self._waiting[lane]
        task = waiting.popleft()
        if not waiting:
            del self._waiting[lane]
        self._begun.setdefault(lane, {})[id(task)] = time.monotonic()
        return task


class _Portion:
    """How many deliveries of a lane are claimed at a time.

    Where texts are distinct, as many as a short claim takes, and above 100 no more than the senders ask for: what a
    killed worker has is in doubt. Where texts repeat, many leave at a time, and are worth a longer claim.
    """

    def __init__(self) -> None:
        self.size = _LEAST

    def note(self, taken: int, parcels: int, seconds: float, *, dry: bool) -> None:
        """A claim took so many deliveries, in so many parcels, and lasted so long; ``dry``: senders waited for it."""
        if taken < self.size:
            return
        if taken >= 10 * parcels:
            self.size = min(4 * self.size, _REPEATED)
        elif seconds < _QUICK and (dry or self.size == _LEAST):
            self.size = min(2 * self.size, _DISTINCT)
        elif seconds > _SLOW:
            self.size = max(min(self.size, _DISTINCT) // 2, _LEAST)


class _Recorder:
    """Writes results down, many at once; while the store fails it keeps them and tries again.

    It is not woken for each result: that would cost the senders more than the writing. ``again`` is called when
    something went back into the queue.
    """

    def __init__(self, store: Store, again: Callable[[], None]) -> None:
        self._store = store
        self._again = again
        self._lock = threading.Lock()
        self._waiting: list[Outcome] = []
        self._deliveries = 0
        self._some, self._enough = threading.Event(), threading.Event()
        self._closing = False
        self._gives_up = float("inf")
        self._thread = threading.Thread(target=self._run, name="notify-recorder", daemon=True)
        self._thread.start()

    def put(self, outcomes: list[Outcome]) -> None:
        with self._lock:
            first = not self._waiting
            self._waiting += outcomes
            self._deliveries += sum(len(outcome.deliveries) for outcome in outcomes)
            enough = self._deliveries >= _DELIVERIES
        if first:
            self._some.set()
        if enough:
            self._enough.set()

    def close(self, until: float) -> None:
        """Write what is left, and try until then (monotonic seconds)."""
        self._gives_up = until
        self._closing = True
        self._enough.set()
        self._some.set()
        self._thread.join(max(0.0, until - time.monotonic()) + _TROUBLE)

    def _run(self) -> None:
        while not self._closing:
            self._some.wait()
            self._enough.wait(_GATHER)
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        """Write what came, in transactions that are short."""
        some: list[Outcome] = []
        deliveries = 0
        for outcome in self._taken():
            some.append(outcome)
            deliveries += len(outcome.deliveries)
            if deliveries >= _DELIVERIES:
                self._write(some)
                some, deliveries = [], 0
        self._write(some)

    def _taken(self) -> list[Outcome]:
        with self._lock:
            outcomes, self._waiting, self._deliveries = self._waiting, [], 0
            if not self._closing:
                self._some.clear()
                self._enough.clear()
        return outcomes

    def _write(self, outcomes: list[Outcome]) -> None:
        while outcomes:
            try:
                self._store.record(outcomes)
            except StoreError as error:
                facts = {"action": "unrecorded", "about": "results", "why": str(error)}
                log.error("results are kept until the store takes them: %s", error, extra=facts)  # noqa: TRY400
                if time.monotonic() > self._gives_up:
                    return  # they lapse: in doubt
                time.sleep(_TROUBLE)
            else:
                if any(outcome.state is State.QUEUED for outcome in outcomes):
                    self._again()
                return


class Worker:
    """Sends what lies in the outbox of ``notifier``, which stays the caller's to close.

    ``run`` works in the calling thread until ``stop``, which any thread or signal handler may call. It then takes
    nothing new, waits up to ``limit`` seconds for the requests that are under way, and hands back the rest.
    """

    def __init__(
        self, notifier: Notifier, *, threads: int = THREADS, limit: float = LIMIT, lease: float = SECONDS
    ) -> None:
        if threads < 1:
            raise ValueError(f"threads={threads}: expected 1 or more")
        self._notifier = notifier
        self._outbox: Outbox = notifier.outbox
        self._store = self._outbox.store
        self._bell: Bell = self._store.bell()
        self._threads = threads
        self._limit = limit
        self._seconds = lease
        self._troubled = False
        self._stopping = False  # and no Event, which a signal handler must not set while its thread waits for it
        self._ended = threading.Event()
        self._wipe_at = 0.0
        self._counter = _Counter(threads, self._bell.ring)
        self._portions: dict[tuple[Way, int], _Portion] = defaultdict(_Portion)
        self._known: list[Lane] = []  # what was queued as the last round ended, good for one claim right after it
        self._strangers: set[Way] = set()
        self._duties: list[Duty] = []
        self._lease: Lease
        self._recorder: _Recorder

    def stop(self) -> None:
        """Let ``run`` come to its end. Returns at once."""
        self._stopping = True
        self._bell.ring()

    def run(self) -> None:
        """Work until ``stop``; once only. Raises ``StoreError`` where the store cannot be used at the start."""
        self._lease = Lease(self._store, seconds=self._seconds)
        self._recorder = _Recorder(self._store, self._bell.ring)
        self._duties = duties(self._notifier, self._seconds)
        work = [(self._send, self._threads), (self._sweep, 1), *((duty.run, 1) for duty in self._duties)]
        threads = [thread for each, count in work for thread in self._started(each, count)]
        log.info("a worker began, with %d threads", self._threads, extra={"action": "worker_began"})
        try:
            while not self._stopping:
                self._wait(self._round())
        finally:
            self._finish(threads)
        log.info("a worker ended", extra={"action": "worker_ended"})

    def _started(self, work: Callable[[], None], count: int) -> Iterator[threading.Thread]:
        for _ in range(count):
            # A request that outlasts the limit must not hold the process: its delivery is in doubt then.
            thread = threading.Thread(target=work, name=f"notify-{work.__name__.strip('_')}", daemon=True)
            thread.start()
            yield thread

    # --- claiming

    def _round(self) -> float:
        """Claim what the senders lack: the seconds after which there may be more to do."""
        for duty in self._duties:
            duty.wake()
        try:
            self._renew()
            seconds = min(map(self._claim, self._lanes()), default=_LOOK)
        except LeaseLost:
            self._lease.lost = True
            return 0.0
        except StoreError as error:
            return self._rest(error)
        if self._troubled:
            self._troubled = False
            news.info("the store can be used again", extra={"action": "store", "about": "the store"})
        return seconds

    def _renew(self) -> None:
        """Where the lease was lost, what was claimed by it is in doubt already: nothing of it is begun any more."""
        if not self._lease.lost:
            return
        for task in self._counter.clear():
            self._recorder.put([_unsent(task.parcel)])
        self._lease.close()
        self._lease = Lease(self._store, seconds=self._seconds)

    def _lanes(self) -> Iterator[Lane]:
        """Each lane once, the most urgent first of those that are queued when it is asked for."""
        seen: set[tuple[Way, int]] = set()
        while not self._stopping:
            known, self._known = self._known or self._queued(), []
            lane = next((lane for lane in known if (lane.way, lane.priority) not in seen), None)
            if lane is None:
                self._known = known
                return
            seen.add((lane.way, lane.priority))
            yield lane

    def _queued(self) -> list[Lane]:
        with self._counter.paused():
            return self._store.lanes()

    def _claim(self, lane: Lane) -> float:
        if lane.wait > 0:
            return min(lane.wait, _LOOK)
        key = (lane.way, lane.priority)
        if not self._counter.wants(key) or (route := self._route(lane.way)) is None:
            return _LOOK
        portion = self._portions[key]
        plan = planned(partial(route.order, random.random))
        wait = route.quiet.waits(datetime.now(UTC)) if route.quiet else None
        now = time.monotonic()  # before the claim, whose clock stands still meanwhile: rather too early than too late
        with self._counter.paused() if self._counter.is_less_urgent(key) else nullcontext():
            claim = self._store.claim(self._lease.worker, lane, most=portion.size, plan=plan, wait=wait)
        taken = sum(len(parcel.deliveries) for parcel in claim.parcels)
        portion.note(taken, len(claim.parcels), time.monotonic() - now, dry=self._counter.is_dry(key))
        self._counter.put(list(_tasks(key, claim, route, self._lease, now)), portion.size)
        self._log_ended((*claim.expired, *claim.suppressed))
        passed_over = claim.deferred + len(claim.expired) + len(claim.suppressed)
        return 0.0 if taken or passed_over else _LOOK

    def _route(self, way: Way) -> Route | None:
        try:
            return self._outbox.terms(way).route
        except InvalidMessage as error:
            if way not in self._strangers:  # perhaps another worker's, with a newer configuration
                self._strangers.add(way)
                log.error("messages stay in the queue: %s", error, extra={"action": "unknown_way"})  # noqa: TRY400
            return None

    def _wait(self, seconds: float) -> None:
        try:
            if self._bell.wait(seconds) or seconds:
                self._known = []
        except StoreError as error:
            self._rest(error)

    def _rest(self, error: StoreError) -> float:
        """Leave a store that fails in peace for a while."""
        self._troubled = True
        log.error("the store cannot be used: %s", error, extra=_no_store("no_store", error))
        until = time.monotonic() + _TROUBLE
        while not self._stopping and time.monotonic() < until:
            time.sleep(_TROUBLE / 10)
        return 0.0

    # --- sending, sweeping, ending

    def _send(self) -> None:
        task = self._counter.take()
        while task is not None:
            began, worked = time.monotonic(), time.thread_time()
            self._recorder.put(self._carried(task))
            done = _Done(task, time.monotonic() - began, time.thread_time() - worked)
            task = self._counter.take(done)

    def _carried(self, task: _Task) -> list[Outcome]:
        """What became of it. What is in doubt for a lapsed lease is not begun: whoever slept might send it too late."""
        if not task.lease.holds:
            return [_unsent(task.parcel)]
        return self._outbox.carry(task.parcel, task.lane[0], task.until)

    def _sweep(self) -> None:
        while not self._ended.wait(_LOOK):
            try:
                self._log_ended(self._store.lapse())
                self._log_ended(self._store.expire())
                self._wipe()
                self._outbox.note_credit()
                self._outbox.look_at_credit()
            except StoreError as error:
                log.warning("not swept: %s", error, extra=_no_store("unswept", error))

    def _wipe(self) -> None:
        """Empty texts. To look past all that wait for a report takes a while: it may take a hundredth of the time."""
        if (began := time.monotonic()) >= self._wipe_at:
            self._store.wipe(datetime.now(UTC) - _REPORTED_BY)
            self._wipe_at = began + 100 * (time.monotonic() - began)

    def _log_ended(self, numbers: Sequence[int]) -> None:
        """Log what ended without a sender of this worker. To look at it costs something: only where somebody reads it.

        Raises ``StoreError``.
        """
        if not numbers or not log.isEnabledFor(logging.INFO):
            return
        for ended in reversed(self._store.deliveries(Filter(ids=numbers), most=len(numbers))):
            what = "surely not sent" if ended.state is State.REJECTED else words(ended.state)
            facts = (ended.id, mask(ended.recipient), what, ended.description)
            log.info("delivery %d to %s: %s: %s", *facts, extra={"action": "ended"})

    def _finish(self, threads: Sequence[threading.Thread]) -> None:
        until = time.monotonic() + self._limit
        self._ended.set()
        for duty in self._duties:
            duty.end(until - self._limit / 10)
        self._hand_back([task.parcel for task in self._counter.close()])
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._recorder.close(until)
        self._lease.close()
        self._bell.close()

    def _hand_back(self, parcels: Sequence[Parcel]) -> None:
        """What surely was not sent goes back into the queue; where that fails, the recorder tries it until the end."""
        by_token: dict[int, list[int]] = defaultdict(list)
        for parcel in parcels:
            by_token[parcel.token] += parcel.deliveries.values()
        try:
            for token, deliveries in by_token.items():
                self._store.hand_back(token, deliveries)
        except StoreError as error:
            log.error("not handed back yet: %s", error, extra={"action": "not_handed_back"})  # noqa: TRY400
            self._recorder.put(list(map(_unsent, parcels)))


def _tasks(lane: tuple[Way, int], claim: Claim, route: Route, lease: Lease, now: float) -> Iterator[_Task]:
    """What a claim took, one submission each, so that senders share a long list and others come in between."""
    most = {path.name: path.max_recipients for path in route.paths}
    for parcel in claim.parcels:
        until = None if parcel.left is None else now + parcel.left
        for part in _split(parcel, most[parcel.path]):
            yield _Task(lane, part, lease, until)


def _split(parcel: Parcel, most: int) -> Iterator[Parcel]:
    if len(parcel.deliveries) <= most:
        yield parcel
        return
    rest = iter(parcel.deliveries.items())
    while part := dict(islice(rest, most)):
        yield replace(parcel, deliveries=part, message=parcel.message.narrowed(tuple(part)))


def _unsent(parcel: Parcel) -> Outcome:
    return Outcome(token=parcel.token, deliveries=tuple(parcel.deliveries.values()), state=State.QUEUED)


def _no_store(action: str, error: StoreError) -> dict[str, str]:
    """What a record of the log tells beside its text, where the store failed."""
    return {"action": action, "about": "the store", "why": str(error)}

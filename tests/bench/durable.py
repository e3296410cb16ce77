"""Durable delivery: what the outbox and its workers make of many messages, against a plain loop that keeps nothing.

The gateway is ``quick``, for both; the workers are processes of their own, whose CPU and memory /proc tells (Linux).
"""

from __future__ import annotations

import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from notify_core import Notifier, Sms, State
from notify_core.outbox import planned
from notify_core.results import Attempt
from notify_core.store import Outcome, Parcel, Store
from notify_core.worker import Processes
from tests import postgresql
from tests.bench import direct, quick
from tests.bench.rounds import Row, above, below

PROCESSES, THREADS = 2, 4
"""Of the workers. More threads carry more of a slow gateway; this one is fast, and two cores are all there is."""
PATIENCE = 300.0
"""Seconds after which a bench gives up waiting."""

_TICKS = os.sysconf("SC_CLK_TCK")
_MEGABYTE = os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


@dataclass(frozen=True)
class Shop:
    """A store, its gateway, and a notifier that enqueues."""

    settings: dict[str, Any]
    gateway: quick.Quick
    notifier: Notifier

    @property
    def store(self) -> Store:
        """The store itself."""
        return self.notifier.outbox.store

    def delivered(self, count: int, before: int) -> None:
        """Wait until the gateway has ``count`` recipients more than ``before``, and all of them are recorded."""
        _until(lambda: self.gateway.tally().recipients >= before + count)
        _until(lambda: not any(map(self.store.open_counts().get, (State.QUEUED, State.SENDING))))


@contextmanager
def _store(database: str) -> Iterator[str]:
    """The address of a store with its default settings, on disk."""
    if database == "sqlite":
        with tempfile.TemporaryDirectory(prefix="notify-bench-") as folder:
            yield f"sqlite:///{folder}/notify.db"
    else:
        with postgresql.running() as server:
            yield postgresql.database(server, "bench")


@contextmanager
def shop(database: str) -> Iterator[Shop]:
    """An empty store, and all that uses it but the workers."""
    with _store(database) as url, quick.running() as gateway:
        Store.create(url)
        settings = direct.settings(gateway.url) | {"store": url}
        settings["routes"] = {"default": ["bench.json"], "otp": {"paths": ["bench.json"], "priority": 10}}
        with Notifier.from_mapping(settings) as notifier:
            yield Shop(settings, gateway, notifier)


class Crew:
    """The worker processes, and what they cost."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def cpu(self) -> float:
        """The CPU seconds that they have used."""
        return sum(map(_cpu, self._pids()))

    def megabytes(self) -> float:
        """The resident memory of the largest."""
        return max(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._pids()) * _MEGABYTE

    def _pids(self) -> list[int]:
        return [child.pid for child in list(self._processes._children) if child.pid]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def crew(place: Shop, count: int = PROCESSES) -> Iterator[Crew]:
    """Workers that have begun, and have sent something already."""
    processes = Processes(partial(Notifier.from_mapping, place.settings), count, threads=THREADS)
    thread = threading.Thread(target=processes.run)
    thread.start()
    try:
        before = place.gateway.tally().recipients
        place.notifier.enqueue(map(direct.message, range(-500, 0)))
        place.delivered(500, before)
        yield Crew(processes)
    finally:
        processes.stop()
        thread.join()


def _until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > ends:
            raise TimeoutError(f"not done within {PATIENCE:.0f} s")
        time.sleep(0.05)  # looking takes of the cores that are measured


# --- distinct messages


@dataclass(frozen=True)
class _Pace:
    """Messages a second, and CPU seconds a message."""

    rate: float
    cpu: float


def distinct(database: str, target: float, rounds: int = 3, count: int = 10_000) -> list[Row]:
    """Distinct messages, enqueued and delivered, over a plain loop: their rate, and on SQLite their CPU."""
    with shop(database) as place, crew(place) as workers:
        post = direct._plain_post(place.gateway.url)
        pairs = []
        for turn in range(rounds):
            before = _plain(post, count // 10)
            ours = _distinct(place, workers, range(turn * count, (turn + 1) * count))
            after = _plain(post, count // 10)
            pairs.append((ours, _Pace((before.rate + after.rate) / 2, (before.cpu + after.cpu) / 2)))
    rate = median(ours.rate / plain.rate for ours, plain in pairs)
    cpu = median(ours.cpu / plain.cpu for ours, plain in pairs)
    best = max(ours.rate for ours, _ in pairs)
    what = f"{count:,} distinct messages, enqueued and delivered, {_NAMES[database]}"
    rows = [above(f"{what} : plain requests loop, rate", rate, target, note=f" (up to {best:.0f}/s)")]
    return rows if database != "sqlite" else [*rows, below(f"{what} : plain requests loop, CPU", cpu, 0.7)]


_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def _plain(post: Callable[[int], object], count: int) -> _Pace:
    began, cpu = time.monotonic(), time.process_time()
    for number in range(count):
        post(number)
    return _Pace(count / (time.monotonic() - began), (time.process_time() - cpu) / count)


def _distinct(place: Shop, workers: Crew, numbers: range) -> _Pace:
    def enqueue() -> None:
        for start in range(numbers.start, numbers.stop, 1000):
            place.notifier.enqueue(map(direct.message, range(start, start + 1000)))

    return _pace(place, workers, enqueue, len(numbers))


def _pace(place: Shop, workers: Crew, enqueue: Callable[[], object], count: int) -> _Pace:
    """How ``count`` deliveries went, until all are recorded. What it costs to look at that is not counted."""
    before, worked = place.gateway.tally().recipients, workers.cpu()
    began, cpu = time.monotonic(), time.process_time()
    enqueue()
    cpu = time.process_time() - cpu
    place.delivered(count, before)
    return _Pace(count / (time.monotonic() - began), (cpu + workers.cpu() - worked) / count)


# --- one text to many


def one_text(database: str, target: float, rounds: int = 3, count: int = 100_000) -> list[Row]:
    """One text to many recipients, enqueued and delivered: deliveries a second; and the memory that workers keep."""
    with shop(database) as place, crew(place) as workers:
        found = [(_one_text(place, workers, turn, count), workers.megabytes()) for turn in range(rounds)]
    what = f"{count:,} recipients of one text, enqueued and delivered, {_NAMES[database]}"
    rate, cpu = median(pace.rate for pace, _ in found), median(pace.cpu for pace, _ in found)
    rows = [above(what, rate, target, "/s", f" ({cpu * 1e6:.0f} µs of our CPU each)")]
    if database != "sqlite":
        return rows
    note = f" (after {count:,}: {found[0][1]:.0f} MB)"
    what = f"resident memory of a worker after {rounds * count:,} deliveries"
    return [*rows, below(what, found[-1][1], 120, " MB", note)]


def _one_text(place: Shop, workers: Crew, turn: int, count: int) -> _Pace:
    to = [f"+86138{number:08d}" for number in range(turn * count, (turn + 1) * count)]
    message = Sms(to=to, text="门诊时间有变：周六停诊。")
    return _pace(place, workers, lambda: place.notifier.enqueue(message), count)


# --- a long history


def history(small: int = 10_000, large: int = 1_000_000, count: int = 5_000) -> list[Row]:
    """The time that claiming and recording takes of one delivery, on a store with a long history over a short one."""
    with shop("sqlite") as place:
        _past(place, small)
        few = _turnover(place, count)
        _past(place, large - small)
        many = _turnover(place, count)
    note = f" ({few * 1e6:.0f} µs, then {many * 1e6:.0f} µs)"
    return [below(f"claim and record one of {large:,} rows : of {small:,}, SQLite", many / few, 1.5, note=note)]


def _past(place: Shop, count: int) -> None:
    """Deliveries that are over, as if they had been sent."""
    for start in range(0, count, 100_000):
        to = [f"+86139{start + number:08d}" for number in range(min(count - start, 100_000))]
        place.notifier.enqueue(Sms(to=to, text="过去的通知。"))
        with place.store._database.writing() as connection:
            connection.exec_driver_sql(
                "UPDATE notify_deliveries SET state = 'accepted', path = 'bench.json', attempts = 1, "
                "submission_id = message_id WHERE state = 'queued'"
            )


def _turnover(place: Shop, count: int, rounds: int = 5) -> float:
    """The CPU seconds that one delivery takes from its claim to its record, the best of some rounds."""
    return min(_one_turnover(place, count) for _ in range(rounds))


def _one_turnover(place: Shop, count: int) -> float:
    store = place.store
    place.notifier.enqueue(map(direct.message, range(count)))
    worker = store.enroll("bench")
    (lane,) = store.lanes()
    plan = planned(partial(place.notifier.outbox.terms(lane.way).route.order, random.random))
    began = time.process_time()
    while parcels := store.claim(worker, lane, most=200, plan=plan).parcels:
        store.record(map(_accepted, parcels))
    seconds = time.process_time() - began
    store.retire(worker)
    return seconds / count


def _accepted(parcel: Parcel) -> Outcome:
    to, now = parcel.message.to, datetime.now(UTC)
    attempt = Attempt(path=parcel.path, at=now, seconds=0.0, recipients=to, state=State.ACCEPTED)
    numbers = tuple(parcel.deliveries.values())
    return Outcome(token=parcel.token, deliveries=numbers, state=State.ACCEPTED, attempts=(attempt,))


# --- waiting


def urgent(database: str, codes: int = 20, notices: int = 100_000) -> list[Row]:
    """How long a one-time code takes to the gateway behind a long queue of distinct notices, over an idle worker."""
    with shop(database) as place, crew(place):
        idle = median(_latency(place) for _ in range(codes))
        for start in range(0, notices, 10_000):
            place.notifier.enqueue(map(direct.message, range(start, start + 10_000)))
        busy = median(_latency(place) for _ in range(codes))
    note = f" ({idle * 1000:.0f} ms, then {busy * 1000:.0f} ms)"
    return [below(f"a code behind {notices:,} notices : idle, {_NAMES[database]}", busy / idle, 2.0, note=note)]


def _latency(place: Shop) -> float:
    """The seconds from enqueueing a code until it is at the gateway."""
    time.sleep(random.uniform(0.2, 0.3))  # noqa: S311 - so that it falls anywhere between two looks at the queue
    before, began = len(place.gateway.tally().marked), time.monotonic()
    place.notifier.enqueue(Sms(to="+8613800000000", text="您的验证码：1439", extension=quick.MARK), route="otp")
    _until(lambda: len(place.gateway.tally().marked) > before)
    return place.gateway.tally().marked[-1] - began


def idle(database: str, seconds: float = 10.0) -> list[Row]:
    """The CPU of a worker that has nothing to do, right after it had."""
    with shop(database) as place, crew(place, 1) as workers:
        before = workers.cpu()
        time.sleep(seconds)
        share = (workers.cpu() - before) / seconds * 100
    return [below(f"CPU of an idle worker, {_NAMES[database]}", share, 1.0, " %")]

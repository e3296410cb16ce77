"""Workers in processes of their own, which are killed, stopped, held up and started again."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from sqlalchemy import Connection, select, update

from notify_core import Notifier, State, StoreError
from notify_core.store import Store
from notify_core.store.schema import deliveries, workers
from notify_core.worker import Worker
from tests.chaos import clock, listener
from tests.chaos.facts import Window

ROOT = Path(__file__).parents[2]
THREADS = 6
Found = TypeVar("Found")
READY = 60.0
"""Seconds that a worker may take to begin: two cores that are busy import slowly."""
LIMIT = 25.0
"""Seconds that a worker has to stop: longer than any walk along a route takes, so that none is cut off."""


@dataclass(slots=True)
class _Member:
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    ready: Path

    def await_ready(self) -> None:
        """Wait until it works, or has ended, or takes too long."""
        ends = time.monotonic() + READY
        while not self.ready.exists() and self.process.poll() is None and time.monotonic() < ends:
            time.sleep(0.02)


class Crew:
    """So many workers with one configuration. ``store`` is where to look for what one of them had."""

    def __init__(
        self, settings: Mapping[str, Any], count: int, store: Store, directory: Path, lease: float, shared: Path | None
    ) -> None:
        found = {"PYTHONPATH": f"{ROOT}:{ROOT}/plugins", listener.FILE: str(directory / "heard")}
        self._environment = {**os.environ, **found}
        self._orders = {"settings": settings, "lease": lease, "clock": str(shared) if shared else ""}
        self._store = store
        self._directory = directory
        self._lease = lease
        self._members: list[_Member] = []
        self._watchers: list[threading.Thread] = []
        self._logs: list[Path] = []
        self.held: set[int] = set()
        self.stalls: list[Window] = []
        self.shifts: set[float] = {0.0}
        self.astray = 0
        self.kills: list[float] = []
        self.untoward: list[str] = []
        self._members += [self._started(0.0) for _ in range(count)]

    def await_ready(self) -> None:
        """Wait until each has begun."""
        for member in self._members:
            member.await_ready()

    def abort(self) -> None:
        """Leave none behind, whatever happened."""
        for member in self._members:
            if member.process.poll() is None:
                member.process.kill()
                member.process.wait()

    def kill(self, which: int, shift: float) -> None:
        """SIGKILL one, and start another whose clock is wrong by ``shift`` seconds."""
        member = self._member(which)
        member.process.kill()
        member.process.wait()
        self.kills.append(time.time())
        self._watch(member.process.pid)
        self._replace(member, shift, -signal.SIGKILL)

    def stop(self, which: int, shift: float) -> None:
        """SIGTERM one, see that it ends by itself, and start another."""
        member = self._member(which)
        member.process.terminate()
        try:
            member.process.wait(LIMIT + 10)
        except subprocess.TimeoutExpired:
            member.process.kill()
            member.process.wait()
        self._replace(member, shift, 0)

    def pause(self, which: int, seconds: float) -> None:
        """Hold one up for so long, as a machine that sleeps."""
        member = self._member(which)
        began = time.time()
        member.process.send_signal(signal.SIGSTOP)
        self._watch(member.process.pid)
        time.sleep(seconds)
        member.process.send_signal(signal.SIGCONT)
        self.stalls.append(Window(began, time.time() + self._lease + 10))

    def close(self) -> None:
        """Let all come to their end."""
        for member in self._members:
            member.await_ready()
            member.process.terminate()
        for member in self._members:
            try:
                self._check_end(member.process.wait(LIMIT + 10), 0)
            except subprocess.TimeoutExpired:
                member.process.kill()
                self._check_end(member.process.wait(), 0)
            member.log.close()
        for watcher in self._watchers:
            watcher.join()
        self._read_logs()

    def _member(self, which: int) -> _Member:
        """One that has begun: killing those that only start up would show nothing."""
        member = self._members[which % len(self._members)]
        member.await_ready()
        return member

    def _replace(self, member: _Member, shift: float, expected: int) -> None:
        self._check_end(member.process.returncode, expected)
        member.log.close()
        self._members[self._members.index(member)] = self._started(shift)

    def _check_end(self, code: int, expected: int) -> None:
        if code != expected:
            self.untoward.append(f"a worker ended with exit code {code}, not {expected}")

    def _started(self, shift: float) -> _Member:
        self.shifts.add(shift)
        self.astray += bool(shift)
        path = self._directory / f"worker-{len(self._logs)}.log"
        self._logs.append(path)
        log = path.open("wb")
        ready = path.with_suffix(".ready")
        orders = json.dumps({**self._orders, "shift": shift, "ready": str(ready)})
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "tests.chaos.crew", orders],
            stdout=log,
            stderr=log,
            cwd=self._directory,
            env=self._environment,
        )
        return _Member(process, log, ready)

    def _watch(self, pid: int) -> None:
        watcher = threading.Thread(target=self._note_held, args=(pid,))
        watcher.start()
        self._watchers.append(watcher)

    def _note_held(self, pid: int) -> None:
        """What it was sending: looked at twice, because the server may still be committing its last claim.

        Then its lease is over, as if a minute had passed: nobody has to wait for that here.
        """
        mine = workers.c.name == f"{socket.gethostname()}:{pid}"
        theirs = deliveries.c.worker.in_(select(workers.c.id).where(mine))
        held = select(deliveries.c.id).where(deliveries.c.state == State.SENDING.value, theirs)
        for seconds in (0.3, 0.9):
            time.sleep(seconds)
            self.held |= self._patiently(lambda connection: set(connection.scalars(held)))
        self._patiently(lambda connection: connection.execute(update(workers).where(mine).values(lease=0)))

    def _patiently(self, work: Callable[[Connection], Found]) -> Found:
        """Do it in the store; while that is being restarted it is tried again."""
        ends = time.monotonic() + self._lease
        while True:
            try:
                with self._store._database.writing() as connection:
                    return work(connection)
            except StoreError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.2)

    def _read_logs(self) -> None:
        """A thread that died, or an error that nobody foresaw, is a finding too."""
        for path in self._logs:
            text = path.read_text("utf-8", "replace")
            if "Traceback" in text:
                self.untoward.append(f"{path}: {text[text.index('Traceback') :][-1500:]}")


def _work(orders: Mapping[str, Any]) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(process)d %(levelname)s %(message)s")
    shared = clock.reading(Path(orders["clock"])) if orders["clock"] else None
    clock.shift_wall(shared or (lambda: orders["shift"]))
    clock.feel_sleep(least=3.0, seconds=orders["lease"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; who started us decides
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    told: list[int] = []
    with Notifier.from_mapping(orders["settings"]) as notifier:
        while not _worked(notifier, orders, shared, told):
            time.sleep(0.5)


def _worked(notifier: Notifier, orders: Mapping[str, Any], shared: Callable[[], float] | None, told: list[int]) -> bool:
    """Work until told to stop. Where the database is away at the start it is tried again, as a supervisor does.

    A signal that comes meanwhile is in ``told``: the worker that heard it may be the one that could not begin.
    """

    def stop(number: int, _: object) -> None:
        told.append(number)
        worker.stop()

    try:
        if shared:
            clock.shift_store(notifier, shared)
        worker = Worker(notifier, threads=THREADS, limit=LIMIT, lease=orders["lease"])
        signal.signal(signal.SIGTERM, stop)
        if told:
            worker.stop()
        Path(orders["ready"]).touch()
        worker.run()
    except StoreError:
        return False
    return True


def _leave_with_parent() -> None:
    """Nobody is left behind where the run itself is killed."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(3)


if __name__ == "__main__":
    _work(json.loads(sys.argv[1]))

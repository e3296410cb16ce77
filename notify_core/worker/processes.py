"""Several worker processes: what one cannot carry, which uses one CPU."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from notify_core.notifier import Notifier
from notify_core.worker.worker import LIMIT, THREADS, Worker

log = logging.getLogger("notify")

_SWITCH = 0.0005
"""Seconds after which a thread of a worker's own process lets another run (CPython: 0.005). Those that claim and record
hold the store's write lock and need Python's lock after each wait for the disk: senders should not keep it for long."""
_TROUBLE = 1.0
"""Seconds before one that died is started again."""


class Processes:
    """``count`` processes with a worker each: what one process cannot carry, which uses one CPU.

    ``opened`` makes the notifier of each, and is importable by name: ``functools.partial(Notifier.from_yaml, path)``.
    One that dies is started again. ``run`` works until ``stop``, which any thread or signal handler may call.
    """

    def __init__(
        self, opened: Callable[[], Notifier], count: int, *, threads: int = THREADS, limit: float = LIMIT
    ) -> None:
        self._work = partial(_work, opened, threads, limit)
        self._count = count
        self._limit = limit
        self._children: dict[SpawnProcess, Connection] = {}
        self._stopping = False

    def stop(self) -> None:
        """Let every worker, and ``run``, come to its end. Returns at once."""
        self._stopping = True

    def run(self) -> None:
        """Work until ``stop``; once only."""
        try:
            while not self._stopping:
                self._fill()
                wait([child.sentinel for child in self._children], timeout=_TROUBLE / 4)
                self._bury()
        finally:
            self._finish()

    def _fill(self) -> None:
        context = multiprocessing.get_context("spawn")  # what the parent has open stays its own
        while len(self._children) < self._count:
            theirs, ours = context.Pipe(duplex=False)
            child = context.Process(target=self._work, args=(theirs,), name="notify-worker")
            child.start()
            theirs.close()
            self._children[child] = ours

    def _bury(self) -> None:
        for child in [child for child in self._children if not child.is_alive()]:
            self._children.pop(child).close()
            words = "a worker process ended by itself (exit code %s); another is started"
            log.error(words, child.exitcode, extra={"action": "worker_died"})
            time.sleep(_TROUBLE)

    def _finish(self) -> None:
        for line in self._children.values():
            line.close()  # their sign to stop, as is our own death
        until = time.monotonic() + self._limit + 2 * _TROUBLE
        for child in self._children:
            child.join(max(0.0, until - time.monotonic()))
            if child.is_alive():
                child.kill()
                child.join()


def _work(opened: Callable[[], Notifier], threads: int, limit: float, line: Connection) -> None:
    """What a process does: work until it is told to stop, or nobody is there to tell it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent decides
    sys.setswitchinterval(_SWITCH)
    with opened() as notifier:
        worker = Worker(notifier, threads=threads, limit=limit)
        signal.signal(signal.SIGTERM, lambda *_: worker.stop())
        threading.Thread(target=_listen, args=(line, worker), name="notify-line", daemon=True).start()
        worker.run()


def _listen(line: Connection, worker: Worker) -> None:
    try:
        line.recv_bytes()
    except (EOFError, OSError):
        worker.stop()

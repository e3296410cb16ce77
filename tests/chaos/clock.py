"""Clocks that are wrong: one that all processes of a machine share and that jumps, and one machine's that is off."""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

from notify_core import Notifier, lease, notifier
from notify_core.store import Store

_DOUBLE = struct.Struct("d")


class SharedClock:
    """The clock of one machine, in a file: what it is ahead of the true time, and how that came to be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.history: list[tuple[float, float]] = []
        self._file = os.open(path, os.O_CREAT | os.O_RDWR)
        self._set(0.0)

    def jump(self, seconds: float) -> None:
        """Put it forward, or back."""
        self._set(self.offset() + seconds)

    def offset(self) -> float:
        """By how much it is ahead."""
        return self.history[-1][1]

    def _set(self, offset: float) -> None:
        os.pwrite(self._file, _DOUBLE.pack(offset), 0)  # at once: nobody reads half of it
        self.history.append((time.time(), offset))


def reading(path: Path) -> Callable[[], float]:
    """Tells by how much the clock in that file is ahead: to any thread, while another process sets it."""
    file = os.open(path, os.O_RDONLY)
    return lambda: float(_DOUBLE.unpack(os.pread(file, _DOUBLE.size, 0))[0])


def shift_wall(offset: Callable[[], float]) -> None:
    """Let the wall clock of this process's notifiers be ahead: requests are stamped, and expiry counted, by it."""
    module: ModuleType = notifier
    module._now = lambda: datetime.now(UTC) + timedelta(seconds=offset())  # type: ignore[attr-defined]


def shift_store(found: Notifier, offset: Callable[[], float]) -> Store:
    """Let the store of a notifier go by that clock, as SQLite's does by the machine's."""
    store = found.outbox.store
    store._database._clock = lambda: time.time() + offset()
    return store


def feel_sleep(least: float, seconds: float) -> None:
    """Let the leases of this process go by a clock on which ``seconds`` pass where it is held up for ``least``.

    ``Crew`` tells the store as much, and no real minute has to be waited for.
    """
    plain = lease._clock
    seen, slept = [plain()], [0.0]

    def felt() -> float:
        now = plain()
        if now - seen[0] > least:
            slept[0] += seconds
        seen[0] = now
        return now + slept[0]

    def tick() -> None:
        while True:
            felt()
            time.sleep(least / 10)

    lease._clock = felt
    threading.Thread(target=tick, daemon=True).start()

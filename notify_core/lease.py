"""What shows the store that a process lives: its name as a worker, and a thread that says so in time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from notify_core.errors import StoreError
from notify_core.store import LeaseLost, Outcome, Store

log = logging.getLogger("notify")

SECONDS = 60.0
"""How long the store waits for a sign of life before it calls what a process was sending in doubt."""


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _clock() -> float:
    """Seconds, by a clock that nobody sets and that goes on while the machine sleeps, where there is one."""
    return time.clock_gettime(_CLOCK)


class Lease:
    """A worker that the store knows, until this is closed or the process dies. Raises ``StoreError``."""

    def __init__(self, store: Store, name: str = "", *, seconds: float = SECONDS) -> None:
        self._store = store
        self._until = _clock() + seconds
        self.worker = store.enroll(name, lease=seconds)
        self.lost = False
        self._unrecorded: list[Outcome] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="notify-lease", daemon=True)
        self._thread.start()

    @property
    def holds(self) -> bool:
        """Whether what was claimed by it is surely this worker's still, such as after the machine slept."""
        return not self.lost and _clock() < self._until

    def close(self) -> None:
        """Take leave of the store. What it has not been told by then lapses."""
        self._ending.set()
        self._thread.join()
        self._settle()
        try:
            self._store.retire(self.worker)
        except StoreError as error:
            log.warning("the store was not told that a worker left: %s", error, extra={"action": "unretired"})

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Write down what was sent; where the store cannot now, it is tried again with each sign of life."""
        self._unrecorded.extend(outcomes)
        self._settle()

    def _settle(self) -> None:
        waiting = list(self._unrecorded)
        if not waiting:
            return
        try:
            self._store.record(waiting)
        except StoreError as error:
            facts = {"action": "unrecorded", "about": "results", "why": str(error)}
            log.error("not recorded yet, will be tried again: %s", error, extra=facts)  # noqa: TRY400
        else:
            recorded = set(map(id, waiting))
            self._unrecorded[:] = [outcome for outcome in self._unrecorded if id(outcome) not in recorded]

    def _beat(self) -> None:
        while not self.lost and not self._ending.wait(self.worker.lease / 4):
            self._settle()
            began = _clock()
            try:
                self._store.heartbeat(self.worker)
                self._until = began + self.worker.lease
            except LeaseLost as error:
                self.lost = True
                log.error("%s", error, extra={"action": "lease_lost"})  # noqa: TRY400 - its text is all there is
            except StoreError as error:
                facts = {"action": "no_heartbeat", "about": "the store", "why": str(error)}
                log.warning("no sign of life: %s", error, extra=facts)

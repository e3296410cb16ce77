"""Taking turns: what only one may do at a time, on whatever machines it runs."""

from __future__ import annotations

import logging
import time

from notify_core.errors import StoreError
from notify_core.store import Store

log = logging.getLogger("notify")


class Turn:
    """The right to do ``what``, which one ``holder`` has at a time, for ``seconds`` unless it is kept.

    Where a holder dies, another may take it once these are over. Used by one thread.
    """

    def __init__(self, store: Store, what: str, holder: str, seconds: float) -> None:
        self._store = store
        self._what = what
        self._holder = holder
        self.seconds = seconds
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Whether it surely is this holder's still."""
        return time.monotonic() < self._until

    def take(self) -> bool:
        """Take it, or take it for longer: whether nobody else has it. Raises ``StoreError``."""
        began = time.monotonic()
        self._until = began + self.seconds if self._store.seize(self._what, self._holder, self.seconds) else 0.0
        return self.held

    def keep(self) -> bool:
        """Take it for longer where it is soon over: whether it is this holder's. Raises ``StoreError``."""
        soon = self._until - self.seconds / 2 < time.monotonic()
        return self.take() if self.held and soon else self.held

    def end(self) -> None:
        """Let the next one have it at once. Never raises."""
        if not self.held:
            return
        self._until = 0.0
        try:
            self._store.release(self._what, self._holder)
        except StoreError as error:
            log.warning("%s is let go when its time is over: %s", self._what, error, extra={"action": "unreleased"})

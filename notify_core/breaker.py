"""A circuit breaker per path: a transport that keeps failing is tried after the others, not before them.

It never forbids a path. Where every path of a route fails, each is still tried: one attempt too many costs a moment,
an OTP that nobody tried to send costs more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

FAILURES = 5
"""Transport failures in a row after which a path rests."""
REST = 30.0
"""Seconds for which it rests; then one message tries it in its own place again."""


class Breaker:
    """Counts transport-scope failures of one path in a row. ``clock`` gives monotonic seconds. Safe across threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._rests_until = 0.0

    def succeeded(self) -> None:
        """The gateway answered: whatever it said, the transport works."""
        if self._failures:
            with self._lock:
                self._failures = 0

    def failed(self) -> None:
        """The transport failed."""
        with self._lock:
            self._failures += 1
            self._rests_until = self._clock() + REST

    @property
    def rests(self) -> bool:
        """Whether the path is known to fail now. Once after each rest it says no, so that one message may find out."""
        if self._failures < FAILURES:
            return False
        with self._lock:
            if self._clock() < self._rests_until:
                return True
            self._rests_until = self._clock() + REST
            return False

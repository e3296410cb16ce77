"""The provider's sliding limits, kept before anything is sent."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from notify_core.settings import Limit

_SWEEP_EVERY = 10_000


class SlidingLimits:
    """The limits of one account within this process. ``clock`` gives monotonic seconds. Safe across threads.

    A slot is taken before a message leaves and given back when it surely did not. A message over a limit is told after
    how many seconds it could go.
    """

    def __init__(self, limits: Sequence[Limit], clock: Callable[[], float]) -> None:
        self._limits = tuple(limits)
        self._clock = clock
        self._lock = threading.Lock()
        self._slots: dict[tuple[int, str], deque[float]] = {}
        self._sweep_at = _SWEEP_EVERY

    def take(self, recipients: Iterable[str], text: str) -> dict[str, float]:
        """Take a slot for each recipient under every limit that counts ``text``.

        Returns those over a limit, with the seconds after which they could go; no slot is taken for them.
        """
        counted = self._counting(text)
        if not counted:
            return {}
        with self._lock:
            now = self._clock()
            waits = {recipient: self._take_one(recipient, counted, now) for recipient in recipients}
            self._sweep(now)
        return {recipient: wait for recipient, wait in waits.items() if wait > 0}

    def give_back(self, recipients: Iterable[str], text: str) -> None:
        """Give back the newest slot of each recipient: the message surely was not sent."""
        counted = self._counting(text)
        with self._lock:
            for recipient in recipients if counted else ():
                for number, limit in counted:
                    if slots := self._slots.get(_key(number, limit, recipient)):
                        slots.pop()

    def _counting(self, text: str) -> list[tuple[int, Limit]]:
        return [(number, limit) for number, limit in enumerate(self._limits) if limit.containing in text]

    def _take_one(self, recipient: str, counted: list[tuple[int, Limit]], now: float) -> float:
        windows = [(self._window(number, limit, recipient, now), limit) for number, limit in counted]
        waits = [_wait(slots, limit, now) for slots, limit in windows]
        if not any(waits):
            for slots, _ in windows:
                slots.append(now)
        return max(waits)

    def _sweep(self, now: float) -> None:
        """Forget the numbers whose slots have all lapsed, each time that their count has doubled."""
        if len(self._slots) < self._sweep_at:
            return
        spans = {number: limit.within for number, limit in enumerate(self._limits)}
        self._slots = {key: slots for key, slots in self._slots.items() if slots and slots[-1] > now - spans[key[0]]}
        self._sweep_at = max(_SWEEP_EVERY, 2 * len(self._slots))

    def _window(self, number: int, limit: Limit, recipient: str, now: float) -> deque[float]:
        slots = self._slots.setdefault(_key(number, limit, recipient), deque())
        while slots and slots[0] <= now - limit.within:
            slots.popleft()
        return slots


def _key(number: int, limit: Limit, recipient: str) -> tuple[int, str]:
    return number, recipient if limit.per == "recipient" else ""


def _wait(slots: deque[float], limit: Limit, now: float) -> float:
    return 0.0 if len(slots) < limit.count else slots[-limit.count] + limit.within - now

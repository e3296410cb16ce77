"""The provider's sliding limits, kept before anything is sent.

A message that may leave holds a slot of every limit that counts it for as long as it is on its way: nobody knows when
the gateway will count it. Once its outcome is known the slot is spent from that moment on for the limit's span, or
given back where the message surely was not sent. So the gateway, which counted it before we knew, never counts more.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from notify_core.settings import Limit

_SWEEP_EVERY = 10_000
_Numbered = tuple[int, Limit]


@dataclass(slots=True)
class _Window:
    """The slots that one recipient, or the account, has of one limit: how many are held, and when others were spent."""

    held: int = 0
    spent: deque[float] = field(default_factory=deque)

    def slide(self, limit: Limit, now: float) -> None:
        while self.spent and self.spent[0] <= now - limit.within:
            self.spent.popleft()

    def wait(self, limit: Limit, now: float) -> float:
        """The seconds until a slot is free, 0.0 where one is. Where all are held, they are taken for spent now."""
        if len(self.spent) + self.held < limit.count:
            return 0.0
        return self.spent[0] + limit.within - now if self.spent else limit.within


class SlidingLimits:
    """The limits of one account within this process. ``clock`` gives monotonic seconds. Safe across threads.

    What is taken has to be spent or given back, once and with the same text. A message over a limit is told after how
    many seconds it could go.
    """

    def __init__(self, limits: Sequence[Limit], clock: Callable[[], float]) -> None:
        self._limits = tuple(enumerate(limits))
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[tuple[int, str], _Window] = {}
        self._sweep_at = _SWEEP_EVERY

    def take(self, recipients: Iterable[str], text: str) -> dict[str, float]:
        """Hold a slot for each recipient under every limit that counts ``text``.

        Returns those over a limit, with the seconds after which they could go; no slot is taken for them.
        """
        if not (counted := self._counting(text)):
            return {}
        with self._lock:
            now = self._clock()
            waits = {recipient: self._take_one(recipient, counted, now) for recipient in recipients}
            self._sweep(now)
        return {recipient: wait for recipient, wait in waits.items() if wait > 0}

    def spend(self, recipients: Iterable[str], text: str) -> None:
        """Count what each recipient holds from now on: the message left, or may have."""
        if not (counted := self._counting(text)):
            return
        with self._lock:
            now = self._clock()
            for window in self._released(recipients, counted):
                window.spent.append(now)

    def give_back(self, recipients: Iterable[str], text: str) -> None:
        """Free what each recipient holds: the message surely was not sent."""
        if counted := self._counting(text):
            with self._lock:
                self._released(recipients, counted)

    def _released(self, recipients: Iterable[str], counted: Sequence[_Numbered]) -> list[_Window]:
        """The windows in which each recipient held a slot, and holds it no more."""
        keys = [_key(number, limit, recipient) for recipient in recipients for number, limit in counted]
        windows = [self._windows[key] for key in keys]
        for window in windows:
            window.held -= 1
        return windows

    def _counting(self, text: str) -> Sequence[_Numbered]:
        """The limits that count a message of that text."""
        return [each for each in self._limits if each[1].containing in text] if self._limits else ()

    def _take_one(self, recipient: str, counted: Sequence[_Numbered], now: float) -> float:
        windows = [(self._window(number, limit, recipient, now), limit) for number, limit in counted]
        waits = [window.wait(limit, now) for window, limit in windows]
        if not any(waits):
            for window, _ in windows:
                window.held += 1
        return max(waits)

    def _window(self, number: int, limit: Limit, recipient: str, now: float) -> _Window:
        window = self._windows.setdefault(_key(number, limit, recipient), _Window())
        window.slide(limit, now)
        return window

    def _sweep(self, now: float) -> None:
        """Forget the numbers whose slots are all free, each time that their count has doubled."""
        if len(self._windows) < self._sweep_at:
            return
        for (number, _), window in self._windows.items():
            window.slide(self._limits[number][1], now)
        self._windows = {key: window for key, window in self._windows.items() if window.held or window.spent}
        self._sweep_at = max(_SWEEP_EVERY, 2 * len(self._windows))


def _key(number: int, limit: Limit, recipient: str) -> tuple[int, str]:
    return number, recipient if limit.per == "recipient" else ""

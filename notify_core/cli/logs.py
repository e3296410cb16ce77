"""What the library logs, on stderr in one line each.

A command that comes to an end shows errors alone: the rest of its log is in the results already. One that goes on and
on has nobody who reads results, so it shows warnings too, and what is well again.
"""

from __future__ import annotations

import logging
import os
import re
import time
from dataclasses import dataclass
from datetime import datetime

from notify_core.cli import terminal

_OF_MESSAGES = frozenset({"failed_over", "in_doubt"})
"""Warnings about one message, which the outbox tells of; there may be thousands."""
_NEWS = "notify.news"
"""The logger of what those should know who run a worker, good news (INFO) too."""
_AGAIN = 300.0
"""Seconds before what was shown is shown again."""
_MOST = 1_000
"""How many different failures are remembered, for a process that goes on for months."""


class _Complaints(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        more = f" ({kind.__name__}); NOTIFY_DEBUG=1 shows the traceback" if kind else ""
        self.show(f"{record.getMessage()}{more}")
        if os.environ.get("NOTIFY_DEBUG") and record.exc_info:
            terminal.complain(logging.Formatter().formatException(record.exc_info))

    def show(self, text: str) -> None:
        terminal.complain(text)


class _Watch(_Complaints):
    """Shows what an operator has to know, with the time; what ``_Repeated`` holds back is counted."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._repeated = _Repeated()

    def emit(self, record: logging.LogRecord) -> None:
        if _concerns_operators(record) and self._repeated.passes(record):
            super().emit(record)

    def show(self, text: str) -> None:
        now = f"{datetime.now():%H:%M:%S}"  # noqa: DTZ005 - the clock on the wall
        terminal.complain(f"{now} {' '.join(text.split())}{self._repeated.remark}")


def _concerns_operators(record: logging.LogRecord) -> bool:
    if record.levelno < logging.WARNING:
        return record.name == _NEWS
    return record.levelno >= logging.ERROR or getattr(record, "action", "") not in _OF_MESSAGES


@dataclass(slots=True)
class _Shown:
    """When something was shown (monotonic seconds), and how often it came since."""

    at: float
    more: int = 0


class _Repeated:
    """Lets what is logged again and again pass once in some minutes.

    Records tell by ``extra`` what they are ``about``, and ``why`` if that is not well; those that do not always pass.
    What is well again is news only where it was said that it is not. ``remark`` is to be added to what has passed.
    """

    def __init__(self) -> None:
        self._shown: dict[tuple[str, str], _Shown] = {}
        self._unwell: set[str] = set()
        self.remark = ""

    def passes(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be shown."""
        self.remark = ""
        about, why = getattr(record, "about", ""), getattr(record, "why", "")
        if not about:
            return True
        if not why:
            told = about in self._unwell
            self._unwell.discard(about)
            return told
        return self._is_due(about, re.sub(r"\d+", "#", why))  # ids and seconds are no other cause

    def _is_due(self, about: str, why: str) -> bool:
        now = time.monotonic()
        shown = self._shown.get((about, why))
        if shown and now - shown.at < _AGAIN:
            shown.more += 1
            return False
        if shown and shown.more:
            self.remark = f" (and {shown.more:,} times before, in {(now - shown.at) / 60:.0f} min)"
        if len(self._shown) >= _MOST:
            self._shown.clear()
        self._shown[about, why] = _Shown(now)
        self._unwell.add(about)
        return True


def listen(name: str = "notify") -> None:
    """Show errors that are logged from now on, such as those of a plugin of the user's own that failed."""
    _attach(name, _Complaints(logging.ERROR))


def watch() -> None:
    """Show from now on what somebody has to know who runs a worker: errors, warnings, and what is well again."""
    _attach("notify", _Watch())
    logging.getLogger(_NEWS).setLevel(logging.INFO)


def _attach(name: str, handler: _Complaints) -> None:
    """Let ``handler`` be the one that shows what is logged by ``name``."""
    logger = logging.getLogger(name)
    for other in [each for each in logger.handlers if isinstance(each, _Complaints)]:
        logger.removeHandler(other)
    logger.addHandler(handler)

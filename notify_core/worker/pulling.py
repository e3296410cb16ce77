"""Rounds: what a worker asks of the gateways beside sending, again and again, and one worker at a time.

It fetches the reports and inbound messages that wait, asks for the balance, and settles what was kept and not applied.
What a gateway hands out is handed out once: where the store cannot take it, it is put into a file at once, and tried
again until the store has it.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from notify_core import salvage
from notify_core.errors import NotifyError, Retry, SendError, StoreError
from notify_core.mailbox import Mailbox, Pulled, Unkept
from notify_core.redaction import located
from notify_core.settings import AccountSettings
from notify_core.store import Payload
from notify_core.worker.turn import Turn

log = logging.getLogger("notify.news")

_SETTLE = 5.0
"""Seconds between two looks for what was kept and not applied."""
_TROUBLE = 1.0
"""Seconds between two attempts to reach a store that fails."""
_LONGEST = 900.0
"""The most seconds that failures make of an interval that is shorter."""
_GROWTH = {Retry.NOW: 1.0, Retry.LATER: 2.0, Retry.NEVER: 4.0}
"""What each failure makes of the interval, by the error's verdict: what will not work by itself is asked for rarely."""


@dataclass(slots=True)
class Errand:
    """Something to be done every so many seconds, and again at once where ``do`` says that there is more."""

    what: str
    every: float
    do: Callable[[], bool]
    due: float = field(default=0.0, init=False)
    failures: int = field(default=0, init=False)


class Rounds:
    """Does errands, one after the other, while it is this worker's turn. ``run`` works until ``end``."""

    def __init__(self, errands: Sequence[Errand], turn: Turn, keep: Callable[[Payload], object]) -> None:
        self._errands = errands
        self._turn = turn
        self._store_it = keep
        self._ending = threading.Event()
        self._until = 0.0

    def wake(self) -> None:
        """Nothing that is new in the store hastens an errand."""

    def end(self, until: float) -> None:
        """Let ``run`` come to its end, at best before then (monotonic). Returns at once."""
        self._until = until
        self._ending.set()

    def run(self) -> None:
        """Do what is due, until ``end``; once only."""
        while not self._ending.wait(self._round()):
            pass
        if time.monotonic() < self._until:  # else nobody waits for this any more, and the store may be closed
            self._turn.end()

    def _round(self) -> float:
        """Do what is due first: the seconds until the next."""
        longest = self._turn.seconds / 4
        try:
            if not (self._turn.keep() or self._turn.take()):
                return longest
        except StoreError as error:
            facts = {"action": "no_rounds", "about": "the store", "why": str(error)}
            log.warning("no rounds are made until the store works: %s", error, extra=facts)
            return _TROUBLE
        errand = min(self._errands, key=lambda each: each.due)
        if errand.due <= time.monotonic():
            self._do(errand)
        return max(0.0, min(longest, min(each.due for each in self._errands) - time.monotonic()))

    def _do(self, errand: Errand) -> None:
        began = time.monotonic()
        try:
            more = errand.do()
        except Unkept as error:
            self._keep(errand.what, error)
            errand.due = began + errand.every
        except Exception as error:  # noqa: BLE001 - whatever it is, the next round is made; its text may quote what came
            pause = self._failed(errand, error)
            errand.due = time.monotonic() + pause
        else:
            self._succeeded(errand)
            errand.due = began + (0.0 if more else errand.every)

    def _succeeded(self, errand: Errand) -> None:
        if errand.failures:
            facts = {"action": "round_works", "about": errand.what}
            log.info("%s: works again, after %d failures", errand.what, errand.failures, extra=facts)
        errand.failures = 0

    def _failed(self, errand: Errand, error: Exception) -> float:
        """The seconds until it is tried again."""
        pause = paused(errand.every, error, errand.failures)
        errand.failures += 1
        words = str(error) if isinstance(error, NotifyError) else located(error)
        facts = {"action": "round_failed", "about": errand.what, "why": words}
        log.warning("%s: %s; again in %.0f s", errand.what, words, pause, extra=facts)
        return pause

    # --- what the store cannot take

    def _keep(self, what: str, error: Unkept) -> None:
        """Put what came into the store, as soon as that works; until then it lies in a file."""
        copies = [_Copy(payload) for payload in error.payloads]
        words = "%s: what came is not in the store yet, but in %s: %s"  # for whoever finds this process killed
        log.error(words, what, ", ".join(copy.place for copy in copies), error, extra={"action": "unkept"})
        while copies and not self._ending.is_set():
            with suppress(StoreError):
                self._store_it(copies[0].payload)
                copies.pop(0).remove()
                continue
            self._ending.wait(_TROUBLE)
        for copy in copies:
            copy.leave(what)
        if not copies:
            log.info("%s: what came is in the store now", what, extra={"action": "kept"})


class _Copy:
    """A payload that the store has not, in a file that only its owner reads."""

    def __init__(self, payload: Payload) -> None:
        self.payload = payload
        self._file = salvage.keep(payload.document(), "unkept", ".json")

    @property
    def place(self) -> str:
        """Where it is."""
        return str(Path(self._file).absolute()) if self._file else "memory alone"

    def remove(self) -> None:
        if self._file:
            with suppress(OSError):  # who may not remove it has it twice
                Path(self._file).unlink()

    def leave(self, what: str) -> None:
        """Say where it is; where no file could be written it goes to stderr in base64: anything but lost."""
        if not self._file:
            sys.stderr.write(b64encode(self.payload.document()).decode() + "\n")
        place = self.place if self._file else "a line on stderr, in base64"
        words = "%s: what came is kept in %s, for it is handed out only once: `notify outbox replay FILE` takes it in"
        log.error(words, what, place, extra={"action": "salvaged"})


def paused(every: float, error: Exception, failures: int) -> float:
    """The seconds until an errand that failed is tried again, after so many failures: never less than its interval."""
    if not isinstance(error, SendError):
        growth = 2.0
    elif error.after is not None:
        return max(every, error.after)
    else:
        growth = _GROWTH[error.retry]
    return max(every, min(_LONGEST, every * growth ** min(failures + 1, 30)))


# --- which errands there are


def errands(name: str, settings: AccountSettings, mailbox: Mailbox, poll: Callable[[str], object]) -> Iterator[Errand]:
    """What is to be asked of an account, by its settings; ``poll`` asks for its balance."""
    if settings.pull and settings.pull.reports is not None:
        pull = partial(mailbox.pull_reports, name)
        yield Errand(f"reports of {name}", settings.pull.reports, partial(_pulled, pull, settings.pull.batch))
    if settings.pull and settings.pull.inbound is not None:
        pull_inbound = partial(mailbox.pull_inbound, name)
        yield Errand(f"inbound of {name}", settings.pull.inbound, partial(_pulled, pull_inbound, settings.pull.batch))
    if settings.credit.every is not None:
        yield Errand(f"balance of {name}", settings.credit.every, partial(_done, partial(poll, name)))


def settling(mailbox: Mailbox) -> Errand:
    """What was kept and not applied, and reports that came before what they are about."""
    return Errand("what was kept", _SETTLE, partial(_done, mailbox.settle))


def longest(settings: AccountSettings) -> float:
    """The seconds that one request to an account may take."""
    return settings.connect_timeout + settings.read_timeout


def _pulled(pull: Callable[[], Pulled[Any]], batch: int) -> bool:
    """Pull; whether there may be more. Where a full batch brought no news, the gateway repeats itself."""
    pulled = pull()
    return pulled.came >= batch and bool(pulled.news)


def _done(do: Callable[[], object]) -> bool:
    do()
    return False

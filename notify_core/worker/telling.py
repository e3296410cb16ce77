"""Telling what happened to those who want to know, from the store's notices.

Whoever wants to be told (the listeners of this process, or a webhook) has one teller in each worker; of all tellers for
the same one, on whatever machines, one works at a time. A notice is told at least once: again if a process dies between
telling and noting it, again and again while it is refused. Notices of one subject (an account and a number) are told in
order, each after the one before it was heard by all, or given up.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import Any, Protocol

from notify_core.errors import StoreError
from notify_core.plugins import Plugins
from notify_core.redaction import located
from notify_core.store import LISTENERS, Notice, Store
from notify_core.worker.turn import Turn

log = logging.getLogger("notify.news")

_LOOK, _OFTEN = 5.0, 0.1
"""Seconds after which the notices are looked at even if nothing is new, and before which they are not, whatever is."""
_TAKEN = 1.0
"""The latter where another has the turn: it tells what is new."""
_GATHER = 0.05
"""What was told is noted together: what came within so many seconds."""
_TROUBLE = 1.0
"""Seconds between two attempts to reach a store that fails."""
_FIRST, _LONGEST = 1.0, 900.0
"""Seconds before a listener that raised is told again: they double, up to the most."""
_WEARY, _RESTED = 1.0, 30.0
"""Seconds for which one who hears nothing at all is left alone: they double, up to the most."""

_STUCK = 300.0
"""Seconds without a word of what is being told, after which another worker may have the turn."""


class Unheard(Exception):
    """What was told was not heard; the text says why.

    It is told again ``after`` so many seconds, not at all if that is None, and not to those who have ``heard``.
    ``deaf``: whoever is told hears nothing at all just now, so that there is no use in telling more.
    """

    def __init__(self, words: str, *, after: float | None, heard: tuple[str, ...] = (), deaf: bool = False) -> None:
        super().__init__(words)
        self.after = after
        self.heard = heard
        self.deaf = deaf


class Audience(Protocol):
    """Who is told.

    ``name`` is for people. ``target`` is that of the notices, ``width`` is how many are told at a time, ``ahead`` how
    many are fetched from the store before they are, and ``expires`` the seconds after which one is given up.
    """

    name: str
    target: str
    width: int
    ahead: int
    expires: float

    def tell(self, notice: Notice) -> None:
        """Tell it. Raises ``Unheard``."""

    def close(self) -> None:
        """Nothing is told any more."""


class Listeners:
    """The listeners of this process. Where one raises, it alone is told again; where none listens, it is as told."""

    name = "the listeners"
    target = LISTENERS
    width = 1
    ahead = 200
    expires = 3 * 86400.0

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    def tell(self, notice: Notice) -> None:
        """See ``Audience``."""
        heard, failures = list(notice.heard), []
        for listener in self._plugins.listeners(notice.kind):
            if listener.name in heard:
                continue
            try:
                listener.hear(facts(notice))
            except BaseException as error:  # noqa: BLE001 - an exit too: it is told again; the text may quote a message
                failures.append(f"{listener.name}: {located(error)}")
            else:
                heard.append(listener.name)
        if failures:
            raise Unheard("; ".join(failures), after=doubled(_FIRST, _LONGEST, notice.tries), heard=tuple(heard))

    def close(self) -> None:
        """See ``Audience``."""


def facts(notice: Notice) -> Mapping[str, Any]:
    """What the hook of the notice's kind has as arguments."""
    if notice.report is not None:
        return {"account": notice.account, "report": notice.report, "delivery": notice.delivery}
    if notice.inbound is not None:
        return {"account": notice.account, "inbound": notice.inbound}
    return {"event": notice.credit}


def doubled(first: float, most: float, tries: int) -> float:
    """The seconds before the next try after so many."""
    return min(most, first * 2.0 ** min(tries, 30))


@dataclass(frozen=True, slots=True)
class _Told:
    """What telling a notice came to: it was heard, or why not."""

    notice: Notice
    failure: Unheard | None


class _Voices:
    """Threads that tell, as many at a time as the audience hears; what came of it they put into ``inbox``."""

    def __init__(self, audience: Audience, inbox: queue.SimpleQueue[_Told | None]) -> None:
        self._audience = audience
        self._inbox = inbox
        self._tasks: queue.SimpleQueue[Notice | None] = queue.SimpleQueue()

    def begin(self) -> None:
        for _ in range(self._audience.width):
            # One who does not answer must not hold the process.
            threading.Thread(target=self._run, name=f"notify-tell-{self._audience.target}", daemon=True).start()

    def say(self, notice: Notice) -> None:
        self._tasks.put(notice)

    def end(self) -> list[Notice]:
        """Let the threads come to their end: what none of them has begun."""
        unsaid = []
        while not self._tasks.empty():
            with suppress(queue.Empty):
                unsaid += [notice for notice in [self._tasks.get_nowait()] if notice]
        for _ in range(self._audience.width):
            self._tasks.put(None)
        return unsaid

    def _run(self) -> None:
        for notice in iter(self._tasks.get, None):
            self._inbox.put(_Told(notice, self._failure(notice)))

    def _failure(self, notice: Notice) -> Unheard | None:
        try:
            self._audience.tell(notice)
        except Unheard as failure:
            return failure
        except BaseException as error:  # noqa: BLE001 - nor may one that wants to exit: the notice would stay under way
            return Unheard(located(error), after=doubled(_FIRST, _LONGEST, notice.tries), heard=notice.heard)
        return None


class _Pace:
    """How fast an audience is told: one that hears nothing is left alone for a while, and then tried with one."""

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._failures = 0
        self.rests_until = 0.0

    def room(self, under_way: int) -> int:
        """How many more it may be told."""
        return (1 if self._failures else self._ahead) - under_way

    def note(self, failure: Unheard | None) -> None:
        now = time.monotonic()
        if failure is None or not failure.deaf:
            self._failures, self.rests_until = 0, 0.0
        elif now >= self.rests_until:  # what failed at the same time counts once
            self.rests_until = now + doubled(_WEARY, _RESTED, self._failures)
            self._failures += 1


class Teller:
    """Tells one audience. ``run`` works until ``end``; ``wake`` says that there may be something new."""

    def __init__(self, store: Store, audience: Audience, turn: Turn) -> None:
        self._store = store
        self._audience = audience
        self._turn = turn
        self._inbox: queue.SimpleQueue[_Told | None] = queue.SimpleQueue()  # None wakes
        self._voices = _Voices(audience, self._inbox)
        self._pace = _Pace(audience.ahead)
        self._under_way: set[int] = set()
        self._heard: list[int] = []
        self._refused: list[tuple[Notice, Unheard]] = []
        self._look_at = self._soonest = 0.0
        self._again: list[float] = []
        self._word = 0.0
        self._awake = False
        self._until: float | None = None

    def wake(self) -> None:
        """Look whether there is something to tell. Returns at once."""
        if not self._awake:
            self._awake = True
            self._inbox.put(None)

    def end(self, until: float) -> None:
        """Let ``run`` come to its end: what is being told may take until then (monotonic). Returns at once."""
        self._until = until
        self._inbox.put(None)

    def run(self) -> None:
        """Tell, until ``end``; once only."""
        self._voices.begin()
        while self._until is None:
            try:
                self._round()
            except StoreError as error:
                facts = {"action": "untold", "about": "the store", "why": str(error)}
                log.warning("not told until the store works: %s", error, extra=facts)
                self._look_at = time.monotonic() + _TROUBLE
            self._gather(self._patience())
        self._finish(self._until)

    def _round(self) -> None:
        self._note()
        if self._under_way:
            self._stay()
        now = time.monotonic()
        room = self._pace.room(len(self._under_way))
        if room > 0 and now >= max(self._look_at, self._pace.rests_until):
            self._look(room, now)

    def _stay(self) -> None:
        """Keep the turn while there are words of what is told: who never returns must not silence every worker."""
        if time.monotonic() < self._word + _STUCK:
            self._turn.keep()
        elif self._turn.held:
            words = "%s: no word for %.0f s, so another worker may tell them. Does a listener wait for ever?"
            log.error(words, self._audience.name, _STUCK, extra={"action": "stuck"})
            self._turn.end()

    # --- finding what is due

    def _look(self, room: int, now: float) -> None:
        due = self._due(room)
        self._look_at, self._soonest = (now if len(due) == room else self._next(now)), now + _OFTEN
        if due and not self._turn.held:  # what another told meanwhile is not due any more: look again
            if self._turn.take():
                self._look_at = now
            else:
                self._look_at, self._soonest = now + self._turn.seconds / 4, now + _TAKEN
            return
        if not self._under_way:
            self._word = now
        for notice in due:
            self._under_way.add(notice.id)
            self._voices.say(notice)

    def _next(self, now: float) -> float:
        """When something may be due again that is known here, or may have been put off elsewhere."""
        while self._again and self._again[0] <= now:
            heappop(self._again)
        return min(now + _LOOK, self._again[0] if self._again else now + _LOOK)

    def _due(self, room: int) -> list[Notice]:
        found = self._store.notices([self._audience.target], most=room + len(self._under_way))
        return [notice for notice in found if notice.id not in self._under_way][:room]

    # --- what came of it

    def _patience(self) -> float:
        """The seconds to wait for something to do."""
        longest = self._turn.seconds / 4
        if not (self._heard or self._refused) and self._pace.room(len(self._under_way)) <= 0:
            return longest
        return max(0.0, min(max(self._look_at, self._pace.rests_until) - time.monotonic(), longest))

    def _gather(self, seconds: float) -> None:
        """Wait for something that was told, and take what comes soon after it."""
        until = time.monotonic() + seconds
        with suppress(queue.Empty):
            while (told := self._inbox.get(timeout=max(0.0, until - time.monotonic()))) is not None:
                self._keep(told)
                until = min(until, time.monotonic() + (_GATHER if self._lacking else 0.0))
            self._awake = False
            self._look_at = min(self._look_at, self._soonest)

    @property
    def _lacking(self) -> bool:
        """Whether something is being told of which there is no word yet."""
        return len(self._heard) + len(self._refused) < len(self._under_way)

    def _keep(self, told: _Told) -> None:
        self._word = time.monotonic()
        self._pace.note(told.failure)
        if told.failure is None:
            self._heard.append(told.notice.id)
            if told.notice.tries:
                self._log_heard(told.notice)
        else:
            self._refused.append((told.notice, told.failure))

    def _log_heard(self, notice: Notice) -> None:
        what = (self._audience.name, notice.kind, notice.account, notice.id)
        facts = {"action": "heard", "about": self._audience.name}
        log.info("%s: %s of account %s was heard now, notice %d", *what, extra=facts)

    def _note(self) -> None:
        """Write down what came of it, before anything else is told: who heard it is not told again."""
        if not self._heard and not self._refused:
            return
        if self._heard:
            self._store.told(self._heard)
            self._under_way.difference_update(self._heard)
            self._heard.clear()
        while self._refused:
            notice, failure = self._refused[-1]
            self._put_off(notice, failure)
            self._under_way.discard(notice.id)
            self._refused.pop()
        self._look_at = 0.0  # the next one of a subject may be due

    def _put_off(self, notice: Notice, failure: Unheard) -> None:
        """Let it be told again later, or give it up."""
        what = (self._audience.name, notice.kind, notice.account, notice.id, failure)
        age = (datetime.now(UTC) - notice.at).total_seconds()
        if failure.after is None or age + failure.after > self._audience.expires:
            self._store.give_up(notice.id, str(failure))
            log.error("%s: %s of account %s is given up, notice %d: %s", *what, extra={"action": "notice_given_up"})
        else:
            self._store.untold(notice.id, after=failure.after, error=str(failure), heard=failure.heard)
            heappush(self._again, time.monotonic() + failure.after)
            facts = {"action": "unheard", "about": self._audience.name, "why": str(failure)}
            log.warning("%s: %s of account %s is told again, notice %d: %s", *what, extra=facts)

    def _finish(self, until: float) -> None:
        """Wait for what is being told, and write it down, until then (monotonic)."""
        self._under_way.difference_update(notice.id for notice in self._voices.end())
        while self._under_way and time.monotonic() < until:
            if self._lacking:
                self._gather(until - time.monotonic())
            try:
                self._note()
            except StoreError:
                time.sleep(_TROUBLE / 10)
        if self._under_way:
            words = "%d notices were told to %s without a word of it: they are told again"
            log.warning(words, len(self._under_way), self._audience.name, extra={"action": "untold"})
        self._turn.end()
        self._audience.close()

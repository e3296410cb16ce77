"""What is known of the credit of an account, from what its gateway answers, and who may still send by it.

A balance is believed where the gateway took a message, was asked for it, or refused a message for want of credit. The
sign alone says nothing: a postpaid account may stand at -11 and send (gateway.md, part 1 §1 and §2). So an account is
without credit only where the gateway said so, and only for messages that cost as much as the one it refused: a long
list that it cannot pay for must not hold back a code that it can. Nothing is foretold from a balance: somebody may have
topped it up meanwhile, and to ask costs one request.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from notify_core.errors import Retry, Scope, SendError, Sent
from notify_core.events import Change, Credit
from notify_core.results import Attempt
from notify_core.settings import CreditSettings
from notify_core.states import State

log = logging.getLogger("notify.news")

PAUSE = 60.0
"""Seconds for which an account without credit is passed over; then one message may find out."""
PACE = 1.0
"""Seconds between two notes of one account's credit in the store, where it did not become low meanwhile."""


@dataclass(frozen=True, slots=True)
class Note:
    """What the store should know of a purse: its units at an aware time, and the rule by which they are low.

    ``units`` are None where they are not known. ``broke``: it cannot pay, which is low by any rule.
    """

    purse: str
    units: Decimal | None
    at: datetime
    rule: CreditSettings
    broke: bool


class Purse:
    """The credit of one account in this process. ``clock`` gives monotonic seconds. Safe across threads.

    ``tell`` is called as ``tell(event, event=Credit(…))`` when it becomes low, and when it recovers. ``short`` is the
    cost, in segments over all recipients, from which the gateway refuses messages for want of credit; None where it
    does not. ``units`` are the provider's own, None where they are not known; ``days`` is how long they last, where a
    store tells it.
    """

    def __init__(
        self, name: str, rule: CreditSettings, clock: Callable[[], float], tell: Callable[..., None] | None = None
    ) -> None:
        self.name = name
        self.rule = rule
        self.units: Decimal | None = None
        self._at: datetime | None = None
        self._last: Attempt | None = None
        self.short: int | None = None
        self.low = False
        self.days: float | None = None
        self._marked = False
        self._floor = rule.low
        self._clock = clock
        self._tell = tell
        self._lock = threading.Lock()
        self._until = 0.0
        self._owed: Decimal | None = None
        self._news = False
        self._noted: tuple[float, bool] = (-PACE, False)

    def beside(self, name: str) -> Purse:
        """Another purse of the same account, whose units are of another kind: no threshold is set for them."""
        return Purse(name, CreditSettings(), self._clock, self._tell)

    def __repr__(self) -> str:
        return f"Purse({self.name!r}, units={self.units}, short={self.short})"

    @property
    def at(self) -> datetime | None:
        """When the gateway told ``units``, or that they do not suffice, aware."""
        return self._at if self._last is None else _ended(self._last)

    @property
    def runs_low(self) -> bool:
        """Whether it is low by its settings, so far as this process and the store know."""
        return self.low or self._marked

    # --- may it be used?

    def lacks(self, cost: int) -> bool:
        """Whether a message of that cost is known to be refused now. Asking takes nothing."""
        return self.short is not None and cost >= self.short and self._clock() < self._until

    def wait(self, cost: int) -> float:
        """The seconds for which a message of that cost must not be tried: 0.0 where it may.

        Once after each pause it may, so that one message finds out whether the account has credit again.
        """
        if self.short is None or cost < self.short:
            return 0.0
        with self._lock:
            left = self._until - self._clock()
            if left > 0:
                return left
            self._until = self._clock() + PAUSE
            return 0.0

    # --- what is learned

    def falls(self, attempt: Attempt) -> bool:
        """Learn of an attempt in the usual case, which costs half a microsecond: it was paid, and enough is left."""
        before, units = self.units, attempt.balance
        if before is None or units is None or self.short is not None or self.low or attempt.state is not State.ACCEPTED:
            return False
        if units > before or (self._floor is not None and units < self._floor):
            return False
        self.units, self._last, self._news = units, attempt, True
        return True

    def learn(self, attempt: Attempt, cost: Callable[[], int]) -> None:
        """An attempt came to its end; ``cost`` counts its segments over all recipients, where that matters."""
        if _wants_credit(attempt):
            self._refused(attempt, cost())
        elif attempt.state is State.ACCEPTED:
            recovers = self.short is not None and self._after(attempt.at) and cost() >= self.short
            if recovers:
                self._recovered()
            if attempt.balance is not None:
                self.hear(attempt.balance, attempt.at, _ended(attempt))
            elif recovers:
                self._keep(None, _ended(attempt))

    def hear(self, units: Decimal, asked: datetime, answered: datetime) -> None:
        """The gateway says what is left, asked and answered at these aware times.

        Of answers to questions that overlap nobody knows which is the newer: the lower is taken then.
        """
        if (self.units is None or units > self.units) and not self._after(asked):
            return
        self._news = self._news or units != self.units
        if self.short is not None:
            self._weigh(units, self.short)
        self._keep(units, answered)

    def told(self, units: Decimal, at: datetime, *, low: bool, days: float | None) -> None:
        """The store says what another process learned, how long that lasts, and whether that is low."""
        self._marked, self.days = low, days
        if self._after(at) and at != self.at:
            news = self._news
            self.hear(units, at, at)
            self._news = news

    def note(self, pace: float = PACE) -> Note | None:
        """What the store should be told now, if anything: at most once in ``pace`` seconds, or where it became low."""
        if not self._news or (at := self.at) is None:
            return None
        now = self._clock()
        if now - self._noted[0] < pace and self._noted[1] is self.low:
            return None
        self._news, self._noted = False, (now, self.low)
        return Note(self.name, self.units, at, self.rule, self.short is not None)

    def unnoted(self) -> None:
        """The store could not take the note: it is due again."""
        self._news = True

    def _after(self, time: datetime) -> bool:
        at = self.at
        return at is None or time >= at

    def _keep(self, units: Decimal | None, at: datetime) -> None:
        self.units, self._at, self._last = units, at, None
        self._judge(units, at)

    def _refused(self, attempt: Attempt, cost: int) -> None:
        """Where the gateway does not say what is left, what was known before still holds unless it had sufficed."""
        with self._lock:
            first = self.short is None
            self.short = max(1, cost if self.short is None else min(cost, self.short))
            self._until = self._clock() + PAUSE
            known = self.units if self.units is not None and self.units < self.short else None
            units = known if attempt.balance is None else attempt.balance
            self._owed = units if units is not None and units < 0 else None
        if first:
            words = "account %r has no credit for %d segments: it is passed over until it recovers; top it up"
            log.warning(words, self.name, self.short, extra={"action": "no_credit"})
        self._news = True
        self._keep(units, _ended(attempt))

    def _weigh(self, units: Decimal, short: int) -> None:
        """Whether what is left shows that it can pay again: it is enough, or a debt became smaller."""
        if units >= short or (self._owed is not None and units > self._owed):
            self._recovered()
        elif units < 0:
            self._owed = units

    def _recovered(self) -> None:
        with self._lock:
            self.short, self._owed = None, None
        log.info("account %r has credit again", self.name, extra={"action": "credit"})

    def _judge(self, units: Decimal | None, at: datetime) -> None:
        too_few = units is not None and self._floor is not None and units < self._floor
        low = self.short is not None or too_few
        if low is self.low:
            return
        with self._lock:
            if low is self.low:
                return
            self.low, self._news = low, True
        if self._tell is not None:
            event = Credit(account=self.name, units=units, at=at)
            what: Change = "balance_low" if low else "balance_recovered"
            log_change(what, event)
            self._tell(what, event=event)


def log_change(what: Change, event: Credit) -> None:
    """Log that the credit of an account became low, or is low no more."""
    left = "it is not known how much is left" if event.units is None else f"{event.units:,f} units are left"
    lasts = "" if event.days is None else f", for about {event.days:.1f} days"
    level, how = (logging.WARNING, "low") if what == "balance_low" else (logging.INFO, "no longer low")
    log.log(level, "the balance of account %r is %s: %s", event.account, how, left + lasts, extra={"action": what})


def _wants_credit(attempt: Attempt) -> bool:
    """Whether the gateway refused it for want of credit: alone then a refusal is believed to tell what is left."""
    error = attempt.error
    return attempt.state is State.REJECTED and (attempt.balance is not None or (error is not None and error.no_credit))


def _ended(attempt: Attempt) -> datetime:
    return attempt.at + timedelta(seconds=attempt.seconds)


def refused(purse: Purse, cost: int, seconds: float) -> SendError:
    """The verdict on a message that is not tried, for its account is without credit for so many segments."""
    words = (
        f"account {purse.name!r} has no credit for {cost:,} segments: top it up. It is passed over for another "
        f"{seconds:.0f} s, or until its balance is asked and suffices"
    )
    return SendError(words, sent=Sent.NO, scope=Scope.ACCOUNT, retry=Retry.LATER, after=seconds, code="no credit")

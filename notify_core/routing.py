"""Failover: a message's way along the paths of a route.

The rule: another path is tried only for recipients to whom the message surely was not sent, and only where the
failure's scope leaves that path a chance. In doubt stops, unless the route says otherwise.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from notify_core import credit
from notify_core.errors import InvalidMessage, Retry, Scope, SendError, Sent, StoreError
from notify_core.events import FailedOver, InDoubt
from notify_core.messages import Accepted, Message, Sms
from notify_core.quiet import QuietHours
from notify_core.results import Attempt, Delivery, Result
from notify_core.states import State
from notify_core.times import shown
from notify_core.transports import Fit, Path, detached

log = logging.getLogger("notify")

Tell = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Route:
    """Paths in order, and how they are walked: ``deadline`` in seconds; ``resend_doubt`` sends doubts again.

    In ``quiet`` hours nothing is sent, but for what the provider is handed to send later.
    """

    name: str
    paths: tuple[Path, ...]
    weights: tuple[int, ...] = ()
    deadline: float | None = None
    resend_doubt: bool = False
    quiet: QuietHours | None = None

    def order(self, draw: Callable[[], float]) -> list[Path]:
        """The paths as one message tries them: the first by weight where there are weights, resting ones last.

        ``draw`` gives a random number below 1.
        """
        paths = self._drawn(draw) if self.weights else list(self.paths)
        if len(paths) == 1:
            return paths
        resting = [path for path in paths if path.breaker.rests]
        return [path for path in paths if path not in resting] + resting

    def check_time(self, message: Message) -> None:
        """Raise ``InvalidMessage`` for a time at which the provider would send within quiet hours."""
        if self.quiet is None or message.send_at is None:
            return
        wait = self.quiet.waits(message.send_at)
        if woken := tuple(number for number in message.to if wait(number)):
            at, later = message.send_at.isoformat(), message.send_at + timedelta(seconds=max(map(wait, woken)))
            raise InvalidMessage(
                f"send_at={at} is within the quiet hours ({self.quiet}) of route {self.name!r} for {len(woken):,} of "
                f"{len(message.to):,} recipients: the first time that suits all is {later.isoformat()}",
                recipients=woken,
            )

    def _drawn(self, draw: Callable[[], float]) -> list[Path]:
        point = draw() * sum(self.weights)
        for path, weight in zip(self.paths, self.weights, strict=True):
            point -= weight
            if point < 0:
                return [path, *(other for other in self.paths if other is not path)]
        return list(self.paths)


class Journal(Protocol):
    """Asked before a message leaves, and told whether it did: it keeps the limits, and a store's intent."""

    def intend(self, path: Path, recipients: Sequence[str], text: str) -> Mapping[str, float]:
        """The message is about to leave by ``path``: take a slot for each recipient under every limit of its account.

        Returns those over a limit, with the seconds after which they could go; nothing is taken for them. Raises
        ``StoreError`` where that cannot be noted: then nobody's may leave.
        """

    def spend(self, path: Path, recipients: Sequence[str], text: str) -> None:
        """It left for these, or may have: count what was taken of the account from now on."""

    def give_back(self, path: Path, recipients: Sequence[str], text: str) -> None:
        """It surely was not sent to these: free what was taken of the account."""


class InProcess:
    """The limits that each account keeps within this process; nothing is written."""

    def intend(self, path: Path, recipients: Sequence[str], text: str) -> Mapping[str, float]:
        """See ``Journal``."""
        return path.account.limits.take(recipients, text)

    def spend(self, path: Path, recipients: Sequence[str], text: str) -> None:
        """See ``Journal``."""
        path.account.limits.spend(recipients, text)

    def give_back(self, path: Path, recipients: Sequence[str], text: str) -> None:
        """See ``Journal``."""
        path.account.limits.give_back(recipients, text)


IN_PROCESS = InProcess()


def send(
    route: Route,
    message: Message,
    *,
    now: Callable[[], datetime],
    tell: Tell,
    draw: Callable[[], float] = random.random,
) -> Result:
    """Send an addressed message along ``route`` and say what became of it, per recipient.

    Raises ``InvalidMessage`` where no path of the route could carry it at all.
    """
    result = walk(route, message, now=now, tell=tell, order=route.order(draw))
    tell("sent", result=result)
    return result


def first_fit(paths: Iterable[Path], message: Message) -> Fit:
    """What the first of the paths that can carry an addressed message to anybody makes of it.

    Raises ``InvalidMessage`` where none can.
    """
    reasons: list[InvalidMessage] = []
    for path in paths:
        try:
            fit = path.fit(path.worded(message))
        except InvalidMessage as error:
            reasons.append(error)
        else:
            if fit.recipients:
                return fit
            reasons += fit.refused
    raise _no_carrier(reasons)


def _no_carrier(reasons: Iterable[InvalidMessage]) -> InvalidMessage:
    return InvalidMessage(f"no path can carry the message: {'; '.join(dict.fromkeys(map(str, reasons)))}")


def walk(
    route: Route,
    message: Message,
    *,
    now: Callable[[], datetime],
    tell: Tell,
    order: Sequence[Path],
    journal: Journal = IN_PROCESS,
    until: float | None = None,
) -> Result:
    """Walk the paths in ``order``. Unlike ``send`` it does not tell ``sent``: the caller has a part in the result.

    ``until`` (monotonic seconds) is when the message expires: no request begins after it, and none is cut off by it.
    """
    going = _Walk(route, message, now, tell, journal, until)
    if route.quiet is not None and message.send_at is None:
        going.hush(route.quiet)
    for path in order:
        if not going.pending or going.late() or going.stopped:
            break
        going.go(path)
    return going.result()


@dataclass(slots=True)
class _Walk:
    """One message on its way. ``pending`` maps each recipient that no path took yet to the last reason why not."""

    route: Route
    message: Message
    now: Callable[[], datetime]
    tell: Tell
    journal: Journal
    until: float | None
    pending: dict[str, SendError | None] = field(init=False)
    done: dict[str, Delivery] = field(default_factory=dict)
    doubts: dict[str, Delivery] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    unfit: list[InvalidMessage] = field(default_factory=list)
    barred: set[str] = field(default_factory=set)  # accounts that are of no use for this message any more
    barred_numbers: set[tuple[str, str]] = field(default_factory=set)  # (account, recipient)
    segments: int = 0  # by the path that is tried: signatures differ
    taken: int = 0  # segments by the path that took it first
    stopped: bool = False  # nobody can note any more where it goes, so it goes nowhere
    previous: tuple[Path, SendError] | None = None
    _ends: float | None = field(init=False)

    def __post_init__(self) -> None:
        self.pending = dict.fromkeys(self.message.to)
        deadline = self.route.deadline
        self._ends = None if deadline is None else time.monotonic() + deadline

    def late(self) -> bool:
        """Whether the route's deadline has passed, or the message expired."""
        if self._ends is None and self.until is None:
            return False
        now = time.monotonic()
        return any(end is not None and now >= end for end in (self._ends, self.until))

    def hush(self, quiet: QuietHours) -> None:
        """Leave those in peace for whom it is night: nothing of it is sent to them, by any path."""
        now = self.now()
        wait = quiet.waits(now)
        for number in self.message.to:
            if seconds := wait(number):
                error = asleep(quiet, now, seconds)
                self._settle(Delivery(recipient=number, state=State.REJECTED, error=error))

    def go(self, path: Path) -> None:
        """Try ``path`` for every recipient that it may still be tried for."""
        if path.account.name in self.barred:
            return
        worded = path.worded(self.message)
        fit = self._fit(path, worded, self._candidates(path))
        if not fit or self._without_credit(path, worded, fit):
            return
        recipients = self._within_limits(path, fit, worded)
        if recipients:
            self._announce(path, len(recipients))
            self._submit_all(path, worded, recipients)

    def _candidates(self, path: Path) -> tuple[str, ...]:
        if not self.barred_numbers:
            return tuple(self.pending)
        account = path.account.name
        return tuple(number for number in self.pending if (account, number) not in self.barred_numbers)

    def _fit(self, path: Path, worded: Message, recipients: tuple[str, ...]) -> tuple[str, ...]:
        """The recipients to whom ``path`` can carry the message: none where it is the message that it cannot carry."""
        if not recipients:
            return ()
        try:
            fit = path.fit(worded.narrowed(recipients))
        except InvalidMessage as error:
            self.unfit.append(error)
            return ()
        if not fit.recipients:
            self.unfit += fit.refused
            return ()
        for reason in fit.refused:
            refused = SendError(str(reason), sent=Sent.NO, scope=Scope.RECIPIENT, code="recipient")
            self._bar(path, [number for number in reason.recipients if number in self.pending], refused)
        self.segments = fit.segments
        return fit.recipients

    def _without_credit(self, path: Path, worded: Message, recipients: tuple[str, ...]) -> bool:
        """Whether the account is known to lack the credit for a submission; then its other paths are no better."""
        if path.purse.short is None:
            return False
        cost = path.segments(worded) * min(len(recipients), path.max_recipients)
        if not (seconds := path.purse.wait(cost)):
            return False
        error = credit.refused(path.purse, cost, seconds)
        self.barred.add(path.account.name)
        self.pending.update(dict.fromkeys(recipients, error))
        self.previous = (path, error)
        return True

    def _within_limits(self, path: Path, recipients: tuple[str, ...], worded: Message) -> tuple[str, ...]:
        try:
            waits = self.journal.intend(path, recipients, said(worded))
        except StoreError as error:
            self._stop(recipients, error)
            return ()
        if not waits:
            return recipients
        for number, seconds in waits.items():
            self._bar(path, (number,), _over_limit(path, seconds))
        return tuple(number for number in recipients if number not in waits)

    def _stop(self, recipients: Sequence[str], error: StoreError) -> None:
        self.stopped = True
        log.error("a message stops here: %s", error, extra={"action": "unnoted"})
        words = "the store could not note where the message goes, so it went nowhere"
        self.pending.update(dict.fromkeys(recipients, SendError(words, retry=Retry.LATER, code="store")))

    def _announce(self, path: Path, recipients: int) -> None:
        if self.previous is None or self.previous[0] is path:
            return
        previous, error = self.previous
        event = FailedOver(
            route=self.route.name, previous=previous.name, path=path.name, recipients=recipients, error=error
        )
        log.warning("failed over from %s to %s: %s", previous.name, path.name, error, extra={"action": "failed_over"})
        self.tell("failed_over", event=event)

    def _submit_all(self, path: Path, worded: Message, recipients: tuple[str, ...]) -> None:
        most = path.max_recipients
        waiting = [recipients]
        if len(recipients) > most:
            waiting = [recipients[start : start + most] for start in range(0, len(recipients), most)]
        try:
            while waiting and not self.late():
                chunk = waiting.pop(0)
                verdict = self._submit(path, worded.narrowed(chunk))
                if verdict is None:
                    continue
                if verdict.scope is Scope.RECIPIENT and verdict.sent is Sent.NO:
                    waiting = [*self._others(path, worded, chunk, verdict), *waiting]
                elif verdict.sent is Sent.NO or verdict.scope is Scope.TRANSPORT or self.route.resend_doubt:
                    self._leave(path, waiting, verdict)
                    break
        finally:
            for unsent in waiting:
                self.journal.give_back(path, unsent, said(worded))

    def _leave(self, path: Path, unsent: list[tuple[str, ...]], verdict: SendError) -> None:
        """Note why a path was not tried for the rest of its recipients: where it just failed, they would fail too."""
        rest = [number for chunk in unsent for number in chunk if number in self.pending]
        if verdict.sent is Sent.UNKNOWN and rest:
            words = f"not submitted by {path.name}, where the submission before is in doubt: {verdict}"
            verdict = SendError(words, sent=Sent.NO, retry=Retry.LATER, code="stopped")
            self.previous = (path, verdict)
        self.pending.update(dict.fromkeys(rest, verdict))

    def _submit(self, path: Path, worded: Message) -> SendError | None:
        """One submission; what became of it is noted. Returns the verdict where it was not accepted."""
        at, started = self.now(), time.perf_counter()
        left = None if self._ends is None else self._ends - time.monotonic()
        try:
            accepted = path.submit(worded, left)
        except SendError as error:
            verdict = detached(error)  # raising it has given it frames anew
            self._note(path, at, started, worded, verdict)
            self._failed(path, worded, verdict)
            return verdict
        except BaseException:  # such as Ctrl-C: nobody will learn whether it left
            self.journal.spend(path, worded.to, said(worded))
            raise
        path.breaker.succeeded()
        self.taken = self.taken or self.segments
        self._note(path, at, started, worded, accepted)
        self._accepted(path, worded, accepted)
        return None

    def _note(self, path: Path, at: datetime, started: float, worded: Message, outcome: Accepted | SendError) -> None:
        error = outcome if isinstance(outcome, SendError) else None
        attempt = Attempt(
            path=path.name,
            at=at,
            seconds=time.perf_counter() - started,
            recipients=worded.to,
            state=_state(outcome),
            task_id="" if isinstance(outcome, SendError) else outcome.task_id,
            error=error,
            raw=outcome.raw,
            balance=outcome.credit if isinstance(outcome, SendError) else outcome.balance,
            segments=self.segments,
        )
        self.attempts.append(attempt)
        purse = path.purse
        tells = attempt.balance is not None or (error is not None and error.no_credit)
        if (tells or purse.short is not None) and not purse.falls(attempt):
            purse.learn(attempt, lambda: path.segments(worded) * len(worded.to))
        self.tell("attempted", route=self.route.name, attempt=attempt)
        if log.isEnabledFor(logging.INFO):
            facts = {"action": attempt.state.value, "path": path.name, "task_id": attempt.task_id}
            log.info("%s by %s: %s", attempt.state, path.name, error or f"{len(worded.to)} recipients", extra=facts)

    def _accepted(self, path: Path, worded: Message, accepted: Accepted) -> None:
        refused = accepted.refused
        taken = tuple(number for number in worded.to if number not in refused) if refused else worded.to
        for number in taken:
            self._settle(Delivery(recipient=number, state=State.ACCEPTED, path=path.name, task_id=accepted.task_id))
        self.journal.spend(path, taken, said(worded))
        for number, error in refused.items():
            if error.sent is Sent.UNKNOWN:
                self._doubted(path, worded, (number,), error)
            else:
                self._bar(path, (number,), error)
                self.journal.give_back(path, (number,), said(worded))

    def _failed(self, path: Path, worded: Message, error: SendError) -> None:
        """Draw the consequences of a failed submission for its recipients, by the error's verdict."""
        if error.sent is Sent.UNKNOWN:
            self._doubted(path, worded, worded.to, error)
            return
        self.previous = (path, error)
        if error.scope is not Scope.RECIPIENT:
            self.journal.give_back(path, worded.to, said(worded))
        if error.scope is Scope.MESSAGE:
            for number in tuple(self.pending):
                refused = Delivery(recipient=number, state=State.REJECTED, path=path.name, error=error)
                self._settle(self.doubts.get(number, refused))
            return
        if error.scope is Scope.TRANSPORT:
            path.breaker.failed()
        else:
            path.breaker.succeeded()
        if error.scope in (Scope.ACCOUNT, Scope.PROVIDER):
            self.barred.add(path.account.name)
        if error.scope is not Scope.RECIPIENT:  # else it is about some of them, and they are barred
            self.pending.update(dict.fromkeys(worded.to, error))

    def _doubted(self, path: Path, worded: Message, recipients: tuple[str, ...], error: SendError) -> None:
        self.journal.spend(path, recipients, said(worded))
        if error.scope is Scope.TRANSPORT:
            path.breaker.failed()
        log.warning("in doubt by %s: %s", path.name, error, extra={"action": "in_doubt", "path": path.name})
        event = InDoubt(route=self.route.name, path=path.name, recipients=len(recipients), error=error)
        for number in recipients:
            delivery = Delivery(recipient=number, state=State.IN_DOUBT, path=path.name, error=error)
            if self.route.resend_doubt:
                self.doubts[number] = delivery
                self.pending[number] = error
                self.previous = (path, error)
            else:
                self._settle(delivery)
        self.tell("in_doubt", event=event)

    def _others(self, path: Path, worded: Message, chunk: tuple[str, ...], error: SendError) -> list[tuple[str, ...]]:
        """What to submit again by the same path where it refused a submission for the sake of a recipient.

        Nothing of it was sent. The numbers that the gateway names stay behind; where it names none, the halves show.
        """
        named = chunk if len(chunk) == 1 else tuple(number for number in chunk if number in error.recipients)
        self._bar(path, named, error)
        self.journal.give_back(path, named, said(worded))
        if named:
            others = tuple(number for number in chunk if number not in set(named))
            return [others] if others else []
        middle = len(chunk) // 2
        return [chunk[:middle], chunk[middle:]]

    def _bar(self, path: Path, numbers: Sequence[str], error: SendError) -> None:
        """Note that an account is of no use for these numbers; another account may be."""
        for number in numbers:
            self.pending[number] = error
            self.barred_numbers.add((path.account.name, number))
        self.previous = (path, error)

    def _settle(self, delivery: Delivery) -> None:
        self.pending.pop(delivery.recipient, None)
        self.done[delivery.recipient] = delivery

    def result(self) -> Result:
        """What became of the message for each recipient, in the order of the message."""
        if not self.attempts and self.unfit and not any(self.pending.values()):
            raise _no_carrier(self.unfit)
        return Result(
            route=self.route.name,
            deliveries=tuple([self.done.get(number) or self._unsent(number) for number in self.message.to]),
            attempts=tuple(self.attempts),
            segments=self.taken or self.segments,
        )

    def _unsent(self, number: str) -> Delivery:
        if number in self.doubts:
            return self.doubts[number]
        return Delivery(recipient=number, state=State.REJECTED, error=self.pending[number] or self._untried())

    def _untried(self) -> SendError:
        if self.late():
            words, code = "the route's deadline passed before a path could take the message", "deadline"
        else:
            words, code = "no path was left that could take the message", "no path"
        return SendError(words, sent=Sent.NO, retry=Retry.LATER, code=code)


def _state(outcome: Accepted | SendError) -> State:
    if isinstance(outcome, Accepted):
        return State.ACCEPTED
    return State.REJECTED if outcome.sent is Sent.NO else State.IN_DOUBT


def said(message: Message) -> str:
    """The text in which an account's limits look for their words."""
    return message.text if isinstance(message, Sms) else ""


def _over_limit(path: Path, seconds: float) -> SendError:
    words = f"over the limit of account {path.account.name!r}; it could go in {seconds:.0f} s"
    return SendError(words, sent=Sent.NO, scope=Scope.RECIPIENT, retry=Retry.LATER, after=seconds, code="limit")


def asleep(quiet: QuietHours, now: datetime, seconds: float) -> SendError:
    """The verdict on a message to somebody for whom it is night for so long."""
    until = shown(now.astimezone(UTC) + timedelta(seconds=seconds))
    words = f"quiet hours ({quiet}) where the recipient is: it could go at {until}; what is enqueued waits until then"
    return SendError(words, sent=Sent.NO, scope=Scope.RECIPIENT, retry=Retry.LATER, after=seconds, code="quiet hours")

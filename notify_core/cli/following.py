"""Plugins that follow what is sent.

One follows one send: it moves the progress bar, and knows what became of whom if the send breaks off. The other tells
of each delivery that a worker sends, beside a handler of the log for those that end without being sent.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from notify_core.cli import terminal
from notify_core.cli.tables import words
from notify_core.errors import Retry, SendError, Sent
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Submission
from notify_core.phones import mask
from notify_core.results import Attempt, Delivery, Result
from notify_core.states import State

MANY = 20
"""More recipients than this are counted and not listed one by one, and get a progress bar."""

_BEFORE = "the command was interrupted before this was sent"
_UNDER_WAY = "the command was interrupted while the gateway had it"


class Follower:
    """Follows the submissions of one send. ``settled`` is told how many recipients each one settled."""

    def __init__(self) -> None:
        self.settled: Callable[[int], None] = _uncounted
        self.attempts: list[Attempt] = []
        self._under_way: tuple[str, ...] = ()
        self._path = ""
        self._refused: dict[str, SendError] = {}

    @hookimpl(wrapper=True)
    def send(self, submission: Submission) -> Generator[None, Accepted, Accepted]:
        """Note who is under way, and whom the gateway refused by name."""
        self._under_way, self._path = submission.recipients, submission.path
        accepted = yield
        self._refused.update(accepted.refused)
        return accepted

    @hookimpl
    def attempted(self, attempt: Attempt) -> None:
        """Note what became of those under way."""
        self._under_way = ()
        self.attempts.append(attempt)
        if attempt.state is not State.REJECTED:
            self.settled(len(attempt.recipients))

    @property
    def began(self) -> bool:
        """Whether anything may have left."""
        return bool(self.attempts or self._under_way)

    def result(self, route: str, recipients: Sequence[str]) -> Result:
        """What became of a send that broke off: whoever was under way is in doubt, whoever was not is not sent to."""
        found = {number: _unsent(number) for number in recipients}
        for attempt in self.attempts:
            found |= {number: self._delivery(number, attempt) for number in attempt.recipients}
        found |= {number: _doubt(number, self._path) for number in self._under_way}
        return Result(route=route, deliveries=tuple(found.values()), attempts=tuple(self.attempts), segments=0)

    def _delivery(self, number: str, attempt: Attempt) -> Delivery:
        error = attempt.error or self._refused.get(number)
        state = State.REJECTED if error and not attempt.error else attempt.state
        return Delivery(recipient=number, state=state, path=attempt.path, task_id=attempt.task_id, error=error)


class Teller:
    """Tells on stdout what became of each delivery, in one line."""

    @hookimpl
    def sent(self, result: Result) -> None:
        """Tell of all that were sent together at once, so that lines of several threads do not mix."""
        terminal.copy(*(_line(delivery) for delivery in result.deliveries))


class _Endings(logging.Handler):
    """Tells of deliveries that a worker ended without sending them: expired, suppressed, in doubt by a lapsed lease."""

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "action", "") == "ended":
            terminal.copy(_timed(record.getMessage()))


def tell_endings() -> None:
    """From now on tell on stdout, as ``Teller`` does, of deliveries that end without being sent."""
    logger = logging.getLogger("notify")
    logger.setLevel(logging.INFO)
    logger.addHandler(_Endings())


def _line(delivery: Delivery) -> str:
    by = f" by {delivery.path}" if delivery.path else ""
    why = f": {delivery.error}" if delivery.error else ""
    return _timed(f"delivery {delivery.id} to {mask(delivery.recipient)}: {_OUTCOME[delivery.state]}{by}{why}")


def _timed(words: str) -> str:
    return f"{datetime.now():%H:%M:%S} {words}"  # noqa: DTZ005 - the clock on the wall


_OUTCOME = {state: words(state) for state in State} | {State.REJECTED: "surely not sent"}


def _unsent(number: str) -> Delivery:
    return Delivery(recipient=number, state=State.REJECTED, error=SendError(_BEFORE, sent=Sent.NO, retry=Retry.NOW))


def _doubt(number: str, path: str) -> Delivery:
    error = SendError(_UNDER_WAY, sent=Sent.UNKNOWN)
    return Delivery(recipient=number, state=State.IN_DOUBT, path=path, error=error)


def _uncounted(_: int) -> None:
    """Nobody watches."""


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr that counts to ``total``: for many recipients, and at a terminal only."""
    if total <= MANY or not sys.stderr.isatty():
        yield _uncounted
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("Sending"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda count: bar.advance(task, count)

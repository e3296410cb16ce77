"""What a command shows of the log: errors alone, and of a worker's also what an operator has to know."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest

from notify_core.cli import logs

LOG, NEWS = logging.getLogger("notify"), logging.getLogger("notify.news")
Shown = pytest.CaptureFixture[str]


class Clock:
    """A clock that stands still until it is set."""

    now = 1000.0

    def monotonic(self) -> float:
        """Monotonic seconds."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time by which repetitions are known."""
    clock = Clock()
    monkeypatch.setattr(logs, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Other tests see the log as it was."""
    yield
    logs.listen()
    NEWS.setLevel(logging.NOTSET)


def fails(why: str, seconds: float = 5) -> None:
    """A round of a worker fails."""
    NEWS.warning(
        "reports of clinic: %s; again in %.0f s", why, seconds, extra={"about": "reports of clinic", "why": why}
    )


def works() -> None:
    """The round works again."""
    NEWS.info("reports of clinic: works again", extra={"about": "reports of clinic"})


def lines(shown: Shown) -> list[str]:
    """What was shown since, without the time of each line."""
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in shown.readouterr().err.splitlines()]


def test_a_command_that_ends_shows_errors_alone(capsys: Shown) -> None:
    """Warnings are in its results already."""
    logs.listen()
    LOG.warning("failed over", extra={"action": "failed_over"})
    fails("refused")
    LOG.error("a listener failed")
    assert capsys.readouterr().err == "a listener failed\n"


def test_a_worker_shows_warnings_with_the_time_in_one_line_each(capsys: Shown) -> None:
    """Those of single messages excepted, of which the outbox tells, and what only a developer wants to know."""
    logs.watch()
    LOG.warning("failed over", extra={"action": "failed_over"})
    LOG.warning("in doubt", extra={"action": "in_doubt"})
    with_info = logging.getLogger("notify").level
    LOG.setLevel(logging.INFO)
    LOG.info("accepted by clinic.json")
    LOG.setLevel(with_info)
    LOG.warning("the account\nhas no credit", extra={"action": "no_credit"})
    NEWS.info("the balance is no longer low")
    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d the account has no credit", first)
    assert second.endswith(" the balance is no longer low")


def test_the_same_failure_is_shown_once_in_some_minutes(capsys: Shown, clock: Clock) -> None:
    """Then again with how often it came meanwhile; seconds and ids make no other failure of it."""
    logs.watch()
    for second in range(100):
        clock.now = 1000.0 + second
        fails(f"no answer within {second} s", second)
    assert lines(capsys) == ["reports of clinic: no answer within 0 s; again in 0 s"]
    clock.now = 1000.0 + logs._AGAIN
    fails("no answer within 3 s")
    assert lines(capsys) == ["reports of clinic: no answer within 3 s; again in 5 s (and 99 times before, in 5 min)"]


def test_another_failure_is_shown_at_once(capsys: Shown, clock: Clock) -> None:
    """Of the same by another cause, and of another by the same cause, even if only a digit of its name differs."""
    assert clock.now
    logs.watch()
    fails("refused")
    fails("no such password")
    for name in ("reports of clinic1", "reports of clinic2"):
        NEWS.warning("%s: refused", name, extra={"about": name, "why": "refused"})
    assert len(lines(capsys)) == 4


def test_what_works_again_is_shown_once(capsys: Shown, clock: Clock) -> None:
    """And only where a failure was shown: one that comes and goes has two lines in some minutes, not two each time."""
    assert clock.now
    logs.watch()
    works()
    for _ in range(50):
        fails("refused")
        works()
    assert lines(capsys) == ["reports of clinic: refused; again in 5 s", "reports of clinic: works again"]

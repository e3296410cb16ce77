"""The breaker of a path."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from notify_core.breaker import FAILURES, REST, Breaker


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The breaker's clock."""
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    """A breaker that has seen nothing."""
    return Breaker(clock)


def fail(breaker: Breaker, times: int) -> None:
    """Fail so often."""
    for _ in range(times):
        breaker.failed()


def test_a_new_path_does_not_rest(breaker: Breaker) -> None:
    """Nothing is known against it."""
    assert not breaker.rests


def test_a_path_rests_after_so_many_failures(breaker: Breaker) -> None:
    """One fewer does not make it rest."""
    fail(breaker, FAILURES - 1)
    assert not breaker.rests
    breaker.failed()
    assert breaker.rests


def test_success_in_between_counts_anew(breaker: Breaker) -> None:
    """Only failures in a row make a path rest."""
    fail(breaker, FAILURES - 1)
    breaker.succeeded()
    fail(breaker, FAILURES - 1)
    assert not breaker.rests


def test_one_message_tries_it_after_each_rest(breaker: Breaker, clock: Clock) -> None:
    """The others keep away until that one has come back."""
    fail(breaker, FAILURES)
    clock.now += REST
    assert [breaker.rests for _ in range(3)] == [False, True, True]
    clock.now += REST
    assert [breaker.rests for _ in range(3)] == [False, True, True]


def test_a_failed_try_rests_again(breaker: Breaker, clock: Clock) -> None:
    """From the moment of its failure."""
    fail(breaker, FAILURES)
    clock.now += REST
    assert not breaker.rests
    clock.now += REST / 2
    breaker.failed()
    clock.now += REST - 1
    assert breaker.rests


def test_a_successful_try_ends_the_rest(breaker: Breaker, clock: Clock) -> None:
    """The path is as good as new."""
    fail(breaker, FAILURES)
    clock.now += REST
    assert not breaker.rests
    breaker.succeeded()
    assert not breaker.rests


def test_one_thread_of_many_tries_it(breaker: Breaker, clock: Clock) -> None:
    """Among threads that ask at once, one is told to try."""
    fail(breaker, FAILURES)
    clock.now += REST
    together = threading.Barrier(16)

    def ask(_: int) -> bool:
        together.wait(30)
        return breaker.rests

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(ask, range(16))).count(False) == 1

"""The provider's limits, kept before anything is sent."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_core import limits
from notify_core.limits import SlidingLimits
from notify_core.settings import Limit

A, B, C = "+8613800000001", "+8613800000002", "+8613800000003"


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The limits' clock."""
    return Clock()


def limit(count: int, within: float, **more: Any) -> Limit:
    """At most ``count`` messages to a recipient within so many seconds."""
    return Limit(**{"per": "recipient", "count": count, "within": within, **more})


def test_a_limit_lets_so_many_through(clock: Clock) -> None:
    """The next one is told after how many seconds it could go."""
    kept = SlidingLimits([limit(2, 180)], clock)
    assert kept.take([A], "hello") == {}
    clock.now = 60
    assert kept.take([A], "hello") == {}
    clock.now = 100
    assert kept.take([A], "hello") == {A: 80}


def test_a_limit_slides(clock: Clock) -> None:
    """A slot is free again exactly when its span is over."""
    kept = SlidingLimits([limit(1, 180)], clock)
    kept.take([A], "hello")
    clock.now = 179.5
    assert kept.take([A], "hello") == {A: 0.5}
    clock.now = 180
    assert kept.take([A], "hello") == {}


def test_each_number_has_its_own(clock: Clock) -> None:
    """One number over its limit does not hold the others."""
    kept = SlidingLimits([limit(1, 180)], clock)
    kept.take([A], "hello")
    assert kept.take([A, B], "hello") == {A: 180}
    assert kept.take([B], "hello") == {B: 180}


def test_an_account_shares_its_limit(clock: Clock) -> None:
    """The first recipients get the slots, the others wait."""
    kept = SlidingLimits([limit(2, 60, per="account")], clock)
    assert kept.take([A, B, C], "hello") == {C: 60}


def test_a_limit_counts_what_contains_its_word(clock: Clock) -> None:
    """Other texts neither wait for it nor use it up."""
    kept = SlidingLimits([limit(1, 180, containing="验证码")], clock)
    assert kept.take([A], "hello") == {}
    assert kept.take([A], "验证码：1") == {}
    assert kept.take([A], "hello") == {}
    assert kept.take([A], "您的验证码：2") == {A: 180}


def test_the_longest_wait_is_told(clock: Clock) -> None:
    """Under several limits, the message waits for all."""
    kept = SlidingLimits([limit(1, 60), limit(1, 3600)], clock)
    kept.take([A], "hello")
    assert kept.take([A], "hello") == {A: 3600}


def test_what_is_over_one_limit_uses_no_other(clock: Clock) -> None:
    """A message that does not go takes no slot anywhere."""
    kept = SlidingLimits([limit(1, 60), limit(2, 3600)], clock)
    kept.take([A], "hello")
    kept.take([A], "hello")
    clock.now = 60
    assert kept.take([A], "hello") == {}


def test_a_slot_can_be_given_back(clock: Clock) -> None:
    """What surely was not sent did not count."""
    kept = SlidingLimits([limit(1, 60), limit(1, 60, per="account")], clock)
    kept.take([A], "hello")
    kept.give_back([A], "hello")
    assert kept.take([A], "hello") == {}


def test_giving_back_what_was_not_counted_changes_nothing(clock: Clock) -> None:
    """A text that no limit counts has no slot to give back."""
    kept = SlidingLimits([limit(1, 60, containing="验证码")], clock)
    kept.take([A], "验证码")
    kept.give_back([A], "hello")
    assert kept.take([A], "验证码") == {A: 60}


def test_without_limits_nothing_waits(clock: Clock) -> None:
    """An account that names no limit has none."""
    kept = SlidingLimits([], clock)
    assert [kept.take([A] * 3, "hello") for _ in range(3)] == [{}] * 3


def test_numbers_are_forgotten(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that runs for years keeps no number longer than its span."""
    monkeypatch.setattr(limits, "_SWEEP_EVERY", 4)
    kept = SlidingLimits([limit(1, 60)], clock)
    for number in range(12):
        clock.now = number * 30.0
        kept.take([f"+861380000{number:04}"], "hello")
    assert len(kept._slots) <= 4


def test_threads_get_no_more_slots_than_there_are(clock: Clock) -> None:
    """Taking is one step."""
    kept = SlidingLimits([limit(10, 60)], clock)
    with ThreadPoolExecutor(16) as threads:
        waits = list(threads.map(lambda _: kept.take([A], "hello"), range(64)))
    assert waits.count({}) == 10


@given(st.lists(st.tuples(st.floats(0, 50), st.sampled_from([A, B]), st.booleans())), st.integers(1, 4))
def test_no_window_holds_more(steps: list[tuple[float, str, bool]], count: int) -> None:
    """At any moment, a number had at most ``count`` messages within the span, and none waited for nothing."""
    clock = Clock()
    kept = SlidingLimits([limit(count, 60)], clock)
    sent: dict[str, deque[float]] = {A: deque(), B: deque()}
    for pause, number, refused in steps:
        clock.now += pause
        recent = [at for at in sent[number] if at > clock.now - 60]
        waits = kept.take([number], "hello")
        assert (number in waits) == (len(recent) >= count)
        if number in waits:
            assert waits[number] == pytest.approx(recent[-count] + 60 - clock.now)
        elif refused:
            kept.give_back([number], "hello")
        else:
            sent[number].append(clock.now)

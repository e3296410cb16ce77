"""The provider's limits, kept before anything is sent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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


def send(kept: SlidingLimits, to: list[str], text: str = "hello") -> dict[str, float]:
    """Send at once to those who are not over a limit; the others, with their waits."""
    waits = kept.take(to, text)
    kept.spend([number for number in to if number not in waits], text)
    return waits


def test_a_limit_lets_so_many_through(clock: Clock) -> None:
    """The next one is told after how many seconds it could go."""
    kept = SlidingLimits([limit(2, 180)], clock)
    assert send(kept, [A], "hello") == {}
    clock.now = 60
    assert send(kept, [A], "hello") == {}
    clock.now = 100
    assert send(kept, [A], "hello") == {A: 80}


def test_a_limit_slides(clock: Clock) -> None:
    """A slot is free again exactly when its span is over."""
    kept = SlidingLimits([limit(1, 180)], clock)
    send(kept, [A], "hello")
    clock.now = 179.5
    assert send(kept, [A], "hello") == {A: 0.5}
    clock.now = 180
    assert send(kept, [A], "hello") == {}


def test_each_number_has_its_own(clock: Clock) -> None:
    """One number over its limit does not hold the others."""
    kept = SlidingLimits([limit(1, 180)], clock)
    send(kept, [A], "hello")
    assert send(kept, [A, B], "hello") == {A: 180}
    assert send(kept, [B], "hello") == {B: 180}


def test_an_account_shares_its_limit(clock: Clock) -> None:
    """The first recipients get the slots, the others wait."""
    kept = SlidingLimits([limit(2, 60, per="account")], clock)
    assert send(kept, [A, B, C], "hello") == {C: 60}


def test_a_limit_counts_what_contains_its_word(clock: Clock) -> None:
    """Other texts neither wait for it nor use it up."""
    kept = SlidingLimits([limit(1, 180, containing="验证码")], clock)
    assert send(kept, [A], "hello") == {}
    assert send(kept, [A], "验证码：1") == {}
    assert send(kept, [A], "hello") == {}
    assert send(kept, [A], "您的验证码：2") == {A: 180}


def test_the_longest_wait_is_told(clock: Clock) -> None:
    """Under several limits, the message waits for all."""
    kept = SlidingLimits([limit(1, 60), limit(1, 3600)], clock)
    send(kept, [A], "hello")
    assert send(kept, [A], "hello") == {A: 3600}


def test_what_is_over_one_limit_uses_no_other(clock: Clock) -> None:
    """A message that does not go takes no slot anywhere."""
    kept = SlidingLimits([limit(1, 60), limit(2, 3600)], clock)
    send(kept, [A], "hello")
    send(kept, [A], "hello")
    clock.now = 60
    assert send(kept, [A], "hello") == {}


def test_a_slot_can_be_given_back(clock: Clock) -> None:
    """What surely was not sent did not count."""
    kept = SlidingLimits([limit(1, 60), limit(1, 60, per="account")], clock)
    kept.take([A], "hello")
    kept.give_back([A], "hello")
    assert kept.take([A], "hello") == {}


def test_a_text_that_no_limit_counts_frees_nothing(clock: Clock) -> None:
    """It holds no slot, and gives none back."""
    kept = SlidingLimits([limit(1, 60, containing="验证码")], clock)
    kept.take([A], "验证码")
    kept.take([A], "hello")
    kept.give_back([A], "hello")
    assert kept.take([A], "验证码") == {A: 60}


def test_what_is_on_its_way_holds_its_slot(clock: Clock) -> None:
    """However slow the gateway is: it may count the message at any moment until it answers."""
    kept = SlidingLimits([limit(1, 60)], clock)
    kept.take([A], "hello")
    clock.now = 3600
    assert kept.take([A], "hello") == {A: 60}


def test_the_span_begins_when_the_outcome_is_known(clock: Clock) -> None:
    """Not when the message left: the gateway may have counted it last of all."""
    kept = SlidingLimits([limit(1, 60)], clock)
    kept.take([A], "hello")
    clock.now = 30
    kept.spend([A], "hello")
    clock.now = 70
    assert kept.take([A], "hello") == {A: 20}


def test_giving_back_frees_the_slot_that_was_held(clock: Clock) -> None:
    """Not that of another message, which left while this one was on its way."""
    kept = SlidingLimits([limit(2, 60)], clock)
    kept.take([A], "refused")
    clock.now = 50
    send(kept, [A])
    kept.give_back([A], "refused")
    clock.now = 100
    assert send(kept, [A]) == {}
    assert send(kept, [A]) == {A: 10}


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
        send(kept, [f"+861380000{number:04}"], "hello")
    assert len(kept._windows) <= 4


def test_threads_get_no_more_slots_than_there_are(clock: Clock) -> None:
    """Taking is one step."""
    kept = SlidingLimits([limit(10, 60)], clock)
    with ThreadPoolExecutor(16) as threads:
        waits = list(threads.map(lambda _: kept.take([A], "hello"), range(64)))
    assert waits.count({}) == 10


# --- against a model -------------------------------------------------------------------------------------------------


@dataclass
class Sending:
    """A message on its way, until ``ended``. The gateway counts it at one end of that: ``late`` says at which."""

    number: str
    began: float
    late: bool
    ended: float | None = None

    def counted(self, now: float) -> float:
        """When the gateway counts it."""
        return (now if self.ended is None else self.ended) if self.late else self.began


steps = st.tuples(st.floats(0, 50), st.sampled_from(["take", "spend", "give back"]), st.integers(0, 9), st.booleans())


@given(st.lists(steps), st.integers(1, 3), st.sampled_from(["recipient", "account"]))
def test_limits_are_as_a_list_of_all_messages_has_it(
    steps: list[tuple[float, str, int, bool]], count: int, per: str
) -> None:
    """A message may go exactly where fewer than ``count`` are on their way or ended within the span.

    So a gateway never counts more than that within a span, whenever it does its counting.
    """
    clock = Clock()
    kept = SlidingLimits([limit(count, 60, per=per)], clock)
    sendings: list[Sending] = []
    for pause, what, pick, late in steps:
        clock.now += pause
        under_way = [each for each in sendings if each.ended is None]
        if what == "take":
            number = [A, B][pick % 2]
            same = [each for each in sendings if per == "account" or each.number == number]
            open_still = [each for each in same if each.ended is None or each.ended > clock.now - 60]
            assert (kept.take([number], "hello") == {}) == (len(open_still) < count)
            sendings += [Sending(number, clock.now, late)] if len(open_still) < count else []
        elif under_way:
            each = under_way[pick % len(under_way)]
            if what == "spend":
                kept.spend([each.number], "hello")
                each.ended = clock.now
            else:
                kept.give_back([each.number], "hello")
                sendings.remove(each)
    for numbers in [{A, B}] if per == "account" else [{A}, {B}]:
        moments = [each.counted(clock.now) for each in sendings if each.number in numbers]
        assert all(sum(end - 60 < moment <= end for moment in moments) <= count for end in moments)


@given(st.lists(st.tuples(st.floats(0, 50), st.booleans())), st.integers(1, 4))
def test_nobody_waits_in_vain(steps: list[tuple[float, bool]], count: int) -> None:
    """What is told to wait may go when it has waited, if nothing is on its way."""
    clock = Clock()
    kept = SlidingLimits([limit(count, 60)], clock)
    for pause, patient in steps:
        clock.now += pause
        waits = send(kept, [A])
        if waits and patient:
            clock.now += waits[A] + 1e-6
            assert send(kept, [A]) == {}

"""How a worker shares its senders between lanes, and how much it claims for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import cast

import pytest

from notify_core.lease import Lease
from notify_core.messages import Sms
from notify_core.store import Parcel, Way
from notify_core.worker import worker
from notify_core.worker.worker import _Counter, _Done, _Pace, _Portion, _Task

OTP, NOTICES = (Way(route="otp"), 10), (Way(route="notices"), 0)
Lane = tuple[Way, int]


def task(lane: Lane) -> _Task:
    """Something to send."""
    message = Sms(to="+8613800000001", text="hello")
    parcel = Parcel(token=1, message=message, path="clinic.json", deliveries={message.to[0]: 1}, attempts=0, left=None)
    return _Task(lane, parcel, cast("Lease", SimpleNamespace(holds=True)), None)


@pytest.fixture
def counter() -> Iterator[_Counter]:
    """Where eight senders take what is claimed."""
    counter = _Counter(8, lambda: None)
    yield counter
    counter.close()


def taken(counter: _Counter, most: int) -> list[Lane]:
    """What so many senders find to do at once; those that find nothing are sent home."""
    with ThreadPoolExecutor(most) as senders:
        found = [senders.submit(counter.take) for _ in range(most)]
        threading.Timer(0.2, counter.close).start()
        return sorted((got.lane for each in found if (got := each.result())), key=lambda lane: -lane[1])


# --- how many senders are of use


@pytest.mark.parametrize(
    ("seconds", "cpu", "senders"),
    [(0.0003, 0.00025, 1), (0.0006, 0.00025, 2), (0.05, 0.00025, 12), (0.0001, 0.0, 12), (0.01, 0.011, 1)],
)
def test_as_many_senders_as_the_cpu_of_a_message_fits_into_its_time(seconds: float, cpu: float, senders: int) -> None:
    """One where the gateway answers at once, all that there are where it takes its time."""
    pace = _Pace(12)
    for _ in range(worker._SEEN):
        pace.note(seconds, cpu)
    assert pace.senders == senders


def test_senders_come_back_where_a_gateway_becomes_slow() -> None:
    """What was of use before is forgotten after some messages."""
    pace = _Pace(12)
    for seconds in (0.0003, 0.05):
        for _ in range(worker._SEEN):
            pace.note(seconds, 0.00025)
    assert pace.senders == 12


def test_some_messages_that_waited_for_the_lock_do_not_count() -> None:
    """Senders that hold each other up do not make each other seem of use."""
    pace = _Pace(12)
    for number in range(worker._SEEN):
        pace.note(0.005 if number % 4 else 0.0003, 0.00025)
    assert pace.senders == 1


def test_a_lane_has_its_senders_and_no_more(counter: _Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane with much to do and a quick gateway has one sender, and what is more urgent has others at once."""
    monkeypatch.setattr(worker, "_STALL", 30.0)
    counter.put([task(NOTICES)], 4)
    first = counter.take()
    assert first is not None
    counter._paces[NOTICES].senders = 1
    counter.put([task(NOTICES)] * 5, 4)
    counter.put([task(OTP)] * 2, 4)
    assert taken(counter, 6) == [OTP, OTP]


def test_one_wakes_the_next(counter: _Counter) -> None:
    """Senders that wait all come to work where there is work for all of them."""
    with ThreadPoolExecutor(6) as senders:
        found = [senders.submit(counter.take) for _ in range(6)]
        counter.put([task(NOTICES)] * 6, 4)
        assert [each.result(timeout=30) is not None for each in found] == [True] * 6


def test_who_is_done_takes_the_next(counter: _Counter) -> None:
    """The sender of a lane that may have one goes on with it by itself."""
    counter._paces[NOTICES].senders = 1
    counter.put([task(NOTICES)] * 3, 4)
    going = counter.take()
    for _ in range(2):
        assert going is not None
        going = counter.take(_Done(going, 0.001, 0.001))
    assert going is not None


def test_a_request_that_hangs_does_not_stop_its_lane(counter: _Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a moment another sender takes its place, although one was enough for the gateway until then."""
    monkeypatch.setattr(worker, "_STALL", 0.05)
    counter._paces[NOTICES].senders = 1
    counter.put([task(NOTICES)] * 4, 4)
    assert counter.take() is not None
    with ThreadPoolExecutor(2) as senders:
        assert [each.result(timeout=30) is not None for each in [senders.submit(counter.take) for _ in range(2)]]


def test_a_lane_that_is_empty_is_not_less_urgent(counter: _Counter) -> None:
    """Once all of it is sent nothing holds senders for the sake of what is urgent."""
    counter.put([task(NOTICES)], 4)
    going = counter.take()
    assert going is not None
    counter.put([task(OTP)], 4)
    counter.take(_Done(going, 0.001, 0.001))
    assert not counter.is_less_urgent(OTP)


# --- what is urgent


def test_nothing_begins_while_the_store_is_asked_what_is_urgent(
    counter: _Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender that comes meanwhile waits for the answer, and then begins with what is most urgent."""
    monkeypatch.setattr(worker, "_PAUSE", 30.0)
    with ThreadPoolExecutor(1) as sender:
        with counter.paused():
            counter.put([task(NOTICES)], 4)
            waiting = sender.submit(counter.take)
            counter.put([task(OTP)], 4)
            assert not waiting.done()
        begun = waiting.result(timeout=30)
    assert begun is not None
    assert begun.lane == OTP


def test_a_store_that_does_not_answer_holds_no_sender_for_long(counter: _Counter) -> None:
    """What was claimed already leaves although the store is still being asked."""
    with counter.paused():
        counter.put([task(OTP)], 4)
        assert counter.take() is not None


def test_senders_are_held_for_a_fifth_of_the_time_at_most(counter: _Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the store is asked: after a pause comes a time four times as long without one."""
    monkeypatch.setattr(worker, "_PAUSE", 30.0)
    with counter.paused():
        threading.Event().wait(0.05)
    counter.put([task(NOTICES)], 4)
    with counter.paused():
        assert counter.take() is not None


def test_less_urgent_is_what_is_claimed_or_sent_with_a_lower_priority(counter: _Counter) -> None:
    """Only for that are senders held while something urgent is claimed."""
    assert not counter.is_less_urgent(OTP)
    counter.put([task(NOTICES)], 4)
    assert counter.is_less_urgent(OTP)
    assert not counter.is_less_urgent(NOTICES)
    assert counter.take() is not None
    assert counter.is_less_urgent(OTP)


# --- how much is claimed at a time


def test_a_portion_of_distinct_texts_is_what_a_short_claim_takes() -> None:
    """It grows while claims are quick, and shrinks where they last, within bounds."""
    portion = _Portion()
    for seconds, size in ((worker._QUICK / 2, worker._DISTINCT), (worker._SLOW * 2, worker._LEAST)):
        for _ in range(10):
            portion.note(portion.size, portion.size, seconds, dry=True)
        assert portion.size == size


def test_a_portion_of_equal_texts_is_large() -> None:
    """However long such a claim lasts; distinct texts after it are fewer again."""
    portion = _Portion()
    for _ in range(5):
        portion.note(portion.size, 1, worker._SLOW * 2, dry=False)
    assert portion.size == worker._REPEATED
    portion.note(portion.size, portion.size, worker._SLOW * 2, dry=False)
    assert portion.size == worker._DISTINCT // 2


def test_a_claim_that_found_less_says_nothing() -> None:
    """What empties the queue is quick because it is little."""
    portion = _Portion()
    portion.note(portion.size - 1, portion.size - 1, 0.0, dry=True)
    assert portion.size == worker._LEAST


def test_no_more_is_claimed_than_senders_ask_for() -> None:
    """A slow gateway is served by small claims: what a killed worker has is in doubt."""
    portion = _Portion()
    for _ in range(5):
        portion.note(portion.size, portion.size, worker._QUICK / 2, dry=False)
    assert portion.size == 2 * worker._LEAST


def test_more_is_wanted_when_half_of_a_claim_is_left() -> None:
    """Senders then have something to do until it comes."""
    counter = _Counter(2, lambda: None)
    counter.put([task(NOTICES)] * 120, 200)
    assert not counter.wants(NOTICES)
    for _ in range(10):
        going = counter.take()
        assert going is not None
        counter.take(_Done(going, 0.001, 0.001))
        counter._begun.clear()
    assert counter.wants(NOTICES)
    counter.close()

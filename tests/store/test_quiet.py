"""Claims leave those in peace for whom it is quiet."""

from __future__ import annotations

from collections.abc import Mapping

from notify_core import Sms, State
from notify_core.settings import Limit
from notify_core.store import Claim, Store, Worker
from notify_core.times import shown
from tests.store.workshop import LANE, PLAN, Clock, by, number, put, states, taken


def claim(store: Store, worker: Worker, waits: Mapping[int, float], **facts: object) -> Claim:
    """Claim where it is quiet for these numbers, for so many seconds."""
    seconds = {number(which): wait for which, wait in waits.items()}
    plan = {"plan": PLAN, **facts}
    return store.claim(worker, LANE, most=100, wait=lambda each: seconds.get(each, 0.0), **plan)  # type: ignore[arg-type]


def test_who_sleeps_stays_in_the_queue_until_he_wakes(store: Store, worker: Worker, clock: Clock) -> None:
    """Each for as long as his own night lasts; the others leave."""
    one, two, three = put(store, 1, 2, 3)
    found = claim(store, worker, {1: 100.0, 3: 50.0})
    assert (taken(found), found.deferred) == ({two: "clinic.json"}, 2)
    assert [store.delivery(each).due for each in (one, three)] == [clock.after(100), clock.after(50)]
    assert claim(store, worker, {}).parcels == ()
    clock.now += 50
    assert list(taken(claim(store, worker, {1: 50.0}))) == [three]
    clock.now += 50
    assert list(taken(claim(store, worker, {}))) == [one]


def test_what_expires_before_is_ended_with_the_time_at_which_it_could_go(
    store: Store, worker: Worker, clock: Clock
) -> None:
    """At the very end of it too; what lives a second longer waits."""
    (ended,) = put(store, 1, expires_at=clock.after(100))
    (waiting,) = put(store, 2, expires_at=clock.after(101))
    found = claim(store, worker, {1: 100.0, 2: 100.0})
    assert (found.expired, found.deferred) == ((ended,), 1)
    assert states(store) == {ended: State.EXPIRED, waiting: State.QUEUED}
    words = f"quiet hours where the recipient is: could go at {shown(clock.after(100))}"
    assert store.delivery(ended).description == f"{words}, after it expires"
    assert store.delivery(waiting).description == words


def test_who_sleeps_takes_no_slot(store: Store, worker: Worker) -> None:
    """The one slot of the day is for who is awake."""
    plan = by("clinic.json", limits=[Limit(per="account", count=1, within=86400)])
    put(store, 1)
    (awake,) = put(store, 2)
    assert list(taken(claim(store, worker, {1: 100.0}, plan=plan))) == [awake]


def test_what_the_provider_holds_may_be_handed_over(store: Store, worker: Worker, clock: Clock) -> None:
    """A message with a time of its own is not heard now."""
    (later,) = put(store, message=Sms(to=number(1), text="hello", send_at=clock.after(7200)))
    assert list(taken(claim(store, worker, {1: 100.0}))) == [later]

"""The gauges: who lives, who is still to be told of what, and whether anybody is there to send what is due."""

from __future__ import annotations

import pytest

from notify_core.store import DIRECT, Backlog, Store
from tests.store.letters import apply, inbound, told
from tests.store.workshop import Clock, put

NOTHING = Backlog(0, 0.0)
TARGETS = {"received": ["shop"]}


def test_an_empty_store(store: Store) -> None:
    """Where nothing is, nothing waits, nobody works, and the listeners have a count all the same."""
    found = store.gauges()
    assert (found.late, found.workers, found.untold, found.unattended) == (0.0, 0, {"": NOTHING}, False)


@pytest.mark.usefixtures("worker")
def test_workers_that_live(store: Store, clock: Clock) -> None:
    """A worker counts from when it is enrolled until it retires, or until its lease is over."""
    other = store.enroll("other", lease=600)
    assert store.workers() == store.gauges().workers == 2
    clock.now += 61
    assert store.workers() == store.gauges().workers == 1
    store.retire(other)
    assert store.workers() == store.gauges().workers == 0


def test_who_sends_at_once_is_no_worker(store: Store) -> None:
    """A process that sends only what it is given does not count: it takes nothing from the queue."""
    put(store, 1)
    store.enroll(DIRECT, lease=60)
    assert store.workers() == store.gauges().workers == 0


def test_what_is_untold(store: Store, clock: Clock) -> None:
    """Each target has its own count and the age of its oldest, until it was told of all, or that was given up."""
    apply(store, inbound(1), targets=TARGETS)
    clock.now += 30
    apply(store, inbound(2))
    clock.now += 10
    assert store.gauges().untold == {"": Backlog(2, 40.0), "shop": Backlog(1, 40.0)}
    store.told([store.notices()[0].id])
    store.give_up(store.notices(["shop"])[0].id, "HTTP 410")
    assert store.gauges().untold == {"": Backlog(1, 10.0)}
    told(store)
    assert store.gauges().untold == {"": NOTHING}


def test_what_is_told_again_later_is_untold(store: Store, clock: Clock) -> None:
    """What was refused and is due later is still untold, and as old as when it was noted."""
    apply(store, inbound(1), targets=TARGETS)
    store.untold(store.notices(["shop"])[0].id, after=900, error="HTTP 500")
    clock.now += 60
    assert store.gauges().untold["shop"] == Backlog(1, 60.0)


def test_no_age_is_below_zero(store: Store, clock: Clock) -> None:
    """A clock that is put back makes nothing younger than new."""
    apply(store, inbound(1))
    clock.now -= 60
    assert store.gauges().untold[""] == Backlog(1, 0.0)


def test_unattended(store: Store, clock: Clock) -> None:
    """What is due and has no living worker is unattended; what is due later is not, and what has one is not."""
    put(store, 1, due=clock.after(10))
    assert not store.gauges().unattended
    clock.now += 11
    assert store.gauges().unattended
    worker = store.enroll("worker", lease=60)
    assert not store.gauges().unattended
    store.retire(worker)
    assert store.gauges().unattended

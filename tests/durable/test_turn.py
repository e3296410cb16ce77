"""What only one may do at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from notify_core.errors import StoreError
from notify_core.store import Store
from notify_core.worker.turn import Turn
from tests.durable.shop import until


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An empty store, on each database in turn."""
    with Store(url) as opened:
        yield opened


def test_one_at_a_time(store: Store) -> None:
    """While one has it nobody else does; what another does is another matter."""
    one, two, other = Turn(store, "pull", "one", 60), Turn(store, "pull", "two", 60), Turn(store, "tell", "two", 60)
    assert one.take()
    assert one.take()
    assert not two.take()
    assert other.take()
    assert (one.held, two.held, other.held) == (True, False, True)


def test_who_ends_leaves_it_to_the_next(store: Store) -> None:
    """At once; and what another has is not let go."""
    one, two = Turn(store, "pull", "one", 60), Turn(store, "pull", "two", 60)
    assert one.take()
    two.end()
    assert not two.take()
    one.end()
    assert two.take()
    assert not one.held


def test_who_is_gone_loses_it(store: Store) -> None:
    """When its time is over, and whoever had it knows that."""
    one, two = Turn(store, "pull", "one", 0.2), Turn(store, "pull", "two", 60)
    assert one.take()
    until(two.take)
    assert not one.held
    assert not one.keep()


def test_who_keeps_it_does_not_lose_it(store: Store) -> None:
    """It is taken for longer where it is soon over, and the store is left alone where it is not."""
    one, two = Turn(store, "pull", "one", 60), Turn(store, "pull", "two", 60)
    assert one.take()
    ends = one._until
    assert one.keep()
    assert one._until == ends
    one._until -= 40  # as if so many seconds had gone
    assert one.keep()
    assert one._until > ends
    assert not two.take()


def test_a_store_that_fails_at_the_end_is_no_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The turn is over by itself, later."""
    one = Turn(store, "pull", "one", 60)
    assert one.take()

    def fails(*_: object) -> None:
        raise StoreError("gone")

    monkeypatch.setattr(Store, "release", fails)
    one.end()
    assert not one.held

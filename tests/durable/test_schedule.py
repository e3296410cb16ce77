"""Messages with a time to leave: held by the outbox, or handed to the provider."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notify_core import ConfigError, InvalidMessage, Notifier, Sms, State
from notify_core.states import IllegalMove
from notify_core.store import Stored
from tests.core.gateway import Gateway
from tests.durable.conftest import Opened
from tests.durable.shop import an_hour_later, configuration, number, settled, until, working

LOCAL: dict[str, Any] = {"routes": {"local": {"paths": ["clinic.json"], "schedule": "local", "expires": "10m"}}}


@pytest.fixture
def notifier(url: str, gateway: Gateway, opened: Opened) -> Notifier:
    """One whose route ``local`` holds what leaves at a time."""
    return opened(url, {"clinic": gateway}, **LOCAL)


def at(later: timedelta) -> Sms:
    """A message that leaves then."""
    return Sms(to=number(1), text="hello", send_at=datetime.now(UTC) + later)


def only(notifier: Notifier) -> Stored:
    """The one delivery that there is."""
    (found,) = notifier.outbox.store.deliveries()
    return found


def test_the_outbox_holds_it_until_then(notifier: Notifier, gateway: Gateway) -> None:
    """The gateway is not told of a time: it is due then, and leaves at once when it is."""
    message = at(timedelta(hours=1))
    notifier.enqueue(message, route="local")
    store = notifier.outbox.store
    waiting = only(notifier)
    assert waiting.due == message.send_at
    assert store.message(waiting.id).send_at is None
    with working(notifier):
        store.hasten([waiting.id])
        settled(notifier, State.ACCEPTED)
    assert gateway.sent_to == [number(1)]


def test_it_is_due_by_itself_then_and_not_before(notifier: Notifier, url: str) -> None:
    """A worker finds nothing now, and the message in an hour."""
    notifier.enqueue(at(timedelta(minutes=30)), route="local")
    (waiting,) = notifier.outbox.store.lanes()
    assert 1_700 < waiting.wait <= 1_800
    with an_hour_later(url) as later:
        assert [lane.wait for lane in later.lanes()] == [0.0]


def test_it_can_be_taken_back(notifier: Notifier, gateway: Gateway) -> None:
    """Until it leaves."""
    notifier.enqueue(at(timedelta(hours=1)), route="local")
    notifier.outbox.store.cancel([only(notifier).id], "the appointment moved")
    with working(notifier):
        notifier.enqueue(Sms(to=number(2), text="hello"))
        until(lambda: gateway.sent_to == [number(2)])
    with pytest.raises(IllegalMove):
        notifier.outbox.store.cancel([notifier.outbox.store.deliveries()[0].id])


def test_it_expires_counted_from_then(notifier: Notifier) -> None:
    """Ten minutes after it was due."""
    message = at(timedelta(hours=1))
    notifier.enqueue(message, route="local")
    assert only(notifier).expires_at == only(notifier).due + timedelta(minutes=10)


@pytest.mark.parametrize(("due", "expected"), [(30, 60), (90, 90)])
def test_of_two_times_the_later_counts(notifier: Notifier, due: int, expected: int) -> None:
    """``due`` is the outbox's own."""
    now = datetime.now(UTC)
    message = Sms(to=number(1), text="hello", send_at=now + timedelta(minutes=60))
    notifier.enqueue(message, route="local", due=now + timedelta(minutes=due))
    assert only(notifier).due == now + timedelta(minutes=expected)


def test_nobody_holds_what_is_sent_at_once(notifier: Notifier, gateway: Gateway) -> None:
    """The error says what to do; nothing is sent or written."""
    with pytest.raises(InvalidMessage, match=r"route 'local' has schedule: local.*enqueue it"):
        notifier.send(at(timedelta(hours=1)), route="local")
    assert (notifier.outbox.store.deliveries(), gateway.received) == ([], [])


def test_who_keeps_it_is_a_store(gateway: Gateway) -> None:
    """Where nothing can be enqueued, a route that keeps messages is a fault of the configuration."""
    settings = configuration("sqlite://", {"clinic": gateway}, **LOCAL)
    del settings["store"]
    with pytest.raises(ConfigError, match=r"routes\.local\.schedule: needs a store"):
        Notifier.from_mapping(settings)


def test_the_provider_is_handed_the_time_otherwise(notifier: Notifier, gateway: Gateway) -> None:
    """It leaves at once, with its time."""
    message = at(timedelta(hours=1))
    notifier.enqueue(message)
    assert notifier.outbox.store.message(only(notifier).id).send_at == message.send_at
    with working(notifier):
        settled(notifier, State.ACCEPTED)
    assert len(gateway.received) == 1


def test_a_key_is_of_one_message_whenever_it_leaves(notifier: Notifier) -> None:
    """The same message under the same key gives the first ids, though its time has moved."""
    first = notifier.enqueue(at(timedelta(hours=1)), route="local", key="reminder-7")
    again = notifier.enqueue(at(timedelta(hours=2)), route="local", key="reminder-7")
    assert (list(again.deliveries), again.new) == (list(first.deliveries), False)

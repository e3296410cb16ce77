"""Quiet hours in the outbox: what is enqueued waits for their end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from notify_core import Notifier, Sms, State
from notify_core.store import Filter, Stored
from tests.core.gateway import Gateway
from tests.durable.conftest import Opened
from tests.durable.shop import number, settled, states, until, working

AMERICAN = "+12015550123"
"""For whom it is noon when it is midnight in China."""
SHANGHAI = ZoneInfo("Asia/Shanghai")


def night(**route: Any) -> dict[str, Any]:
    """A route for which it is night in China, from an hour ago for another two."""
    now = datetime.now(SHANGHAI)
    hours = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=2):%H:%M}"
    return {"routes": {"night": {"paths": ["clinic.json"], "quiet_hours": hours, **route}}}


@pytest.fixture
def notifier(url: str, gateway: Gateway, opened: Opened) -> Notifier:
    """One whose route ``night`` is quiet now."""
    return opened(url, {"clinic": gateway}, **night())


def only(notifier: Notifier) -> Stored:
    """The one delivery that there is."""
    (found,) = notifier.outbox.store.deliveries()
    return found


def test_who_is_asleep_waits_for_the_morning(notifier: Notifier, gateway: Gateway) -> None:
    """Each by the clock of their own: it is noon elsewhere."""
    asleep, awake = notifier.enqueue(Sms(to=[number(1), AMERICAN], text="hello"), route="night").deliveries
    store = notifier.outbox.store
    with working(notifier):
        until(lambda: store.delivery(awake).state is State.ACCEPTED and store.delivery(asleep).code == "quiet hours")
    waiting = store.delivery(asleep)
    assert (waiting.state, gateway.sent_to) == (State.QUEUED, [AMERICAN])
    assert timedelta(hours=1, minutes=58) < waiting.due - datetime.now(UTC) < timedelta(hours=2)
    assert waiting.description.startswith("quiet hours where the recipient is: could go at ")


def test_what_expires_before_the_morning_ends_at_once(url: str, gateway: Gateway, opened: Opened) -> None:
    """With the time at which it could have gone: a code is of no use then, and the application can do otherwise."""
    notifier = opened(url, {"clinic": gateway}, **night(expires="5m"))
    notifier.enqueue(Sms(to=number(1), text="hello"), route="night")
    with working(notifier):
        settled(notifier, State.EXPIRED)
    ended = only(notifier)
    assert ended.code == "quiet hours"
    assert ended.description.endswith(", after it expires")
    assert gateway.received == []


def test_what_waits_takes_no_slot_of_a_limit(url: str, gateway: Gateway, opened: Opened) -> None:
    """Who sleeps is not counted: by day the limit lets one through."""
    limits = [{"per": "account", "count": 1, "within": "1d"}]
    notifier = opened(url, {"clinic": gateway}, limits=limits, **night())
    notifier.enqueue(Sms(to=number(1), text="hello"), route="night")
    with working(notifier):
        until(lambda: only(notifier).code == "quiet hours")
        assert notifier.send(Sms(to=number(2), text="hello"), route="default").accepted


def test_what_is_sent_at_once_is_refused_and_recorded(notifier: Notifier, gateway: Gateway) -> None:
    """A direct send does not wait; the result and the store say when it could go."""
    result = notifier.send(Sms(to=number(1), text="hello"), route="night")
    error = result.error
    assert error is not None
    assert error.after is not None
    assert (result.deliveries[0].state, error.code) == (State.REJECTED, "quiet hours")
    assert 7_000 < error.after <= 7_200
    assert (only(notifier).state, only(notifier).code, gateway.received) == (State.REJECTED, "quiet hours", [])


def test_what_the_provider_sends_later_leaves_at_night(notifier: Notifier, gateway: Gateway) -> None:
    """It is handed over now, and heard by day."""
    later = datetime.now(UTC) + timedelta(hours=12)
    notifier.enqueue(Sms(to=number(1), text="hello", send_at=later), route="night")
    with working(notifier):
        settled(notifier, State.ACCEPTED)
    assert len(gateway.received) == 1


def test_one_s_own_choice_of_a_path_knows_no_night(notifier: Notifier, gateway: Gateway) -> None:
    """``via`` is for who knows what they do."""
    notifier.enqueue(Sms(to=number(1), text="hello"), via="clinic.json")
    with working(notifier):
        settled(notifier, State.ACCEPTED)
    assert gateway.sent_to == [number(1)]


def test_many_who_sleep_hold_nobody_up(notifier: Notifier, gateway: Gateway) -> None:
    """More than one claim takes, then one who is awake, of the same route."""
    notifier.enqueue(Sms(to=[number(which) for which in range(450)], text="hello"), route="night")
    notifier.enqueue(Sms(to=AMERICAN, text="hello"), route="night")
    with working(notifier):
        until(lambda: gateway.sent_to == [AMERICAN])
        until(lambda: len(notifier.outbox.store.deliveries(Filter(states=(State.QUEUED,)), most=500)) == 450)
    assert set(states(notifier)) == {State.QUEUED, State.ACCEPTED}

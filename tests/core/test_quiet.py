"""Quiet hours: whom they concern, when they end, and what a message to somebody asleep comes to."""

from __future__ import annotations

import sys
import zoneinfo
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from notify_core import ConfigError, InvalidMessage, Notifier, Result, Sms, State
from notify_core import quiet as module
from notify_core.errors import Retry, Scope
from notify_core.quiet import QuietHours, free
from notify_core.routing import send
from notify_core.times import shown
from tests.core.conftest import OpenNotifier
from tests.core.gateway import Gateway

CHINESE, AMERICAN, RUSSIAN, SATELLITE = "+8613800000001", "+12015550123", "+79161234567", "+888123456789"
SHANGHAI, BERLIN, NEW_YORK = map(ZoneInfo, ("Asia/Shanghai", "Europe/Berlin", "America/New_York"))
NIGHT = QuietHours.parse("21:00-08:00", "CN")
LONGEST = timedelta(hours=25)
"""A day on which the clock is set back."""
ZONES = [
    *("Africa/Casablanca", "America/New_York", "America/St_Johns", "Asia/Kathmandu", "Asia/Shanghai", "Asia/Tehran"),
    *("Australia/Lord_Howe", "Europe/Berlin", "Europe/London", "Pacific/Apia", "Pacific/Chatham", "UTC"),
]
times = st.integers(1_767_225_600, 1_900_000_000).map(lambda each: datetime.fromtimestamp(each, UTC))
clocks = st.times().map(lambda each: each.replace(second=0, microsecond=0))


def is_quiet(hours: QuietHours, moment: datetime, zone: ZoneInfo) -> bool:
    """Whether fewer minutes have passed on the clock since they began than they have."""
    local = moment.astimezone(zone)
    return (local.hour * 60 + local.minute - hours.start.hour * 60 - hours.start.minute) % 1440 < _span(hours)


def _span(hours: QuietHours) -> int:
    """How many minutes of the clock are quiet."""
    return (hours.end.hour * 60 + hours.end.minute - hours.start.hour * 60 - hours.start.minute) % 1440


# --- the clock -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-22T20:59:59", "2026-11-22T20:59:59"),
        ("2026-11-22T21:00:00", "2026-11-23T08:00:00"),
        ("2026-11-23T00:00:00", "2026-11-23T08:00:00"),
        ("2026-11-23T07:59:59.999999", "2026-11-23T08:00:00"),
        ("2026-11-23T08:00:00", "2026-11-23T08:00:00"),
    ],
)
def test_a_night_ends_in_the_morning(now: str, expected: str) -> None:
    """The beginning is quiet, the end is not."""
    begun, ended = (datetime.fromisoformat(each).replace(tzinfo=SHANGHAI) for each in (now, expected))
    assert free(NIGHT, begun, [SHANGHAI]) == ended


def test_a_span_of_one_day_ends_on_it() -> None:
    """A rest at noon."""
    noon = QuietHours.parse("12:00-14:30")
    assert free(noon, datetime(2026, 5, 1, 13, tzinfo=SHANGHAI), [SHANGHAI]).astimezone(SHANGHAI).hour == 14
    assert free(noon, (now := datetime(2026, 5, 1, 23, tzinfo=SHANGHAI)), [SHANGHAI]) == now


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-03-28", 10), ("2026-10-24", 12), ("2026-11-22", 11)],
    ids=["set forward", "set back", "any other"],
)
def test_a_night_in_which_the_clock_changes_ends_by_the_clock(day: str, hours: int) -> None:
    """At 8 in the morning, however long the night was."""
    now = datetime.fromisoformat(f"{day}T21:00").replace(tzinfo=BERLIN)
    assert free(NIGHT, now, [BERLIN]) - now.astimezone(UTC) == timedelta(hours=hours)


def test_an_hour_that_comes_twice_is_quiet_twice() -> None:
    """2:15 in the second of the two hours is quiet until the second 2:30."""
    hours, now = QuietHours.parse("01:00-02:30"), datetime(2026, 10, 25, 2, 15, tzinfo=BERLIN, fold=1)
    assert free(hours, now, [BERLIN]) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert free(hours, now.replace(fold=0), [BERLIN]) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_an_end_that_does_not_come_is_the_hour_after_it() -> None:
    """2:30 on the day on which 3 follows 2: it is 3:30."""
    hours, now = QuietHours.parse("22:00-02:30"), datetime(2026, 3, 29, 1, tzinfo=BERLIN)
    assert free(hours, now, [BERLIN]).astimezone(BERLIN).time() == time(3, 30)


@given(clocks, clocks, times, st.sampled_from(ZONES).map(ZoneInfo))
def test_nothing_leaves_within_them_and_nothing_waits_for_longer_than_a_day(
    start: time, end: time, now: datetime, zone: ZoneInfo
) -> None:
    """Whatever the hours, the zone and the season: of what is free for two hours a day or more."""
    hours = QuietHours(start, end)
    assume(0 < _span(hours) <= 22 * 60)
    then = free(hours, now, [zone])
    assert now <= then <= now + LONGEST
    assert not is_quiet(hours, then, zone)
    assert (then == now) == (not is_quiet(hours, now, zone))


@given(times, st.lists(st.sampled_from(ZONES).map(ZoneInfo), min_size=1, max_size=3, unique=True))
def test_of_several_zones_none_is_quiet(now: datetime, zones: list[ZoneInfo]) -> None:
    """It waits for all of them, and no longer: where they leave no hour free, the clock that most have counts."""
    then = free(NIGHT, now, zones)
    assert now <= then <= now + LONGEST
    moments = [now + timedelta(minutes=5 * passed) for passed in range(25 * 12)]
    if any(not any(is_quiet(NIGHT, moment, zone) for zone in zones) for moment in moments[:-12]):
        assert not any(is_quiet(NIGHT, then, zone) for zone in zones)
        assert all(any(is_quiet(NIGHT, moment, zone) for zone in zones) for moment in moments if moment < then)
    else:
        assert any(not is_quiet(NIGHT, then, zone) for zone in zones)


# --- the zone --------------------------------------------------------------------------------------------------------


def test_the_clock_is_that_of_the_number() -> None:
    """At 10 in the evening of Shanghai it is morning in New Jersey."""
    now = datetime(2026, 11, 22, 22, tzinfo=SHANGHAI)
    assert (NIGHT.wait(CHINESE, now), NIGHT.wait(AMERICAN, now)) == (10 * 3600, 0)
    wait = NIGHT.waits(now)
    assert [wait(number) for number in (CHINESE, AMERICAN, CHINESE)] == [36000, 0, 36000]


def test_a_number_that_may_be_in_several_zones_waits_for_all() -> None:
    """A Russian mobile number does not say where its owner is: it is past 8 in Kaliningrad, not yet 9 in Kamchatka."""
    assert len(module._zones(RUSSIAN, "")) > 10
    now = datetime(2026, 11, 22, 20, tzinfo=UTC)
    then = now + timedelta(seconds=NIGHT.wait(RUSSIAN, now))
    assert then.astimezone(ZoneInfo("Europe/Kaliningrad")).hour == 8
    assert then.astimezone(ZoneInfo("Asia/Kamchatka")).hour == 18


@pytest.mark.parametrize(("region", "zone"), [("CN", "Asia/Shanghai"), ("US", "America/New_York"), ("", "UTC")])
def test_a_number_of_no_known_zone_has_that_of_the_default_region(region: str, zone: str) -> None:
    """UTC without one; so has what is no number."""
    for number in (SATELLITE, "+88", "+"):
        assert [each.key for each in module._zones(number, region)] == [zone]


def test_every_country_of_one_zone_is_known_without_reading_the_number() -> None:
    """The quick way gives what phonenumbers gives."""
    from phonenumbers import (
        SUPPORTED_REGIONS,
        PhoneNumberFormat,
        PhoneNumberType,
        example_number_for_type,
        format_number,
    )

    found = 0
    for region in sorted(SUPPORTED_REGIONS):
        if example := example_number_for_type(region, PhoneNumberType.MOBILE):
            number = format_number(example, PhoneNumberFormat.E164)
            quick, whole = module._zones(number, "CN"), module._of_number(number, "CN")
            assert [zone.key for zone in quick] == [zone.key for zone in whole], region
            found += 1
    assert found > 200


# --- along a route ---------------------------------------------------------------------------------------------------


def settings(**route: Any) -> dict[str, Any]:
    """A route with quiet hours."""
    return {"paths": ["clinic.json"], "quiet_hours": "21:00-08:00", **route}


def sent(notifier: Notifier, now: datetime, *numbers: str, send_at: datetime | None = None) -> Result:
    """What sending at that time comes to."""
    message = Sms(to=numbers, text="hello", send_at=send_at)
    return send(notifier.routes["default"], message, now=lambda: now, tell=lambda *_, **__: None)


def test_who_is_asleep_is_left_in_peace(open_notifier: OpenNotifier, gateway: Gateway) -> None:
    """The others get it; the verdict says when it could go, and no path was tried for them."""
    notifier = open_notifier({"clinic": gateway}, route=settings())
    result = sent(notifier, datetime(2026, 11, 22, 22, tzinfo=SHANGHAI), CHINESE, AMERICAN)
    assert [delivery.state for delivery in result.deliveries] == [State.REJECTED, State.ACCEPTED]
    assert gateway.sent_to == [AMERICAN]
    error = result.deliveries[0].error
    assert error is not None
    assert (error.scope, error.retry, error.after, error.code) == (Scope.RECIPIENT, Retry.LATER, 36000, "quiet hours")
    turn = shown(datetime(2026, 11, 23, tzinfo=UTC))
    words = f"quiet hours (21:00-08:00) where the recipient is: it could go at {turn}"
    assert str(error) == f"{words}; what is enqueued waits until then"


def test_all_asleep_is_no_attempt(open_notifier: OpenNotifier, gateway: Gateway) -> None:
    """Nothing leaves."""
    notifier = open_notifier({"clinic": gateway}, route=settings())
    result = sent(notifier, datetime(2026, 11, 22, 22, tzinfo=SHANGHAI), CHINESE)
    assert (result.attempts, gateway.received) == ((), [])


def test_what_the_provider_sends_later_may_be_handed_over_at_night(
    open_notifier: OpenNotifier, gateway: Gateway
) -> None:
    """What counts is when it is sent."""
    notifier = open_notifier({"clinic": gateway}, route=settings())
    night = datetime(2026, 11, 22, 22, tzinfo=SHANGHAI)
    assert sent(notifier, night, CHINESE, send_at=night + timedelta(hours=12)).accepted


def test_a_time_within_them_is_refused(open_notifier: OpenNotifier, gateway: Gateway) -> None:
    """The provider would wake them: the error says whom, and the next time that suits all."""
    notifier = open_notifier({"clinic": gateway}, route=settings())
    tomorrow = (datetime.now(SHANGHAI) + timedelta(days=1)).replace(hour=23, minute=0, second=0, microsecond=0)
    with pytest.raises(InvalidMessage, match="within the quiet hours") as caught:
        notifier.send(Sms(to=[CHINESE, AMERICAN], text="hello", send_at=tomorrow))
    assert caught.value.recipients == (CHINESE,)
    assert (tomorrow + timedelta(hours=9)).isoformat() in str(caught.value)
    assert gateway.received == []


def test_a_path_of_one_s_own_choice_has_no_quiet_hours(open_notifier: OpenNotifier, gateway: Gateway) -> None:
    """They belong to routes."""
    notifier = open_notifier({"clinic": gateway}, route=settings(quiet_hours="00:00-23:59"))
    assert notifier.send(Sms(to=CHINESE, text="hello"), via="clinic.json").accepted


def test_the_hours_are_checked(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """Two times of the day that differ."""
    times = "expected two times of the day such as 21:00-08:00"
    for wrong, words in {"21-8": times, "24:00-08:00": times, "night": times, "21:00-21:00": "must differ"}.items():
        with pytest.raises(ConfigError, match=words):
            open_notifier({"clinic": gateway}, route=settings(quiet_hours=wrong))


def test_a_machine_without_zones_says_what_to_install(
    gateway: Gateway, open_notifier: OpenNotifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has no table of zones of its own."""
    monkeypatch.setitem(sys.modules, "tzdata", None)
    ZoneInfo.clear_cache()
    zoneinfo.reset_tzpath(to=())
    try:
        with pytest.raises(ConfigError, match="pip install tzdata"):
            open_notifier({"clinic": gateway}, route=settings())
    finally:
        zoneinfo.reset_tzpath()
        ZoneInfo.clear_cache()

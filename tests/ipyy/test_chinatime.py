"""China time, written and read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_ipyy import chinatime


def test_an_aware_time_is_written_as_the_wall_clock_of_china() -> None:
    """The zone of the caller does not matter."""
    moment = datetime(2026, 1, 31, 18, 30, 5, tzinfo=timezone(timedelta(hours=1)))
    assert chinatime.written(moment) == "2026-02-01 01:30:05"


def test_no_time_is_written_as_nothing() -> None:
    """At once is an empty field."""
    assert chinatime.written(None) == ""


def test_a_time_is_read_as_aware() -> None:
    """What the gateway writes is UTC+8."""
    assert chinatime.read("2020-10-28 09:47:07") == datetime(2020, 10, 28, 1, 47, 7, tzinfo=UTC)


@pytest.mark.parametrize("written", ["2020/10/28 9:47:07", "2020-10-28T09:47:07", " 2020-10-28 09:47:07.123 "])
def test_other_spellings_of_a_time_are_read(written: str) -> None:
    """.NET writes the same moment in several ways."""
    assert chinatime.read(written) == datetime(2020, 10, 28, 9, 47, 7, tzinfo=chinatime.CHINA)


@pytest.mark.parametrize("written", ["", "0001-01-01 00:00:00", "0001/1/1 0:00:00", "soon", "2020-13-01 00:00:00"])
def test_what_is_no_time_is_none(written: str) -> None:
    """The year 1 is how the gateway says that it has no time."""
    assert chinatime.read(written) is None


@given(st.datetimes(min_value=datetime(1990, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  # a bound has no zone
def test_what_is_written_is_read_again(moment: datetime) -> None:
    """Writing and reading lose nothing but the fraction of a second."""
    assert chinatime.read(chinatime.written(moment)) == moment.replace(microsecond=0)


@given(st.text())
def test_reading_never_fails(written: str) -> None:
    """A field that holds anything at all is a time or None."""
    found = chinatime.read(written)
    assert found is None or found.tzinfo is chinatime.CHINA

"""Quiet hours: spans of the day, by the recipient's own clock, in which nothing is sent.

A number's zones are those that phonenumbers' table gives it: one for most countries, several where a mobile number does
not say in which part of a large country its owner is. It is quiet for such a number while it is quiet in any of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_LONGEST = timedelta(hours=25)
"""A day on which the clock is set back."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``start`` until ``end`` on the clock, over midnight where the end is the earlier; the end is not quiet.

    ``region`` (ISO 3166, or empty) is that whose clock counts for a number of which no zone is known; without it UTC.
    """

    start: time
    end: time
    region: str = ""

    @classmethod
    def parse(cls, hours: str, region: str = "") -> QuietHours:
        """Read ``21:00-08:00``."""
        start, _, end = hours.partition("-")
        return cls(time.fromisoformat(start), time.fromisoformat(end), region)

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def wait(self, number: str, now: datetime) -> float:
        """The seconds from ``now`` (aware) until a message may go to ``number`` (E.164): 0.0 where it may at once."""
        zones = _zones(number, self.region)
        return (free(self, now, zones) - now).total_seconds()

    def waits(self, now: datetime) -> Callable[[str], float]:
        """``wait`` for many numbers at one time."""
        known: dict[tuple[ZoneInfo, ...], float] = {}

        def wait(number: str) -> float:
            zones = _zones(number, self.region)
            if (seconds := known.get(zones)) is None:
                seconds = known[zones] = (free(self, now, zones) - now).total_seconds()
            return seconds

        return wait


def free(hours: QuietHours, now: datetime, zones: Sequence[ZoneInfo]) -> datetime:
    """The first time from ``now`` (aware) at which it is quiet in none of the zones.

    Where the zones lie so far apart that it would be quiet all day long, the clock that most of them have counts alone.
    """
    then = now
    while ends := [end for zone in zones if (end := _end(hours, then, zone)) is not None]:
        then = max(ends)
        if len(zones) > 1 and then - now > _LONGEST:
            return free(hours, now, [_commonest(zones, now)])
    return then


def _end(hours: QuietHours, now: datetime, zone: ZoneInfo) -> datetime | None:
    """When the quiet hours end that it is in ``zone``, None where it is not quiet there."""
    local = now.astimezone(zone)
    clock = local.time()
    over_midnight = hours.end < hours.start
    if over_midnight:
        if hours.end <= clock < hours.start:
            return None
    elif not hours.start <= clock < hours.end:
        return None
    day = local.date() + timedelta(days=over_midnight and clock >= hours.start)
    ends = (datetime.combine(day, hours.end.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1))
    # Where the clock is set back an hour comes twice (fold 0, fold 1): the first of the two may be over.
    return min(end for end in ends if end > now)


def _commonest(zones: Sequence[ZoneInfo], now: datetime) -> ZoneInfo:
    """One of those whose clock most of the zones have."""
    offsets = [now.astimezone(zone).utcoffset() for zone in zones]
    return zones[offsets.index(Counter(offsets).most_common(1)[0][0])]


# --- where a number is -----------------------------------------------------------------------------------------------


def _zones(number: str, region: str) -> tuple[ZoneInfo, ...]:
    """The zones in which a number may be: never none."""
    for digits in (2, 3, 4):
        if (found := _of_code(number[1:digits], region)) is not None:
            return found
    return _of_number(number, region)


@lru_cache(maxsize=1024)
def _of_code(code: str, region: str) -> tuple[ZoneInfo, ...] | None:
    """The one zone of a country code; None where it has several, or is none: reading the whole number takes 80 µs."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
    from phonenumbers.tzdata import TIMEZONE_DATA

    names = TIMEZONE_DATA.get(code, ())
    return _known(names, region) if len(names) == 1 and int(code) in COUNTRY_CODE_TO_REGION_CODE else None


@lru_cache(maxsize=4096)
def _of_number(number: str, region: str) -> tuple[ZoneInfo, ...]:
    from phonenumbers import NumberParseException, parse
    from phonenumbers.timezone import time_zones_for_number

    try:
        return _known(time_zones_for_number(parse(number)), region)
    except NumberParseException:
        return _of_region(region)


def _known(names: Sequence[str], region: str) -> tuple[ZoneInfo, ...]:
    """The zones of these names that the machine knows; those of the region where it knows none."""
    return _loaded(names) or _of_region(region)


@lru_cache(maxsize=64)
def _of_region(region: str) -> tuple[ZoneInfo, ...]:
    """The zone of a region's example number, UTC without a region."""
    from phonenumbers import example_number
    from phonenumbers.timezone import time_zones_for_number

    example = example_number(region) if region else None
    return (_loaded(time_zones_for_number(example)) if example else ()) or (ZoneInfo("UTC"),)


def _loaded(names: Sequence[str]) -> tuple[ZoneInfo, ...]:
    found = []
    for name in names:
        try:
            found.append(ZoneInfo(name))
        except ZoneInfoNotFoundError:  # Etc/Unknown, or one that is newer than the machine's table
            continue
    return tuple(found)

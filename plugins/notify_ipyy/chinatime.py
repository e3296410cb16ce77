"""China time: the wall clock of the gateway, without a zone at its side and aware at ours (gateway.md part 1)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8), "China")
"""UTC+8 all the year: China has had no summer time since 1991."""

# yyyy-MM-dd HH:mm:ss, and what .NET writes in other cultures: 2020/10/28 9:47:07. Seconds may be missing.
_WRITTEN = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})[ T]+(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?(?:\.\d+)?", re.ASCII)


def wall_clock(moment: datetime) -> datetime:
    """The aware ``moment`` in China."""
    return moment.astimezone(CHINA)


def written(moment: datetime | None) -> str:
    """The aware ``moment`` as the gateway reads it, ``yyyy-MM-dd HH:mm:ss``; empty for None, which means at once."""
    return f"{wall_clock(moment):%Y-%m-%d %H:%M:%S}" if moment else ""


def read(text: str) -> datetime | None:
    """The aware time that the gateway wrote; None for the year 1 (its way of having none) and for what is no time."""
    match = _WRITTEN.fullmatch(text.strip())
    if match is None or match[1] == "0001":
        return None
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
        return datetime(year, month, day, hour, minute, second, tzinfo=CHINA)
    except ValueError:
        return None

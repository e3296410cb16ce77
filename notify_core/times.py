"""Times as people read them, in the zone of this machine, and as tables keep them: seconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


def shown(at: datetime | None) -> str:
    """A time to the second with its offset, such as ``2030-01-31 09:00:00+08:00``; empty for none."""
    return at.astimezone().isoformat(" ", "seconds") if at else ""


def clock(at: datetime) -> str:
    """The same without its offset, for tables in which there is little room."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def span(seconds: float) -> str:
    """A length of time as people say it, such as ``3 min``."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


@overload
def moment(seconds: float) -> datetime: ...
@overload
def moment(seconds: None) -> None: ...


def moment(seconds: float | None) -> datetime | None:
    """The aware time that a table keeps as so many seconds since 1970; None for none."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def stamp(at: datetime | None) -> float | None:
    """What a table keeps of an aware time: the seconds since 1970; None for none."""
    return None if at is None else at.timestamp()

"""Times as people write them in options: so long ago, or a date or time, here where it names no zone."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from notify_core.cli.exits import Misuse


def moment(option: str, text: str) -> datetime | None:
    """The time that an option names: ``2h`` (ago), or a date or time, here where it names no zone. None for none."""
    if not text:
        return None
    for read in (_ago, datetime.fromisoformat):
        with suppress(ValueError, OverflowError):
            return read(text).astimezone()
    raise Misuse(
        f"{option} {text} is no time: write 30m, 2h or 7d for so long ago, or 2030-01-31, or 2030-01-31T09:00+08:00"
    )


def ago(option: str, text: str) -> datetime:
    """The time that was ``90d`` ago. Raises ``Misuse``."""
    try:
        return _ago(text)
    except (ValueError, OverflowError):
        raise Misuse(f"{option} {text} is no span of time: write it such as 12h or 90d") from None


def _ago(span: str) -> datetime:
    from pydantic import TypeAdapter

    from notify_core.settings import Duration

    seconds: float = TypeAdapter(Duration).validate_python(span)
    return datetime.now(UTC) - timedelta(seconds=seconds)

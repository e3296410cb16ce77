"""A second dialect of the memory provider, the same in all but its name."""

from __future__ import annotations

from tests.core.transports.memory import carries, send, settings

__all__ = ["carries", "send", "settings"]

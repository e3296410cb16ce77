"""A test provider without a network: what an account's gateway does is what the test put into ``GATEWAYS``."""

from __future__ import annotations

from collections.abc import Callable

from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Message, Submission
from notify_core.settings import AccountSettings

GATEWAYS: dict[str, Callable[[Submission], Accepted]] = {}
"""What takes a submission, by the name in the account's setting ``gateway``."""


class MemorySettings(AccountSettings):
    """An account of the test provider."""

    gateway: str
    """Its entry in ``GATEWAYS``."""


@hookimpl
def settings() -> type[MemorySettings]:
    """The model of an account."""
    return MemorySettings


@hookimpl
def carries() -> frozenset[str]:
    """Text messages."""
    return frozenset({Message.kind, "sms"})


@hookimpl
def send(settings: MemorySettings, submission: Submission) -> Accepted:
    """Hand one submission to its gateway."""
    return GATEWAYS[settings.gateway](submission)

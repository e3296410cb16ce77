"""What listeners are told. New facts become new fields, never new parameters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from notify_core.errors import SendError


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedOver:
    """A message goes on by ``path``, because ``previous`` surely did not take it for ``recipients`` (a count)."""

    route: str
    previous: str
    path: str
    recipients: int
    error: SendError


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt:
    """A submission by ``path`` may or may not have been accepted for ``recipients`` (a count)."""

    route: str
    path: str
    recipients: int
    error: SendError


Change = Literal["balance_low", "balance_recovered"]
"""What may happen to a balance that somebody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """What is known of an account's credit at a time (aware): ``units`` are the provider's own.

    They are None where the gateway said that the credit does not suffice, or does again, and not how much it is.
    ``days`` is how long it lasts at the pace of recent traffic, None where that is not known.
    """

    account: str
    units: Decimal | None
    at: datetime
    days: float | None = None

"""The life of one delivery as a support person reads it aloud: what befell it, what that means, what may be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from notify_core import narration
from notify_core.cli.tables import Block, Table
from notify_core.narration import meaning, possible, words
from notify_core.phones import mask
from notify_core.times import shown

if TYPE_CHECKING:
    from notify_core.store import Event, Stored


def told(stored: Stored, events: Sequence[Event]) -> Iterator[Block]:
    """The whole story of a delivery, for people."""
    yield f"Delivery {stored.id} (message {stored.message}) to {mask(stored.recipient)}: {words(stored.state)}."
    yield Table(("time", "what happened"), [(shown(at), what) for at, what in narration.told(stored, events)])
    yield f"What it means: {meaning(stored)}"
    yield f"What may be done: {possible(stored)}"

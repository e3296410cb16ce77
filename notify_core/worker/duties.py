"""What a worker does beside sending: rounds of the gateways, and telling what happened. Each has its own thread."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4

from notify_core.notifier import Notifier
from notify_core.worker.pulling import Rounds, errands, longest, settling
from notify_core.worker.telling import Listeners, Teller
from notify_core.worker.turn import Turn
from notify_core.worker.webhooks import Webhook


class Duty(Protocol):
    """``run`` works in the thread that calls it, until ``end``."""

    def run(self) -> None:
        """Do it, until ``end``; once only."""

    def wake(self) -> None:
        """There may be something new in the store. Returns at once."""

    def end(self, until: float) -> None:
        """Let ``run`` come to its end: what is under way may take until then (monotonic). Returns at once."""


def duties(notifier: Notifier, lease: float) -> list[Duty]:
    """The duties of one worker. Those of several workers share: ``lease`` is for how long one has a turn (seconds)."""
    store = notifier.outbox.store
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"

    def turn(what: str, seconds: float = 0.0) -> Turn:
        return Turn(store, what, holder, lease + seconds)

    return [*_rounds(notifier, turn), *_tellers(notifier, turn)]


def _rounds(notifier: Notifier, turn: Callable[..., Turn]) -> Iterator[Rounds]:
    mailbox = notifier.mailbox
    yield Rounds([settling(mailbox)], turn("settle"), mailbox.keep)
    for name, settings in notifier.config.accounts.items():
        if found := list(errands(name, settings, mailbox, notifier.balance)):
            yield Rounds(found, turn(f"account:{name}", longest(settings)), mailbox.keep)


def _tellers(notifier: Notifier, turn: Callable[..., Turn]) -> Iterator[Teller]:
    store, config = notifier.outbox.store, notifier.config
    yield Teller(store, Listeners(config.plugins), turn("tell:"))
    for name, settings in config.webhooks.items():
        yield Teller(store, Webhook(name, settings, _now), turn(f"tell:{name}", settings.timeout))


def _now() -> datetime:
    return datetime.now(UTC)

"""Trying again what surely was not sent: never what may have been."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from notify_core.states import IllegalMove, State

if TYPE_CHECKING:
    from notify_core.messages import Message
    from notify_core.notifier import Notifier
    from notify_core.store import Store, Stored

UNSENT = (State.QUEUED, State.REJECTED)
"""The states of what surely was not sent, and may be yet."""


@dataclass(frozen=True, slots=True)
class Retried:
    """Deliveries that are due now, and those that were enqueued anew, with their new ids."""

    hastened: Sequence[int]
    enqueued: Mapping[int, int]


def retry(notifier: Notifier, deliveries: Iterable[int]) -> Retried:
    """Let what is queued be due now, and enqueue what was rejected once more as a new delivery.

    Doing it again enqueues nothing more. Raises ``IllegalMove`` where one of them may have been sent or is over (then
    nothing is done for any), ``NoDelivery``, and what ``Notifier.enqueue`` raises.
    """
    store = notifier.outbox.store
    found = [store.delivery(number) for number in dict.fromkeys(deliveries)]
    for each in found:
        if each.state not in UNSENT:
            raise IllegalMove(f"delivery {each.id} is {each.state}: only what is queued or rejected is tried again")
    hastened = [each.id for each in found if each.state is State.QUEUED]
    store.hasten(hastened)
    return Retried(hastened, {each.id: _again(notifier, store, each) for each in found if each.id not in hastened})


def tried_again(store: Store, number: int) -> int | None:
    """The delivery by which a rejected one was tried again."""
    from notify_core.store import Filter

    found = store.deliveries(Filter(key=_key(number)), most=1)
    return found[0].id if found else None


def _again(notifier: Notifier, store: Store, rejected: Stored) -> int:
    way, ends = rejected.way, rejected.expires_at
    again = notifier.enqueue(
        _timely(store.message(rejected.id)),
        route=way.route,
        via=way.via,
        key=_key(rejected.id),
        priority=rejected.priority,
        # Whoever orders it after that time wants it all the same: then the route says how long.
        expires_at=ends if ends and ends > datetime.now(UTC) else None,
    )
    return again.deliveries[0]


def _timely(message: Message) -> Message:
    """The message to be sent at once, if the time for which it was ordered is past."""
    late = message.send_at is not None and message.send_at <= datetime.now(UTC)
    return replace(message, send_at=None) if late else message


def _key(number: int) -> str:
    """The key of the message that tries a delivery again, by which it is done once."""
    return f"notify-retry-{number}"

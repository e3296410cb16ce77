"""What a send came to: the result, its deliveries (one a recipient) and the attempts that led there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from notify_core.errors import SendError
from notify_core.phones import mask
from notify_core.states import State


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Attempt:
    """One submission that was tried: by which path, when (aware), for how long (seconds), for whom, and its outcome.

    ``state`` is ACCEPTED, REJECTED (surely not) or IN_DOUBT. ``raw`` is the gateway's reply, redacted. ``balance`` is
    the credit left, where the reply tells it and can be believed: it took the message, or refused it for want of credit.
    ``segments`` is what the message costs each recipient.
    """

    path: str
    at: datetime
    seconds: float
    recipients: tuple[str, ...]
    state: State
    task_id: str = ""
    error: SendError | None = None
    raw: str = ""
    balance: Decimal | None = None
    segments: int = 1

    def __repr__(self) -> str:
        why = f", {self.error}" if self.error else ""
        return f"Attempt({self.path}, {self.state}, {len(self.recipients)} recipients{why})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Delivery:
    """The message to one recipient (E.164): its state, the path and the gateway's task id, and why it was refused.

    ``id`` is its number in the store, 0 without one; ``key`` is that of its message, where it has one.
    """

    recipient: str
    state: State
    path: str = ""
    task_id: str = ""
    error: SendError | None = None
    id: int = 0
    key: str = ""

    def numbered(self, number: int) -> Delivery:
        """The same with its number in the store; ``dataclasses.replace`` takes three times as long for each of many."""
        return Delivery(
            recipient=self.recipient,
            state=self.state,
            path=self.path,
            task_id=self.task_id,
            error=self.error,
            id=number,
        )

    def __repr__(self) -> str:
        return f"Delivery({mask(self.recipient)}, {self.state}, path={self.path!r}, task_id={self.task_id!r})"


_TAKEN = frozenset({State.ACCEPTED, State.DELIVERED, State.UNDELIVERED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The outcome of one send, per recipient and per attempt. ``route`` is the route's name, or the path of ``via``."""

    route: str
    deliveries: tuple[Delivery, ...]
    attempts: tuple[Attempt, ...]
    segments: int

    @property
    def accepted(self) -> bool:
        """Whether a gateway took the message for every recipient."""
        return all(delivery.state in _TAKEN for delivery in self.deliveries)

    @property
    def in_doubt(self) -> bool:
        """Whether the message may or may not have been taken for some recipient. Do not send it to them again."""
        return any(delivery.state is State.IN_DOUBT for delivery in self.deliveries)

    @property
    def rejected(self) -> tuple[Delivery, ...]:
        """The deliveries that surely did not leave: these may be tried again."""
        return tuple(delivery for delivery in self.deliveries if delivery.state is State.REJECTED)

    @property
    def task_id(self) -> str:
        """The gateway's task id of the first accepted submission, empty where none was."""
        return next((attempt.task_id for attempt in self.attempts if attempt.state is State.ACCEPTED), "")

    @property
    def error(self) -> SendError | None:
        """Why the message was not accepted for everybody: the error of the first delivery that has one."""
        return next((delivery.error for delivery in self.deliveries if delivery.error), None)

    def raise_for_failure(self) -> None:
        """Raise the ``SendError`` of the first delivery that was not accepted, if there is one."""
        if error := self.error:
            raise error


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a message will cost by ``path``: segments a recipient, and units (segments times recipients) in all."""

    path: str
    segments: int
    recipients: int

    @property
    def units(self) -> int:
        """Segments over all recipients, which is what Chinese gateways bill."""
        return self.segments * self.recipients

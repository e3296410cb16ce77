"""The life of a delivery (one message to one recipient): its states, and the moves between them that are legal.

All moves stand in ``MOVES``; ``move`` is the only judge. A move that is not there raises and changes nothing, so a
late, early, repeated or out-of-order report never takes a delivery backwards. The diagram in docs/design.md is drawn
from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """What is known about a delivery."""

    QUEUED = "queued"  # in the outbox: nothing has left
    SENDING = "sending"  # a worker has it, and the request may be on its way
    ACCEPTED = "accepted"  # a gateway took it
    DELIVERED = "delivered"  # the gateway reports that the phone has it
    UNDELIVERED = "undelivered"  # the gateway reports that the phone never got it
    REJECTED = "rejected"  # surely not sent, by anybody
    IN_DOUBT = "in_doubt"  # it may have been taken; nobody sends it again
    ABANDONED = "abandoned"  # was in doubt, and a person gave it up
    EXPIRED = "expired"  # its time passed before it could leave
    CANCELLED = "cancelled"  # taken back before it left
    SUPPRESSED = "suppressed"  # the recipient opted out


class IllegalMove(ValueError):
    """A delivery cannot go from one state to the other; nothing was changed."""


MOVES: Mapping[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.SENDING, State.EXPIRED, State.CANCELLED, State.SUPPRESSED}),
    State.SENDING: frozenset({State.ACCEPTED, State.QUEUED, State.REJECTED, State.IN_DOUBT}),
    State.ACCEPTED: frozenset({State.DELIVERED, State.UNDELIVERED}),
    State.IN_DOUBT: frozenset({State.ACCEPTED, State.DELIVERED, State.UNDELIVERED, State.ABANDONED}),
    State.DELIVERED: frozenset(),
    State.UNDELIVERED: frozenset(),
    State.REJECTED: frozenset(),
    State.ABANDONED: frozenset(),
    State.EXPIRED: frozenset(),
    State.CANCELLED: frozenset(),
    State.SUPPRESSED: frozenset(),
}
"""From each state, the states that may follow."""

FINAL = frozenset(state for state, following in MOVES.items() if not following)
"""The states that nothing follows."""


def origins(state: State) -> tuple[State, ...]:
    """The states from which ``state`` may be reached: what an UPDATE names in its WHERE."""
    return tuple(before for before, following in MOVES.items() if state in following)


def move(before: State, after: State) -> State:
    """``after``, if it may follow ``before``. Raises ``IllegalMove``."""
    if after not in MOVES[before]:
        raise IllegalMove(f"a delivery that is {before} cannot become {after}")
    return after

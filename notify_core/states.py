"""The states of a delivery: one message to one recipient."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """What is known about a delivery."""

    ACCEPTED = "accepted"  # a gateway took it
    REJECTED = "rejected"  # surely not sent, by anybody
    IN_DOUBT = "in_doubt"  # it may have been taken; nobody sends it again
    DELIVERED = "delivered"  # the gateway reports that the phone has it
    UNDELIVERED = "undelivered"  # the gateway reports that the phone never got it

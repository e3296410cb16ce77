"""What goes wrong, and when: drawn from a seed. What it meets is up to the machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import cycle
from random import Random

from notify_core.sandbox import KINDS, Fault
from tests.chaos.gateway import ENDPOINTS


class What(Enum):
    """The kinds of troubles."""

    FAULT = "faults set"
    REFUSAL = "times that a gateway refused an account"
    OUTAGE = "times that a gateway was away"
    KILL = "workers killed (kill -9)"
    STOP = "workers stopped (SIGTERM)"
    PAUSE = "workers held up (SIGSTOP)"
    DATABASE = "times that the database was away"
    JUMP = "clock jumps"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One of them, so many seconds after the start. ``which`` chooses a worker or a gateway, ``draw`` is below 1."""

    at: float
    what: What
    which: int
    draw: float
    words: str = ""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is, by database: each kind of trouble so many times within so many seconds."""

    deliveries: int
    seconds: float
    workers: int
    lease: float
    counts: dict[What, int]


FULL = Size(
    deliveries=20_000,
    seconds=75,
    workers=3,
    lease=12,
    counts={
        What.FAULT: 150,
        What.REFUSAL: 8,
        What.OUTAGE: 4,
        What.KILL: 14,
        What.STOP: 3,
        What.PAUSE: 1,
        What.DATABASE: 5,
        What.JUMP: 6,
    },
)
SHORT = Size(
    deliveries=1_000,
    seconds=8,
    workers=2,
    lease=6,
    counts={
        What.FAULT: len(KINDS),
        What.REFUSAL: 1,
        What.OUTAGE: 1,
        What.KILL: 2,
        What.STOP: 1,
        What.PAUSE: 0,
        What.DATABASE: 1,
        What.JUMP: 2,
    },
)

SLOW = 4.0
"""Seconds that a slow gateway takes: longer than its clients wait."""
REFUSALS = ("FrequentOperation", "NoProduct", "AmountNotEnough", "NoChannel", "UserStop")


def schedule(random: Random, size: Size) -> list[Trouble]:
    """All the troubles of a run in their order."""
    found = [
        Trouble(at, what, random.randrange(1000), random.random(), _words(what, random))
        for what, count in size.counts.items()
        if what is not What.FAULT
        for at in _spread(random, count, size.seconds)
    ]
    faults = zip(_spread(random, size.counts[What.FAULT], size.seconds), _faults(random), strict=False)
    found += [Trouble(at, What.FAULT, random.randrange(1000), random.random(), fault) for at, fault in faults]
    return sorted(found, key=lambda trouble: trouble.at)


def _spread(random: Random, count: int, seconds: float) -> list[float]:
    """So many moments, one in each of as many equal parts of the time."""
    part = 0.9 * seconds / max(1, count)
    return [0.05 * seconds + part * (which + random.random()) for which in range(count)]


def _words(what: What, random: Random) -> str:
    return random.choice(REFUSALS) if what is What.REFUSAL else ""


def _faults(random: Random) -> Iterator[str]:
    """Every kind in turn, each at some endpoint for one to three requests."""
    kinds = list(KINDS)
    random.shuffle(kinds)
    for kind in cycle(kinds):
        settings = {"delay": {"seconds": SLOW}, "huge": {"size": 9 * 1024 * 1024}, "slow": {"seconds": 0.1}}
        options = settings.get(kind.partition("-")[0], {})
        times = 1 if options else random.randint(1, 3)
        yield str(Fault(random.choice(ENDPOINTS), kind, times=times, **options))  # type: ignore[arg-type]

"""What a run leaves behind: what was asked of the outbox, what the store says, what the gateways noted themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from notify_core import State
from notify_core.settings import Limit

Mark = tuple[str, str]
"""What tells one delivery from all others on both sides: its recipient (E.164) and its text, which it gets once."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """One recipient of a submission that a gateway took; ``at`` is seconds since 1970 by the gateway's clock."""

    account: str
    mark: Mark
    task_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A submission that came to a gateway, taken or not; ``whole``: its reply was written to the end."""

    account: str
    marks: tuple[Mark, ...]
    faults: tuple[str, ...]
    at: float
    seconds: float
    whole: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """A delivery as the store has it in the end; ``account`` is that by which it was last sent."""

    id: int
    mark: Mark
    state: State
    key: str = ""
    account: str = ""
    task_id: str = ""
    code: str = ""
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """A time at which a delivery came into doubt, by the store's record: by a request, or because its worker lapsed."""

    delivery: int
    account: str
    at: float
    lapsed: bool


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, seconds since 1970, in which something was out of order."""

    begin: float
    end: float

    def holds(self, at: float) -> bool:
        """Whether a moment lies within it."""
        return self.begin <= at <= self.end


@dataclass(frozen=True, slots=True)
class Skew:
    """How far a clock was ahead of the true one: since when (true seconds since 1970), and by how much."""

    history: Sequence[tuple[float, float]] = ()

    def lowest(self, begin: float, end: float) -> float:
        """The least that it was ahead between two moments."""
        return min(self._within(begin, end))

    def rise(self, begin: float, end: float) -> float:
        """The most that it gained on the true one between two moments, at least 0."""
        most, low = 0.0, float("inf")
        for offset in self._within(begin, end):
            low = min(low, offset)
            most = max(most, offset - low)
        return most

    def true(self, shown: float) -> list[float]:
        """The true moments at which it showed this: two where it was set back meanwhile."""
        since = [(float("-inf"), 0.0), *self.history]
        ends = [*(at for at, _ in self.history), float("inf")]
        moments = [(shown - offset, at, end) for (at, offset), end in zip(since, ends, strict=True)]
        return [moment for moment, at, end in moments if at <= moment < end]

    def _within(self, begin: float, end: float) -> list[float]:
        before = [offset for at, offset in self.history if at <= begin][-1:]
        return [*(before or [0.0]), *(offset for at, offset in self.history if begin < at <= end)]


@dataclass(frozen=True, slots=True)
class Told:
    """A report that a gateway made, and what it said."""

    account: str
    mark: Mark
    task_id: str
    state: State


@dataclass(frozen=True, slots=True)
class Came:
    """A subscriber's message, whose text nobody else wrote."""

    account: str
    sender: str
    text: str


@dataclass(frozen=True, slots=True)
class Handed:
    """When a gateway handed a report out to whoever pulled it, and whether its reply was written to the end."""

    at: float
    whole: bool


Name = tuple[str, str, str]
"""A report by account, task id and recipient; a subscriber's message by account, text and sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it. ``wanted`` has every delivery that was enqueued, and whether that is certain (False: nobody knows)."""

    wanted: Mapping[Mark, bool]
    undone: frozenset[Mark] = frozenset()
    orders: Mapping[str, bool] = field(default_factory=dict)
    """The application's own rows, by key: whether each is there."""
    kept: Sequence[Kept]
    doubts: Sequence[Doubt] = ()
    accepted: Sequence[Accepted] = ()
    asked: Sequence[Asked] = ()
    limits: Mapping[str, Sequence[Limit]] = field(default_factory=dict)
    """By account."""
    held: frozenset[int] = frozenset()
    """Deliveries that a worker had when it was killed or held up."""
    stalls: Sequence[Window] = ()
    """When a worker was held up for longer than its lease."""
    outages: Mapping[str, Sequence[Window]] = field(default_factory=dict)
    """When the gateway of an account did not listen; it cut what was under way."""
    shifts: frozenset[float] = frozenset({0.0})
    """By how many seconds the clocks of workers were wrong."""
    skew: Skew = Skew()
    """How wrong the store's own clock was by that of the gateways."""
    patience: float = 3.0
    """Seconds that a client waits for an answer."""
    told: Sequence[Told] = ()
    came: Sequence[Came] = ()
    applied: Mapping[Name, int] = field(default_factory=dict)
    """How often the store has each report and each message."""
    handed: Mapping[Name, Handed] = field(default_factory=dict)
    """The reports that were pulled."""
    kills: Sequence[float] = ()
    """When workers were killed."""
    heard: Mapping[Name, int] = field(default_factory=dict)
    """How often a listener was told of each."""

"""What the tests of the store make things with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from notify_core import SendError, Sms, State
from notify_core.results import Attempt
from notify_core.settings import Limit
from notify_core.store import Claim, Entry, Filter, Intent, Lane, Outcome, Parcel, Store, Way, Worker
from notify_core.store.schema import metadata

TEXT = "您的验证码：1439"
NOTICES = Way("notices")
OTP = Way("otp")
LANE = Lane(NOTICES, 0, 0.0)


class Clock:
    """Seconds since 1970 that stand still until they are moved."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time."""
        return self.now

    def after(self, seconds: float) -> datetime:
        """The time in so many seconds, aware."""
        return datetime.fromtimestamp(self.now + seconds, UTC)


def number(which: int) -> str:
    """A phone number that nobody has."""
    return f"+86138{which:08d}"


def entry(*recipients: int, text: str = TEXT, **facts: Any) -> Entry:
    """A notice to these numbers."""
    same: dict[str, Any] = {"message": Sms(to=map(number, recipients or (1,)), text=text), "way": NOTICES}
    return Entry(**same | facts)


def put(store: Store, *recipients: int, **facts: Any) -> list[int]:
    """Enqueue one message: the ids of its deliveries."""
    return list(store.enqueue([entry(*recipients, **facts)])[0].deliveries)


def by(*paths: str, limits: Sequence[Limit] = ()) -> Callable[[object], list[Intent]]:
    """A plan: these paths, each under these limits."""
    return lambda _message: [Intent(path, tuple(limits)) for path in paths]


PLAN = by("clinic.json")


def take(store: Store, worker: Worker, *, lane: Lane = LANE, most: int = 100, plan: Callable[..., Any] = PLAN) -> Claim:
    """Claim from the lane of the notices."""
    return store.claim(worker, lane, most=most, plan=plan)


def taken(claim: Claim) -> dict[int, str]:
    """By delivery, the path by which it leaves."""
    return {number: parcel.path for parcel in claim.parcels for number in parcel.deliveries.values()}


def attempt(parcel: Parcel, state: State, *, task_id: str = "", error: SendError | None = None) -> Attempt:
    """One request for a whole parcel."""
    at = datetime.fromtimestamp(1_800_000_000, UTC)
    return Attempt(
        path=parcel.path, at=at, seconds=0.0, recipients=parcel.message.to, state=state, task_id=task_id, error=error
    )


def outcome(parcel: Parcel, state: State, *, after: float = 0.0, error: SendError | None = None) -> Outcome:
    """What became of a whole parcel by one request."""
    tried = {State.ACCEPTED: State.ACCEPTED, State.IN_DOUBT: State.IN_DOUBT}.get(state, State.REJECTED)
    attempts = (attempt(parcel, tried, task_id="T1" if tried is State.ACCEPTED else "", error=error),)
    deliveries = list(parcel.deliveries.values())
    return Outcome(token=parcel.token, deliveries=deliveries, state=state, attempts=attempts, error=error, after=after)


def settle(store: Store, claim: Claim, state: State, **facts: Any) -> list[int]:
    """Record the same outcome for all that a claim took."""
    return store.record([outcome(parcel, state, **facts) for parcel in claim.parcels])


def states(store: Store) -> dict[int, State]:
    """The state of every delivery."""
    return {found.id: found.state for found in store.deliveries(Filter(), most=100_000)}


def in_doubt(store: Store, worker: Worker, *recipients: int) -> list[int]:
    """Deliveries that are in doubt."""
    ids = put(store, *recipients)
    settle(store, take(store, worker), State.IN_DOUBT)
    return ids


def emptied(store: Store) -> Store:
    """The same store with nothing in it."""
    with store._database.writing() as connection:
        for table in metadata.sorted_tables:
            if not table.info:
                connection.execute(table.delete())
    return store

"""The life of deliveries against a model that is a dictionary: whatever is done in whatever order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from notify_core import State
from notify_core.states import MOVES, IllegalMove
from notify_core.store import LeaseLost, Outcome, Store, Worker
from tests.store.workshop import Clock, put, states, take

LEASE = 60.0
ENDS = {State.ACCEPTED, State.REJECTED, State.IN_DOUBT, State.QUEUED}
some = st.integers(min_value=0, max_value=1_000)


@dataclass
class Known:
    """What the model knows of a delivery."""

    state: State
    due: float
    expires_at: float
    order: int
    token: int = 0
    worker: int = -1

    def go(self, after: State) -> bool:
        """Move there if that is legal: whether it was."""
        legal = after in MOVES[self.state]
        self.state = after if legal else self.state
        return legal


STEADY: Any = settings(
    max_examples=25,
    stateful_step_count=25,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
"""The same examples each time; a database may be slow at times."""


class Life(RuleBasedStateMachine):
    """Two workers, a clock, and everything that can be done to a delivery."""

    store: Store
    clock: Clock

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[int, Known] = {}
        self.workers: list[Worker] = [self.store.enroll("a", lease=LEASE), self.store.enroll("b", lease=LEASE)]
        self.leases = {worker.id: self.clock.now + LEASE for worker in self.workers}
        self.claims: list[tuple[int, list[int]]] = []

    def pick(self, which: int) -> tuple[int, Known]:
        """One of the deliveries."""
        id_ = sorted(self.known)[which % len(self.known)]
        return id_, self.known[id_]

    @rule(count=st.integers(1, 3), wait=st.sampled_from([0, 0, 20]), life=st.sampled_from([15, 1000]))
    def enqueue(self, count: int, wait: float, life: float) -> None:
        """Messages come in."""
        due = self.clock.after(wait)
        ends = self.clock.after(wait + life)
        for id_ in put(self.store, *range(count), due=due, expires_at=ends):
            self.known[id_] = Known(State.QUEUED, self.clock.now + wait, self.clock.now + wait + life, id_)

    @rule(seconds=st.sampled_from([1, 10, 25, 61]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.now += seconds

    @rule(which=st.integers(0, 1), most=st.integers(1, 4))
    def claim(self, which: int, most: int) -> None:
        """A worker takes what is due, or learns that it lost its lease."""
        worker = self.workers[which]
        if self.leases[worker.id] < self.clock.now:
            with pytest.raises(LeaseLost):
                take(self.store, worker, most=most)
            return
        if self.leases[worker.id] - self.clock.now < LEASE / 2:
            self.leases[worker.id] = self.clock.now + LEASE
        due = [(known.due, id_) for id_, known in self.known.items() if known.state is State.QUEUED]
        found = [id_ for when, id_ in sorted(due) if when <= self.clock.now][:most]
        claim = take(self.store, worker, most=most)
        stale = [id_ for id_ in found if self.known[id_].expires_at <= self.clock.now]
        assert sorted(claim.expired) == sorted(stale)
        for id_ in stale:
            assert self.known[id_].go(State.EXPIRED)
        taken = [id_ for parcel in claim.parcels for id_ in parcel.deliveries.values()]
        assert sorted(taken) == sorted(set(found) - set(stale))
        for id_ in taken:
            assert self.known[id_].go(State.SENDING)
            self.known[id_].token, self.known[id_].worker = claim.token, worker.id
        self.claims.append((claim.token, taken))

    @precondition(lambda self: self.claims)
    @rule(which=some, state=st.sampled_from(sorted(ENDS)), after=st.sampled_from([0, 5]))
    def record(self, which: int, state: State, after: float) -> None:
        """An outcome is recorded, of a new claim or an old one, for the first time or again."""
        token, ids = self.claims[which % len(self.claims)]
        outcome = Outcome(token=token, deliveries=ids, state=state, after=after)
        moved = [id_ for id_ in ids if self.known[id_].token == token and self.known[id_].go(state)]
        assert sorted(self.store.record([outcome])) == sorted(set(ids) - set(moved))
        for id_ in moved if state is State.QUEUED else ():
            self.known[id_].token, self.known[id_].due = 0, self.clock.now + after

    @precondition(lambda self: self.claims)
    @rule(which=some)
    def hand_back(self, which: int) -> None:
        """A worker gives back what it did not send."""
        token, ids = self.claims[which % len(self.claims)]
        self.store.hand_back(token, ids)
        for id_ in ids:
            known = self.known[id_]
            if known.token == token and known.state is State.SENDING:
                known.go(State.QUEUED)
                known.token = 0

    @rule(which=st.integers(0, 1))
    def heartbeat(self, which: int) -> None:
        """A worker says that it lives; one that lost its lease enrolls anew."""
        worker = self.workers[which]
        if self.leases[worker.id] < self.clock.now:
            with pytest.raises(LeaseLost):
                self.store.heartbeat(worker)
            worker = self.workers[which] = self.store.enroll("again", lease=LEASE)
        else:
            self.store.heartbeat(worker)
        self.leases[worker.id] = self.clock.now + LEASE

    @rule()
    def lapse(self) -> None:
        """What lost workers had comes into doubt."""
        lost = [
            id_
            for id_, known in self.known.items()
            if known.state is State.SENDING and self.leases[known.worker] < self.clock.now
        ]
        assert sorted(self.store.lapse()) == lost
        for id_ in lost:
            assert self.known[id_].go(State.IN_DOUBT)

    @rule()
    def expire(self) -> None:
        """What is too old ends."""
        stale = [
            id_
            for id_, known in self.known.items()
            if known.state is State.QUEUED and known.expires_at <= self.clock.now
        ]
        assert sorted(self.store.expire()) == stale
        for id_ in stale:
            assert self.known[id_].go(State.EXPIRED)

    @precondition(lambda self: self.known)
    @rule(which=some)
    def cancel(self, which: int) -> None:
        """Somebody takes a delivery back, if it can be."""
        id_, known = self.pick(which)
        if known.go(State.CANCELLED):
            self.store.cancel([id_])
        else:
            with pytest.raises(IllegalMove):
                self.store.cancel([id_])

    @precondition(lambda self: self.known)
    @rule(which=some, state=st.sampled_from(State))
    def resolve(self, which: int, state: State) -> None:
        """Somebody says what became of a delivery, which only one in doubt lets him."""
        id_, known = self.pick(which)
        if known.state is State.IN_DOUBT and known.go(state):
            self.store.resolve([id_], state)
        else:
            with pytest.raises(IllegalMove):
                self.store.resolve([id_], state)

    @invariant()
    def agree(self) -> None:
        """Store and model have every delivery in the same state."""
        assert states(self.store) == {id_: known.state for id_, known in self.known.items()}


def test_any_order_of_events(store: Store, clock: Clock) -> None:
    """In whatever order things happen, each delivery is where the table of moves lets it be, and nowhere else."""
    from tests.store.workshop import emptied

    class Fresh(Life):
        def __init__(self) -> None:
            emptied(store)
            super().__init__()

    Fresh.store, Fresh.clock = store, clock
    run_state_machine_as_test(Fresh, settings=STEADY)

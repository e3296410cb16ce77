"""Limits: never more than they allow, never less for long, and against a model that counts by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing.pool import Pool
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from notify_core import State, StoreError
from notify_core.settings import Limit
from notify_core.store import Intent, Outcome, Store, Worker
from notify_core.store.slots import RECHECK, Ledger
from notify_core.times import shown
from tests.store.workshop import Clock, by, emptied, entry, number, outcome, put, settle, states, take, taken

THREE_IN_TEN = Limit(per="recipient", count=3, within=10)
FIVE_IN_ALL = Limit(per="account", count=5, within=100)


@pytest.fixture
def worker(store: Store) -> Worker:
    """A worker that does not have to say that it lives."""
    return store.enroll(lease=10**9)


def send(store: Store, worker: Worker, *limits: Limit, most: int = 100) -> list[int]:
    """Claim and have accepted at once: what left."""
    claim = take(store, worker, most=most, plan=by("clinic.json", limits=limits))
    settle(store, claim, State.ACCEPTED)
    return list(taken(claim))


def dues(store: Store, clock: Clock) -> list[float]:
    """In how many seconds those that are queued are due."""
    found = (row.due.timestamp() - clock.now for row in store.deliveries() if row.state is State.QUEUED)
    return sorted(round(seconds, 3) for seconds in found)


def test_limit_of_a_recipient(store: Store, worker: Worker, clock: Clock) -> None:
    """The fourth message to a number waits until the first is out of the window; other numbers do not wait."""
    ids = [put(store, 1, text=f"{which}")[0] for which in range(4)]
    other = put(store, 2)
    assert sorted(send(store, worker, THREE_IN_TEN)) == sorted([*ids[:3], *other])
    assert dues(store, clock) == [pytest.approx(RECHECK)]
    clock.now += 10
    assert send(store, worker, THREE_IN_TEN) == []
    clock.now += 0.002
    assert send(store, worker, THREE_IN_TEN) == ids[3:]


def test_turn_of_what_waits(store: Store, worker: Worker, clock: Clock) -> None:
    """What is over a limit is due when the slot that it waits for is free, one after the other."""
    for which in range(3):
        put(store, 1, text=f"{which}")
        send(store, worker, THREE_IN_TEN)
        clock.now += 1
    for which in range(3, 8):
        put(store, 1, text=f"{which}")
    assert send(store, worker, THREE_IN_TEN) == []
    assert dues(store, clock) == pytest.approx([7.001, 8.001, 9.001, 17.001, 18.001])


def test_window_begins_when_the_outcome_is_known(store: Store, worker: Worker, clock: Clock) -> None:
    """A message that was long on its way counts from its end: the gateway may have counted it as late as that."""
    put(store, 1)
    limit = Limit(per="recipient", count=1, within=10)
    claim = take(store, worker, plan=by("clinic.json", limits=[limit]))
    clock.now += 30
    (second,) = put(store, 1, text="else")
    assert send(store, worker, limit) == []
    settle(store, claim, State.IN_DOUBT)
    clock.now += 9.9
    assert send(store, worker, limit) == []
    clock.now += 0.2
    assert send(store, worker, limit) == [second]


def test_doubt_after_a_long_wait(store: Store, worker: Worker, clock: Clock) -> None:
    """A gateway that let us wait in vain may take the message as much later: it counts from then on."""
    put(store, 1)
    limit = Limit(per="recipient", count=1, within=10)
    (parcel,) = take(store, worker, plan=by("clinic.json", limits=[limit])).parcels
    doubtful = outcome(parcel, State.IN_DOUBT)
    (asked,) = doubtful.attempts
    store.record([replace(doubtful, attempts=(replace(asked, seconds=30.0),))])
    (second,) = put(store, 1, text="else")
    clock.now += 39.9
    assert send(store, worker, limit) == []
    clock.now += 0.2
    assert send(store, worker, limit) == [second]


@pytest.mark.parametrize("end", ["rejected", "retried", "handed back"])
def test_given_back(store: Store, worker: Worker, end: str) -> None:
    """A slot is free again when the message surely was not sent."""
    (first,) = put(store, 1)
    limit = Limit(per="recipient", count=1, within=1000)
    claim = take(store, worker, plan=by("clinic.json", limits=[limit]))
    if end == "handed back":
        store.hand_back(claim.token, [first])
    else:
        settle(store, claim, {"rejected": State.REJECTED, "retried": State.QUEUED}[end], after=500.0)
    (second,) = put(store, 1, text="else", priority=0)
    assert send(store, worker, limit, most=1) == ([first] if end == "handed back" else [second])


def test_lapse_spends(store: Store, clock: Clock) -> None:
    """What a lost worker had may have left, and so counts from the moment in which that is noticed."""
    put(store, 1)
    limit = Limit(per="recipient", count=1, within=10)
    take(store, store.enroll(lease=60), plan=by("clinic.json", limits=[limit]))
    clock.now += 61
    store.lapse()
    put(store, 1, text="else")
    assert send(store, store.enroll(), limit) == []
    assert dues(store, clock) == [10.001]


def test_limit_of_an_account(store: Store, worker: Worker, clock: Clock) -> None:
    """A limit of the account counts all its numbers together, and lets them go in their order."""
    ids = put(store, *range(12))
    assert send(store, worker, FIVE_IN_ALL) == ids[:5]
    clock.now += RECHECK
    assert send(store, worker, FIVE_IN_ALL) == []
    clock.now += 100.2 - RECHECK
    assert send(store, worker, FIVE_IN_ALL) == ids[5:10]


def test_several_limits_at_once(store: Store, worker: Worker, clock: Clock) -> None:
    """A message needs room under every limit that counts it, and takes no slot where it lacks one."""
    narrow = Limit(per="recipient", count=1, within=10)
    put(store, 1), put(store, 1, text="else")
    send(store, worker, narrow, FIVE_IN_ALL)
    clock.now += 10.01
    assert len(send(store, worker, narrow, FIVE_IN_ALL)) == 1
    ids = put(store, *range(10, 20))
    assert send(store, worker, narrow, FIVE_IN_ALL) == ids[:3]


def test_longest_wait_counts(store: Store, worker: Worker, clock: Clock) -> None:
    """Under several limits a message waits for the one that takes longest."""
    limits = [Limit(per="recipient", count=1, within=50), Limit(per="recipient", count=1, within=200)]
    put(store, 1)
    send(store, worker, *limits)
    put(store, 1, text="else")
    assert send(store, worker, *limits) == []
    assert dues(store, clock) == [200.001]


def test_account_with_room_takes_it(store: Store, worker: Worker) -> None:
    """What is over the limit of one account leaves by the next one of its route that has room."""
    first, second, third = (put(store, 1, text=f"{which}")[0] for which in range(3))
    one = Limit(per="recipient", count=1, within=100)

    def plan(_: object) -> list[Intent]:
        return [Intent("clinic.json", (one,)), Intent("backup.json", (one,))]

    claim = take(store, worker, plan=plan)
    assert taken(claim) == {first: "clinic.json", second: "backup.json"}
    assert states(store)[third] is State.QUEUED
    assert claim.deferred == 1


def test_accounts_count_for_themselves(store: Store, worker: Worker) -> None:
    """The limits of one account do not count what left by another."""
    one = Limit(per="recipient", count=1, within=100)
    ids = [put(store, 1, text=f"{which}")[0] for which in range(2)]
    assert list(taken(take(store, worker, most=1, plan=by("clinic.json", limits=[one])))) == ids[:1]
    assert list(taken(take(store, worker, plan=by("other.json", limits=[one])))) == ids[1:]


def test_limit_by_words(store: Store, worker: Worker) -> None:
    """Limits that count different words keep their own slots."""
    codes = Limit(per="recipient", count=1, within=100, containing="验证码")
    everything = Limit(per="recipient", count=2, within=100)
    for which in range(3):
        put(store, 1, text=f"{which}")
    assert len(send(store, worker, everything, most=1)) == 1
    assert len(send(store, worker, everything, codes, most=1)) == 1
    assert len(send(store, worker, everything)) == 0
    assert len(send(store, worker, codes)) == 0


def test_renegotiated_limit(store: Store, worker: Worker) -> None:
    """A limit whose count is changed goes on from what left before."""
    for which in range(4):
        put(store, 1, text=f"{which}")
    assert len(send(store, worker, THREE_IN_TEN, most=2)) == 2
    assert send(store, worker, Limit(per="recipient", count=2, within=10), most=1) == []
    assert len(send(store, worker, Limit(per="recipient", count=4, within=10))) == 1


def test_too_late_for_its_turn(store: Store, worker: Worker, clock: Clock) -> None:
    """What expires before its turn fails at once, and says when it could have gone."""
    one = Limit(per="recipient", count=1, within=3600)
    put(store, 1)
    send(store, worker, one)
    (late,) = put(store, 1, text="else", expires_at=clock.after(600))
    (patient,) = put(store, 1, text="third", expires_at=clock.after(9000))
    claim = take(store, worker, plan=by("clinic.json", limits=[one]))
    assert claim.expired == (late,)
    found = store.delivery(late)
    assert (found.state, found.code) == (State.EXPIRED, "limit")
    turn = shown(datetime.fromtimestamp(int(clock.now) + 3600, UTC))
    assert found.description == f"over a limit of account 'clinic': could go at {turn}, after it expires"
    assert states(store)[patient] is State.QUEUED


def test_hold_for_another_account(store: Store, worker: Worker) -> None:
    """A failover takes the slots of the next account, once, and learns who has to wait there."""
    one = Limit(per="recipient", count=1, within=100)
    intent = Intent("backup.json", (one,))
    put(store, 1)
    settle(store, take(store, worker, plan=lambda _: [intent]), State.ACCEPTED)
    ids = put(store, 1, 2, text="else")
    claim = take(store, worker, plan=by("clinic.json", limits=[one]))
    wanted = {number(1): ids[0], number(2): ids[1]}
    store.give_back(ids, "clinic")
    assert store.hold(claim.token, intent, wanted) == {number(1): pytest.approx(100.001)}
    assert store.hold(claim.token, intent, wanted) == {number(1): pytest.approx(100.001)}
    assert [store.delivery(id_).path for id_ in ids] == ["clinic.json", "backup.json"]
    put(store, 2, text="third")
    assert len(taken(take(store, worker, plan=by("clinic.json", limits=[one])))) == 1


def test_direct_sends_obey(store: Store, worker: Worker) -> None:
    """A direct send over every limit is told the wait, and has its intent noted without a path."""
    one = Limit(per="recipient", count=1, within=100)
    plan = by("clinic.json", limits=[one])
    _, claim = store.begin(worker, entry(1), plan=plan)
    settle(store, claim, State.ACCEPTED)
    enqueued, claim = store.begin(worker, entry(1, 2, text="else"), plan=plan)
    assert dict(claim.waits) == {number(1): pytest.approx(100.001)}
    assert dict(claim.held_over) == {number(1): enqueued.deliveries[0]}
    assert list(taken(claim)) == list(enqueued.deliveries[1:])
    store.retire(worker)
    store.lapse()
    assert [states(store)[id_] for id_ in enqueued.deliveries] == [State.REJECTED, State.IN_DOUBT]


def test_purged_slots_are_free_ones(store: Store, worker: Worker, clock: Clock) -> None:
    """Purging forgets slots that are free again, and no others."""
    put(store, 1)
    send(store, worker, Limit(per="recipient", count=1, within=10), Limit(per="recipient", count=1, within=100))
    clock.now += 50
    assert store.purge(clock.after(-1000)).rows["limit slots"] == 1
    put(store, 1, text="else")
    assert send(store, worker, Limit(per="recipient", count=1, within=100)) == []


def test_slots_are_taken_alone(
    store: Store, worker: Worker, url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one claim takes slots of an account no other can look how many there are."""
    put(store, 1, 2)
    plan = by("clinic.json", limits=[FIVE_IN_ALL])
    close = Ledger.close
    tried: list[str] = []

    def closing(self: Ledger) -> None:
        monkeypatch.undo()
        with (
            Store(url, busy=0.05, clock=clock) as other,
            pytest.raises(StoreError, match="locked by another") as caught,
        ):
            take(other, worker, most=1, plan=plan)
        tried.append(str(caught.value))
        close(self)

    monkeypatch.setattr(Ledger, "close", closing)
    assert len(taken(take(store, worker, most=1, plan=plan))) == len(tried) == 1


def claim_under_a_limit(url: str, count: int) -> int:
    """How many messages one process is allowed, one by one."""
    with Store(url) as store:
        worker = store.enroll()
        plan = by("clinic.json", limits=[Limit(per="account", count=count, within=3600)])
        found = 0
        while taken(claim := take(store, worker, most=3, plan=plan)) or claim.deferred:
            found += len(taken(claim))
            settle(store, claim, State.ACCEPTED)
        return found


def test_limit_across_processes(url: str, processes: Pool) -> None:
    """Two processes together never take more slots than there are, and leave none."""
    with Store(url) as store:
        put(store, *range(60))
        found = processes.starmap(claim_under_a_limit, [(url, 20), (url, 20)], chunksize=1)
        assert sum(found) == 20
        assert sum(state is State.ACCEPTED for state in states(store).values()) == 20


LIMITS = {
    "clinic.json": (
        Limit(per="recipient", count=2, within=20),
        Limit(per="recipient", count=3, within=60),
        Limit(per="account", count=4, within=30),
    ),
    "backup.json": (Limit(per="recipient", count=1, within=50),),
}


@dataclass
class Counted:
    """The model: for each limit and whom it counts, the deliveries under way, and when slots are free again."""

    under_way: dict[tuple[str, Limit, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    free_at: dict[tuple[str, Limit, str], list[int]] = field(default_factory=lambda: defaultdict(list))

    def keys(self, path: str, recipient: str) -> list[tuple[str, Limit, str]]:
        """Which counters count a message."""
        return [(path, limit, recipient if limit.per == "recipient" else "") for limit in LIMITS[path]]

    def room(self, key: tuple[str, Limit, str], now: float) -> bool:
        """Whether one more may go."""
        spent = [until for until in self.free_at[key] if until > int(now * 1000)]
        return len(spent) + len(self.under_way[key]) < key[1].count

    def start(self, path: str, recipient: str, id_: int, now: float) -> bool:
        """Let one go, if it may."""
        keys = self.keys(path, recipient)
        if not all(self.room(key, now) for key in keys):
            return False
        for key in keys:
            self.under_way[key].add(id_)
        return True

    def end(self, id_: int, now: float, *, left: bool) -> None:
        """One has its outcome."""
        for key, ids in self.under_way.items():
            if id_ in ids and left:
                span = int(key[1].within * 1000)
                step = 1 if key[2] else span // 1000
                self.free_at[key].append((int(now * 1000) // step + 1) * step + span)
            ids.discard(id_)


STEADY: Any = settings(
    max_examples=20,
    stateful_step_count=25,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
"""The same examples each time; a database may be slow at times."""


class Traffic(RuleBasedStateMachine):
    """Messages to few numbers by two accounts, outcomes in any order, and a clock."""

    store: Store
    clock: Clock
    worker: Worker

    def __init__(self) -> None:
        super().__init__()
        self.model = Counted()
        self.worker = self.store.enroll(lease=10**9)
        self.recipients: dict[int, str] = {}
        self.open: list[tuple[int, int]] = []
        self.left: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        self.began: dict[int, tuple[str, float]] = {}
        self.count = 0

    @rule(recipients=st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True))
    def enqueue(self, recipients: Sequence[int]) -> None:
        """A message comes in, unlike any other."""
        self.count += 1
        for id_, recipient in zip(put(self.store, *recipients, text=f"{self.count}"), recipients, strict=True):
            self.recipients[id_] = number(recipient)

    @rule(seconds=st.sampled_from([0.5, 1, 5, 19.999, 30, 61]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.now += seconds

    @rule(paths=st.sampled_from([("clinic.json",), ("backup.json",), ("clinic.json", "backup.json")]))
    def claim(self, paths: Sequence[str]) -> None:
        """Everything that is due is claimed, and what the model lets go goes, by the same path."""
        now = self.clock.now
        due = [row.id for row in self.store.deliveries(most=10_000) if row.state is State.QUEUED]
        due = [id_ for id_ in due if self.store.delivery(id_).due.timestamp() <= now]
        order = sorted(due, key=lambda id_: (self.store.delivery(id_).due, id_))
        claim = take(self.store, self.worker, most=1000, plan=lambda _: [Intent(path, LIMITS[path]) for path in paths])
        found = taken(claim)
        expected: dict[int, str] = {}
        for id_ in self._as_grouped(order):
            for path in paths:
                if self.model.start(path, self.recipients[id_], id_, now):
                    expected[id_] = path
                    break
        assert found == expected
        assert claim.deferred == len(due) - len(expected)
        self.open += [(claim.token, id_) for id_ in found]
        self.began |= {id_: (path, now) for id_, path in found.items()}

    def _as_grouped(self, order: Sequence[int]) -> list[int]:
        """Deliveries of one message together, where its first one stands; what was retried is apart."""
        groups: dict[tuple[int, int], list[int]] = {}
        for id_ in order:
            found = self.store.delivery(id_)
            groups.setdefault((found.message, found.attempts), []).append(id_)
        return [id_ for ids in groups.values() for id_ in ids]

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 1000), state=st.sampled_from([State.ACCEPTED, State.IN_DOUBT, State.QUEUED]))
    def end(self, which: int, state: State) -> None:
        """One of those under way has its outcome."""
        token, id_ = self.open.pop(which % len(self.open))
        assert self.store.record([Outcome(token=token, deliveries=[id_], state=state)]) == []
        self.model.end(id_, self.clock.now, left=state is not State.QUEUED)
        path, began = self.began.pop(id_)
        if state is not State.QUEUED:
            for key in self.model.keys(path, self.recipients[id_]):
                self.left[path, f"{key[1]}{key[2]}"].append((began, self.clock.now))

    @invariant()
    def never_more(self) -> None:
        """However the gateway counts between a message's claim and its outcome, no window holds more than its limit."""
        for path, limits in LIMITS.items():
            for limit in limits:
                for (by_path, key), times in self.left.items():
                    if by_path == path and key.startswith(f"{limit}"):
                        assert self._most_in_a_window(times, limit.within) <= limit.count

    def _most_in_a_window(self, times: Sequence[tuple[float, float]], within: float) -> int:
        """The most messages that surely do not all fit outside one window: each as late, and as early, as it may be."""
        latest = sorted(end for _, end in times)
        return max(
            (sum(1 for begin, finish in times if begin < end + within and finish >= end) for end in latest), default=0
        )


def test_any_traffic(store: Store, clock: Clock) -> None:
    """Whatever is sent in whatever order, exactly what the limits allow leaves, by the first account with room."""

    class Fresh(Traffic):
        def __init__(self) -> None:
            emptied(store)
            super().__init__()

    Fresh.store, Fresh.clock = store, clock
    run_state_machine_as_test(Fresh, settings=STEADY)

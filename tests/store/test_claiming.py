"""What workers take: in which order, in which parcels, for how long, and never the same twice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.pool import Pool

import pytest

from notify_core import Sms, State
from notify_core.errors import StoreError
from notify_core.messages import Message
from notify_core.store import Filter, Intent, Lane, LeaseLost, Store, Way, Worker
from tests.store.workshop import (
    LANE,
    NOTICES,
    OTP,
    PLAN,
    TEXT,
    Clock,
    by,
    entry,
    number,
    put,
    states,
    take,
    taken,
)


def test_claim_is_on_disk(store: Store, worker: Worker) -> None:
    """What is claimed is being sent, by a path that is written down before the request leaves."""
    ids = put(store, 1, 2)
    take(store, worker)
    assert [(row.id, row.state, row.path) for row in store.deliveries()] == [
        (ids[1], State.SENDING, "clinic.json"),
        (ids[0], State.SENDING, "clinic.json"),
    ]


def test_claimed_once(store: Store, worker: Worker) -> None:
    """What one claim took the next does not."""
    ids = put(store, *range(10))
    claims = [take(store, worker, most=4) for _ in range(4)]
    assert [list(taken(claim)) for claim in claims] == [ids[:4], ids[4:8], ids[8:], []]


def test_lanes_by_priority_then_by_waiting(store: Store, clock: Clock) -> None:
    """Lanes come by priority, and within one by who waits longest, with the seconds until something is due."""
    put(store, 1, due=clock.after(30))
    put(store, 2, way=OTP, priority=5)
    put(store, 3, 4, priority=-1)
    put(store, 5, due=clock.after(20))
    put(store, 6, way=Way(via="clinic.json"), due=clock.after(10))
    assert store.lanes() == [
        Lane(OTP, 5, 0.0),
        Lane(Way(via="clinic.json"), 0, 10.0),
        Lane(NOTICES, 0, 20.0),
        Lane(NOTICES, -1, 0.0),
    ]


def test_lanes_forget_what_is_taken(store: Store, worker: Worker) -> None:
    """A lane with nothing queued is none."""
    put(store, 1)
    take(store, worker)
    assert store.lanes() == []


def test_lane_by_time(store: Store, worker: Worker, clock: Clock) -> None:
    """In one lane what is due first is taken first, and of the same moment what was enqueued first."""
    late = put(store, 1)
    clock.now += 10
    early = put(store, 2, due=clock.after(-60))
    same = put(store, 3, due=clock.after(-60))
    assert [list(taken(take(store, worker, most=1))) for _ in range(3)] == [early, same, late]


def test_equal_texts_are_one_parcel(store: Store, worker: Worker) -> None:
    """Messages that say the same come in one parcel, others in their own."""
    first, second = put(store, 1, 2), put(store, 3)
    other = put(store, 4, text="else")
    parcels = take(store, worker).parcels
    assert [(parcel.message.to, list(parcel.deliveries.values())) for parcel in parcels] == [
        ((number(1), number(2), number(3)), [*first, *second]),
        ((number(4),), other),
    ]


def test_what_keeps_texts_apart(store: Store, worker: Worker, clock: Clock) -> None:
    """Another extension, another time at the provider, or other people to go to is another parcel."""
    sms = Sms(to=number(1), text="x")
    store.enqueue([entry(message=sms)])
    store.enqueue([entry(message=Sms(to=number(2), text="x", extension="1"))])
    store.enqueue([entry(message=Sms(to=number(3), text="x", send_at=clock.after(3600)))])
    store.enqueue([entry(message=sms.narrowed((number(9),)), transactional=True)])
    assert [parcel.message.to for parcel in take(store, worker).parcels] == [
        (number(1),),
        (number(2),),
        (number(3),),
        (number(9),),
    ]


def test_equal_texts_to_one_number(store: Store, worker: Worker) -> None:
    """Two messages that say the same to the same number are two parcels: one would lose one of them."""
    first, second = put(store, 1, 2), put(store, 2, 3)
    parcels = take(store, worker).parcels
    assert [list(parcel.deliveries.values()) for parcel in parcels] == [[*first, second[1]], [second[0]]]


def test_plan_is_asked_once_for_each_content(store: Store, worker: Worker) -> None:
    """The plan is told each distinct message once, to the first of its recipients, as it was enqueued."""
    asked: list[Message] = []

    def plan(message: Message) -> list[Intent]:
        asked.append(message)
        return [Intent("clinic.json")]

    put(store, 1, 2)
    put(store, 3, text="else")
    take(store, worker, plan=plan)
    assert asked == [entry(1).message, entry(3, text="else").message]


def test_plan_that_fails(store: Store, worker: Worker) -> None:
    """Nothing is claimed where the plan raises, and the error is the plan's own."""
    ids = put(store, 1)

    def plan(_: Message) -> list[Intent]:
        raise LookupError("no such route")

    with pytest.raises(LookupError, match="no such route"):
        take(store, worker, plan=plan)
    assert list(taken(take(store, worker))) == ids


def test_expired_is_not_sent(store: Store, worker: Worker, clock: Clock) -> None:
    """What expired is ended by the claim that finds it, and the rest of the claim leaves."""
    stale, fresh = put(store, 1, expires_at=clock.after(60)), put(store, 2, expires_at=clock.after(61))
    clock.now += 60
    claim = take(store, worker)
    assert claim.expired == tuple(stale)
    assert list(taken(claim)) == fresh
    assert states(store)[stale[0]] is State.EXPIRED
    assert "before it could leave" in store.delivery(stale[0]).description


def test_parcel_knows_when_its_first_expires(store: Store, worker: Worker, clock: Clock) -> None:
    """A parcel tells the seconds until the first of its deliveries expires, or that none does."""
    put(store, 1, expires_at=clock.after(90))
    put(store, 2, expires_at=clock.after(30))
    put(store, 3, text="else")
    assert [parcel.left for parcel in take(store, worker).parcels] == [30.0, None]


def test_expire(store: Store, clock: Clock) -> None:
    """The sweep ends what expired in any lane, and only that."""
    stale = put(store, *range(3), way=OTP, expires_at=clock.after(5), due=clock.after(1))
    put(store, 9, expires_at=clock.after(6))
    clock.now += 5
    assert sorted(store.expire()) == stale
    assert store.expire() == []
    assert {found for id_, found in states(store).items() if id_ in stale} == {State.EXPIRED}


def test_opted_out_is_suppressed(store: Store, worker: Worker) -> None:
    """Who opted out of the account gets nothing of it, transactional messages apart."""
    store.opt_out("clinic", [number(1), number(2)], "TD")
    ids = put(store, 1, 2, 3)
    must = put(store, 1, transactional=True)
    claim = take(store, worker)
    assert sorted(claim.suppressed) == ids[:2]
    assert sorted(taken(claim)) == sorted([ids[2], *must])
    assert states(store)[ids[0]] is State.SUPPRESSED


def test_opted_out_of_the_second_account(store: Store, worker: Worker) -> None:
    """Who opted out of any account that the message could leave by gets it by none."""
    store.opt_out("backup", [number(1)])
    ids = put(store, 1)
    assert take(store, worker, plan=by("clinic.json", "backup.json")).suppressed == tuple(ids)


def test_opting_in_again(store: Store, worker: Worker, clock: Clock) -> None:
    """An opt-out is listed with its word, is kept once, and ends when it is removed."""
    store.opt_out("clinic", [number(1)], "TD")
    store.opt_out("clinic", [number(1)], "退订")
    store.opt_out("other", [number(1)])
    (found,) = store.opt_outs("clinic")
    assert (found.recipient, found.word, found.since) == (number(1), "TD", clock.after(0))
    assert number(1) not in repr(found)
    assert len(store.opt_outs()) == 2
    assert store.opt_in("clinic", [number(1), number(2)]) == 1
    ids = put(store, 1)
    assert list(taken(take(store, worker))) == ids


def test_lease_that_is_extended(store: Store, worker: Worker, clock: Clock) -> None:
    """A worker that says that it lives keeps what it has."""
    put(store, 1)
    take(store, worker)
    for _ in range(4):
        clock.now += 45
        store.heartbeat(worker)
    assert store.lapse() == []


def test_lapse(store: Store, worker: Worker, clock: Clock) -> None:
    """What a worker had that is gone is in doubt, and tells since when and by which path; the others are not."""
    ids = put(store, 1, 2)
    take(store, worker)
    clock.now += 50
    other = store.enroll("other", lease=60)
    held = put(store, 3)
    take(store, other)
    queued = put(store, 4)
    clock.now += 11
    assert sorted(store.lapse()) == ids
    assert states(store) == {
        ids[0]: State.IN_DOUBT,
        ids[1]: State.IN_DOUBT,
        held[0]: State.SENDING,
        queued[0]: State.QUEUED,
    }
    assert store.delivery(ids[0]).code == "lapsed"
    assert [(event.at, event.what, event.path, event.code) for event in store.timeline(ids[0])] == [
        (clock.after(-61), "queued", "", ""),
        (clock.after(-61), "sending", "clinic.json", ""),
        (clock.after(0), "in_doubt", "clinic.json", "lapsed"),
    ]


def test_worker_that_lapsed(store: Store, worker: Worker, clock: Clock) -> None:
    """A worker whose lease is over can neither extend it nor claim: it has to enroll again."""
    clock.now += 61
    put(store, 1)
    with pytest.raises(LeaseLost, match="lease of worker worker lapsed"):
        store.heartbeat(worker)
    with pytest.raises(LeaseLost, match="enroll again"):
        take(store, worker)
    assert len(taken(take(store, store.enroll("again")))) == 1


def test_claim_extends_a_lease_that_is_half_over(store: Store, worker: Worker, clock: Clock) -> None:
    """A worker that claims lives: its lease is extended without a heartbeat."""
    put(store, 1, 2)
    take(store, worker, most=1)
    clock.now += 40
    take(store, worker, most=1)
    clock.now += 40
    assert store.lapse() == []


def test_retired_worker(store: Store, worker: Worker) -> None:
    """What a worker has when it retires lapses at once."""
    ids = put(store, 1)
    take(store, worker)
    store.retire(worker)
    assert store.lapse() == ids


def test_handed_back(store: Store, worker: Worker) -> None:
    """What is handed back is claimed again, and counts as never tried."""
    ids = put(store, 1, 2, 3)
    claim = take(store, worker)
    store.hand_back(claim.token, ids[:2])
    again = take(store, worker)
    assert list(taken(again)) == ids[:2]
    assert again.parcels[0].attempts == 0
    store.hand_back(claim.token, ids)
    assert states(store) == {ids[0]: State.SENDING, ids[1]: State.SENDING, ids[2]: State.QUEUED}


def test_hold_notes_the_path(store: Store, worker: Worker) -> None:
    """The path of a failover is on disk before the request leaves by it."""
    ids = put(store, 1, 2)
    claim = take(store, worker)
    assert store.hold(claim.token, Intent("backup.json"), {number(2): ids[1]}) == {}
    assert {row.id: row.path for row in store.deliveries()} == {ids[0]: "clinic.json", ids[1]: "backup.json"}


def test_hold_after_the_lease(store: Store, worker: Worker, clock: Clock) -> None:
    """Nothing may leave by another path once the lease lapsed."""
    ids = put(store, 1)
    claim = take(store, worker)
    clock.now += 61
    store.lapse()
    with pytest.raises(LeaseLost, match="in the middle of sending"):
        store.hold(claim.token, Intent("backup.json"), {number(1): ids[0]})
    assert store.delivery(ids[0]).path == "clinic.json"


def test_hold_under_another_claim(store: Store, worker: Worker) -> None:
    """What was handed back and claimed again belongs to the new claim: the old one can send it by no path."""
    ids = put(store, 1)
    first = take(store, worker)
    store.hand_back(first.token, ids)
    take(store, worker)
    with pytest.raises(LeaseLost):
        store.hold(first.token, Intent("backup.json"), {number(1): ids[0]})
    assert store.delivery(ids[0]).path == "clinic.json"


def test_begin(store: Store, worker: Worker) -> None:
    """A direct send is written down as being sent, by its path, before it leaves; no worker takes it."""
    enqueued, claim = store.begin(worker, entry(1, 2, way=Way(via="clinic.json"), key="k"), plan=PLAN)
    assert list(taken(claim)) == list(enqueued.deliveries)
    assert store.lanes() == []
    assert {(row.state, row.path) for row in store.deliveries()} == {(State.SENDING, "clinic.json")}
    again, nothing = store.begin(worker, entry(1, 2, key="k"), plan=PLAN)
    assert (again.new, nothing.parcels) == (False, ())
    assert list(again.deliveries) == list(enqueued.deliveries)


def test_begin_leaves_other_work_alone(store: Store, worker: Worker) -> None:
    """A direct send claims its own message, not what else is queued."""
    queued = put(store, 1)
    enqueued, claim = store.begin(worker, entry(1), plan=PLAN)
    assert list(taken(claim)) == list(enqueued.deliveries)
    assert list(taken(take(store, worker))) == queued


def lose_commits(patch: pytest.MonkeyPatch) -> None:
    """Let every transaction be committed and its answer be lost."""
    writing = Store._writing

    @contextmanager
    def losing(self: Store) -> Iterator[object]:
        with writing(self) as facts:
            yield facts
        raise StoreError("the database cannot be reached")

    patch.setattr(Store, "_writing", losing)


def test_claim_whose_commit_is_uncertain(store: Store, worker: Worker) -> None:
    """What was claimed without the worker's knowing it goes back into the queue with the next heartbeat."""
    ids = put(store, 1)
    with pytest.MonkeyPatch.context() as patch:
        lose_commits(patch)
        with pytest.raises(StoreError):
            take(store, worker)
    assert states(store) == {ids[0]: State.SENDING}
    store.heartbeat(worker)
    assert list(taken(take(store, worker))) == ids
    assert worker.uncertain == {}


def test_direct_send_whose_commit_is_uncertain(store: Store, worker: Worker) -> None:
    """A direct send that could not be confirmed did not leave, and is never sent behind the caller's back."""
    with pytest.MonkeyPatch.context() as patch:
        lose_commits(patch)
        with pytest.raises(StoreError):
            store.begin(worker, entry(1), plan=PLAN)
    store.begin(worker, entry(2), plan=PLAN)
    assert [row.state for row in store.deliveries(Filter(recipient=number(1)))] == [State.REJECTED]


def claim_all(url: str, most: int) -> list[int]:
    """All that one process gets, with two threads, until nothing is left."""
    with Store(url) as store, ThreadPoolExecutor(2) as pool:
        worker = store.enroll()

        def run(_: int) -> list[int]:
            found: list[int] = []
            while ids := list(taken(take(store, worker, most=most))):
                found += ids
            return found

        return [id_ for ids in pool.map(run, range(2)) for id_ in ids]


def test_processes_never_get_the_same(url: str, processes: Pool) -> None:
    """Two processes with two threads each that claim at once get every delivery, and none of them twice."""
    with Store(url) as store:
        ids = put(store, *range(600))
        found = processes.starmap(claim_all, [(url, 7), (url, 7)], chunksize=1)
        assert sorted(found[0] + found[1]) == ids
        assert set(states(store).values()) == {State.SENDING}


def test_claims_of_one_lane_pass_each_other(store: Store, worker: Worker, url: str) -> None:
    """A claim in the middle of its transaction holds up no other of the same lane (PostgreSQL), nor shares with it."""
    ids = put(store, *range(4))
    other: list[int] = []

    def plan(_: Message) -> list[Intent]:
        if not other and url.startswith("postgresql"):
            with ThreadPoolExecutor(1) as pool:
                other.extend(pool.submit(lambda: list(taken(take(store, worker, most=2)))).result())
        return [Intent("clinic.json")]

    first = list(taken(store.claim(worker, LANE, most=2, plan=plan)))
    assert first == ids[:2]
    assert other == (ids[2:] if url.startswith("postgresql") else [])


def test_claim_shows_no_numbers(store: Store, worker: Worker) -> None:
    """The repr of a claim has no whole number and no text."""
    put(store, 1)
    shown = repr(take(store, worker))
    assert number(1) not in shown
    assert TEXT not in shown

"""What became of deliveries: recorded once, in legal moves only, however late or often it is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from notify_core import Delivery, Result, Scope, SendError, Sent, State
from notify_core.errors import StoreError
from notify_core.results import Attempt
from notify_core.states import FINAL, MOVES, IllegalMove
from notify_core.store import Claim, Outcome, Parcel, Store, Worker
from tests.store.workshop import (
    Clock,
    attempt,
    in_doubt,
    number,
    outcome,
    put,
    settle,
    states,
    take,
    taken,
)

REFUSED = SendError("connection refused", scope=Scope.TRANSPORT, code="refused")
CUT = SendError("the connection was cut", sent=Sent.UNKNOWN)


def test_accepted(store: Store, worker: Worker) -> None:
    """What a gateway took is accepted, with its path and the gateway's task id."""
    ids = put(store, 1, 2)
    assert settle(store, take(store, worker), State.ACCEPTED) == []
    for id_ in ids:
        found = store.delivery(id_)
        assert (found.state, found.path, found.task_id, found.attempts) == (State.ACCEPTED, "clinic.json", "T1", 1)


def test_rejected(store: Store, worker: Worker) -> None:
    """What surely was not sent and is not tried again is rejected, with the reason."""
    (id_,) = put(store, 1)
    settle(store, take(store, worker), State.REJECTED, error=REFUSED)
    found = store.delivery(id_)
    assert (found.state, found.code, found.description) == (State.REJECTED, "refused", "connection refused")


def test_tried_again(store: Store, worker: Worker, clock: Clock) -> None:
    """What is to be tried again waits its time in the queue, and knows how often it was tried."""
    (id_,) = put(store, 1)
    settle(store, take(store, worker), State.QUEUED, after=30, error=REFUSED)
    assert taken(take(store, worker)) == {}
    assert store.lanes()[0].wait == 30
    clock.now += 30
    (parcel,) = take(store, worker).parcels
    assert (list(parcel.deliveries.values()), parcel.attempts) == ([id_], 1)


def test_in_doubt_is_not_sent_again(store: Store, worker: Worker, clock: Clock) -> None:
    """What is in doubt is claimed by nobody, however long it waits."""
    (id_,) = in_doubt(store, worker, 1)
    clock.now += 10**9
    again = store.enroll()
    assert store.lanes() == []
    assert taken(take(store, again)) == {}
    assert states(store) == {id_: State.IN_DOUBT}


def test_many_outcomes_at_once(store: Store, worker: Worker) -> None:
    """One call records different outcomes of many parcels, each for its own deliveries."""
    wanted = [State.ACCEPTED, State.REJECTED, State.IN_DOUBT, State.QUEUED] * 5
    ids = [put(store, 1, 2, text=f"{which}") for which in range(len(wanted))]
    parcels = take(store, worker).parcels
    store.record([outcome(parcel, state) for parcel, state in zip(parcels, wanted, strict=True)])
    found = states(store)
    assert [(found[first], found[second]) for first, second in ids] == [(state, state) for state in wanted]


def test_recorded_twice(store: Store, worker: Worker) -> None:
    """The same outcomes recorded again, as after a lost answer, are no news and add nothing."""
    put(store, 1, 2)
    put(store, 3, text="else")
    accepted, doubt = take(store, worker).parcels
    outcomes = [outcome(accepted, State.ACCEPTED), outcome(doubt, State.IN_DOUBT, error=CUT)]
    assert store.record(outcomes) == []
    before = [store.timeline(id_) for id_ in sorted(states(store))]
    assert sorted(store.record(outcomes)) == sorted(states(store))
    assert [store.timeline(id_) for id_ in sorted(states(store))] == before


def test_recorded_after_it_was_claimed_again(store: Store, worker: Worker) -> None:
    """An outcome that was recorded, and is recorded again after the next claim, does not touch that claim."""
    (id_,) = put(store, 1)
    first = take(store, worker)
    settle(store, first, State.QUEUED, error=REFUSED)
    take(store, worker)
    assert settle(store, first, State.QUEUED, error=REFUSED) == [id_]
    assert states(store) == {id_: State.SENDING}


@pytest.mark.parametrize(
    ("late", "state"),
    [
        (State.ACCEPTED, State.ACCEPTED),
        (State.REJECTED, State.IN_DOUBT),
        (State.QUEUED, State.IN_DOUBT),
        (State.IN_DOUBT, State.IN_DOUBT),
    ],
)
def test_outcome_after_the_lapse(store: Store, worker: Worker, clock: Clock, late: State, state: State) -> None:
    """Once it lapsed a delivery can still become accepted by its own worker, and is never queued or rejected."""
    (id_,) = put(store, 1)
    claim = take(store, worker)
    clock.now += 61
    store.lapse()
    assert settle(store, claim, late, error=REFUSED) == ([] if state is not State.IN_DOUBT else [id_])
    assert states(store) == {id_: state}


def test_late_refusal_is_kept(store: Store, worker: Worker, clock: Clock) -> None:
    """That a delivery surely was not sent, told after it lapsed, is in its timeline for the person who decides."""
    (id_,) = put(store, 1)
    claim = take(store, worker)
    clock.now += 61
    store.lapse()
    settle(store, claim, State.REJECTED, error=REFUSED)
    assert ("rejected", "refused") in [(event.what, event.code) for event in store.timeline(id_)]


def test_outcome_of_another_claim(store: Store, worker: Worker) -> None:
    """An outcome under another token than the claim's changes nothing."""
    ids = put(store, 1)
    parcel = take(store, worker).parcels[0]
    stray = Outcome(token=parcel.token + 1, deliveries=ids, state=State.ACCEPTED)
    assert store.record([stray]) == ids
    assert states(store) == {ids[0]: State.SENDING}


def test_whatever_a_gateway_says(store: Store, worker: Worker) -> None:
    """What a gateway answers with is kept, also where it is no text that a database takes."""
    (id_,) = put(store, 1)
    (parcel,) = take(store, worker).parcels
    odd = "\0 \ud83d 短信 \x1f"
    tried = replace(attempt(parcel, State.REJECTED, error=SendError(odd, code=odd)), raw=odd, task_id=odd)
    store.record([replace(outcome(parcel, State.REJECTED, error=tried.error), attempts=(tried,))])
    assert store.delivery(id_).code == store.timeline(id_)[-1].description == "\ufffd ? 短信 \x1f"
    store.cancel(put(store, 2), odd)


def test_outcome_of_nothing(store: Store) -> None:
    """No outcomes, and outcomes of deliveries that are gone, are no error."""
    assert store.record([]) == []
    assert store.record([Outcome(token=1, deliveries=[12345], state=State.ACCEPTED)]) == [12345]


def test_part_of_a_parcel(store: Store, worker: Worker) -> None:
    """Deliveries of one submission may end differently: one refused by name is rejected, with its own reason."""
    ids = put(store, 1, 2)
    (parcel,) = take(store, worker).parcels
    shared = attempt(parcel, State.ACCEPTED, task_id="T9")
    blacklisted = SendError("black-listed number", scope=Scope.RECIPIENT, code="1109")
    store.record(
        [
            Outcome(token=parcel.token, deliveries=ids[:1], state=State.ACCEPTED, attempts=(shared,)),
            Outcome(
                token=parcel.token, deliveries=ids[1:], state=State.REJECTED, attempts=(shared,), error=blacklisted
            ),
        ]
    )
    found = [store.delivery(id_) for id_ in ids]
    assert [(row.state, row.code, row.task_id) for row in found] == [
        (State.ACCEPTED, "", "T9"),
        (State.REJECTED, "1109", "T9"),
    ]
    assert [event.what for event in store.timeline(ids[1])] == ["queued", "rejected"]


def failed_over(parcel: Parcel) -> Result:
    """A result in which the first path refused, and the second took one recipient and refused the other."""
    to = parcel.message.to
    at = datetime(2027, 1, 15, 8, tzinfo=UTC)
    first = Attempt(path="clinic.json", at=at, seconds=1, recipients=to, state=State.REJECTED, error=REFUSED)
    second = Attempt(path="backup.json", at=at, seconds=1, recipients=to, state=State.ACCEPTED, task_id="T2")
    deliveries = (
        Delivery(recipient=to[0], state=State.ACCEPTED, path="backup.json", task_id="T2"),
        Delivery(recipient=to[1], state=State.REJECTED, error=REFUSED),
    )
    return Result(route="notices", deliveries=deliveries, attempts=(first, second), segments=1)


def test_outcomes_of_a_result(store: Store, worker: Worker) -> None:
    """A result of sending becomes outcomes: what was refused is tried again or not, as the caller says."""
    ids = put(store, 1, 2)
    (parcel,) = take(store, worker).parcels
    result = failed_over(parcel)
    never = parcel.outcomes(result, lambda _: None)
    assert [(found.deliveries, found.state) for found in never] == [
        (ids[:1], State.ACCEPTED),
        (ids[1:], State.REJECTED),
    ]
    store.record(parcel.outcomes(result, lambda _: 5.0))
    assert states(store) == {ids[0]: State.ACCEPTED, ids[1]: State.QUEUED}
    assert [store.delivery(id_).attempts for id_ in ids] == [2, 2]
    assert [(event.what, event.path, event.task_id) for event in store.timeline(ids[0])] == [
        ("queued", "", ""),
        ("rejected", "clinic.json", ""),
        ("accepted", "backup.json", "T2"),
    ]


def test_cancel(store: Store) -> None:
    """What is queued can be taken back."""
    ids = put(store, 1, 2)
    store.cancel(ids[:1], "the appointment was moved")
    assert states(store) == {ids[0]: State.CANCELLED, ids[1]: State.QUEUED}
    assert store.timeline(ids[0])[-1].description == "the appointment was moved"


def test_hasten(store: Store, worker: Worker, clock: Clock) -> None:
    """What waits for its time can be let go at once."""
    ids = put(store, 1, 2, due=clock.after(3600))
    store.hasten(ids[1:])
    assert list(taken(take(store, worker))) == ids[1:]


@pytest.mark.parametrize("state", [State.ACCEPTED, State.DELIVERED, State.UNDELIVERED, State.ABANDONED])
def test_resolve(store: Store, worker: Worker, state: State) -> None:
    """A person who knows what became of a delivery in doubt can say it, and his words are in the timeline."""
    (id_,) = in_doubt(store, worker, 1)
    store.resolve([id_], state, "the provider's support says so")
    assert states(store) == {id_: state}
    last = store.timeline(id_)[-1]
    assert (last.what, last.code, last.description) == (state.value, "resolved", "the provider's support says so")


def test_resolve_what_is_not_in_doubt(store: Store, worker: Worker) -> None:
    """Only what is in doubt can be resolved: not what is being sent, nor what was accepted."""
    (sending,) = put(store, 1)
    claim = take(store, worker)
    with pytest.raises(IllegalMove, match=f"delivery {sending} is sending: only one that is in_doubt"):
        store.resolve([sending], State.ACCEPTED)
    settle(store, claim, State.ACCEPTED)
    with pytest.raises(IllegalMove, match=f"delivery {sending} is accepted"):
        store.resolve([sending], State.DELIVERED)


@pytest.mark.parametrize("state", sorted(set(State) - MOVES[State.IN_DOUBT]))
def test_resolve_to_what_cannot_follow(store: Store, worker: Worker, state: State) -> None:
    """A delivery in doubt cannot be resolved to a state that may not follow; above all it is never queued again."""
    (id_,) = in_doubt(store, worker, 1)
    with pytest.raises(IllegalMove, match=f"cannot become {state}"):
        store.resolve([id_], state)
    assert states(store) == {id_: State.IN_DOUBT}


def test_all_or_nothing(store: Store, worker: Worker) -> None:
    """Where one of several deliveries cannot be moved, or is not there, none of them is."""
    doubtful, queued = in_doubt(store, worker, 1), put(store, 2)
    for ids in (queued + doubtful, [*queued, 999]):
        with pytest.raises((IllegalMove, StoreError), match=r"only one that is queued|there is no delivery 999"):
            store.cancel(ids)
    with pytest.raises(IllegalMove):
        store.resolve(doubtful + queued, State.ABANDONED)
    with pytest.raises(IllegalMove):
        store.hasten(queued + doubtful)
    assert states(store) == {doubtful[0]: State.IN_DOUBT, queued[0]: State.QUEUED}


def reach(store: Store, worker: Worker, clock: Clock, state: State) -> tuple[int, Claim]:
    """A delivery in ``state``, and the claim under which it was sent."""
    (id_,) = put(store, 1, expires_at=clock.after(30))
    if state is State.CANCELLED:
        store.cancel([id_])
    elif state is State.EXPIRED:
        clock.now += 30
        store.expire()
    elif state is State.SUPPRESSED:
        store.opt_out("clinic", [number(1)])
    claim = take(store, worker)
    if state in (State.ACCEPTED, State.REJECTED):
        settle(store, claim, state)
    elif state in (State.ABANDONED, State.DELIVERED, State.UNDELIVERED):
        settle(store, claim, State.IN_DOUBT)
        store.resolve([id_], state)
    assert states(store) == {id_: state}
    return id_, claim


@pytest.mark.parametrize("state", sorted(FINAL))
def test_nothing_follows_an_end(store: Store, worker: Worker, clock: Clock, state: State) -> None:
    """No outcome, sweep or person moves a delivery out of a state that is final."""
    id_, claim = reach(store, worker, clock, state)
    for after in (State.ACCEPTED, State.REJECTED, State.IN_DOUBT, State.QUEUED):
        store.record([Outcome(token=claim.token, deliveries=[id_], state=after)])
    clock.now += 1000
    store.expire()
    store.lapse()
    for move in (store.cancel, store.hasten):
        with pytest.raises(IllegalMove):
            move([id_])
    with pytest.raises(IllegalMove):
        store.resolve([id_], State.ABANDONED)
    assert states(store) == {id_: state}

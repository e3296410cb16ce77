"""Every move of the table, and every one that is not in it, through every door of the store that moves a delivery."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import pytest

from notify_core import State
from notify_core.errors import StoreError
from notify_core.messages import Report
from notify_core.states import MOVES, IllegalMove
from notify_core.store import Outcome, Payload, Store
from tests.store.workshop import Clock, emptied, number, outcome, put, states, take, taken

TASK = "T1"
ALIVE = 1000.0
"""Seconds that a message lives."""


@dataclass
class Patient:
    """One delivery in some state: its id, and the token of its last claim (0: it had none)."""

    store: Store
    clock: Clock
    id: int
    token: int = 0


def queued(store: Store, clock: Clock) -> Patient:
    """One that waits."""
    return Patient(store, clock, *put(store, 1, expires_at=clock.after(ALIVE)))


def sending(store: Store, clock: Clock) -> Patient:
    """One that a worker has, whose lease lasts as long as the message lives."""
    patient = queued(store, clock)
    patient.token = take(store, store.enroll(lease=2 * ALIVE)).token
    return patient


def recorded(state: State) -> Callable[[Store, Clock], Patient]:
    """One whose outcome is this."""

    def made(store: Store, clock: Clock) -> Patient:
        patient = queued(store, clock)
        claim = take(store, store.enroll(lease=2 * ALIVE))
        patient.token = claim.token
        store.record([outcome(parcel, state) for parcel in claim.parcels])
        return patient

    return made


def resolved(state: State) -> Callable[[Store, Clock], Patient]:
    """One that was in doubt, until somebody said this of it."""

    def made(store: Store, clock: Clock) -> Patient:
        patient = recorded(State.IN_DOUBT)(store, clock)
        store.resolve([patient.id], state)
        return patient

    return made


def reported(state: State) -> Callable[[Store, Clock], Patient]:
    """One of which the gateway reported this."""

    def made(store: Store, clock: Clock) -> Patient:
        patient = recorded(State.ACCEPTED)(store, clock)
        report(state)(patient)
        return patient

    return made


def expired(store: Store, clock: Clock) -> Patient:
    """One whose time passed."""
    patient = queued(store, clock)
    expire(patient)
    return patient


def cancelled(store: Store, clock: Clock) -> Patient:
    """One that was taken back."""
    patient = queued(store, clock)
    store.cancel([patient.id])
    return patient


def suppressed(store: Store, clock: Clock) -> Patient:
    """One whose recipient had opted out."""
    patient = queued(store, clock)
    opt_out(patient)
    store.opt_in("clinic", [number(1)])
    return patient


MADE: Mapping[State, Callable[[Store, Clock], Patient]] = {
    State.QUEUED: queued,
    State.SENDING: sending,
    State.ACCEPTED: recorded(State.ACCEPTED),
    State.REJECTED: recorded(State.REJECTED),
    State.IN_DOUBT: recorded(State.IN_DOUBT),
    State.DELIVERED: reported(State.DELIVERED),
    State.UNDELIVERED: reported(State.UNDELIVERED),
    State.ABANDONED: resolved(State.ABANDONED),
    State.EXPIRED: expired,
    State.CANCELLED: cancelled,
    State.SUPPRESSED: suppressed,
}


# --- the doors


def claim(patient: Patient) -> None:
    """A worker takes what is due."""
    take(patient.store, patient.store.enroll())


def cancel(patient: Patient) -> None:
    """Somebody takes it back."""
    patient.store.cancel([patient.id])


def hasten(patient: Patient) -> None:
    """Somebody lets it leave at once."""
    patient.store.hasten([patient.id])


def resolve(state: State) -> Callable[[Patient], None]:
    """Somebody says what became of it."""
    return lambda patient: patient.store.resolve([patient.id], state)


def record(state: State) -> Callable[[Patient], None]:
    """Its worker says what became of it."""
    return lambda patient: _record(patient, state, patient.token or 1)


def record_by_another(state: State) -> Callable[[Patient], None]:
    """A worker says so whose claim is another."""
    return lambda patient: _record(patient, state, patient.token + 1)


def _record(patient: Patient, state: State, token: int) -> None:
    before = states(patient.store)[patient.id]
    no_news = patient.store.record([Outcome(token=token, deliveries=[patient.id], state=state)])
    assert (no_news == [patient.id]) is (states(patient.store)[patient.id] is before)


def hand_back(patient: Patient) -> None:
    """Its worker puts it back."""
    patient.store.hand_back(patient.token or 1, [patient.id])


def expire(patient: Patient) -> None:
    """Its time passes."""
    patient.clock.now += ALIVE
    patient.store.expire()


def lapse(patient: Patient) -> None:
    """Every worker is gone for long."""
    patient.clock.now += 3 * ALIVE
    patient.store.lapse()


def opt_out(patient: Patient) -> None:
    """Its recipient opts out before a worker comes."""
    patient.store.opt_out("clinic", [number(1)], "TD")
    claim(patient)
    patient.store.opt_in("clinic", [number(1)])


def report(state: State) -> Callable[[Patient], None]:
    """The gateway reports what became of it."""

    def told(patient: Patient) -> None:
        payload = Payload(account="clinic", transport="json", origin="push", hook="push", request={}, body=b"")
        said = Report(recipient=number(1), task_id=TASK, state=state, code="DELIVRD")
        patient.store.apply(patient.store.keep(payload), [said])

    return told


@dataclass(frozen=True)
class Door:
    """A way in which the store moves deliveries: from which states, and to which one."""

    use: Callable[[Patient], None]
    to: State
    before: Sequence[State]
    raises: bool = False


QUEUED, SENDING, IN_DOUBT = (State.QUEUED,), (State.SENDING,), (State.IN_DOUBT,)
RESOLVED = (State.ACCEPTED, State.DELIVERED, State.UNDELIVERED, State.ABANDONED)
"""What may be said of a delivery in doubt. All this is written out, and not read from the table that is tried."""

DOORS: Mapping[str, Door] = {
    "claim": Door(claim, State.SENDING, QUEUED),
    "cancel": Door(cancel, State.CANCELLED, QUEUED, raises=True),
    "hasten": Door(hasten, State.QUEUED, QUEUED, raises=True),
    "hand back": Door(hand_back, State.QUEUED, SENDING),
    "opt out": Door(opt_out, State.SUPPRESSED, QUEUED),
    **{
        f"resolve as {state}": Door(resolve(state), state, IN_DOUBT if state in RESOLVED else (), raises=True)
        for state in State
    },
    "record accepted": Door(record(State.ACCEPTED), State.ACCEPTED, SENDING + IN_DOUBT),
    "record rejected": Door(record(State.REJECTED), State.REJECTED, SENDING),
    "record in doubt": Door(record(State.IN_DOUBT), State.IN_DOUBT, SENDING),
    "record queued": Door(record(State.QUEUED), State.QUEUED, SENDING),
    **{
        f"record {state} by another claim": Door(record_by_another(state), state, ())
        for state in (State.ACCEPTED, State.REJECTED, State.IN_DOUBT, State.QUEUED)
    },
    "report accepted": Door(report(State.ACCEPTED), State.ACCEPTED, ()),
    "report delivered": Door(report(State.DELIVERED), State.DELIVERED, (State.ACCEPTED,)),
    "report undelivered": Door(report(State.UNDELIVERED), State.UNDELIVERED, (State.ACCEPTED,)),
    # Time passes by these: they come last.
    "expire": Door(expire, State.EXPIRED, QUEUED),
    "lapse": Door(lapse, State.IN_DOUBT, SENDING),
}


@pytest.mark.parametrize("state", MADE)
def test_every_door_that_leads_on(store: Store, clock: Clock, state: State) -> None:
    """Each door that is open to a delivery in this state takes it where the table says."""
    for name, door in DOORS.items():
        if state in door.before:
            patient = MADE[state](emptied(store), clock)
            assert states(store) == {patient.id: state}, name
            door.use(patient)
            assert states(store) == {patient.id: door.to}, name


@pytest.mark.parametrize("state", MADE)
def test_every_door_that_does_not(store: Store, clock: Clock, state: State) -> None:
    """Each other door raises where somebody asked for the move, or does nothing; the delivery stays what it is."""
    patient = MADE[state](store, clock)
    for name, door in DOORS.items():
        if state in door.before:
            continue
        with pytest.raises(IllegalMove) if door.raises else nullcontext():
            door.use(patient)
        assert states(store) == {patient.id: state}, name


def test_the_table_is_what_the_doors_make() -> None:
    """The table has no move for which there is no door here, and none is made that is not in it."""
    made = {(before, door.to) for door in DOORS.values() for before in door.before}
    table = {(before, after) for before, following in MOVES.items() for after in following}
    assert made - {(State.QUEUED, State.QUEUED)} == table


@pytest.mark.parametrize("name", [name for name, door in DOORS.items() if door.raises])
def test_all_or_none(store: Store, clock: Clock, name: str) -> None:
    """Where one of several may not move, none does."""
    door = DOORS[name]
    good = MADE[door.before[0]](store, clock) if door.before else None
    (bad,) = put(store, 2, due=clock.after(5000))
    store.cancel([bad])
    before = states(store)
    both = Patient(store, clock, bad)
    uses: Mapping[str, Callable[[], None]] = {
        "cancel": lambda: store.cancel([*_ids(good), bad]),
        "hasten": lambda: store.hasten([*_ids(good), bad]),
    }
    with pytest.raises(IllegalMove):
        uses.get(name, lambda: store.resolve([*_ids(good), both.id], door.to))()
    assert states(store) == before


def _ids(patient: Patient | None) -> list[int]:
    return [] if patient is None else [patient.id]


def test_nobody_moves_what_is_not_there(store: Store) -> None:
    """An id that the store does not have is an error that says where to look."""
    for use in (store.cancel, store.hasten, lambda ids: store.resolve(ids, State.ABANDONED)):
        with pytest.raises(StoreError, match="notify outbox list"):
            use([12345])
    assert taken(take(store, store.enroll())) == {}

"""What the store tells: deliveries by filter, and a life that can be read aloud."""

from __future__ import annotations

import pytest

from notify_core import SendError, State
from notify_core.errors import StoreError
from notify_core.store import Filter, Store, Way, Worker
from tests.store.workshop import NOTICES, OTP, Clock, by, in_doubt, number, put, settle, take


@pytest.fixture
def world(store: Store, worker: Worker, clock: Clock) -> dict[str, list[int]]:
    """Deliveries of every sort."""
    ids = {"accepted": put(store, 1, 2, key="k")}
    settle(store, take(store, worker), State.ACCEPTED)
    ids["doubt"] = in_doubt(store, worker, 3)
    clock.now += 50
    ids["otp"] = put(store, 1, way=OTP, priority=3, expires_at=clock.after(60))
    ids["backup"] = put(store, 4)
    settle(store, take(store, worker, plan=by("clinic2.json")), State.REJECTED)
    ids["via"] = put(store, 5, way=Way(via="clinic.json"))
    return ids


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Filter(), ["via", "backup", "otp", "doubt", "accepted"]),
        (Filter(states=[State.IN_DOUBT]), ["doubt"]),
        (Filter(states=[State.QUEUED, State.REJECTED]), ["via", "backup", "otp"]),
        (Filter(recipient=number(4)), ["backup"]),
        (Filter(way=OTP), ["otp"]),
        (Filter(way=Way(via="clinic.json")), ["via"]),
        (Filter(path="clinic.json"), ["doubt", "accepted"]),
        (Filter(path="clinic"), ["doubt", "accepted"]),
        (Filter(path="clinic2"), ["backup"]),
        (Filter(key="k"), ["accepted"]),
        (Filter(task_id="T1"), ["accepted"]),
        (Filter(states=[State.ACCEPTED], way=NOTICES, path="clinic"), ["accepted"]),
        (Filter(states=[State.ACCEPTED], way=OTP), []),
    ],
)
def test_filter(store: Store, world: dict[str, list[int]], wanted: Filter, names: list[str]) -> None:
    """A filter finds what fits it in all respects, newest first."""
    expected = [id_ for name in names for id_ in reversed(world[name])]
    assert [row.id for row in store.deliveries(wanted)] == expected


def test_filter_by_ids(store: Store, world: dict[str, list[int]]) -> None:
    """Those of which one has the numbers are found, newest first, and no number is found that nobody has."""
    (one,), (two,) = world["otp"], world["via"]
    assert [row.id for row in store.deliveries(Filter(ids=[one, two, 10**9]))] == [two, one]


def test_filter_by_time(store: Store, world: dict[str, list[int]], clock: Clock) -> None:
    """Times bound when a delivery was enqueued: from the first on, up to before the second."""
    early, late = store.deliveries(Filter(until=clock.after(0))), store.deliveries(Filter(since=clock.after(0)))
    assert {row.id for row in early} == {*world["accepted"], *world["doubt"]}
    assert {row.id for row in late} == {*world["otp"], *world["backup"], *world["via"]}


def test_pages(store: Store) -> None:
    """Paging shows every delivery once."""
    ids = put(store, *range(10))
    found: list[int] = []
    while page := store.deliveries(Filter(below=found[-1] if found else None), most=3):
        found += [row.id for row in page]
    assert found == ids[::-1]


def test_facts_of_a_delivery(store: Store, world: dict[str, list[int]], clock: Clock) -> None:
    """A delivery tells all that is known of it, in aware times."""
    found = store.delivery(world["otp"][0])
    assert (found.recipient, found.state, found.way, found.priority) == (number(1), State.QUEUED, OTP, 3)
    assert (found.created, found.due, found.expires_at) == (clock.after(0), clock.after(0), clock.after(60))
    assert (found.attempts, found.path, found.task_id, found.code) == (0, "", "", "")
    assert store.delivery(world["accepted"][0]).key == "k"


def test_no_such_delivery(store: Store) -> None:
    """An id that there is not says where to look for one that there is."""
    for ask in (store.delivery, store.timeline, store.message):
        for number_ in (7, 10**20):
            with pytest.raises(StoreError, match=f"there is no delivery {number_}: `notify outbox list`"):
                ask(number_)


def test_open_counts(store: Store, world: dict[str, list[int]], worker: Worker) -> None:
    """How much is queued, being sent and in doubt is counted."""
    put(store, 8, 9)
    take(store, worker)
    assert store.open_counts() == {State.QUEUED: 2, State.SENDING: 2, State.IN_DOUBT: 1}
    assert world


def test_timeline(store: Store, worker: Worker, clock: Clock) -> None:
    """A delivery that was refused, tried again and put in doubt tells it in order."""
    (id_,) = put(store, 1)
    clock.now += 1
    settle(store, take(store, worker), State.QUEUED, after=10, error=SendError("frequent operation", code="9999"))
    clock.now += 10
    settle(store, take(store, worker, plan=by("backup.json")), State.IN_DOUBT, error=SendError("cut"))
    clock.now += 10
    store.resolve([id_], State.DELIVERED, "he has it")
    told = [(event.what, event.path, event.code, event.description) for event in store.timeline(id_)]
    assert told == [
        ("queued", "", "", "route:notices"),
        ("rejected", "clinic.json", "9999", "frequent operation"),
        ("in_doubt", "backup.json", "", "cut"),
        ("delivered", "", "resolved", "he has it"),
    ]


def test_timeline_of_what_is_under_way(store: Store, worker: Worker, clock: Clock) -> None:
    """A delivery that is being sent tells by which path, and since when."""
    (id_,) = put(store, 1)
    clock.now += 5
    take(store, worker)
    last = store.timeline(id_)[-1]
    assert (last.what, last.path, last.at) == ("sending", "clinic.json", clock.after(0))

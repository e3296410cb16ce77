"""Housekeeping: what is old and over goes, what somebody may still need stays, and texts are wiped."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from notify_core import SendError, State
from notify_core.errors import KeyConflict, StoreError
from notify_core.store import Store, Worker, upkeep
from notify_core.store.schema import metadata
from tests.store.workshop import TEXT, Clock, entry, in_doubt, number, put, settle, states, take

FAILED = SendError("no", code="1")
_TABLES = ("messages", "deliveries", "submissions", "attempts", "reports", "inbound", "payloads", "notices")


def rows(store: Store) -> dict[str, int]:
    """How many rows each table has that grows."""
    tables = {name: metadata.tables[f"notify_{name}"] for name in _TABLES}
    with store._database.reading() as connection:
        counts = {name: len(connection.execute(select(table)).all()) for name, table in tables.items()}
    return {name: count for name, count in counts.items() if count}


def test_purge(store: Store, worker: Worker, clock: Clock) -> None:
    """What is over and older than that is removed, with all that hangs on it; the rest keeps what it has."""
    put(store, 1, 2, key="k")
    settle(store, take(store, worker), State.ACCEPTED)
    put(store, 3, text="else")
    settle(store, take(store, worker), State.REJECTED, error=FAILED)
    clock.now += 50
    young = put(store, 4)
    settle(store, take(store, worker), State.REJECTED, error=FAILED)
    purged = store.purge(clock.after(-10))
    assert (purged.rows["messages"], purged.rows["deliveries"], purged.rows["submissions"]) == (2, 3, 2)
    assert purged.total == 7
    assert rows(store) == {"messages": 1, "deliveries": 1, "submissions": 1, "attempts": 1}
    assert list(states(store)) == young
    assert store.purge(clock.after(-10)).total == 0


def test_purge_leaves_what_is_open(store: Store, worker: Worker, clock: Clock) -> None:
    """Queued, sending and in doubt stay however old they are, and so does a message while one of its is open."""
    doubtful = in_doubt(store, worker, 1)
    sending = put(store, 2)
    take(store, worker)
    queued = put(store, 3, 4)
    store.cancel(queued[:1])
    clock.now += 10**6
    assert store.purge(clock.after(0)).total == 0
    assert sorted(states(store)) == sorted(doubtful + sending + queued)


def test_purge_goes_by_the_last_change(store: Store, worker: Worker, clock: Clock) -> None:
    """An old message that came to its end lately stays."""
    put(store, 1)
    claim = take(store, worker)
    clock.now += 30
    settle(store, claim, State.ACCEPTED)
    assert store.purge(clock.after(-10)).total == 0
    clock.now += 11
    assert store.purge(clock.after(-10)).rows["deliveries"] == 1


def test_key_goes_with_its_message(store: Store, worker: Worker, clock: Clock) -> None:
    """A key may be used again once the message that had it is purged."""
    put(store, 1, key="k")
    settle(store, take(store, worker), State.ACCEPTED)
    clock.now += 10
    with pytest.raises(KeyConflict):
        put(store, 1, key="k", text="else")
    store.purge(clock.after(0))
    assert store.enqueue([entry(1, key="k", text="else")])[0].new


def test_purge_in_small_steps(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, they are removed a few at a time, and all of them."""
    monkeypatch.setattr(upkeep, "_ROWS", 7)
    for which in range(10):
        store.cancel(put(store, *range(10), text=f"{which}"))
    clock.now += 10
    assert store.purge(clock.after(0)).rows["deliveries"] == 100
    assert rows(store) == {}


def test_purge_of_the_mailbox(store: Store, clock: Clock) -> None:
    """Inbound messages, parked reports, dealt-with payloads and notices go by their own age."""
    with store._database.writing() as connection:
        for id_, received in enumerate((clock.now, clock.now + 100)):
            same = {
                "account": "clinic",
                "code": "",
                "digest": f"{id_}",
                "extension": "",
                "payload_id": 1,
                "task_id": "",
            }
            state = ["waiting", "applied"][id_]
            for name, facts in (
                ("payloads", {"transport": "t", "origin": "pull", "hook": "status", "request": "", "body": b""}),
                ("reports", {"recipient": number(1), "state": "delivered"}),
                ("inbound", {"sender": number(1), "text": "TD"}),
                (
                    "notices",
                    {"kind": "reported", "target": "", "subject_id": 1, "body": "", "due": 0, "at": received},
                ),
            ):
                table = metadata.tables[f"notify_{name}"]
                row = {"id": id_, "received": received, "state": state, **same, **facts}
                connection.execute(insert(table), {key: row[key] for key in row.keys() & table.c.keys()})
    clock.now += 50
    store.purge(clock.after(0))
    assert rows(store) == {"payloads": 2, "reports": 1, "inbound": 1, "notices": 1}


def test_wipe(store: Store, worker: Worker, clock: Clock) -> None:
    """A text that is to be wiped is, once it is final; others stay, and so does what is known of the delivery."""
    (code,) = put(store, 1, wipe=True, text=TEXT)
    (other,) = put(store, 2, text="else")
    (waiting,) = put(store, 3, wipe=True, due=clock.after(60))
    settle(store, take(store, worker), State.REJECTED)
    assert store.wipe(clock.after(-60)) == 1
    assert store.wipe(clock.after(-60)) == 0
    with pytest.raises(StoreError, match="the text of this message was wiped"):
        store.message(code)
    assert store.message(other) == entry(2, text="else").message
    assert store.message(waiting) == entry(3).message
    assert store.delivery(code).state is State.REJECTED


def test_wipe_of_what_is_never_reported(store: Store, worker: Worker, clock: Clock) -> None:
    """A text that was accepted long ago is wiped without a report; one in doubt is not, for a person may need it."""
    (code,) = put(store, 1, wipe=True)
    settle(store, take(store, worker), State.ACCEPTED)
    (doubtful,) = put(store, 2, wipe=True)
    settle(store, take(store, worker), State.IN_DOUBT)
    assert store.wipe(clock.after(0)) == 0
    clock.now += 10
    assert store.wipe(clock.after(-5)) == 1
    assert store.message(doubtful) == entry(2).message
    with pytest.raises(StoreError):
        store.message(code)


def test_wiped_text_cannot_be_guessed(store: Store, worker: Worker) -> None:
    """Of a wiped text nothing stays by which guesses could be checked; its key is still known."""
    first = store.enqueue([entry(1, key="k", wipe=True)])[0]
    settle(store, take(store, worker), State.REJECTED)
    store.wipe(store.delivery(first.deliveries[0]).changed)
    with store._database.reading() as connection:
        table = metadata.tables["notify_messages"]
        assert connection.execute(select(table.c.body, table.c.fingerprint)).all() == [("", "")]
    again = store.enqueue([entry(1, key="k", text="another guess")])[0]
    assert (again.new, again.message_id) == (False, first.message_id)


def test_wipe_in_small_steps(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many texts there are, all of them are wiped."""
    monkeypatch.setattr(upkeep, "_ROWS", 3)
    for which in range(10):
        store.cancel(put(store, 1, wipe=True, text=f"{which}"))
    assert store.wipe(clock.after(0)) == 10

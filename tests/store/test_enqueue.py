"""Putting messages in: alone, many at once, under a key, and as a part of the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from notify_core import InvalidMessage, Mms, Part, Sms, State
from notify_core.errors import KeyConflict, StoreError
from notify_core.store import Filter, Store, Way, Worker
from tests.store.workshop import NOTICES, OTP, Clock, entry, number, put, settle, states, take, taken


class Base(DeclarativeBase):
    """The application's own tables."""


class Order(Base):
    """A row of the application's own."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """The application's own engine, with SQLAlchemy's defaults, on the store's database."""
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    yield engine
    Base.metadata.drop_all(engine)
    engine.dispose()


def orders(engine: Engine) -> int:
    """How many orders the application has."""
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM orders")) or 0)


def test_one_delivery_for_each_recipient(store: Store) -> None:
    """A message to three numbers is three queued deliveries, in the order of the message."""
    ids = put(store, 3, 1, 2)
    found = {row.id: row for row in store.deliveries()}
    assert [found[number].recipient for number in ids] == [number(3), number(1), number(2)]
    assert {row.state for row in found.values()} == {State.QUEUED}


def test_many_messages_at_once(store: Store) -> None:
    """Messages that are enqueued together keep their own texts, recipients and ways."""
    rows = store.enqueue([entry(1, text="一"), entry(2, 3, text="二", way=OTP), entry(4, text="三")])
    said = {id_: (store.delivery(id_).way, store.message(id_)) for row in rows for id_ in row.deliveries}
    assert [(way, message.to, message.text) for way, message in said.values() if isinstance(message, Sms)] == [
        (NOTICES, (number(1),), "一"),
        (OTP, (number(2),), "二"),
        (OTP, (number(3),), "二"),
        (NOTICES, (number(4),), "三"),
    ]


def test_no_entries(store: Store) -> None:
    """Nothing to enqueue is nothing enqueued."""
    assert store.enqueue([]) == []


def test_message_comes_back_as_it_was(store: Store, clock: Clock) -> None:
    """A text and a multimedia message leave the store as they were put in."""
    sms = Sms(to=number(1), text="💊 “好” \\ 'x'\n", extension="12", send_at=clock.after(3600.5))
    mms = Mms(to=number(1), subject="检查", parts=[Part("1.txt", b"\x00\xff"), Part("2.jpg", b"")], extension="7")
    rows = store.enqueue([entry(message=sms), entry(message=mms)])
    assert [store.message(row.deliveries[0]) for row in rows] == [sms, mms]


def test_message_that_is_not_ready(store: Store) -> None:
    """A number that is not in E.164, or a template, is refused with whom to give it to."""
    for message in (Sms(to="13800000001", text="x"), Sms(to=number(1), template="otp")):
        with pytest.raises(InvalidMessage, match=r"give (the message|it) to Notifier\.enqueue"):
            store.enqueue([entry(message=message)])


def test_times_are_aware(clock: Clock) -> None:
    """A time without a zone, an end before the beginning, and a wild priority are refused."""
    naive = datetime(2027, 1, 1)  # noqa: DTZ001 - that is what is refused
    with pytest.raises(InvalidMessage, match="due=2027-01-01T00:00:00 has no time zone"):
        entry(due=naive)
    with pytest.raises(InvalidMessage, match="is not after due="):
        entry(due=clock.after(60), expires_at=clock.after(60))
    with pytest.raises(InvalidMessage, match="priority=5000 is out of range"):
        entry(priority=5000)


def test_way_is_one_of_two() -> None:
    """A way is a route or a path, not both, and is spelled so that it can be read back."""
    for wrong in ({}, {"route": "otp", "via": "clinic.json"}):
        with pytest.raises(InvalidMessage, match="either a route or via"):
            Way(**wrong)
    for way in (Way("otp"), Way(via="clinic.json"), Way("via:x")):
        assert Way.parse(str(way)) == way


def test_key_gives_the_first_result(store: Store) -> None:
    """The same key with the same message is the same message, whatever its times are."""
    first = store.enqueue([entry(1, 2, key="order-7")])[0]
    later = timedelta(hours=1)
    again = store.enqueue([entry(1, 2, key="order-7", due=datetime.now().astimezone() + later), entry(3, key="other")])
    assert (again[0].message_id, list(again[0].deliveries), again[0].new) == (
        first.message_id,
        list(first.deliveries),
        False,
    )
    assert again[1].new
    assert len(states(store)) == 3


def test_key_twice_in_one_call(store: Store) -> None:
    """The same key twice at once is one message too."""
    rows = store.enqueue([entry(1, key="k"), entry(2), entry(1, key="k")])
    assert [row.new for row in rows] == [True, True, False]
    assert list(rows[2].deliveries) == list(rows[0].deliveries)


@pytest.mark.parametrize("other", [entry(1, key="k", text="else"), entry(1, 2, key="k")], ids=["text", "recipients"])
def test_key_for_another_message(store: Store, other: object) -> None:
    """A key that was used for another text or other numbers is refused, and nothing of the call stays."""
    first = store.enqueue([entry(1, key="k")])[0]
    with pytest.raises(KeyConflict, match=f"key 'k' was used on .* for message {first.message_id}"):
        store.enqueue([entry(9), other])  # type: ignore[list-item]
    assert list(states(store)) == list(first.deliveries)


def test_key_race(store: Store) -> None:
    """Of threads that enqueue under one key at once one is first, and all get its ids."""
    threads = 6
    barrier = Barrier(threads)

    def run(_: int) -> tuple[int, bool]:
        barrier.wait()
        row = store.enqueue([entry(1, 2, key="k")])[0]
        return row.message_id, row.new

    with ThreadPoolExecutor(threads) as pool:
        rows = list(pool.map(run, range(threads)))
    assert len({number for number, _ in rows}) == 1
    assert sorted(new for _, new in rows) == [False] * (threads - 1) + [True]
    assert len(states(store)) == 2


@pytest.mark.parametrize("commit", [True, False])
def test_key_race_with_a_transaction_that_is_open(store: Store, engine: Engine, commit: bool) -> None:  # noqa: FBT001
    """Who uses a key that an open transaction has used gets its message if that is committed, and else his own."""
    with engine.connect() as connection, ThreadPoolExecutor(1) as pool:
        first = store.enqueue([entry(1, key="k")], connection=connection)[0]
        waiting = pool.submit(store.enqueue, [entry(1, key="k")])
        connection.commit() if commit else connection.rollback()
        second = waiting.result()[0]
    assert second.new is not commit
    assert list(first.deliveries) == list(second.deliveries) or not commit
    assert list(states(store)) == list(second.deliveries)


def test_committed_with_the_callers_transaction(store: Store, engine: Engine) -> None:
    """What is enqueued in the caller's transaction leaves when that is committed, and not before."""
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO orders (id) VALUES (1)"))
        store.enqueue([entry(1)], connection=connection)
        assert states(store) == {}
        connection.commit()
    assert list(states(store).values()) == [State.QUEUED]
    assert orders(engine) == 1


@pytest.mark.parametrize("order_first", [True, False])
def test_gone_with_the_callers_transaction(store: Store, engine: Engine, order_first: bool) -> None:  # noqa: FBT001
    """What is enqueued in a transaction that is rolled back is gone with it, also where it was the first statement."""
    with engine.connect() as connection:
        if order_first:
            connection.execute(text("INSERT INTO orders (id) VALUES (1)"))
        store.enqueue([entry(1), entry(2, key="k")], connection=connection)
        connection.execute(text("INSERT INTO orders (id) VALUES (2)"))
        connection.rollback()
    assert states(store) == {}
    assert orders(engine) == 0


def test_session_of_the_orm(store: Store, engine: Engine) -> None:
    """An ORM session takes messages with it, whether it is committed or rolled back."""
    with Session(engine) as session:
        session.add(Order(id=1))
        store.enqueue([entry(1)], connection=session)
        session.commit()
        session.add(Order(id=2))
        store.enqueue([entry(2)], connection=session)
        session.rollback()
    assert [row.recipient for row in store.deliveries()] == [number(1)]
    assert orders(engine) == 1


def test_conflict_in_the_callers_transaction(store: Store, engine: Engine) -> None:
    """A conflict of keys undoes that call alone: the caller may go on and commit the rest."""
    store.enqueue([entry(1, key="k")])
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO orders (id) VALUES (1)"))
        with pytest.raises(KeyConflict):
            store.enqueue([entry(5), entry(2, key="k")], connection=connection)
        store.enqueue([entry(3)], connection=connection)
        connection.commit()
    assert sorted(row.recipient for row in store.deliveries()) == [number(1), number(3)]
    assert orders(engine) == 1


def test_connection_that_commits_by_itself(store: Store, engine: Engine) -> None:
    """A connection in autocommit is refused: half of a message could stay."""
    with (
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        pytest.raises(StoreError, match="commits each statement by itself"),
    ):
        store.enqueue([entry(1)], connection=connection)
    assert states(store) == {}


def test_connection_to_a_database_without_a_store(store: Store) -> None:
    """A connection to another database is refused with what to do."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(StoreError, match="no store in it: run `notify store init`"):
        store.enqueue([entry(1)], connection=connection)
    engine.dispose()


def test_ids_do_not_come_again(store: Store, worker: Worker, clock: Clock) -> None:
    """An id of a message that was purged is not given to another."""
    ids = put(store, 1, 2)
    settle(store, take(store, worker), State.ACCEPTED)
    clock.now += 10
    assert store.purge(clock.after(0)).rows["deliveries"] == 2
    assert min(put(store, 3)) > max(ids)


def test_due_in_the_future(store: Store, worker: Worker, clock: Clock) -> None:
    """What is due later is claimed then, and not before."""
    ids = put(store, due=clock.after(60))
    assert store.lanes()[0].wait == 60
    clock.now += 59.9
    assert taken(take(store, worker)) == {}
    clock.now += 0.1
    assert list(taken(take(store, worker))) == ids


def test_list_of_recipients_longer_than_a_batch(store: Store) -> None:
    """A message to more numbers than are written at a time has a delivery for each of them."""
    row = store.enqueue([entry(*range(10_001))])[0]
    assert len(row.deliveries) == len(set(row.deliveries)) == 10_001
    assert [found.recipient for found in store.deliveries(Filter(message=row.message_id), most=2)] == [
        number(10_000),
        number(9_999),
    ]


def test_text_appears_in_no_error(store: Store, engine: Engine) -> None:
    """What goes wrong in the caller's transaction is told without the texts and numbers that were sent."""
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE notify_messages RENAME TO notify_moved"))
    with engine.connect() as connection, pytest.raises(StoreError) as caught:
        store.enqueue([entry(1, text="secret words")], connection=connection)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE notify_moved RENAME TO notify_messages"))
    shown = f"{caught.value!r} {caught.value.__cause__!r}"
    assert "secret words" not in shown
    assert number(1) not in shown

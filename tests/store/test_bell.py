"""Waiting for work: woken by what is written, by hand, or by time, on both databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, make_url

from notify_core.store import Bell, Store
from notify_core.store.bell import PostgresBell
from tests.store.workshop import Clock, entry, put

LONG = 30.0
"""Seconds that no test waits for."""


@pytest.fixture
def bell(store: Store) -> Iterator[Bell]:
    """A bell of the store."""
    bell = store.bell()
    yield bell
    bell.close()


def test_quiet(bell: Bell) -> None:
    """A bell that nobody rings waits as long as it was told to, and no longer."""
    assert bell.wait(0) is False
    assert bell.wait(0.05) is False


def test_rung_before(store: Store, bell: Bell) -> None:
    """What was enqueued before anybody waited rings at once, and once."""
    put(store, 1)
    put(store, 2)
    assert bell.wait(LONG) is True
    assert bell.wait(0) is False


def test_rung_while_waiting(store: Store, bell: Bell) -> None:
    """What is enqueued while somebody waits wakes him."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(bell.wait, LONG)
        put(store, 1)
        assert waiting.result() is True


def test_rung_by_another_process(bell: Bell, url: str) -> None:
    """What another store on the same database enqueues rings, when it is committed."""
    with Store(url) as other:
        put(other, 1)
    assert bell.wait(LONG) is True


def test_not_rung_by_what_is_undone(store: Store, bell: Bell, url: str) -> None:
    """What is rolled back does not ring."""
    engine = create_engine(url)
    with engine.connect() as connection:
        store.enqueue([entry(1)], connection=connection)
        connection.rollback()
    engine.dispose()
    assert bell.wait(0.05) is False


def test_rung_for_what_is_to_leave_at_once(store: Store, clock: Clock) -> None:
    """What is hastened or handed back rings too."""
    ids = put(store, 1, due=clock.after(60))
    bell = store.bell()
    store.hasten(ids)
    assert bell.wait(LONG) is True
    bell.close()


def test_rung_by_hand(bell: Bell) -> None:
    """Any thread can wake the one that waits, such as to stop it."""
    timer = threading.Timer(0.01, bell.ring)
    timer.start()
    assert bell.wait(LONG) is True
    timer.join()


def test_rung_too_often(bell: Bell) -> None:
    """Ringing more often than anybody listens does no harm, and rings once."""
    for _ in range(100_000):
        bell.ring()
    assert bell.wait(LONG) is True
    while bell.wait(0):
        pass
    assert bell.wait(0) is False


def test_idle_costs_next_to_nothing(bell: Bell) -> None:
    """Waiting costs little of the processor."""
    bell.wait(0)
    before, began = time.thread_time(), time.monotonic()
    bell.wait(0.5)
    assert (time.thread_time() - before) / (time.monotonic() - began) < 0.1


def test_server_that_comes_back(postgresql_url: str) -> None:
    """A bell whose connection the server dropped makes another one, and rings for what it may have missed."""
    with Store(postgresql_url) as store, psycopg.connect(postgresql_url.replace("+psycopg", "")) as other:
        bell = store.bell()
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert bell.wait(LONG) is True
        put(store, 1)
        assert bell.wait(LONG) is True
        bell.close()


def test_server_that_is_gone_without_a_word(postgresql_url: str, stores: Any) -> None:
    """Whoever waits for a machine that lost its power does so for half a minute, unless the address says otherwise."""
    bell = PostgresBell(make_url(f"{postgresql_url}&tcp_user_timeout=5000"))
    with stores[postgresql_url]._database.reading() as connection:
        drivers: list[Any] = [connection.connection.dbapi_connection, bell._connection]
        told = [driver.info.get_parameters() for driver in drivers]
    bell.close()
    assert [each["tcp_user_timeout"] for each in told] == ["30000", "5000"]
    assert [(each["connect_timeout"], each["keepalives_idle"]) for each in told] == [("10", "15")] * 2


def test_server_that_is_away() -> None:
    """A bell without a server can be rung and waits on."""
    bell = PostgresBell(make_url("postgresql+psycopg://nobody@127.0.0.1:1/nothing"))
    assert bell.wait(0) is False
    bell.ring()
    assert bell.wait(LONG) is True
    bell.close()

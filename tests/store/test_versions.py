"""The tables and their versions: made, upgraded, and refused where they are not those of the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, Table, create_engine, text

from notify_core.errors import StoreError
from notify_core.store import Store, schema
from notify_core.store.schema import VERSIONS, metadata


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """The address of a file that is not there yet."""
    return f"sqlite:///{tmp_path}/empty.db"


@pytest.fixture
def empty_postgresql_url(postgresql_server: str) -> Iterator[str]:
    """The address of an empty database."""
    with psycopg.connect(postgresql_server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty")
        yield postgresql_server.replace("/postgres?", "/empty?")
        connection.execute("DROP DATABASE empty WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """The address of a database without a store, on each database in turn."""
    address: str = request.getfixturevalue(f"empty_{request.param}_url")
    return address


@pytest.fixture
def engine(empty_url: str) -> Iterator[Engine]:
    """That database."""
    engine = create_engine(empty_url)
    yield engine
    engine.dispose()


@contextmanager
def of_version(url: str, version: str) -> Iterator[None]:
    """Let the tables at ``url`` be of another version for a while."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(schema.version.update().values(version_num=version))
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(schema.version.update().values(version_num=schema.HEAD))
        engine.dispose()


def described(engine: Engine) -> list[str]:
    """Every table, column, index and key of a database, in its own words."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            made = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
            return sorted(re.sub(r"\s+", " ", f"{name}: {sql}") for name, sql in made if VERSIONS not in name)
        queries = (
            "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns",
            "SELECT tablename, indexname, indexdef FROM pg_indexes",
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint",
            "SELECT sequencename, increment_by, start_value FROM pg_sequences",
        )
        rows = [f"{tuple(row)}" for query in queries for row in connection.execute(text(query))]
        return sorted(row for row in rows if row.startswith("('notify_") and VERSIONS not in row)


def tables_of(engine: Engine) -> list[Table]:
    """The tables that this database has: some are of one database only."""
    return [
        table
        for table in metadata.sorted_tables
        if table.info.get("dialect", engine.dialect.name) == engine.dialect.name
    ]


def test_migrations_make_the_tables_of_the_code(empty_url: str, engine: Engine) -> None:
    """The migrations from nothing give exactly the tables of schema.py."""
    Store.create(empty_url)
    by_migrations = described(engine)
    with engine.begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection, tables_of(engine))
    assert by_migrations == described(engine)
    assert len(by_migrations) > 30


def test_alembic_finds_no_difference(empty_url: str, engine: Engine) -> None:
    """Alembic, which writes migrations, has none to write."""
    Store.create(empty_url)
    made = {table.name for table in tables_of(engine)}

    def concerned(_: object, name: str | None, kind: str, *__: object) -> bool:
        return kind != "table" or name in made

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": concerned})
        assert compare_metadata(context, metadata) == []


def test_known_versions_are_the_migrations() -> None:
    """The code knows every migration there is, in order, and the last is the one that it needs."""
    config = Config()
    config.set_main_option("script_location", "notify_core.store:migrations")
    script = ScriptDirectory.from_config(config)
    assert [each.revision for each in script.walk_revisions()][::-1] == list(schema.KNOWN)
    assert script.get_current_head() == schema.HEAD


def test_create(empty_url: str) -> None:
    """Tables are made where there are none, and those that are there are left as they are."""
    assert Store.create(empty_url) is True
    assert Store.create(empty_url) is False
    with Store(empty_url) as store:
        assert store.check() == schema.HEAD


def test_two_that_create_at_once(empty_url: str) -> None:
    """Of two that make the tables at once one does it, and the other finds them."""
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(Store.create, [empty_url] * 2)) == [False, True]


def test_no_store(empty_url: str) -> None:
    """A database without a store is refused with how to make one; a missing file stays missing."""
    for use in (Store, Store.upgrade):
        with pytest.raises(StoreError, match="there is no store in it: run `notify store init`"):
            use(empty_url)
    assert not list(Path(empty_url.removeprefix("sqlite:///")).parent.glob("empty.db"))


def test_older_store(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is older than the code is refused with how to upgrade it."""
    monkeypatch.setattr(schema, "KNOWN", ("0000", schema.HEAD))
    words = "is at 0000, the code needs 0002: run `notify store upgrade`"
    for use in (Store, Store.create):
        with of_version(url, "0000"), pytest.raises(StoreError, match=words):
            use(url)


def test_newer_store(url: str) -> None:
    """A store that is newer than the code is refused by all that could touch it."""
    words = r"is at 9999, which is newer than this code \(0002\): upgrade notify-core"
    for use in (Store, Store.create, Store.upgrade):
        with of_version(url, "9999"), pytest.raises(StoreError, match=words):
            use(url)


def test_upgrade_of_what_is_up_to_date(url: str) -> None:
    """Upgrading a store of the code's version changes nothing."""
    assert Store.upgrade(url) == schema.HEAD


def test_migration_that_fails_leaves_nothing(empty_url: str, engine: Engine) -> None:
    """Where a table cannot be made, none is."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE notify_workers (id INTEGER)"))
    before = described(engine)
    with pytest.raises(StoreError, match="already exists"):
        Store.create(empty_url)
    assert described(engine) == before
    with pytest.raises(StoreError, match="no store in it"):
        Store(empty_url)


def test_the_applications_own_migrations(empty_url: str, engine: Engine) -> None:
    """The application's own Alembic version in the same database is left alone."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('abc')"))
    Store.create(empty_url)
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT version_num FROM alembic_version")).all() == ["abc"]

"""Making the tables, bringing them to the version of the code, and refusing those that are not at it."""

from __future__ import annotations

from importlib.util import find_spec

from sqlalchemy import Connection, inspect, select

from notify_core.errors import MissingExtra, StoreError
from notify_core.store import schema, statements
from notify_core.store.database import Database, check_server

_LOCK = 1852797026
"""PostgreSQL's advisory lock for whoever makes tables: two that start together do it one after the other."""


def check(database: Database) -> str:
    """The version of the tables. Refuses a database without them, or with older or newer ones: ``StoreError``."""
    if not database.exists():
        _check_found(None, database.address)
    with database.reading() as connection:
        check_server(connection, database.address)
        _check_found(_found(connection), database.address)
        return schema.HEAD


def _check_found(found: str | None, address: str) -> None:
    if found == schema.HEAD:
        return
    if found is None:
        raise StoreError(f"{address}: there is no store in it: run `notify store init`")
    if found in schema.KNOWN:
        raise StoreError(
            f"{address}: the store is at {found}, the code needs {schema.HEAD}: run `notify store upgrade`"
        )
    raise StoreError(
        f"{address}: the store is at {found}, which is newer than this code ({schema.HEAD}): upgrade notify-core"
    )


def create(database: Database) -> bool:
    """Make the tables where there are none: whether it did. Raises ``StoreError`` for a store of another version."""
    database.make_file()
    with database.writing() as connection:
        found = _prepared(connection, database.address)
        if found is not None:
            _check_found(found, database.address)
            return False
        _migrate(connection)
        return True


def upgrade(database: Database) -> str:
    """Bring the tables to the code's version: the version that they were at. Raises ``StoreError``."""
    if not database.exists():
        _check_found(None, database.address)
    with database.writing() as connection:
        found = _prepared(connection, database.address)
        if found is None or found not in schema.KNOWN:
            _check_found(found, database.address)
        _migrate(connection)
        return str(found)


def _prepared(connection: Connection, address: str) -> str | None:
    """The version that is found once nobody else can change it."""
    check_server(connection, address)
    if connection.dialect.name == "postgresql":
        connection.execute(statements.LOCK, {"lock": _LOCK})
    return _found(connection)


def _found(connection: Connection) -> str | None:
    if not inspect(connection).has_table(schema.VERSIONS):
        return None
    found: str | None = connection.scalar(select(schema.version.c.version_num))
    return found


def _migrate(connection: Connection) -> None:
    if find_spec("alembic") is None:
        raise MissingExtra("store", "alembic")
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "notify_core.store:migrations")
    command.upgrade(config, "head")

"""What goes wrong with a database is told in words that help, and hides what must not be seen."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from notify_core.errors import StoreError
from notify_core.store import Store
from tests.store.workshop import TEXT, entry, number, put, states

MISSING = """
import sys
sys.modules[{package!r}] = None
import notify_core
try:
    from notify_core.store import Store
    Store("postgresql+psycopg://nobody@localhost/nothing")
except notify_core.MissingExtra as error:
    print(error)
"""


def run(script: str) -> str:
    """What a fresh Python prints."""
    return subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout  # noqa: S603


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("sqlalchemy", "SQLAlchemy is not installed: pip install 'notify-core[store]', or '.[store]' in a clone\n"),
        ("psycopg", "psycopg is not installed: pip install 'notify-core[postgres]', or '.[postgres]' in a clone\n"),
    ],
)
def test_missing_extra(package: str, words: str) -> None:
    """A package that comes with an extra is asked for by the line that installs it."""
    assert run(MISSING.format(package=package)) == words


def test_core_does_without() -> None:
    """Importing the core, and sending without a store, imports no SQLAlchemy and no Alembic."""
    heavy = "print([name for name in ('sqlalchemy', 'alembic', 'psycopg') if name in __import__('sys').modules])"
    assert run(f"import notify_core; notify_core.Notifier; {heavy}") == "[]\n"
    assert run(f"import notify_core.store; {heavy}") == "['sqlalchemy']\n"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("notify.db", "not the address of a store; expected sqlite:///notify.db or postgresql"),
        ("mysql://root@localhost/x", "cannot live in mysql"),
        ("postgresql+asyncpg://x/y", r"cannot live in postgresql\+asyncpg"),
        ("oracle+nothing://x", "not the address of a store"),
        ("sqlite://", "in memory is lost with its connection: name a file"),
        ("sqlite:///:memory:", "in memory is lost"),
        ("sqlite:///notify.db?mode=ro", "takes no options"),
    ],
)
def test_wrong_address(address: str, words: str) -> None:
    """An address at which no store can live is refused with one at which it can."""
    with pytest.raises(StoreError, match=words):
        Store(address)


def test_address_without_a_driver(postgresql_url: str) -> None:
    """An address that names no driver means the one that is supported."""
    with Store(postgresql_url.replace("+psycopg", "")) as store:
        assert store.address.startswith("postgresql+psycopg://")


def test_password_is_not_shown() -> None:
    """Neither the repr nor an error shows the password of an address."""
    with pytest.raises(StoreError) as caught:
        Store("postgresql+psycopg://me:hunter2@127.0.0.1:1/notify")
    assert "hunter2" not in f"{caught.value}{caught.value.__cause__}{caught.value.__context__!r}"
    assert "postgresql+psycopg://me:***@127.0.0.1:1/notify: the database cannot be reached" in str(caught.value)


def test_no_such_database(postgresql_server: str) -> None:
    """A server without the database says so, and what to do."""
    with pytest.raises(StoreError, match="no database of that name: create it"):
        Store(postgresql_server.replace("/postgres?", "/nothing?"))


def test_directory_that_is_missing(tmp_path: Path) -> None:
    """A file in a directory that is not there cannot be made, and the error says so."""
    with pytest.raises(StoreError, match="see that its directory exists"):
        Store.create(f"sqlite:///{tmp_path}/nowhere/notify.db")


def test_file_that_is_no_database(tmp_path: Path) -> None:
    """A file of something else is not taken for a store."""
    (tmp_path / "notify.db").write_text("not a database " * 1000)
    with pytest.raises(StoreError, match="is no SQLite database"):
        Store(f"sqlite:///{tmp_path}/notify.db")


def test_full_disk(tmp_path: Path) -> None:
    """Where the disk is full nothing of a call is stored, and it goes on once there is space."""
    url = f"sqlite:///{tmp_path}/notify.db"
    Store.create(url)
    with Store(url) as store:
        put(store, 1)
        before = states(store)
        with store._database.writing() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="the disk is full: free some space; nothing of this was stored"):
            put(store, *range(5_000))
        assert states(store) == before
        with store._database.writing() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 100000")
        assert len(put(store, *range(100))) == 100


@pytest.fixture
def lost(tmp_path: Path) -> Iterator[tuple[Store, Path]]:
    """A store that was used, and its file, which may be moved."""
    file = tmp_path / "here" / "notify.db"
    file.parent.mkdir()
    Store.create(f"sqlite:///{file}")
    with Store(f"sqlite:///{file}") as store:
        put(store, 1)
        assert len(states(store)) == 1
        yield store, file


@pytest.mark.parametrize("use", [Store.check, Store.open_counts, Store.bell, put, states])
def test_file_that_was_moved_away(lost: tuple[Store, Path], use: Callable[[Store], object]) -> None:
    """Whoever reads or writes is told that the file is gone, makes no other, and goes on once it is back."""
    store, file = lost
    away = file.parent.rename(file.parent.with_name("there"))
    file.parent.mkdir()
    for _ in range(2):
        with pytest.raises(StoreError, match=r"the file was removed|no store in it|cannot be opened"):
            use(store)
    assert list(file.parent.iterdir()) == []
    file.parent.rmdir()
    away.rename(file.parent)
    assert len(put(store, 2)) == 1
    assert len(states(store)) == 2


def test_file_that_was_replaced(lost: tuple[Store, Path]) -> None:
    """What stands in the place of the file is what is read from then on."""
    store, file = lost
    file.parent.rename(file.parent.with_name("there"))
    file.parent.mkdir()
    file.touch()
    with pytest.raises(StoreError, match="there is no store in it"):
        store.check()
    Store.create(f"sqlite:///{file}")
    assert states(store) == {}


@pytest.fixture
def locked(url: str) -> Iterator[Callable[[], None]]:
    """Another program has the database locked; calling this lets it go."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        yield connection.rollback
        connection.close()
    else:
        with psycopg.connect(url.replace("+psycopg", "")) as other:
            other.execute("LOCK TABLE notify_messages IN ACCESS EXCLUSIVE MODE")
            yield other.rollback


def test_locked(url: str, locked: Callable[[], None]) -> None:
    """A database that another program has locked is waited for, then complained about, and used once it is free."""
    with Store(url, busy=0.05) as store:
        with pytest.raises(StoreError, match="locked by another process"):
            put(store, 1)
        locked()
        assert len(put(store, 1)) == 1


def test_full_server(postgresql_url: str) -> None:
    """PostgreSQL's own words for a full disk, a read-only server and a missing right become advice."""
    raising = "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{}'; END $$"
    with Store(postgresql_url) as store:
        for code, words in (("53100", "disk is full"), ("25006", "takes no writes"), ("42501", "may not do this")):
            with pytest.raises(StoreError, match=words), store._database.writing() as connection:
                connection.exec_driver_sql(raising.format(code))


def test_what_no_rule_knows(url: str) -> None:
    """A complaint that no rule knows is passed on in its first line."""
    words = 'near "nothing": syntax error' if url.startswith("sqlite") else 'syntax error at or near "nothing"'
    with Store(url) as store, pytest.raises(StoreError, match=words), store._database.writing() as connection:
        connection.exec_driver_sql("nothing")


def test_row_is_not_quoted(url: str) -> None:
    """A database that quotes the row which it refuses (PostgreSQL does) is not repeated."""
    with Store(url) as store:
        put(store, 1)
        with store._database.writing() as connection:
            connection.exec_driver_sql("DROP INDEX notify_messages_created")
            connection.exec_driver_sql("CREATE UNIQUE INDEX notify_messages_created ON notify_messages (body)")
        with pytest.raises(StoreError) as caught:
            put(store, 2)
        with store._database.writing() as connection:
            connection.exec_driver_sql("DROP INDEX notify_messages_created")
            connection.exec_driver_sql("CREATE INDEX notify_messages_created ON notify_messages (created, id)")
        assert TEXT not in f"{caught.value!r}{caught.value.__cause__!r}{caught.value.__suppress_context__ or TEXT}"


def test_connections_that_the_server_dropped(postgresql_url: str) -> None:
    """A store whose connections the server dropped, as when it is restarted, makes new ones."""
    with Store(postgresql_url) as store, psycopg.connect(postgresql_url.replace("+psycopg", "")) as other:
        put(store, 1)
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert len(put(store, 2)) == 1


@pytest.mark.parametrize(("synchronous", "level"), [("full", 2), ("normal", 1)])
def test_synchronous(sqlite_url: str, synchronous: str, level: int) -> None:
    """A commit is on the disk when it returns, unless it was asked for otherwise; the journal is a WAL."""
    with Store(sqlite_url, synchronous=synchronous) as store, store._database.writing() as connection:  # type: ignore[arg-type]
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_full_is_what_there_is_without_asking(sqlite_url: str) -> None:
    """Without a word of the configuration a commit is on the disk when it returns."""
    with Store(sqlite_url) as store, store._database.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_writes_hold_the_lock_from_the_beginning(sqlite_url: str) -> None:
    """A transaction that reads before it writes cannot be overtaken in between."""
    with Store(sqlite_url) as store, store._database.writing() as connection:
        connection.exec_driver_sql("SELECT 1").all()
        other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


FORKING = """
import os, sys
sys.path.insert(0, {root!r})
from notify_core.store import Store
from tests.store.workshop import put, states
store = Store({url!r})
put(store, 1)
child = os.fork()
if not child:
    put(store, 2)
    os._exit(len(states(store)))
_, status = os.waitpid(child, 0)
put(store, 3)
print(os.waitstatus_to_exitcode(status), len(states(store)))
store.close()
"""


def test_fork(url: str) -> None:
    """A store that was used before a fork works in the child, and in the parent after it."""
    root = str(Path(__file__).parents[2])
    assert run(FORKING.format(root=root, url=url)) == "2 3\n"


def test_closed(url: str) -> None:
    """A store that was closed says so, to whoever goes on with it."""
    store = Store(url)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="the store was closed: open another"):
        put(store, 1)
    with pytest.raises(StoreError, match="the store was closed"):
        store.open_counts()


def test_no_number_in_any_repr(url: str) -> None:
    """What the store hands out shows no whole number and no text when it is printed."""
    with Store(url) as store:
        rows = store.enqueue([entry(1)])
        shown = repr((store, rows, store.deliveries(), store.timeline(rows[0].deliveries[0])))
    assert number(1) not in shown
    assert TEXT not in shown

"""The connections to one database: how they are opened, and the transactions on them.

SQLite has one writer: a process keeps one connection for it behind a lock, and begins every transaction with the write
lock, so that none has to be tried again. Readers have connections of their own (WAL). PostgreSQL has a pool.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from notify_core.errors import MissingExtra, StoreError
from notify_core.store import statements
from notify_core.store.trouble import UNOPENED, translated

Synchronous = Literal["full", "normal"]
BUSY = 30.0
"""Seconds for which a lock is waited for."""
_PLANS = ("SET enable_seqscan = off", "SET enable_hashjoin = off", "SET enable_mergejoin = off", "SET jit = off")
"""PostgreSQL keeps a statement's plan until its tables are analyzed, and one that was made for an empty queue reads
all of a full one: it took 40 ms to see what is queued among 100,000. Every statement here finds its rows one by one by
an index, as SQLite does (tests/store/test_plans.py)."""
_PATIENCE = 0.008
"""Seconds for which SQLite itself waits for the write lock, before it is asked anew: it looks after 1, 2 and 5 ms, then
ever more rarely, at last each 100 ms. With several processes who waits longest would then wait for seconds."""
_OLDEST_SQLITE = (3, 38, 0)  # json_each without an extension, and RETURNING
_OLDEST_POSTGRESQL = (15,)


class Database:
    """One database. Safe across threads; after a fork the child opens connections of its own.

    ``synchronous`` (SQLite) is ``full``: a commit is on the disk when it returns. With ``normal`` a power cut may lose
    the last commits: an enqueued message, or that one was sent, which is then sent twice. ``clock`` gives the seconds
    since 1970; without one PostgreSQL's own clock is used, which is the same for every machine.
    """

    def __init__(
        self,
        url: str,
        *,
        synchronous: Synchronous = "full",
        clock: Callable[[], float] | None = None,
        busy: float = BUSY,
    ) -> None:
        self.url = _checked(url)
        self.address = self.url.render_as_string(hide_password=True)
        self.dialect = self.url.get_backend_name()
        self._clock = clock
        self._open = _OPENERS[self.dialect]
        self._options = (synchronous, busy)
        self._process = os.getpid()
        self._closed = False
        self._connections = self._open(self.url, *self._options)
        self._left_behind: list[_Connections] = []

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that writes; committed at the end of the block. Raises ``StoreError``."""
        return self._translated(self._own().writing)

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection that reads; each statement sees what is committed then. Raises ``StoreError``."""
        return self._translated(self._own().reading)

    def now(self, connection: Connection) -> float:
        """The seconds since 1970."""
        if self._clock is not None:
            return self._clock()
        if connection.dialect.name == "sqlite":
            return time.time()
        begun = connection.info.pop(_BEGUN, None)
        return float(connection.scalar(statements.NOW) or 0) if begun is None else begun

    def exists(self) -> bool:
        """Whether there may be something: of PostgreSQL only a connection tells."""
        return self.dialect != "sqlite" or Path(str(self.url.database)).exists()

    def make_file(self) -> None:
        """Make SQLite's file where there is none. Opening one never does. Raises ``StoreError``."""
        if self.exists():
            return
        try:
            Path(str(self.url.database)).touch(0o644)  # as SQLite makes them
        except OSError:
            raise StoreError(f"{self.address}: {UNOPENED}") from None

    def close(self) -> None:
        """Close every connection of this process. Nothing is done here after that."""
        self._closed = True
        if self._process == os.getpid():
            self._connections.close()

    def _own(self) -> _Connections:
        """This process's connections. Those of the process that forked it must not even be closed here (SQLite)."""
        if self._closed:
            raise StoreError(f"{self.address}: the store was closed: open another, or close it when all is done")
        if self._process != os.getpid():
            self._left_behind.append(self._connections)
            self._connections = self._open(self.url, *self._options)
            self._process = os.getpid()
        return self._connections

    @contextmanager
    def _translated(self, opened: Callable[[], AbstractContextManager[Connection]]) -> Iterator[Connection]:
        with translated(self.address), opened() as connection:
            yield connection


class _Connections:
    """The connections of one process."""

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self.writer = writer
        self.reader = reader

    def writing(self) -> AbstractContextManager[Connection]:
        return self.writer.begin()

    def reading(self) -> AbstractContextManager[Connection]:
        return self.reader.connect()

    def close(self) -> None:
        self.writer.dispose()
        self.reader.dispose()


class _OneWriter(_Connections):
    """Those of SQLite: the writer's is held, which is three times faster than taking it from a pool for one row.

    A file that was removed or replaced is let go of before it is used again: what is written into it is lost when it
    is closed, and what is read from it is not so any more.
    """

    def __init__(self, writer: Engine, reader: Engine) -> None:
        super().__init__(writer, reader)
        self._lock = threading.RLock()
        self._held: Connection | None = None
        self._path = str(writer.url.database)
        self._written = self._read = _file_at(self._path)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with self._lock:
            found = _file_at(self._path)
            if found != self._written:
                self._let_go()
                self._written = found
            self._check(found)
            if self._held is None:
                self._held = self.writer.connect()
            with self._held.begin():
                yield self._held

    def reading(self) -> AbstractContextManager[Connection]:
        found = _file_at(self._path)
        if found != self._read:
            self.reader.dispose()
            self._read = found
        self._check(found)
        return self.reader.connect()

    def close(self) -> None:
        with self._lock:
            self._let_go()
        super().close()

    def _let_go(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None
        self.writer.dispose()

    def _check(self, found: _File | None) -> None:
        if found is None:
            address = self.writer.url.render_as_string()
            raise StoreError(f"{address}: the file was removed: put it back, or run `notify store init`")


class _Asking(_Connections):
    """Those of PostgreSQL. Each is asked for the time as it is taken, which ``Database.now`` then need not do.

    One whose server has gone in the meantime is replaced, unseen, and no other question is spent on that.
    """

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with self._asked(self.writer) as connection:
            yield connection
            connection.commit()

    def reading(self) -> AbstractContextManager[Connection]:
        return self._asked(self.reader)

    def _asked(self, engine: Engine) -> Connection:
        try:
            return _told_time(engine.connect())
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return _told_time(engine.connect())


def _told_time(connection: Connection) -> Connection:
    try:
        connection.info[_BEGUN] = float(connection.scalar(statements.NOW) or 0)
    except BaseException:
        connection.close()
        raise
    return connection


_BEGUN = "notify_begun"
"""Where a connection keeps when it was taken, by the server's clock."""

_File = tuple[int, int]


def _file_at(path: str) -> _File | None:
    """Which file stands there, None for none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - before every transaction: half the time of Path.stat
    except OSError:
        return None
    return found.st_dev, found.st_ino


def connected(url: URL, timeout: float) -> sqlite3.Connection:
    """A connection to SQLite's file, for any thread. A file that is missing is not made."""
    # Without isolation_level the driver begins no transactions of its own, whose beginning it guesses from the first
    # word of a statement: SELECT and WITH would run outside of them.
    address = f"file:{quote(str(url.database))}?mode=rw"
    return sqlite3.connect(address, timeout, isolation_level=None, check_same_thread=False, uri=True)


def _open_sqlite(url: URL, synchronous: Synchronous, busy: float) -> _Connections:
    writer = create_engine(url, creator=partial(connected, url, min(_PATIENCE, busy)), hide_parameters=True)
    reader = create_engine(url, creator=partial(connected, url, busy), hide_parameters=True)
    pragmas = ("PRAGMA journal_mode = WAL", f"PRAGMA synchronous = {synchronous.upper()}")
    event.listen(writer, "connect", _executing(pragmas, busy))
    event.listen(writer, "begin", partial(_begin_immediate, busy))
    return _OneWriter(writer, reader)


def _open_postgresql(url: URL, _synchronous: Synchronous, busy: float) -> _Connections:
    try:
        writer = create_engine(
            url,
            connect_args=server_arguments(url),
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            pool_size=8,
            max_overflow=24,  # for as many threads as send at once; transactions are short
        )
    except ModuleNotFoundError as error:
        raise MissingExtra("postgres", error.name or "psycopg") from error
    event.listen(writer, "connect", _executing((f"SET lock_timeout = {int(busy * 1000)}", *_PLANS), busy))
    return _Asking(writer, writer.execution_options(isolation_level="AUTOCOMMIT"))


def server_arguments(url: URL) -> dict[str, int]:
    """What libpq is told beside the address, where that does not say it itself.

    A server whose machine lost its power says nothing more: that is noticed in half a minute, and not after 15 minutes
    (where something was just asked) or 2 hours, as the operating system has it.
    """
    told = {"connect_timeout": 10, "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}
    told["tcp_user_timeout"] = 30_000  # milliseconds
    return {name: value for name, value in told.items() if name not in url.query}


_OPENERS: dict[str, Callable[..., _Connections]] = {"sqlite": _open_sqlite, "postgresql": _open_postgresql}


def _begin_immediate(busy: float, connection: Connection) -> None:
    _patiently(connection.connection.dbapi_connection, "BEGIN IMMEDIATE", time.monotonic() + busy)


def _executing(commands: Sequence[str], busy: float) -> Callable[[Any, Any], None]:
    def connected(driver: Any, _record: Any) -> None:
        ends = time.monotonic() + busy
        for command in commands:
            _patiently(driver, command, ends)
        driver.commit()

    return connected


def _patiently(driver: Any, command: str, ends: float) -> None:
    """Execute a pragma, or begin, as soon as others let us.

    Two that change a file's journal mode at once get "locked" from SQLite, which does not wait then.
    """
    while True:
        try:
            driver.execute(command).close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                raise
            time.sleep(0.001)
        else:
            return


def _checked(url: str) -> URL:
    """The address, if a store can live there. Raises ``StoreError``."""
    try:
        found = make_url(url)
        found.get_dialect()
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        raise StoreError(f"not the address of a store; {_EXPECTED}") from None
    if found.drivername == "postgresql":
        found = found.set(drivername="postgresql+psycopg")
    if found.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise StoreError(f"a store cannot live in {found.drivername}; {_EXPECTED}")
    return _sqlite_file(found) if found.get_backend_name() == "sqlite" else found


_EXPECTED = "expected sqlite:///notify.db or postgresql+psycopg://user@host/database"


def _sqlite_file(url: URL) -> URL:
    """The address with the file's whole path: a daemon changes its directory."""
    if not url.database or url.database == ":memory:":
        raise StoreError(f"a database in memory is lost with its connection: name a file; {_EXPECTED}")
    if url.query:
        raise StoreError(f"the address of a file takes no options: leave out what is behind the ?; {_EXPECTED}")
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        oldest = ".".join(map(str, _OLDEST_SQLITE))
        raise StoreError(f"this Python has SQLite {sqlite3.sqlite_version}; a store needs {oldest}: use a newer Python")
    return url.set(database=str(Path(url.database).absolute()))


def check_server(connection: Connection, address: str) -> None:
    """Refuse a PostgreSQL that is too old. Raises ``StoreError``."""
    version = connection.dialect.server_version_info or ()
    if connection.dialect.name == "postgresql" and version < _OLDEST_POSTGRESQL:
        raise StoreError(f"{address}: PostgreSQL {version[0]} is too old; a store needs {_OLDEST_POSTGRESQL[0]}")


def reserve(connection: Connection, count: int) -> Sequence[int]:
    """``count`` ids that nobody else gets, ascending. On SQLite they are free again if the transaction is undone."""
    statement = statements.RESERVE[connection.dialect.name]
    if connection.dialect.name == "sqlite":
        end = int(connection.scalar(statement, {"count": count}) or 0)
        return range(end - count, end)
    return sorted(connection.scalars(statement, {"count": count})) if count else ()

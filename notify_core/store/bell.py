"""Waiting for new work: woken at once by PostgreSQL, within a fraction of a second by a cheap look on SQLite."""

from __future__ import annotations

import sqlite3
import time
from selectors import EVENT_READ, DefaultSelector
from socket import socketpair
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import URL

from notify_core.errors import MissingExtra, StoreError
from notify_core.store.database import BUSY, connected, server_arguments
from notify_core.store.outbox import CHANNEL
from notify_core.store.trouble import translated

if TYPE_CHECKING:
    import psycopg

POLL = 0.04
"""Seconds between two looks at SQLite. One takes some microseconds, and waking up for it a fifth of a millisecond."""
RECONNECT = 1.0
"""Seconds before a lost connection to PostgreSQL is tried again."""


class Bell(Protocol):
    """Rings when there may be new work. One thread waits; any thread, or a signal handler, may ring.

    It also rings for nothing now and then: who is woken looks (``Store.lanes``), which is cheap.
    """

    def wait(self, seconds: float) -> bool:
        """Wait until it rings, at most so long: whether it rang. What rang while nobody waited counts.

        Raises ``StoreError``.
        """

    def ring(self) -> None:
        """Wake the one who waits."""

    def close(self) -> None:
        """Let go of the connection."""


class _Cord:
    """What ``ring`` pulls: a socket, because an Event may block a signal handler for ever."""

    def __init__(self) -> None:
        self.end, self._hand = socketpair()
        self.end.settimeout(0)
        self._hand.settimeout(0)

    def pull(self) -> None:
        try:
            self._hand.send(b"!")
        except OSError:
            return  # pulled so often that the socket is full: it rings; or closed: nobody waits any more

    def pulled(self) -> bool:
        try:
            return bool(self.end.recv(4096))
        except BlockingIOError:
            return False

    def close(self) -> None:
        self.end.close()
        self._hand.close()


class SqliteBell:
    """Looks at ``PRAGMA data_version``, which changes when any other connection commits."""

    def __init__(self, url: URL) -> None:
        with translated(url.render_as_string()):
            self._connection = connected(url, BUSY)
        self._cord = _Cord()
        self._selector = DefaultSelector()
        self._selector.register(self._cord.end, EVENT_READ)
        self._seen = self._version()

    def wait(self, seconds: float) -> bool:
        """See ``Bell``."""
        ends = time.monotonic() + seconds
        while not self._changed() and not self._cord.pulled():
            left = ends - time.monotonic()
            if left <= 0:
                return False
            self._selector.select(min(POLL, left))
        return True

    def ring(self) -> None:
        """See ``Bell``."""
        self._cord.pull()

    def close(self) -> None:
        """See ``Bell``."""
        self._selector.close()
        self._cord.close()
        self._connection.close()

    def _changed(self) -> bool:
        before, self._seen = self._seen, self._version()
        return self._seen != before

    def _version(self) -> int:
        try:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error as error:
            raise StoreError(f"the store cannot be looked at: {error}") from error


class PostgresBell:
    """Listens on the channel; a connection that is lost is made again, and counts as ringing once it is back."""

    def __init__(self, url: URL) -> None:
        try:
            import psycopg
        except ModuleNotFoundError as error:
            raise MissingExtra("postgres", "psycopg") from error
        self._lost = psycopg.OperationalError
        self._arguments = {**server_arguments(url), **url.get_dialect()().create_connect_args(url)[1]}
        self._cord = _Cord()
        self._connection: psycopg.Connection | None = None
        self._missed = not self._listen()

    def wait(self, seconds: float) -> bool:
        """See ``Bell``."""
        ends = time.monotonic() + seconds
        while not self._cord.pulled() and not self._told():
            left = ends - time.monotonic()
            if left <= 0:
                return False
            self._select(left)
        return True

    def ring(self) -> None:
        """See ``Bell``."""
        self._cord.pull()

    def close(self) -> None:
        """See ``Bell``."""
        self._cord.close()
        self._hang_up()

    def _select(self, seconds: float) -> None:
        with DefaultSelector() as selector:
            selector.register(self._cord.end, EVENT_READ)
            if self._connection is not None:
                selector.register(self._connection.fileno(), EVENT_READ)
            selector.select(seconds if self._connection is not None else min(seconds, RECONNECT))

    def _told(self) -> bool:
        """Whether the server told us something, or may have while we did not listen."""
        try:
            if self._connection is not None:
                return bool(list(self._connection.notifies(timeout=0)))
        except self._lost:
            self._hang_up()
            self._missed = True
        back = self._listen()
        missed, self._missed = self._missed and back, self._missed and not back
        return missed

    def _listen(self) -> bool:
        import psycopg

        try:
            self._connection = psycopg.connect(**self._arguments, autocommit=True)
            self._connection.execute(f"LISTEN {CHANNEL}")
        except self._lost:
            self._hang_up()
        return self._connection is not None

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

"""What a database's complaint means for the reader. Parameters, which hold texts and numbers, are left out."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from notify_core.errors import StoreError

_ABSENT = "there is no store in it: run `notify store init`"
_LOST = "the database cannot be reached: see that it runs and that the address is right, then try again"
_FULL = "the disk is full: free some space; nothing of this was stored"
_REFUSED = "the server refuses the user or the password: see the address"
_NO_DATABASE = "the server has no database of that name: create it, then run `notify store init`"
_LOCKED = "it is locked by another process that does not let go: find that process, then try again"

UNOPENED = "the file cannot be opened: see that its directory exists and may be written"

_BY_WORDS = (
    (r"no such (table|column): (main\.)?notify_", _ABSENT),
    (r"disk is full", _FULL),
    (r"(database|table) is locked", _LOCKED),
    (r"unable to open database file", UNOPENED),
    (r"readonly database", "the file may not be written: see who owns it and its directory"),
    (r"not a database|malformed", "the file is damaged, or is no SQLite database: restore it from a copy"),
    (r"disk I/O error", "the disk failed: see the system's log; nothing of this was stored"),
    (r"authentication failed|no pg_hba.conf", _REFUSED),
    (r'database ".*" does not exist', _NO_DATABASE),
    (r"connect", _LOST),
)
"""SQLite has no codes that Python 3.11 tells of in every case, and a connection that was never made has none either."""

_BY_CODE = (
    (r"42P01|42703", _ABSENT),
    (r"53100", _FULL),
    (r"55P03", _LOCKED),
    (r"40P01|40001", "it met another transaction that changed the same: try again"),
    (r"53300", "the server has no connection left: raise its max_connections, or run fewer processes"),
    (r"28...", _REFUSED),
    (r"3D000", _NO_DATABASE),
    (r"42501", "the user may not do this: grant it all rights on the notify_ tables and notify_ids_sequence"),
    (r"25006", "the server takes no writes (a replica, perhaps): name the primary"),
    (r"57P0.|08...", _LOST),
)
"""PostgreSQL's SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html."""


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Raise what SQLAlchemy raises inside as ``StoreError``: where, what, and what to do."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        # The cause is cut off: a driver's own text may quote the row that failed.
        raise StoreError(f"{address}: {meaning(error)}") from None


def meaning(error: SQLAlchemyError | sqlite3.Error) -> str:
    """What to do about a database's error, or its first line where no rule knows it."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlstate", None)
    if code is not None:
        return _ruled(_BY_CODE, code) or f"{_first_line(cause)} ({code})"
    return _ruled(_BY_WORDS, str(cause)) or _first_line(cause)


def _ruled(rules: tuple[tuple[str, str], ...], words: str) -> str:
    return next((advice for pattern, advice in rules if re.search(pattern, words)), "")


def _first_line(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"

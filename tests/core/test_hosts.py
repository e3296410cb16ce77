"""Making a connection: its one time bounds the look-up of the name and every address."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from notify_core import hosts
from notify_core.hosts import connected

Answer = Callable[..., Any]
NUMERIC = socket.AI_NUMERICHOST
look_up = socket.getaddrinfo


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A server that takes connections on 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def deaf() -> Iterator[socket.socket]:
    """A server whose queue is full: Linux drops what knocks."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as listening,
        socket.create_connection(listening.getsockname()),
    ):
        yield listening


def resolves(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    """Have names, and nothing else, answered by ``answer``: no test can have a name server of its own."""

    def answered(host: str, port: int, family: int, kind: int, flags: int) -> Any:
        return look_up(host, port, family, kind, flags=flags) if flags & NUMERIC else answer(host)

    monkeypatch.setattr(socket, "getaddrinfo", answered)


def at(*servers: socket.socket) -> Answer:
    """A name that has the addresses of these servers."""
    return lambda *_: [(socket.AF_INET, socket.SOCK_STREAM, 0, "", each.getsockname()) for each in servers]


def test_a_name_is_looked_up_and_connected_to(server: socket.socket) -> None:
    """A host by name is reached, with the socket's options, and what is left of its time bounds what comes next."""
    with connected("localhost", server.getsockname()[1], 5, [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]) as made:
        assert made.getpeername() == server.getsockname()
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert 0 < (made.gettimeout() or 0) <= 5


def test_the_second_address_is_tried_in_time(
    server: socket.socket, deaf: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first address that is silent leaves the second its share of the time."""
    resolves(monkeypatch, at(deaf, server))
    with connected("two.invalid", 1, 0.2, ()) as made:
        assert made.getpeername() == server.getsockname()


def test_all_addresses_share_one_time(deaf: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many addresses are silent, no more than the whole time is waited."""
    shares: list[float] = []
    made = hosts._made

    def noted(address: Any, seconds: float, options: Any) -> socket.socket:
        shares.append(seconds)
        return made(address, seconds, options)

    monkeypatch.setattr(hosts, "_made", noted)
    resolves(monkeypatch, at(*[deaf] * 4))
    with pytest.raises(TimeoutError):
        connected("four.invalid", 1, 0.2, ())
    assert len(shares) == 4
    assert sum(shares) < 0.21


def test_a_silent_resolver_ends_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that never answers holds one thread for a host, and nobody longer than the time."""
    silent = threading.Event()
    asked: list[str] = []

    def waits(host: str) -> bool:
        asked.append(host)
        return silent.wait(30)

    resolves(monkeypatch, waits)
    try:
        with ThreadPoolExecutor(8) as threads:
            tries = [threads.submit(connected, "silent.invalid", 1, 0.1, ()) for _ in range(8)]
        assert {type(each.exception()) for each in tries} == {socket.gaierror}
        assert asked == ["silent.invalid"]
    finally:
        silent.set()


def test_a_look_up_that_failed_is_asked_again(server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shared is a look-up that is under way, and never its failure."""
    answers: list[Answer] = [lambda host: look_up(host, 1), at(server)]

    def in_turn(host: str) -> Any:
        return answers.pop(0)(host)

    resolves(monkeypatch, in_turn)
    with pytest.raises(socket.gaierror):
        connected("late.invalid", 1, 5, ())
    with connected("late.invalid", 1, 5, ()) as made:
        assert made.getpeername() == server.getsockname()


def test_a_name_that_cannot_be_one_is_told() -> None:
    """A label that is too long is no fault of the network."""
    with pytest.raises(UnicodeError):
        connected(f"{'a' * 64}.localhost", 1, 5, ())

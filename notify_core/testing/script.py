"""A gateway on loopback that answers from a script, and says what it was asked."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Self

from notify_core.exchange import Reply, Request
from notify_core.sandbox.faults import EVERYWHERE, Fault, Faults
from notify_core.sandbox.kinds import Answer
from notify_core.sandbox.server import BODY_LIMIT, IDLE_TIMEOUT, Server, Wire

Line = Reply | Callable[[Request], Reply]
"""What one request is answered with, or what makes the answer out of it."""

# A status that no dialect gives a meaning to, so that a request too many shows in the outcome as well.
_OFF_SCRIPT = Reply(418, b"the script has no reply to this request", {"content-type": "text/plain"})


class ScriptedGateway:
    """Answers each request with the next line of ``script``, over real sockets; keeps what it was asked and answered.

    ``fault`` (such as ``cut-after``, see ``notify_core.sandbox.KINDS``) happens to every request.
    """

    def __init__(self, *script: Line, fault: str = "") -> None:
        self.requests: list[Request] = []
        self.answered: list[Reply] = []
        self._script = list(script)
        self._faults = Faults()
        if fault:
            self._faults.add(Fault.parse(f"{EVERYWHERE}:{fault}"))
        self._lock = Lock()
        self._server = Server(self._answer, body_limit=BODY_LIMIT, idle_timeout=IDLE_TIMEOUT)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.stop()

    def _answer(self, request: Request, wire: Wire) -> None:
        with self._lock:
            self.requests.append(request)
            line = self._script.pop(0) if self._script else _OFF_SCRIPT
        reply = line if isinstance(line, Reply) else line(request)
        answer = self._faults.around(request.path, wire, lambda: Answer(reply))
        self.answered.append(answer.reply)
        answer.deliver(wire, answer.reply)


@dataclass(frozen=True, slots=True)
class DeadEnd:
    """An address where no request is ever read, and so none is answered."""

    url: str
    requests: list[Request] = field(default_factory=list)
    answered: list[Reply] = field(default_factory=list)


@contextmanager
def closed_port() -> Iterator[DeadEnd]:
    """An address where connections are refused for as long as the context lasts: taken, and not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield DeadEnd(f"http://127.0.0.1:{taken.getsockname()[1]}")


@contextmanager
def slammed_door() -> Iterator[DeadEnd]:
    """An address where every connection is taken and closed at once, before anything is read."""
    stopping = Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=_slam, args=(listener, stopping), daemon=True)
        thread.start()
        try:
            yield DeadEnd(f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            stopping.set()
            socket.create_connection(listener.getsockname()).close()  # wakes accept() on every system
            thread.join()


def _slam(listener: socket.socket, stopping: Event) -> None:
    while not stopping.is_set():
        visitor, _ = listener.accept()
        visitor.close()

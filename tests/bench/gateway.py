"""The gateway that is measured against: a process of its own that costs as little as can be.

It answers as the sandbox does: the first request to each address goes on to a sandbox, and what that answers is given
to all later ones, at once or after a delay. So the figures are the client's: a sandbox that thinks about a message
takes a core that its client could use, and for one dialect thinks longer than for another.
"""

from __future__ import annotations

import heapq
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import TextIO

ACCOUNT = {"account": "sandbox", "password": "sandbox-secret", "user_id": "1001", "signature": "腾飞"}
"""The account that the sandbox has from the start (plugins/notify_ipyy/sandbox)."""


@contextmanager
def running(seconds: float = 0.0) -> Iterator[str]:
    """The base address of a gateway that takes so many seconds for each request, while the context is open."""
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, __file__, str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.communicate("\n")


class Replay:
    """Answers on one thread; ``sandbox`` is the port of what it learns its answers from."""

    def __init__(self, sandbox: int, seconds: float) -> None:
        self._sandbox = sandbox
        self._seconds = seconds
        self._answers: dict[bytes, bytes] = {}
        self._begun: dict[socket.socket, bytes] = {}
        self._due: list[tuple[float, int, socket.socket, bytes]] = []
        self._order = count()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self, stop: TextIO) -> None:
        """Answer until there is something to read at ``stop``."""
        self._selector.register(stop, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select(self._wait()):
                if key.fileobj is stop:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._receive(key.fileobj)  # type: ignore[arg-type] # all else are connections
            while self._due and self._due[0][0] <= time.monotonic():
                *_, connection, answer = heapq.heappop(self._due)
                connection.sendall(answer)

    def _wait(self) -> float | None:
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else None

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._begun[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)

    def _receive(self, connection: socket.socket) -> None:
        chunk = connection.recv(65536)
        request = self._begun[connection] + chunk
        if not chunk:
            self._selector.unregister(connection)
            connection.close()
        elif _whole(request):
            self._begun[connection] = b""
            self._answer(connection, request)
        else:
            self._begun[connection] = request

    def _answer(self, connection: socket.socket, request: bytes) -> None:
        target = request[: request.find(b"\r\n")]
        answer = self._answers.get(target) or self._answers.setdefault(target, self._learnt(request))
        if self._seconds:
            heapq.heappush(self._due, (time.monotonic() + self._seconds, next(self._order), connection, answer))
        else:
            connection.sendall(answer)

    def _learnt(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self._sandbox)) as sandbox:
            sandbox.sendall(request)
            answer = b""
            while not _whole(answer):
                answer += sandbox.recv(65536)
        return answer


def _whole(message: bytes) -> bool:
    """Whether a request or an answer is there with its body."""
    head, end, body = message.partition(b"\r\n\r\n")
    _, named, length = head.lower().partition(b"\r\ncontent-length: ")
    return bool(end) and len(body) >= (int(length.partition(b"\r\n")[0]) if named else 0)


def _serve(seconds: float) -> None:
    from notify_core.plugins import transports
    from notify_core.sandbox import LocalGateway

    sandboxes = [module.sandbox for module in transports().values() if hasattr(module, "sandbox")]
    with LocalGateway(sandboxes) as gateway:
        gateway.account(name=ACCOUNT["account"], credit=100_000_000)
        replay = Replay(int(gateway.url.rpartition(":")[2]), seconds)
        print(replay.url, flush=True)
        replay.serve(sys.stdin)


if __name__ == "__main__":
    _serve(float(sys.argv[1]))

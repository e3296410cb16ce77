"""A gateway on loopback that plays a script: each request meets the next act, and the last act stays.

An act is given the connection after a whole request was read from it, and answers whether the connection goes on.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from types import TracebackType
from typing import Any, Self

CERTIFICATE = Path(__file__).parent / "localhost.pem"
"""A self-signed certificate for localhost, with its key, until 2120."""

Act = Callable[[socket.socket], bool]


@dataclass(frozen=True)
class Received:
    """A request as it came, and the number of the connection that brought it."""

    line: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def data(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Gateway:
    """A server of scripted acts. ``received`` and ``connections`` tell what it saw; ``stopping`` is set as it ends."""

    secure: bool = False
    script: list[Act] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if self.secure else 'http'}://localhost:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def sent_to(self) -> list[str]:
        """Every recipient of every submission, in order."""
        return [number for request in self.received for number in request.data["to"]]

    def connected(self) -> int:
        """Count a connection; its number."""
        with self._lock:
            self.connections += 1
            return self.connections

    def next_act(self, request: Received) -> Act:
        """Note a request; what is to happen to it."""
        with self._lock:
            self.received.append(request)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.context = _context() if gateway.secure else None
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about."""


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


class _Handler(BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        gateway = self.server.gateway
        number = gateway.connected()
        connection: socket.socket = self.request
        if self.server.context:
            connection = self.server.context.wrap_socket(connection, server_side=True)
        with connection, connection.makefile("rb") as stream:
            going = True
            while going and (line := stream.readline()):
                headers = dict(_header(each) for each in iter(stream.readline, b"\r\n"))
                body = stream.read(int(headers.get("content-length", 0)))
                going = gateway.next_act(Received(line.decode().strip(), headers, body, number))(connection)


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode().partition(":")
    return name.lower(), value.strip()


# --- acts ------------------------------------------------------------------------------------------------------------


def says(body: bytes | str | Mapping[str, Any] = b"", status: int = 200, **headers: str) -> Act:
    """Answer with ``body`` (a mapping as JSON) and keep the connection."""
    content = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else json.dumps(body).encode()
    return raw(head(status, {"Content-Length": str(len(content)), **headers}) + content)


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """The first lines of an answer; ``_`` in a header's name stands for ``-``."""
    lines = [f"HTTP/1.1 {status} -", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def raw(data: bytes) -> Act:
    """Answer with these bytes and keep the connection."""

    def act(connection: socket.socket) -> bool:
        connection.sendall(data)
        return True

    return act


def cut(data: bytes = b"") -> Act:
    """Answer with these bytes, which are not all, and close the connection."""

    def act(connection: socket.socket) -> bool:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)
        return False

    return act


def reset(connection: socket.socket) -> bool:
    """Close the connection with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    return False


def waits(until: threading.Event) -> Act:
    """Answer nothing; close the connection when ``until`` is set."""

    def act(_: socket.socket) -> bool:
        until.wait(30)
        return False

    return act


def drips(start: bytes, until: threading.Event) -> Act:
    """Send ``start``, then a byte each few milliseconds, until the client goes or ``until`` is set."""

    def act(connection: socket.socket) -> bool:
        connection.sendall(start)
        while not until.wait(0.005):
            connection.sendall(b"a")
        return False

    return act


def after(event: threading.Event, act: Act) -> Act:
    """The act, once ``event`` is set."""

    def late(connection: socket.socket) -> bool:
        event.wait(30)
        return act(connection)

    return late


# --- what the test transport reads -----------------------------------------------------------------------------------


def accepts(task_id: str = "1504080852350206", **members: Any) -> Act:
    """Take the submission."""
    return says({"ok": True, "id": task_id, **members})


def refuses(scope: str, **members: Any) -> Act:
    """Refuse the submission, with this scope."""
    return says({"ok": False, "scope": scope, "code": "E-1", "text": "refused", **members})

"""A small HTTP/1.1 server on loopback that hands its handler the connection itself: faults need it.

One thread a connection. It is the counterpart in benchmarks, so a request costs little: about one ``recv``, one parse
of the head, one ``sendall``.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from http import HTTPStatus
from threading import Event, Lock, Thread
from typing import NoReturn

from notify_core.exchange import Reply, Request

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 16 * 1024 * 1024
IDLE_TIMEOUT = 120.0  # what IIS gives an idle connection: the default of its connectionTimeout
_CHUNK = 64 * 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds: close() sends RST instead of FIN


class Cut(Exception):
    """The connection ends here, whatever was promised on it."""


class _Unreadable(Exception):
    """What came is no request that this server takes; ``status`` tells the client why."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class Wire:
    """One connection, as its handler has it."""

    def __init__(self, sock: socket.socket, stopping: Event, body_limit: int) -> None:
        self.keep = True
        self._socket = sock
        self._stopping = stopping
        self._body_limit = body_limit
        self._buffer = bytearray()

    def read(self) -> Request | None:
        """The next request with its whole body, or None where the client is done."""
        head = self._head()
        if head is None:
            return None
        line, *lines = head.split("\r\n")
        method, target, version = _request_line(line)
        headers = {name.strip().lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
        self.keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        path, _, query = target.partition("?")
        return Request(method, path, query, headers, self._body(headers))

    def send(self, reply: Reply) -> None:
        """Write a whole reply at once."""
        self.write(head(reply, len(reply.body), keep=self.keep) + reply.body)

    def write(self, data: bytes) -> None:
        """Write bytes as they are."""
        self._socket.sendall(data)

    def pause(self, seconds: float) -> None:
        """Wait, unless the server stops before: then the connection is cut."""
        if self._stopping.wait(seconds):
            raise Cut

    def reset(self) -> NoReturn:
        """Cut the connection with RST: what the client has not read yet is lost to it."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        raise Cut

    def shut(self) -> None:
        """Wake whoever reads or writes here: for them the connection has ended."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _head(self) -> str | None:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > HEAD_LIMIT:
                raise _Unreadable(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            if not self._receive():
                return None
        text = self._buffer[:end].decode("latin-1")
        del self._buffer[: end + 4]
        return text

    def _body(self, headers: dict[str, str]) -> bytes:
        size = self._size(headers)
        if size > len(self._buffer) and headers.get("expect", "").lower() == "100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(self._buffer) < size:
            if not self._receive():
                raise Cut
        body = bytes(self._buffer[:size])
        del self._buffer[:size]
        return body

    def _size(self, headers: dict[str, str]) -> int:
        if "transfer-encoding" in headers:
            raise _Unreadable(HTTPStatus.LENGTH_REQUIRED)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise _Unreadable(HTTPStatus.BAD_REQUEST)
        if int(length) > self._body_limit:
            raise _Unreadable(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return int(length)

    def _receive(self) -> bool:
        chunk = self._socket.recv(_CHUNK)
        self._buffer += chunk
        return bool(chunk)


def _request_line(line: str) -> tuple[str, str, str]:
    try:
        method, target, version = line.split(" ")
    except ValueError:
        raise _Unreadable(HTTPStatus.BAD_REQUEST) from None
    if not target.startswith("/"):
        raise _Unreadable(HTTPStatus.BAD_REQUEST)
    return method, target, version


def head(reply: Reply, length: int | None, *, keep: bool) -> bytes:
    """The status line and headers of a reply whose body has ``length`` bytes; None: it comes in chunks."""
    lines = [f"HTTP/1.1 {reply.status} {_phrase(reply.status)}", *(f"{n}: {v}" for n, v in reply.headers.items())]
    lines.append("transfer-encoding: chunked" if length is None else f"content-length: {length}")
    if not keep:
        lines.append("connection: close")
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


Handler = Callable[[Request, Wire], None]
"""Answers one request on its connection; raising ``Cut`` ends it."""


class Server:
    """Listens on 127.0.0.1 from the moment it is made; ``stop`` ends every connection and thread before it returns.

    ``port`` 0 takes a free one. Raises ``OSError`` where the port is taken.
    """

    def __init__(self, handler: Handler, *, port: int = 0, body_limit: int, idle_timeout: float) -> None:
        self._handler = handler
        self._body_limit = body_limit
        self._idle_timeout = idle_timeout
        self._stopping = Event()
        self._lock = Lock()
        self._connections: dict[Wire, Thread] = {}
        self._listener = _listener(port)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = Thread(target=self._accept, name=f"sandbox:{self.port}", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Stop listening, end every connection, and wait for their threads."""
        self._stopping.set()
        self._wake_acceptor()
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            connections = dict(self._connections)
        for wire in connections:
            wire.shut()
        for thread in connections.values():
            thread.join()

    def _wake_acceptor(self) -> None:
        # Closing a listening socket wakes accept() on some systems only; a connection wakes it on all.
        with socket.socket() as knock:
            knock.connect(("127.0.0.1", self.port))

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:  # the client has left already, or no file descriptor is free: the next may fare better
                if self._stopping.wait(0.05):
                    return
                continue
            if self._stopping.is_set():
                sock.close()
                return
            self._attend(sock)

    def _attend(self, sock: socket.socket) -> None:
        sock.settimeout(self._idle_timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = Wire(sock, self._stopping, self._body_limit)
        thread = Thread(target=self._converse, args=(wire,), name=f"sandbox:{self.port}:connection", daemon=True)
        with self._lock:
            self._connections[wire] = thread
        thread.start()

    def _converse(self, wire: Wire) -> None:
        try:
            self._answer_all(wire)
        except (Cut, OSError):
            pass  # the client went away, fell silent, or a fault cut it off: what is left to do is the same
        finally:
            with self._lock:
                del self._connections[wire]
            wire.close()

    def _answer_all(self, wire: Wire) -> None:
        try:
            while wire.keep and (request := wire.read()) is not None:
                self._handler(request, wire)
        except _Unreadable as error:
            wire.keep = False
            wire.send(Reply(error.status, error.status.phrase.encode(), {"content-type": "text/plain"}))


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        reason = f"cannot listen on 127.0.0.1:{port}: {error.strerror}; choose another port, or 0 for a free one"
        raise OSError(error.errno, reason) from error
    return listener

"""A gateway that takes every form at once, in a process of its own, and counts what came.

It understands no more of HTTP and of smsJson.aspx than a bench needs: its CPU is taken from the same cores.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

MARK = "99"
"""The extension of messages whose arrival the gateway notes."""


@dataclass(frozen=True)
class Tally:
    """What came so far; ``marked`` are the times of marked messages, by the monotonic clock of all processes."""

    requests: int
    recipients: int
    marked: list[float]


@dataclass(frozen=True)
class Quick:
    """The running gateway; who asks it does so over one connection, which costs least of what is measured."""

    url: str
    connection: HTTPConnection

    def tally(self) -> Tally:
        """What came so far."""
        self.connection.request("GET", "/tally")
        return Tally(**json.load(self.connection.getresponse()))


@contextmanager
def running() -> Iterator[Quick]:
    """A quick gateway while the context is open."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with closing(HTTPConnection(urlsplit(url).netloc, timeout=30)) as connection:
            yield Quick(url, connection)
    finally:
        process.terminate()
        process.communicate()


# --- the process


_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_NUMBERS = re.compile(rb"[?&]mobile=([^&]*)")
_MARKED = b"extno=" + MARK.encode()


class _Counts:
    requests = 0
    recipients = 0
    marked: list[float]


class _Connection(asyncio.Protocol):
    def __init__(self, counts: _Counts) -> None:
        self._counts = counts
        self._unread = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._unread, 0, end)
            end += 4 + (int(length[1]) if length else 0)
            if len(self._unread) < end:
                return
            request, self._unread = self._unread[:end], self._unread[end:]
            self._transport.write(self._answer(request))

    def _answer(self, request: bytes) -> bytes:
        if request.startswith(b"GET"):
            return _reply(json.dumps(vars(self._counts)).encode())
        numbers = _NUMBERS.search(request)
        taken = numbers[1].count(b"%2C") + 1 if numbers else 0
        self._counts.requests += 1
        self._counts.recipients += taken
        if _MARKED in request:
            self._counts.marked.append(time.monotonic())
        return _reply(_TAKEN % (self._counts.requests, taken))


_TAKEN = b'{"returnstatus":"Success","message":"ok","remainpoint":"100000","taskID":"15%014d","successCounts":"%d"}'


def _reply(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def _serve() -> None:
    counts = _Counts()
    counts.requests, counts.recipients, counts.marked = 0, 0, []
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(counts), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())

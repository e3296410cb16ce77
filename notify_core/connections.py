"""Connections to gateways: how they are made, kept and used again.

A connection is made, and its first request asked, by urllib3, which knows of TLS and proxies. Over one that stands a
request is written and its answer read right here: that takes a quarter of the CPU. Only an answer of the plainest form
is read so; of any other http.client is given what came, and has not missed a byte.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from http.client import SWITCHING_PROTOCOLS, HTTPException, HTTPResponse
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import urllib3
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from notify_core.exchange import Reply
from notify_core.hosts import connected

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CONNECTING = "notify_connecting"
"""The mark on what was raised before a connection stood."""

_CHUNK = 16384


# --- answers ---------------------------------------------------------------------------------------------------------

_PLAIN = re.compile(
    rb"HTTP/1\.1 (?P<status>[2-5]\d\d)(?: [^\r\n]*)?\r\n"
    rb"(?P<fields>(?:[!#$%&'*+.^_`|~\w-]+:[^\r\n]*\r\n)*)\r\n",
    re.ASCII,
)
_NO_BODY = frozenset({204, 304})


def plain(came: bytes) -> Reply | None:
    """The reply, where ``came`` is all of one whose head and body anybody would read alike (RFC 9112 §6); else None.

    That is: HTTP/1.1, fields on a line each, one Content-Length, no other coding, and a connection that stays open.
    """
    head = _PLAIN.match(came)
    if head is None:
        return None
    fields = head["fields"].decode("latin-1").split("\r\n")[:-1]
    headers = {name.lower(): value.lstrip(" \t") for name, _, value in (field.partition(":") for field in fields)}
    status, length = int(head["status"]), headers.get("content-length", "")
    if (
        not (length.isascii() and length.isdigit() and len(length) < 10)
        or len(came) != head.end() + int(length)
        or status in _NO_BODY
    ):
        return None
    # What came twice may contradict itself.
    if len(headers) != len(fields) or "transfer-encoding" in headers:
        return None
    if headers.get("connection", "keep-alive") not in ("keep-alive", "Keep-Alive"):
        return None
    return Reply(status, came[head.end() :], headers)


class _Until(RawIOBase):
    """Reads a socket until then (monotonic); after that it is a timeout, however much has come. ``came`` comes first.

    The socket's own timeout is that of the first read, and is cut for each of the others.
    """

    def __init__(self, raw: RawIOBase, sock: socket.socket, ends: float, came: bytes) -> None:
        self._raw = raw
        self._sock = sock
        self._ends = ends
        self._came = came
        self._begun = bool(came)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if self._came:
            return self._again(memoryview(buffer))
        if self._begun:
            left = self._ends - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
        self._begun = True
        return self._raw.readinto(buffer)

    def _again(self, buffer: memoryview) -> int:
        part, self._came = self._came[: len(buffer)], self._came[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()


class _WholeReply(HTTPResponse):
    """A reply that has to be whole within the socket's timeout, which by itself bounds each read and no more.

    ``came`` was read of it already, and ``ends`` is then when its time is over (monotonic).
    """

    def __init__(self, sock: socket.socket, *arguments: Any, came: bytes = b"", ends: float = 0.0, **more: Any) -> None:
        super().__init__(sock, *arguments, **more)
        if seconds := sock.gettimeout():
            ends = ends or time.monotonic() + seconds
            self.fp = BufferedReader(_Until(self.fp.detach(), sock, ends, came))

    def begin(self) -> None:
        """Read the head of the answer. http.client takes any interim one but 100 for it (RFC 9110 §15.2).

        The connection would then be used again, and each request be answered by the answer to the one before.
        """
        super().begin()
        while 100 <= self.status < 200:
            if self.status == SWITCHING_PROTOCOLS:
                raise HTTPException("the gateway switched protocols, which nobody asked for")
            self.headers = self.msg = None  # type: ignore[assignment] # as before the first one
            super().begin()


# --- connections -----------------------------------------------------------------------------------------------------


class _OneWrite:
    """A connection that writes a request with its body at once, where urllib3 writes the head first.

    A second write is a system call, a second TLS record, and with many threads another wait for the interpreter.
    ``patience`` is the timer of the request.
    """

    patience: Any
    sock: Any
    _held: list[bytes] | None = None

    def request(self, *target: Any, **options: Any) -> None:
        self._held = []
        try:
            super().request(*target, **options)  # type: ignore[misc]
        finally:
            held, self._held = self._held, None
        self._write(b"".join(held))

    def _write(self, request: bytes) -> None:
        """Write a request while an answer could be waited for: a picture by a slow line outlasts connect_timeout."""
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        left = self.patience.read_timeout
        if not left:
            raise ConnectTimeoutError("the time was over before the request was written")
        self.sock.settimeout(left)
        try:
            self.send(request)
        except TimeoutError as error:
            raise ReadTimeoutError(None, "", "the request was not taken in time") from error  # type: ignore[arg-type]

    def send(self, data: Any) -> None:
        if self._held is None:  # no part of a request, such as what a tunnel begins with
            super().send(data)  # type: ignore[misc]
        else:
            self._held.append(data)


class _MarksConnecting:
    """A connection that marks what is raised while it is being made: before and after it stood are two verdicts."""

    response_class: Any = _WholeReply

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        except BaseException as error:
            setattr(error, CONNECTING, True)
            raise

    def _new_conn(self) -> socket.socket:
        """The socket, with what urllib3 raises where there is none."""
        here: Any = self
        try:
            host = here._dns_host  # noqa: SLF001 - its ``host`` has lost the dot that ends a whole name
            return connected(host, here.port, here.timeout, here.socket_options or ())
        except UnicodeError:
            raise LocationParseError("a host whose label is empty or too long") from None
        except socket.gaierror as error:
            raise NameResolutionError(here.host, here, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(here, "the host did not answer in time") from error
        except OSError as error:
            raise NewConnectionError(here, "the host did not take the connection") from error


class _Stands:
    """A connection that stands already can be asked without the library."""

    sock: Any
    close: Callable[[], None]
    _ends = 0.0

    def ask(self, request: bytes, seconds: float) -> bytes:
        """Write a whole request within so many seconds: the first bytes of its answer, none where it was cut."""
        self._ends = time.monotonic() + seconds
        if self.sock.gettimeout() != seconds:
            self.sock.settimeout(seconds)
        with suppress(BrokenPipeError, ConnectionResetError):  # what came before that may say why
            self.sock.sendall(request)
        if len(request) > _CHUNK:  # no system call for a short one, which is gone at once
            self.sock.settimeout(max(self._ends - time.monotonic(), 0.001))
        first: bytes = self.sock.recv(_CHUNK)
        return first

    def answer(self, came: bytes, method: str) -> urllib3.HTTPResponse:
        """The answer that begins with what ``came``, as urllib3 has it: its body is still to be read."""
        reply = _WholeReply(self.sock, method=method, came=came, ends=self._ends)
        try:
            reply.begin()
        except BaseException:
            reply.close()
            raise
        if reply.will_close:
            self.close()  # as http.client does: the reply still reads what is left
        return urllib3.HTTPResponse(
            reply,
            headers=HTTPHeaderDict(reply.headers.items()),
            status=reply.status,
            preload_content=False,
            decode_content=False,
            original_response=reply,
            enforce_content_length=True,
            request_method=method,
        )


class _Connection(_OneWrite, _MarksConnecting, _Stands, HTTPConnection):
    pass


class _TlsConnection(_OneWrite, _MarksConnecting, _Stands, HTTPSConnection):
    pass


# --- pools -----------------------------------------------------------------------------------------------------------


class _Keeps:
    """A pool that knows which of its connections stand.

    One that idled for long is closed, rather than find out by a request that the gateway has cut it.
    """

    keep_alive = 4.0

    def _make_request(self, *target: Any, **options: Any) -> Any:
        connection = target[0]
        connection.patience = options["timeout"].clone()
        connection.patience.start_connect()
        return super()._make_request(*target, **options)  # type: ignore[misc]

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        idle_since = getattr(connection, "idle_since", None)
        if idle_since is not None and (time.monotonic() - idle_since > self.keep_alive or _has_more(connection)):
            connection.close()
        return connection

    def _put_conn(self, connection: Any) -> None:
        if connection is not None:
            connection.idle_since = time.monotonic()
        super()._put_conn(connection)  # type: ignore[misc]

    @contextmanager
    def using(self, connection: Any) -> Iterator[None]:
        """Take the connection back in the end, closed where anything was raised; the network's errors are urllib3's."""
        try:
            yield
        except (OSError, HTTPException) as error:
            connection.close()
            raise _told(error, self) from error
        except BaseException:
            connection.close()
            raise
        finally:
            self._put_conn(connection)


def _has_more(connection: Any) -> bool:
    """Whether something lies behind the last answer that TLS decrypted already, which no look at the socket shows."""
    return bool(connection.sock is not None and getattr(connection.sock, "pending", int)())


def _told(error: BaseException, pool: Any) -> BaseException:
    """The error of urllib3 that its own way would have raised, without the address."""
    if isinstance(error, TimeoutError):
        return ReadTimeoutError(pool, "", "no answer in time")
    if isinstance(error, ssl.SSLError):
        return SSLError(error)
    return ProtocolError("the connection failed", error)


def standing(pool: Any) -> Any:
    """A connection of the pool's that stands, for ``pool.using``; None where urllib3 has to see to one."""
    if not isinstance(pool, _Keeps) or pool.proxy is not None:  # type: ignore[attr-defined]
        return None
    connection = pool._get_conn()  # noqa: SLF001 - of the pool above, though the class is urllib3's
    if not connection.is_closed:
        return connection
    pool._put_conn(None)  # noqa: SLF001 - the same
    return None


class _Pool(_Keeps, HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(_Keeps, HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


@lru_cache(maxsize=8)
def _tls(bundle: str) -> ssl.SSLContext:
    """The process's one TLS context for a CA bundle: loading the bundle costs about 26 ms, for each new connection."""
    context = (
        ssl.create_default_context(capath=bundle)
        if Path(bundle).is_dir()
        else ssl.create_default_context(cafile=bundle)
    )
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _bundle() -> str:
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where()


class Adapter(HTTPAdapter):
    """requests' adapter with our pools and the shared TLS context, for direct connections and through proxies."""

    def init_poolmanager(self, *sizes: Any, **keywords: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*sizes, **keywords, ssl_context=_tls(_bundle()))
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **keywords: Any) -> Any:
        """The pools of connections through ``proxy``."""
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **keywords, ssl_context=_tls(_bundle()))
        if not known and not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager

"""HTTP for plugins: one tuned session per account, and the table of what a failure of the network means.

requests prepares what is fixed per address and finds the proxies; what changes per message goes straight to the
connection pool of its adapter. That leaves out the environment look-ups, cookies and redirects of ``Session.send``,
which cost half of a call and which nothing here may use: credentials must not follow a redirect.
"""

from __future__ import annotations

import logging
import os
import re
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.utils import check_header_validity, get_environ_proxies, requote_uri, select_proxy
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.util import Retry as Retries
from urllib3.util import Timeout, parse_url

from notify_core.connections import CONNECTING, Adapter, plain, standing
from notify_core.errors import Retry, Scope, SendError, Sent, UnreadableReply
from notify_core.exchange import Reply
from notify_core.settings import AccountSettings, is_loopback

MOST_BYTES = 8 * 1024 * 1024
"""The longest reply that is read: 4,000 reports in one (gateway.md, part 1 §5) are about one megabyte."""

_NO_HEADERS: Mapping[str, str] = {}
_CHUNK = 65536
_PORTS = {"http": 80, "https": 443}
_ONCE = Retries(total=False, redirect=False)


# --- what a failure means -------------------------------------------------------------------------------------------

SURELY_NOT: dict[type[BaseException], str] = {
    urllib3.exceptions.NameResolutionError: "the name of {where} cannot be resolved; check base_url and DNS",
    urllib3.exceptions.NewConnectionError: "no connection to {where}; is it reachable from here?",
    urllib3.exceptions.ConnectTimeoutError: "no connection to {where} within connect_timeout",
    urllib3.exceptions.ProxySchemeUnknown: "the proxy's address is not one; check HTTPS_PROXY",
    urllib3.exceptions.ProxySchemeUnsupported: "the proxy's scheme is not supported",
    urllib3.exceptions.EmptyPoolError: "every connection is in use",
    urllib3.exceptions.ClosedPoolError: "the session is closed",
    urllib3.exceptions.LocationValueError: "not an address",
    urllib3.exceptions.URLSchemeUnknown: "not an http or https address",
    urllib3.exceptions.HostChangedError: "the address left the gateway's host",
    requests.exceptions.ConnectTimeout: "no connection to {where} within connect_timeout",
    requests.exceptions.InvalidURL: "not an address",
    requests.exceptions.InvalidSchema: "not an http or https address",
    requests.exceptions.MissingSchema: "not an http or https address",
    requests.exceptions.URLRequired: "not an address",
    requests.exceptions.InvalidHeader: "a header has a value that HTTP cannot carry",
    requests.exceptions.InvalidJSONError: "the request cannot be written as JSON",
}
"""Exceptions after which nothing can have reached the gateway, whatever else happened. ``{where}`` is its address."""

IN_DOUBT: dict[type[BaseException], str] = {
    urllib3.exceptions.ReadTimeoutError: "no answer within read_timeout",
    urllib3.exceptions.SSLError: "TLS failed",
    # urllib3 says so too where a proxy cut the connection after reading all: http.client has closed it by then, and a
    # closed connection "has not connected to its proxy". A proxy that refuses does it while the connection is made.
    urllib3.exceptions.ProxyError: "the proxy failed",
    urllib3.exceptions.IncompleteRead: "the answer broke off",
    urllib3.exceptions.ProtocolError: "the connection was cut",
    urllib3.exceptions.DecodeError: "the answer's encoding cannot be undone",
    urllib3.exceptions.HTTPError: "the exchange failed",
    requests.exceptions.ReadTimeout: "no answer within read_timeout",
    requests.exceptions.SSLError: "TLS failed",
    requests.exceptions.ProxyError: "the proxy failed",
    requests.exceptions.ChunkedEncodingError: "the answer broke off",
    requests.exceptions.JSONDecodeError: "the answer is not JSON",
    requests.exceptions.ConnectionError: "the connection was cut",
    requests.exceptions.RequestException: "the exchange failed",
    OSError: "the connection failed",
    Exception: "the exchange failed",
}
"""Exceptions after which the gateway may have the request, unless they rose while the connection was being made."""


_SILENT_HANDSHAKE = (
    "no connection to {where} within connect_timeout: the TLS handshake got no answer; check the port of base_url"
)


def failure(error: BaseException, where: str = "the gateway") -> SendError:
    """The verdict on what the network raised: surely not sent, or in doubt. ``where`` is the gateway's host and port.

    requests has one ``ConnectionError`` for "refused" and for "cut after reading all", so the cause underneath decides;
    and whatever rose before the connection stood, a TLS handshake included, sent nothing.
    """
    causes = _causes(error)
    kinds = [_kind(cause) for cause in causes]
    if surely := next((kind for kind in kinds if kind in SURELY_NOT), None):
        words = SURELY_NOT[surely].format(where=where)
        return SendError(words, sent=Sent.NO, scope=Scope.TRANSPORT, retry=Retry.LATER)
    words = IN_DOUBT[kinds[0]]
    if any(getattr(cause, CONNECTING, False) for cause in causes):
        late = any(isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError) for cause in causes)
        early = f"{words} before the connection to {where} stood{_certificate(causes)}"
        words = _SILENT_HANDSHAKE.format(where=where) if late else early
        return SendError(words, sent=Sent.NO, scope=Scope.TRANSPORT, retry=Retry.LATER)
    return SendError(words, sent=Sent.UNKNOWN, scope=Scope.TRANSPORT)


def _kind(error: BaseException) -> type[BaseException]:
    """The entry of either table that is closest to the error's class."""
    return next((cls for cls in type(error).__mro__ if cls in SURELY_NOT or cls in IN_DOUBT), Exception)


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what lies underneath it, outermost first: urllib3 keeps causes in args, requests passes them on."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        candidate = waiting.pop(0)
        if isinstance(candidate, BaseException) and candidate not in found:
            found.append(candidate)
            waiting += [*candidate.args, getattr(candidate, "reason", None), candidate.__cause__]
    return found


def _certificate(causes: list[BaseException]) -> str:
    refused = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
    return f": {refused.verify_message}; REQUESTS_CA_BUNDLE names the CA file" if refused else ""


def refusal(status: int, raw: str, after: float | None = None) -> SendError | None:
    """The verdict on an HTTP status: None for 2xx; 4xx, 503 and most of 3xx did not take the request; else in doubt.

    302 and 303 are in doubt: 303 is the answer to a request that was carried out (RFC 9110 §15.4.4), and ASP.NET leads
    to its error page by 302 when a page failed, whatever that had done by then (``customErrors``, ``defaultRedirect``).

    ``after`` is the delay in seconds that the gateway asked for.
    """
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        words = "the gateway answered with a redirect, which is not followed; check base_url"
        sent = Sent.UNKNOWN if status in (302, 303) else Sent.NO
        return SendError(words, sent=sent, code=f"HTTP {status}", raw=raw)
    if status == 413:
        words = "the request is too large for the gateway"
        return SendError(words, sent=Sent.NO, code=f"HTTP {status}", raw=raw)
    if 400 <= status < 500 or status == 503:
        words = "the gateway did not take the request"
        return SendError(words, sent=Sent.NO, retry=Retry.LATER, after=after, code=f"HTTP {status}", raw=raw)
    return SendError("the gateway failed while it had the request", sent=Sent.UNKNOWN, code=f"HTTP {status}", raw=raw)


def _delay(headers: Mapping[str, str]) -> float | None:
    """Retry-After, where it is in seconds (RFC 9110 §10.2.3)."""
    after = headers.get("retry-after", "")
    return float(after) if after.isascii() and after.isdigit() else None


# --- what urllib3 logs -----------------------------------------------------------------------------------------------


class _Asking(threading.local):
    """Whether this thread asks a gateway just now."""

    here = False


_asking = _Asking()


def _without_query(record: logging.LogRecord) -> bool:
    """urllib3 logs every target at DEBUG, and that of a GET holds the password, the text and the numbers."""
    if _asking.here and isinstance(record.args, tuple):
        record.args = tuple(each.partition("?")[0] if isinstance(each, str) else each for each in record.args)
    return True


for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(_without_query)


# --- addresses -------------------------------------------------------------------------------------------------------


class _Address:
    """One address with all that is fixed about asking it: pool, target and headers; ``where`` is what errors name."""

    __slots__ = ("headers", "host", "method", "pool", "target", "where")

    def __init__(self, session: requests.Session, method: str, url: str, keep_alive: float) -> None:
        prepared = session.prepare_request(requests.Request(method, url))
        adapter: Any = session.get_adapter(url)
        proxy = select_proxy(url, session.proxies)
        manager = adapter.proxy_manager_for(proxy) if proxy else adapter.poolmanager
        self.pool = manager.connection_from_url(prepared.url)
        self.pool.keep_alive = keep_alive
        self.method = method
        self.host = _host(prepared.url or url)
        self.target = adapter.request_url(prepared, session.proxies)
        self.where = _host_and_port(url) + (f" through the proxy {_host_and_port(proxy)}" if proxy else "")
        self.headers = {name: value for name, value in prepared.headers.items() if name != "Content-Length"}

    def written(self, target: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        """A whole request, byte by byte as urllib3 writes it."""
        length = () if body is None else (f"Content-Length: {len(body)}",)
        fields = (f"{name}: {value}" for name, value in headers.items())
        head = "\r\n".join((f"{self.method} {target} HTTP/1.1", f"Host: {self.host}", *length, *fields, "", ""))
        return head.encode("latin-1") + (body or b"")


_USUAL = re.compile(r"(?:[A-Za-z0-9/?&=.~_+:;,@!$'()*-]++|%[0-9A-F]{2})*+", re.ASCII)
_UNUSUAL = frozenset({"host", "content-length", "transfer-encoding"})


def _is_usual(target: str, headers: Mapping[str, str]) -> bool:
    """Whether urllib3 would write the request as it is: no characters to be encoded, no field that is its own."""
    return _USUAL.fullmatch(target) is not None and not any(name.lower() in _UNUSUAL for name in headers)


def _host(url: str) -> str:
    """What the field Host says: without a port that is the scheme's own."""
    parts = parse_url(url)
    usual = parts.port in (None, _PORTS.get(parts.scheme or ""))
    return parts.host or "" if usual else f"{parts.host}:{parts.port}"


def _host_and_port(url: str) -> str:
    """``sh2.ipyy.com:443``: an address without its path, its query, and the credentials that may stand in it."""
    parts = parse_url(url)
    return f"{parts.host}:{parts.port or _PORTS.get(parts.scheme or '', '')}"


# --- the session -----------------------------------------------------------------------------------------------------


class Session:
    """The HTTP session of one account, shared by its transports and by threads. Close it when done.

    A process that is forked off gets connections of its own: two that wrote on one would read each other's answers.
    """

    def __init__(self, settings: AccountSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._timeout = Timeout(connect=settings.connect_timeout, read=settings.read_timeout)
        self.now = now
        self._closed = False
        self._parents: list[object] = []  # kept for ever: to close what a parent process shares is not for its child
        self._open()
        _sessions.add(self)

    def _open(self) -> None:
        settings = self._settings
        self._requests = requests.Session()
        self._requests.trust_env = False
        # A proxy is for what lies beyond this machine; it would ask itself for what listens on loopback here.
        self._requests.proxies = {} if _local(settings.base_url) else get_environ_proxies(settings.base_url)
        self._requests.headers = {"User-Agent": "notify-core", "Accept": "*/*", "Accept-Encoding": "identity"}
        adapter = Adapter(pool_connections=4, pool_maxsize=settings.connections)
        self._requests.mount("https://", adapter)
        self._requests.mount("http://", adapter)
        self._addresses: dict[tuple[str, str], _Address] = {}
        self._pools: set[HTTPConnectionPool] = set()  # an error's traceback can keep one alive that no address here has
        self._lock = threading.Lock()

    def forked(self) -> None:
        """Begin anew in a child process, with nothing of the parent's: neither its connections nor its locks."""
        self._parents.append((self._requests, self._pools))
        self._open()

    def exchange(self, seconds: float | None = None, keep: Callable[[Reply], None] | None = None) -> Exchange:
        """What one operation of a plugin speaks through; ``seconds`` bounds it, beside the account's own timeouts.

        ``keep`` is called with each reply before the plugin sees it.
        """
        return Exchange(self, None if seconds is None else time.monotonic() + seconds, keep)

    def close(self) -> None:
        """Close every connection; what is sent after that is surely not sent."""
        self._closed = True
        self._requests.close()
        with self._lock:
            for pool in self._pools:
                pool.close()

    def address(self, method: str, path: str) -> _Address:
        """The prepared address of ``path``, which has no query; made once."""
        if self._closed:
            raise urllib3.exceptions.ClosedPoolError(None, "")  # type: ignore[arg-type]
        if found := self._addresses.get((method, path)):
            return found
        with self._lock:
            made = _Address(self._requests, method, self._url(path), self._settings.keep_alive)
            self._pools.add(made.pool)
            if len(self._addresses) < 256:
                self._addresses[method, path] = made
        return made

    def _url(self, path: str) -> str:
        """The whole address. What is absolute comes from a plugin, and is held to the rule for ``base_url``."""
        if not path.startswith(("http://", "https://")):
            return self._settings.base_url + path
        if path.startswith("http://") and not self._settings.allow_insecure and not _local(path):
            raise SendError("http:// would send the password in clear; use https://, or set allow_insecure: true")
        return path

    def timeout(self, ends: float | None) -> Timeout:
        """The account's timeouts, cut to what is left until ``ends`` (monotonic)."""
        if ends is None:
            return self._timeout
        left = max(ends - time.monotonic(), 0.001)
        connect, read = self._settings.connect_timeout, self._settings.read_timeout
        return Timeout(total=left, connect=min(left, connect), read=min(left, read))


_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def _forked() -> None:
    for session in list(_sessions):
        session.forked()


if hasattr(os, "register_at_fork"):  # where processes can fork
    os.register_at_fork(after_in_child=_forked)


def _local(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")


class Exchange:
    """One operation's HTTP (the ``http`` that hooks are handed).

    ``left`` says whether a request may have left this process, ``asked`` how many were begun; ``replies`` keeps what
    came back, so that what a gateway hands out only once is not lost where it cannot be read.
    """

    __slots__ = ("_ends", "_keep", "_session", "asked", "left", "now", "replies")

    def __init__(self, session: Session, ends: float | None, keep: Callable[[Reply], None] | None = None) -> None:
        self._session = session
        self.now = session.now
        self._ends = ends
        self._keep = keep
        self.left = False
        self.asked = 0
        self.replies: list[Reply] = []

    def post(self, path: str, body: bytes, content_type: str, headers: Mapping[str, str] = _NO_HEADERS) -> Reply:
        """See ``notify_core.exchange.Http``."""
        return self._ask("POST", path, body, {**headers, "Content-Type": content_type})

    def get(self, path: str, headers: Mapping[str, str] = _NO_HEADERS) -> Reply:
        """See ``notify_core.exchange.Http``."""
        return self._ask("GET", path, None, headers)

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        base, _, query = path.partition("?")
        self.asked += 1
        try:
            address = self._session.address(method, base)
            for header in headers.items():
                check_header_validity(header)
                "".join(header).encode("latin-1")
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise failure(error) from None  # it quotes the address or a header, which may hold a password
        except UnicodeEncodeError:
            raise failure(requests.exceptions.InvalidHeader()) from None  # likewise
        target = f"{address.target}?{requote_uri(query)}" if query else address.target
        left_before, self.left, _asking.here = self.left, True, True
        try:
            reply = self._reply(address, target, body, {**address.headers, **headers})
        except (OSError, urllib3.exceptions.HTTPError, requests.RequestException) as error:
            verdict = failure(error, address.where)
            self.left = left_before or verdict.sent is Sent.UNKNOWN
            raise verdict from error
        except UnreadableReply as error:
            self._take(Reply(body=error.payload))
            raise
        finally:
            _asking.here = False
        self._take(reply)
        if refused := refusal(reply.status, reply.body[:_CHUNK].decode("utf-8", "replace"), _delay(reply.headers)):
            raise refused
        return reply

    def _take(self, reply: Reply) -> None:
        self.replies.append(reply)
        if self._keep is not None:
            self._keep(reply)

    def _reply(self, address: _Address, target: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        if self._ends is not None and time.monotonic() >= self._ends:
            raise urllib3.exceptions.ConnectTimeoutError("the time was over before the request was written")
        timeout = self._session.timeout(self._ends)
        connection = standing(address.pool) if _is_usual(target, headers) else None
        if connection is None:
            return self._by_library(address, target, body, headers, timeout)
        with address.pool.using(connection):
            came = connection.ask(address.written(target, body, headers), timeout.read_timeout)
            return plain(came) or self._whole(connection.answer(came, address.method))

    def _by_library(
        self, address: _Address, target: str, body: bytes | None, headers: Mapping[str, str], timeout: Timeout
    ) -> Reply:
        response = address.pool.urlopen(
            address.method,
            target,
            body,
            headers,
            retries=_ONCE,
            redirect=False,
            assert_same_host=False,
            timeout=timeout,
            preload_content=False,
            decode_content=False,
        )
        return self._whole(response)

    def _whole(self, response: Any) -> Reply:
        try:
            content = self._content(response)
        except BaseException:
            response.close()
            raise
        return Reply(response.status, content, {name.lower(): value for name, value in response.headers.items()})

    def _content(self, response: Any) -> bytes:
        """The whole body, bounded in size. What came of one that breaks off is kept: it may be handed out only once."""
        body = bytearray()
        try:
            while chunk := response.read1(_CHUNK):
                body += chunk
                if len(body) > MOST_BYTES:
                    raise UnreadableReply(f"the answer is longer than {MOST_BYTES:,} bytes", bytes(body[:MOST_BYTES]))
        except (OSError, urllib3.exceptions.HTTPError) as error:
            if not body:
                raise
            raise UnreadableReply(failure(error).description, bytes(body)) from error
        return bytes(body)

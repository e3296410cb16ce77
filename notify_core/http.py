"""HTTP for plugins: one tuned session per account, and the table of what a failure of the network means.

requests prepares what is fixed per address and finds the proxies; what changes per message goes straight to the
connection pool of its adapter. That leaves out the environment look-ups, cookies and redirects of ``Session.send``,
which cost half of a call and which nothing here may use: credentials must not follow a redirect.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import certifi
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Timeout

from notify_core.errors import Retry, Scope, SendError, Sent, UnreadableReply
from notify_core.exchange import Reply
from notify_core.settings import AccountSettings

MOST_BYTES = 8 * 1024 * 1024
"""The longest reply that is read: 4,000 reports in one (gateway.md, part 1 §5) are about one megabyte."""

_NO_HEADERS: Mapping[str, str] = {}
_CHUNK = 65536
_CONNECTING = "notify_connecting"


# --- what a failure means -------------------------------------------------------------------------------------------

SURELY_NOT: dict[type[BaseException], str] = {
    urllib3.exceptions.NameResolutionError: "the host name cannot be resolved; check base_url and DNS",
    urllib3.exceptions.NewConnectionError: "no connection; is the gateway reachable from here?",
    urllib3.exceptions.ConnectTimeoutError: "no connection within connect_timeout",
    urllib3.exceptions.ProxyError: "the proxy refused",
    urllib3.exceptions.ProxySchemeUnknown: "the proxy's address is not one; check HTTPS_PROXY",
    urllib3.exceptions.ProxySchemeUnsupported: "the proxy's scheme is not supported",
    urllib3.exceptions.EmptyPoolError: "every connection is in use",
    urllib3.exceptions.FullPoolError: "every connection is in use",
    urllib3.exceptions.ClosedPoolError: "the session is closed",
    urllib3.exceptions.LocationValueError: "not an address",
    urllib3.exceptions.URLSchemeUnknown: "not an http or https address",
    urllib3.exceptions.HostChangedError: "the address left the gateway's host",
    urllib3.exceptions.UnrewindableBodyError: "the body cannot be sent again",
    requests.exceptions.ConnectTimeout: "no connection within connect_timeout",
    requests.exceptions.ProxyError: "the proxy refused",
    requests.exceptions.InvalidURL: "not an address",
    requests.exceptions.InvalidSchema: "not an http or https address",
    requests.exceptions.MissingSchema: "not an http or https address",
    requests.exceptions.URLRequired: "not an address",
    requests.exceptions.InvalidHeader: "a header has a value that HTTP cannot carry",
    requests.exceptions.InvalidJSONError: "the request cannot be written as JSON",
    requests.exceptions.UnrewindableBodyError: "the body cannot be sent again",
}
"""Exceptions after which nothing can have reached the gateway, whatever else happened."""

IN_DOUBT: dict[type[BaseException], str] = {
    urllib3.exceptions.ReadTimeoutError: "no answer within read_timeout",
    urllib3.exceptions.SSLError: "TLS failed",
    urllib3.exceptions.IncompleteRead: "the answer broke off",
    urllib3.exceptions.ProtocolError: "the connection was cut",
    urllib3.exceptions.DecodeError: "the answer's encoding cannot be undone",
    urllib3.exceptions.HTTPError: "the exchange failed",
    requests.exceptions.ReadTimeout: "no answer within read_timeout",
    requests.exceptions.SSLError: "TLS failed",
    requests.exceptions.ChunkedEncodingError: "the answer broke off",
    requests.exceptions.JSONDecodeError: "the answer is not JSON",
    requests.exceptions.ConnectionError: "the connection was cut",
    requests.exceptions.RequestException: "the exchange failed",
    OSError: "the connection failed",
    Exception: "the exchange failed",
}
"""Exceptions after which the gateway may have the request, unless they rose while the connection was being made."""


def failure(error: BaseException) -> SendError:
    """The verdict on what the network raised: surely not sent, or in doubt.

    requests has one ``ConnectionError`` for "refused" and for "cut after reading all", so the cause underneath decides;
    and whatever rose before the connection stood, a TLS handshake included, sent nothing.
    """
    causes = _causes(error)
    for cause in causes:
        if words := _words(SURELY_NOT, cause):
            return SendError(words, sent=Sent.NO, scope=Scope.TRANSPORT, retry=Retry.LATER)
    words = next((words for cause in causes if (words := _words(IN_DOUBT, cause))), "the exchange failed")
    if any(getattr(cause, _CONNECTING, False) for cause in causes):
        words = f"{words} before the connection stood{_certificate(causes)}"
        return SendError(words, sent=Sent.NO, scope=Scope.TRANSPORT, retry=Retry.LATER)
    return SendError(words, sent=Sent.UNKNOWN, scope=Scope.TRANSPORT)


def _words(table: Mapping[type[BaseException], str], error: BaseException) -> str:
    return next((table[cls] for cls in type(error).__mro__ if cls in table), "")


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


def refusal(status: int, raw: str) -> SendError | None:
    """The verdict on an HTTP status: None for 2xx; 3xx, 4xx and 503 did not take the request; all else is in doubt."""
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        words = "the gateway answered with a redirect, which is not followed; check base_url"
        return SendError(words, sent=Sent.NO, code=f"HTTP {status}", raw=raw)
    if 400 <= status < 500 or status == 503:
        words = "the gateway did not take the request"
        return SendError(words, sent=Sent.NO, retry=Retry.LATER, code=f"HTTP {status}", raw=raw)
    return SendError("the gateway failed while it had the request", sent=Sent.UNKNOWN, code=f"HTTP {status}", raw=raw)


# --- connections -----------------------------------------------------------------------------------------------------


class _MarksConnecting:
    """A connection that marks what is raised while it is being made, so that ``failure`` can tell before from after."""

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        except BaseException as error:
            setattr(error, _CONNECTING, True)
            raise


class _Connection(_MarksConnecting, HTTPConnection):
    pass


class _TlsConnection(_MarksConnecting, HTTPSConnection):
    pass


class _DropsIdle:
    """A pool that closes a connection which idled for long rather than find out that the gateway has cut it."""

    keep_alive = 4.0

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        idle_since = getattr(connection, "idle_since", None)
        if idle_since is not None and time.monotonic() - idle_since > self.keep_alive:
            connection.close()
        return connection

    def _put_conn(self, connection: Any) -> None:
        if connection is not None:
            connection.idle_since = time.monotonic()
        super()._put_conn(connection)  # type: ignore[misc]


class _Pool(_DropsIdle, HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(_DropsIdle, HTTPSConnectionPool):
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


class _Adapter(HTTPAdapter):
    """requests' adapter with our pools and the shared TLS context, for direct connections and through proxies."""

    def init_poolmanager(self, *sizes: Any, **keywords: Any) -> None:
        super().init_poolmanager(*sizes, **keywords, ssl_context=_tls(_bundle()))
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **keywords: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **keywords, ssl_context=_tls(_bundle()))
        if not known and not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager


class _Address:
    """One address with all that is fixed about posting to it: pool, target and headers."""

    __slots__ = ("headers", "pool", "target")

    def __init__(
        self, session: requests.Session, method: str, url: str, headers: Mapping[str, str], keep_alive: float
    ) -> None:
        prepared = session.prepare_request(requests.Request(method, url, headers=dict(headers)))
        adapter: Any = session.get_adapter(url)
        proxy = select_proxy(url, session.proxies)
        manager = adapter.proxy_manager_for(proxy) if proxy else adapter.poolmanager
        self.pool = manager.connection_from_url(prepared.url)
        self.pool.keep_alive = keep_alive
        self.target = adapter.request_url(prepared, session.proxies)
        self.headers = {name: value for name, value in prepared.headers.items() if name != "Content-Length"}


# --- the session -----------------------------------------------------------------------------------------------------


class Session:
    """The HTTP session of one account, shared by its transports and by threads. Close it when done."""

    def __init__(self, settings: AccountSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._timeout = Timeout(connect=settings.connect_timeout, read=settings.read_timeout)
        self._requests = requests.Session()
        self._requests.trust_env = False
        self._requests.proxies = get_environ_proxies(settings.base_url)
        self._requests.headers = {"User-Agent": "notify-core", "Accept": "*/*", "Accept-Encoding": "identity"}
        adapter = _Adapter(pool_connections=4, pool_maxsize=settings.connections)
        self._requests.mount("https://", adapter)
        self._requests.mount("http://", adapter)
        self._addresses: dict[tuple[str, ...], _Address] = {}
        self._lock = threading.Lock()
        self.now = now

    def exchange(self, seconds: float | None = None) -> Exchange:
        """What one operation of a plugin speaks through; ``seconds`` bounds it, beside the account's own timeouts."""
        return Exchange(self, None if seconds is None else time.monotonic() + seconds)

    def close(self) -> None:
        """Close every connection."""
        self._requests.close()

    def address(self, method: str, path: str, headers: Mapping[str, str]) -> _Address:
        """The prepared address of ``path``, made once for each combination of headers."""
        key = (method, path, *headers.items()) if headers else (method, path)
        if found := self._addresses.get(key):  # type: ignore[arg-type]
            return found
        url = path if "://" in path else self._settings.base_url + path
        with self._lock:
            made = _Address(self._requests, method, url, headers, self._settings.keep_alive)
            if len(self._addresses) < 256 and "?" not in path:
                self._addresses[key] = made  # type: ignore[index]
        return made

    def timeout(self, ends: float | None) -> Timeout:
        """The account's timeouts, cut to what is left until ``ends`` (monotonic)."""
        if ends is None:
            return self._timeout
        left = max(ends - time.monotonic(), 0.001)
        return Timeout(connect=min(left, self._settings.connect_timeout), read=min(left, self._settings.read_timeout))

    @property
    def read_timeout(self) -> float:
        """Seconds that a whole reply may take."""
        return self._settings.read_timeout


class Exchange:
    """One operation's HTTP (the ``http`` that hooks are handed).

    ``left`` says whether a request may have left this process; ``replies`` keeps what came back, so that what a gateway
    hands out only once is not lost where it cannot be read.
    """

    __slots__ = ("_ends", "_session", "left", "replies")

    def __init__(self, session: Session, ends: float | None) -> None:
        self._session = session
        self._ends = ends
        self.left = False
        self.replies: list[Reply] = []

    def post(self, path: str, body: bytes, content_type: str, headers: Mapping[str, str] = _NO_HEADERS) -> Reply:
        """See ``notify_core.exchange.Http``."""
        return self._ask("POST", path, body, {**headers, "Content-Type": content_type})

    def get(self, path: str, headers: Mapping[str, str] = _NO_HEADERS) -> Reply:
        """See ``notify_core.exchange.Http``."""
        return self._ask("GET", path, None, headers)

    def now(self) -> datetime:
        """The time, aware."""
        return self._session.now()

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        try:
            address = self._session.address(method, path, headers)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise failure(error) from error
        self.left = True
        try:
            reply = self._reply(address, method, body)
        except (OSError, urllib3.exceptions.HTTPError, requests.RequestException) as error:
            verdict = failure(error)
            self.left = verdict.sent is Sent.UNKNOWN
            raise verdict from error
        self.replies.append(reply)
        if verdict_on_status := refusal(reply.status, reply.body[:2000].decode("utf-8", "replace")):
            raise verdict_on_status
        return reply

    def _reply(self, address: _Address, method: str, body: bytes | None) -> Reply:
        response = address.pool.urlopen(
            method,
            address.target,
            body,
            address.headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=self._session.timeout(self._ends),
            preload_content=False,
            decode_content=False,
        )
        try:
            content = self._content(response)
        except BaseException:
            response.close()
            raise
        return Reply(response.status, content, {name.lower(): value for name, value in response.headers.items()})

    def _content(self, response: Any) -> bytes:
        """The whole body: bounded in size, and in time too, so that a slow drip does not hold a thread."""
        ends = time.monotonic() + self._session.read_timeout if self._ends is None else self._ends
        chunks: list[bytes] = []
        size = 0
        while chunk := response.read1(_CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > MOST_BYTES:
                raise UnreadableReply(f"the answer is longer than {MOST_BYTES} bytes", b"".join(chunks)[:MOST_BYTES])
            if time.monotonic() > ends:
                raise urllib3.exceptions.ReadTimeoutError(response, "", "the answer drips")
        return b"".join(chunks)

"""What each failure of the network means, seen on real sockets, and how connections are kept."""

from __future__ import annotations

import inspect
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, BinaryIO

import pytest
import requests
import urllib3
from pydantic import SecretStr

from notify_core import connections, http
from notify_core.errors import Retry, Scope, SendError, Sent, UnreadableReply
from notify_core.http import IN_DOUBT, SURELY_NOT, Session, failure, refusal
from tests.core.gateway import CERTIFICATE, Gateway, cut, drips, head, raw, reset, says, waits
from tests.core.transports.wire import WireSettings

OpenSession = Callable[..., Session]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def open_session() -> Iterator[OpenSession]:
    """Makes the session of an account at a gateway or an address, and closes it in the end."""
    with ExitStack() as stack:

        def opened(place: Gateway | str, **more: Any) -> Session:
            url = place if isinstance(place, str) else place.url
            settings = WireSettings(provider="acme", base_url=url, password=SecretStr("sesame"), **more)
            session = Session(settings, lambda: NOW)
            stack.callback(session.close)
            return session

        yield opened


@pytest.fixture(params=["a new connection", "one that stands"])
def any_session(request: pytest.FixtureRequest, open_session: OpenSession) -> OpenSession:
    """The same, over a connection that is still to be made, and over one that is used again: two ways of asking."""

    def opened(place: Gateway, **more: Any) -> Session:
        session = open_session(place, **more)
        if request.param == "one that stands":
            acts, place.script = place.script, [says()]
            session.exchange().get("/first")
            place.script = acts
            place.received.clear()
        return session

    return opened


def verdict(session: Session, seconds: float | None = None) -> SendError:
    """The error that a post comes to."""
    exchange = session.exchange(seconds)
    with pytest.raises(SendError) as caught:
        exchange.post("/send", b"{}", "application/json")
    assert exchange.left is (caught.value.sent is Sent.UNKNOWN) or caught.value.code.startswith("HTTP")
    return caught.value


# --- the table is complete -------------------------------------------------------------------------------------------


def exceptions_of(module: Any) -> list[type[BaseException]]:
    """Every exception that a module defines, warnings left out: nothing raises these."""
    found = dict.fromkeys(each for _, each in inspect.getmembers(module, inspect.isclass))  # some have two names
    return [
        each
        for each in found
        if issubclass(each, BaseException) and not issubclass(each, Warning) and each.__module__ == module.__name__
    ]


PARENTS: dict[type[BaseException], str] = {
    urllib3.exceptions.HTTPError: "of all in urllib3; raised itself by none of its code",
    urllib3.exceptions.PoolError: "of the errors of a pool",
    urllib3.exceptions.RequestError: "of the errors of a request that knows its address",
    urllib3.exceptions.TimeoutError: "of ConnectTimeoutError and ReadTimeoutError",
    urllib3.exceptions.ResponseError: "the reason that retries ran out; there are no retries here",
    urllib3.exceptions.MaxRetryError: "retries ran out; there are no retries here, and its cause decides",
    urllib3.exceptions.TimeoutStateError: "a timer of urllib3 used wrongly",
    urllib3.exceptions.FullPoolError: "rises where a connection is given back: the exchange is over by then",
    urllib3.exceptions.UnrewindableBodyError: "rises where a request that was sent is to be sent again",
    urllib3.exceptions.ResponseNotChunked: "rises while the answer is read",
    urllib3.exceptions.BodyNotHttplibCompatible: "rises while the answer is read",
    urllib3.exceptions.InvalidChunkLength: "rises while the answer is read",
    urllib3.exceptions.InvalidHeader: "rises while the answer is read",
    urllib3.exceptions.HeaderParsingError: "rises while the answer is read",
    requests.exceptions.RequestException: "of all in requests",
    requests.exceptions.HTTPError: "an answer's status, which is judged by itself",
    requests.exceptions.Timeout: "of ConnectTimeout and ReadTimeout",
    requests.exceptions.TooManyRedirects: "redirects are not followed",
    requests.exceptions.ContentDecodingError: "rises while the answer is read",
    requests.exceptions.StreamConsumedError: "rises while the answer is read",
    requests.exceptions.RetryError: "there are no retries here, and its cause decides",
    requests.exceptions.UnrewindableBodyError: "rises where a request that was sent is to be sent again",
}
"""The classes that stand in neither table, with the reason why "in doubt" by their parent is right for them."""

SPECIAL: dict[type[BaseException], str] = {
    requests.exceptions.InvalidProxyURL: "an InvalidURL",
    urllib3.exceptions.LocationParseError: "a LocationValueError",
}
"""The classes that stand in neither table, and are surely not sent by their parent."""


@pytest.mark.parametrize("module", [requests.exceptions, urllib3.exceptions])
def test_every_exception_has_its_place(module: Any) -> None:
    """Each exception class of requests and urllib3 stands in a table, or is explained here, and in one place only."""
    known = [*SURELY_NOT, *IN_DOUBT, *SPECIAL, *(each for each in PARENTS if each not in IN_DOUBT)]
    assert [each for each in exceptions_of(module) if known.count(each) != 1] == []


@pytest.mark.parametrize("raised", [*exceptions_of(requests.exceptions), *exceptions_of(urllib3.exceptions)], ids=str)
def test_every_exception_has_its_verdict(raised: type[BaseException]) -> None:
    """What stands in the table of the surely unsent, or has its parent there, is that; all else is in doubt."""
    error = raised.__new__(raised)
    surely = raised in SURELY_NOT or raised in SPECIAL
    assert failure(error).sent is (Sent.NO if surely else Sent.UNKNOWN)


def test_every_exception_is_read_when_it_is_the_cause() -> None:
    """An error is surely unsent by what lies underneath it, however deep: in its arguments, its reason or its cause."""
    refused = urllib3.exceptions.NewConnectionError("", "refused")  # type: ignore[arg-type] # shown by repr only
    nested = requests.ConnectionError(urllib3.exceptions.MaxRetryError(None, "/", refused))  # type: ignore[arg-type]
    assert failure(nested).sent is Sent.NO


def test_an_unknown_exception_is_in_doubt() -> None:
    """What nobody has thought of may have happened after the request left."""
    assert failure(RuntimeError("?")).sent is Sent.UNKNOWN


@pytest.mark.parametrize("status", [300, 301, 307, 308, 400, 401, 403, 404, 405, 408, 413, 429, 499, 503])
def test_a_status_that_refuses_is_surely_not(status: int) -> None:
    """Addresses that moved, 4xx and 503: the server or its proxy did not take the request."""
    error = refusal(status, "")
    assert error is not None
    assert (error.sent, error.scope, error.code) == (Sent.NO, Scope.TRANSPORT, f"HTTP {status}")


@pytest.mark.parametrize("status", [100, 302, 303, 500, 501, 502, 504, 520, 599, 600, 999])
def test_any_other_status_is_in_doubt(status: int) -> None:
    """What is neither 2xx nor a refusal may come from behind the gateway's acceptance."""
    error = refusal(status, "")
    assert error is not None
    assert error.sent is Sent.UNKNOWN


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_2xx_is_no_failure(status: int) -> None:
    """2xx is read by the dialect."""
    assert refusal(status, "") is None


# --- surely not, on sockets ------------------------------------------------------------------------------------------


def test_a_refused_connection_is_surely_not(open_session: OpenSession) -> None:
    """Nobody listens: the next path may be tried, and this one later."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    error = verdict(open_session(f"http://127.0.0.1:{port}"))
    assert (error.sent, error.scope, error.retry) == (Sent.NO, Scope.TRANSPORT, Retry.LATER)
    assert str(error) == f"no connection to 127.0.0.1:{port}; is it reachable from here?"


def test_an_unknown_host_is_surely_not(open_session: OpenSession) -> None:
    """A name that DNS does not know is told apart from a refused connection."""
    error = verdict(open_session("https://gateway.invalid"))
    words = "the name of gateway.invalid:443 cannot be resolved; check base_url and DNS"
    assert (error.sent, str(error)) == (Sent.NO, words)


def test_where_no_connection_was_made_is_told_without_what_is_secret(open_session: OpenSession) -> None:
    """An address may hold a password in its path or query, and an account may have many: host and port are told."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    exchange = open_session("https://gateway.invalid").exchange()
    with pytest.raises(SendError) as caught:
        exchange.get(f"http://me:sesame@127.0.0.1:{port}/open/sesame?password=sesame")
    assert str(caught.value) == f"no connection to 127.0.0.1:{port}; is it reachable from here?"


def test_a_connect_timeout_is_surely_not(open_session: OpenSession) -> None:
    """A host that does not answer the connection gets no request."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        with socket.create_connection(address):  # fills the queue; Linux then drops what knocks
            session = open_session(f"http://127.0.0.1:{address[1]}", connect_timeout=0.05, read_timeout=5)
            error = verdict(session)
    words = f"no connection to 127.0.0.1:{address[1]} within connect_timeout"
    assert (error.sent, str(error)) == (Sent.NO, words)


def test_a_name_that_nobody_resolves_is_surely_not(open_session: OpenSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that is silent is waited for no longer than connect_timeout, and nothing was sent."""
    silent = threading.Event()
    look_up = socket.getaddrinfo

    def waits(host: str, port: int, family: int, kind: int, flags: int) -> Any:
        return look_up(host, port, family, kind, flags=flags) if flags else silent.wait(30)

    monkeypatch.setattr(socket, "getaddrinfo", waits)
    try:
        error = verdict(open_session("https://gateway.invalid", connect_timeout=0.05))
    finally:
        silent.set()
    words = "the name of gateway.invalid:443 cannot be resolved; check base_url and DNS"
    assert (error.sent, str(error)) == (Sent.NO, words)


def test_an_untrusted_certificate_is_surely_not(open_session: OpenSession) -> None:
    """TLS is verified; what is not trusted gets no request, and the error names the remedy."""
    with Gateway(secure=True, script=[says()]) as secure:
        error = verdict(open_session(secure))
        assert secure.received == []
    assert error.sent is Sent.NO
    assert "self-signed certificate" in str(error)
    assert "REQUESTS_CA_BUNDLE names the CA file" in str(error)


def test_a_broken_handshake_is_surely_not(open_session: OpenSession) -> None:
    """A server that speaks no TLS gets no request."""
    with socket.create_server(("127.0.0.1", 0)) as plain, ThreadPoolExecutor(1) as thread:
        answered = thread.submit(answer_in_plain, plain)
        port = plain.getsockname()[1]
        error = verdict(open_session(f"https://127.0.0.1:{port}"))
        assert answered.result().startswith(b"\x16\x03")  # a TLS handshake record, and no request
    words = f"TLS failed before the connection to 127.0.0.1:{port} stood"
    assert (error.sent, str(error)) == (Sent.NO, words)


def answer_in_plain(server: socket.socket) -> bytes:
    """Take one connection, answer it as HTTP would, and say what came."""
    connection, _ = server.accept()
    with connection:
        came = connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 -\r\n\r\n")
        return came


def test_a_handshake_that_stalls_is_surely_not(open_session: OpenSession) -> None:
    """A server that accepts the connection and never shakes hands gets no request."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        error = verdict(open_session(f"https://127.0.0.1:{port}", connect_timeout=0.05))
    words = f"no connection to 127.0.0.1:{port} within connect_timeout: the TLS handshake got no answer"
    assert (error.sent, str(error)) == (Sent.NO, f"{words}; check the port of base_url")


def test_a_proxy_that_refuses_the_connection_is_surely_not(
    open_session: OpenSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that nobody runs lets nothing through."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", f"http://me:sesame@127.0.0.1:{port}")
    error = verdict(open_session("http://gateway.invalid", allow_insecure=True))
    words = f"no connection to gateway.invalid:80 through the proxy 127.0.0.1:{port}; is it reachable from here?"
    assert (error.sent, str(error)) == (Sent.NO, words)


def test_a_gateway_on_this_machine_is_asked_without_the_proxy(
    open_session: OpenSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy of the environment is for what lies beyond this machine."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    gateway.script = [says(b"here")]
    assert open_session(gateway).exchange().post("/send", b"", "text/plain").body == b"here"


def test_a_proxy_that_refuses_the_tunnel_is_surely_not(
    open_session: OpenSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a proxy answers to CONNECT comes before the request."""
    gateway.script = [says(status=403)]
    monkeypatch.setenv("HTTPS_PROXY", gateway.url)
    assert verdict(open_session("https://gateway.invalid")).sent is Sent.NO
    assert [request.line.split()[:2] for request in gateway.received] == [["CONNECT", "gateway.invalid:443"]]


def test_a_proxy_gets_the_whole_address(
    open_session: OpenSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy of the environment is used."""
    gateway.script = [says(b"through")]
    monkeypatch.setenv("HTTP_PROXY", gateway.url)
    reply = open_session("http://gateway.invalid", allow_insecure=True).exchange().post("/send", b"", "text/plain")
    assert (reply.body, gateway.received[0].line) == (b"through", "POST http://gateway.invalid/send HTTP/1.1")


@pytest.mark.parametrize("act", [cut(), reset], ids=["cut", "reset"])
def test_a_proxy_that_cuts_after_reading_is_in_doubt(
    open_session: OpenSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, act: Any
) -> None:
    """A proxy that went away with the whole request may have handed it on, though urllib3 says it never connected."""
    gateway.script = [act]
    monkeypatch.setenv("HTTP_PROXY", gateway.url)
    error = verdict(open_session("http://gateway.invalid", allow_insecure=True))
    assert (error.sent, str(error)) == (Sent.UNKNOWN, "the proxy failed")


def test_a_closed_session_sends_nothing(open_session: OpenSession, gateway: Gateway) -> None:
    """What is sent after closing is surely not sent."""
    session = open_session(gateway)
    session.exchange().post("/send", b"{}", "application/json")
    session.close()
    error = verdict(session)
    assert (error.sent, str(error)) == (Sent.NO, "the session is closed")


def test_plain_http_by_an_absolute_address_is_refused(open_session: OpenSession) -> None:
    """An address that a plugin brings is held to the same rule as base_url."""
    exchange = open_session("https://localhost").exchange()
    with pytest.raises(SendError, match="http:// would send the password in clear; use https://"):
        exchange.post("http://gateway.invalid/soap", b"", "text/xml")


@pytest.mark.parametrize("status", [404, 429, 403, 503, 301])
def test_a_refusing_status_is_surely_not(any_session: OpenSession, gateway: Gateway, status: int) -> None:
    """A status that refuses is read from the socket, with its text."""
    gateway.script = [says(b"no", status, Location="https://elsewhere.invalid/")]
    error = verdict(any_session(gateway))
    assert (error.sent, error.code, error.raw) == (Sent.NO, f"HTTP {status}", "no")
    assert len(gateway.received) == 1


def test_what_is_too_large_is_not_tried_again(any_session: OpenSession, gateway: Gateway) -> None:
    """A request does not become smaller by waiting; another path may take it."""
    gateway.script = [says(b"", 413)]
    error = verdict(any_session(gateway))
    assert (error.sent, error.scope, error.retry) == (Sent.NO, Scope.TRANSPORT, Retry.NEVER)


def test_retry_after_is_the_delay(any_session: OpenSession, gateway: Gateway) -> None:
    """A gateway that says when to come back is believed."""
    gateway.script = [says(b"", 429, Retry_After="120")]
    assert verdict(any_session(gateway)).after == 120


# --- in doubt, on sockets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 500, 502, 504])
def test_a_failing_status_is_in_doubt(any_session: OpenSession, gateway: Gateway, status: int) -> None:
    """The gateway, or what stands behind its proxy, may have done its work before it failed."""
    gateway.script = [says(b"<h1>oops</h1>", status, Location="/error.htm?aspxerrorpath=/sms.aspx")]
    assert verdict(any_session(gateway)).sent is Sent.UNKNOWN


def test_a_read_timeout_is_in_doubt(any_session: OpenSession, gateway: Gateway) -> None:
    """No answer says nothing about acceptance (gateway.md, trap 5)."""
    gateway.script = [waits(gateway.stopping)]
    error = verdict(any_session(gateway, read_timeout=0.3))
    assert (error.sent, error.scope, error.retry) == (Sent.UNKNOWN, Scope.TRANSPORT, Retry.NEVER)
    assert str(error) == "no answer within read_timeout"


def test_a_deadline_is_a_read_timeout(any_session: OpenSession, gateway: Gateway) -> None:
    """The time left for an operation bounds its waiting, below the account's own timeout."""
    gateway.script = [waits(gateway.stopping)]
    assert verdict(any_session(gateway), seconds=0.3).sent is Sent.UNKNOWN


def takes_slowly(server: socket.socket, until: threading.Event) -> None:
    """Take one connection; answer what is short at once, and read the long one, which ends it, half a second late."""
    connection, _ = server.accept()
    with connection, connection.makefile("rb") as stream:
        length = 1
        while 0 < length < len(PICTURE):
            length = length_of_next(stream)
            until.wait(0.5 if length == len(PICTURE) else 0)
            if len(stream.read(length)) == length:
                connection.sendall(head(200, {"Content-Length": "5"}) + b"taken")


def length_of_next(stream: BinaryIO) -> int:
    """How long the body of the next request is, which begins now; 0 where there is none."""
    length = 0
    while (line := stream.readline()) not in (b"", b"\r\n"):
        name, _, value = line.decode().partition(":")
        length = int(value) if name.lower() == "content-length" else length
    return length


@pytest.fixture
def slow() -> Iterator[str]:
    """The address of a gateway that takes its time before it takes more than the first kilobytes of a request."""
    until = threading.Event()
    with socket.socket() as server, ThreadPoolExecutor(1) as thread:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)  # before listening, to count for connections
        server.bind(("127.0.0.1", 0))
        server.listen()
        thread.submit(takes_slowly, server, until)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        until.set()


PICTURE = b"x" * 8_000_000
"""More than the buffers of both ends hold."""


def test_a_request_may_take_longer_than_connecting(open_session: OpenSession, slow: str) -> None:
    """A picture by a slow line is no doubt: it has read_timeout, and not connect_timeout, to be taken."""
    exchange = open_session(slow, connect_timeout=0.1, read_timeout=10).exchange()
    assert exchange.post("/send", PICTURE, "image/png").body == b"taken"


@pytest.mark.parametrize("before", [0, 1], ids=["a new connection", "one that stands"])
@pytest.mark.parametrize(("timeout", "deadline"), [(0.3, None), (10, 0.3)], ids=["read_timeout", "deadline"])
def test_a_request_that_is_not_taken_in_time_is_in_doubt(
    open_session: OpenSession, slow: str, timeout: float, deadline: float | None, before: int
) -> None:
    """A gateway that stops reading is waited for as one that does not answer."""
    session = open_session(slow, read_timeout=timeout)
    for _ in range(before):
        session.exchange().post("/send", b"short", "text/plain")
    with pytest.raises(SendError) as caught:
        session.exchange(deadline).post("/send", PICTURE, "image/png")
    assert (caught.value.sent, str(caught.value)) == (Sent.UNKNOWN, "no answer within read_timeout")


@pytest.mark.parametrize("act", [cut(), reset], ids=["cut", "reset"])
def test_a_cut_after_reading_is_in_doubt(any_session: OpenSession, gateway: Gateway, act: Any) -> None:
    """A gateway that read all and went away may have accepted."""
    gateway.script = [act]
    assert verdict(any_session(gateway)).sent is Sent.UNKNOWN


@pytest.mark.parametrize(
    "partial",
    [
        head(200, {"Content-Length": "10"}) + b"12345",
        head(200, {"Transfer-Encoding": "chunked"}) + b"5\r\n12345\r\n",
        head(200, {"Transfer-Encoding": "chunked"}) + b"5\r\n123",
        head(200, {"Transfer-Encoding": "chunked"}) + b"zz\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["length", "chunks", "chunk", "size", "no HTTP"],
)
def test_an_answer_that_breaks_off_is_in_doubt(any_session: OpenSession, gateway: Gateway, partial: bytes) -> None:
    """Half an answer is none."""
    gateway.script = [cut(partial)]
    assert verdict(any_session(gateway)).sent is Sent.UNKNOWN


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200 -\r\nX-Slow: ", head(200, {"Content-Length": "100000"}), head(200, {})],
    ids=["headers", "body", "body until the end"],
)
def test_an_answer_that_drips_ends_with_the_read_timeout(
    any_session: OpenSession, gateway: Gateway, start: bytes
) -> None:
    """A byte each few milliseconds does not hold a thread for ever: the whole answer has read_timeout."""
    gateway.script = [drips(start, gateway.stopping)]
    error = verdict(any_session(gateway, read_timeout=0.3))
    assert (error.sent, str(error)) == (Sent.UNKNOWN, "no answer within read_timeout")


def test_a_huge_answer_is_in_doubt(any_session: OpenSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the bound is read, and what was read is kept."""
    monkeypatch.setattr(http, "MOST_BYTES", 1000)
    gateway.script = [cut(head(200, {"Content-Length": "100000000"}) + b"a" * 200_000)]
    error = verdict(any_session(gateway))
    assert isinstance(error, UnreadableReply)
    assert (error.sent, error.payload) == (Sent.UNKNOWN, b"a" * 1000)


def test_what_came_of_an_answer_that_breaks_off_is_kept(any_session: OpenSession, gateway: Gateway) -> None:
    """Reports are handed out once: the bytes of half an answer are in the error, and in nothing that it shows."""
    gateway.script = [cut(head(200, {"Content-Length": "100"}) + b"<statusbox>+8613800000001")]
    found = verdict(any_session(gateway))
    assert isinstance(found, UnreadableReply)
    assert found.payload == b"<statusbox>+8613800000001"
    assert "13800000001" not in f"{found!r} {found} {found.raw}"


def test_queries_and_headers_of_a_message_make_no_new_address(open_session: OpenSession, gateway: Gateway) -> None:
    """Requests that differ in query and headers alone share one prepared address, and each arrives as it was asked."""
    session = open_session(gateway)
    for number in range(300):
        session.exchange().get(f"/send?text={number}%20%E4%BD%A0", {"X-Signature": str(number)})
    assert len(session._addresses) == 1
    assert gateway.received[-1].line == "GET /send?text=299%20%E4%BD%A0 HTTP/1.1"
    assert gateway.received[-1].headers["x-signature"] == "299"


def test_a_header_that_http_cannot_carry_is_surely_not(open_session: OpenSession, gateway: Gateway) -> None:
    """A line break in a header sends nothing."""
    exchange = open_session(gateway).exchange()
    with pytest.raises(SendError) as caught:
        exchange.get("/send", {"X-Token": "a\r\nX-More: b"})
    assert caught.value.sent is Sent.NO
    assert gateway.received == []


@pytest.mark.parametrize("before", [0, 1], ids=["a new connection", "one that stands"])
def test_what_is_over_is_surely_not_sent(open_session: OpenSession, gateway: Gateway, before: int) -> None:
    """A request of an operation whose time has passed does not leave."""
    gateway.script = [says()]
    session = open_session(gateway)
    for _ in range(before):
        session.exchange().get("/")
    exchange = session.exchange(0.0)
    with pytest.raises(SendError) as caught:
        exchange.post("/send", b"{}", "a/b")
    assert (caught.value.sent, len(gateway.received)) == (Sent.NO, before)


def test_a_header_outside_latin_1_is_surely_not(open_session: OpenSession, gateway: Gateway) -> None:
    """HTTP cannot carry it, so nothing is sent, and it is not shown."""
    exchange = open_session(gateway).exchange()
    with pytest.raises(SendError) as caught:
        exchange.get("/send", {"X-Token": "门"})
    assert (caught.value.sent, exchange.left, str(caught.value)) == (
        Sent.NO,
        False,
        "a header has a value that HTTP cannot carry",
    )


def test_a_failed_request_leaves_an_earlier_one_in_doubt(open_session: OpenSession, gateway: Gateway) -> None:
    """Where an operation takes two requests, the second one's refusal does not unsend the first."""
    exchange = open_session(gateway).exchange()
    exchange.post("/login", b"", "text/plain")
    with pytest.raises(SendError):
        exchange.post("http://127.0.0.1:1/send", b"", "text/plain")
    assert exchange.left is True


# --- replies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        says(b"hello"),
        raw(head(200, {"Transfer-Encoding": "chunked"}) + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        cut(head(200, {}) + b"hello"),
        cut(b"HTTP/1.0 200 OK\r\n\r\nhello"),
    ],
    ids=["length", "chunks", "until the end", "HTTP/1.0"],
)
def test_an_answer_is_read_whole(any_session: OpenSession, gateway: Gateway, answer: Any) -> None:
    """However HTTP tells the length of an answer, the plugin gets its bytes."""
    gateway.script = [answer]
    assert any_session(gateway).exchange().post("/send", b"{}", "application/json").body == b"hello"


def test_an_empty_answer_is_the_dialects_to_read(any_session: OpenSession, gateway: Gateway) -> None:
    """A 200 without a body is no failure of HTTP."""
    gateway.script = [says()]
    reply = any_session(gateway).exchange().get("/balance")
    assert (reply.status, reply.body) == (200, b"")


def test_an_answer_cut_within_its_headers_is_empty(any_session: OpenSession, gateway: Gateway) -> None:
    """What http.client makes of half the headers is a 200 without a body: unreadable to every dialect, so in doubt."""
    gateway.script = [cut(b"HTTP/1.1 200 -\r\nContent-Le")]
    assert any_session(gateway).exchange().get("/").body == b""


def test_headers_have_lower_case_names(any_session: OpenSession, gateway: Gateway) -> None:
    """A plugin need not guess how a gateway spells its headers."""
    gateway.script = [says(X_Task="7")]
    assert any_session(gateway).exchange().get("/").headers["x-task"] == "7"


def test_a_request_says_what_it_carries(any_session: OpenSession, gateway: Gateway) -> None:
    """Body, content type and further headers arrive as the plugin gave them."""
    gateway.script = [says()]
    any_session(gateway).exchange().post("/a", "短信".encode(), "text/plain; charset=utf-8", {"SOAPAction": "send"})
    request = gateway.received[0]
    assert (request.line, request.body.decode()) == ("POST /a HTTP/1.1", "短信")
    assert (request.headers["content-type"], request.headers["soapaction"]) == ("text/plain; charset=utf-8", "send")


def test_no_cookie_comes_back(open_session: OpenSession, gateway: Gateway) -> None:
    """A gateway's cookies are not kept: no submission depends on the one before."""
    gateway.script = [says(Set_Cookie="a=b")]
    session = open_session(gateway)
    session.exchange().get("/")
    session.exchange().get("/")
    assert "cookie" not in gateway.received[1].headers


def test_what_was_handed_out_is_kept(any_session: OpenSession, gateway: Gateway) -> None:
    """An operation keeps every answer that it got."""
    gateway.script = [says(b"1"), says(b"2")]
    exchange = any_session(gateway).exchange()
    exchange.get("/")
    exchange.get("/")
    assert [reply.body for reply in exchange.replies] == [b"1", b"2"]


def test_the_clock_is_the_sessions(any_session: OpenSession, gateway: Gateway) -> None:
    """Stamps are made from the time that the session is given."""
    assert any_session(gateway).exchange().now() == NOW


# --- connections -----------------------------------------------------------------------------------------------------


def test_a_connection_is_used_again(open_session: OpenSession, gateway: Gateway) -> None:
    """Ten requests in a row take one connection, whatever their path and the length of their answers."""
    gateway.script = [says(b"a" * length) for length in (0, 1, 70_000, 0, 5)]
    session = open_session(gateway)
    for number in range(10):
        session.exchange().post(f"/{number}", b"{}", "application/json")
    assert gateway.connections == 1


def test_an_idle_connection_is_dropped(open_session: OpenSession, gateway: Gateway) -> None:
    """A connection that idled longer than keep_alive is not used again, as the gateway may have cut it."""
    session = open_session(gateway, keep_alive=0.000001)
    session.exchange().post("/send", b"{}", "application/json")
    session.exchange().post("/send", b"{}", "application/json")
    assert gateway.connections == 2


def test_a_connection_that_the_gateway_closed_is_not_used(open_session: OpenSession, gateway: Gateway) -> None:
    """A stale connection is seen before the request, and makes no doubt."""
    gateway.script = [cut(head(200, {"Content-Length": "2"}) + b"ok"), says(b"ok")]
    session = open_session(gateway)
    session.exchange().post("/send", b"{}", "application/json")
    pool = session.address("POST", "/send").pool
    wait_until_readable(pool.pool.queue[-1].sock)
    assert session.exchange().post("/send", b"{}", "application/json").body == b"ok"
    assert gateway.connections == 2


def wait_until_readable(sock: socket.socket) -> None:
    """Wait until the end of the stream has arrived."""
    sock.settimeout(5)
    assert sock.recv(1, socket.MSG_PEEK) == b""


def test_a_connection_is_not_used_after_a_doubt(open_session: OpenSession, gateway: Gateway) -> None:
    """The late answer to one request is never read as the answer to the next."""
    gateway.script = [waits(gateway.stopping), says(b"second")]
    session = open_session(gateway, read_timeout=0.05)
    verdict(session)
    assert session.exchange().get("/").body == b"second"
    assert gateway.connections == 2


def test_closing_closes_connections(open_session: OpenSession, gateway: Gateway) -> None:
    """A closed session holds no connection open."""
    session = open_session(gateway)
    session.exchange().post("/send", b"{}", "application/json")
    pool = session.address("POST", "/send").pool
    connection = pool.pool.queue[-1]
    session.close()
    assert connection.sock is None


def test_64_threads_share_a_session(open_session: OpenSession, gateway: Gateway) -> None:
    """As many threads as connections are kept get their own answers, and their connections are used again."""
    gateway.script = [says(b"ok")]
    session = open_session(gateway)
    together = threading.Barrier(64)

    def ask(number: int) -> bytes:
        together.wait(30)
        return b"".join(session.exchange().post(f"/{number}", b"{}", "a/b").body for _ in range(4))

    with ThreadPoolExecutor(64) as threads:
        assert set(threads.map(ask, range(64))) == {b"ok" * 4}
    assert gateway.connections <= 64
    assert len(gateway.received) == 256


def test_the_process_has_one_tls_context_for_a_bundle(
    open_session: OpenSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two accounts share the context, whose making costs 26 ms, and a connection makes none of its own."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    with Gateway(secure=True, script=[says(b"one")]) as one, Gateway(secure=True, script=[says(b"two")]) as two:
        sessions = [open_session(one), open_session(two)]
        assert [session.exchange().get("/").body for session in sessions] == [b"one", b"two"]
        pools = [session.address("GET", "/").pool for session in sessions]
        contexts = {id(pool.pool.queue[-1].ssl_context) for pool in pools}
    assert contexts == {id(connections._tls(str(CERTIFICATE)))}


def test_a_ca_directory_is_trusted_too(
    open_session: OpenSession, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CURL_CA_BUNDLE may name a directory, which then holds all that is trusted."""
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path))
    with Gateway(secure=True, script=[says()]) as secure:
        assert "certificate" in str(verdict(open_session(secure)))


def test_timeouts_share_the_time_that_is_left(open_session: OpenSession, gateway: Gateway) -> None:
    """What connecting takes of an operation's time is not given to reading once more."""
    timeout = open_session(gateway).timeout(time.monotonic() + 2)
    assert isinstance(timeout.total, float)
    assert timeout.total <= 2

"""Connections that stand: what is written on them, and what is made of the answers, as urllib3 would have it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPException

import pytest
import urllib3
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from notify_core.connections import _Connection, plain
from notify_core.exchange import Reply
from notify_core.http import Session
from tests.core.gateway import CERTIFICATE, Gateway, head, raw, says
from tests.core.transports.wire import WireSettings

Ask = Callable[[Session], Reply]

# --- requests --------------------------------------------------------------------------------------------------------


@pytest.fixture
def peer() -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers everything with nothing, and the bytes of each request that it got."""
    came: list[bytes] = []

    def serve(server: socket.socket) -> None:
        with suppress(OSError):
            connection, _ = server.accept()
            with connection:
                while request := connection.recv(65536):
                    came.append(request)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", came


@pytest.mark.parametrize(
    "ask",
    [
        lambda session: session.exchange().post("/send", "短信".encode(), "text/plain; charset=utf-8"),
        lambda session: session.exchange().post("/send", b"", "application/json"),
        lambda session: session.exchange().post("/send?a=b c&d=短", b"{}", "a/b", {"X-Two": "2", "X-One": "é"}),
        lambda session: session.exchange().get("/balance"),
        lambda session: session.exchange().get("/balance?of=me", {"Accept": "text/xml", "User-Agent": "mine"}),
        lambda session: session.exchange().get("/balance?a=%e4&b=[1]#part"),
        lambda session: session.exchange().post("/send", b"{}", "a/b", {"Host": "other", "content-length": "2"}),
    ],
    ids=["text", "nothing", "query", "get", "get with query", "unusual query", "fields of the library"],
)
def test_a_request_is_the_same_on_a_connection_that_stands(peer: tuple[str, list[bytes]], ask: Ask) -> None:
    """What urllib3 writes as the first request of a connection is, byte by byte, what is written as the second."""
    url, came = peer
    settings = WireSettings(provider="acme", base_url=url, password=SecretStr("sesame"))
    session = Session(settings, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    ask(session)
    ask(session)
    session.close()
    first, second = came
    assert first == second


@pytest.mark.parametrize(
    ("base", "host"),
    [
        ("http://127.0.0.1", "127.0.0.1"),
        ("http://127.0.0.1:80", "127.0.0.1"),
        ("https://[::1]:443/a", "[::1]"),
        ("https://[::1]:8443", "[::1]:8443"),
        ("https://bücher.invalid:80", "xn--bcher-kva.invalid:80"),
    ],
)
def test_the_host_of_a_request(base: str, host: str) -> None:
    """The field Host has the port only where it is not the scheme's own (RFC 9110 §7.2), and the name as DNS has it."""
    settings = WireSettings(provider="acme", base_url=base, password=SecretStr("sesame"))
    session = Session(settings, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    assert session.address("POST", "/send").host == host
    session.close()


# --- answers ---------------------------------------------------------------------------------------------------------


def by_urllib3(came: bytes) -> Reply | None:
    """The reply as urllib3 reads these bytes, and nothing after them, to a request by POST; None where it refuses."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(came)
        theirs.shutdown(socket.SHUT_WR)
        connection = _Connection("localhost", timeout=5)
        connection.sock, connection.patience = ours, urllib3.Timeout(read=5)
        try:
            connection.request("POST", "/", b"", preload_content=False, decode_content=False)
            response = connection.getresponse()
            body = response.read()
        except (HTTPException, urllib3.exceptions.HTTPError, ValueError):
            return None
        finally:
            connection.close()
    return Reply(response.status, body, {name.lower(): value for name, value in response.headers.items()})


FIELDS = st.sampled_from(
    [
        "Content-Type: application/json",
        "Content-Length: 2",
        "content-length: 3",
        "Content-Length:5",
        "Content-Length: +2",
        "Content-Length: ٢",
        "Transfer-Encoding: chunked",
        "Content-Encoding: gzip",
        "Connection: close",
        "Connection: keep-alive",
        "Set-Cookie: a=b",
        "Set-Cookie: c=d",
        "Empty:",
        "Blanks:  \t both  ",
        " folded: yes",
        "No colon",
        "Bad name: x",
        "Latin: é",
        "X\tTab: y",
        "Colons: a:b:c",
    ]
)
HEADS = st.builds(
    lambda line, fields, end: "\r\n".join((line, *fields)) + end,
    st.sampled_from(["HTTP/1.1 200 OK", "HTTP/1.1 200", "HTTP/1.0 200 OK", "HTTP/1.1 204 -", "HTTP/1.1 100 Continue"])
    | st.from_regex(r"HTTP/1\.[01] [0-9]{3} [a-zé]{0,5}", fullmatch=True),
    st.lists(FIELDS, max_size=4),
    st.sampled_from(["\r\n\r\n", "\n\n", "\r\n", "\r\n\r\n\r\n"]),
)


@given(HEADS.map(lambda text: text.encode("latin-1", "replace")), st.binary(max_size=6))
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n", b"ok")
@example(b"HTTP/1.1 204 OK\r\nContent-Length: 2\r\n\r\n", b"ok")
def test_a_plain_answer_is_what_urllib3_reads(start: bytes, body: bytes) -> None:
    """Whatever is read without the library is read as the library would: status, fields and body."""
    found = plain(start + body)
    assert found is None or found == by_urllib3(start + body)


@pytest.mark.parametrize(
    "came",
    [
        head(200, {"Content-Length": "2"}) + b"ok",
        head(404, {"Content-Length": "0"}),
        b"HTTP/1.1 200\r\ncontent-type:text/xml\r\nCONTENT-LENGTH:  2\r\n\r\nok",
    ],
    ids=["ok", "refused", "other letters"],
)
def test_a_plain_answer_is_read_at_once(came: bytes) -> None:
    """What gateways answer nearly always needs no library."""
    assert plain(came) == by_urllib3(came) is not None


@pytest.mark.parametrize(
    "came",
    [
        b"",
        head(200, {"Content-Length": "2"}) + b"o",
        head(200, {"Content-Length": "2"}) + b"ok!",
        head(200, {"Content-Length": "2", "Connection": "close"}) + b"ok",
        head(200, {"Content-Length": "0" * 5000 + "2"}) + b"ok",
        head(200, {"Transfer-Encoding": "chunked", "Content-Length": "2"}) + b"ok",
        head(200, {"Content-Length": "2", "content_length": "2"}) + b"ok",
        head(200, {}) + b"ok",
        head(100, {"Content-Length": "2"}) + b"ok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids=[
        "cut",
        "less",
        "more",
        "closing",
        "long length",
        "chunks",
        "two lengths",
        "no length",
        "interim",
        "HTTP/1.0",
        "folded",
    ],
)
def test_any_other_answer_is_the_librarys_to_read(came: bytes) -> None:
    """Where one reader could see another length than the next, or there is more to come, none is seen here."""
    assert plain(came) is None


INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"


@pytest.mark.parametrize("before", [0, 1], ids=["a new connection", "one that stands"])
def test_an_interim_answer_is_not_taken_for_the_answer(gateway: Gateway, before: int) -> None:
    """Nor is the answer to one request ever read as that to the next."""

    def late(connection: socket.socket) -> bool:
        connection.sendall(INTERIM)
        gateway.stopping.wait(0.1)
        return says(b"late")(connection)

    settings = WireSettings(provider="acme", base_url=gateway.url, password=SecretStr("sesame"))
    session = Session(settings, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    some = raw(INTERIM * 2 + b"HTTP/1.1 100 -\r\n\r\n" + head(200, {"Content-Length": "4"}) + b"some")
    gateway.script = [*[says(b"first")] * before, late, some, says(b"next")]
    found = [session.exchange().get("/").body for _ in range(before + 3)]
    assert found == [*[b"first"] * before, b"late", b"some", b"next"]
    session.close()


def test_what_tls_decrypted_behind_an_answer_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second answer that came with the first, which no look at the socket shows, is not that to the next request."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    first = head(200, {"Transfer-Encoding": "chunked"}) + b"1f40\r\n" + b"a" * 8000 + b"\r\n0\r\n\r\n"
    with Gateway(secure=True, script=[raw(first + b" " * 500 + INTERIM * 50), says(b"second")]) as secure:
        settings = WireSettings(provider="acme", base_url=secure.url, password=SecretStr("sesame"))
        session = Session(settings, lambda: datetime(2026, 1, 1, tzinfo=UTC))
        assert [session.exchange().get("/").body[:6] for _ in range(2)] == [b"aaaaaa", b"second"]
        session.close()


def test_an_answer_in_parts_is_read_whole_over_a_connection_that_stands(gateway: Gateway) -> None:
    """What came of an answer before the library reads it is not lost, however much there is."""
    settings = WireSettings(provider="acme", base_url=gateway.url, password=SecretStr("sesame"))
    session = Session(settings, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    bodies = [bytes([97 + number]) * length for number, length in enumerate((1, 70_000, 20_000, 16_384, 0, 3))]
    chunked = raw(head(200, {"Transfer-Encoding": "chunked"}) + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")
    gateway.script = [*map(says, bodies), chunked, says(b"last")]
    assert [session.exchange().get("/").body for _ in range(8)] == [*bodies, b"hello", b"last"]
    assert gateway.connections == 1
    session.close()

"""The gateway's HTTP: connections, limits, letter case, start and stop."""

from __future__ import annotations

import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from notify_core.exchange import Request
from notify_core.sandbox import LocalGateway
from notify_ipyy.sandbox import json_endpoints
from tests.sandbox.caller import Caller, raw_sms, read_reply, received


def test_a_connection_carries_many_requests(caller: Caller) -> None:
    """Two submissions on one connection, sent at once, are answered one after the other."""
    with caller.connect() as sock:
        sock.sendall(raw_sms() * 2)
        replies = b""
        while replies.count(b"successCounts") < 2:
            replies += received(sock)
    assert replies.count(b"HTTP/1.1 200 OK") == 2


def test_a_request_may_come_in_pieces(caller: Caller) -> None:
    """A request that arrives byte by byte is read as one."""
    with caller.connect() as sock:
        for byte in raw_sms():
            sock.sendall(bytes([byte]))
        assert b'"Success"' in read_reply(sock)


def test_letter_case_of_paths_does_not_matter(caller: Caller) -> None:
    """Paths are compared as IIS does."""
    assert caller.sms("/SMSJSON.aspx").json["returnstatus"] == "Success"


def test_an_unknown_path_is_told_the_nearest(caller: Caller) -> None:
    """A misspelt path is answered 404 with the path that was meant."""
    answer = caller.sms("/smsJsn.aspx")
    assert (answer.status, b"did you mean '/smsJson.aspx'?" in answer.body) == (404, True)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST /sms.aspx HTTP/1.1\r\nContent-Length: 16777217\r\n\r\n", b"413"),
        (b"POST /sms.aspx HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /sms.aspx HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET http://127.0.0.1/sms.aspx HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 70_000, b"431"),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(
    caller: Caller, request_bytes: bytes, status: bytes
) -> None:
    """Bad heads, lengths and sizes get a 4xx and the end of the connection."""
    with caller.connect() as sock:
        sock.sendall(request_bytes)
        assert read_reply(sock).startswith(b"HTTP/1.1 " + status)
        with suppress(ConnectionResetError):  # closed with unread bytes of ours: the system may say so by RST
            assert sock.recv(1) == b""


def test_expect_continue_is_honoured(caller: Caller) -> None:
    """A client that asks before sending its body is told to go on."""
    head, _, body = raw_sms().partition(b"\r\n\r\n")
    with caller.connect() as sock:
        sock.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert b'"Success"' in read_reply(sock)


@pytest.mark.parametrize("head", [b"HTTP/1.0\r\n", b"HTTP/1.1\r\nConnection: close\r\n"])
def test_a_connection_ends_when_the_client_wants_it(caller: Caller, head: bytes) -> None:
    """HTTP/1.0 and ``Connection: close`` get one reply and the end."""
    with caller.connect() as sock:
        sock.sendall(b"GET /sandbox " + head + b"\r\n")
        assert b"connection: close" in read_reply(sock)
        assert sock.recv(1) == b""


def test_an_idle_connection_is_closed() -> None:
    """A connection on which nothing happens is closed after the idle timeout."""
    with LocalGateway([json_endpoints], idle_timeout=0.01) as gateway, Caller(gateway).connect() as sock:
        assert sock.recv(1) == b""


def test_get_is_refused_where_credentials_would_stand_in_the_address(caller: Caller) -> None:
    """Form endpoints take POST only."""
    assert caller.ask("GET", "/sms.aspx?action=overage").status == 405


def test_stopping_ends_every_connection_and_thread(gateway: LocalGateway, caller: Caller) -> None:
    """After stop no thread of the gateway is left, and open connections are at their end."""
    with caller.connect() as sock:
        sock.sendall(raw_sms())
        read_reply(sock)
        gateway.stop()
        assert sock.recv(1) == b""
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("sandbox:")] == []


def test_a_gateway_can_come_back_at_its_address(gateway: LocalGateway, caller: Caller) -> None:
    """Stopped, it refuses connections; started again, it answers there, and still knows what it received."""
    caller.sms()
    gateway.stop()
    with pytest.raises(ConnectionRefusedError):
        caller.sms()
    gateway.start()
    caller.sms()
    assert len(gateway.received) == 2


def test_a_taken_port_is_said_so() -> None:
    """The error names the address and the way out."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=rf"cannot listen on 127.0.0.1:{port}: .*; choose another port, or 0"):
            LocalGateway(port=port).start()


def test_a_gateway_that_never_started_has_no_address() -> None:
    """Asking for it says what to do."""
    with pytest.raises(RuntimeError, match="start it"):
        _ = LocalGateway().url


def test_a_defect_of_the_providers_side_is_logged_and_answered_500(caplog: pytest.LogCaptureFixture) -> None:
    """An endpoint that raises does not end the connection in silence."""

    def broken(request: Request) -> None:
        raise KeyError("defect")

    with LocalGateway([lambda _: {"/x": broken}]) as gateway, caplog.at_level(logging.ERROR):  # type: ignore[dict-item]
        assert Caller(gateway).ask("POST", "/x").status == 500
    assert "the provider's side of /x failed" in caplog.text


def test_transports_that_contradict_each_other_are_refused() -> None:
    """Two different endpoints at one path are a defect of the plugins, found when the gateway is made."""

    def one(request: Request) -> None: ...

    def other(request: Request) -> None: ...

    with pytest.raises(ValueError, match="two transports serve /X in different ways"):
        LocalGateway([lambda _: {"/x": one}, lambda _: {"/X": other}])  # type: ignore[dict-item]


def test_many_threads_are_billed_exactly(gateway: LocalGateway, caller: Caller) -> None:
    """160 submissions from 8 threads cost 160 segments and get 160 different task ids."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: caller.sms().json, range(160)))
    assert len({answer["taskID"] for answer in answers}) == 160
    assert min(int(answer["remainpoint"]) for answer in answers) == 10_000 - 160
    assert len(gateway.received) == 160


def test_a_listener_is_told_and_its_failure_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The listener sees each submission; what it raises is logged and the customer gets the reply all the same."""

    def listener(submission: object) -> None:
        heard.append(submission)
        raise BrokenPipeError

    heard: list[object] = []
    with LocalGateway([json_endpoints], listener=listener) as gateway:
        assert Caller(gateway).sms().json["returnstatus"] == "Success"
        assert heard == gateway.received
    assert "listener" in caplog.text


def test_waiting_for_what_never_comes_ends() -> None:
    """``wait`` says how much came."""
    with LocalGateway() as gateway, pytest.raises(TimeoutError, match="0 of 1 submissions"):
        gateway.wait(1, within=0.01)

"""Faults on demand: how they are written, and what each does to a real socket."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_core.sandbox import KINDS, Fault, LocalGateway
from tests.sandbox.caller import Caller, raw_sms, read_reply

ACCEPTED = '"returnstatus":"Success"'


@given(
    endpoint=st.sampled_from(["*", "smsJson.aspx", "api/v1/send"]),
    kind=st.sampled_from(sorted(KINDS)),
    times=st.none() | st.integers(1, 99),
)
def test_a_fault_reads_as_it_is_written(endpoint: str, kind: str, times: int | None) -> None:
    """``parse`` and ``str`` are each other's inverse."""
    fault = Fault(endpoint, kind, times)
    assert Fault.parse(str(fault)) == fault


def test_options_are_read() -> None:
    """Each kind's options follow it."""
    assert Fault.parse("*:delay-after:seconds=0.5:times=2") == Fault("*", "delay-after", 2, seconds=0.5)
    assert Fault.parse("sms.aspx:wrong-charset:charset=utf-16") == Fault("sms.aspx", "wrong-charset", charset="utf-16")
    assert Fault.parse("sms.aspx:huge-body:size=5") == Fault("sms.aspx", "huge-body", size=5)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected ENDPOINT:KIND, such as smsJson.aspx:cut-after:times=1"),
        ("cut-after", "expected ENDPOINT:KIND"),
        (":cut-after", "needs an endpoint such as smsJson.aspx"),
        ("*:cut-afer", "no kind of fault 'cut-afer'; did you mean 'cut-after'?"),
        ("*:cut-after:time=1", "cut-after takes no option 'time'; did you mean 'times'?"),
        ("*:cut-after:seconds=1", "cut-after takes no option 'seconds'; known: times"),
        ("*:cut-after:times=often", "times: expected a number, as in times=2; found 'often'"),
        ("*:cut-after:times", "times: expected a number, as in times=2; found nothing"),
        ("*:cut-after:times=0", "times=0: expected 1 or more; leave it out for ever"),
        ("*:delay-after:seconds=-1", "seconds=-1.0: expected 0 or more"),
        ("*:delay-after:seconds=nan", "seconds=nan: expected 0 or more"),
        ("*:huge-body:size=0", "size=0: expected 1 byte or more"),
        ("*:wrong-charset:charset=utf-9", "no charset 'utf-9'"),
    ],
)
def test_a_fault_that_cannot_be_is_explained(text: str, complaint: str) -> None:
    """The error quotes what was written and says what to write instead."""
    with pytest.raises(ValueError, match=re.escape(complaint)) as caught:
        Fault.parse(text)
    assert str(caught.value).startswith(f"fault {text!r}: ")


def test_a_fault_at_no_endpoint_is_refused(gateway: LocalGateway) -> None:
    """A misspelt endpoint is told the nearest, so that no fault is set where nothing happens."""
    with pytest.raises(ValueError, match=r"no endpoint 'smsJsn\.aspx' here; did you mean 'smsJson\.aspx'\?"):
        gateway.fault("smsJsn.aspx:empty")


REPLIES: dict[str, tuple[int, bool]] = {  # what comes back, and whether the submission was taken
    "delay-before:seconds=0": (200, True),
    "delay-after:seconds=0": (200, True),
    "403": (403, False),
    "404": (404, False),
    "429": (429, False),
    "500": (500, True),
    "500-before": (500, False),
    "502": (502, True),
    "502-before": (502, False),
    "503": (503, False),
    "504": (504, True),
    "empty": (200, True),
    "html": (200, True),
    "half": (200, True),
    "wrong-charset": (200, True),
    "wrong-content-type": (200, True),
    "doctype": (200, True),
    "slow-drip:seconds=0": (200, True),
    "huge-body:size=1000": (200, True),
}
ENDS: dict[str, bool] = {  # the connection ends before a whole reply; whether the submission was taken
    "cut-before": False,
    "cut-after": True,
    "reset-before": False,
    "reset-after": True,
    "truncated": True,
}


def test_every_kind_is_tested() -> None:
    """The tables below leave out no kind of fault but the one that has a test of its own."""
    assert {kind.partition(":")[0] for kind in (*REPLIES, *ENDS, "short-count")} == set(KINDS)


@pytest.mark.parametrize("kind", REPLIES)
def test_a_fault_that_replies_takes_the_submission_or_not(gateway: LocalGateway, caller: Caller, kind: str) -> None:
    """Each kind answers with its status, and accepts before that or not at all."""
    gateway.fault(f"smsJson.aspx:{kind}")
    status, taken = REPLIES[kind]
    assert (caller.sms().status, len(gateway.received)) == (status, int(taken))


@pytest.mark.parametrize("kind", ENDS)
def test_a_fault_that_ends_the_connection_takes_the_submission_or_not(
    gateway: LocalGateway, caller: Caller, kind: str
) -> None:
    """Each kind leaves the client without a whole reply, and accepts before that or not at all."""
    gateway.fault(f"smsJson.aspx:{kind}")
    with caller.connect() as sock:
        sock.sendall(raw_sms())
        with pytest.raises((AssertionError, ConnectionResetError)):
            read_reply(sock)
    assert len(gateway.received) == int(ENDS[kind])


def test_a_reset_is_a_reset(gateway: LocalGateway, caller: Caller) -> None:
    """The reset kinds send RST where the cut kinds end the stream."""
    gateway.fault("*:reset-after:times=1")
    with caller.connect() as sock:
        sock.sendall(raw_sms())
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


@pytest.mark.parametrize("kind", ["delay-before", "delay-after", "slow-drip"])
def test_delays_last(gateway: LocalGateway, caller: Caller, kind: str) -> None:
    """A delay is at least as long as it says; a drip is that for each byte."""
    gateway.fault(f"*:{kind}:seconds=0.002")
    begun = time.perf_counter()
    length = len(caller.sms().body)
    assert time.perf_counter() - begun >= 0.002 * (length if kind == "slow-drip" else 1)


def test_after_a_delay_the_submission_had_been_taken(gateway: LocalGateway, caller: Caller) -> None:
    """With ``delay-after`` the record has the submission while the client still waits; stopping ends the wait."""
    gateway.fault("*:delay-after:seconds=60")
    with caller.connect() as sock:
        sock.sendall(raw_sms())
        assert len(gateway.wait(1)) == 1
        gateway.stop()
        assert sock.recv(1) == b""


def test_empty_html_and_half_are_what_they_say(gateway: LocalGateway, caller: Caller) -> None:
    """Status 200 with nothing, with a page, and with half of the reply."""
    for kind in ("empty", "html", "half"):
        gateway.fault(f"*:{kind}:times=1")
    whole = len(caller.sms().body)  # all three at once: the outermost one wins
    assert whole == 0
    gateway.fault("*:html:times=1")
    assert caller.sms().body.startswith(b"<html>")
    gateway.fault("*:half:times=1")
    half = caller.sms().body.decode("utf-8", "ignore")
    assert ACCEPTED in half
    assert "successCounts" not in half


def test_a_truncated_reply_promises_more_than_it_sends(gateway: LocalGateway, caller: Caller) -> None:
    """The head promises the whole body, half of it comes."""
    gateway.fault("*:truncated")
    with caller.connect() as sock:
        sock.sendall(raw_sms())
        data = b""
        while chunk := sock.recv(65536):
            data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    assert int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]) // 2 == len(body) > 0


def test_a_wrong_charset_is_declared_otherwise(gateway: LocalGateway, caller: Caller) -> None:
    """A reply in UTF-8 comes as GB18030, one in GB2312 as UTF-8, or as asked; the header says what it always said."""
    gateway.fault("*:wrong-charset:times=2")
    answer = caller.sms()
    assert answer.headers["content-type"].endswith("charset=utf-8")
    assert "操作成功" in answer.body.decode("gb18030")
    assert "用户名" in caller.post("/smsGBK.aspx", {"action": "overage"}).body.decode("utf-8")
    gateway.fault("*:wrong-charset:charset=utf-16")
    assert "操作成功" in caller.sms().body.decode("utf-16")


def test_a_wrong_content_type_is_a_picture(gateway: LocalGateway, caller: Caller) -> None:
    """The body is the reply, the header is not its."""
    gateway.fault("*:wrong-content-type")
    answer = caller.sms()
    assert (answer.headers["content-type"], answer.json["returnstatus"]) == ("image/png", "Success")


@pytest.mark.parametrize("path", ["/sms.aspx", "/smsJson.aspx", "/smsGBK.aspx"])
def test_a_doctype_stands_where_xml_allows_it(gateway: LocalGateway, caller: Caller, path: str) -> None:
    """The DTD with its entity comes after the XML declaration, or first where there is none."""
    gateway.fault("*:doctype")
    body = caller.post(path, {"action": "overage"}).body
    declaration, found, _ = body.partition(b"<!DOCTYPE reply [<!ENTITY")
    assert found
    assert declaration == b"" or declaration.endswith(b"?>")


def test_a_huge_body_is_streamed_without_a_length(gateway: LocalGateway, caller: Caller) -> None:
    """The reply is followed by blanks up to the size asked for, in chunks."""
    gateway.fault("*:huge-body:size=1000000")
    answer = caller.sms()
    assert "content-length" not in answer.headers
    assert len(answer.body) == 1_000_000
    assert answer.json["returnstatus"] == "Success"


def test_a_client_that_has_enough_of_a_huge_body_may_leave(gateway: LocalGateway, caller: Caller) -> None:
    """The gateway goes on serving others when a reader hangs up amid the stream."""
    gateway.fault("*:huge-body:times=1")
    with caller.connect() as sock:
        sock.sendall(raw_sms())
        assert sock.recv(100)
    assert caller.sms().json["returnstatus"] == "Success"


def test_a_short_count_takes_one_fewer_without_saying_whom(gateway: LocalGateway, caller: Caller) -> None:
    """Under ``short-count`` two of three numbers are taken, billed and counted, and the reply names none."""
    gateway.fault("smsJson.aspx:short-count:times=1")
    numbers = ("13800000001", "13800000002", "13800000003")
    answer = caller.sms(mobile=",".join(numbers))
    assert (answer.json["successCounts"], answer.json["remainpoint"]) == ("2", "9998")
    assert gateway.received[0]["to"] == numbers[:2]
    assert not any(number.encode() in answer.body for number in numbers)
    assert caller.sms(mobile=",".join(numbers)).json["successCounts"] == "3"


def test_a_fault_happens_as_often_as_it_says(gateway: LocalGateway, caller: Caller) -> None:
    """Twice means twice; what is left is told; after that all is well."""
    gateway.fault("smsJson.aspx:503:times=2")
    assert caller.sms().status == 503
    assert caller.control("GET", "faults").json == ["smsJson.aspx:503:times=1"]
    assert [caller.sms().status, caller.sms().status] == [503, 200]


def test_a_fault_at_one_endpoint_leaves_the_others_alone(gateway: LocalGateway, caller: Caller) -> None:
    """Other endpoints, and the control calls, are not touched; ``*`` touches all endpoints."""
    gateway.fault("smsJson.aspx:503")
    assert (caller.sms().status, caller.sms("/sms.aspx").status) == (503, 200)
    gateway.fault("*:502-before")
    assert (caller.sms("/sms.aspx").status, caller.control("GET", "faults").status) == (502, 200)
    gateway.heal()
    assert (caller.sms().status, caller.sms("/sms.aspx").status) == (200, 200)


def test_faults_act_together(gateway: LocalGateway, caller: Caller) -> None:
    """A delay and a short count on one request both happen."""
    gateway.fault("*:delay-after:seconds=0.002")
    gateway.fault("*:short-count")
    begun = time.perf_counter()
    assert caller.sms(mobile="13800000001,13800000002").json["successCounts"] == "1"
    assert time.perf_counter() - begun >= 0.002

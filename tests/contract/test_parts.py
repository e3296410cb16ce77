"""The parts of the suite: what a table compares, what must not be seen, what a script answers."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from datetime import UTC, date, datetime
from hashlib import md5
from html import escape
from urllib.parse import quote, quote_plus, urlencode

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from notify_core.errors import Scope, SendError, UnreadableReply
from notify_core.exchange import Reply, Request
from notify_core.messages import Accepted, Inbound, Sms
from notify_core.testing import calls
from notify_core.testing.contract import Asked, Case
from notify_core.testing.privacy import Privacy
from notify_core.testing.script import ScriptedGateway
from notify_core.testing.variations import ELSEWHERE, elsewhere, varied
from notify_core.testing.watch import WallClock

FIELDS = st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")))
SECRET = "password-of-nobody"


def posted(body: bytes, **headers: str) -> Request:
    """A post to /send as a gateway gets it."""
    return Request("POST", "/send", headers=headers, body=body)


def send(text: str = "Your code is 1439") -> Case:
    """A case that sends."""
    return Case("sent", calls.Send(Sms(to="+8613800000001", text=text)), outcome=Accepted())


# --- what is asked ---------------------------------------------------------------------------------------------------


@given(FIELDS)
def test_a_form_is_compared_by_its_fields(fields: dict[str, str]) -> None:
    """A form is the same in any order of its fields, however they are escaped."""
    swapped = dict(reversed(fields.items()))
    assert Asked.form("/send", fields).difference(posted(urlencode(swapped, quote_via=quote).encode())) == ""


def test_a_form_is_read_in_its_charset() -> None:
    """What is GBK on the way is text in the table."""
    body = urlencode({"content": "您的验证码"}, encoding="gbk").encode()
    assert Asked.form("/send", {"content": "您的验证码"}, charset="gbk").difference(posted(body)) == ""
    assert "cannot be read (UnicodeDecodeError" in Asked.form("/send", {"content": "您的验证码"}).difference(
        posted(body)
    )


def test_a_field_that_stands_twice_is_another() -> None:
    """A repeated field is not hidden by its last value."""
    assert Asked.form("/send", {"to": "2"}).difference(posted(b"to=1&to=2")) == "to: expected '2', found ['1', '2']"


def test_a_missing_and_a_needless_field_are_named() -> None:
    """A difference names each field that differs, and no other."""
    difference = Asked.json("/send", {"to": "1", "text": "x"}).difference(posted(b'{"to": "1", "body": "x"}'))
    assert difference == "text: expected 'x', found None; body: expected None, found 'x'"


def test_a_body_is_compared_byte_by_byte() -> None:
    """Without a reader the body itself is the content."""
    assert Asked("/send", b"abc").difference(posted(b"abc")) == ""
    assert Asked("/send", b"abc").difference(posted(b"abd")) == "expected b'abc', found b'abd'"


def test_method_path_and_headers_are_compared() -> None:
    """Another address and a header that is missing are told before the content is."""
    assert Asked.query("/credit", {}).difference(posted(b"")) == "expected GET /credit, found POST /send"
    asked = Asked("/send", headers={"x-token": "abc"})
    assert asked.difference(posted(b"")) == "header x-token: expected 'abc', found None"


# --- what comes of it ------------------------------------------------------------------------------------------------


def test_an_error_is_compared_by_its_verdict() -> None:
    """Verdict and code must be equal, the description may say more than the table."""
    case = Case("refused", calls.Balance(), outcome=SendError("credit", scope=Scope.ACCOUNT, code="7"))
    assert case.difference(SendError("out of credit", scope=Scope.ACCOUNT, code="7")) == ""
    assert "scope: expected" in case.difference(SendError("out of credit", scope=Scope.PROVIDER, code="7"))
    assert "code: expected '7', found '8'" in case.difference(SendError("credit", scope=Scope.ACCOUNT, code="8"))
    assert "says 'credit'" in case.difference(SendError("refused", scope=Scope.ACCOUNT, code="7"))
    assert "the reply could not be read" in case.difference(UnreadableReply("credit", b""))
    assert "expected SendError" in case.difference(Accepted())


def test_refused_recipients_are_compared() -> None:
    """Who was refused, and with which verdict, is part of what was accepted."""
    refused = {"+8613800000001": SendError("bad number", scope=Scope.RECIPIENT)}
    case = Case("one refused", calls.Balance(), outcome=Accepted(refused=refused))
    assert case.difference(Accepted(refused={"+8613800000001": SendError("?", scope=Scope.RECIPIENT)})) == ""
    assert "refused: expected" in case.difference(Accepted())


def test_values_are_shown_whole() -> None:
    """A difference shows what the reprs of the core hide: a table holds invented texts only."""
    case = Case("written", calls.Inbound(), outcome=[Inbound(sender="+8613800000001", text="stop please")])
    difference = case.difference([Inbound(sender="+8613800000001", text="stop")])
    assert "text='stop please'" in difference
    assert "text='stop'" in difference
    assert "code='7'" in case.difference(SendError("refused", code="7"))


# --- what must not be seen -------------------------------------------------------------------------------------------


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs"]), min_size=6))
def test_a_text_is_found_however_it_is_spelt(text: str) -> None:
    """A text shows as it is, in a URL, in JSON, in HTML, in base64 and in a repr of its bytes."""
    privacy = Privacy([], [send(text)])
    spelt = [text, quote(text, safe=""), quote_plus(text), json.dumps(text), escape(text), repr(text.encode())]
    spelt += [quote(text.encode("gb18030"), safe=""), b64encode(text.encode()).decode()]
    assert {privacy.exposed(f"before {each} after") for each in spelt} == {"the text of a message"}


def test_a_secret_is_found_by_its_digest() -> None:
    """The MD5 of a password opens an account as well as the password."""
    digest = md5(SECRET.encode(), usedforsecurity=False).hexdigest()
    privacy = Privacy([SECRET], [])
    assert {privacy.exposed(each) for each in (SECRET, digest, digest.upper())} == {"a secret of the account"}


@pytest.mark.parametrize("shown", ["+8613800000001", "8613800000001", "13800000001"])
def test_a_number_is_found_with_and_without_its_country(shown: str) -> None:
    """A whole number is one in E.164, and one as its own country writes it."""
    assert Privacy([], [send()]).exposed(f"to={shown}") == "a whole phone number"


def test_what_is_masked_is_not_found() -> None:
    """A mask, a count and a task id may be shown."""
    assert Privacy([SECRET], [send()]).exposed("+86138****0001, 17 characters, task 1504080852350206, ***") == ""


def test_a_new_password_is_a_secret() -> None:
    """The password that a case changes to opens the account from then on."""
    case = Case("changed", calls.ChangePassword("next-password"), outcome=None)
    assert Privacy([], [case]).exposed("newpassword=next-password") == "the new password"
    assert Privacy([], [case]).exposed(repr(case.call)) == ""


# --- clocks, scripts, variations -------------------------------------------------------------------------------------


def test_only_clocks_of_the_package_are_noted() -> None:
    """Reading the time is noted where the package does it; converting a time, and other modules, are not."""
    with WallClock("tests.contract") as own:
        readings = [datetime.now(UTC), date.today(), time.time(), time.time_ns()]  # noqa: DTZ011 - the sin
        datetime.fromtimestamp(0, UTC)
        time.monotonic()
    with WallClock("notify_core") as other:
        datetime.now(UTC)
    assert len(own.readings) == len(readings)
    assert other.readings == []


def test_a_request_off_the_script_is_answered_as_that() -> None:
    """A request too many gets an answer that no dialect takes for its own, and is kept."""
    with ScriptedGateway(Reply(body=b"one")) as gateway, requests.Session() as session:
        statuses = [session.get(f"{gateway.url}/{number}", timeout=10).status_code for number in range(2)]
    assert statuses == [200, 418]
    assert [request.path for request in gateway.requests] == ["/0", "/1"]


def test_a_variation_is_another_message() -> None:
    """Variations differ in recipient and text; the same instant elsewhere is the same instant."""
    message = Sms(to=["+8613800000001", "+8613800000002"], text="hello", send_at=datetime(2031, 1, 1, tzinfo=UTC))
    other = varied(message, 7)
    assert isinstance(other, Sms)
    assert (other.to, other.text, other.send_at) == (("+8613800000007",), "7 hello", message.send_at)
    moved = elsewhere(calls.Send(message))
    assert isinstance(moved, calls.Send)
    assert moved.message.send_at == message.send_at
    assert moved.message.send_at is not None
    assert moved.message.send_at.tzinfo is ELSEWHERE

"""The eight traps of gateway.md, part 2, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from notify_core.errors import InvalidMessage, Scope, SendError, Sent, UnreadableReply
from notify_core.exchange import Request
from notify_core.messages import Message, Sms, Submission
from notify_ipyy import codes, ensms, gbk, json, mms, soap, xml
from notify_ipyy.settings import IpyySettings

Account = Callable[..., IpyySettings]
Wrap = Callable[[Message], Submission]

ONE, TWO = "+8613800000001", "+8613800000002"
EVERY = [xml, gbk, json, ensms, soap, mms]


def test_1_error_1_is_success_in_json_and_failure_in_xml(account: Account, http: Any, provider: Any) -> None:
    """The same two fields mean opposite things; the syntax decides, not the page."""
    as_json = '{"error":"1","remark":"成功","statusbox":[]}'.encode()
    refused = "<error>1</error><remark>用户名或密码不能为空</remark>"
    as_xml = f"<returnsms><errorstatus>{refused}</errorstatus></returnsms>".encode()
    provider.answers = [as_json, as_xml] * 2
    for module in (json, xml):
        assert module.status(account(), http, "") == []
        with pytest.raises(SendError, match="no user name or no password"):
            module.status(account(), http, "")


def test_2_what_is_handed_out_once_is_asked_for_once_and_kept(account: Account, http: Any, provider: Any) -> None:
    """One request a pull, and a reply that cannot be read is in the error to the byte."""
    provider.answers = [b'{"error":"1","statusbox":[{"mobile":"138']
    with pytest.raises(UnreadableReply) as caught:
        json.status(account(), http, "")
    assert caught.value.payload == b'{"error":"1","statusbox":[{"mobile":"138'
    assert len(provider.requests) == 1


@pytest.mark.parametrize("module", EVERY, ids=lambda module: module.__name__)
def test_3_a_push_is_answered_with_the_providers_words(module: ModuleType) -> None:
    """1 where it is stored; error, and nothing but error, makes the gateway push again."""
    words = module.push()
    assert (words.stored, words.again) == (b"1", b"error")


def test_4_a_push_carries_no_authentication() -> None:
    """The decoder asks for none, and takes nothing from whoever posts but the body."""
    push = xml.push()
    body = b"<returnsms><statusbox><mobile>13800000001</mobile><status>10</status></statusbox></returnsms>"
    bare = push.decode(Request("POST", "/", body=body))
    dressed = push.decode(Request("POST", "/x", "account=evil", {"content-type": "text/plain", "host": "evil"}, body))
    assert bare == dressed


@pytest.mark.parametrize("module", [xml, gbk, json, ensms, soap], ids=lambda module: module.__name__)
def test_5_a_send_is_one_request_whatever_is_answered(
    module: ModuleType, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """There is no idempotency key: a reply that says nothing is in doubt, and nothing is sent a second time."""
    provider.answers = [b"<html>"]
    with pytest.raises(SendError) as caught:
        module.send(account(), http, submission(Sms(to=ONE, text="x")))
    assert caught.value.sent is Sent.UNKNOWN
    assert len(provider.requests) == 1


def test_6_all_paths_of_an_account_share_its_fate() -> None:
    """Credit, binding and password are of the account: one model for all transports, one scope for such codes."""
    assert {module.settings() for module in EVERY} == {IpyySettings}
    for name in ("AmountNotEnough", "BindIpError", "PasswordError", "UserStop"):
        code = codes.by_word(name)
        assert code is not None
        assert code.scope is Scope.ACCOUNT


def test_7_too_many_recipients_is_about_the_recipients(
    account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """MsisdnsMany was surely not sent and is of recipient scope, so that the core may submit the halves."""
    provider.answers = [b'{"StatusCode":"MsisdnsMany","Description":"","SuccessCounts":0,"Errors":[]}']
    with pytest.raises(SendError) as caught:
        ensms.send(account(), http, submission(Sms(to=[ONE, TWO], text="x")))
    assert (caught.value.sent, caught.value.scope, caught.value.recipients) == (Sent.NO, Scope.RECIPIENT, ())


def test_8_gb2312_is_gbk_and_cannot_carry_everything(
    account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """镕 travels although GB2312 lacks it; an emoji does not."""
    provider.answers = [b"<returnsms><returnstatus>Success</returnstatus></returnsms>"]
    gbk.send(account(), http, submission(Sms(to=ONE, text="镕")))
    assert b"content=%E9%46&" in provider.requests[0].body
    with pytest.raises(InvalidMessage, match="GBK cannot carry"):
        gbk.check(account(), Sms(to=ONE, text="😀"))

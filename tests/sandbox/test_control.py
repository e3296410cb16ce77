"""The control calls under /sandbox, and their errors."""

from __future__ import annotations

from typing import Any

import pytest

from notify_core.exchange import Gateway
from notify_core.sandbox import LocalGateway
from notify_ipyy.sandbox import json_endpoints
from tests.sandbox.caller import TEXT, Caller


def test_the_index_explains_every_call(caller: Caller) -> None:
    """GET /sandbox lists the calls, each with a sentence."""
    index = caller.ask("GET", "/sandbox").json
    expected = {"accounts": "GET POST", "faults": "GET POST DELETE", "inbound": "GET POST", "push": "POST"}
    expected |= {"received": "GET DELETE", "reports": "GET POST PUT", "style": "GET POST"}
    assert set(index) == {f"{method} /sandbox/{name}" for name in expected for method in expected[name].split()}
    assert all(sentence.endswith(".") for sentence in index.values())


def test_received_tells_what_arrived_and_can_be_emptied(gateway: LocalGateway, caller: Caller) -> None:
    """What was accepted is told as JSON, times in ISO 8601; DELETE empties the record."""
    caller.sms(sendTime="2036-01-02 03:04:05")
    submission = caller.control("GET", "received").json[0]
    assert (submission["to"], submission["text"]) == (["13800000001"], TEXT)
    assert submission["send_at"] == "2036-01-02T03:04:05+08:00"
    assert caller.control("DELETE", "received").json == {}
    assert (caller.control("GET", "received").json, gateway.received) == ([], [])


def test_faults_are_set_told_and_removed(caller: Caller) -> None:
    """POST sets one as the flag writes it, GET tells those left, DELETE removes all."""
    fault = "smsJson.aspx:503:times=2"
    assert caller.control("POST", "faults", {"fault": fault}).json == [fault]
    assert caller.sms().status == 503
    assert caller.control("GET", "faults").json == ["smsJson.aspx:503:times=1"]
    caller.control("DELETE", "faults")
    assert caller.sms().status == 200


def test_an_account_is_made_changed_and_told(gateway: LocalGateway, caller: Caller) -> None:
    """A new account sends with its own credentials; the password is never told."""
    made = caller.control("POST", "accounts", {"name": "shop", "password": "shop-secret", "credit": 5})
    assert (made.status, made.json["credit"]) == (200, 5)
    assert caller.sms(account="shop", password="shop-secret").json["remainpoint"] == "4"
    accounts = caller.control("GET", "accounts")
    assert {account["name"]: account["credit"] for account in accounts.json} == {"sandbox": 10_000, "shop": 4}
    assert b"secret" not in accounts.body
    assert "secret" not in repr(gateway.account())


def test_a_change_of_an_account_keeps_the_rest(gateway: LocalGateway, caller: Caller) -> None:
    """Credit, waiting reports and the other settings stay when one is changed."""
    caller.sms()
    gateway.settle()
    caller.control("POST", "accounts", {"sensitive_words": ["x"]})
    assert (gateway.account().credit, len(caller.control("GET", "reports").json)) == (9_999, 1)


def test_waiting_boxes_can_be_looked_into(gateway: LocalGateway, caller: Caller) -> None:
    """GET reports and GET inbound show what waits and leave it there."""
    caller.sms()
    caller.control("POST", "reports", {"outcome": "failed", "to": ["13800000001"], "code": "X"})
    caller.control("POST", "inbound", {"sender": "13800000001", "text": "TD"})
    for _ in range(2):
        assert [report["code"] for report in caller.control("GET", "reports?account=sandbox").json] == ["X"]
        assert [message["text"] for message in caller.control("GET", "inbound").json] == ["TD"]


@pytest.mark.parametrize(
    ("method", "name", "members", "complaint"),
    [
        ("POST", "faults", {}, "member 'fault' is missing"),
        ("POST", "faults", {"fault": "*:cut"}, "no kind of fault 'cut'"),
        ("POST", "faults", {"fualt": "*:cut"}, "no member 'fualt'; did you mean 'fault'?"),
        ("POST", "accounts", {"credits": 1}, "an account has no 'credits'; did you mean 'credit'?"),
        ("POST", "accounts", {"credit": "much"}, "credit: Input should be a valid integer"),
        ("POST", "accounts", {"password": ""}, "password: String should have at least 1 character"),
        ("POST", "accounts", {"push_url": "ftp://x"}, "push_url: String should match pattern"),
        ("POST", "reports", {"outcome": "deliverd"}, "outcome: Input should be 'delivered' or 'failed'"),
        ("POST", "reports", {"account": "shp"}, "no account 'shp'; known: sandbox"),
        ("POST", "inbound", {"text": "TD"}, "member 'sender' is missing"),
        ("POST", "style", {"sucess": "ok"}, "no spelling 'sucess'; did you mean 'success'?"),
        ("POST", "style", {"fields": "camel"}, "fields: Input should be 'document' or 'pascal'"),
    ],
)
def test_a_call_that_cannot_be_is_explained(
    caller: Caller, method: str, name: str, members: dict[str, object], complaint: str
) -> None:
    """Status 400, with what to write instead."""
    answer = caller.control(method, name, members)
    assert (answer.status, complaint in answer.json["error"]) == (400, True), answer.json


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "complaint"),
    [
        ("POST", "/sandbox/faults", b"{", 400, "the body is not JSON"),
        ("POST", "/sandbox/faults", b"\xff", 400, "the body is not JSON"),
        ("POST", "/sandbox/faults", b"[]", 400, "expected a JSON object"),
        ("GET", "/sandbox/fault", b"", 404, "no control call 'fault'; did you mean 'faults'?"),
        ("PATCH", "/sandbox/faults", b"", 405, "faults takes DELETE, GET, POST"),
        ("GET", "/sandbox/faults?x=1", b"", 400, "no member 'x'"),
    ],
)
def test_what_is_no_call_is_explained(
    caller: Caller, method: str, path: str, body: bytes, status: int, complaint: str
) -> None:
    """400 for its form, 404 for its name, 405 for its method."""
    answer = caller.ask(method, path, body)
    assert (answer.status, complaint in answer.json["error"]) == (status, True), answer.json


def test_a_password_that_cannot_be_is_not_repeated(gateway: LocalGateway) -> None:
    """An error about an account's settings shows no value of them."""
    with pytest.raises(ValueError, match="password") as caught:
        gateway.account(password=["hunter2"])
    assert "hunter2" not in str(caught.value)


def test_reprs_show_no_numbers_and_texts(gateway: LocalGateway) -> None:
    """What people log of the provider's values has no whole phone number and no text in it."""
    message = gateway.inbound(sender="13800000001", text="TD", at="2026-01-02 03:04:05")
    shown = repr((message, gateway.account(black_list=["13800000001"])))
    assert ("13800000001" in shown, "TD" in shown) == (False, False)


def test_a_bad_setting_makes_no_account(gateway: LocalGateway, caller: Caller) -> None:
    """An account whose settings cannot be is not made."""
    with pytest.raises(ValueError, match="credit"):
        gateway.account(name="shop", credit="much")
    assert [account["name"] for account in caller.control("GET", "accounts").json] == ["sandbox"]


def test_python_reaches_the_same_calls(gateway: LocalGateway, caller: Caller) -> None:
    """Methods of the gateway and control calls do the same."""
    gateway.inbound(sender="13800000001", text="TD", at="2026-01-02 03:04:05")
    assert caller.control("GET", "inbound").json[0]["at"] == "2026-01-02 03:04:05"
    with pytest.raises(ValueError, match="no member 'form'; known: account, at"):
        gateway.inbound(sender="13800000001", text="TD", form="13800000001")


def test_a_gateway_without_a_provider_says_what_it_serves() -> None:
    """Asking for reports where no transport has any is explained."""
    with LocalGateway() as gateway, pytest.raises(ValueError, match="no transport here serves POST /sandbox/reports"):
        gateway.settle()


def test_a_call_has_one_owner() -> None:
    """Two providers that want the same call are a defect, found when the gateway is made."""

    def other(gateway: Gateway) -> dict[str, Any]:
        gateway.control("POST", "inbound", lambda: None)
        return {}

    with pytest.raises(ValueError, match="POST /sandbox/inbound is served already"):
        LocalGateway([json_endpoints, other])

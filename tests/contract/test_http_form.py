"""http.form passes the suite by both accounts of config/http-form.example.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import md5, sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from notify_core.errors import InvalidMessage, Retry, Scope, SendError, Sent
from notify_core.exchange import Reply, Request
from notify_core.messages import Accepted, Balance, Sms
from notify_core.testing import calls
from notify_core.testing.contract import Asked, Case, TransportContract
from notify_core.yaml import read

EXAMPLE = Path(__file__).parents[2] / "config" / "http-form.example.yaml"


def account(name: str) -> dict[str, Any]:
    """The settings of an account of the example, without its address."""
    settings = dict(read(EXAMPLE).data["accounts"][name])
    del settings["provider"], settings["base_url"]
    return settings


CODE = Sms(to="+8613800000001", text="您的验证码：1439")
LATER = Sms(
    to=["+8613800000001", "+8613800000002"],
    text="明天上午九点请来复诊",
    send_at=datetime(2031, 2, 4, 1, tzinfo=UTC),
)
EMOJI = Sms(to="+8613800000001", text="祝您健康😀")

# --- JSON and a signature --------------------------------------------------------------------------------------------

TOKEN, KEY = "put-the-token-here", "put-the-key-here"
STAMP = str(int(TransportContract.clock.timestamp()))


def signed(request: Request) -> object:
    """The body of a request, with its reference by its form, and whether its signature is right."""
    signature = sha256(f"{KEY}{STAMP}".encode() + request.body).hexdigest()
    body = json.loads(request.body) if request.body else None
    if body and re.fullmatch(r"\d{18}", body["options"]["client_ref"]):
        body["options"]["client_ref"] = "18 digits"
    return {"body": body, "signed": request.headers.get("x-signature") == signature}


def asked(path: str, body: object, method: str = "POST") -> Asked:
    """What the gateway with a signature should be asked."""
    headers = {"authorization": f"Bearer {TOKEN}", "x-timestamp": STAMP}
    return Asked(path, {"body": body, "signed": True}, signed, method, headers)


def answered(code: int, message: str, data: Mapping[str, object] | None = None) -> Reply:
    """What it answers."""
    return Reply(body=json.dumps({"code": code, "message": message, "data": data}).encode())


MESSAGES, CREDIT = "/v2/accounts/demo/messages", "/v2/accounts/demo/credit"
ASKED = asked(
    MESSAGES,
    {"to": ["13800000001"], "content": "您的验证码：1439【腾飞】", "options": {"client_ref": "18 digits"}},
)
ASKED_LATER = asked(
    MESSAGES,
    {
        "to": ["13800000001", "13800000002"],
        "content": "明天上午九点请来复诊【腾飞】",
        "options": {"client_ref": "18 digits", "send_at": "2031-02-04T09:00:00"},
    },
)
TAKEN = answered(0, "ok", {"message_id": "m-17", "accepted": 1})


def without_extension() -> dict[str, Any]:
    """The account acme, at a gateway that has no extensions: so there is a message that it refuses."""
    settings = account("acme")
    del settings["send"]["request"]["json"]["options"]["extension"]
    return settings


class TestJsonAndSignature(TransportContract):
    """The account acme of the example."""

    transport = "http.form"
    settings = without_extension()
    cases = (
        Case("accepted", calls.Send(CODE), asked=ASKED, reply=TAKEN, outcome=Accepted(task_id="m-17", count=1)),
        Case(
            "for later",
            calls.Send(LATER),
            asked=ASKED_LATER,
            reply=answered(0, "ok", {"message_id": "m-18", "accepted": 2}),
            outcome=Accepted(task_id="m-18", count=2),
        ),
        Case(
            "one of two",
            calls.Send(LATER),
            asked=ASKED_LATER,
            reply=TAKEN,
            outcome=SendError("1 of 2", sent=Sent.UNKNOWN, scope=Scope.RECIPIENT, code="short count"),
        ),
        Case(
            "no credit",
            calls.Send(CODE),
            asked=ASKED,
            reply=answered(3003, "no credit"),
            outcome=SendError("no credit", scope=Scope.ACCOUNT, retry=Retry.LATER, code="3003"),
        ),
        Case(
            "never seen",
            calls.Send(CODE),
            asked=ASKED,
            reply=answered(4711, "moon phase"),
            outcome=SendError("moon phase", scope=Scope.PROVIDER, retry=Retry.LATER, code="4711"),
        ),
        Case(
            "a foreign number",
            calls.Send(Sms(to="+4915100000001", text="hello, you there")),
            outcome=SendError("+86 only", scope=Scope.RECIPIENT, code="country"),
        ),
        Case(
            "an extension",
            calls.Send(Sms(to="+8613800000001", text="您的验证码：1439", extension="12")),
            outcome=InvalidMessage("no extension"),
        ),
        Case(
            "credit",
            calls.Balance(),
            asked=asked(CREDIT, None, "GET"),
            reply=answered(0, "ok", {"credit": 120.5}),
            outcome=Balance(units=Decimal("120.5")),
        ),
    )


# --- a line of text, in GBK ------------------------------------------------------------------------------------------


def queried(request: Request) -> object:
    """The fields of a query in GBK."""
    return {name: value for name, (value,) in parse_qs(request.query, keep_blank_values=True, encoding="gbk").items()}


def line(text: str) -> Reply:
    """What the gateway with lines of text answers."""
    return Reply(body=f"{text}\r\n".encode("gbk"), headers={"content-type": "text/html; charset=gbk"})


OPENED = {"uid": "demo", "pwd": md5(b"put-the-password-here", usedforsecurity=False).hexdigest().upper()}
QUERY = {**OPENED, "mobile": "13800000001", "msg": "您的验证码：1439【腾飞】", "ext": ""}
QUERIED = Asked("/sms/send.php", QUERY, queried, "GET")
QUERIED_LATER = replace(
    QUERIED,
    content={
        **OPENED,
        "mobile": "13800000001,13800000002",
        "msg": "明天上午九点请来复诊【腾飞】",
        "ext": "",
        "time": "20310204090000",
    },
)


class TestTextInGbk(TransportContract):
    """The account oldtown of the example."""

    transport = "http.form"
    settings = account("oldtown")
    cases = (
        Case("accepted", calls.Send(CODE), asked=QUERIED, reply=line("OK:12345"), outcome=Accepted(task_id="12345")),
        Case(
            "for later",
            calls.Send(LATER),
            asked=QUERIED_LATER,
            reply=line("OK:12346"),
            outcome=Accepted(task_id="12346"),
        ),
        Case(
            "wrong password",
            calls.Send(CODE),
            asked=QUERIED,
            reply=line("ERR:1:用户名或密码错误"),
            outcome=SendError("用户名或密码错误", scope=Scope.ACCOUNT, code="1"),
        ),
        Case("not in GBK", calls.Send(EMOJI), outcome=InvalidMessage("U+1F600")),
        Case(
            "credit",
            calls.Balance(),
            asked=Asked("/sms/balance.php", OPENED, queried, "GET"),
            reply=line("OK:-12.5"),
            outcome=Balance(units=Decimal("-12.5")),
        ),
    )

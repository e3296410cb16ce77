"""http.form keeps the contract of every transport, with the worked gateways and with one that speaks XML."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from lxml import etree

from notify_core.errors import InvalidMessage, Retry, Scope, SendError
from notify_core.exchange import Reply, Request
from notify_core.messages import Accepted, Balance, Sms
from notify_core.testing import calls
from notify_core.testing.contract import Asked, Case, TransportContract
from notify_core.yaml import read
from tests.http_form.conftest import EXAMPLE

TEXT = "您的验证码：1439 <&>【腾飞】"
CODE = Sms(to="+8613800000001", text=TEXT, extension="7", send_at=datetime(2031, 3, 1, 8, tzinfo=UTC))
NOW = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))


def _example(name: str, **changes: object) -> dict[str, Any]:
    account: dict[str, Any] = read(EXAMPLE).data["accounts"][name]
    return {key: value for key, value in account.items() if key not in ("provider", "base_url")} | changes


# --- a gateway with JSON and a signature -----------------------------------------------------------------------------

TOKENS = {"token": "token-of-nobody", "app_key": "key-of-nobody"}


def _signed(body: bytes) -> dict[str, str]:
    signature = hashlib.sha256(b"key-of-nobody" + STAMP.encode() + body).hexdigest()
    return {"authorization": "Bearer token-of-nobody", "x-timestamp": STAMP, "x-signature": signature}


def _acme(request: Request) -> object:
    """The message, where its signature is right."""
    expected = _signed(request.body)
    if {name: request.headers.get(name) for name in expected} != expected:
        raise ValueError("the signature does not fit the body")
    message = json.loads(request.body)
    message["options"].pop("client_ref")
    return message


SENT = {"to": ["13800000001"], "content": TEXT, "options": {"extension": "7", "send_at": "2031-03-01T16:00:00"}}
ASKED = Asked("/v2/accounts/demo/messages", SENT, _acme)


class TestAcme(TransportContract):
    """A POST of JSON with signed headers."""

    transport = "http.form"
    clock = NOW
    settings: ClassVar[Mapping[str, Any]] = _example("acme", secrets=TOKENS)
    cases: ClassVar[Sequence[Case]] = (
        Case(
            "accepted",
            calls.Send(CODE),
            asked=ASKED,
            reply=Reply(body=b'{"code": 0, "message": "ok", "data": {"message_id": "m-17", "accepted": 1}}'),
            outcome=Accepted(task_id="m-17", count=1),
        ),
        Case(
            "no credit",
            calls.Send(CODE),
            asked=ASKED,
            reply=Reply(body='{"code": 3003, "message": "余额不足"}'.encode("gbk")),
            outcome=SendError("余额不足", scope=Scope.ACCOUNT, retry=Retry.LATER, code="3003"),
        ),
        Case(
            "credit",
            calls.Balance(),
            asked=Asked.query("/v2/accounts/demo/credit", {}, headers=_signed(b"")),
            reply=Reply(body=b'{"code": 0, "data": {"credit": 120.50}}'),
            outcome=Balance(units=Decimal("120.50")),
        ),
        Case(
            "too long",
            calls.Send(Sms(to="+8613800000001", text="1439" * 500)),
            outcome=InvalidMessage("segments long"),
        ),
    )


# --- a gateway with GET, GBK and one line of text --------------------------------------------------------------------

UID = {"uid": "demo", "pwd": hashlib.md5(b"nobodys-password", usedforsecurity=False).hexdigest().upper()}
QUERY = Asked.query(
    "/sms/send.php",
    {**UID, "mobile": "13800000001", "msg": TEXT, "ext": "7", "time": "20310301160000"},
    charset="gbk",
)


class TestOldTown(TransportContract):
    """A GET in GBK with everything in its query."""

    transport = "http.form"
    clock = NOW
    settings: ClassVar[Mapping[str, Any]] = _example("oldtown", password="nobodys-password")
    cases: ClassVar[Sequence[Case]] = (
        Case(
            "accepted",
            calls.Send(CODE),
            asked=QUERY,
            reply=Reply(body=b"OK:12345\r\n"),
            outcome=Accepted(task_id="12345"),
        ),
        Case(
            "busy",
            calls.Send(CODE),
            asked=QUERY,
            reply=Reply(body="ERR:9:系统繁忙".encode("gbk")),
            outcome=SendError("系统繁忙", scope=Scope.PROVIDER, retry=Retry.LATER, code="9"),
        ),
        Case(
            "credit",
            calls.Balance(),
            asked=Asked.query("/sms/balance.php", UID),
            reply=Reply(body=b"OK:-12.5"),
            outcome=Balance(units=Decimal("-12.5")),
        ),
        Case(
            "not in GBK",
            calls.Send(Sms(to="+8613800000001", text="生日快乐😀")),
            outcome=InvalidMessage("'😀' (U+1F600), which GBK cannot carry"),
        ),
    )


# --- a gateway with XML ----------------------------------------------------------------------------------------------


def _submit(request: Request) -> object:
    root = etree.fromstring(request.body)
    return [root.get("key"), [each.text for each in root.iter("number")], root.findtext("text")]


XML = Asked("/submit", ["key-of-nobody", ["008613800000001"], TEXT], _submit)


class TestXml(TransportContract):
    """A POST of XML."""

    transport = "http.form"
    clock = NOW
    settings: ClassVar[Mapping[str, Any]] = {
        "secrets": {"key": "key-of-nobody"},
        "send": {
            "request": {
                "path": "/submit",
                "charset": "gbk",
                "xml": """
                    <submit key="{{ secrets.key }}">
                      {% for number in to | prefixed %}<number>{{ number }}</number>{% endfor %}
                      <text>{{ text }}</text>
                    </submit>""",
            },
            "reply": {
                "kind": "xml",
                "success": {"at": "result.@status", "equals": "accepted"},
                "id": "result.id",
                "code": "result.@status",
            },
        },
        "balance": {
            "request": {"path": "/credit", "xml": '<credit key="{{ secrets.key }}"/>'},
            "reply": {"kind": "xml", "success": {"matches": r"\d+"}, "balance": "", "code": "result.@status"},
        },
        "codes": {"bad-key": "account"},
    }
    cases: ClassVar[Sequence[Case]] = (
        Case(
            "accepted",
            calls.Send(Sms(to="+8613800000001", text=TEXT)),
            asked=XML,
            reply=Reply(body=b"<?xml version='1.0'?><r><result status='accepted'><id>x-17</id></result></r>"),
            outcome=Accepted(task_id="x-17"),
        ),
        Case(
            "bad key",
            calls.Send(Sms(to="+8613800000001", text=TEXT)),
            asked=XML,
            reply=Reply(body=b"<r><result status='bad-key'/></r>"),
            outcome=SendError("", scope=Scope.ACCOUNT, code="bad-key"),
        ),
        Case(
            "credit",
            calls.Balance(),
            asked=Asked("/credit", b'<?xml version="1.0" encoding="utf-8"?><credit key="key-of-nobody"/>'),
            reply=Reply(body=b'<string xmlns="http://tempuri.org/">120</string>'),
            outcome=Balance(units=Decimal(120)),
        ),
        Case(
            "a character that XML lacks",
            calls.Send(Sms(to="+8613800000001", text="1439 and \uffff")),
            outcome=InvalidMessage("(U+FFFF), which"),
        ),
        Case(
            "an extension",
            calls.Send(Sms(to="+8613800000001", text="1439 and more", extension="7")),
            outcome=InvalidMessage("takes no extension"),
        ),
    )

"""The six transports of ipyy pass the suite. Requests and replies are those of gateway.md, decoded here anew."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from hashlib import md5
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

from Crypto.Cipher import DES
from Crypto.Util.Padding import unpad

from notify_core.errors import InvalidMessage, Retry, Scope, SendError, Sent
from notify_core.exchange import Reply, Request
from notify_core.messages import Accepted, Balance, Inbound, Mms, Part, Report, Sms
from notify_core.states import State
from notify_core.testing import calls
from notify_core.testing.contract import Asked, Case, TransportContract

CHINA = timezone(timedelta(hours=8))
PASSWORD = "password-of-nobody"
MD5 = md5(PASSWORD.encode(), usedforsecurity=False).hexdigest().upper()
SETTINGS = {"account": "clinic", "password": PASSWORD, "user_id": "1234", "signature": "腾飞"}
ACCOUNT = {"name": "clinic", "password": PASSWORD, "user_id": "1234", "signature": "腾飞"}
CREDENTIALS = {"userid": "1234", "account": "clinic", "password": MD5}
TO = "+8613800000001"

# --- what is sent, and what the gateway says to it (gateway.md part 1 §1, §3, §4; part 2) ----------------------------

CODE = Sms(to=TO, text="您的验证码：1439")
LATER = Sms(
    to=[TO, "+8613800000002"],
    text="明天上午九点请来复诊【腾飞】",
    extension="12",
    send_at=datetime(2031, 2, 4, 9, tzinfo=CHINA),
)
PICTURE = Mms(
    to=TO, subject="检查报告", parts=[Part("1.txt", "请查收您的报告".encode()), Part("2.jpg", b"\xff\xd8\xff")]
)

CODE_FIELDS = {
    "action": "send",
    **CREDENTIALS,
    "mobile": "13800000001",
    "content": "您的验证码：1439【腾飞】",
    "sendTime": "",
    "extno": "",
}
LATER_FIELDS = {
    "action": "send",
    **CREDENTIALS,
    "mobile": "13800000001,13800000002",
    "content": "明天上午九点请来复诊【腾飞】",
    "sendTime": "2031-02-04 09:00:00",
    "extno": "12",
}

TAKEN = {
    "returnstatus": "Success",
    "message": "操作成功",
    "remainpoint": "-4",
    "taskID": "1504080852350206",
    "successCounts": "1",
}
UNSIGNED = {"returnstatus": "Faild", "message": "需要签名", "remainpoint": "0", "taskID": "", "successCounts": "0"}
ACCEPTED = Accepted(task_id="1504080852350206", count=1, balance=Decimal(-4))
SIGNATURE_REQUIRED = SendError("需要签名", scope=Scope.ACCOUNT, code="2113")
NEVER_SEEN = SendError("通道维护中", scope=Scope.PROVIDER, retry=Retry.LATER)
SHORT_COUNT = SendError("1 of 2", sent=Sent.UNKNOWN, scope=Scope.RECIPIENT, code="short count")
NO_CREDIT = SendError("额度不足", scope=Scope.ACCOUNT, retry=Retry.LATER, code="1111")
FOREIGN = Case("a foreign number", calls.Send(Sms(to="+4915100000001", text="hello")), outcome=InvalidMessage("China"))

CREDIT = {"returnstatus": "Sucess", "message": "操作成功", "payinfo": "后付费", "overage": "-4", "sendTotal": "73"}


def xml(fields: Mapping[str, str], root: str = "returnsms", charset: str = "utf-8") -> Reply:
    """A reply of the XML endpoints."""
    boxes = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    text = f'<?xml version="1.0" encoding="{charset}" ?><{root}>{boxes}</{root}>'
    python_charset = "gbk" if charset == "gb2312" else charset
    return Reply(body=text.encode(python_charset), headers={"content-type": f"text/xml; charset={charset}"})


gb2312 = partial(xml, charset="gb2312")


def in_json(fields: Mapping[str, Any]) -> Reply:
    """A reply of the JSON endpoints."""
    body = json.dumps(fields, ensure_ascii=False).encode()
    return Reply(body=body, headers={"content-type": "text/html; charset=utf-8"})


def sending(path: str, reply: Any, charset: str = "utf-8") -> tuple[Case, ...]:
    """What a form endpoint is sent, and its answers."""
    code = Asked.form(path, CODE_FIELDS, charset=charset)
    later = Asked.form(path, LATER_FIELDS, charset=charset)
    both = {**TAKEN, "successCounts": "2"}
    refused = {**UNSIGNED, "message": "额度不足(0)"}
    unseen = {**UNSIGNED, "message": "通道维护中"}
    return (
        Case("accepted", calls.Send(CODE), asked=code, reply=reply(TAKEN), outcome=ACCEPTED),
        Case("for later", calls.Send(LATER), asked=later, reply=reply(both), outcome=replace(ACCEPTED, count=2)),
        Case("one of two", calls.Send(LATER), asked=later, reply=reply(TAKEN), outcome=SHORT_COUNT),
        Case("no signature", calls.Send(CODE), asked=code, reply=reply(UNSIGNED), outcome=SIGNATURE_REQUIRED),
        Case("no credit", calls.Send(CODE), asked=code, reply=reply(refused), outcome=NO_CREDIT),
        Case("never seen", calls.Send(CODE), asked=code, reply=reply(unseen), outcome=NEVER_SEEN),
        FOREIGN,
    )


def balance(path: str, reply: Any) -> tuple[Case, ...]:
    """What a page is asked for the credit, and its answers (gateway.md part 1 §4)."""
    asked = Asked.form(path, {"action": "overage", **CREDENTIALS})
    wrong = {**CREDIT, "returnstatus": "Faild", "message": "用户名或密码错误", "overage": "0"}
    left = Balance(units=Decimal(-4), prepaid=False, sent_total=73)
    refusal = SendError("用户名或密码错误", scope=Scope.ACCOUNT)
    return (
        Case("credit", calls.Balance(), asked=asked, reply=reply(CREDIT), outcome=left),
        Case("wrong password", calls.Balance(), asked=asked, reply=reply(wrong), outcome=refusal),
    )


# --- reports and inbound messages (gateway.md part 1 §5–§7) ----------------------------------------------------------

DELIVERED = Report(
    recipient=TO,
    task_id="1504080852350206",
    state=State.DELIVERED,
    code="DELIVRD",
    at=datetime(2031, 2, 3, 9, 47, 7, tzinfo=CHINA),
)
FAILED = replace(DELIVERED, state=State.UNDELIVERED, code="MY:0001", at=None)
WRITTEN = Inbound(
    sender=TO,
    text="好的，我明天去",
    extension="12",
    task_id="1504080852350206",
    at=datetime(2031, 2, 3, 9, 47, 7, tzinfo=CHINA),
)
NOT_ALLOWED = SendError("该用户不允许查看状态报告", scope=Scope.ACCOUNT)
WRONG_PASSWORD = SendError("密码错误", scope=Scope.ACCOUNT, code="1005")

DELIVERED_BOX = {
    "mobile": "13800000001",
    "taskid": "1504080852350206",
    "status": "10",
    "receivetime": "2031-02-03 09:47:07",
    "errorcode": "DELIVRD",
}
FAILED_BOX = {**DELIVERED_BOX, "status": "20", "receivetime": "0001-01-01 00:00:00", "errorcode": "MY:0001"}
INBOUND_BOX = {
    "mobile": "13800000001",
    "taskid": "1504080852350206",
    "content": "好的，我明天去",
    "receivetime": "2031-02-03 09:47:07",
    "extno": "12",
}


def boxes(name: str, *found: Mapping[str, str]) -> str:
    """The repeated elements of an XML reply."""
    inner = ("".join(f"<{field}>{value}</{field}>" for field, value in box.items()) for box in found)
    return "".join(f"<{name}>{box}</{name}>" for box in inner)


def returned(content: str) -> bytes:
    """An XML reply around boxes or an error."""
    return f'<?xml version="1.0" encoding="utf-8" ?><returnsms>{content}</returnsms>'.encode()


QUERY = {"action": "query", **CREDENTIALS}
REPORTS_XML = returned(boxes("statusbox", DELIVERED_BOX, FAILED_BOX))
INBOUND_XML = returned(boxes("callbox", INBOUND_BOX))
NOT_ALLOWED_XML = returned("<errorstatus><error>3</error><remark>该用户不允许查看状态报告</remark></errorstatus>")
STATUS_API = Asked.form("/statusApi.aspx", QUERY)

STATUS_XML = (
    Case("reports", calls.Status(), asked=STATUS_API, reply=Reply(body=REPORTS_XML), outcome=[DELIVERED, FAILED]),
    Case("no reports", calls.Status(), asked=STATUS_API, reply=Reply(body=returned("")), outcome=[]),
    Case("not allowed", calls.Status(), asked=STATUS_API, reply=Reply(body=NOT_ALLOWED_XML), outcome=NOT_ALLOWED),
)
INBOUND_IN_XML = (
    Case(
        "inbound",
        calls.Inbound(),
        asked=Asked.form("/callApi.aspx", QUERY),
        reply=Reply(body=INBOUND_XML),
        outcome=[WRITTEN],
    ),
)


def without_status(box: Mapping[str, str]) -> dict[str, str]:
    """A report as JSON has it (gateway.md part 2)."""
    return {name: value for name, value in box.items() if name != "status"}


REPORTS_JSON = {
    "error": "1",
    "remark": "成功",
    "statusbox": [without_status(box) for box in (DELIVERED_BOX, FAILED_BOX)],
}
STATUS_JSON_API = Asked.form("/statusJsonApi.aspx", {**QUERY, "taskid": "1504080852350206"})
STATUS_JSON = (
    Case(
        "reports",
        calls.Status("1504080852350206"),
        asked=STATUS_JSON_API,
        reply=in_json(REPORTS_JSON),
        outcome=[DELIVERED, FAILED],
    ),
    Case(
        "no reports",
        calls.Status("1504080852350206"),
        asked=STATUS_JSON_API,
        reply=in_json({"error": "1", "remark": "成功", "statusbox": []}),
        outcome=[],
    ),
    Case(
        "reports refused",
        calls.Status("1504080852350206"),
        asked=STATUS_JSON_API,
        reply=in_json({"error": "1005", "remark": "密码错了", "statusbox": []}),
        outcome=WRONG_PASSWORD,
    ),
)
INBOUND_IN_JSON = (
    Case(
        "inbound",
        calls.Inbound(),
        asked=Asked.form("/callJsonApi.aspx", QUERY),
        reply=in_json({"error": "1", "remark": "成功", "callbox": [INBOUND_BOX]}),
        outcome=[WRITTEN],
    ),
)
PUSHES = (
    Case("reports pushed", calls.Push.body(REPORTS_XML), outcome=[DELIVERED, FAILED]),
    Case("inbound pushed", calls.Push.body(INBOUND_XML), outcome=[WRITTEN]),
)

# --- the password (gateway.md part 1 §8) -----------------------------------------------------------------------------

PWD = Asked.form("/pwd.aspx", {**CREDENTIALS, "newpassword": "next-password"})
PASSWORDS = (
    Case(
        "new password",
        calls.ChangePassword("next-password"),
        asked=PWD,
        reply=xml({"returnstatus": "Success", "message": "操作成功"}),
        outcome=None,
    ),
    Case(
        "old password wrong",
        calls.ChangePassword("next-password"),
        asked=PWD,
        reply=xml({"returnstatus": "Faild", "message": "用户名或密码错误"}),
        outcome=SendError("用户名或密码错误", scope=Scope.ACCOUNT),
    ),
)
JSON_QUESTIONS = (*balance("/smsJson.aspx", in_json), *STATUS_JSON, *INBOUND_IN_JSON, *PUSHES, *PASSWORDS)


class TestXml(TransportContract):
    """sms.aspx."""

    transport = "ipyy.xml"
    settings = SETTINGS
    sandbox_account = ACCOUNT
    cases = (
        *sending("/sms.aspx", xml),
        *balance("/sms.aspx", xml),
        *STATUS_XML,
        *INBOUND_IN_XML,
        *PUSHES,
        *PASSWORDS,
    )


class TestGbk(TransportContract):
    """smsGBK.aspx."""

    transport = "ipyy.gbk"
    settings = SETTINGS
    sandbox_account = ACCOUNT
    cases = (
        *sending("/smsGBK.aspx", gb2312, "gbk"),
        Case("not in GBK", calls.Send(Sms(to=TO, text="祝您健康😀")), outcome=InvalidMessage("😀")),
        *balance("/smsGBK.aspx", gb2312),
        *STATUS_XML,
        *INBOUND_IN_XML,
        *PUSHES,
        *PASSWORDS,
    )


class TestJson(TransportContract):
    """smsJson.aspx."""

    transport = "ipyy.json"
    settings = SETTINGS
    sandbox_account = ACCOUNT
    cases = (*sending("/smsJson.aspx", in_json), *JSON_QUESTIONS)


# --- ensms (gateway.md part 1 §2) ------------------------------------------------------------------------------------


def decrypted(request: Request) -> object:
    """The UserId and the JSON object of a request to ensms.ashx."""
    fields = {name: value for name, (value,) in parse_qs(request.body.decode("ascii"), strict_parsing=True).items()}
    key = PASSWORD.encode()[:8]
    cipher = DES.new(key, DES.MODE_CBC, iv=key)  # noqa: S304 - the gateway knows no other
    content = unpad(cipher.decrypt(b64decode(fields.pop("Text64"), validate=True)), DES.block_size)
    return fields | json.loads(content)


STAMP = "0203120506"  # the suite's clock, in China
ENSMS_CODE = Asked(
    "/ensms.ashx",
    {
        "UserId": "1234",
        "UserName": "clinic",
        "Secret": md5(f"{PASSWORD}{STAMP}".encode(), usedforsecurity=False).hexdigest().upper(),
        "Stamp": STAMP,
        "Moblie": "13800000001",
        "Text": "您的验证码：1439【腾飞】",
        "Ext": "",
        "SendTime": "",
    },
    decrypted,
)
ENSMS_TAKEN = {
    "StatusCode": 1,
    "Description": "操作成功",
    "MsgId": "1504141655440332",
    "Amount": -11,
    "SuccessCounts": 1,
    "Errors": [],
}
ENSMS_REFUSED = {
    "StatusCode": 1010,
    "Description": "时间戳错误",
    "MsgId": None,
    "Amount": 0,
    "SuccessCounts": 0,
    "Errors": [],
}


class TestEnsms(TransportContract):
    """ensms.ashx, and the JSON endpoints for the rest."""

    transport = "ipyy.ensms"
    settings = SETTINGS
    sandbox_account = ACCOUNT
    cases = (
        Case(
            "accepted",
            calls.Send(CODE),
            asked=ENSMS_CODE,
            reply=in_json(ENSMS_TAKEN),
            outcome=Accepted(task_id="1504141655440332", count=1, balance=Decimal(-11)),
        ),
        Case(
            "late",
            calls.Send(CODE),
            asked=ENSMS_CODE,
            reply=in_json(ENSMS_REFUSED),
            outcome=SendError("时间戳错误", scope=Scope.TRANSPORT, code="1010"),
        ),
        Case(
            "never seen",
            calls.Send(CODE),
            asked=ENSMS_CODE,
            reply=in_json({**ENSMS_REFUSED, "StatusCode": 4711, "Description": "通道维护中"}),
            outcome=SendError("通道维护中", scope=Scope.PROVIDER, retry=Retry.LATER, code="4711"),
        ),
        FOREIGN,
        *JSON_QUESTIONS,
    )


# --- SOAP (gateway.md part 1 §9; part 2) -----------------------------------------------------------------------------

YYSMS = "http://www.yysms.com/"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


def called(request: Request) -> object:
    """The SOAPAction and the arguments of a call; what is nil is None."""
    envelope = ET.fromstring(request.body)  # noqa: S314 - written by the transport that is tested
    call = envelope.find(f"{{{SOAP}}}Body/{{{YYSMS}}}SendSms")
    if call is None:
        raise ValueError("no SendSms in the body of a SOAP 1.1 envelope")
    leaves = {element.tag.removeprefix(f"{{{YYSMS}}}"): element.text for element in call.iter() if not len(element)}
    return {"action": request.headers.get("soapaction", "").strip('"'), **leaves}


def soap(result: Mapping[str, str]) -> Reply:
    """A SendResult in its envelope."""
    fields = "".join(f"<{name}>{value}</{name}>" for name, value in result.items())
    body = f'<SendSmsResponse xmlns="{YYSMS}"><SendSmsResult>{fields}</SendSmsResult></SendSmsResponse>'
    envelope = f'<soap:Envelope xmlns:soap="{SOAP}"><soap:Body>{body}</soap:Body></soap:Envelope>'
    text = f'<?xml version="1.0" encoding="utf-8"?>{envelope}'
    return Reply(body=text.encode(), headers={"content-type": "text/xml; charset=utf-8"})


CALL = {
    "action": f"{YYSMS}SendSms",
    "userName": "clinic",
    "password": PASSWORD,
    "Msisdns": "13800000001",
    "SMSContent": "您的验证码：1439【腾飞】",
    "ExtNumber": None,
    "PlanSendTime": None,
}
CALL_LATER = {
    **CALL,
    "Msisdns": "13800000001,13800000002",
    "SMSContent": "明天上午九点请来复诊【腾飞】",
    "ExtNumber": "12",
    "PlanSendTime": "2031-02-04T09:00:00",
}
SOAP_TAKEN = {
    "PayType": "1",
    "StatusCode": "OK",
    "Description": "操作成功",
    "MsgId": "1504141655440332",
    "SuccessCounts": "1",
    "BillingCount": "1",
    "Amount": "-11",
    "Balance": "0",
    "BillingAmount": "0",
}


def soap_refusal(name: str, description: str) -> Reply:
    """A SendResult that refuses."""
    return soap({**SOAP_TAKEN, "StatusCode": name, "Description": description, "MsgId": "", "SuccessCounts": "0"})


class TestSoap(TransportContract):
    """WebService.asmx, and the JSON endpoints for the rest."""

    transport = "ipyy.soap"
    settings = SETTINGS
    sandbox_account = ACCOUNT
    cases = (
        Case(
            "accepted",
            calls.Send(CODE),
            asked=Asked("/WebService.asmx", CALL, called),
            reply=soap(SOAP_TAKEN),
            outcome=Accepted(task_id="1504141655440332", count=1, balance=Decimal(-11)),
        ),
        Case(
            "for later",
            calls.Send(LATER),
            asked=Asked("/WebService.asmx", CALL_LATER, called),
            reply=soap({**SOAP_TAKEN, "SuccessCounts": "2"}),
            outcome=Accepted(task_id="1504141655440332", count=2, balance=Decimal(-11)),
        ),
        Case(
            "sensitive words",
            calls.Send(CODE),
            asked=Asked("/WebService.asmx", CALL, called),
            reply=soap_refusal("SensitiveWords", "敏感词汇"),
            outcome=SendError("敏感词汇", scope=Scope.ACCOUNT, code="2107"),
        ),
        Case(
            "a name of tomorrow",
            calls.Send(CODE),
            asked=Asked("/WebService.asmx", CALL, called),
            reply=soap_refusal("MoonPhaseError", "通道维护中"),
            outcome=SendError("通道维护中", scope=Scope.PROVIDER, retry=Retry.LATER, code="MoonPhaseError"),
        ),
        FOREIGN,
        *JSON_QUESTIONS,
    )


# --- MMS (gateway.md part 1 §3; part 2) ------------------------------------------------------------------------------


def mms_fields(request: Request) -> object:
    """The fields of a request to mms.aspx, with the elements of its container by name."""
    fields: dict[str, Any] = {
        name: value
        for name, (value,) in parse_qs(
            request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True
        ).items()
    }
    content, elements = b64decode(fields["content"], validate=True), {}
    while content:
        name, _, rest = content.partition(b"\0")
        size = int.from_bytes(rest[:4], "little")
        elements[name.decode("ascii")], content = rest[4 : 4 + size], rest[4 + size :]
    layout = ET.fromstring(elements.pop("mms.smil"))  # noqa: S314 - written by the transport that is tested
    shown = sorted(source for element in layout.iter() if (source := element.get("src")))
    return {**fields, "content": elements, "laid out": shown}


PICTURE_FIELDS = {
    "action": "send",
    **CREDENTIALS,
    "mobile": "13800000001",
    "subject": "检查报告",
    "content": {"1.txt": "请查收您的报告".encode("gbk"), "2.jpg": b"\xff\xd8\xff"},
    "sendTime": "",
    "extno": "",
    "laid out": ["1.txt", "2.jpg"],
}
MMS_TAKEN = {**TAKEN, "taskID": "2010283731447233"}
FOREIGN_MMS = replace(PICTURE, to=("+4915100000001",))


class TestMms(TransportContract):
    """mms.aspx."""

    transport = "ipyy.mms"
    settings = SETTINGS
    sandbox_account = ACCOUNT
    cases = (
        Case(
            "accepted",
            calls.Send(PICTURE),
            asked=Asked("/mms.aspx", PICTURE_FIELDS, mms_fields),
            reply=xml(MMS_TAKEN),
            outcome=replace(ACCEPTED, task_id="2010283731447233"),
        ),
        Case(
            "no subject",
            calls.Send(PICTURE),
            asked=Asked("/mms.aspx", PICTURE_FIELDS, mms_fields),
            reply=xml({**UNSIGNED, "message": "主题为空"}),
            outcome=SendError("主题为空", scope=Scope.MESSAGE, code="3001"),
        ),
        Case("a foreign number", calls.Send(FOREIGN_MMS), outcome=InvalidMessage("China")),
        *balance("/mms.aspx", xml),
        *STATUS_XML,
        *PUSHES,
        *PASSWORDS,
    )

"""sms.aspx, smsGBK.aspx, smsJson.aspx and pwd.aspx: submissions, refusals, balance, password."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from notify_core.sandbox import LocalGateway
from notify_ipyy.sandbox import json_endpoints
from tests.sandbox.caller import CREDENTIALS, TEXT, Answer, Caller

REFUSED = {"returnstatus": "Faild", "remainpoint": "0", "taskID": "", "successCounts": "0"}


def test_json_is_answered_as_the_document_writes_it(gateway: LocalGateway, caller: Caller) -> None:
    """Five members, every value a string."""
    answer = caller.sms().json
    task_id = gateway.received[0]["task_id"]
    assert answer == {
        "returnstatus": "Success",
        "message": "操作成功",
        "remainpoint": "9999",
        "taskID": task_id,
        "successCounts": "1",
    }


@pytest.mark.parametrize(("path", "charset"), [("/sms.aspx", "utf-8"), ("/smsGBK.aspx", "gbk")])
def test_xml_is_answered_as_the_document_writes_it(
    gateway: LocalGateway, caller: Caller, path: str, charset: str
) -> None:
    """Five elements in ``returnsms``, in the charset that header and declaration name."""
    answer = caller.post(path, {"action": "send", **CREDENTIALS, "mobile": "13800000001", "content": TEXT}, charset)
    assert list(answer.xml) == ["returnstatus", "message", "remainpoint", "taskID", "successCounts"]
    assert (answer.xml["message"], answer.xml["successCounts"]) == ("操作成功", "1")
    assert gateway.received[0]["text"] == TEXT
    assert "操作成功" in answer.body.decode(charset)


def test_what_was_submitted_is_recorded_decoded(gateway: LocalGateway, caller: Caller) -> None:
    """The record has numbers, text, extension, and the time of sending as an aware time."""
    caller.sms("/sms.aspx", mobile="13800000001,13800000002", extno="012", sendTime="2030-01-02 03:04:05")
    recorded = dict(gateway.received[0])
    assert re.fullmatch(r"\d{16}", str(recorded.pop("task_id")))
    assert recorded.pop("at").tzinfo is UTC
    assert recorded == {
        "endpoint": "/sms.aspx",
        "account": "sandbox",
        "to": ("13800000001", "13800000002"),
        "text": TEXT,
        "extension": "012",
        "send_at": datetime(2030, 1, 1, 19, 4, 5, tzinfo=UTC),
        "billed": 2,
    }


def test_a_task_id_begins_with_the_time_in_china() -> None:
    """``yyMMddHHmm`` in UTC+8, then digits."""
    with LocalGateway([json_endpoints], clock=lambda: datetime(2026, 1, 2, 20, 30, tzinfo=UTC)) as gateway:
        assert Caller(gateway).sms().json["taskID"].startswith("2601030430")


def test_the_password_may_come_as_its_md5(caller: Caller) -> None:
    """32 upper-case hex digits are taken; lower-case ones are not; the document's example holds."""
    secret = hashlib.md5(b"sandbox-secret").hexdigest()  # noqa: S324 - what the gateway takes
    assert caller.sms(password=secret.upper()).json["returnstatus"] == "Success"
    assert caller.sms(password=secret).json["message"] == "密码错误"
    caller.control("POST", "accounts", {"password": "abc123"})
    assert caller.sms(password="E99A18C428CB38D5F260853678922E03").json["returnstatus"] == "Success"


NUMBERS_OVER_THE_CAP = ",".join(f"138{n:08}" for n in range(1001))


@pytest.mark.parametrize(
    ("changes", "account", "message"),
    [
        ({"action": "sned"}, {}, "参数错误"),
        ({"account": ""}, {}, "用户名为空"),
        ({"password": ""}, {}, "密码为空"),
        ({"account": "nobody"}, {}, "用户名错误"),
        ({"password": "wrong"}, {}, "密码错误"),
        ({}, {"bound_ip": "10.0.0.1"}, "IP绑定错误"),
        ({}, {"stopped": True}, "帐户已停用"),
        ({}, {"refusal": "NoChannel"}, "没有发送通道"),
        ({}, {"refusal": "NoProduct"}, "没有配置产品"),
        ({}, {"refusal": "FrequentOperation"}, "系统内部错误(FrequentOperation)"),
        ({}, {"refusal": "NeverHeardOf"}, "参数错误(NeverHeardOf)"),
        ({"mobile": ""}, {}, "手机号码为空"),
        ({"mobile": " , "}, {}, "手机号码为空"),
        ({"content": " "}, {}, "内容为空"),
        ({"extno": "123456"}, {}, "扩展错误"),
        ({"extno": "12a"}, {}, "扩展错误"),
        ({"extno": "1"}, {"extension_digits": 0}, "扩展错误"),
        ({"content": "长" * 1002 + "【腾飞】"}, {}, "内容太长"),
        ({"mobile": NUMBERS_OVER_THE_CAP}, {}, "参数错误(MsisdnsMany)"),
        ({"mobile": "13800000001,1380000000"}, {}, "错误的手机号码"),
        ({"mobile": "13800000001,13800000002"}, {"black_list": ["+8613800000002"]}, "黑名单的手机号码"),
        ({}, {"no_channel": ["13800000001"]}, "没有通道的手机号码"),
        ({}, {"sensitive_words": ["1439"]}, "敏感词汇(1439)"),
        ({"content": "您的验证码：1439"}, {}, "需要签名"),
        ({"content": "a【腾飞】b"}, {}, "需要签名"),
        ({"content": "您的验证码：1439【别家】"}, {}, "签名错误"),
        ({"sendTime": "tomorrow"}, {}, "参数错误(SendTimeError)"),
        ({"mobile": "13800000001,13800000002"}, {"credit": 1}, "额度不足"),
    ],
)
def test_a_refusal_takes_nothing(
    gateway: LocalGateway, caller: Caller, changes: Mapping[str, str], account: Mapping[str, object], message: str
) -> None:
    """Each rule refuses the whole submission in the document's words, bills nothing and records nothing."""
    credit = gateway.account(**account).credit
    assert caller.sms(**changes).json == {**REFUSED, "message": message}
    assert (gateway.received, gateway.account().credit) == ([], credit)


@pytest.mark.parametrize("content", ["【腾飞】您的验证码", "您的验证码【腾飞】", " 【腾飞】您好【别家】"])
def test_a_signature_may_stand_at_either_end(caller: Caller, content: str) -> None:
    """Texts that begin or end with the account's signature are taken."""
    assert caller.sms(content=content).json["returnstatus"] == "Success"


def test_an_account_without_a_signature_wants_none(gateway: LocalGateway, caller: Caller) -> None:
    """The signature rule is the account's."""
    gateway.account(signature="")
    assert caller.sms(content="hello").json["returnstatus"] == "Success"


@pytest.mark.parametrize(
    ("characters", "segments"), [(70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4), (1005, 15)]
)
def test_credit_falls_by_segments_and_recipients(caller: Caller, characters: int, segments: int) -> None:
    """70 characters are one segment; longer texts are cut at 67; each recipient pays."""
    text = "长" * (characters - 4) + "【腾飞】"
    answer = caller.sms(content=text, mobile="13800000001,13800000002,13800000003").json
    assert int(answer["remainpoint"]) == 10_000 - 3 * segments


def test_a_character_beyond_the_basic_plane_counts_twice(caller: Caller) -> None:
    """The gateway counts UTF-16 units: 34 emoji and a signature of 4 are 72, two segments."""
    assert caller.sms(content="😀" * 34 + "【腾飞】").json["remainpoint"] == "9998"


def test_postpaid_credit_falls_below_zero(gateway: LocalGateway, caller: Caller) -> None:
    """A postpaid account is never out of credit, and its balance can be negative."""
    gateway.account(prepaid=False, credit=0)
    assert caller.sms().json["remainpoint"] == "-1"
    balance = caller.post("/smsJson.aspx", {"action": "overage", **CREDENTIALS}).json
    assert (balance["payinfo"], balance["overage"], balance["sendTotal"]) == ("后付", "-1", "1")


class Clock:
    """A clock that a test sets forward."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, 15, 50, tzinfo=UTC)  # ten minutes to midnight in China

    def now(self) -> datetime:
        """The time that it shows."""
        return self.time

    def forward(self, **span: int) -> None:
        """Let time pass."""
        self.time += timedelta(**span)


def test_three_codes_in_three_minutes_are_enough() -> None:
    """The 4th message with 验证码 to a number within 3 minutes is refused; others, and later ones, are not."""
    clock = Clock()
    with LocalGateway([json_endpoints], clock=clock.now) as gateway:
        gateway.account(rush_limit=3)
        caller = Caller(gateway)
        assert [status(caller.sms()) for _ in range(4)] == ["Success"] * 3 + ["Faild"]
        assert status(caller.sms(content="通知【腾飞】")) == "Success"
        assert status(caller.sms(mobile="13800000002")) == "Success"
        clock.forward(minutes=3)
        assert status(caller.sms()) == "Success"


def test_ten_messages_a_day_are_enough() -> None:
    """The 11th message to a number is refused until the day ends in China."""
    clock = Clock()
    with LocalGateway([json_endpoints], clock=clock.now) as gateway:
        gateway.account(daily_limit=10)
        caller = Caller(gateway)
        assert [status(caller.sms()) for _ in range(11)] == ["Success"] * 10 + ["Faild"]
        clock.forward(minutes=10)
        assert status(caller.sms()) == "Success"


def status(answer: Answer) -> str:
    """Whether a submission was taken, in the gateway's word."""
    return str(answer.json["returnstatus"])


def test_a_caller_at_the_bound_address_may_send(gateway: LocalGateway, caller: Caller) -> None:
    """The address is 127.0.0.1, or what X-Forwarded-For says."""
    gateway.account(bound_ip="127.0.0.1")
    assert status(caller.sms()) == "Success"
    gateway.account(bound_ip="10.0.0.1")
    body = f"action=send&account=sandbox&password=sandbox-secret&mobile=13800000001&content={'%E8%85%BE'}".encode()
    answer = caller.ask("POST", "/smsJson.aspx", body, {"X-Forwarded-For": "10.0.0.1"})
    assert answer.json["message"] == "需要签名"


@pytest.mark.parametrize("path", ["/sms.aspx", "/smsGBK.aspx", "/mms.aspx"])
def test_a_balance_in_xml(caller: Caller, path: str) -> None:
    """Five elements; the document spells success ``Sucess`` here."""
    answer = caller.post(path, {"action": "overage", **CREDENTIALS})
    credit = "1000" if path == "/mms.aspx" else "10000"
    assert answer.xml == {
        "returnstatus": "Sucess",
        "message": "操作成功",
        "payinfo": "预付费",
        "overage": credit,
        "sendTotal": "0",
    }


def test_a_balance_in_json(caller: Caller) -> None:
    """Five members, every value a string."""
    assert caller.post("/smsJson.aspx", {"action": "overage", **CREDENTIALS}).json == {
        "returnstatus": "Success",
        "message": "操作成功",
        "payinfo": "预付",
        "overage": "10000",
        "sendTotal": "0",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"account": ""}, "用户名或密码不能为空"),
        ({"password": ""}, "用户名或密码不能为空"),
        ({"account": "nobody"}, "用户名或密码错误"),
        ({"password": "wrong"}, "用户名或密码错误"),
    ],
)
def test_a_balance_is_refused_in_words_of_its_own(caller: Caller, changes: Mapping[str, str], message: str) -> None:
    """The document lists two messages for it."""
    answer = caller.post("/smsJson.aspx", {"action": "overage", **CREDENTIALS, **changes}).json
    assert (answer["returnstatus"], answer["message"]) == ("Faild", message)


def test_a_changed_password_holds_for_every_path(caller: Caller) -> None:
    """After pwd.aspx the old password opens nothing and the new one opens all."""
    answer = caller.post("/pwd.aspx", {**CREDENTIALS, "newpassword": "sandbox-secret-2"})
    assert answer.xml == {"returnstatus": "Success", "message": "操作成功"}
    assert caller.sms().json["message"] == "密码错误"
    assert caller.sms("/sms.aspx", password="sandbox-secret-2").xml["returnstatus"] == "Success"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"newpassword": "x" * 21}, "参数错误"),
        ({"newpassword": ""}, "参数错误"),
        ({"newpassword": "x", "password": "wrong"}, "密码错误"),
    ],
)
def test_a_password_of_more_than_20_characters_is_refused(
    caller: Caller, changes: Mapping[str, str], message: str
) -> None:
    """Too long, empty, or without the old one: nothing changes."""
    answer = caller.post("/pwd.aspx", {**CREDENTIALS, **changes})
    assert answer.xml == {"returnstatus": "Faild", "message": message}
    assert status(caller.sms()) == "Success"


def test_a_password_of_20_characters_is_taken(caller: Caller) -> None:
    """20 is the most."""
    assert caller.post("/pwd.aspx", {**CREDENTIALS, "newpassword": "x" * 20}).xml["returnstatus"] == "Success"


def test_field_names_are_read_in_any_letter_case(caller: Caller) -> None:
    """ASP.NET does not tell cases apart."""
    fields = {"Action": "SEND", "Account": "sandbox", "PASSWORD": "sandbox-secret", "Mobile": "13800000001"}
    assert status(caller.post("/smsJson.aspx", {**fields, "Content": TEXT})) == "Success"


def test_text_in_another_charset_arrives_garbled(gateway: LocalGateway, caller: Caller) -> None:
    """smsGBK.aspx reads GBK: UTF-8 bytes have no signature that it knows."""
    answer = caller.sms("/smsGBK.aspx")
    assert answer.xml["message"] in ("需要签名", "签名错误")
    assert gateway.received == []

"""ensms.ashx: the document's worked example, and each refusal."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from Crypto.Cipher import DES
from hypothesis import given
from hypothesis import strategies as st

from notify_core.sandbox import LocalGateway
from notify_ipyy.sandbox import ensms_endpoints
from notify_ipyy.sandbox.ensms import decipher
from tests.sandbox.caller import Caller

CHINA = timezone(timedelta(hours=8))
NOW = datetime(2015, 4, 14, 17, 47, 15, tzinfo=CHINA)
TEXT64 = (
    "0DqKGm9MWnsFM2wlYEW65VXylBxJGBiuZzP5dTp1ALdK7QaTgx0cR5GftknjiNJBOd46tdJp+6J3OYAoukEBOKlfsExTaFYC7X514PyLC+NrwhDLKYOv"
    "FAb7gBo+dqkslvVJklz4qm7/gUHrHAT2d7hEcQxhDMD+Ij8NIy1kvHqU3noZTqjlC1PaaFYy6zifBr5ND+V4UK0xM7scF/avfVKW/0k16qqVzDDJocRk"
    "Tz0jqvtJYfo1liuI2+h2fRkK"
)
LETTER = {
    "UserName": "test",
    "Secret": "2A8D628159B0D4D3D4D58A3EB17F3082",
    "Stamp": "0414174715",
    "Moblie": "15510331875",
    "Text": "我的验证码是：7890。【奥创时代】",
    "Ext": "",
    "SendTime": "",
}


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    """A gateway at the time of the document's example, with the account of the example."""
    with LocalGateway([ensms_endpoints], clock=lambda: NOW) as gateway:
        gateway.account(name="test", password="test", user_id="77", signature="奥创时代")
        yield gateway


def test_the_worked_example_is_deciphered_to_the_byte() -> None:
    """The document's Text64 holds the document's JSON, in its order, without blanks."""
    key = b"test\0\0\0\0"
    plain = DES.new(key, DES.MODE_CBC, iv=key).decrypt(base64.b64decode(TEXT64))  # noqa: S304 - the protocol wants it
    expected = json.dumps(LETTER, ensure_ascii=False, separators=(",", ":")).encode()
    assert plain.removesuffix(bytes([plain[-1]]) * plain[-1]) == expected
    assert decipher(TEXT64, "test") == LETTER


def test_the_worked_example_is_accepted(gateway: LocalGateway, caller: Caller) -> None:
    """Its reply has the document's shape, with numbers as numbers, and its text is recorded."""
    answer = caller.post("/ensms.ashx", {"UserId": "77", "Text64": TEXT64}).json
    task_id = gateway.received[0]["task_id"]
    assert answer == {
        "StatusCode": 1,
        "Description": "操作成功",
        "MsgId": task_id,
        "Amount": 9999,
        "SuccessCounts": 1,
        "Errors": [],
    }
    assert (gateway.received[0]["to"], gateway.received[0]["text"]) == (("15510331875",), LETTER["Text"])


def sealed(letter: Mapping[str, Any], password: str = "test") -> str:
    """A letter enciphered by hand: DES-CBC, PKCS7, key and IV the password's first 8 bytes."""
    plain = json.dumps(letter).encode()
    padding = 8 - len(plain) % 8
    key = password.encode()[:8].ljust(8, b"\0")
    cipher = DES.new(key, DES.MODE_CBC, iv=key).encrypt(plain + bytes([padding]) * padding)  # noqa: S304 - as above
    return base64.b64encode(cipher).decode()


def letter(stamp: str = LETTER["Stamp"], password: str = "test", **changes: str) -> dict[str, str]:
    """The example's letter with changes, its secret made of its stamp."""
    secret = hashlib.md5((password + stamp).encode()).hexdigest().upper()  # noqa: S324 - the protocol wants it
    return {**LETTER, "Stamp": stamp, "Secret": secret, **changes}


@given(text=st.text(), password=st.text(min_size=1))
def test_whatever_was_sealed_is_deciphered(text: str, password: str) -> None:
    """Any text under any password comes out as it went in."""
    found = decipher(sealed(letter(Text=text), password), password)
    assert found is not None
    assert found["Text"] == text


@given(st.text())
def test_what_is_no_letter_is_none(text64: str) -> None:
    """Nothing that is not base64 of DES of JSON raises."""
    assert decipher(text64, "test") is None


@pytest.mark.parametrize(
    ("user_id", "text64", "code"),
    [
        ("", TEXT64, 1008),
        ("x", TEXT64, 1008),
        ("78", TEXT64, 1008),
        ("77", "", 1009),
        ("77", "not base64!", 1009),
        ("77", TEXT64[:-8], 1009),
        ("77", sealed(LETTER, "another"), 1009),
        ("77", sealed({**LETTER, "Text": 7}), 1009),
        ("77", base64.b64encode(b"12345678").decode(), 1009),
        ("77", sealed(letter(UserName="")), 1002),
        ("77", sealed(letter(Secret="")), 1003),
        ("77", sealed(letter(UserName="nobody")), 1004),
        ("77", sealed(letter(UserName="sandbox")), 1004),
        ("77", sealed(letter(Secret=LETTER["Secret"].lower())), 1005),
        ("77", sealed(letter(stamp="0414174214")), 1010),
        ("77", sealed(letter(stamp="0414175216")), 1010),
        ("77", sealed(letter(stamp="20150414174715")), 1010),
        ("77", sealed(letter(stamp="1364174715")), 1010),
        ("77", sealed(letter(stamp="")), 1010),
        ("77", sealed(letter(Moblie="")), 1103),
        ("77", sealed(letter(Text="")), 2001),
        ("77", sealed(letter(Text="您好")), 2113),
        ("77", sealed(letter(Text="您好【腾飞】")), 2114),
        ("77", sealed(letter(Ext="123456")), 1104),
    ],
)
def test_each_refusal_has_its_number(
    gateway: LocalGateway, caller: Caller, user_id: str, text64: str, code: int
) -> None:
    """What is wrong with the envelope, the letter or the message is told by the code of the table."""
    answer = caller.post("/ensms.ashx", {"UserId": user_id, "Text64": text64}).json
    assert (answer["StatusCode"], answer["MsgId"], answer["SuccessCounts"]) == (code, "", 0)
    assert gateway.received == []


@pytest.mark.parametrize("stamp", ["0414174215", "0414175215"])
def test_a_stamp_may_be_five_minutes_off(caller: Caller, stamp: str) -> None:
    """The window is 5 minutes to either side, both ends included."""
    answer = caller.post("/ensms.ashx", {"UserId": "77", "Text64": sealed(letter(stamp=stamp))}).json
    assert answer["StatusCode"] == 1


def test_a_stamp_holds_across_the_new_year() -> None:
    """A stamp of the last minute of December is taken in the first minute of January."""
    now = datetime(2025, 12, 31, 16, 1, tzinfo=UTC)  # 00:01 on 1 January in China
    with LocalGateway([ensms_endpoints], clock=lambda: now) as gateway:
        gateway.account(name="test", password="test", user_id="77", signature="")
        text64 = sealed(letter(stamp="1231235900"))
        assert Caller(gateway).post("/ensms.ashx", {"UserId": "77", "Text64": text64}).json["StatusCode"] == 1


def test_numbers_that_are_to_blame_are_named(gateway: LocalGateway, caller: Caller) -> None:
    """A black-listed number refuses the whole submission, and ``Errors`` names it."""
    gateway.account(name="test", black_list=["13800000002"])
    text64 = sealed(letter(Moblie="13800000001,13800000002"))
    answer = caller.post("/ensms.ashx", {"UserId": "77", "Text64": text64}).json
    assert (answer["StatusCode"], answer["Errors"], gateway.received) == (1109, ["13800000002"], [])


def test_the_account_is_the_one_whose_password_opens_the_letter(gateway: LocalGateway, caller: Caller) -> None:
    """An enterprise with several accounts has one user id for all."""
    gateway.account(name="other", password="another", user_id="77", signature="")
    text64 = sealed(letter(UserName="other", password="another"), "another")
    assert caller.post("/ensms.ashx", {"UserId": "77", "Text64": text64}).json["StatusCode"] == 1
    assert gateway.received[0]["account"] == "other"


def test_json_serves_all_but_sending(caller: Caller) -> None:
    """The transport's balance, reports and inbound messages come by the JSON addresses."""
    fields = {"account": "test", "password": "test"}
    assert caller.post("/smsJson.aspx", {"action": "overage", **fields}).json["overage"] == "10000"
    assert caller.post("/statusJsonApi.aspx", {"action": "query", **fields}).json["statusbox"] == []

"""mms.aspx and the TMS container."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_core.sandbox import LocalGateway
from notify_ipyy.sandbox.mms import Element, unpacked
from tests.sandbox.caller import CREDENTIALS, Answer, Caller

PNG = b"\x89PNG\r\n\x1a\n\0\0\0"
SMIL = b'<smil><body><par><text src="1.txt"/><img src="2.png"/></par></body></smil>'


def packed(*elements: tuple[str, bytes]) -> str:
    """A container packed by hand: name, 0x00, size as little-endian 32 bits, content."""
    parts = (name.encode("gbk") + b"\0" + struct.pack("<I", len(data)) + data for name, data in elements)
    return base64.b64encode(b"".join(parts)).decode()


CONTENT = packed(("mms.smil", SMIL), ("1.txt", "您好，腾飞".encode("gbk")), ("2.png", PNG))


def send(caller: Caller, **changes: str) -> Answer:
    """Post a valid submission but for the changes."""
    fields = {"action": "send", **CREDENTIALS, "mobile": "13800000001", "subject": "通知", "content": CONTENT}
    return caller.post("/mms.aspx", {**fields, **changes})


def test_a_multimedia_message_is_recorded_in_parts(gateway: LocalGateway, caller: Caller) -> None:
    """Subject and parts are decoded, texts from GB2312; it costs one of the MMS credit and no SMS credit."""
    answer = send(caller, mobile="13800000001,13800000002")
    assert (answer.xml["returnstatus"], answer.xml["remainpoint"], answer.xml["successCounts"]) == (
        "Success",
        "998",
        "2",
    )
    recorded = gateway.received[0]
    assert (recorded["endpoint"], recorded["subject"], recorded["task_id"]) == (
        "/mms.aspx",
        "通知",
        answer.xml["taskID"],
    )
    assert recorded["parts"] == (
        {"name": "mms.smil", "content": SMIL, "text": SMIL.decode()},
        {"name": "1.txt", "content": "您好，腾飞".encode("gbk"), "text": "您好，腾飞"},
        {"name": "2.png", "content": PNG},
    )
    assert gateway.account().credit == 10_000


def test_the_record_carries_contents_in_base64(caller: Caller) -> None:
    """The control call tells parts in JSON."""
    send(caller)
    parts = caller.control("GET", "received").json[0]["parts"]
    assert base64.b64decode(parts[2]["content"]) == PNG


@pytest.mark.parametrize(
    ("changes", "account", "message"),
    [
        ({"password": "wrong"}, {}, "密码错误"),
        ({"subject": " "}, {}, "主题为空"),
        ({"content": ""}, {}, "内容为空"),
        ({"content": "not base64!"}, {}, "参数错误(ElementError)"),
        ({"content": base64.b64encode(b"1.txt").decode()}, {}, "参数错误(ElementError)"),
        ({"content": packed(("1.txt", b"abc"))[:-4]}, {}, "参数错误(ElementError)"),
        ({"content": packed(("", b"abc"))}, {}, "参数错误(ElementError)"),
        ({"content": packed(("1.txt", b"a"), ("1.TXT", b"b"))}, {}, "参数错误(ElementNameRepeat)"),
        ({"mobile": ""}, {}, "手机号码为空"),
        ({"mobile": "1"}, {}, "错误的手机号码"),
        ({"extno": "x"}, {}, "扩展错误"),
        ({}, {"sensitive_words": ["您好"]}, "敏感词汇(您好)"),
        ({}, {"sensitive_words": ["通知"]}, "敏感词汇(通知)"),
        ({}, {"mms_credit": 0}, "额度不足"),
    ],
)
def test_a_refusal_takes_nothing(
    gateway: LocalGateway, caller: Caller, changes: Mapping[str, str], account: Mapping[str, object], message: str
) -> None:
    """Each rule refuses the whole submission and records nothing."""
    gateway.account(**account)
    answer = send(caller, **changes)
    assert (answer.xml["returnstatus"], answer.xml["message"], gateway.received) == ("Faild", message, [])


def test_a_big_endian_size_is_refused(caller: Caller) -> None:
    """The size is little-endian."""
    content = base64.b64encode(b"1.txt\0" + struct.pack(">I", 3) + b"abc").decode()
    assert send(caller, content=content).xml["message"] == "参数错误(ElementError)"


NAMES = st.text("1.tx腾飞", min_size=1)


@given(st.lists(st.tuples(NAMES, st.binary())))
def test_whatever_was_packed_is_unpacked(elements: list[tuple[str, bytes]]) -> None:
    """Any elements come out as they went in."""
    assert unpacked(packed(*elements)) == tuple(Element(name, data) for name, data in elements)

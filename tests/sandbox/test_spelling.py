"""Replies spelled as white-label gateways do, so that a client's leniency can be tried."""

from __future__ import annotations

import json

import pytest
from lxml import etree

from notify_core.sandbox import LocalGateway
from notify_ipyy.sandbox import WHITE_LABEL, Provider
from tests.sandbox.caller import CREDENTIALS, Caller


def test_a_refusal_in_white_label_style(caller: Caller) -> None:
    """``Fail``, the code's name, 0 for taskID, members in PascalCase, numbers as numbers, after a byte order mark."""
    caller.control("POST", "style", json.loads(WHITE_LABEL.model_dump_json()))
    answer = caller.sms(content="您好")
    assert answer.body.startswith(b"\xef\xbb\xbf{")
    assert json.loads(answer.body.decode("utf-8-sig")) == {
        "ReturnStatus": "Fail",
        "Message": "RequiredSuffix",
        "RemainPoint": 0,
        "TaskID": 0,
        "SuccessCounts": 0,
    }


def test_an_acceptance_in_white_label_style(gateway: LocalGateway, caller: Caller) -> None:
    """``ok`` twice; in XML after a mark and blanks, a declaration with blanks, and values in CDATA."""
    gateway.state(Provider).style = WHITE_LABEL
    text = caller.sms("/sms.aspx").body.decode()
    assert text.startswith('\ufeff \r\n<?xml  version = "1.0"  encoding = "utf-8" ?>\r\n<ReturnSms>')
    assert "<ReturnStatus><![CDATA[ok]]></ReturnStatus><Message><![CDATA[ok]]></Message>" in text
    assert etree.fromstring(text.lstrip("\ufeff \r\n").encode()).findtext("SuccessCounts") == "1"


@pytest.mark.parametrize(("word", "spelling"), [("Sucess", {"success": "Sucess"}), ("ok", {"success": "ok"})])
def test_one_spelling_at_a_time(caller: Caller, word: str, spelling: dict[str, str]) -> None:
    """Each spelling can be set alone; the others go back to the document's."""
    caller.control("POST", "style", {"failure": "Fail"})
    assert caller.control("POST", "style", spelling).json["failure"] == "Faild"
    assert caller.sms().json["returnstatus"] == word


def test_values_of_json_as_strings(gateway: LocalGateway, caller: Caller) -> None:
    """The encrypted form's numbers become strings, its list of errors stays one."""
    caller.control("POST", "style", {"values": "strings"})
    answer = caller.post("/ensms.ashx", {"UserId": "", "Text64": ""}).json
    assert (answer["StatusCode"], answer["Errors"]) == ("1008", [])


def test_ids_and_numbers_stay_texts_where_numbers_are_numbers(gateway: LocalGateway, caller: Caller) -> None:
    """Only counts, codes and the id of a submission become numbers; phone numbers and texts do not."""
    caller.control("POST", "style", {"values": "numbers"})
    gateway.inbound(sender="13800000001", text="1", extension="01")
    answer = caller.pull("/callJsonApi.aspx").json
    assert (answer["error"], answer["callbox"][0]["content"], answer["callbox"][0]["extno"]) == (1, "1", "01")


def test_a_refusal_without_its_tail(gateway: LocalGateway, caller: Caller) -> None:
    """The words alone, for those who match them exactly."""
    gateway.account(sensitive_words=["1439"])
    assert caller.sms().json["message"] == "敏感词汇(1439)"
    caller.control("POST", "style", {"tails": False})
    assert caller.sms().json["message"] == "敏感词汇"


def test_cdata_survives_its_own_end(gateway: LocalGateway, caller: Caller) -> None:
    """A text with ``]]>`` comes out as it went in."""
    caller.control("POST", "style", {"cdata": True})
    gateway.inbound(sender="13800000001", text="a]]>b<")
    body = caller.pull("/callApi.aspx").body
    assert etree.fromstring(body).findtext("callbox/content") == "a]]>b<"


def test_what_gb2312_cannot_carry_is_a_character_reference(gateway: LocalGateway, caller: Caller) -> None:
    """A reply in GB2312 stays well-formed whatever it quotes."""
    gateway.account(sensitive_words=["😀"], signature="")
    gateway.fault("smsGBK.aspx:wrong-content-type")
    answer = caller.post("/smsGBK.aspx", {"action": "overage", **CREDENTIALS, "account": "😀"}, "utf-8")
    assert answer.xml["returnstatus"] == "Faild"

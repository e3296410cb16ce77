"""WebService.asmx: by envelopes written by hand, and by zeep from the gateway's own WSDL."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import zeep
from lxml import etree

from notify_core.sandbox import LocalGateway
from tests.sandbox.caller import TEXT, Answer, Caller

PATH = "/WebService.asmx"
NS = "http://www.yysms.com/"
SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
NIL = '<PlanSendTime xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>'


def envelope(
    soap: str = SOAP_11,
    *,
    user: str = "sandbox",
    password: str = "sandbox-secret",
    numbers: str = "13800000001",
    text: str = TEXT,
    extension: str = "",
    plan: str = NIL,
) -> bytes:
    """A call of SendSms."""
    sms = f"<Msisdns>{numbers}</Msisdns><SMSContent>{text}</SMSContent><ExtNumber>{extension}</ExtNumber>{plan}"
    call = f"<userName>{user}</userName><password>{password}</password><sms>{sms}</sms>"
    body = f'<SendSms xmlns="{NS}">{call}</SendSms>'
    return f'<s:Envelope xmlns:s="{soap}"><s:Body>{body}</s:Body></s:Envelope>'.encode()


def call(caller: Caller, body: bytes, action: str = f"{NS}SendSms") -> Answer:
    """Post an envelope of SOAP 1.1."""
    return caller.ask("POST", PATH, body, {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{action}"'})


def result(answer: Answer) -> dict[str, Any]:
    """The fields of SendSmsResult; ``Errors`` is a list."""
    found = etree.fromstring(answer.body).find(f".//{{{NS}}}SendSmsResult")
    assert found is not None
    fields: dict[str, Any] = {etree.QName(field).localname: field.text for field in found}
    return {**fields, "Errors": [error.text for error in found.iter(f"{{{NS}}}string")]}


def test_an_envelope_by_hand_is_accepted(gateway: LocalGateway, caller: Caller) -> None:
    """SOAP 1.1, document/literal, elements qualified: every field of the result in the WSDL's order."""
    answer = call(caller, envelope(numbers="13800000001,13800000002", extension="01"))
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    assert list(result(answer).items()) == [
        ("PayType", "0"),
        ("StatusCode", "OK"),
        ("Description", "操作成功"),
        ("MsgId", gateway.received[0]["task_id"]),
        ("SuccessCounts", "2"),
        ("BillingCount", "2"),
        ("Amount", "9998"),
        ("Balance", "0"),
        ("BillingAmount", "0"),
        ("Errors", []),
    ]
    recorded = gateway.received[0]
    assert (recorded["text"], recorded["extension"], recorded["send_at"]) == (TEXT, "01", None)


@pytest.mark.parametrize("action", [f'; action="{NS}SendSms"', ""])
def test_soap_12_is_answered_in_soap_12(caller: Caller, action: str) -> None:
    """The version of the reply is that of the request; its action may be left out."""
    answer = caller.ask("POST", PATH, envelope(SOAP_12), {"Content-Type": f"application/soap+xml{action}"})
    assert answer.headers["content-type"].startswith("application/soap+xml")
    assert etree.fromstring(answer.body).tag == f"{{{SOAP_12}}}Envelope"
    assert result(answer)["StatusCode"] == "OK"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2036-12-06T08:09:10", datetime(2036, 12, 6, 0, 9, 10, tzinfo=UTC)),
        ("2036-12-06T08:09:10Z", datetime(2036, 12, 6, 8, 9, 10, tzinfo=UTC)),
    ],
)
def test_a_planned_time_is_wall_clock_time_in_china(
    gateway: LocalGateway, caller: Caller, written: str, meant: datetime
) -> None:
    """Without a zone it is UTC+8; with one it is what it says."""
    call(caller, envelope(plan=f"<PlanSendTime>{written}</PlanSendTime>"))
    assert gateway.received[0]["send_at"] == meant


@pytest.mark.parametrize(
    ("changes", "account", "code", "words", "errors"),
    [
        ({"user": ""}, {}, "UserNameEmpty", "用户名为空", []),
        ({"password": ""}, {}, "PasswordEmpty", "密码为空", []),
        ({"user": "nobody"}, {}, "UserNameError", "用户名错误", []),
        ({"password": "DF6FB1E0D1C1A2E0DA12EE2C6D26C2A1"}, {}, "PasswordError", "密码错误", []),
        ({"numbers": ""}, {}, "MsisdnEmpty", "手机号码为空", []),
        ({"numbers": "13800000001,12"}, {}, "MsisdnError", "错误的手机号码", ["12"]),
        ({}, {"black_list": ["13800000001"]}, "MsisdnBlack", "黑名单的手机号码", ["13800000001"]),
        ({"text": "您好"}, {}, "RequiredSuffix", "需要签名", []),
        ({}, {"credit": 0}, "AmountNotEnough", "额度不足", []),
        ({}, {"max_recipients": 1}, "MsisdnsMany", "参数错误(MsisdnsMany)", []),
        ({}, {"refusal": "FrequentOperation"}, "FrequentOperation", "系统内部错误(FrequentOperation)", []),
        ({}, {"refusal": "NeverHeardOf"}, "NeverHeardOf", "参数错误(NeverHeardOf)", []),
        ({}, {"stopped": True}, "UserStop", "帐户已停用", []),
    ],
)
def test_a_refusal_is_the_name_of_its_code(
    gateway: LocalGateway,
    caller: Caller,
    changes: Mapping[str, str],
    account: Mapping[str, object],
    code: str,
    words: str,
    errors: list[str],
) -> None:
    """StatusCode is a name, and Errors has the numbers that are to blame."""
    gateway.account(**account)
    numbers = "13800000001,13800000002" if "max_recipients" in account else "13800000001"
    found = result(call(caller, envelope(**{"numbers": numbers, **changes})))
    assert (found["StatusCode"], found["Description"], found["Errors"]) == (code, words, errors)
    assert gateway.received == []


def test_a_password_as_md5_is_wrong_here(caller: Caller) -> None:
    """SOAP takes the password plain."""
    caller.control("POST", "accounts", {"password": "abc123"})
    assert result(call(caller, envelope(password="E99A18C428CB38D5F260853678922E03")))["StatusCode"] == "PasswordError"
    assert result(call(caller, envelope(password="abc123")))["StatusCode"] == "OK"


@pytest.mark.parametrize(
    ("body", "action", "reason"),
    [
        (b"", f"{NS}SendSms", "unable to read request"),
        (b"<x", f"{NS}SendSms", "unable to read request"),
        (b"<!DOCTYPE x [<!ENTITY y 'z'>]><x>&y;</x>", f"{NS}SendSms", "DTD is prohibited"),
        (b"<x/>", f"{NS}SendSms", "SOAP version mismatch"),
        (f'<s:Envelope xmlns:s="{SOAP_11}"><s:Body/></s:Envelope>'.encode(), f"{NS}SendSms", "the body is empty"),
        (envelope(), f"{NS}SendMail", "did not recognize the value of HTTP Header SOAPAction"),
        (envelope().replace(NS.encode(), b"http://tempuri.org/"), f"{NS}SendSms", "did not recognize"),
        (envelope(plan="<PlanSendTime>soon</PlanSendTime>"), f"{NS}SendSms", "error in XML document"),
        (envelope(plan="<PlanSendTime/>"), f"{NS}SendSms", "error in XML document"),
    ],
)
def test_what_is_no_call_is_a_fault(caller: Caller, body: bytes, action: str, reason: str) -> None:
    """ASP.NET answers a SOAP fault with status 500."""
    answer = call(caller, body, action)
    fault = etree.fromstring(answer.body).findtext(".//faultstring") or ""
    assert (answer.status, reason in fault) == (500, True)


def test_a_call_without_an_action_is_a_fault(caller: Caller) -> None:
    """SOAP 1.1 routes by SOAPAction."""
    assert caller.ask("POST", PATH, envelope(), {"Content-Type": "text/xml"}).status == 500


def test_a_fault_of_soap_12_is_of_soap_12(caller: Caller) -> None:
    """Its reason stands in soap:Reason."""
    body = f'<s:Envelope xmlns:s="{SOAP_12}"><s:Body/></s:Envelope>'.encode()
    answer = caller.ask("POST", PATH, body, {"Content-Type": "application/soap+xml"})
    assert (answer.status, etree.fromstring(answer.body).findtext(f".//{{{SOAP_12}}}Text")) == (
        500,
        "the body is empty",
    )


@pytest.mark.parametrize("query", ["wsdl", "WSDL"])
def test_the_wsdl_names_its_own_address(gateway: LocalGateway, caller: Caller, query: str) -> None:
    """The addresses of both ports are where it was asked for."""
    description = etree.fromstring(caller.ask("GET", f"{PATH}?{query}").body)
    addresses = {address.get("location") for address in description.iter("{*}address")}
    assert addresses == {f"{gateway.url}{PATH}"}


def test_the_page_without_wsdl_says_where_it_is(caller: Caller) -> None:
    """GET alone is no call."""
    assert caller.ask("GET", PATH).body == b"the service is described at ?wsdl"


@pytest.fixture
def client(gateway: LocalGateway) -> Iterator[zeep.Client]:
    """zeep, with what the gateway publishes of itself and on its default transport."""
    make: Any = zeep.Client  # its own annotations are partial
    with make(f"{gateway.url}{PATH}?wsdl") as client:
        yield client


@pytest.mark.parametrize("port", ["WebServiceSoap", "WebServiceSoap12"])
def test_zeep_sends_by_the_gateways_own_wsdl(gateway: LocalGateway, client: zeep.Client, port: str) -> None:
    """Both ports take a message as zeep writes it, and zeep reads the result."""
    service = client.bind("WebService", port)
    sms = {"Msisdns": "13800000001", "SMSContent": TEXT, "ExtNumber": "7", "PlanSendTime": None}
    found = service.SendSms(userName="sandbox", password="sandbox-secret", sms=sms)
    assert (found.StatusCode, found.SuccessCounts, found.Amount) == ("OK", 1, 9999)
    assert found.MsgId == gateway.received[0]["task_id"]
    assert (gateway.received[0]["text"], gateway.received[0]["extension"]) == (TEXT, "7")


def test_zeep_reads_a_refusal(gateway: LocalGateway, client: zeep.Client) -> None:
    """The numbers that are to blame come as a list of strings."""
    gateway.account(black_list=["13800000001"])
    sms = {"Msisdns": "13800000001", "SMSContent": TEXT, "PlanSendTime": datetime(2036, 1, 1)}  # noqa: DTZ001 - wall clock
    found = client.service.SendSms("sandbox", "sandbox-secret", sms)
    assert (found.StatusCode, found.Errors.string) == ("MsisdnBlack", ["13800000001"])


def test_zeep_sends_a_multimedia_message(gateway: LocalGateway, client: zeep.Client) -> None:
    """SendMms takes its elements one by one."""
    element = {"Name": "1.txt", "ElementType": "Text", "Base64Text": base64.b64encode("您好".encode("gbk")).decode()}
    mms = {"Msisdns": "13800000001", "Subject": "通知", "PlanSendTime": None, "Elements": {"MmsElement": [element]}}
    assert client.service.SendMms("sandbox", "sandbox-secret", mms).StatusCode == "OK"
    assert gateway.received[0]["parts"] == ({"name": "1.txt", "content": "您好".encode("gbk"), "text": "您好"},)


def test_zeep_sends_no_multimedia_message_that_is_not_base64(client: zeep.Client) -> None:
    """A part that cannot be read refuses the message."""
    element = {"Name": "1.txt", "ElementType": "Text", "Base64Text": "!"}
    mms = {"Msisdns": "13800000001", "Subject": "通知", "PlanSendTime": None, "Elements": {"MmsElement": [element]}}
    assert client.service.SendMms("sandbox", "sandbox-secret", mms).StatusCode == "ElementError"

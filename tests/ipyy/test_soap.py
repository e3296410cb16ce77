"""SOAP: the envelope against plain zeep's own, the WSDL from everywhere it may come from, the replies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import zeep
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from notify_core.errors import InvalidMessage, Retry, Scope, SendError, Sent, UnreadableReply
from notify_core.messages import Message, Sms, Submission
from notify_ipyy import codes, envelope, soap
from notify_ipyy.settings import IpyySettings

Account = Callable[..., IpyySettings]
Wrap = Callable[[Message], Submission]

ONE = "+8613800000001"
MESSAGE = Sms(to=[ONE, "+8613800000002"], text='您的验证码：1439 <&> "%s" %(x)s【腾飞】', extension="12")
LATER = datetime(2016, 12, 6, 0, 9, 10, tzinfo=UTC)
WSDL = (Path(envelope.__file__).parent / "service.wsdl").read_bytes()
REPLY = (
    b'<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
    b'<SendSmsResponse xmlns="http://www.yysms.com/"><SendSmsResult><StatusCode>OK</StatusCode><MsgId>7</MsgId>'
    b"<SuccessCounts>2</SuccessCounts><Amount>41</Amount><Balance>9</Balance></SendSmsResult></SendSmsResponse>"
    b"</soap:Body></soap:Envelope>"
)
PORTS = {"1.1": "WebServiceSoap", "1.2": "WebServiceSoap12"}


@pytest.fixture(autouse=True)
def _no_live_wsdl_is_remembered() -> Iterator[None]:
    envelope._live_envelopes.clear()
    yield
    envelope._live_envelopes.clear()


def plain(version: str, message: Sms) -> bytes:
    """The envelope as plain zeep makes it for this message, in canonical form."""
    maker: Any = zeep.Client
    client = maker(BytesIO(WSDL))
    sms = {
        "Msisdns": ",".join(number[3:] for number in message.to),
        "SMSContent": message.text,
        "ExtNumber": message.extension,
        "PlanSendTime": datetime(2016, 12, 6, 8, 9, 10) if message.send_at else None,  # noqa: DTZ001  # as the WSDL has it
    }
    service = client.bind(port_name=PORTS[version])
    return canonical(client.create_message(service, "SendSms", userName="test", password="test", sms=sms))


def canonical(tree: etree._Element) -> bytes:
    """The canonical form (C14N), in which equal documents are equal bytes."""
    return etree.tostring(tree, method="c14n")


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("send_at", [None, LATER])
def test_the_envelope_is_the_one_that_zeep_makes(account: Account, version: str, send_at: datetime | None) -> None:
    """Filling in the leaves gives what zeep would make anew, for both versions, at once and later."""
    message = Sms(to=MESSAGE.to, text=MESSAGE.text, extension=MESSAGE.extension, send_at=send_at)
    made = envelope.from_file("bundled", version).filled(account(), message)
    assert canonical(etree.fromstring(made)) == plain(version, message)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufffe\uffff"), min_size=1))
def test_every_text_survives_the_envelope(text: str) -> None:
    """What XML can hold is read out of the envelope as it was put in, carriage returns too."""
    text += "x\r\n\t]]>"
    settings = IpyySettings.model_validate(
        {"provider": "ipyy", "base_url": "http://127.0.0.1:1", "account": "a&b", "password": "<p%s>"}
    )
    message = Sms(to=ONE, text=text)
    soap.check(message)
    tree = etree.fromstring(envelope.from_file("bundled", "1.1").filled(settings, message))
    found = {str(leaf.tag).rpartition("}")[2]: leaf.text or "" for leaf in tree.iter() if not len(leaf)}
    assert found == {
        "userName": "a&b",
        "password": "<p%s>",
        "Msisdns": "13800000001",
        "SMSContent": text,
        "ExtNumber": "",
        "PlanSendTime": "",
    }


@pytest.mark.parametrize(
    ("version", "content_type", "action"),
    [
        ("1.1", "text/xml; charset=utf-8", '"http://www.yysms.com/SendSms"'),
        ("1.2", 'application/soap+xml; charset=utf-8; action="http://www.yysms.com/SendSms"', None),
    ],
)
def test_a_message_over_a_socket(
    version: str, content_type: str, action: str | None, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """One post to WebService.asmx with the headers of its version; Amount is the balance."""
    provider.answers = [REPLY]
    accepted = soap.send(account(soap_version=version), http, submission(MESSAGE))
    [request] = provider.requests
    assert (request.method, request.path, request.query) == ("POST", "/WebService.asmx", "")
    assert request.headers["content-type"] == content_type
    assert request.headers.get("soapaction") == action
    assert canonical(etree.fromstring(request.body)) == plain(version, MESSAGE)
    assert (accepted.task_id, accepted.count, accepted.balance) == ("7", 2, Decimal(41))


def test_threads_share_one_envelope(account: Account) -> None:
    """Messages filled in at the same time do not mix."""
    settings, shape = account(), envelope.from_file("bundled", "1.1")
    messages = [Sms(to=ONE, text=f"code {number}") for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda message: shape.filled(settings, message), messages))
    assert made == [shape.filled(settings, message) for message in messages]


@pytest.mark.parametrize("character", ["\ufffe", "\uffff"])
def test_what_xml_cannot_carry_is_refused(character: str) -> None:
    """The character is named by its number."""
    with pytest.raises(InvalidMessage, match=rf"\(U\+{ord(character):04X}\), which XML cannot carry"):
        soap.check(Sms(to=ONE, text=f"x{character}"))


def test_a_nested_result_does_not_hide_the_result(account: Account, http: Any, provider: Any, submission: Wrap) -> None:
    """AlterSendResult is another SendResult inside the first: it does not count."""
    nested = (
        b"<AlterSendResult><StatusCode>InternalError</StatusCode><MsgId>8</MsgId></AlterSendResult></SendSmsResult>"
    )
    provider.answers = [REPLY.replace(b"</SendSmsResult>", nested)]
    assert soap.send(account(), http, submission(MESSAGE)).task_id == "7"


def test_a_fault_is_in_doubt(account: Account, http: Any, provider: Any, submission: Wrap) -> None:
    """The server failed somewhere while it worked on the message."""
    fault = b"<soap:Fault><faultcode>soap:Server</faultcode><faultstring>x</faultstring></soap:Fault></soap:Body>"
    provider.answers = [REPLY[: REPLY.index(b"<SendSmsResponse")] + fault + b"</soap:Envelope>"]
    with pytest.raises(UnreadableReply, match="SOAP fault"):
        soap.send(account(), http, submission(MESSAGE))


def test_a_live_wsdl_is_fetched_once(account: Account, http: Any, provider: Any, submission: Wrap) -> None:
    """It comes through the same session at the first message; the address in it is not followed."""
    soap.bind(account(wsdl="live"))
    provider.answers = [WSDL, REPLY, REPLY]
    for _ in range(2):
        soap.send(account(wsdl="live"), http, submission(MESSAGE))
    asked = [(request.method, request.path, request.query) for request in provider.requests]
    assert asked == [("GET", "/WebService.asmx", "wsdl"), *[("POST", "/WebService.asmx", "")] * 2]


IMPORTING = WSDL.replace(
    b"<wsdl:types>", b'<wsdl:import namespace="urn:x" location="http://127.0.0.1:9/x.wsdl"/><wsdl:types>'
)
BROKEN = {
    "empty": b"",
    "html": b"<html><body>x</body></html>",
    "truncated": WSDL[:500],
    "doctype": b"<!DOCTYPE x [<!ENTITY y 'z'>]>" + WSDL[WSDL.index(b"<wsdl:definitions") :],
    "importing": IMPORTING,
    "importing a file": IMPORTING.replace(b"http://127.0.0.1:9/x.wsdl", b"/etc/hostname"),
    "other operation": WSDL.replace(b'"SendSms"', b'"SendFax"'),
    "other field": WSDL.replace(b'"SMSContent"', b'"Text"'),
    "time as number": WSDL.replace(b's:dateTime" nillable', b's:int" nillable'),
    "no soap 1.1": WSDL.replace(b"<soap:", b"<soap12:").replace(b"</soap:", b"</soap12:"),
}


@pytest.mark.parametrize("wsdl", BROKEN.values(), ids=BROKEN.keys())
def test_an_unreadable_live_wsdl_sends_nothing(
    wsdl: bytes, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """Surely not sent, of the transport only, worth a later try; the next message asks for it again."""
    provider.answers = [wsdl, WSDL, REPLY]
    with pytest.raises(SendError, match=r"WSDL cannot be read: .*nothing was sent") as caught:
        soap.send(account(wsdl="live"), http, submission(MESSAGE))
    assert (caught.value.sent, caught.value.scope, caught.value.retry) == (Sent.NO, Scope.TRANSPORT, Retry.LATER)
    assert soap.send(account(wsdl="live"), http, submission(MESSAGE)).task_id == "7"


def test_a_live_wsdl_in_doubt_sends_nothing(account: Account, submission: Wrap) -> None:
    """A timeout while the WSDL is fetched is in doubt for the WSDL, not for the message."""

    class Silent:
        def get(self, _path: str) -> None:
            raise SendError("the gateway did not answer in time", sent=Sent.UNKNOWN, raw="<half>")

    with pytest.raises(SendError, match="did not answer in time") as caught:
        soap.send(account(wsdl="live"), Silent(), submission(MESSAGE))  # type: ignore[arg-type]
    assert (caught.value.sent, caught.value.raw) == (Sent.NO, "<half>")


@pytest.mark.parametrize("wsdl", BROKEN.values(), ids=BROKEN.keys())
def test_an_unreadable_wsdl_file_cannot_be_bound(wsdl: bytes, tmp_path: Path, account: Account) -> None:
    """The error names the file and says what to do."""
    file = tmp_path / "gateway.wsdl"
    file.write_bytes(wsdl)
    with pytest.raises(ValueError, match=f"cannot read {file}: .*set wsdl: bundled"):
        soap.bind(account(wsdl=str(file)))


def test_a_page_of_something_else_is_no_wsdl(tmp_path: Path, account: Account) -> None:
    """An error page in the place of a WSDL is told as that, and not as a matter of the SOAP version."""
    file = tmp_path / "gateway.wsdl"
    file.write_bytes(BROKEN["html"])
    with pytest.raises(ValueError, match="it offers no service: is it a page of something else"):
        soap.bind(account(wsdl=str(file)))


def test_a_missing_wsdl_file_cannot_be_bound(tmp_path: Path, account: Account) -> None:
    """The error says that there is no such file."""
    with pytest.raises(ValueError, match=r"none\.wsdl: No such file or directory; name the gateway's WSDL file"):
        soap.bind(account(wsdl=str(tmp_path / "none.wsdl")))


def test_a_wsdl_file_is_used(tmp_path: Path, account: Account, http: Any, provider: Any, submission: Wrap) -> None:
    """A file of the account's own takes the place of the bundled one."""
    file = tmp_path / "gateway.wsdl"
    file.write_bytes(WSDL.replace(b"http://www.yysms.com/", b"http://white-label.example/"))
    provider.answers = [REPLY]
    soap.bind(account(wsdl=str(file)))
    soap.send(account(wsdl=str(file)), http, submission(MESSAGE))
    assert provider.requests[0].headers["soapaction"] == '"http://white-label.example/SendSms"'
    assert b'="http://white-label.example/"' in provider.requests[0].body


def test_the_bundled_wsdl_lists_every_name_of_the_code_table() -> None:
    """The table and the enumeration ResultCode are the same facts."""
    names = {each.get("value") for each in etree.fromstring(WSDL).iter("{*}enumeration")}
    assert names == {code.name for code in codes.CODES if code.name} | {"OK"}


def test_importing_the_transport_does_not_import_zeep() -> None:
    """Only an account that uses soap pays for zeep, when it is bound."""
    program = "import sys, notify_ipyy.soap; sys.exit('zeep' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603  # this interpreter, this program

"""WebService.asmx: SendSms and SendMms over SOAP 1.1 and 1.2 (gateway.md, part 1, 9 and part 2)."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from notify_core.exchange import Endpoint, Reply, Request
from notify_ipyy.sandbox.account import CHINA, Account
from notify_ipyy.sandbox.codes import OK, Refused
from notify_ipyy.sandbox.form import numbers
from notify_ipyy.sandbox.mms import Element, multimedia_draft
from notify_ipyy.sandbox.provider import Provider, Receipt, admitted
from notify_ipyy.sandbox.rules import Draft, segments
from notify_ipyy.sandbox.wsdl import NAMESPACE, wsdl

_PATH = "/WebService.asmx"
_SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
_SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
_CONTENT_TYPES = {_SOAP_11: "text/xml; charset=utf-8", _SOAP_12: "application/soap+xml; charset=utf-8"}
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_ACTION_12 = re.compile(r'action="([^"]*)"')


class _Fault(Exception):
    """The request is no call of this service: ASP.NET answers a SOAP fault with status 500."""


def soap(provider: Provider) -> Endpoint:
    """The address of the web service."""

    def endpoint(request: Request) -> Reply:
        if request.method == "GET":
            return _description(request)
        version = _SOAP_11
        try:
            envelope = _envelope(request.body)
            version = etree.QName(envelope).namespace or _SOAP_11
            operation, call = _call(envelope, request, version)
            result = _performed(provider, request, operation, call)
        except _Fault as fault:
            return _reply(version, _fault(version, str(fault)), 500)
        return _reply(version, _response(operation, result))

    return endpoint


def _description(request: Request) -> Reply:
    if request.query.lower() != "wsdl":
        return Reply(404, b"the service is described at ?wsdl", {"content-type": "text/plain"})
    address = f"http://{request.headers.get('host', '127.0.0.1')}{_PATH}"
    return Reply(200, wsdl(address), {"content-type": "text/xml; charset=utf-8"})


def _envelope(body: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise _Fault(f"Server was unable to read request: {error}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise _Fault("DTD is prohibited")
    if root.tag not in (f"{{{_SOAP_11}}}Envelope", f"{{{_SOAP_12}}}Envelope"):
        raise _Fault("Possible SOAP version mismatch")
    return root


def _call(envelope: etree._Element, request: Request, version: str) -> tuple[str, etree._Element]:
    """The operation and its element. The action must name it too, as ASP.NET routes by it."""
    body = envelope.find(f"{{{version}}}Body")
    call = next(iter(body), None) if body is not None else None
    if call is None:
        raise _Fault("the body is empty")
    action = _action(request, version)
    name = etree.QName(call)
    if (
        name.namespace != NAMESPACE
        or name.localname not in _OPERATIONS
        or action not in ("", NAMESPACE + name.localname)
    ):
        raise _Fault(f"Server did not recognize the value of HTTP Header SOAPAction: {action}")
    return name.localname, call


def _action(request: Request, version: str) -> str:
    """The SOAPAction; SOAP 1.2 may leave it out, 1.1 may not."""
    if version == _SOAP_11:
        return request.headers.get("soapaction", "missing").strip('"')
    found = _ACTION_12.search(request.headers.get("content-type", ""))
    return found[1] if found else ""


def _performed(provider: Provider, request: Request, operation: str, call: etree._Element) -> str:
    try:
        account = _signed_in(provider, request, call)
        receipt = provider.submit(account, _OPERATIONS[operation](call))
    except Refused as refused:
        words = provider.style.message(refused)
        return _result({**_EMPTY, "StatusCode": refused.name, "Description": words}, refused.numbers)
    return _result(_acceptance(account, receipt, provider.style.ok), ())


def _signed_in(provider: Provider, request: Request, call: etree._Element) -> Account:
    """The account of the credentials, whose password is plain here."""
    name, password = _text(call, "userName"), _text(call, "password")
    if name and not password:
        raise Refused("PasswordEmpty")
    account = provider.find(name)
    if not account.has_plain_password(password):
        raise Refused("PasswordError")
    return admitted(account, request)


def _sms(call: etree._Element) -> Draft:
    sms = _child(call, "sms")
    text = _text(sms, "SMSContent")
    return Draft(
        endpoint=_PATH,
        purse="credit",
        to=numbers(_text(sms, "Msisdns")),
        words=text,
        units=segments(text),
        extension=_text(sms, "ExtNumber"),
        send_at=_plan(sms),
        content={"text": text},
    )


def _mms(call: etree._Element) -> Draft:
    mms = _child(call, "mms")
    return multimedia_draft(
        _PATH,
        to=numbers(_text(mms, "Msisdns")),
        subject=_text(mms, "Subject"),
        elements=tuple(map(_element, _child(mms, "Elements"))),
        extension=_text(mms, "ExtNumber"),
        send_at=_plan(mms),
    )


_OPERATIONS: Mapping[str, Callable[[etree._Element], Draft]] = {"SendSms": _sms, "SendMms": _mms}


def _element(element: etree._Element) -> Element:
    try:
        return Element(_text(element, "Name"), b64decode(_text(element, "Base64Text"), validate=True))
    except ValueError:
        raise Refused("ElementError") from None


def _plan(message: etree._Element) -> datetime | None:
    """PlanSendTime: nil for at once; without a zone it is wall-clock time in China."""
    element = message.find(f"{{{NAMESPACE}}}PlanSendTime")
    if element is None or element.get(_NIL) in ("true", "1"):
        return None
    try:
        time = datetime.fromisoformat((element.text or "").strip())
    except ValueError:
        raise _Fault("There is an error in XML document: PlanSendTime is no dateTime") from None
    return time if time.tzinfo else time.replace(tzinfo=CHINA)


def _child(parent: etree._Element, name: str) -> etree._Element:
    """A child; an empty one where there is none, as elements are optional."""
    found = parent.find(f"{{{NAMESPACE}}}{name}")
    return etree.Element(name) if found is None else found


def _text(parent: etree._Element, name: str) -> str:
    return _child(parent, name).text or ""


_EMPTY: Mapping[str, object] = {
    "PayType": 0,
    "StatusCode": "",
    "Description": "",
    "MsgId": "",
    "SuccessCounts": 0,
    "BillingCount": 0,
    "Amount": 0,
    "Balance": 0,
    "BillingAmount": 0,
}


def _acceptance(account: Account, receipt: Receipt, words: str) -> Mapping[str, object]:
    return {
        **_EMPTY,
        "PayType": 0 if account.prepaid else 1,
        "StatusCode": OK.name,
        "Description": words,
        "MsgId": receipt.task_id,
        "SuccessCounts": receipt.count,
        "BillingCount": receipt.billed,
        "Amount": receipt.left,
    }


def _result(fields: Mapping[str, object], errors: tuple[str, ...]) -> str:
    listed = "".join(f"<string>{escape(error)}</string>" for error in errors)
    return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in fields.items()) + (
        f"<Errors>{listed}</Errors>" if listed else "<Errors/>"
    )


def _response(operation: str, result: str) -> str:
    return (
        f"<{operation}Response xmlns={quoteattr(NAMESPACE)}><{operation}Result>{result}</{operation}Result>"
        f"</{operation}Response>"
    )


def _fault(version: str, reason: str) -> str:
    if version == _SOAP_12:
        text = f'<soap:Text xml:lang="en">{escape(reason)}</soap:Text>'
        return (
            "<soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value></soap:Code>"
            f"<soap:Reason>{text}</soap:Reason></soap:Fault>"
        )
    return f"<soap:Fault><faultcode>soap:Client</faultcode><faultstring>{escape(reason)}</faultstring></soap:Fault>"


def _reply(version: str, content: str, status: int = 200) -> Reply:
    text = (
        f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{version}"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">'
        f"<soap:Body>{content}</soap:Body></soap:Envelope>"
    )
    return Reply(status, text.encode(), {"content-type": _CONTENT_TYPES[version]})

"""ipyy.soap: WebService.asmx, method SendSms, over SOAP 1.1 or 1.2 (gateway.md part 1 §9; part 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from notify_core import charsets
from notify_core.exchange import Endpoint, Gateway, Http
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Sms, Submission
from notify_ipyy import addressing, envelope, json, replies, sendresult
from notify_ipyy.settings import IpyySettings

PATH = "/WebService.asmx"

settings = json.settings
carries = json.carries
balance = json.balance
status = json.status
inbound = json.inbound
push = json.push
change_password = json.change_password


@hookimpl
def bind(settings: IpyySettings) -> None:
    """Load zeep and the WSDL once, before the first message waits for them; a live WSDL waits for that message."""
    if settings.wsdl != envelope.LIVE:
        envelope.from_file(settings.wsdl, settings.soap_version)


@hookimpl
def check(message: Sms) -> None:
    """Refuse characters that no XML can hold too."""
    addressing.check(message)
    charsets.check_xml(message.text)


@hookimpl
def send(settings: IpyySettings, http: Http, submission: Submission) -> Accepted:
    """Post the message's envelope to WebService.asmx, whatever address the WSDL names: base_url is the one trusted."""
    message = cast("Sms", submission.message)
    shape = envelope.of(settings, http)
    reply = http.post(PATH, shape.filled(settings, message), shape.content_type, shape.headers)
    answer = replies.read(reply.body)
    if (result := replies.inside(answer.fields, "sendsmsresult")) is None:
        fault = "is a SOAP fault" if replies.inside(answer.fields, "fault") else "holds no SendSmsResult"
        raise answer.unreadable(f"the reply {fault}")
    return sendresult.submitted(answer, result, message.to)


@hookimpl
def sandbox(gateway: Gateway) -> Mapping[str, Endpoint]:
    """The provider's side of WebService.asmx, its WSDL, and of what belongs to it."""
    from notify_ipyy.sandbox import soap_endpoints

    return soap_endpoints(gateway)

"""ipyy.gbk: smsGBK.aspx, a form in GBK, answered in XML (gateway.md part 1 §1; part 2, trap 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from notify_core import charsets
from notify_core.exchange import Endpoint, Gateway, Http
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Balance, Sms, Submission
from notify_ipyy import addressing, form, xml
from notify_ipyy.settings import IpyySettings

PATH = "/smsGBK.aspx"

settings = xml.settings
carries = xml.carries
status = xml.status
inbound = xml.inbound
push = xml.push
change_password = xml.change_password


@hookimpl
def check(settings: IpyySettings, message: Sms) -> None:
    """Refuse what GBK cannot carry too, unless it is to leave as question marks."""
    addressing.check(message)
    if settings.unencodable == "refuse":
        charsets.check(message.text, "gbk", remedy="write it otherwise, or set unencodable: replace")


@hookimpl
def send(settings: IpyySettings, http: Http, submission: Submission) -> Accepted:
    """Post the message to smsGBK.aspx."""
    message = cast("Sms", submission.message)
    errors = "replace" if settings.unencodable == "replace" else "strict"
    return form.submit(http, PATH, form.sms(settings.gbk_credentials, message, "gbk", errors), message.to)


@hookimpl
def balance(settings: IpyySettings, http: Http) -> Balance:
    """Ask smsGBK.aspx for the SMS balance."""
    return form.balance(http, PATH, settings.gbk_credentials)


@hookimpl
def sandbox(gateway: Gateway) -> Mapping[str, Endpoint]:
    """The provider's side of smsGBK.aspx and of what belongs to it."""
    from notify_ipyy.sandbox import gbk_endpoints

    return gbk_endpoints(gateway)

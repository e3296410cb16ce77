"""ipyy.xml: sms.aspx, a form in UTF-8, answered in XML (gateway.md part 1 §1, §4–§8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from notify_core.exchange import Endpoint, Gateway, Http
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Balance, Inbound, Report, Sms, Submission
from notify_ipyy import addressing, form, password, reports
from notify_ipyy.settings import IpyySettings

PATH = "/sms.aspx"
STATUS = "/statusApi.aspx"
INBOUND = "/callApi.aspx"

check = addressing.check
push = reports.push
change_password = password.change_password


@hookimpl
def settings() -> type[IpyySettings]:
    """One model for all the transports of ipyy."""
    return IpyySettings


@hookimpl
def carries() -> frozenset[str]:
    """Text messages."""
    return frozenset({Sms.kind})


@hookimpl
def send(settings: IpyySettings, http: Http, submission: Submission) -> Accepted:
    """Post the message to sms.aspx."""
    message = cast("Sms", submission.message)
    return form.submit(http, PATH, form.sms(settings.credentials, message), message.to)


@hookimpl
def balance(settings: IpyySettings, http: Http) -> Balance:
    """Ask sms.aspx for the SMS balance."""
    return form.balance(http, PATH, settings.credentials)


@hookimpl
def status(settings: IpyySettings, http: Http, task_id: str) -> list[Report]:
    """Pull reports from statusApi.aspx."""
    return reports.pull_reports(http, STATUS, settings, task_id)


@hookimpl
def inbound(settings: IpyySettings, http: Http) -> list[Inbound]:
    """Pull inbound messages from callApi.aspx."""
    return reports.pull_inbound(http, INBOUND, settings.credentials)


@hookimpl
def sandbox(gateway: Gateway) -> Mapping[str, Endpoint]:
    """The provider's side of sms.aspx and of what belongs to it."""
    from notify_ipyy.sandbox import xml_endpoints

    return xml_endpoints(gateway)

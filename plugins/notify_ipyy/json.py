"""ipyy.json: smsJson.aspx, a form in UTF-8, answered in JSON (gateway.md part 1 §1, §4–§8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from notify_core.exchange import Endpoint, Gateway, Http
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Balance, Inbound, Report, Sms, Submission
from notify_ipyy import form, reports, xml
from notify_ipyy.settings import IpyySettings

PATH = "/smsJson.aspx"
STATUS = "/statusJsonApi.aspx"
INBOUND = "/callJsonApi.aspx"

settings = xml.settings
carries = xml.carries
check = xml.check
push = xml.push
change_password = xml.change_password


@hookimpl
def send(settings: IpyySettings, http: Http, submission: Submission) -> Accepted:
    """Post the message to smsJson.aspx."""
    message = cast("Sms", submission.message)
    return form.submit(http, PATH, form.sms(settings.credentials, message), message.to)


@hookimpl
def balance(settings: IpyySettings, http: Http) -> Balance:
    """Ask smsJson.aspx for the SMS balance."""
    return form.balance(http, PATH, settings.credentials)


@hookimpl
def status(settings: IpyySettings, http: Http, task_id: str) -> list[Report]:
    """Pull reports from statusJsonApi.aspx."""
    return reports.pull_reports(http, STATUS, settings, task_id)


@hookimpl
def inbound(settings: IpyySettings, http: Http) -> list[Inbound]:
    """Pull inbound messages from callJsonApi.aspx."""
    return reports.pull_inbound(http, INBOUND, settings.credentials)


@hookimpl
def sandbox(gateway: Gateway) -> Mapping[str, Endpoint]:
    """The provider's side of smsJson.aspx and of what belongs to it."""
    from notify_ipyy.sandbox import json_endpoints

    return json_endpoints(gateway)

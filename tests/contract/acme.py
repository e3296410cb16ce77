"""acme.rest: a transport with every hook, for a gateway that never was. The suite is tried out on it and its sins."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, cast

from notify_core.errors import InvalidMessage, Retry, Scope, SendError, UnreadableReply
from notify_core.exchange import Endpoint, Gateway, Http, Reply, Request
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Balance, Inbound, Push, Report, Sms, Submission
from notify_core.settings import AccountSettings, SecretStr
from notify_core.states import State

ZONE = timezone(timedelta(hours=1))
REFUSALS = {"no_credit": (Scope.ACCOUNT, Retry.LATER), "bad_token": (Scope.ACCOUNT, Retry.NEVER)}
STATES = {"delivered": State.DELIVERED, "failed": State.UNDELIVERED}


class AcmeSettings(AccountSettings):
    """An account at Acme."""

    token: SecretStr
    """The token."""


@hookimpl
def settings() -> type[AcmeSettings]:
    """One model for all its transports."""
    return AcmeSettings


@hookimpl
def carries() -> frozenset[str]:
    """Text messages."""
    return frozenset({"sms"})


@hookimpl
def check(message: Sms) -> None:
    """Refuse what the gateway has no field for."""
    if message.extension:
        raise InvalidMessage("Acme has no extensions: leave it out")


@hookimpl
def send(settings: AcmeSettings, http: Http, submission: Submission) -> Accepted:
    """Post the message."""
    reply = http.post("/messages", body(http, submission), "application/json", credentials(settings))
    fields = read(reply)
    return Accepted(task_id=fields["id"], count=fields["count"], raw=reply.body.decode("utf-8-sig"))


def body(http: Http, submission: Submission) -> bytes:
    """The message, stamped, in JSON."""
    message = cast("Sms", submission.message)
    fields = {"to": message.to, "text": message.text, "stamp": written(http.now())}
    return json.dumps(fields | ({"at": written(message.send_at)} if message.send_at else {})).encode()


def written(time: datetime) -> str:
    """A time as Acme reads it."""
    return time.astimezone(ZONE).strftime("%Y%m%d%H%M%S")


def credentials(settings: AcmeSettings) -> dict[str, str]:
    """The header that opens the account."""
    return {"X-Token": settings.token.get_secret_value()}


def read(reply: Reply) -> Mapping[str, Any]:
    """The fields of a reply that says success."""
    fields: dict[str, Any] = json.loads(reply.body)
    if word := fields.get("error"):
        scope, retry = REFUSALS.get(word, (Scope.PROVIDER, Retry.LATER))
        raise SendError("Acme refused", scope=scope, retry=retry, code=word, raw=reply.body.decode("utf-8-sig"))
    return fields


@hookimpl
def balance(settings: AcmeSettings, http: Http) -> Balance:
    """Ask for the credit."""
    return Balance(units=Decimal(read(http.get("/credit", credentials(settings)))["credit"]))


@hookimpl
def status(settings: AcmeSettings, http: Http, task_id: str) -> list[Report]:
    """Fetch reports."""
    return list(map(report, read(http.get(f"/reports?of={task_id}", credentials(settings)))["reports"]))


@hookimpl
def inbound(settings: AcmeSettings, http: Http) -> list[Inbound]:
    """Fetch what subscribers wrote."""
    boxes = read(http.get("/inbound", credentials(settings)))["inbound"]
    return [Inbound(sender=box["from"], text=box["text"]) for box in boxes]


def report(box: Mapping[str, str]) -> Report:
    """One report."""
    at = datetime.strptime(box["at"], "%Y%m%d%H%M%S").replace(tzinfo=ZONE)
    return Report(recipient=box["to"], task_id=box["id"], state=STATES[box["state"]], code=box["state"], at=at)


@hookimpl
def push() -> Push:
    """Reports, posted as one object each."""
    return Push(decode=pushed, stored=b"ok", again=b"retry")


def pushed(request: Request) -> list[Report | Inbound]:
    """The report of a push."""
    try:
        return [report(json.loads(request.body))]
    except (ValueError, LookupError) as error:
        raise UnreadableReply("not a report", request.body) from error


@hookimpl
def change_password(settings: AcmeSettings, http: Http, new_password: str) -> None:
    """Replace the token."""
    read(http.post("/token", json.dumps({"new": new_password}).encode(), "application/json", credentials(settings)))


@hookimpl
def sandbox(gateway: Gateway) -> Mapping[str, Endpoint]:
    """The provider's side of sending."""
    return {"/messages": answering(gateway)}


def answering(gateway: Gateway) -> Callable[[Request], Reply]:
    """What takes messages at the provider."""

    def take(request: Request) -> Reply:
        fields = json.loads(request.body)
        gateway.record({"endpoint": "/messages", "task_id": "s-1", "to": tuple(fields["to"]), "text": fields["text"]})
        return Reply(body=json.dumps({"id": "s-1", "count": len(fields["to"])}).encode())

    return take

"""A test transport: JSON over HTTP. The answer itself says which verdict it stands for, so that tests choose it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import Field

from notify_core.errors import InvalidMessage, Retry, Scope, SendError, Sent, UnreadableReply
from notify_core.exchange import Http, Reply, Request
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Balance, Inbound, Push, Report, Sms, Submission
from notify_core.phones import mask
from notify_core.settings import AccountSettings, SecretStr
from notify_core.states import State


class WireSettings(AccountSettings):
    """An account of the test provider."""

    account: str = ""
    """Who sends."""
    password: SecretStr
    """What proves it."""
    tokens: dict[str, SecretStr] = Field(default_factory=dict)
    """Further secrets, by name."""
    number: int = 0
    """A number."""
    only: str = "+"
    """What the numbers begin with that it reaches."""


@hookimpl
def settings() -> type[WireSettings]:
    """The model of an account."""
    return WireSettings


@hookimpl
def carries() -> frozenset[str]:
    """Text messages."""
    return frozenset({"sms"})


@hookimpl
def check(settings: WireSettings, message: Sms) -> None:
    """Refuse what this dialect cannot express, and whom it cannot reach."""
    if "🙈" in message.text:
        raise InvalidMessage("the text holds 🙈, which this dialect cannot write")
    if strangers := tuple(number for number in message.to if not number.startswith(settings.only)):
        raise InvalidMessage(f"{', '.join(map(mask, strangers))} is not in {settings.only}", recipients=strangers)


@hookimpl
def send(settings: WireSettings, http: Http, submission: Submission) -> Accepted:
    """Post one submission."""
    message = submission.message
    assert isinstance(message, Sms)
    return _accepted(_asked(settings, http, "/send", to=message.to, text=message.text))


def _asked(settings: WireSettings, http: Http, path: str, **fields: Any) -> dict[str, Any]:
    account = {"account": settings.account, "password": settings.password.get_secret_value()}
    reply = http.post(path, json.dumps({**account, **fields}).encode(), "application/json")
    answer = _read(reply)
    if not answer["ok"]:
        raise _error(answer, reply)
    return {**answer, "raw": reply.body.decode()}


def _read(reply: Reply) -> dict[str, Any]:
    try:
        answer = json.loads(reply.body)
    except ValueError as error:
        raise UnreadableReply("the answer is not JSON", reply.body) from error
    assert isinstance(answer, dict)
    return answer


def _accepted(answer: Mapping[str, Any]) -> Accepted:
    refused = {number: _error(error) for number, error in answer.get("refused", {}).items()}
    left = answer.get("balance")
    balance = None if left is None else Decimal(left)
    return Accepted(
        task_id=answer["id"], count=answer.get("count"), refused=refused, balance=balance, raw=answer["raw"]
    )


def _error(answer: Mapping[str, Any], reply: Reply | None = None) -> SendError:
    return SendError(
        answer.get("text", "refused"),
        sent=Sent(answer.get("sent", "no")),
        scope=Scope(answer["scope"]),
        retry=Retry(answer.get("retry", "never")),
        code=answer.get("code", ""),
        raw=reply.body.decode() if reply else "",
        recipients=tuple(answer.get("recipients", ())),
        no_credit=answer.get("no_credit", False),
        credit=Decimal(answer["credit"]) if "credit" in answer else None,
    )


@hookimpl
def balance(settings: WireSettings, http: Http) -> Balance:
    """Ask for the credit."""
    return Balance(units=Decimal(_asked(settings, http, "/balance")["units"]))


@hookimpl
def status(settings: WireSettings, http: Http, task_id: str) -> list[Report]:
    """Pull reports."""
    answer = _asked(settings, http, "/reports", task_id=task_id)
    return [Report(recipient=number, task_id="7", state=State.DELIVERED) for number in answer["numbers"]]


@hookimpl
def inbound(settings: WireSettings, http: Http) -> list[Inbound]:
    """Pull messages."""
    answer = _asked(settings, http, "/inbound")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return [Inbound(sender=sender, text=text, at=at) for sender, text in answer["messages"].items()]


@hookimpl
def change_password(settings: WireSettings, http: Http, new_password: str) -> None:
    """Change the password."""
    _asked(settings, http, "/password", new_password=new_password)


@hookimpl
def push() -> Push:
    """Read what is pushed."""
    return Push(decode=_pushed, stored=b"1", again=b"error")


def _pushed(request: Request) -> list[Report | Inbound]:
    return [Report(recipient=request.body.decode(), task_id="7", state=State.DELIVERED)]

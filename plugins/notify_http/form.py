"""http.form: one gateway, by its YAML. What is not configured is ``Unsupported``.

The hook ``bind`` is missing on purpose: templates are compiled and tried out while the settings are read, where a fault
still has its line.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import cast

from notify_core import charsets
from notify_core.errors import InvalidMessage, Scope, SendError, Sent, Unsupported
from notify_core.exchange import Http, Reply
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Balance, Sms, Submission
from notify_http import reply, request
from notify_http.request import RequestSettings
from notify_http.settings import HttpSettings


@hookimpl
def settings() -> type[HttpSettings]:
    """The one model of this family."""
    return HttpSettings


@hookimpl
def carries() -> frozenset[str]:
    """Text messages."""
    return frozenset({Sms.kind})


@hookimpl
def check(settings: HttpSettings, message: Sms) -> None:
    """Refuse a message that the request has no place for, or whose text it cannot carry."""
    asked = settings.send.request
    if message.send_at is not None and "send_at" not in asked.names:
        raise InvalidMessage(
            "the gateway takes no time: its send.request uses no `send_at`; leave it out of the message"
        )
    if message.extension and "extension" not in asked.names:
        raise InvalidMessage("the gateway takes no extension: its send.request uses no `extension`; leave it out")
    charsets.check(message.text, asked.charset)
    if asked.xml is not None:
        charsets.check_xml(message.text)


@hookimpl
def send(settings: HttpSettings, http: Http, submission: Submission) -> Accepted:
    """Submit the message as ``send.request`` says."""
    message = cast("Sms", submission.message)
    _refuse_foreign(settings.country, message.to)
    written = {"to": message.to, "text": message.text, "extension": message.extension, "send_at": message.send_at}
    answer = _ask(settings, settings.send.request, written, http)
    return reply.accepted(settings.send.reply, answer.body, settings.codes)


@hookimpl
def balance(settings: HttpSettings, http: Http) -> Balance:
    """Ask for the credit as ``balance.request`` says."""
    if settings.balance is None:
        raise Unsupported(
            "this account's YAML does not say how to ask for the balance: add `balance:` with request and reply"
        )
    answer = _ask(settings, settings.balance.request, {}, http)
    return reply.balance(settings.balance.reply, answer.body, settings.codes)


def _ask(settings: HttpSettings, asked: RequestSettings, written: Mapping[str, object], http: Http) -> Reply:
    now = http.now()
    values = {**settings.fixed, **written, "now": now}
    if "reference" in asked.names:
        values["reference"] = _reference(now, written)
    return request.ask(asked, values, http)


def _reference(now: datetime, written: Mapping[str, object]) -> str:
    """18 digits, too many for a phone number: others for other messages, and for the same message at another time."""
    seed = f"{now.timestamp()} {written.get('to')} {written.get('text')}"
    return str(10**17 + int.from_bytes(blake2b(seed.encode(), digest_size=8).digest()) % (9 * 10**17))


def _refuse_foreign(country: str, to: tuple[str, ...]) -> None:
    """Refuse the recipients whom the gateway does not serve; the core then goes on with the others."""
    foreign = tuple(number for number in to if not number.startswith(f"+{country}"))
    if foreign:
        words = f"this account reaches numbers of +{country} only"
        raise SendError(words, sent=Sent.NO, scope=Scope.RECIPIENT, code="country", recipients=foreign)

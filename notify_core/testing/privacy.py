"""What may appear in no log, repr, error or record, in every spelling in which it could."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import md5
from html import escape
from urllib.parse import quote, quote_plus, unquote_plus

from pydantic import BaseModel, SecretStr

from notify_core.exchange import Request
from notify_core.messages import Inbound, Message, Mms, Report, Sms
from notify_core.testing import calls
from notify_core.testing.cases import Case

SHORTEST = 6
"""Characters of the shortest text that is looked for: a shorter one may stand anywhere by chance."""

_CHARSETS = ("utf-8", "gb18030")


class Privacy:
    """The secrets, texts and phone numbers of an account and its cases, ready to be looked for."""

    def __init__(self, secrets: Iterable[str], cases: Iterable[Case]) -> None:
        self._names: dict[str, str] = {}
        for secret in secrets:
            self._forbid("a secret of the account", {*_spellings(secret), *_digests(secret)})
        for case in cases:
            self._forbid_all_of(case)

    def exposed(self, shown: str) -> str:
        """What ``shown`` gives away, such as ``a phone number``; empty where it gives away nothing."""
        return next((name for spelling, name in self._names.items() if spelling in shown), "")

    def _forbid_all_of(self, case: Case) -> None:
        if isinstance(case.call, calls.Send):
            self._forbid_message(case.call.message)
        if isinstance(case.call, calls.ChangePassword):
            self._forbid("the new password", {*_spellings(case.call.new_password), *_digests(case.call.new_password)})
        for received in case.outcome if isinstance(case.outcome, list | tuple) else ():
            self._forbid_received(received)

    def _forbid_message(self, message: Message) -> None:
        for number in message.to:
            self._forbid("a whole phone number", _numbers(number))
        if isinstance(message, Sms):
            self._forbid("the text of a message", _spellings(message.text))
        if isinstance(message, Mms):
            self._forbid("the subject of a message", _spellings(message.subject))

    def _forbid_received(self, received: Report | Inbound) -> None:
        if isinstance(received, Report):
            self._forbid("a whole phone number", _numbers(received.recipient))
            return
        self._forbid("a whole phone number", _numbers(received.sender))
        self._forbid("the text of an inbound message", _spellings(received.text))

    def _forbid(self, name: str, spellings: Iterable[str]) -> None:
        self._names.update({spelling: name for spelling in spellings if len(spelling) >= SHORTEST})


def _spellings(value: str) -> set[str]:
    """``value`` as it is, in URLs, JSON, XML, base64 and reprs, in the charsets of the field."""
    encoded = [value.encode(charset, "replace") for charset in _CHARSETS]
    return {
        value,
        json.dumps(value)[1:-1],
        escape(value),
        *(repr(text)[2:-1] for text in encoded),
        *(b64encode(text).decode() for text in encoded),
        *(quote(text, safe="") for text in encoded),
        *(quote_plus(text) for text in encoded),
    }


def _digests(secret: str) -> Iterator[str]:
    """The MD5 of a secret, which opens an account where the gateway takes it instead."""
    digest = md5(secret.encode(), usedforsecurity=False).hexdigest()
    yield from (digest, digest.upper())


def _numbers(number: str) -> set[str]:
    """A number in E.164, and as its own country writes it."""
    from phonenumbers import NumberParseException, parse

    try:
        return {number, str(parse(number).national_number)}
    except NumberParseException:
        return {number}


def echo(request: Request) -> str:
    """A request as a provider's error page shows it: as it came, and with its fields decoded."""
    head = [f"{request.method} {request.path}?{request.query}", *(f"{n}: {v}" for n, v in request.headers.items())]
    body = request.body.decode("utf-8", "backslashreplace")
    decoded = [unquote_plus(f"{request.query} {body}", charset, "replace") for charset in _CHARSETS]
    return "\n".join([*head, body, *decoded])


def hidden(model: BaseModel) -> Iterator[str]:
    """The values of every ``SecretStr`` in a model, at any depth."""
    for value in vars(model).values():
        yield from _hidden(value)


def _hidden(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        yield from hidden(value)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _hidden(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _hidden(part)

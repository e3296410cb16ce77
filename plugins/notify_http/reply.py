"""What an answer means, as the YAML describes it: accepted, refused with a verdict, or in doubt.

A reply is read as what the YAML names, never by its Content-Type. One that shows neither success nor an error is in
doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field, model_validator

from notify_core import replies
from notify_core.errors import SendError
from notify_core.messages import Accepted, Balance
from notify_core.replies import ReplyText
from notify_core.settings import Strict
from notify_http import codes, document
from notify_http.charsets import Charset
from notify_http.codes import Code
from notify_http.document import Document
from notify_http.faults import Problem, refuse

MOST_BYTES = 256 * 1024
"""The longest reply that is read; those of simple gateways have a hundred."""


# --- settings --------------------------------------------------------------------------------------------------------


class Success(Strict):
    """When the gateway did what it was asked: what stands ``at`` a place equals or matches."""

    at: str = ""
    """Where to look; empty for the whole reply."""
    equals: str | None = None
    """What must stand there. Numbers, true and false are compared as they are written."""
    one_of: tuple[str, ...] | None = Field(default=None, min_length=1)
    """What may stand there instead of one value."""
    matches: str | None = None
    """A regular expression that must match all of what stands there."""

    @model_validator(mode="after")
    def _one_rule(self) -> Success:
        if sum(rule is not None for rule in (self.equals, self.one_of, self.matches)) != 1:
            raise ValueError("expected one of equals, one_of and matches")
        if self.matches is not None and (problem := _pattern_problem(self.matches)):
            refuse([(("matches",), problem)])
        return self

    def holds(self, answer: Document) -> bool:
        """Whether the reply says so."""
        found = answer.find(self.at)
        if found is None:
            return False
        if self.matches is not None:
            return re.fullmatch(self.matches, found) is not None
        return found in (self.one_of or (self.equals,))


class ReplySettings(Strict):
    """How an answer is read. A place is a dotted path in JSON and XML, a regular expression with a group in text."""

    kind: Literal["json", "xml", "text"]
    """What the gateway answers, whatever its Content-Type says."""
    charset: Charset | None = None
    """The reply's charset. Without it: UTF-8 where it is valid, else GB18030, which holds GBK and GB2312."""
    success: Success
    """When the gateway did what it was asked."""
    code: str | None = None
    """Where the error code stands."""
    error: str | None = None
    """Where the error's text stands."""

    @model_validator(mode="after")
    def _places(self) -> ReplySettings:
        refuse([*self._unfit_places(), *self._no_error()])
        return self

    def _unfit_places(self) -> Iterator[Problem]:
        problem = _pattern_problem if self.kind == "text" else _path_problem
        if found := problem(self.success.at):
            yield ("success", "at"), found
        for name in _PLACES:
            where = getattr(self, name, None)
            if where is not None and (found := problem(where)):
                yield (name,), found

    def _no_error(self) -> Iterator[Problem]:
        if self.code is None and self.error is None:
            yield (), "say where the error stands (`code`, `error`): without them every refusal would be in doubt"


class SendReply(ReplySettings):
    """How the answer to a message is read."""

    id: str | None = None
    """Where the gateway's id of the submission stands."""
    accepted: str | None = None
    """Where the number of recipients that it took stands. Fewer than were sent puts the message in doubt."""
    balance: str | None = None
    """Where the credit that is left stands."""


class BalanceReply(ReplySettings):
    """How the answer to a question for the balance is read."""

    balance: str
    """Where the credit that is left stands."""


_PLACES = ("code", "error", "id", "accepted", "balance")


def _pattern_problem(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"not a regular expression: {error}"
    return ""


def _path_problem(path: str) -> str:
    try:
        document.steps(path)
    except ValueError as error:
        return str(error)
    return ""


# --- reading ---------------------------------------------------------------------------------------------------------


def _read(reply: ReplySettings, body: bytes, known: Mapping[str, Code]) -> tuple[Document, ReplyText]:
    """The reply, where it says that the gateway did what it was asked.

    Raises ``SendError`` where it says that it did not, ``UnreadableReply`` where it says neither.
    """
    text = ReplyText.of(body, reply.charset, MOST_BYTES)
    answer = document.of(reply.kind, text)
    if reply.success.holds(answer):
        return answer, text
    refusal = _refusal(reply, answer, known, text.raw)
    raise refusal or text.unreadable("the reply shows neither success nor an error")


def _refusal(reply: ReplySettings, answer: Document, known: Mapping[str, Code], raw: str) -> SendError | None:
    code = _found(answer, reply.code)
    words = _found(answer, reply.error)
    return codes.error(known, code, words, raw) if code or words else None


def _found(answer: Document, where: str | None) -> str:
    return "" if where is None else answer.find(where) or ""


def accepted(reply: SendReply, body: bytes, known: Mapping[str, Code]) -> Accepted:
    """What the gateway took. Raises ``SendError``; ``UnreadableReply`` for what shows neither success nor an error."""
    answer, text = _read(reply, body, known)
    return Accepted(
        task_id=_found(answer, reply.id),
        count=replies.count(_found(answer, reply.accepted)),
        balance=replies.units(_found(answer, reply.balance)),
        raw=text.raw,
    )


def balance(reply: BalanceReply, body: bytes, known: Mapping[str, Code]) -> Balance:
    """The credit that is left. Raises ``SendError``; ``UnreadableReply`` where it is no number."""
    answer, text = _read(reply, body, known)
    units = replies.units(_found(answer, reply.balance))
    if units is None:
        raise text.unreadable("no number stands where `balance` says")
    return Balance(units=units)

"""What can go wrong between a transport and its gateway, and whether the request may then have taken effect.

The verdicts are those of the error table in docs/design.md. They are stated here once more, apart from
``notify_core.http``, so that neither can change alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from html import escape

from notify_core.errors import Sent
from notify_core.exchange import Reply, Request
from notify_core.http import MOST_BYTES
from notify_core.testing.privacy import echo
from notify_core.testing.script import DeadEnd, Line, ScriptedGateway, closed_port, slammed_door

_STRUCTURED = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*[<{\[]")
_DOCTYPE = b'<!DOCTYPE reply [<!ENTITY word "DELIVRD">]>'
_HTML = {"content-type": "text/html; charset=utf-8"}

Gateway = Callable[[tuple[Reply, ...]], AbstractContextManager[ScriptedGateway | DeadEnd]]


def _any_reply(_: Reply) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that goes wrong with an exchange, and the verdict that it must get.

    ``gateway`` makes one that is in trouble out of the replies that it would give otherwise; ``settings`` go over those
    of the account. ``spoils`` says whether a reply suffers. ``unreadable``: a whole reply arrives, and means nothing.
    ``once``: one operation that meets it is enough, for a hook cannot tell it from others that all of them meet.
    """

    label: str
    sent: Sent
    gateway: Gateway
    settings: Mapping[str, float] = field(default_factory=dict)
    unreadable: bool = False
    once: bool = False
    spoils: Callable[[Reply], bool] = _any_reply


def _is_structured(reply: Reply) -> bool:
    """Whether half of a reply cannot be a whole one: XML and JSON end where they say, a text may end anywhere."""
    return _STRUCTURED.match(reply.body) is not None


def _faulty(fault: str, replies: tuple[Reply, ...]) -> ScriptedGateway:
    return ScriptedGateway(*replies, fault=fault)


def _instead(line: Line, replies: tuple[Reply, ...]) -> ScriptedGateway:
    return ScriptedGateway(line, *replies[1:])


def _cut(fault: str) -> Trouble:
    return Trouble(fault, Sent.UNKNOWN, partial(_faulty, fault))


def _slow(fault: str, spoils: Callable[[Reply], bool] = _any_reply) -> Trouble:
    return Trouble(fault, Sent.UNKNOWN, partial(_faulty, fault), {"read_timeout": 0.03}, spoils=spoils)


def _unreadable(fault: str, spoils: Callable[[Reply], bool] = _any_reply) -> Trouble:
    return Trouble(fault, Sent.UNKNOWN, partial(_faulty, fault), unreadable=True, spoils=spoils)


def _status(status: int, sent: Sent) -> Trouble:
    reply = Reply(status, b"<html><body>error</body></html>", {**_HTML, "location": "/elsewhere"})
    return Trouble(f"HTTP {status}", sent, partial(_instead, reply))


def _echo(status: int) -> Trouble:
    label = f"HTTP {status} that shows the request"
    return Trouble(label, Sent.UNKNOWN, partial(_instead, partial(_page, status)), unreadable=status == 200)


def _once(trouble: Trouble) -> Trouble:
    return replace(trouble, once=True)


def _page(status: int, request: Request) -> Reply:
    page = f"<html><body><pre>{escape(echo(request), quote=False)}</pre></body></html>"
    return Reply(status, page.encode(), _HTML)


TROUBLES = (
    Trouble("refused", Sent.NO, lambda _: closed_port()),
    _cut("cut-after"),
    _unreadable("empty"),
    _unreadable("html"),
    _unreadable("half", _is_structured),
    _unreadable("doctype"),
    _echo(200),
    _once(Trouble("cut before reading", Sent.UNKNOWN, lambda _: slammed_door())),
    _once(_cut("reset-after")),
    _once(_cut("truncated")),
    _once(_cut(f"huge-body:size={MOST_BYTES + 1}")),
    _once(_slow("delay-after:seconds=60")),
    _once(_slow("slow-drip:seconds=0.02", lambda reply: len(reply.body) > 1)),
    *(_once(_status(status, Sent.NO)) for status in (301, 400, 403, 404, 429, 503)),
    *(_once(_status(status, Sent.UNKNOWN)) for status in (302, 500, 502, 504)),
    _once(_echo(500)),
)
"""Everything that must not send a message twice, nor lose one."""


def garbled(body: bytes) -> list[bytes]:
    """Pushes that mean nothing, made of one that does."""
    halves = [body[: len(body) // 2]] if _is_structured(Reply(body=body)) else []
    return [b"", b"<html><body>hello</body></html>", _DOCTYPE + body, *halves]

"""Replies that look otherwise and mean the same: a gateway's Content-Type is often left over from another page."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable
from dataclasses import dataclass, replace

from notify_core.exchange import Reply


@dataclass(frozen=True, slots=True)
class Disguise:
    """One way to look otherwise, and the replies that it leaves readable."""

    label: str
    put_on: Callable[[Reply], Reply]
    fits: Callable[[Reply], bool]


def _is_answer(reply: Reply) -> bool:
    return 200 <= reply.status < 300 and bool(reply.body)


def _is_utf8(reply: Reply) -> bool:
    """Whether the reply is in the charset that everybody assumes who is told none, and says no other."""
    declared = reply.headers.get("content-type", "").lower().partition("charset=")[2].strip("\"' ")
    if declared not in ("", "utf-8", "us-ascii"):
        return False
    try:
        reply.body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return _is_answer(reply) and not reply.body.startswith(BOM_UTF8)


def _as_html(reply: Reply) -> Reply:
    _, semicolon, parameters = reply.headers.get("content-type", "").partition(";")
    return replace(reply, headers={**reply.headers, "content-type": f"text/html{semicolon}{parameters}"})


def _marked(reply: Reply) -> Reply:
    headers = {name: value for name, value in reply.headers.items() if name != "content-type"}
    return replace(reply, body=BOM_UTF8 + reply.body, headers=headers)


DISGUISES = (
    Disguise("declared as text/html", _as_html, _is_answer),
    Disguise("with a byte order mark and no Content-Type", _marked, _is_utf8),
)

"""What can go wrong between a gateway and its customer: each kind of fault is a few lines around serving a request.

Whether a fault comes before or after accepting is whether it calls ``serve`` first: only then is the submission taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from notify_core.exchange import Reply
from notify_core.sandbox.server import Wire, head

if TYPE_CHECKING:
    from notify_core.sandbox.faults import Fault

_BLANKS = b" " * 65536
_HTML = "<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
_DOCTYPE = b'<!DOCTYPE reply [<!ENTITY word "Success">]>'
_DECLARATION = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*<\?xml[^>]*\?>\s*")
_CHARSET = re.compile(r"charset=\"?([\w-]+)", re.ASCII)

_short: ContextVar[bool] = ContextVar("short", default=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, and how it goes onto the wire."""

    reply: Reply
    deliver: Callable[[Wire, Reply], None] = Wire.send


Serve = Callable[[], Answer]


def _delay_before(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    wire.pause(fault.seconds)
    return serve()


def _delay_after(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    answer = serve()
    wire.pause(fault.seconds)
    return answer


def _cut_before(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    return Answer(Reply(), _cut)


def _cut_after(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    return replace(serve(), deliver=_cut)


def _reset_before(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    wire.reset()


def _reset_after(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    serve()
    wire.reset()


def _status_before(status: int, fault: Fault, wire: Wire, serve: Serve) -> Answer:
    return Answer(_page(status))


def _status_after(status: int, fault: Fault, wire: Wire, serve: Serve) -> Answer:
    serve()
    return Answer(_page(status))


def _empty(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    return _bodied(serve(), b"")


def _html(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    serve()
    return Answer(_page(200))


def _half(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    answer = serve()
    return _bodied(answer, answer.reply.body[: len(answer.reply.body) // 2])


def _truncated(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    return replace(serve(), deliver=_deliver_half)


def _wrong_charset(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    answer = serve()
    declared = _charset(answer.reply)
    other = fault.charset or ("gb18030" if declared == "utf-8" else "utf-8")
    return _bodied(answer, answer.reply.body.decode(declared, "replace").encode(other, "replace"))


def _wrong_content_type(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    answer = serve()
    return replace(answer, reply=replace(answer.reply, headers={**answer.reply.headers, "content-type": "image/png"}))


def _doctype(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    answer = serve()
    body = answer.reply.body
    declaration = found[0] if (found := _DECLARATION.match(body)) else b""
    return _bodied(answer, declaration + _DOCTYPE + body[len(declaration) :])


def _slow_drip(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    return replace(serve(), deliver=partial(_drip, fault.seconds))


def _huge_body(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    return replace(serve(), deliver=partial(_stream, fault.size))


def _short_count(fault: Fault, wire: Wire, serve: Serve) -> Answer:
    token = _short.set(True)
    try:
        return serve()
    finally:
        _short.reset(token)


def taken(recipients: tuple[str, ...]) -> tuple[str, ...]:
    """The recipients that are accepted while this request is served: all, or all but the last under ``short-count``."""
    return recipients[:-1] if _short.get() else recipients


def _cut(wire: Wire, reply: Reply) -> None:
    wire.keep = False


def _deliver_half(wire: Wire, reply: Reply) -> None:
    wire.write(head(reply, len(reply.body), keep=wire.keep) + reply.body[: len(reply.body) // 2])
    wire.keep = False


def _drip(seconds: float, wire: Wire, reply: Reply) -> None:
    wire.write(head(reply, len(reply.body), keep=wire.keep))
    for byte in reply.body:
        wire.pause(seconds)
        wire.write(bytes([byte]))


def _stream(size: int, wire: Wire, reply: Reply) -> None:
    """The reply, then blanks: a reader without a bound finds nothing wrong with it but its length."""
    wire.write(head(reply, None, keep=wire.keep))
    for piece in _pieces(reply.body, size):
        wire.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    wire.write(b"0\r\n\r\n")


def _pieces(body: bytes, size: int) -> Iterator[bytes]:
    if body:
        yield body
    for start in range(len(body), size, len(_BLANKS)):
        yield _BLANKS[: size - start]


def _bodied(answer: Answer, body: bytes) -> Answer:
    return replace(answer, reply=replace(answer.reply, body=body))


def _page(status: int) -> Reply:
    title = "Under maintenance" if status == 200 else f"HTTP Error {status}"
    return Reply(status, _HTML.format(title=title).encode(), {"content-type": "text/html; charset=utf-8"})


def _charset(reply: Reply) -> str:
    declared = _CHARSET.search(reply.headers.get("content-type", ""))
    name = declared[1].lower() if declared else "utf-8"
    return "gb18030" if name in ("gb2312", "gbk") else name


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault: what it does, its meaning in a line, and the options that it takes beside ``times``."""

    act: Callable[[Fault, Wire, Serve], Answer]
    meaning: str
    options: frozenset[str] = frozenset()


_SECONDS = frozenset({"seconds"})

KINDS: Mapping[str, Kind] = {
    "delay-before": Kind(_delay_before, "wait, then accept and answer", _SECONDS),
    "delay-after": Kind(_delay_after, "accept, wait, then answer", _SECONDS),
    "cut-before": Kind(_cut_before, "close the connection instead of accepting"),
    "cut-after": Kind(_cut_after, "accept, then close the connection without a reply"),
    "reset-before": Kind(_reset_before, "reset the connection instead of accepting"),
    "reset-after": Kind(_reset_after, "accept, then reset the connection"),
    "403": Kind(partial(_status_before, 403), "answer 403 instead of accepting"),
    "404": Kind(partial(_status_before, 404), "answer 404 instead of accepting"),
    "429": Kind(partial(_status_before, 429), "answer 429 instead of accepting"),
    "500": Kind(partial(_status_after, 500), "accept, then answer 500"),
    "500-before": Kind(partial(_status_before, 500), "answer 500 instead of accepting"),
    "502": Kind(partial(_status_after, 502), "accept, then answer 502"),
    "502-before": Kind(partial(_status_before, 502), "answer 502 instead of accepting"),
    "503": Kind(partial(_status_before, 503), "answer 503 instead of accepting"),
    "504": Kind(partial(_status_after, 504), "accept, then answer 504"),
    "empty": Kind(_empty, "accept, then answer 200 with nothing"),
    "html": Kind(_html, "accept, then answer 200 with an HTML page"),
    "half": Kind(_half, "accept, then answer with half of the reply as if it were all"),
    "truncated": Kind(_truncated, "accept, then close the connection amid the reply"),
    "wrong-charset": Kind(_wrong_charset, "answer in another charset than declared", frozenset({"charset"})),
    "wrong-content-type": Kind(_wrong_content_type, "declare the reply to be a picture"),
    "doctype": Kind(_doctype, "put a DTD with an entity before the reply"),
    "slow-drip": Kind(_slow_drip, "answer byte by byte, this many seconds apart", _SECONDS),
    "huge-body": Kind(_huge_body, "answer with blanks after the reply, this many bytes in all", frozenset({"size"})),
    "short-count": Kind(_short_count, "accept one recipient fewer than submitted, and count so"),
}
"""Every kind of fault, by the name that ``Fault.parse`` reads."""

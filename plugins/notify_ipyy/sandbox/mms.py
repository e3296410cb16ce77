"""Multimedia messages: mms.aspx and the TMS container (gateway.md, part 1, 3 and part 2)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from notify_core.exchange import Endpoint, Reply, Request
from notify_ipyy.sandbox.account import planned
from notify_ipyy.sandbox.codes import Refused
from notify_ipyy.sandbox.form import Form, balance_reply, by_action, numbers, submitted
from notify_ipyy.sandbox.provider import Provider
from notify_ipyy.sandbox.rules import Draft
from notify_ipyy.sandbox.spelling import xml_reply

_TEXTS = (".txt", ".smil")


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a multimedia message."""

    name: str
    content: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The words of a text element; texts are GB2312, that is code page 936."""
        return self.content.decode("gbk", "replace") if self.name.lower().endswith(_TEXTS) else ""


def mms(provider: Provider) -> Endpoint:
    """The address that sends multimedia messages and tells their balance."""

    def send(request: Request, form: Form) -> Reply:
        return submitted(provider, request, form, xml_reply, _draft)

    def balance(request: Request, form: Form) -> Reply:
        return balance_reply(provider, request, form, xml_reply, "mms_credit")

    return by_action(provider, {"send": send, "overage": balance}, "utf-8", xml_reply)


def _draft(form: Form) -> Draft:
    subject = form.get("subject", "")
    return multimedia_draft(
        "/mms.aspx",
        to=numbers(form.get("mobile", "")),
        subject=subject,
        elements=unpacked(form.get("content", "")) if subject.strip() else (),
        extension=form.get("extno", ""),
        send_at=planned(form.get("sendtime", "")),
    )


def multimedia_draft(
    endpoint: str,
    *,
    to: tuple[str, ...],
    subject: str,
    elements: tuple[Element, ...],
    extension: str,
    send_at: datetime | None,
) -> Draft:
    """The draft of a multimedia message. Raises ``Refused``."""
    if not subject.strip():
        raise Refused("SubjectEmpty")
    if not elements:
        raise Refused("ContentEmpty")
    if len({element.name.lower() for element in elements}) < len(elements):
        raise Refused("ElementNameRepeat")
    return Draft(
        endpoint=endpoint,
        purse="mms_credit",
        to=to,
        words="\n".join([subject, *(element.text for element in elements)]),
        units=1,
        extension=extension,
        send_at=send_at,
        content={"subject": subject, "parts": tuple(map(_recorded, elements))},
    )


def _recorded(element: Element) -> dict[str, object]:
    texts = {"text": element.text} if element.name.lower().endswith(_TEXTS) else {}
    return {"name": element.name, "content": element.content, **texts}


def unpacked(content: str) -> tuple[Element, ...]:
    """The elements of a TMS container in base64. Raises ``Refused`` where it is none."""
    try:
        return tuple(_elements(b64decode(content, validate=True)))
    except ValueError:
        raise Refused("ElementError") from None


def _elements(tms: bytes) -> Iterator[Element]:
    """For each element: its file name, 0x00, the size in 4 bytes, little-endian, and the content."""
    position = 0
    while position < len(tms):
        end = tms.index(0, position)
        start = end + 5
        size = int.from_bytes(tms[end + 1 : start], "little")
        if end == position or start + size > len(tms):
            raise ValueError("an element has no name, or ends before its size")
        yield Element(tms[position:end].decode("gbk"), tms[start : start + size])
        position = start + size

"""The fields of what the gateway answered: found leniently in form, understood strictly.

XML or JSON is told by the first character, never by Content-Type. Names are read in any letter case, values as text
whatever their type. How bytes become a document, safely, is the core's: ``notify_core.replies``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from notify_core.errors import UnreadableReply
from notify_core.replies import ReplyText, from_xml, without_prolog
from notify_ipyy import salvage

if TYPE_CHECKING:
    from lxml import etree

DEEPEST = 16
"""Levels of the deepest reply that is read. A SOAP envelope has 5, the others have 3 at most."""

Value = str | dict[str, "Value"] | list["Value"]
Fields = dict[str, Value]
"""The fields of an answer or of a part of it, by name in lower case. What has fields of its own is ``Fields`` again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered. ``root`` is the name of the XML's root in lower case, empty for JSON."""

    reply: ReplyText
    root: str
    fields: Fields = field(repr=False)

    @property
    def raw(self) -> str:
        """The characters of the reply."""
        return self.reply.raw

    def text(self, name: str) -> str:
        """The field of that name (in lower case) without blanks around it, empty where there is none."""
        return text(self.fields, name)

    def unreadable(self, why: str) -> UnreadableReply:
        """The error for an answer that can be read but cannot mean what its dialect says."""
        return self.reply.unreadable(why)


def text(fields: Fields, name: str) -> str:
    """The field of that name (in lower case) without blanks around it, empty where there is none."""
    value = fields.get(name) or ""
    return (value if isinstance(value, str) else words(value)).strip()


def words(value: Value) -> str:
    """All the text of a value, a blank between its parts."""
    if isinstance(value, str):
        return value
    return " ".join(map(words, value.values() if isinstance(value, dict) else value))


def boxes(fields: Fields, name: str) -> list[Value]:
    """Whatever repeats under that name, in order, whether it occurs once, many times or never."""
    value = fields.get(name, "")
    if isinstance(value, list):
        return value
    return [value] if value else []


def inside(fields: Fields, name: str) -> Fields | None:
    """The first fields of that name at any depth, such as the result inside a SOAP envelope, or None."""
    nested = [value for value in fields.values() if isinstance(value, dict)]
    found = fields.get(name)
    if isinstance(found, dict):
        return found
    return next((found for value in nested if (found := inside(value, name)) is not None), None)


def read(body: bytes) -> Answer:
    """Read an XML or JSON reply. Raises ``UnreadableReply`` for anything else."""
    reply = ReplyText.of(body)
    try:
        root, fields = _read(reply)
    except RecursionError:
        raise reply.unreadable("the reply is nested too deeply") from None
    return Answer(reply, root, fields)


def _read(reply: ReplyText) -> tuple[str, Fields]:
    if reply.raw.startswith("<"):
        return _xml(reply)
    if reply.raw.startswith("{"):
        return "", _json(reply)
    raise reply.unreadable("the reply is neither an XML document nor a JSON object")


def _json(reply: ReplyText) -> Fields:
    try:
        value = _plain(reply.json())
    except UnreadableReply:
        if not (value := _plain(salvage.json_boxes(reply.raw))):
            raise
    return value if isinstance(value, dict) else {}


def _plain(value: object, room: int = DEEPEST) -> Value:
    if isinstance(value, str):
        return value
    if not room:
        raise RecursionError
    if isinstance(value, dict):
        return {name.lower(): p if isinstance(p, str) else _plain(p, room - 1) for name, p in value.items()}
    if isinstance(value, list):
        return [_plain(part, room - 1) for part in value]
    return "" if value is None else str(value)


_NAME = r"[A-Za-z_][\w.-]*+"
# Neither markup nor references, and nothing that a parser would change or refuse. (XML 1.0 §2.2, §2.4, §2.11)
_WORDS = "[^<>&\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]*+"
_FIELD = re.compile(rf"<({_NAME})>({_WORDS})</\1>[ \t\n]*+", re.ASCII)
_FLAT = re.compile(rf"<({_NAME})>[ \t\n]*+((?:<({_NAME})>{_WORDS}</\3>[ \t\n]*+)++)</\1>", re.ASCII)


def _flat(document: str) -> tuple[str, Fields] | None:
    """The root's name and the fields of a document that is nothing but fields, each once; None for any other.

    It is what a submission is answered with, and is read so in a quarter of the time that a parser takes.
    """
    if (found := _FLAT.fullmatch(document)) is None:
        return None
    pairs = _FIELD.findall(found[2])
    fields: Fields = {name.lower(): words for name, words in pairs}
    return (found[1].lower(), fields) if len(fields) == len(pairs) else None


def _xml(reply: ReplyText) -> tuple[str, Fields]:
    if flat := _flat(without_prolog(reply.raw)):
        return flat
    try:
        root = reply.xml()
    except UnreadableReply:
        if (found := _broken_xml(without_prolog(reply.raw))) is None:
            raise
        return found
    return _name(root.tag), _fields(root)


def _broken_xml(document: str) -> tuple[str, Fields] | None:
    try:
        root = from_xml(salvage.mended(document))
    except (SyntaxError, ValueError):
        boxes = _plain(salvage.xml_boxes(document))
        return ("", boxes) if boxes and isinstance(boxes, dict) else None
    return _name(root.tag), _fields(root)


@lru_cache(maxsize=256)
def _name(tag: object) -> str:
    """A tag without its namespace: ``{http://www.yysms.com/}MsgId`` is ``msgid``. All replies have the same few."""
    return str(tag).rpartition("}")[2].lower()


def _fields(element: etree._Element, room: int = DEEPEST) -> Fields:
    if not room:
        raise RecursionError
    fields: Fields = {}
    for child in element:
        name, value = _name(child.tag), _value(child, room - 1) if len(child) else child.text or ""
        earlier = fields.setdefault(name, value)
        if isinstance(earlier, list):
            earlier.append(value)
        elif earlier is not value:
            fields[name] = [earlier, value]
    return fields


def _value(element: etree._Element, room: int) -> Value:
    """The fields of an element, or its text where words stand between its parts."""
    between = (element.text, *(child.tail for child in element))
    if any(words and words.strip() for words in between):
        return "".join(map(str, element.itertext()))
    return _fields(element, room)

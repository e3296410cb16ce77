"""Reading what the gateway answered: leniently in form, strictly in meaning, safely in any case.

XML or JSON is told by the first character, never by Content-Type. Names are read in any letter case, values as text
whatever their type. There is no DTD, so there are no entities; sizes are bounded.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field

from lxml import etree

from notify_core.errors import UnreadableReply
from notify_ipyy import salvage

LARGEST = 8 * 1024 * 1024
"""Bytes of the largest reply that is read. 4000 reports, the most of one pull by default, are about one megabyte."""

DEEPEST = 16
"""Levels of the deepest reply that is read. A SOAP envelope has 5, the others have 3 at most."""

Value = str | dict[str, "Value"] | list["Value"]
Fields = dict[str, Value]
"""The fields of an answer or of a part of it, by name in lower case. What has fields of its own is ``Fields`` again."""

# All that may stand before the root element. A document type stands there or nowhere. (XML 1.0 §2.8)
_PROLOG = re.compile(r"(?:\s|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_BYTE_ORDER_MARK_AND_BLANKS = "\ufeff \t\r\n"
_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair: JSON can write it, no charset can
# Numbers stay as they are written: an id with leading zeros, a balance of any length.
_JSON = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str, strict=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered. ``root`` is the name of the XML's root in lower case, empty for JSON."""

    payload: bytes = field(repr=False)
    raw: str = field(repr=False)
    root: str
    fields: Fields = field(repr=False)

    def text(self, name: str) -> str:
        """The field of that name (in lower case) without blanks around it, empty where there is none."""
        return text(self.fields, name)

    def unreadable(self, why: str) -> UnreadableReply:
        """The error for an answer that can be read but cannot mean what its dialect says."""
        return _unreadable(why, self.payload, self.raw)


def text(fields: Fields, name: str) -> str:
    """The field of that name (in lower case) without blanks around it, empty where there is none."""
    return words(fields.get(name, "")).strip()


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
    if len(body) > LARGEST:
        raise UnreadableReply(f"the reply has {len(body)} bytes; more than {LARGEST} are not read", body)
    raw = _decoded(body)
    start = raw.strip(_BYTE_ORDER_MARK_AND_BLANKS)
    try:
        root, fields = _parsed(start)
    except (ValueError, SyntaxError, RecursionError) as error:
        raise _unreadable(_complaint(start, error), body, raw) from error
    return Answer(body, raw, root, fields)


def _complaint(start: str, error: Exception) -> str:
    """What is wrong with a reply, without quoting it."""
    if not start:
        return "the reply is empty"
    if isinstance(error, json.JSONDecodeError):
        return f"the reply is broken JSON: {error.msg} at character {error.pos}"
    if isinstance(error, etree.XMLSyntaxError):
        return f"the reply is broken XML at line {error.lineno}"
    return "the reply is nested too deeply" if isinstance(error, RecursionError) else f"the reply is {error}"


def _unreadable(why: str, payload: bytes, raw: str) -> UnreadableReply:
    error = UnreadableReply(why, payload)
    error.raw = raw
    return error


def _decoded(body: bytes) -> str:
    """The reply's characters, whatever charset it declares: a declaration is often left over from another page.

    What is valid as UTF-8 is UTF-8: no message of the gateway is so in GBK by chance.
    """
    if b"\0" in body[:4] or body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return body.decode("utf-16", "replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return _guessed(body)


def _guessed(body: bytes) -> str:
    """UTF-8 with some damage where most of it is right, else GB18030, which holds GBK and GB2312."""
    text = body.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    right = sum(character > "\x7f" for character in text) - wrong
    return text if right > wrong else body.decode("gb18030", "replace")


def _parsed(start: str) -> tuple[str, Fields]:
    if start.startswith("<"):
        return _xml(start)
    if start.startswith("{"):
        return "", _json(start)
    raise ValueError("neither an XML document nor a JSON object")


def _json(start: str) -> Fields:
    try:
        value = _plain(_JSON.decode(start))
    except ValueError:
        if not (value := _plain(salvage.json_boxes(start))):
            raise
    return value if isinstance(value, dict) else {}


def _plain(value: object, room: int = DEEPEST) -> Value:
    if isinstance(value, str):
        return value if value.isascii() else _HALF.sub("\ufffd", value)
    if not room:
        raise RecursionError
    if isinstance(value, dict):
        return {name.lower(): _plain(part, room - 1) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part, room - 1) for part in value]
    return "" if value is None else str(value)


def _xml(start: str) -> tuple[str, Fields]:
    document = start[_PROLOG.match(start).end() :]  # type: ignore[union-attr]  # it matches nothing at least
    if document[:9].upper() == "<!DOCTYPE":
        raise ValueError("XML with a document type, which no dialect of ipyy has")
    try:
        root = _tree(document)
    except etree.XMLSyntaxError:
        return _broken_xml(document)
    return _name(root), _fields(root)


def _broken_xml(document: str) -> tuple[str, Fields]:
    try:
        root = _tree(salvage.mended(document))
    except etree.XMLSyntaxError:
        fields = _plain(salvage.xml_boxes(document))
        if not fields or not isinstance(fields, dict):
            raise
        return "", fields
    return _name(root), _fields(root)


class _Parser(threading.local):
    """One parser a thread: threads that share one wait for each other."""

    def __init__(self) -> None:
        self.parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )


_parser = _Parser()


def _tree(document: str) -> etree._Element:
    return etree.fromstring(document, _parser.parser)


def _name(element: etree._Element) -> str:
    """The element's name without its namespace: ``{http://www.yysms.com/}MsgId`` is ``msgid``."""
    tag = str(element.tag)
    return tag[tag.find("}") + 1 :].lower()


def _fields(element: etree._Element, room: int = DEEPEST) -> Fields:
    if not room:
        raise RecursionError
    fields: Fields = {}
    for child in element:
        name, value = _name(child), _value(child, room - 1) if len(child) else child.text or ""
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

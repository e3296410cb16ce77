"""Reading reports and inbound messages out of a reply that is not well-formed.

The gateway hands them out once, so that one text with a bare ``<`` or quotation mark must not cost all the others. A
reply whose end is missing is not touched: what it would have said is unknown.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import unescape

from notify_core.replies import from_json

BOXES = ("statusbox", "callbox")
"""The elements that repeat in reports and in inbound messages (gateway.md part 1 §5, §6)."""

NAMES = ("mobile", "taskid", "status", "content", "receivetime", "errorcode", "extno")
"""The fields of a box."""

Boxes = dict[str, list[dict[str, str]]]

_ANY_NAME = "|".join(NAMES)
_XML_START = re.compile(r"<(\w+)")
_JSON_START = re.compile(rf'"({"|".join(BOXES)})"\s*:\s*\[\s*\{{', re.IGNORECASE)
_JSON_END = re.compile(r"\}\s*\]\s*\}$")
_JSON_BETWEEN = re.compile(rf'\}}\s*,\s*\{{(?=\s*"(?:{_ANY_NAME})"\s*:)', re.IGNORECASE)
_JSON_NAME = re.compile(rf'(?:^|,)\s*"({_ANY_NAME})"\s*:\s*', re.IGNORECASE)

_LEGAL = r"\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff"  # XML 1.0 §2.2
# A CDATA section stays as it is; the rest cannot stand in XML: bare & and <, and characters that XML does not have.
_ILLEGAL = re.compile(
    r"(?P<data><!\[CDATA\[.*?(?:\]\]>|\Z))|&#(?:x(?P<hex>[0-9a-f]{1,8})|(?P<dec>[0-9]{1,8}));"
    rf"|(?P<amp>&(?!(?:amp|lt|gt|quot|apos);))|(?P<lt><(?![a-z_/!?]))|(?P<other>[^{_LEGAL}])",
    re.DOTALL | re.IGNORECASE,
)


def mended(document: str) -> str:
    """``document`` with what no XML can hold escaped, or replaced by U+FFFD."""
    return _ILLEGAL.sub(_legal, document)


def _legal(match: re.Match[str]) -> str:
    if match["amp"]:
        return "&amp;"
    if match["lt"]:
        return "&lt;"
    if match["hex"] or match["dec"]:
        return _character(int(match["hex"] or match["dec"], 16 if match["hex"] else 10), match[0])
    return match["data"] or "\ufffd"


def _character(number: int, reference: str) -> str:
    return reference if number <= 0x10FFFF and re.match(f"[{_LEGAL}]", chr(number)) else "\ufffd"


def xml_boxes(document: str) -> Boxes:
    """The boxes of a broken XML document by the name of their element; nothing where one of them would be lost."""
    root = _XML_START.match(document)
    cut = {name: _bodies(document, name) for name in BOXES}
    if None in cut.values() or not root or not document.endswith(f"</{root[1]}>"):
        return {}
    return {name: [_xml_fields(body) for body in bodies] for name, bodies in cut.items() if bodies}


def _bodies(document: str, name: str) -> list[str] | None:
    """What stands between the start tags and end tags of that name; None where they do not pair."""
    pieces = re.split(rf"(</?{name}\s*>)", document, flags=re.IGNORECASE)
    ends = [tag.startswith("</") for tag in pieces[1::2]]
    return pieces[2::4] if ends == [False, True] * (len(ends) // 2) else None


def _xml_fields(body: str) -> dict[str, str]:
    return {name: value for name in NAMES if (value := _xml_field(body, name))}


def _xml_field(body: str, name: str) -> str:
    start = re.search(f"<{name}>", body, re.IGNORECASE)
    end = start and re.compile(f"</{name}>", re.IGNORECASE).search(body, start.end())
    if not start or not end:
        return ""
    return _xml_text(body[start.end() : end.start()])


def _xml_text(value: str) -> str:
    if value.startswith("<![CDATA[") and value.endswith("]]>"):
        return value[9:-3]
    return unescape(value, {"&quot;": '"', "&apos;": "'"})


def json_boxes(document: str) -> Boxes:
    """The boxes of a broken JSON document by their name; nothing where its end is missing."""
    start, end = _JSON_START.search(document), _JSON_END.search(document)
    if not start or not end:
        return {}
    bodies = _JSON_BETWEEN.split(document[start.end() : end.start()])
    return {start[1].lower(): [_json_fields(body) for body in bodies]}


def _json_fields(body: str) -> dict[str, str]:
    names = list(_JSON_NAME.finditer(body))
    ends = [*(name.start() for name in names[1:]), len(body)]
    return {name[1].lower(): _json_text(body[name.end() : end].strip()) for name, end in zip(names, ends, strict=True)}


def _json_text(value: str) -> str:
    value = value.removeprefix('"').removesuffix('"')
    try:
        return str(from_json(f'"{value}"'))
    except ValueError:
        return value

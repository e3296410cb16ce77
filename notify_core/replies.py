"""Reading what a gateway answered: leniently in its charset, safely in any case.

A transport begins with ``ReplyText.of(reply.body)`` and goes on with ``json()`` or ``xml()``. What cannot be read
raises ``UnreadableReply``, which keeps the bytes and puts the message in doubt. Sizes are bounded; XML has no document
type, hence no entities; nothing is loaded.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from notify_core.charsets import decoded
from notify_core.errors import UnreadableReply

if TYPE_CHECKING:
    from lxml import etree

LARGEST = 8 * 1024 * 1024
"""Bytes of the largest reply that is read, unless a transport says otherwise."""

_BLANKS = "\ufeff \t\r\n\v\f"


@dataclass(frozen=True, slots=True)
class ReplyText:
    """What a gateway answered, or pushed, as text: its bytes, and its characters without blanks around them."""

    payload: bytes = field(repr=False)
    raw: str = field(repr=False)

    @classmethod
    def of(cls, payload: bytes, charset: str | None = None, most: int = LARGEST) -> ReplyText:
        """The text of a body in ``charset``, or in what it looks like (``charsets.decoded``).

        Raises ``UnreadableReply`` for more than ``most`` bytes, and for nothing but blanks.
        """
        if len(payload) > most:
            raise UnreadableReply(f"the reply has {len(payload):,} bytes; more than {most:,} are not read", payload)
        raw = decoded(payload, charset).strip(_BLANKS)
        if not raw:
            raise UnreadableReply("the reply is empty", payload)
        return cls(payload, raw)

    def json(self) -> Any:
        """The value of a reply in JSON, as ``from_json`` reads it. Raises ``UnreadableReply``."""
        try:
            return from_json(self.raw)
        except json.JSONDecodeError as error:
            why = f"the reply is broken JSON: {error.msg.removesuffix(' at')} at character {error.pos}"
        except RecursionError:
            why = "the reply is nested too deeply"
        raise self.unreadable(why)

    def xml(self) -> etree._Element:
        """The root of a reply in XML, as ``from_xml`` reads it. Raises ``UnreadableReply``."""
        try:
            return from_xml(self.raw)
        except SyntaxError as error:
            why = f"the reply is broken XML at line {error.lineno}"  # no more: its words quote the reply
        except ValueError as error:
            why = f"the reply is {error}"
        raise self.unreadable(why)

    def unreadable(self, why: str) -> UnreadableReply:
        """The error for a reply that cannot mean what its dialect says; it keeps the bytes and the characters."""
        return UnreadableReply(why, self.payload, raw=self.raw)


# --- JSON ------------------------------------------------------------------------------------------------------------

# Numbers stay as they are written: an id with many digits, a balance with its zeros.
_JSON = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str, strict=False)
_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair: JSON can write it, no charset can
_WRITTEN_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def from_json(text: str) -> Any:
    """The value that ``text`` is in JSON. Numbers are text as it is written; half a surrogate pair becomes U+FFFD.

    Raises ``json.JSONDecodeError`` and ``RecursionError``.
    """
    text = text.strip()
    value, end = _JSON.raw_decode(text)  # two thirds of the time of decode
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return _whole(value) if "\\u" in text and _WRITTEN_HALF.search(text) else value


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [_whole(part) for part in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(part) for name, part in value.items()}
    return value


# --- XML -------------------------------------------------------------------------------------------------------------

# All that may stand before the root element. A document type stands there or nowhere. (XML 1.0 §2.8)
# Possessive (++, *+): megabytes of blanks need not be remembered one by one.
_PROLOG = re.compile(r"(?:[\s\ufeff]++|<\?(?:[^?]++|\?(?!>))*+\?>|<!--.*?-->)*+", re.DOTALL)


def from_xml(text: str) -> etree._Element:
    """The root of the XML document that ``text`` is, whatever charset it declares, without comments.

    Raises ``ValueError`` for one with a document type, ``SyntaxError`` (lxml's) for one that is not well-formed.
    """
    document = without_prolog(text)
    if document[:9].upper() == "<!DOCTYPE":
        raise ValueError("XML with a document type, which no reply needs")
    return _parser.root(document)


def without_prolog(text: str) -> str:
    """An XML document from its root element (or its document type) on."""
    return text[_PROLOG.match(text).end() :]  # type: ignore[union-attr]  # it matches nothing at least


class _Parser(threading.local):
    """One parser a thread: threads that share one wait for each other."""

    @cached_property
    def root(self) -> Callable[[str], etree._Element]:
        """Parses a document. Without any, a process does not wait the 50 ms that importing lxml takes."""
        from lxml import etree

        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        return partial(etree.fromstring, parser=parser)


_parser = _Parser()


# --- numbers ---------------------------------------------------------------------------------------------------------

_UNITS = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,2})?", re.ASCII)


def count(text: str) -> int | None:
    """A number of recipients as a gateway wrote it, None for what is none."""
    return int(text) if len(text) < 10 and text.isascii() and text.isdigit() else None


def units(text: str) -> Decimal | None:
    """A credit as a gateway wrote it, None for what is none. One that is paid afterwards can be negative."""
    return Decimal(text) if _UNITS.fullmatch(text) else None

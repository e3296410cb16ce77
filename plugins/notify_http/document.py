"""Replies that could be read, whatever they are written in: finding the one text that stands at a place.

Finding is strict: what is not at its place is not there. Reading is the core's: ``notify_core.replies``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from notify_core.replies import ReplyText

if TYPE_CHECKING:
    from lxml import etree

_STEP = re.compile(r"(?:^|\.)(@?[^.\[\]@'\s]+)|\[(\d{1,6})\]|\['([^']+)'\]")


@lru_cache(maxsize=256)
def steps(path: str) -> tuple[str | int, ...]:
    """The steps of a dotted path: names, ``@name`` for an attribute, numbers from 0. Raises ``ValueError``."""
    found: list[str | int] = []
    end = 0
    while end < len(path):
        if not (match := _STEP.match(path, end)):
            raise ValueError("expected a path such as data.items[0].id, or ['a.b'] for odd names")
        name, index, quoted = match.groups()
        found.append(int(index) if index else name or quoted)
        end = match.end()
    return tuple(found)


class Document(Protocol):
    """A reply that could be read."""

    def find(self, where: str) -> str | None:
        """The text at that place, without blanks around it; None where there is none."""


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """A reply in JSON. Values are found as they are written; objects, lists and null are no text."""

    root: Any = field(repr=False)

    def find(self, where: str) -> str | None:
        """See ``Document``."""
        value = self.root
        for step in steps(where):
            value = _inside_json(value, step)
        if isinstance(value, str):
            return value.strip()
        return str(value).lower() if isinstance(value, bool) else None


def _inside_json(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None


@dataclass(frozen=True, slots=True)
class XmlDocument:
    """A reply in XML. Paths begin below the root, namespaces are left out; an element with elements has no text."""

    root: etree._Element = field(repr=False)

    def find(self, where: str) -> str | None:
        """See ``Document``."""
        found: list[etree._Element] = [self.root]
        for step in steps(where):
            if isinstance(step, str) and step.startswith("@"):
                return next((value.strip() for name, value in _attributes(found) if name == step[1:]), None)
            found = found[step : step + 1] if isinstance(step, int) else _children(found, step)
        return None if not found or len(found[0]) else (found[0].text or "").strip()


def _children(elements: list[etree._Element], name: str) -> list[etree._Element]:
    """The elements of that name in the first of ``elements``."""
    return [child for element in elements[:1] for child in element if _local(child.tag) == name]


def _attributes(elements: list[etree._Element]) -> Iterator[tuple[str, str]]:
    return ((_local(name), str(value)) for element in elements[:1] for name, value in element.attrib.items())


def _local(name: object) -> str:
    return str(name).rpartition("}")[2]


@dataclass(frozen=True, slots=True)
class TextDocument:
    """A reply of plain text. A place is a regular expression: its first group that took part, else all it matched."""

    text: str = field(repr=False)

    def find(self, where: str) -> str | None:
        """See ``Document``."""
        if not where:
            return self.text
        match = re.search(where, self.text)
        if match is None:
            return None
        return next((group for group in match.groups() if group is not None), match[0]).strip()


def of(kind: str, reply: ReplyText) -> Document:
    """The document that a reply of that kind is. Raises ``UnreadableReply`` where it is none."""
    if kind == "json":
        return JsonDocument(reply.json())
    if kind == "xml":
        return XmlDocument(reply.xml())
    return TextDocument(reply.raw)

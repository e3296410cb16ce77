"""Reading a YAML file safely, keeping the line of everything in it.

Every scalar stays text, as it is written (``0123`` and ``NO`` are what they look like); the models give types. Values
may hold ``${ENV}``, ``${ENV:-default}`` and ``${file:/path}``; ``$${`` writes a literal ``${``. A relative path is one
from the directory of the YAML file.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from notify_core.errors import ConfigError, Fault
from notify_core.settings import named_file

Place = tuple[str | int, ...]
"""Where a value stands: ``("accounts", "clinic", "limits", 0)``."""

_REFERENCE = re.compile(r"(\$?)\$\{(?:([^}]*)\})?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
_KNOWN_TAGS = "tag:yaml.org,2002:"


@dataclass
class Document:
    """A file's data as text, lists and dicts; the line of each value; and the faults found so far.

    ``written`` holds the places whose value stands in the file itself: only these may be quoted in an error.
    """

    file: str
    data: dict[str, Any] = field(default_factory=dict, repr=False)
    lines: dict[Place, int] = field(default_factory=dict, repr=False)
    written: set[Place] = field(default_factory=set, repr=False)
    faults: list[Fault] = field(default_factory=list)
    spoilt: set[Place] = field(default_factory=set, repr=False)

    @property
    def directory(self) -> Path:
        """Where relative names of files in the file begin."""
        return Path(self.file).absolute().parent

    def spoil(self, place: Place, message: str) -> None:
        """Note that what stands at ``place`` could not be read: whatever else is wrong there only follows from that."""
        self._note(place, message)
        self.spoilt.add(place)

    def fault(self, place: Place, message: str) -> None:
        """Note a fault at ``place``, unless it only follows from what could not be read there."""
        if not any(place[:length] in self.spoilt for length in range(1, len(place) + 1)):
            self._note(place, message)

    def _note(self, place: Place, message: str) -> None:
        """Add a fault, on the line of the nearest thing that the file does have."""
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        self.faults.append(Fault(self.file, self.lines.get(known, 0), spelled(place), message))


def spelled(place: Place) -> str:
    """A place as people write it: ``accounts.clinic.limits[0].count``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")


def read(path: str | os.PathLike[str]) -> Document:
    """Read a configuration file. Raises ``ConfigError`` where there is nothing to go on with."""
    file = os.fspath(path)
    root = _composed(file, _text(file))
    document = Document(file)
    if not isinstance(root, MappingNode):
        raise ConfigError(
            [Fault(file, 1, "", "expected `accounts:` and `routes:`; found no mapping of keys to values")]
        )
    try:
        document.data = _Reader(document).mapping(root, ())
    except RecursionError:
        raise ConfigError([Fault(file, 0, "", "is nested too deeply")]) from None
    return document


def _text(file: str) -> str:
    try:
        return Path(file).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            [Fault(file, 0, "", "no such file; copy config/notify.example.yaml and fill it in")]
        ) from None
    except OSError as error:
        raise ConfigError([Fault(file, 0, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Fault(file, 0, "", f"is not UTF-8 (byte {error.start}); save it as UTF-8")]) from None


def _composed(file: str, text: str) -> Node:
    try:
        root: Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ConfigError([Fault(file, line, "", _syntax(text, line, error))]) from None
    except yaml.reader.ReaderError as error:
        raise ConfigError([Fault(file, 0, "", f"is not YAML: {error.reason}")]) from None
    except RecursionError:
        raise ConfigError([Fault(file, 0, "", "is nested too deeply")]) from None
    except (ValueError, OverflowError):  # PyYAML on "\UFFFFFFFF"
        raise ConfigError([Fault(file, 0, "", "is not YAML: an escape names no character")]) from None
    if root is None:
        raise ConfigError(
            [Fault(file, 0, "", "is empty; write `accounts:` and `routes:` (see config/notify.example.yaml)")]
        )
    return root


def _syntax(text: str, line: int, error: yaml.MarkedYAMLError) -> str:
    source = text.splitlines()[line - 1] if 0 < line <= len(text.splitlines()) else ""
    if "\t" in source[: len(source) - len(source.lstrip())] or r"'\t'" in str(error.problem):
        return "is not YAML: a tab stands where YAML wants blanks; indent with blanks"
    return f"is not YAML: {error.problem or error.context}"


def _whole(text: str) -> str:
    """The text with half surrogate pairs, which an escape can make and no charset carries, written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


class _Reader:
    """Turns nodes into data, noting lines and faults."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: set[int] = set()

    def value(self, node: Node, place: Place) -> Any:
        if isinstance(node, ScalarNode):
            return self._scalar(node, place)
        if id(node) in self._open:
            self._document.spoil(place, "an alias that contains itself; write the value out")
            return None
        self._open.add(id(node))
        try:
            return self.mapping(node, place) if isinstance(node, MappingNode) else self._sequence(node, place)
        finally:
            self._open.discard(id(node))

    def mapping(self, node: MappingNode, place: Place) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                merged.update(self._merged(value, place))
                continue
            name = _whole(key.value) if isinstance(key, ScalarNode) else ""
            inner = (*place, name)
            repeated = name in own
            self._document.lines[inner] = key.start_mark.line + 1
            if not name:
                self._document.spoil(inner, "expected a name before the colon")
            if repeated:
                self._document.spoil(inner, "the key stands twice; remove one")
            own[name] = self.value(value, inner)
        return merged | own

    def _merged(self, node: Node, place: Place) -> dict[str, Any]:
        sources = node.value if isinstance(node, SequenceNode) else [node]
        found: dict[str, Any] = {}
        for source in reversed(sources):
            if not isinstance(source, MappingNode):
                self._document.spoil(place, "<< merges mappings only")
                continue
            value = self.value(source, place)
            found.update(value or {})
        return found

    def _sequence(self, node: Node, place: Place) -> list[Any]:
        return [self._item(item, (*place, number)) for number, item in enumerate(node.value)]

    def _item(self, node: Node, place: Place) -> Any:
        self._document.lines[place] = node.start_mark.line + 1
        return self.value(node, place)

    def _scalar(self, node: ScalarNode, place: Place) -> str | None:
        if not node.tag.startswith(_KNOWN_TAGS):
            self._document.spoil(place, f"the tag {node.tag} is not allowed; write a plain value")
        if node.tag == _NULL:
            return None
        text = _whole(node.value)
        if "${" not in text:
            self._document.written.add(place)
            return text
        return _REFERENCE.sub(lambda reference: self._resolved(reference, place), text)

    def _resolved(self, reference: re.Match[str], place: Place) -> str:
        escaped, inside = reference.groups()
        if escaped:
            return reference[0][1:]
        if inside is None:
            self._document.spoil(place, "${ has no closing }; write $${ for a literal ${")
            return ""
        if inside.startswith("file:"):
            return self._from_file(inside.removeprefix("file:"), place)
        return self._from_environment(inside, place)

    def _from_environment(self, inside: str, place: Place) -> str:
        name, has_default, default = inside.partition(":-")
        if not _NAME.fullmatch(name):
            self._document.spoil(place, "expected ${NAME}, ${NAME:-default} or ${file:/path}")
            return ""
        value = os.environ.get(name, "")
        if not value and not has_default:
            self._document.spoil(
                place, f"the environment variable {name} is not set, or empty; set it, or write ${{{name}:-default}}"
            )
        return value or default

    def _from_file(self, name: str, place: Place) -> str:
        path: object = name
        try:
            path = file = named_file(name, self._document.directory)
            return file.read_text("utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            self._document.spoil(place, f"cannot read the secret file {path}: {reason}")
            return ""

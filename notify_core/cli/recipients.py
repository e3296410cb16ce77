"""Whom a command sends to: numbers on the command line, or a file of them. Everything wrong is told at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from notify_core.cli.exits import Misuse
from notify_core.errors import InvalidMessage
from notify_core.states import State

_SHOWN = 100


def numbers(to: Sequence[str], file: str, region: str) -> list[str]:
    """The numbers of ``--to`` or ``--to-file`` in E.164, each once. Raises ``Misuse`` naming each that is none."""
    if bool(to) == bool(file):
        raise Misuse("give the recipients: either --to NUMBER…, or --to-file FILE with one number a line")
    given = _of_file(file) if file else [("--to", part) for each in to for part in each.split(",")]
    if not given:
        raise Misuse(f"{file} holds no numbers: write one a line")
    return _all_e164(given, region)


def read_text(name: str) -> str:
    """The text of a file, or of stdin for ``-``. Raises ``Misuse``."""
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise Misuse(f"cannot read {name}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise Misuse(f"{_called(name)}:{line}: is not UTF-8; save it as UTF-8") from None


def _called(name: str) -> str:
    return "stdin" if name == "-" else name


def _of_file(name: str) -> list[tuple[str, str]]:
    """Each number of a file with its place; blank lines and what follows a # are left out."""
    text = read_text(name)
    if text.lstrip().startswith("{"):
        return [(_called(name), number) for number in _unsent(name, text)]
    lines = enumerate(text.splitlines(), 1)
    found = ((f"{_called(name)}:{number}", line.partition("#")[0].strip()) for number, line in lines)
    return [(place, text) for place, text in found if text]


def _unsent(name: str, text: str) -> list[str]:
    """Those of a result (``outcome.document``) who surely were not sent to; whoever is in doubt is not among them."""
    try:
        deliveries = json.loads(text)["deliveries"]
        found = [each["recipient"] for each in deliveries if each["state"] == State.REJECTED]
    except (ValueError, KeyError, TypeError):
        raise Misuse(f"{_called(name)}: expected numbers, one a line, or the result of a send as JSON") from None
    if not found:
        raise Misuse(f"{_called(name)}: nobody was left out in this result, so nobody is sent to again")
    return found


def _all_e164(given: Iterable[tuple[str, str]], region: str) -> list[str]:
    from notify_core.phones import e164

    found: dict[str, None] = {}
    faults: list[str] = []
    for place, text in given:
        try:
            found[e164(text.strip(), region)] = None
        except InvalidMessage as error:
            faults.append(f"{place}: {error}" if text.strip() else f"{place}: a number is empty: leave it out")
    if faults:
        more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise Misuse("\n".join([*faults[:_SHOWN], *more, f"{_counted(len(faults))}; nothing was sent"]))
    return list(found)


def _counted(count: int) -> str:
    return "1 number cannot be used" if count == 1 else f"{count} numbers cannot be used"

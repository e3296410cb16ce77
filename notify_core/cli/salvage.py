"""Keeping what a gateway hands out only once: in a file that only its owner reads, where it cannot be shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from notify_core import salvage
from notify_core.cli import terminal
from notify_core.errors import UnreadableReply


@contextmanager
def unreadable() -> Iterator[None]:
    """Keep the payload of an ``UnreadableReply`` in a file before it goes on."""
    try:
        yield
    except UnreadableReply as error:
        if error.payload:
            error.add_note(
                f"What came is kept in {keep(error.payload, 'unreadable', '.bin')}: it is handed out only once."
            )
        raise


def unshown(document: object) -> None:
    """Keep a result that could not be written to stdout."""
    place = keep(terminal.json_text(document).encode("utf-8", "backslashreplace"), "unshown", ".json")
    terminal.complain(f"What came is kept in {place}: it is handed out only once.")


def keep(content: bytes, kind: str, suffix: str) -> str:
    """Keep it in a file, whose name is returned; where none can be written it goes to stderr in base64."""
    from base64 import b64encode

    if name := salvage.keep(content, kind, suffix):
        return name
    terminal.complain(b64encode(content).decode())
    return "the lines above, in base64"

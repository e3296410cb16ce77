"""Keeping what a gateway hands out only once: in a file that only its owner reads, where it cannot be shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

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
    """Write a new file of mode 0600 in the current directory, or in the one for temporary files; its name.

    Where both refuse, the content goes to stderr in base64: anything but lost.
    """
    import tempfile
    from base64 import b64encode

    for folder in (Path(), Path(tempfile.gettempdir())):
        try:
            return _written(folder, f"notify-{kind}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}", suffix, content)
        except OSError:
            continue
    terminal.complain(b64encode(content).decode())
    return "the lines above, in base64"


def _written(folder: Path, stem: str, suffix: str, content: bytes) -> str:
    for number in count(1):
        path = folder / f"{stem}{f'-{number}' if number > 1 else ''}{suffix}"
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
        return str(path)
    raise AssertionError  # count() has no end

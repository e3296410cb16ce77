"""Where output goes: results to stdout, complaints to stderr. Nothing here fails a command that has done its work."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from notify_core.cli.tables import Block, drawn, plain


def prepare() -> None:
    """Write UTF-8 whatever the locale is."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]


def show(*blocks: Block) -> bool:
    """Write results to stdout for people; whether they went out."""
    return _written(sys.stdout, drawn(blocks, sys.stdout) if sys.stdout.isatty() else plain(blocks))


def copy(*lines: str) -> None:
    """Write lines to stdout as they are, however long, so that they can be copied."""
    _written(sys.stdout, plain(lines))


def show_json(document: object) -> bool:
    """Write one JSON document to stdout; whether it went out."""
    return _written(sys.stdout, json_text(document))


def json_text(document: object) -> str:
    """A document as JSON, for people's eyes too."""
    import json

    return json.dumps(document, ensure_ascii=False, indent=2, default=_plain_value) + "\n"


def complain(*texts: str) -> None:
    """Write to stderr: what went wrong, and what to do."""
    lines = [line for text in texts for line in text.splitlines()]
    _written(sys.stderr, drawn(lines, sys.stderr) if sys.stderr.isatty() else plain(lines))


@contextmanager
def busy(words: str) -> Iterator[None]:
    """Show on stderr what is being waited for, at a terminal only."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(file=sys.stderr).status(words):
        yield


def _plain_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _written(stream: TextIO, text: str) -> bool:
    """Write and flush. A reader that has gone is no error of ours: the exit code still says what was done."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
        return False
    except OSError as error:
        _silence(stream)
        if stream is not sys.stderr:
            complain(f"the result cannot be written: {error.strerror}")
        return False
    return True


def _silence(stream: TextIO) -> None:
    """Let the stream write to nowhere, or Python would fail again when it flushes at exit."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())

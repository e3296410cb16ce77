"""Keeping in a file what is handed out only once and can be put nowhere else."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from itertools import count
from pathlib import Path


def keep(content: bytes, kind: str, suffix: str) -> str:
    """Write a new file of mode 0600 in the current directory, or in the one for temporary files.

    Returns its name, or nothing where both refuse.
    """
    for folder in (Path(), Path(tempfile.gettempdir())):
        try:
            return _written(folder, f"notify-{kind}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}", suffix, content)
        except OSError:
            continue
    return ""


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

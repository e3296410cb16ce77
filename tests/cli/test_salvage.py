"""Keeping what is handed out only once."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from notify_core.cli import salvage


def test_nothing_is_overwritten(folder: Path) -> None:
    """Two contents that are kept in the same second have a file each, which only the owner reads."""
    names = {salvage.keep(content, "unreadable", ".bin") for content in (b"one", b"two", b"three")}
    assert {(folder / name).read_bytes() for name in names} == {b"one", b"two", b"three"}
    assert {(folder / name).stat().st_mode & 0o777 for name in names} == {0o600}


def test_a_directory_that_refuses_is_not_the_end(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be written here, the directory for temporary files takes it."""
    other = tmp_path_factory.mktemp("other")
    monkeypatch.setattr("tempfile.tempdir", str(other))
    (folder / "gone").mkdir()
    monkeypatch.chdir(folder / "gone")
    (folder / "gone").rmdir()
    kept = Path(salvage.keep(b"content", "unreadable", ".bin"))
    monkeypatch.chdir(folder)
    assert (kept.parent, kept.read_bytes()) == (other, b"content")


def test_where_no_file_can_be_written_the_content_is_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no directory takes it, the content goes to stderr in base64 rather than nowhere."""
    monkeypatch.setattr("tempfile.tempdir", str(folder / "nowhere"))
    (folder / "gone").mkdir()
    monkeypatch.chdir(folder / "gone")
    (folder / "gone").rmdir()
    assert salvage.keep(b"content", "unreadable", ".bin") == "the lines above, in base64"
    monkeypatch.chdir(folder)
    assert capsys.readouterr().err == f"{b64encode(b'content').decode()}\n"

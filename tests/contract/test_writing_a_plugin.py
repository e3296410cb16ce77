"""docs/writing-a-plugin.md does what it says: its plugin works, is as short as promised, and passes the suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import Block, Page
from tests.docs.reader import Reader, commands, reader

PAGE = Page("docs/writing-a-plugin.md")


def saved(blocks: list[Block]) -> dict[str, str]:
    """The files that a reader ends up with: blocks of one file follow each other."""
    files: dict[str, str] = {}
    for block in blocks:
        if block.file:
            files[block.file] = files.get(block.file, "") + block.text
    return files


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """A reader who has saved every file of the page."""
    found = reader(tmp_path)
    for name, text in saved(list(PAGE.blocks)).items():
        (tmp_path / name).write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield found
    found.leave()


def test_the_transport_has_fewer_than_sixty_lines() -> None:
    """What the page promises at its beginning holds up to where the transport is whole."""
    whole = PAGE.text.index("That is the whole transport.")
    blocks = [block for block in PAGE.blocks if block.line < PAGE.text.count("\n", 0, whole)]
    assert len(saved(blocks)["acme_rest.py"].splitlines()) < 60


def test_commands_print_what_the_page_shows(folder: Reader) -> None:
    """The check of its configuration and the contract suite come out as shown."""
    typed = [command for block in PAGE.blocks if block.language == "console" for command, _ in commands(block.text)]
    assert len(typed) == 3
    for block in PAGE.blocks:
        if block.language == "console":
            folder.follow(block, PAGE.name)


def test_what_is_executed_works(folder: Reader) -> None:
    """The blocks that are no file of the plugin run, with the plugin beside them."""
    for block in PAGE.blocks:
        if block.language == "python" and not block.file:
            folder.follow(block, PAGE.name)


def test_every_block_is_checked() -> None:
    """No block of the page is of a language that the tests above leave out."""
    unsaved = [block.language for block in PAGE.blocks if not block.file]
    assert set(unsaved) == {"console", "python", "toml"}

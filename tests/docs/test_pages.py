"""Every block of code in the pages does what the page says, and every link leads somewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Page, pages
from tests.docs.reader import Reader, reader

ELSEWHERE = ("README.zh-CN.md", "docs/reference/", "docs/writing-a-plugin.md", "docs/http-form.md", "CONTRIBUTING.md")
"""Pages whose blocks are those of another page, or signatures, or are executed by tests of their own."""
EXECUTED = [page for page in pages() if any(page.blocks) and not page.name.startswith(ELSEWHERE)]
SHOWN = {"console", "python", "yaml", "text", "mermaid", "json"}


@pytest.fixture
def anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """A reader who starts with nothing."""
    found = reader(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("SANDBOX_URL", "IPYY_ACCOUNT", "IPYY_PASSWORD"):
        monkeypatch.setenv(name, found.environment[name])
    yield found
    found.leave()


@pytest.mark.parametrize("page", EXECUTED, ids=lambda page: page.name)
def test_what_a_page_says_is_so(page: Page, anew: Reader) -> None:
    """Whoever does what the page says, from top to bottom, sees what it shows."""
    for block in page.blocks:
        anew.follow(block, page.name)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_blocks_have_a_language_that_is_checked(page: Page) -> None:
    """No block has a language that nobody executes, and none is without one."""
    assert page.text.count("\n```") == 2 * len(list(page.blocks)), "a fence without a language, or without its end"
    if page in EXECUTED:
        assert {block.language for block in page.blocks} <= SHOWN


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Page) -> None:
    """Each link within the project leads to a file, and to a heading of it where it names one."""
    lost = [link for link in page.links if "://" not in link and not _leads(page, link)]
    assert lost == []


def test_every_command_that_a_page_names_exists() -> None:
    """Each ``make …`` and ``notify …`` of the pages is a target of the Makefile, or a command."""
    text = "\n".join(page.text for page in pages() if page.name != "CHANGELOG.md")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
    commands = {heading for _, heading in Page("docs/reference/commands.md").headings}
    assert set(re.findall(r"(?:`|\$ )make ([a-z]+)", text)) <= targets
    assert {f"notify {name}" for name in re.findall(r"(?:`|\$ )notify ([a-z]+)", text)} <= commands


def _leads(page: Page, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (ROOT / page.name).parent / path if path else ROOT / page.name
    if not target.exists():
        return False
    return not anchor or anchor in Page(os.path.relpath(target, ROOT)).anchors

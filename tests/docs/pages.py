"""The pages of the documentation, and the blocks of code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: where it begins, its language, and the file that it is saved as (``python test_otp.py``)."""

    line: int
    language: str
    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page, by its path from the root."""

    name: str

    @property
    def text(self) -> str:
        """Its Markdown."""
        return (ROOT / self.name).read_text("utf-8")

    @property
    def blocks(self) -> Iterator[Block]:
        """Its fenced blocks, in order."""
        for found in _FENCE.finditer(self.text):
            line = self.text.count("\n", 0, found.start()) + 1
            yield Block(line, found[1], found[2] or "", found[3])

    @property
    def prose(self) -> str:
        """Its text without blocks."""
        return _CODE.sub("", self.text)

    @property
    def headings(self) -> list[tuple[int, str]]:
        """Its headings with their levels."""
        return [(len(marks), text) for marks, text in _HEADING.findall(self.prose)]

    @property
    def anchors(self) -> set[str]:
        """What links within the page may point at, as GitHub makes them from headings."""
        return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for _, text in self.headings}

    @property
    def links(self) -> list[str]:
        """Where its links point."""
        return _LINK.findall(self.prose)


def pages() -> list[Page]:
    """Every page of the project."""
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    return [Page(file.relative_to(ROOT).as_posix()) for file in sorted(files)]

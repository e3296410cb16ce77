"""What people are shown: sentences and tables, drawn with colour at a terminal, in plain columns anywhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO
from unicodedata import combining, east_asian_width

from notify_core.narration import words as words  # noqa: PLC0414 - what tables say of states

if TYPE_CHECKING:
    from rich.console import Console

# Control characters, and those that turn the direction of writing: what gateways and subscribers write could move the
# cursor, rename the window or disguise a line.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

_COLOURS = {
    "accepted": "green",
    "delivered": "green",
    "in doubt": "bold yellow",
    "rejected": "red",
    "undelivered": "red",
    "expired": "red",
    "low": "bold yellow",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings. A column that is empty in every row is left out."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def filled(self) -> list[list[str]]:
        """The headings and then the rows, as they are shown: without empty columns and control characters."""
        lines = [list(self.columns), *([printable(cell) for cell in row] for row in self.rows)]
        kept = [number for number in range(len(self.columns)) if any(line[number] for line in lines[1:])]
        return [[line[number] for number in kept] for line in lines]


Block = str | Table


def printable(text: str) -> str:
    r"""``text`` with its control characters written out, such as ``\x1b``."""
    return _CONTROL.sub(lambda character: character[0].encode("unicode_escape").decode(), text)


def plain(blocks: Sequence[Block]) -> str:
    """The blocks in columns padded with blanks, of any length: for pipes and files."""
    return "".join(f"{line}\n" for line in _paragraphs(blocks))


def drawn(blocks: Sequence[Block], stream: TextIO) -> str:
    """The blocks as the terminal behind ``stream`` shows them best: its width, its colours (none with NO_COLOR)."""
    console = _console(stream)
    with console.capture() as captured:
        for number, block in enumerate(blocks):
            if number and isinstance(block, Table):
                console.print()
            console.print(_rich_table(block) if isinstance(block, Table) else printable(block))
    return captured.get()


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False, emoji=False)


def _rich_table(table: Table) -> object:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    heading, *rows = table.filled()
    made = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", show_edge=False)
    for number, column in enumerate(heading):
        made.add_column(column, overflow="fold", no_wrap=number == 0)  # a name is copied from the first column
    for row in rows:
        made.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    return made


def _paragraphs(blocks: Sequence[Block]) -> Iterator[str]:
    for number, block in enumerate(blocks):
        if isinstance(block, str):
            yield printable(block)
            continue
        if number:
            yield ""
        yield from _columns(block.filled())


def _columns(lines: list[list[str]]) -> Iterator[str]:
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()


def _width(text: str) -> int:
    """The cells of a terminal that ``text`` takes."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)

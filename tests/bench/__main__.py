"""``make bench``: the figures that the project promises, as ratios taken in one run.

``--write`` puts the table into docs/performance.md. Exit code 1 where a figure misses its target.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import direct, footprint
from tests.bench.rounds import Row

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def measured(rounds: int) -> list[Row]:
    """Every row of the table."""
    console = Console(stderr=True)
    rows: list[Row] = []
    for name, measure in {
        "CPU per message": lambda: direct.cpu(rounds),
        "64 threads": lambda: direct.threads(max(3, rounds // 3)),
        "own share": lambda: footprint.own_share(rounds),
        "import and help": footprint.processes,
        "memory": footprint.memory,
    }.items():
        with console.status(f"measuring: {name}"):
            rows += measure()
    return rows


def _shown(rows: list[Row]) -> None:
    table = Table("measured", "figure", "target", "")
    for row in rows:
        table.add_row(row.name, row.figure, row.target, "kept" if row.kept else "[red]missed[/red]")
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _written(rows: list[Row]) -> None:
    cores = os.cpu_count()
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}, {cores} cores, Python {platform.python_version()}: `make bench`.",
        "",
    ]
    lines += ["| measured | figure | target | |", "|---|---|---|---|"]
    lines += [f"| {row.name} | {row.figure} | {row.target} | {'kept' if row.kept else 'missed'} |" for row in rows]
    page = PAGE.read_text("utf-8")
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    PAGE.write_text("\n".join([before + BEGIN, *lines, END + after]), "utf-8")


def main() -> int:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds a ratio is the median of")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    arguments = parser.parse_args()
    rows = measured(arguments.rounds)
    _shown(rows)
    if arguments.write:
        _written(rows)
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

"""``make bench``: the figures that the project promises, as ratios taken in one run.

``--only durable`` measures what has that in its name; ``--write`` puts the table into docs/performance.md.
Exit code 1 where a figure misses its target.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import direct, durable, footprint, peers
from tests.bench.rounds import Row

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def _measures(rounds: int) -> dict[str, Callable[[], list[Row]]]:
    """What can be measured, by name."""
    return {
        "CPU per message": lambda: direct.cpu(rounds),
        "64 threads": lambda: direct.threads(max(3, rounds // 3)),
        "own share": lambda: footprint.own_share(rounds),
        "import and help": footprint.processes,
        "memory": footprint.memory,
        "durable: distinct, SQLite": lambda: durable.distinct("sqlite", 3, rounds=5),
        "durable: distinct, PostgreSQL": lambda: durable.distinct("postgresql", 2, rounds=5),
        "durable: one text, SQLite": lambda: durable.one_text("sqlite", 20_000, rounds=10),
        "durable: one text, PostgreSQL": lambda: durable.one_text("postgresql", 10_000),
        "durable: history": durable.history,
        "durable: urgent, SQLite": lambda: durable.urgent("sqlite"),
        "durable: urgent, PostgreSQL": lambda: durable.urgent("postgresql"),
        "durable: idle, SQLite": lambda: durable.idle("sqlite"),
        "durable: idle, PostgreSQL": lambda: durable.idle("postgresql"),
    }


def measured(measures: Mapping[str, Callable[[], list[Row]]]) -> list[Row]:
    """The rows of the table."""
    console = Console(stderr=True)
    rows: list[Row] = []
    for number, (name, measure) in enumerate(measures.items(), 1):
        with console.status(f"measuring ({number} of {len(measures)}): {name}"):
            rows += measure()
    return rows


def _shown(rows: list[Row]) -> None:
    table = Table("measured", "figure", "target", "")
    for row in rows:
        table.add_row(row.name, row.figure, row.target, _verdict(row).replace("missed", "[red]missed[/red]"))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _verdict(row: Row) -> str:
    """Whether it keeps to its target, if it has one."""
    return ("kept" if row.kept else "missed") if row.target else ""


def _written(rows: list[Row]) -> None:
    cores = os.cpu_count()
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}, {cores} cores, Python {platform.python_version()}: `make bench`.",
        "",
    ]
    lines += ["| measured | figure | target | |", "|---|---|---|---|"]
    lines += [f"| {row.name} | {row.figure} | {row.target} | {_verdict(row)} |" for row in rows]
    page = PAGE.read_text("utf-8")
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    PAGE.write_text("\n".join([before + BEGIN, *lines, END + after]), "utf-8")


def main() -> int:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds a ratio is the median of")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--only", metavar="WORDS", default="", help="measure only what has these words in its name")
    parser.add_argument("--peers", action="store_true", help="also what others make of it, where they are installed")
    arguments = parser.parse_args()
    every = _measures(arguments.rounds) | ({"peers": peers.compared} if arguments.peers else {})
    measures = {name: run for name, run in every.items() if arguments.only in name}
    if not measures or (arguments.write and arguments.only):
        parser.error(f"--only has no --write, and is one of: {'; '.join(every)}")
    rows = measured(measures)
    _shown(rows)
    if arguments.write:
        _written(rows)
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

"""``make chaos``: what is promised about durable delivery, tried amid everything that can go wrong.

``--seed`` repeats the schedule of an earlier run. Exit code 1 where something was found that must not be.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.chaos.databases import DATABASES
from tests.chaos.run import Outcome, run
from tests.chaos.troubles import FULL, SHORT, Size

SHOWN = 20
"""So many findings are shown of each database."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, and say whether all was well."""
    options = _options(arguments)
    size = replace(
        SHORT if options.short else FULL, **({"deliveries": options.deliveries} if options.deliveries else {})
    )
    logging.getLogger("notify").addHandler(logging.NullHandler())
    logging.getLogger("notify").propagate = False  # what goes wrong on purpose would hide the bars
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(f"seed {options.seed}: {size.deliveries:,} deliveries on {' and '.join(options.databases)}")
    outcomes = _all(options.databases, options.seed, size, at_once=options.short)
    _show(console, outcomes)
    return 1 if any(outcome.findings for outcome in outcomes) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--short", action="store_true", help="a small run of half a minute")
    parser.add_argument("--deliveries", type=int, default=0)
    parser.add_argument("--databases", nargs="+", choices=sorted(DATABASES), default=sorted(DATABASES))
    return parser.parse_args(arguments)


def _all(databases: Sequence[str], seed: int, size: Size, *, at_once: bool) -> list[Outcome]:
    columns = (TextColumn("{task.fields[database]:>10}"), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bars:

        def one(database: str) -> Outcome:
            bar = bars.add_task("setting up", total=1.0, database=database)
            return run(database, seed, size, lambda doing, share: bars.update(bar, description=doing, completed=share))

        with ThreadPoolExecutor(len(databases) if at_once else 1) as pool:
            return list(pool.map(one, databases))


def _show(console: Console, outcomes: Sequence[Outcome]) -> None:
    table = Table("", *(outcome.database for outcome in outcomes))
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.figures)
    for name in names:
        table.add_row(name, *(outcome.figures.get(name, "0") for outcome in outcomes))
    console.print(table)
    for outcome in outcomes:
        for finding in outcome.findings[:SHOWN]:
            console.print(f"{outcome.database}: {finding.kind}: {finding.words}", markup=False, highlight=False)
        if outcome.findings:
            console.print(
                f"{outcome.database}: {len(outcome.findings)} found; make chaos SEED={outcome.seed} repeats it"
            )


if __name__ == "__main__":
    sys.exit(main())

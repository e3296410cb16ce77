"""Measuring contenders side by side: interleaved rounds, and ratios that are taken within each round.

Machines are noisy and differ; a ratio of two things measured within the same second hardly does.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

Call = Callable[[int], object]
"""One unit of work; the number is different each time."""


@dataclass(frozen=True)
class Row:
    """One line of the printed table: what was measured, the figure, and what it has to keep to."""

    name: str
    figure: str
    target: str
    kept: bool


def interleaved(contenders: Mapping[str, Call], *, rounds: int, calls: int) -> dict[str, list[float]]:
    """The CPU seconds of this thread per call, for each contender and round; the contenders take turns."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    number = 0
    for _ in range(rounds + 1):
        for name, call in contenders.items():
            started = time.thread_time()
            for _ in range(calls):
                number += 1
                call(number)
            found[name].append((time.thread_time() - started) / calls)
    return {name: times[1:] for name, times in found.items()}  # the first round warms up


def ratio(times: Mapping[str, list[float]], name: str, base: str) -> float:
    """The median of the rounds' own ratios of ``name`` to ``base``."""
    return median(mine / theirs for mine, theirs in zip(times[name], times[base], strict=True))


def below(name: str, figure: float, most: float, unit: str = "", note: str = "") -> Row:
    """A row whose figure has to stay at or below ``most``."""
    return Row(name, f"{figure:.2f}{unit}{note}", f"≤ {most:g}{unit}", figure <= most)


def above(name: str, figure: float, least: float, unit: str = "", note: str = "") -> Row:
    """A row whose figure has to reach ``least``."""
    return Row(name, f"{figure:.2f}{unit}{note}", f"≥ {least:g}{unit}", figure >= least)


def process_cpu(*arguments: str, runs: int = 9) -> float:
    """The median CPU seconds, user and system, that a process of this Python takes with ``arguments``.

    It begins as at a user's: with modules that are compiled, as pip leaves them.
    """
    _cpu_of_one(arguments)
    return median(_cpu_of_one(arguments) for _ in range(runs))


def _cpu_of_one(arguments: tuple[str, ...]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100", "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

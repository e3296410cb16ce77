"""The short form of ``make chaos``, on both databases at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEED = "1"


def test_nothing_is_lost_doubled_or_unexplained() -> None:
    """Workers die, gateways misbehave, databases go away and clocks jump: the gateways' record and the store agree."""
    command = [sys.executable, "-m", "tests.chaos", "--short", "--seed", SEED]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/plugins"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    assert "found: doubles" in done.stdout

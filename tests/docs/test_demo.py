"""``make demo`` shows what it says."""

from __future__ import annotations

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from docs.examples.demo import SCENES, Stage
from notify_core.sandbox import LocalGateway
from tests.docs.pages import ROOT

DEMO = ROOT / "docs/examples/demo.py"


def test_the_demo_ends_well() -> None:
    """Piped, the demo tells every scene in plain text, says nothing on stderr, and ends with exit code 0."""
    done = subprocess.run([sys.executable, DEMO], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert done.stdout.count("\n\n") == len(SCENES)
    assert "All as told" in done.stdout


def test_the_demo_fails_loudly(tmp_path: Path) -> None:
    """What is not as told ends the demo with exit code 1 and the sentence that is not so."""
    console = Console(file=StringIO(), width=80)
    with pytest.raises(SystemExit) as ended:
        Stage(console, LocalGateway(), tmp_path).must("The gateway has it once.", holds=False)
    assert ended.value.code == 1
    assert isinstance(console.file, StringIO)
    assert "not so: The gateway has it once." in console.file.getvalue()

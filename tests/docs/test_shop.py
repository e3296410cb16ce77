"""The example shop, ``make shop``, as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "docs/examples/shop/run.py"


def worker_of(shop: int) -> int:
    """The process of the shop's worker."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)  # noqa: S607 - as the PATH has it
    found = [line.split() for line in listed.stdout.splitlines()]
    (worker,) = [int(pid) for pid, parent, *command in found if parent == str(shop) and "worker" in command]
    return worker


def test_a_shop_whose_worker_died_closes(tmp_path: Path) -> None:
    """It says which program ended by itself, ends the others and exits with 1."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
    command = [sys.executable, str(SHOP), "--free-ports"]
    with subprocess.Popen(  # noqa: S603 - a program of this project
        command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as shop:
        try:
            assert shop.stdout is not None
            assert any(line.startswith("The shop is open") for line in shop.stdout)
            os.kill(worker_of(shop.pid), signal.SIGKILL)
            _, err = shop.communicate(timeout=60)
        finally:
            shop.send_signal(signal.SIGINT)  # no more than a wish where it has ended
    assert shop.returncode == 1
    assert "The worker ended by itself, so the shop is closed." in err
    assert "Traceback" not in err

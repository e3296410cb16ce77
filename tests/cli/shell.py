"""Somebody at the command line: in this process where that is enough, in one of its own, or at a terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

from typer.testing import CliRunner

from notify_core.cli.app import app

PASSWORD = "sandbox-secret"
PASSWORD_MD5 = md5(PASSWORD.encode(), usedforsecurity=False).hexdigest()
TEXT = "您的验证码：1439"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    def __post_init__(self) -> None:
        for written in (self.out, self.err):
            assert PASSWORD not in written
            assert PASSWORD_MD5 not in written.lower()
            assert "Traceback" not in written


def notify(*args: str, typed: str = "") -> Ended:
    """Run a command in this process; neither output is a terminal."""
    result = CliRunner().invoke(app, args, input=typed, prog_name="notify")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return Ended(result.exit_code, result.stdout, result.stderr)


def process(*args: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start ``python -m notify_core`` with pipes."""
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "notify_core", *args],
        env=_environment(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[bytes]) -> Ended:
    """Wait for a process."""
    out, err = process.communicate(timeout=60)
    return Ended(process.returncode, out.decode("utf-8"), err.decode("utf-8"))


@contextmanager
def running(*args: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command that works until it is told to end; it is ended when the block ends however it ends."""
    started = process(*args)
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.wait()


def stopped(started: subprocess.Popen[bytes], by: signal.Signals = signal.SIGTERM) -> Ended:
    """How a command ended that was told to."""
    started.send_signal(by)
    return ended(started)


def at_terminal(*args: str, answers: tuple[tuple[str, str], ...] = (), **environment: str) -> Ended:
    """Run a command at a terminal of 100 columns; ``answers`` are typed once the words before them have appeared."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "notify_core", *args]
    environment = {"TERM": "xterm-256color", "COLUMNS": "100", **environment}
    with subprocess.Popen(  # noqa: S603 - our own command
        command, env=_environment(environment), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as started:
        os.close(theirs)
        shown = _talk(ours, list(answers))
        os.close(ours)
    return Ended(started.returncode, shown, "")


def _talk(ours: int, answers: list[tuple[str, str]]) -> str:
    shown = b""
    seen = 0
    while chunk := _read(ours):
        shown += chunk
        while answers and (at := shown.find(answers[0][0].encode(), seen)) >= 0:
            seen = at + len(answers[0][0].encode())
            os.write(ours, answers.pop(0)[1].encode())
    return shown.decode("utf-8")


def _read(ours: int) -> bytes:
    try:
        return os.read(ours, 65536)
    except OSError:  # Linux answers EIO once nobody holds the other end
        return b""


def _environment(more: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "NOTIFY_DEBUG", "COLUMNS")}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")]), **more}

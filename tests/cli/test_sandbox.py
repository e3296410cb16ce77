"""``notify sandbox``."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from notify_core.sandbox import KINDS, LocalGateway
from tests.cli.shell import TEXT, ended, notify, process

NUMBER = "13800000001"


@contextmanager
def running(*args: str) -> Iterator[tuple[str, Callable[[], str], subprocess.Popen[bytes]]]:
    """The command on a free port: its introduction, its next line, and its process."""
    started = process("sandbox", "--port", "0", *args)
    assert started.stdout is not None

    def line() -> str:
        assert started.stdout is not None
        return started.stdout.readline().decode()

    try:
        introduction = ""
        while not introduction.endswith("accepts:\n"):
            introduction += line()
        yield introduction, line, started
    finally:
        started.kill()
        started.communicate()


def test_what_it_prints_is_a_configuration_that_works(folder: Path) -> None:
    """What the sandbox prints, saved as it is, sends by each path; texts and numbers are masked; Ctrl-C ends with 0."""
    with running("--fault", "smsJson.aspx:503:times=1") as (introduction, line, started):
        (folder / "notify.yaml").write_text(introduction, "utf-8")
        assert notify("send", "--to", NUMBER, "--text", TEXT, "--via", "clinic.json").code == 1
        assert notify("check", "--live").code == 0
        assert notify("send", "--to", NUMBER, "--text", TEXT).code == 0
        taken = line()
        assert "to 138****0001: <14 characters>" in taken
        assert "1439" not in taken
        started.send_signal(signal.SIGINT)
        assert (started.wait(timeout=30), started.communicate()[1]) == (0, b"")


def test_texts_are_shown_on_request(folder: Path) -> None:
    """With --show-texts the sandbox shows texts and numbers whole, those of an MMS too; SIGTERM ends it with 0."""
    with running("--show-texts") as (introduction, line, started):
        (folder / "notify.yaml").write_text(introduction, "utf-8")
        (folder / "1.txt").write_text("您好", "utf-8")
        notify("send", "--to", NUMBER, "--text", TEXT)
        assert f"to {NUMBER}: {TEXT}" in line()
        assert notify("mms", "--to", NUMBER, "--subject", "照片", "--route", "pictures", "1.txt").code == 0
        assert "照片" in line()
        started.send_signal(signal.SIGTERM)
        assert started.wait(timeout=30) == 0


def test_a_port_that_is_taken_is_misuse(gateway: LocalGateway) -> None:
    """Where another program listens on the port, the command ends with 2 and advice."""
    shown = ended(process("sandbox", "--port", gateway.url.rpartition(":")[2]))
    assert shown.code == 2
    assert shown.err.startswith("cannot listen on 127.0.0.1:")
    assert "choose another port" in shown.err


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("smsJson.aspx", "expected ENDPOINT:KIND"),
        ("smsJson.aspx:cut-afer", "no kind of fault 'cut-afer'; did you mean 'cut-after'?"),
        ("smsJsn.aspx:cut-after", "did you mean 'smsJson.aspx'?"),
        ("smsJson.aspx:cut-after:times=x", "times"),
    ],
)
def test_a_fault_that_cannot_be_is_misuse(fault: str, words: str) -> None:
    """A fault that is written wrongly ends the command with 2 before it listens."""
    shown = notify("sandbox", "--port", "0", "--fault", fault)
    assert shown.code == 2
    assert words in shown.err


def test_the_kinds_of_faults_are_listed() -> None:
    """--list-faults tells each kind with its meaning."""
    shown = notify("sandbox", "--list-faults")
    assert shown.code == 0
    assert all(f"{name}  " in shown.out and kind.meaning in shown.out for name, kind in KINDS.items())

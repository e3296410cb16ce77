"""Commands in processes of their own: at a terminal, in pipes that break, under other locales, and interrupted."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from notify_core.sandbox import LocalGateway
from notify_core.testing import sandbox
from tests.cli.conftest import configuration
from tests.cli.shell import TEXT, at_terminal, ended, process

A, B, C = "13800000001", "13800000002", "13800000003"
ESCAPE = "\x1b["


def test_a_terminal_gets_colour_and_a_pipe_does_not(gateway: LocalGateway) -> None:
    """At a terminal states have colours; in a pipe there is neither a control character nor a tab."""
    args = ("send", "--to", A, "--text", TEXT)
    shown, piped = at_terminal(*args), ended(process(*args))
    assert (shown.code, piped.code) == (0, 0)
    assert f"{ESCAPE}32maccepted" in shown.out
    assert ESCAPE not in piped.out
    assert "\t" not in piped.out
    assert len(gateway.received) == 2


def test_many_recipients_have_a_progress_bar(gateway: LocalGateway, folder: Path) -> None:
    """At a terminal a long list of recipients shows how far it is; NO_COLOR takes the colours away."""
    (folder / "to.txt").write_text("\n".join(f"138{number:08}" for number in range(600)), "utf-8")
    shown = at_terminal("send", "--to-file", "to.txt", "--text", TEXT, NO_COLOR="1")
    assert shown.code == 0
    assert "Sending" in shown.out
    assert "/600" in shown.out
    assert f"{ESCAPE}32m" not in shown.out
    assert len(gateway.received) == 2


def test_enqueueing_a_file_shows_what_it_does(outbox: LocalGateway, folder: Path) -> None:
    """At a terminal it says that it reads, then how many it enqueues; nothing leaves."""
    (folder / "to.txt").write_text("\n".join(f"138{number:08}" for number in range(600)), "utf-8")
    shown = at_terminal("send", "--enqueue", "--to-file", "to.txt", "--text", TEXT)
    assert shown.code == 0
    assert shown.out.index("reading the recipients") < shown.out.index("enqueueing 600 deliveries")
    assert "Enqueued for 600 recipients: message 1, deliveries 2 to 601." in shown.out
    assert outbox.received == []


@pytest.mark.parametrize(
    ("stop", "code", "word"), [(signal.SIGINT, 130, "Interrupted."), (signal.SIGTERM, 143, "Terminated.")]
)
def test_an_interrupted_send_tells_what_became_of_whom(
    folder: Path, stop: signal.Signals, code: int, word: str
) -> None:
    """Ctrl-C ends with 130, SIGTERM with 143, and both say who was accepted, who is in doubt, and who not sent to."""
    with sandbox(listener=lambda _: gateway.fault("sms.aspx:delay-after:seconds=60")) as gateway:
        (folder / "notify.yaml").write_text(configuration(gateway.url), "utf-8")
        started = process("send", "--to", A, B, C, "--text", TEXT, "--via", "single.xml", "--json")
        gateway.wait(2, within=60)
        started.send_signal(stop)
        shown = ended(started)
    found = [(each["recipient"], each["state"]) for each in json.loads(shown.out)["deliveries"]]
    assert shown.code == code
    assert found == [(f"+86{A}", "accepted"), (f"+86{B}", "in_doubt"), (f"+86{C}", "rejected")]
    assert shown.err.startswith(word)
    assert "Do not send it again" in shown.err


def test_a_reader_that_goes_away_changes_no_exit_code(gateway: LocalGateway) -> None:
    """Where the reader of a pipe has gone, the command says nothing, and its exit code is that of what it did."""
    gateway.account(black_list=[A])
    started = process("send", "--to", A, "--text", TEXT)
    assert started.stdout is not None
    started.stdout.close()
    _, err = started.communicate(timeout=60)
    assert started.returncode == 1
    assert "BrokenPipe" not in err.decode()


@pytest.mark.usefixtures("gateway")
def test_output_is_utf8_under_any_locale() -> None:
    """Output is UTF-8 where the locale has no encoding for it."""
    shown = ended(process("check", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"))
    assert shown.code == 0
    assert "【腾飞】" in shown.out

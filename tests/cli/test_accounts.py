"""``notify balance``, ``reports``, ``inbound`` and ``password``."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest

from notify_core.cli import terminal
from notify_core.sandbox import LocalGateway
from tests.cli.conftest import configuration
from tests.cli.shell import TEXT, at_terminal, ended, notify, process

NUMBER = "13800000001"


def test_a_balance_is_told(gateway: LocalGateway) -> None:
    """The balance of an account is shown with how it is paid."""
    gateway.account(credit=1234)
    ended = notify("balance", "clinic")
    assert (ended.code, ended.err) == (0, "")
    assert "1,234" in ended.out
    assert "prepaid" in ended.out


@pytest.mark.usefixtures("gateway")
def test_without_a_name_every_account_is_asked() -> None:
    """One account that cannot be asked hides no other one, and ends the command with 1."""
    ended = notify("balance", "--json")
    found = {each["name"]: each for each in json.loads(ended.out)["balances"]}
    assert (ended.code, list(found)) == (1, ["clinic", "single", "mistaken", "dead"])
    assert (found["clinic"]["units"], found["clinic"]["error"]) == (10_000, None)
    assert found["mistaken"]["error"]["scope"] == "account"
    assert "Check the account" in notify("balance").out


@pytest.mark.parametrize("command", ["balance", "reports", "inbound", "password"])
@pytest.mark.usefixtures("gateway")
def test_an_unknown_account_is_misuse(command: str) -> None:
    """The name of an account that there is not ends with 2 and the nearest right one."""
    ended = notify(command, "clinik")
    assert ended.code == 2
    assert "no account 'clinik'; did you mean 'clinic'?" in ended.err


@pytest.mark.usefixtures("gateway")
def test_what_a_path_cannot_do_is_misuse() -> None:
    """A path that is asked for what it does not have ends with 2 and what it has."""
    ended = notify("inbound", "clinic.mms")
    assert ended.code == 2
    assert "clinic.mms cannot fetch inbound messages; it has" in ended.err


def test_reports_are_handed_over_whole(gateway: LocalGateway) -> None:
    """Reports are shown with whole numbers, since the gateway does not hand them out again."""
    assert notify("send", "--to", NUMBER, "--text", TEXT).code == 0
    gateway.settle()
    ended = notify("reports", "clinic", "--json")
    (report,) = json.loads(ended.out)["reports"]
    assert (ended.code, report["recipient"], report["state"]) == (0, f"+86{NUMBER}", "delivered")
    assert report["task_id"] == gateway.received[0]["task_id"]
    assert notify("reports", "clinic").out == "No reports are waiting for clinic.\n"


def test_reports_of_one_submission(gateway: LocalGateway) -> None:
    """--task-id fetches the reports of that submission, and leaves the others."""
    notify("send", "--to", NUMBER, "--text", TEXT)
    notify("send", "--to", NUMBER, "--text", TEXT)
    gateway.settle()
    _, second = (taken["task_id"] for taken in gateway.received)
    found = json.loads(notify("reports", "clinic", "--task-id", second, "--json").out)["reports"]
    assert [report["task_id"] for report in found] == [second]


def test_inbound_messages_are_shown_without_control_characters(gateway: LocalGateway) -> None:
    """What a subscriber wrote is shown, but cannot move the cursor of the terminal that shows it."""
    gateway.inbound(sender=NUMBER, text="退订\x1b[2J\n谢谢")
    ended = notify("inbound", "clinic")
    assert ended.code == 0
    assert f"+86{NUMBER}" in ended.out
    assert r"退订\x1b[2J\n谢谢" in ended.out


def test_an_answer_that_cannot_be_read_is_kept(gateway: LocalGateway, folder: Path) -> None:
    """An unreadable answer to a pull is in doubt, and its bytes are in a file that only its owner reads."""
    gateway.inbound(sender=NUMBER, text="退订")
    gateway.fault("callJsonApi.aspx:half:times=1")
    ended = notify("inbound", "clinic", "--json")
    (kept,) = folder.glob("notify-unreadable-*.bin")
    assert ended.code == 3
    assert kept.name in ended.err
    assert kept.name in json.loads(ended.out)["error"]["notes"][0]
    assert kept.read_bytes().startswith(b'{"error":"1"')
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_pull_without_an_answer_is_in_doubt(gateway: LocalGateway) -> None:
    """Where the answer to a pull is lost, what was in it may be: that is said, and the exit code is 3."""
    gateway.fault("statusJsonApi.aspx:cut-after")
    ended = notify("reports", "clinic")
    assert ended.code == 3
    assert "may have handed something out that did not arrive here" in ended.err


def test_what_cannot_be_shown_is_kept(gateway: LocalGateway, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that were fetched and cannot be written to stdout are kept in a file."""
    gateway.inbound(sender=NUMBER, text="退订")
    monkeypatch.setattr(terminal, "show", lambda *_: False)
    notify("inbound", "clinic")
    (kept,) = folder.glob("notify-unshown-*.json")
    assert json.loads(kept.read_text("utf-8"))["inbound"][0]["text"] == "退订"


def test_a_password_is_changed(gateway: LocalGateway) -> None:
    """The new password comes from stdin, works, is not shown, and the line to change is named."""
    ended = notify("password", "clinic", "--stdin", typed="another-one\n")
    assert (ended.code, ended.err) == (0, "")
    assert "notify.yaml:8" in ended.out
    assert "another-one" not in ended.out
    assert gateway.account().password == "another-one"
    assert notify("balance", "clinic").code == 1


def test_a_password_is_asked_for_twice_at_a_terminal(gateway: LocalGateway) -> None:
    """At a terminal the new password is typed twice, and never seen."""
    answers = (
        ("New password of clinic: ", "another-one\n"),
        ("The same again: ", "another-on\n"),
        ("New password of clinic: ", "another-one\n"),
        ("The same again: ", "another-one\n"),
    )
    ended = at_terminal("password", "clinic", answers=answers)
    assert ended.code == 0
    assert "another-on" not in ended.out
    assert gateway.account().password == "another-one"


@pytest.mark.parametrize(
    ("typed", "words"),
    [("", "on one line"), ("one\ntwo\n", "on one line"), ("x" * 21, "has 21 characters: ipyy takes 1 to 20")],
)
def test_a_password_that_cannot_be_is_refused(gateway: LocalGateway, typed: str, words: str) -> None:
    """A password that is empty, longer than a line, or than the provider takes, is refused before anything is asked."""
    before = gateway.account().password
    ended = notify("password", "clinic", "--stdin", typed=typed)
    assert ended.code == 2
    assert words in ended.err
    assert gateway.account().password == before


@pytest.mark.usefixtures("gateway")
def test_a_password_is_not_asked_for_without_a_terminal() -> None:
    """Where there is no terminal to ask at, --stdin is advised."""
    ended = notify("password", "clinic", typed="another-one\n")
    assert ended.code == 2
    assert "--stdin" in ended.err


def test_a_password_in_doubt_ends_with_3(gateway: LocalGateway) -> None:
    """Where the answer to a change of password is lost, either may be valid: that is said, with a way to find out."""
    gateway.fault("pwd.aspx:cut-after")
    ended = notify("password", "clinic", "--stdin", typed="another-one")
    assert ended.code == 3
    assert "either password of 'clinic' may be valid" in ended.err
    assert "another-one" not in ended.err


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("password", "clinic", "--stdin"), "In doubt: either password of 'clinic' may be valid now."),
        (("reports", "clinic"), "In doubt: the gateway may have handed something out"),
        (("balance", "clinic"), ""),
    ],
)
def test_who_interrupts_a_question_is_told_the_doubt(
    command: tuple[str, ...], words: str, stop: signal.Signals, code: int, folder: Path
) -> None:
    """Ctrl-C and SIGTERM have exit codes of their own, and what may have had an effect says so."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        (folder / "notify.yaml").write_text(configuration(f"http://127.0.0.1:{silent.getsockname()[1]}"), "utf-8")
        started = process(*command)
        assert started.stdin is not None
        with started.stdin as typed:
            typed.write(b"another-secret\n")
        started.stdin = None
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1)
            started.send_signal(stop)
            shown = ended(started)
    assert (shown.code, shown.out) == (code, "")
    assert shown.err.startswith(words)

"""What all commands do alike: arguments, help, and how they end on an error."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest
from typer.main import get_command

from notify_core.cli import catalogue, exits
from notify_core.cli.app import SECTIONS, app
from notify_core.cli.command import Family, name_of, spread
from notify_core.cli.logs import listen
from notify_core.errors import ConfigError, Fault, InvalidMessage, Retry, Scope, SendError, Sent, Unsupported
from tests.cli.shell import notify

ENTRIES = [entry for entries in SECTIONS.values() for entry in entries]
COMMANDS = [
    *((name_of(entry),) for entry in ENTRIES if not isinstance(entry, Family)),
    *(
        (entry.name, name_of(function))
        for entry in ENTRIES
        if isinstance(entry, Family)
        for function in entry.functions
    ),
]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--to", "a", "b", "--text", "t"], ["--to", "a", "--to", "b", "--text", "t"]),
        (["--to=a", "b"], ["--to=a", "--to", "b"]),
        (["--to", "a", "--to", "b"], ["--to", "a", "--to", "b"]),
        (["--text", "t", "x"], ["--text", "t", "x"]),
        (["--to", "a", "-"], ["--to", "a", "--to", "-"]),
    ],
)
def test_a_repeatable_option_takes_several_values(args: list[str], expected: list[str]) -> None:
    """``--to A B`` is read as ``--to A --to B``, other options keep their one value."""
    assert spread(args, {"--to"}) == expected


def test_help_lists_every_command_in_a_section() -> None:
    """``notify --help`` names each command under its section, and what the exit codes mean."""
    shown = notify("--help")
    assert shown.code == 0
    for section in SECTIONS:
        assert f"{section}:" in shown.out
    lines = [line.split() for line in shown.out.splitlines()]
    assert all(any(line[:1] == [name_of(entry)] for line in lines) for entry in ENTRIES)
    assert "    3    in doubt" in shown.out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_an_example_and_every_option_its_help(command: tuple[str, ...]) -> None:
    """The help of a command has an example on a line of its own, and no option without a word."""
    shown = notify(*command, "--help")
    assert shown.code == 0
    assert f"\n    notify {' '.join(command)}" in shown.out
    parsed: Any = get_command(app)
    for word in command:
        parsed = parsed.commands[word]
    assert [param.name for param in parsed.params if not param.help] == []


@pytest.mark.parametrize("family", [entry for entry in ENTRIES if isinstance(entry, Family)], ids=name_of)
def test_a_family_lists_its_commands(family: Family) -> None:
    """``notify outbox --help`` and ``notify outbox`` alone list the commands, each with a whole sentence."""
    shown, alone = notify(family.name, "--help"), notify(family.name)
    assert (shown.code, alone.code) == (0, 2)
    for function in family.functions:
        assert f"  {name_of(function)} " in shown.out
    assert "..." not in shown.out.partition("Commands:")[2]
    assert "Commands:" in alone.out + alone.err


def test_help_imports_nothing_that_only_commands_need() -> None:
    """``notify --help`` comes without the core's settings, HTTP, pluggy and rich: importing these takes longer."""
    program = (
        "import sys; from notify_core.cli import main\n"
        "sys.argv[1:] = ['--help']\n"
        "try: main()\n"
        "finally: print([name for name in sys.modules if name in"
        " {'pydantic', 'requests', 'sqlalchemy', 'pluggy', 'rich', 'zeep', 'phonenumbers', 'notify_core.notifier'}])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)  # noqa: S603
    assert shown.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError([Fault("notify.yaml", 1, "", "wrong")]), 2),
        (InvalidMessage("wrong"), 2),
        (Unsupported("cannot"), 2),
        (exits.Misuse("wrong"), 2),
        (SendError("refused", sent=Sent.NO), 1),
        (SendError("no answer", sent=Sent.UNKNOWN), 3),
        (KeyError("bug"), 1),
    ],
)
def test_every_error_has_its_exit_code(error: Exception, code: int) -> None:
    """Wrong usage and configuration end with 2, refusals and defects with 1, doubts with 3."""
    assert exits.code(error) == code


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ({"retry": Retry.NOW}, "It broke. Try again."),
        ({"retry": Retry.LATER}, "It broke. Try again later."),
        ({"retry": Retry.LATER, "after": 0.2}, "It broke. Try again in 1 s."),
        ({"retry": Retry.LATER, "after": 7000.0}, "It broke. Try again in 117 minutes."),
        ({"retry": Retry.LATER, "after": 80_000.0}, "It broke. Try again in 23 hours."),
        *(({"scope": scope}, "It broke. ") for scope in Scope),
        ({"retry": Retry.LATER, "scope": Scope.ACCOUNT}, "It broke. Top up the account"),
        ({"retry": Retry.LATER, "code": "HTTP 401"}, "It broke (HTTP 401). Check account and password"),
        ({"retry": Retry.LATER, "code": "HTTP 403"}, "It broke (HTTP 403). Check base_url, and with the provider"),
        ({"retry": Retry.LATER, "code": "HTTP 404"}, "It broke (HTTP 404). Check base_url"),
        ({"code": "HTTP 413"}, "It broke (HTTP 413). Make the parts smaller"),
        ({"retry": Retry.LATER, "code": "HTTP 403", "after": 9.0}, "It broke (HTTP 403). Try again in 9 s."),
    ],
)
def test_every_verdict_has_its_advice(verdict: dict[str, Any], words: str) -> None:
    """A failed request is told with what to do next."""
    assert exits.advised(SendError("It broke", **verdict)).startswith(words)


def test_a_defect_ends_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of the program ends with 1 and one line: where it is, how to see more, and nothing of its text."""
    monkeypatch.setattr(catalogue, "entries", _defect)
    shown = notify("plugins")
    assert (shown.code, shown.out) == (1, "")
    assert shown.err.startswith("notify failed by a defect of its own (KeyError at test_command.py:")
    assert "NOTIFY_DEBUG=1" in shown.err
    assert "a secret" not in shown.err


def test_the_traceback_is_there_for_the_asking(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With NOTIFY_DEBUG the traceback of an error is shown too."""
    monkeypatch.setenv("NOTIFY_DEBUG", "1")
    exits.report(_raised(), as_json=False)
    assert "in _defect" in capsys.readouterr().err


def test_a_failing_listener_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What the library logs as an error is one line on stderr; warnings are not repeated there."""
    listen()
    log = logging.getLogger("notify")
    log.warning("failed over")
    log.error("listener failed", exc_info=_raised())
    assert capsys.readouterr().err == "listener failed (KeyError); NOTIFY_DEBUG=1 shows the traceback\n"


def test_the_version_is_shown() -> None:
    """``notify --version`` names the version."""
    assert notify("--version").out.startswith("notify 0.")


@pytest.mark.parametrize("args", [["snd"], ["--nope"], ["balance", "a", "b"], ["sandbox", "--port", "x"]])
def test_wrong_usage_ends_with_2(args: list[str]) -> None:
    """A command, option or value that there is not ends with 2."""
    shown = notify(*args)
    assert shown.code == 2
    assert "Error: " in shown.err


def _defect() -> None:
    raise KeyError("a secret")


def _raised() -> KeyError:
    try:
        _defect()
    except KeyError as error:
        return error
    raise AssertionError

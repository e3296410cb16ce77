"""A reader who does what a page says, from top to bottom, in a folder of their own.

``console`` blocks are typed at a shell, and what they print must be what the page shows: there ``…`` stands for
anything, a line of ``…`` for any lines; task ids, times and ports may differ. ``python`` blocks are executed one after
the other in one namespace. ``yaml`` blocks must work, a part of a configuration on top of config/sandbox.yaml. A block
that names a file (``python test_otp.py``) is saved as that.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import yaml
from typer.testing import CliRunner

from notify_core.cli.app import app
from notify_core.config import load_config
from tests.docs.pages import ROOT, Block

GATEWAY, RECEIVER, SHOP_AT = (f"http://127.0.0.1:{port}" for port in (8025, 8026, 8000))  # as the pages write them
SHOP = f"{sys.executable} docs/examples/shop/run.py --free-ports"
PATIENCE = 30.0
"""Seconds after which what a page shows does not come."""
NOT_TYPED = ("make setup", "make test", "make bench", "git clone", "pip install", "cd ")
"""What has its effect already where the tests run, or would run them again."""

_SHELLS = re.compile(r"[|<>;&$*`()]")

_UNSTEADY = (
    (re.compile(r"\b\d{16}\b"), "<task>"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "<date>"),
    (re.compile(r"\d\d:\d\d:\d\d(\.\d+)?"), "<time>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<gateway>"),
    (re.compile(r"\d+\.\d+ ?s\b|\"seconds\": [\d.]+"), "<seconds>"),
    (re.compile(r"─+| {2,}"), "  "),
)


@dataclass(frozen=True)
class Program:
    """A command that goes on in the background, on free ports: by what in its output it is ready, and where it is.

    ``addresses``: as the pages write them, with the pattern that finds the real ones.
    """

    ready: str
    options: tuple[str, ...]
    addresses: Mapping[str, str]


_ANY = r"(http://127\.0\.0\.1:\d+)"
SANDBOX = Program("# Submissions that it accepts:\n", ("--port", "0"), {GATEWAY: _ANY})
PROGRAMS: Mapping[str, Program] = {
    "notify sandbox": SANDBOX,
    "notify serve": Program("Serving ", ("--port", "0"), {RECEIVER: _ANY}),
    "notify worker": Program("Sending ", (), {}),
    "make shop": Program("The shop is open", (), {GATEWAY: f"SANDBOX_URL={_ANY}", SHOP_AT: f"open at {_ANY}"}),
}
_ENDS = ("--help", "--list-faults")
_LOOKS = ("notify outbox list", "notify outbox show", "notify optout list", "notify store check", "curl http")
"""What only looks, and so is repeated until what runs in the background has brought about what the page shows."""


@dataclass
class Reader:
    """``folder`` holds a copy of config/ and of the examples; ``environment`` is what commands see."""

    folder: Path
    environment: dict[str, str]
    namespace: dict[str, Any] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    exit_code: int = 0
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def follow(self, block: Block, page: str) -> None:
        """Do what a block says."""
        if block.language == "console":
            self._type_all(block.text)
            return
        text = self._here(block.text)
        if block.file:
            (self.folder / block.file).write_text(text, "utf-8")
        if block.language == "python" and not block.file and not _is_excerpt(text):
            exec(compile(text, f"{page}:{block.line}", "exec"), self.namespace)  # noqa: S102 - a page of this project
        if block.language == "yaml":
            self._configure(text)

    def leave(self) -> None:
        """Stop what still runs."""
        for program in PROGRAMS.values():
            self._stop(program)

    def _here(self, text: str) -> str:
        """``text`` with the addresses of what runs here."""
        for written, real in self.addresses.items():
            text = text.replace(written, real)
        return text

    def _type_all(self, text: str) -> None:
        for command, shown in commands(text):
            printed = self._type(self._here(command), shown)
            ends = time.monotonic() + PATIENCE
            while printed is not None and command.startswith(_LOOKS) and not matches(shown, printed):
                if not self.running or time.monotonic() > ends:
                    break
                threading.Event().wait(0.1)
                printed = self._type(self._here(command), shown)
            if printed is not None:
                assert matches(shown, printed), f"$ {command}\n--- the page shows\n{shown}\n--- it prints\n{printed}"

    def _type(self, command: str, shown: str) -> str | None:
        if command.startswith(NOT_TYPED):
            return None
        program = next((PROGRAMS[name] for name in PROGRAMS if command.startswith(name)), None)
        if program and not any(option in command for option in _ENDS):
            return self._start(command, program, shown)
        if command.startswith("curl "):
            return _curl(command.replace("$SANDBOX_URL", self.environment["SANDBOX_URL"]))
        if exported := re.fullmatch(r"export (.*)", command):
            self.environment |= dict(each.split("=", 1) for each in shlex.split(exported[1]))
            return ""
        if command.startswith("notify ") and not _SHELLS.search(command):
            return self._notify(*shlex.split(command)[1:])
        return self._run(command.replace("make demo", f"{sys.executable} {ROOT}/docs/examples/demo.py"))

    def _notify(self, *arguments: str) -> str:
        """A command without anything of the shell's, in this process: starting Python takes longer than it."""
        with patch.dict(os.environ, self.environment), chdir(self.folder):
            done = CliRunner().invoke(app, arguments, prog_name="notify", catch_exceptions=False)
        self.exit_code = done.exit_code
        return done.output

    def _run(self, command: str) -> str:
        done = subprocess.run(  # noqa: S603 - a command of a page of this project
            ["bash", "-c", f"(exit {self.exit_code}); {command}"],  # noqa: S607 - the one of the machine
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            text=True,
            check=False,
        )
        self.exit_code = done.returncode
        return done.stdout

    def _start(self, command: str, program: Program, shown: str) -> str:
        """Start a program in the background; what it prints until it is ready, and has printed what is shown."""
        self._stop(program)
        started = subprocess.Popen(  # noqa: S603 - as above
            [*shlex.split(command.replace("make shop", SHOP)), *program.options],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.running[program.ready] = started
        assert started.stdout is not None
        too_late = threading.Timer(PATIENCE, started.terminate)
        too_late.start()
        printed = ""
        while not (program.ready in printed and matches(shown, printed)) and (line := started.stdout.readline()):
            printed += line
        too_late.cancel()
        for written, pattern in program.addresses.items():
            if found := re.search(pattern, printed):
                self.addresses[written] = found[1]
        if program is SANDBOX:
            self.environment["SANDBOX_URL"] = os.environ["SANDBOX_URL"] = self._here(GATEWAY)
        return printed

    def _stop(self, program: Program) -> None:
        if started := self.running.pop(program.ready, None):
            started.terminate()
            started.communicate(timeout=PATIENCE)

    def _configure(self, text: str) -> None:
        """Load a configuration. Raises ``ConfigError`` where it cannot work."""
        written = yaml.safe_load(text)
        if not any("provider" in account for account in written.get("accounts", {}).values()):
            under = yaml.safe_load((ROOT / "config/sandbox.yaml").read_text("utf-8"))
            text = yaml.safe_dump(merged(under, written), allow_unicode=True)
        file = self.folder / ".checked.yaml"
        file.write_text(text, "utf-8")
        load_config(file)


def reader(folder: Path) -> Reader:
    """A reader in an empty folder."""
    for shipped in ("config", "docs/examples"):
        shutil.copytree(ROOT / shipped, folder / shipped, ignore=shutil.ignore_patterns("__pycache__", "*.db*"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", "SANDBOX_URL": GATEWAY}
    environment |= {"IPYY_ACCOUNT": "sandbox", "IPYY_PASSWORD": "sandbox-secret", "COLUMNS": "100"}
    return Reader(folder, environment)


def commands(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with what is shown to be printed."""
    for each in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = each.replace("\\\n", "").partition("\n")
        yield command, shown


def matches(shown: str, printed: str) -> bool:
    """Whether what was printed is what is shown."""
    pattern = "".join(map(_line_pattern, steady(shown).splitlines()))
    return re.fullmatch(pattern, steady(printed)) is not None


def _line_pattern(line: str) -> str:
    return "(?:.*\n)*?" if line.strip() == "…" else re.escape(line).replace("…", ".*") + "\n"


def steady(text: str) -> str:
    """A text without what differs from run to run, and without blanks at the ends of lines."""
    for pattern, word in _UNSTEADY:
        text = pattern.sub(word, text)
    return "".join(f"{line.rstrip()}\n" for line in text.strip().splitlines())


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """One configuration on top of another."""
    both = {key: merged(under[key], over[key]) for key in under.keys() & over.keys() if isinstance(over[key], dict)}
    return under | over | both


_CURL = ArgumentParser("curl", exit_on_error=False)
_CURL.add_argument("url")
_CURL.add_argument("-s", action="store_true")
_CURL.add_argument("-X", dest="method")
_CURL.add_argument("-H", dest="headers", action="append", default=[])
_CURL.add_argument("-d", dest="body")
_CURL.add_argument("--json")


def _is_excerpt(text: str) -> bool:
    """Whether a block shows a part of an example, which is executed as a whole."""
    return any(text in file.read_text("utf-8") for file in (ROOT / "docs/examples").rglob("*.py"))


def _curl(command: str) -> str:
    """What ``curl [-X METHOD] [-H HEADER]… [-d BODY | --json BODY] URL`` prints."""
    words = _CURL.parse_args(shlex.split(command)[1:])
    headers = dict(header.split(": ", 1) for header in words.headers)
    headers |= {"Content-Type": "application/json"} if words.json else {}
    body = words.body or words.json
    request = Request(words.url, body and body.encode(), headers, method=words.method)  # noqa: S310 - of loopback
    try:
        with urlopen(request) as answer:  # noqa: S310 - as above
            return str(answer.read().decode())
    except HTTPError as refusal:
        with refusal:
            return refusal.read().decode()

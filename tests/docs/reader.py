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
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.request import Request, urlopen

import yaml
from typer.testing import CliRunner

from notify_core.cli.app import app
from notify_core.config import load_config
from tests.docs.pages import ROOT, Block

SANDBOX = "http://127.0.0.1:8025"  # as the pages write it; here it takes a free port
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


@dataclass
class Reader:
    """``folder`` holds a copy of config/; ``environment`` is what commands see."""

    folder: Path
    environment: dict[str, str]
    namespace: dict[str, Any] = field(default_factory=dict)
    url: str = SANDBOX
    exit_code: int = 0
    gateway: subprocess.Popen[str] | None = None

    def follow(self, block: Block, page: str) -> None:
        """Do what a block says."""
        if block.language == "console":
            self._type_all(block.text)
            return
        text = block.text.replace(SANDBOX, self.url)
        if block.file:
            (self.folder / block.file).write_text(text, "utf-8")
        if block.language == "python" and not block.file:
            exec(compile(text, f"{page}:{block.line}", "exec"), self.namespace)  # noqa: S102 - a page of this project
        if block.language == "yaml":
            self._configure(text)

    def leave(self) -> None:
        """Stop what still runs."""
        if self.gateway is not None:
            self.gateway.terminate()
            self.gateway.communicate(timeout=10)
            self.gateway = None

    def _type_all(self, text: str) -> None:
        for command, shown in commands(text):
            printed = self._type(command.replace(SANDBOX, self.url))
            if printed is not None:
                assert matches(shown, printed), f"$ {command}\n--- the page shows\n{shown}\n--- it prints\n{printed}"

    def _type(self, command: str) -> str | None:
        if command.startswith(NOT_TYPED):
            return None
        if command.startswith("notify sandbox") and "--list-faults" not in command:
            return self._start(command)
        if command.startswith("curl "):
            return _curl(command)
        if exported := re.fullmatch(r"export (.*)", command):
            self.environment |= dict(each.split("=", 1) for each in shlex.split(exported[1]))
            return ""
        if command.startswith("notify ") and not _SHELLS.search(command):
            return self._notify(*shlex.split(command)[1:])
        return self._run(command.replace("make demo", f"{sys.executable} {ROOT}/docs/examples/demo.py"))

    def _notify(self, *arguments: str) -> str:
        """A command without anything of the shell's, in this process: starting Python takes longer than it."""
        with patch.dict(os.environ, self.environment), chdir(self.folder):
            done = CliRunner().invoke(app, arguments, prog_name="notify")
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

    def _start(self, command: str) -> str:
        """Start a gateway in the background; what it prints until it is ready."""
        self.leave()
        self.gateway = subprocess.Popen(  # noqa: S603 - as above
            [*shlex.split(command), "--port", "0"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.gateway.stdout is not None
        lines = list(iter(self.gateway.stdout.readline, "# Submissions that it accepts:\n"))
        self.url = next(found[0] for line in lines if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        self.environment["SANDBOX_URL"] = os.environ["SANDBOX_URL"] = self.url
        return "".join([*lines, "# Submissions that it accepts:\n"])

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
    shutil.copytree(ROOT / "config", folder / "config")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", "SANDBOX_URL": SANDBOX}
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


def _curl(command: str) -> str:
    """What ``curl [-d BODY] URL`` prints."""
    _, *words = shlex.split(command)
    body = words[words.index("-d") + 1].encode() if "-d" in words else None
    with urlopen(Request(words[-1], body)) as answer:  # noqa: S310 - an address of loopback
        printed: str = answer.read().decode()
    return printed

"""What the package offers, and what importing it costs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import notify_core

PUBLIC = [
    "Attempt",
    "Balance",
    "ConfigError",
    "Delivery",
    "Estimate",
    "Inbound",
    "InvalidMessage",
    "KeyConflict",
    "MissingExtra",
    "Mms",
    "Notifier",
    "NotifyError",
    "Part",
    "Receiver",
    "Report",
    "Result",
    "Retry",
    "Scope",
    "SendError",
    "Sent",
    "Sms",
    "State",
    "StoreError",
    "UnreadableReply",
    "Unsupported",
    "hookimpl",
]
HEAVY = {
    "requests",
    "urllib3",
    "pydantic",
    "zeep",
    "typer",
    "rich",
    "phonenumbers",
    "jinja2",
    "yaml",
    "lxml",
    "Crypto",
    "sqlalchemy",
    "alembic",
}


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh Python has imported after ``code``."""
    program = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)  # noqa: S603
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_the_public_names_are_these() -> None:
    """A name that is added or lost is a decision."""
    assert notify_core.__all__ == PUBLIC
    assert dir(notify_core) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_there(name: str) -> None:
    """Each can be had from the package, and has a docstring."""
    assert getattr(notify_core, name).__doc__


def test_what_type_checkers_see_is_what_there_is() -> None:
    """The names imported for type checking are the public ones, from the same modules."""
    tree = ast.parse(Path(notify_core.__file__).read_text("utf-8"))
    seen = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == notify_core._HOME_OF
    assert sorted(seen) == PUBLIC


def test_no_other_name_is_there() -> None:
    """A misspelt name is an error as of any module."""
    with pytest.raises(AttributeError, match="module 'notify_core' has no attribute 'Notifer'"):
        _ = notify_core.Notifer


def test_importing_the_package_imports_nothing_heavy() -> None:
    """A process that only makes messages does not pay for HTTP, YAML, XML or the command line."""
    assert modules_after("import notify_core") & HEAVY == set()


def test_making_a_message_imports_nothing_heavy() -> None:
    """Phone numbers are read when the message is sent, where they have no country code."""
    code = "from notify_core import Sms, SendError, Result, State\nSms(to='13800000001', text='hello')"
    assert modules_after(code) & HEAVY == set()


def test_a_notifier_imports_what_it_uses() -> None:
    """Neither SOAP nor the command line comes with the notifier."""
    assert (
        modules_after("from notify_core import Notifier")
        & {"zeep", "typer", "rich", "lxml", "Crypto", "sqlalchemy", "alembic"}
        == set()
    )

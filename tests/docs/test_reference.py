"""The reference is as the code is, and nothing that users can name is without a place in it and a test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

import notify_core
from docs import generate
from notify_core.config import FileSettings, RouteSettings, ServerSettings, StoreSettings, WebhookSettings
from notify_core.sandbox import KINDS
from notify_core.settings import AccountSettings
from notify_core.states import FINAL, MOVES
from tests.docs.pages import ROOT, Page

CONFIGURATION = Page("docs/reference/configuration.md")
ERRORS = Page("docs/reference/errors-and-codes.md")
HOOKS = Page("docs/reference/hooks.md")
COMMANDS = Page("docs/reference/commands.md")
PYTHON = Page("docs/reference/python.md")
SANDBOX = Page("docs/reference/sandbox.md")


def models() -> Iterator[type[BaseModel]]:
    """Every model of the YAML."""
    yield from (FileSettings, RouteSettings, StoreSettings, WebhookSettings, ServerSettings, AccountSettings)
    yield from generate.COMMON
    for model in generate.providers().values():
        yield model
        yield from generate.blocks_within(model)


def settings() -> set[str]:
    """Every key of the YAML."""
    return {key for model in models() for key in generate.keys_of(model)}


def command_names() -> list[str]:
    """Every command."""
    return [text.removeprefix("notify ") for _, text in COMMANDS.headings if text.startswith("notify ")]


def all_tests() -> str:
    """The text of every test but these."""
    files = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("notify_core/testing/*.py")]
    return "\n".join(file.read_text("utf-8") for file in files if file != Path(__file__))


def headings(page: Page) -> set[str]:
    """The headings of a page."""
    return {text for _, text in page.headings}


def test_what_is_generated_is_current() -> None:
    """Every generated file, and every marked part of a page, is as ``make docs`` writes it now."""
    assert generate.outdated() == []
    assert generate.main(["--check"]) == 0


def test_the_diagram_of_states_shows_every_move_and_no_other() -> None:
    """The arrows are the legal moves, and it begins in queued and ends where nothing follows."""
    (diagram,) = (block for block in Page("docs/design.md").blocks if block.text.startswith("stateDiagram-v2"))
    arrows = set(re.findall(r"^ +(\S+) --> (\S+)$", diagram.text, re.MULTILINE))
    moves = {(before, after) for before, following in MOVES.items() for after in following}
    assert arrows == moves | {("[*]", "queued")} | {(state, "[*]") for state in FINAL}


def test_every_public_name_is_documented() -> None:
    """What ``notify_core`` exports has a heading in the reference, or (hookimpl) a place in the page about hooks."""
    known = headings(PYTHON) | headings(ERRORS)
    assert set(notify_core.__all__) - known == {"hookimpl"}
    assert "`@hookimpl`" in HOOKS.text


def test_every_hook_error_and_command_has_a_heading() -> None:
    """Each hook, error and command has a heading of its own."""
    assert set(generate.specified()) <= headings(HOOKS)
    assert {cls.__name__ for cls in generate.error_classes()} <= headings(ERRORS)
    assert command_names() == [" ".join(words) for words in generate.command_names()]


def test_every_setting_has_a_row_and_a_meaning() -> None:
    """Each key of the YAML has a row, and none is without a meaning."""
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", CONFIGURATION.text, re.MULTILINE))
    assert settings() <= rows.keys()
    assert [key for key, meaning in rows.items() if not meaning] == []


def test_every_key_stands_in_the_reference_file() -> None:
    """config/reference.yaml shows every key."""
    shown = set(re.findall(r"^[ #]*(\w+):", (ROOT / "config/reference.yaml").read_text("utf-8"), re.MULTILINE))
    assert settings() - {"scope", "retry", "after", "sent", "meaning"} <= shown  # an entry of codes has a short form


def test_every_kind_of_fault_is_documented() -> None:
    """Each kind of fault has a row."""
    assert [kind for kind in KINDS if f"| `{kind}` |" not in SANDBOX.text] == []


def test_every_code_of_the_core_is_documented() -> None:
    """Each code that the core itself gives to an error has a row."""
    sources = "".join(file.read_text("utf-8") for file in (ROOT / "notify_core").glob("*.py"))
    given = re.findall(r'\bcode="([^"{]+)"|words, code = ".+", "([^"]+)"', sources)
    rows = [f"| `{one or other}` |" for one, other in given]
    assert rows
    assert [row for row in rows if row not in ERRORS.text] == []


@pytest.mark.parametrize("kind", ["hook", "error", "setting", "command", "fault"])
def test_everything_that_users_can_name_has_a_test(kind: str) -> None:
    """Each hook, error, setting, command and fault is named by a test."""
    names = {
        "hook": set(generate.specified()),
        "error": {cls.__name__ for cls in generate.error_classes()},
        "setting": settings(),
        "command": set(command_names()),
        "fault": set(KINDS),
    }[kind]
    text = all_tests()
    assert [name for name in sorted(names) if not re.search(rf"(?<![\w-]){written(name)}(?![\w-])", text)] == []


def written(name: str) -> str:
    """What finds a name in a test; the words of a command may stand there as arguments."""
    return re.escape(name).replace("\\ ", '(?: |", ")')

"""docs/http-form.md: its examples run, and nothing of the family is missing from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from notify_core import Notifier, Sms
from notify_core.settings import AccountSettings
from notify_core.yaml import read
from notify_http.filters import FILTERS
from notify_http.settings import HttpSettings
from notify_http.templates import NAMES
from tests.http_form.conftest import EXAMPLE, ROOT, Town

PAGE = (ROOT / "docs" / "http-form.md").read_text("utf-8")
EXAMPLES: list[str] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def _cells(heading: str) -> set[str]:
    """The names in the first column of the table below a heading."""
    section = PAGE.split(f"# {heading}\n", 1)[1].split("\n#", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name.partition("(")[0] for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_the_page_works_two_gateways() -> None:
    """There is a gateway with JSON and one with a line of text."""
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize("number", [0, 1])
def test_an_example_of_the_page_sends(town: Town, tmp_path: Path, number: int) -> None:
    """Copied into a file, each example sends a message and asks for the balance."""
    (file := tmp_path / "notify.yaml").write_text(EXAMPLES[number], "utf-8")
    with Notifier.from_yaml(file) as notifier:
        assert notifier.send(Sms(to=["13800000001", "13800000002"], text="您的验证码：1439")).accepted
        assert notifier.balance("acme" if number == 0 else "oldtown").units
    assert len(town.acme.messages) + len(town.old.messages) == 1


@pytest.mark.usefixtures("town")
def test_the_page_and_the_example_file_say_the_same(tmp_path: Path) -> None:
    """The accounts of the page are those of config/http-form.example.yaml."""
    shown: dict[str, Any] = {}
    for example in EXAMPLES:
        (file := tmp_path / "notify.yaml").write_text(example, "utf-8")
        shown |= read(file).data["accounts"]
    assert shown == read(EXAMPLE).data["accounts"]


def test_every_name_and_filter_is_explained() -> None:
    """The tables of names and filters are exactly those that templates have, in the same words."""
    assert _cells("Names") == set(NAMES)
    assert _cells("Filters") == set(FILTERS)
    rows = [line.replace("`", "") for line in PAGE.splitlines()]
    assert [name for name, words in NAMES.items() if f"| {name} | {words.replace('`', '')} |" not in rows] == []


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        yield from (inner for each in _within(field.annotation) for inner in _models(each))


def _within(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _within(argument)


def test_every_setting_is_explained() -> None:
    """Each setting of every block stands in the page under its name in the YAML, and has its own words in the model."""
    explained = set().union(*map(_cells, ("Account", "`request`", "`reply`", "`codes`"))) | {"request", "reply"}
    rules = {"at", "equals", "one_of", "matches"}
    fields = [
        (field.alias or name, field)
        for model in _models(HttpSettings)
        if model.__module__.startswith("notify_http")
        for name, field in model.model_fields.items()
        if model is not HttpSettings or name not in AccountSettings.model_fields
    ]
    assert {name for name, _ in fields} - rules == explained
    assert [rule for rule in rules if f"`{rule}`" not in PAGE] == []
    assert [name for name, field in fields if not field.description] == []

"""The shape of the code: short functions, modules with names of the field, tests that say what they prove.

``python -m tests.test_architecture`` prints the lengths. The direction of imports is import-linter's (pyproject.toml).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PRODUCT = (ROOT / "notify_core", ROOT / "plugins")
TESTS = (ROOT / "tests", ROOT / "notify_core" / "testing")
NAMELESS = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}

Definition = ast.FunctionDef | ast.AsyncFunctionDef


class Function(NamedTuple):
    """A function, where it stands, and its lines: from ``def`` to its end, without the docstring."""

    lines: int
    place: str


def functions(source: str, file: str) -> list[Function]:
    """Every function and method of a module, nested ones too."""
    return [Function(_lines(node), f"{file}:{node.lineno} {node.name}") for node in _definitions(source)]


def _definitions(source: str) -> Iterator[Definition]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, Definition))


def _lines(node: Definition) -> int:
    return _span(node) - (_span(node.body[0]) if ast.get_docstring(node) else 0)


def _span(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _sources(*folders: Path) -> Iterator[Path]:
    return (file for folder in folders for file in sorted(folder.rglob("*.py")))


def _product() -> list[Function]:
    """The functions of the core and its plugins, the longest first."""
    files = _sources(*PRODUCT)
    found = (functions(file.read_text("utf-8"), str(file.relative_to(ROOT))) for file in files)
    return sorted((function for each in found for function in each), reverse=True)


def _longest(found: list[Function]) -> str:
    return "\n".join(f"{function.lines:4} {function.place}" for function in found[:10])


def test_lines_are_counted_without_the_docstring() -> None:
    """A function's length is its lines from ``def`` to the end, less its docstring, and nested functions count too."""
    method = ["    def f(self):", '        """One.', "", '        Two."""', "        def g(): ...", "        return g"]
    source = "\n".join(["class A:", *method])
    assert functions(source, "a.py") == [(3, "a.py:2 f"), (1, "a.py:6 g")]


def test_the_median_function_is_shorter_than_six_lines() -> None:
    """Half of all functions have fewer than six lines."""
    found = _product()
    assert median(function.lines for function in found) < 6, _longest(found)


def test_nine_functions_of_ten_are_shorter_than_25_lines() -> None:
    """At most a tenth of all functions have 25 lines or more."""
    found = _product()
    long = [function for function in found if function.lines >= 25]
    assert len(long) <= len(found) / 10, _longest(long)


def test_modules_are_named_after_nouns_of_the_field() -> None:
    """No module or package has a name that says nothing, such as utils."""
    modules = [*_sources(*PRODUCT, ROOT / "tests")]
    assert [file for file in modules if {file.stem.strip("_"), file.parent.name} & NAMELESS] == []


def test_every_test_says_what_it_proves() -> None:
    """Every test function has a docstring."""
    silent = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
        for file in _sources(*TESTS)
        for node in _definitions(file.read_text("utf-8"))
        if node.name.startswith("test") and not ast.get_docstring(node)
    ]
    assert silent == []


if __name__ == "__main__":
    measured = _product()
    lengths = [function.lines for function in measured]
    print(f"{len(lengths)} functions, median {median(lengths):g} lines, p90 {quantiles(lengths, n=10)[-1]:g}; longest:")  # noqa: T201
    print(_longest(measured))  # noqa: T201

"""What people are shown, away from any terminal."""

from __future__ import annotations

from unicodedata import category

from hypothesis import given
from hypothesis import strategies as st

from notify_core.cli.tables import Table, plain, printable


def test_columns_line_up_under_wide_characters() -> None:
    """A Chinese character takes two cells, and the next column begins where it should."""
    table = Table(("text", "n"), [("您好", "1"), ("ab", "2")])
    assert plain([table]) == "text  n\n您好  1\nab    2\n"


def test_a_column_without_content_is_left_out() -> None:
    """A column that is empty in every row is not shown."""
    assert plain([Table(("a", "b", "c"), [("1", "", "3")])]) == "a  c\n1  3\n"


def test_sentences_and_tables_are_kept_apart() -> None:
    """An empty line stands before a table that follows something."""
    assert plain(["First.", "Second.", Table(("a",), [("1",)])]) == "First.\nSecond.\n\na\n1\n"


@given(st.text())
def test_nothing_that_is_shown_can_control_a_terminal(text: str) -> None:
    """Whatever gateways and subscribers write, no control character and no tab is left of it."""
    assert not any(category(character) == "Cc" for character in printable(text))


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=5))
def test_every_row_is_one_line(rows: list[tuple[str, str]]) -> None:
    """A cell with newlines does not break its table."""
    table = Table(("a", "b"), [(f"x{a}", f"x{b}") for a, b in rows])
    assert plain([table]).count("\n") == len(rows) + 1

"""README.zh-CN.md says what README.md says."""

from __future__ import annotations

from tests.docs.pages import Page

ENGLISH, CHINESE = Page("README.md"), Page("README.zh-CN.md")


def test_the_translation_has_the_same_headings() -> None:
    """Both have the same headings, level by level."""
    assert [level for level, _ in CHINESE.headings] == [level for level, _ in ENGLISH.headings]


def test_the_translation_has_the_same_code() -> None:
    """Both show the same commands, code and output; the blocks of the first are executed."""
    code = [[(block.language, block.text) for block in page.blocks] for page in (CHINESE, ENGLISH)]
    assert code[0] == code[1]


def test_the_translation_has_the_same_tables_and_links() -> None:
    """Both have the same rows of tables, and lead to the same pages."""
    rows = [sum(line.startswith("|") for line in page.prose.splitlines()) for page in (CHINESE, ENGLISH)]
    links = [{link for link in page.links if not link.startswith("README")} for page in (CHINESE, ENGLISH)]
    assert rows[0] == rows[1]
    assert links[0] == links[1]

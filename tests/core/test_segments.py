"""SMS arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notify_core.segments import room, segments, signed


@pytest.mark.parametrize(
    ("length", "count"), [(0, 1), (1, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4), (2000, 30)]
)
@pytest.mark.parametrize("character", ["长", "a"])
def test_ucs2_counts_70_then_67(length: int, count: int, character: str) -> None:
    """One segment holds 70 characters, each of several holds 67, whatever the characters are (gateway.md, Limits)."""
    assert segments(character * length) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("😀" * 35, 1),
        ("😀" * 35 + "a", 2),
        ("a" * 66 + "😀" + "a" * 65, 2),
        ("a" * 66 + "😀" + "a" * 66, 3),
        ("😀" * 67, 3),
        ("😀" * 66, 2),
    ],
)
def test_a_character_of_two_units_is_never_cut(text: str, count: int) -> None:
    """An emoji counts two, and one that does not fit whole at the end of a segment begins the next."""
    assert segments(text) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 151, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("é\n\r£Δ@", 1),
        ("ç" * 71, 2),
        ("长" * 71, 2),
    ],
)
def test_gsm7_counts_160_then_153(text: str, count: int) -> None:
    """GSM-7 holds more where it can write all of the text; extended characters count two and are never cut."""
    assert segments(text, "gsm7") == count


@given(st.text(st.characters(codec="utf-8")))
def test_segments_hold_the_text(text: str) -> None:
    """There are as many segments as are needed, and no more than cutting at a pair can add."""
    units = len(text.encode("utf-16-le")) // 2
    count = segments(text)
    assert count == 1 if units <= 70 else -(-units // 67) <= count <= -(-units // 66)


@given(st.text(st.characters(codec="utf-8")))
def test_gsm7_never_needs_more(text: str) -> None:
    """A provider that counts GSM-7 bills no text with more segments."""
    assert segments(text, "gsm7") <= segments(text)


@pytest.mark.parametrize("most", [1, 2, 15])
@pytest.mark.parametrize(("character", "alphabet"), [("长", "ucs2"), ("a", "ucs2"), ("长", "gsm7"), ("a", "gsm7")])
def test_as_many_as_there_is_room_for_fit(character: str, alphabet: str, most: int) -> None:
    """A text of that many characters takes that many segments, and one more takes another."""
    fit = character * room(most, character, alphabet)
    assert (segments(fit, alphabet), segments(fit + character, alphabet)) == (most, most + 1)


def test_the_signature_is_counted() -> None:
    """67 characters and 【腾飞】 are two segments."""
    assert segments(signed("长" * 67, "腾飞")) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("您的验证码：1439", "您的验证码：1439【腾飞】"),
        ("您的验证码：1439【腾飞】", "您的验证码：1439【腾飞】"),
        ("【腾飞】您的验证码：1439", "【腾飞】您的验证码：1439"),
        ("您的验证码：1439【别家】", "您的验证码：1439【别家】"),
        ("  【腾飞】 1439", "  【腾飞】 1439"),
        ("1439【腾飞】 \n", "1439【腾飞】 \n"),
        ("请点击【确认】继续", "请点击【确认】继续【腾飞】"),
        ("1439【】", "1439【】【腾飞】"),
        ("", "【腾飞】"),
    ],
)
def test_a_signature_stands_once(text: str, expected: str) -> None:
    """It is appended where the text has none at either end, and never doubled."""
    assert signed(text, "腾飞") == expected


def test_no_signature_changes_nothing() -> None:
    """An account without a signature sends the text as it is."""
    assert signed("1439", "") == "1439"


@given(st.text(), st.text(min_size=1).filter(lambda name: not set(name) & set("【】")))
@example("【", "腾飞")
@example("1439\n", "腾飞")
def test_signing_twice_is_signing_once(text: str, signature: str) -> None:
    """A signed text is left as it is, whichever signature comes next."""
    once = signed(text, signature)
    assert signed(once, signature) == signed(once, "别家") == once

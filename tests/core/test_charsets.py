"""Characters and bytes: what a charset cannot carry is named, and what a reply is written in is found out."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_core import charsets
from notify_core.charsets import decoded, uncarried
from notify_core.errors import InvalidMessage
from notify_core.replies import from_xml

WORDS = [
    "操作成功",
    "用户名或密码错误",
    "余额不足，请充值。",
    "需要签名：【腾飞】",
    "<r>包含屏蔽词</r>",
    '{"m":"非法参数"}',
    "OK:1,2",
]
CHARSETS = ["utf-8", "gbk", "gb2312", "big5", "iso-8859-1"]


# --- what is read ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "gb2312", "gbk", "gb18030"])
@pytest.mark.parametrize("text", WORDS)
def test_the_bytes_tell_what_they_are_written_in(text: str, charset: str) -> None:
    """UTF-8, UTF-16 and the charsets of mainland China are told apart; byte order marks are no part of the text."""
    assert decoded(text.encode(charset)) == text


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["<r>操作成功</r>", '{"m":"操作成功"}'])
def test_utf_16_without_a_mark_is_known_by_its_first_character(text: str, charset: str) -> None:
    """A document begins with < or {, and with a zero byte beside it, in either order."""
    assert decoded(text.encode(charset)) == text


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff")))
def test_what_is_valid_utf_8_is_utf_8(text: str) -> None:
    """Every text in UTF-8 is read to the character, with and without a mark."""
    assert decoded(text.encode()) == decoded(text.encode("utf-8-sig")) == text


def alphabet(charset: str) -> str:
    """What a charset can write, up to U+FEFE. Hypothesis would look through all planes, for seconds."""
    letters = "".join(map(chr, (*range(1, 0xD800), *range(0xE000, 0xFEFF))))
    return re.sub("[ÿþï]", "", letters.encode(charset, "ignore").decode(charset))


ALPHABETS = {charset: alphabet(charset) for charset in CHARSETS}


@given(st.sampled_from(CHARSETS), st.data())
def test_a_charset_that_is_named_is_the_replys(charset: str, data: st.DataObject) -> None:
    """Nothing is guessed where the charset is known."""
    text = data.draw(st.text(ALPHABETS[charset]))
    assert decoded(text.encode(charset), charset) == text


def test_a_mark_is_stronger_than_a_name() -> None:
    """What begins with a byte order mark is Unicode, whatever somebody was told."""
    for charset in CHARSETS:
        assert decoded("余额不足".encode("utf-8-sig"), charset) == "余额不足"
        assert decoded("余额不足".encode("utf-16"), charset) == "余额不足"


@pytest.mark.parametrize("name", ["gbk", "gb2312"])
def test_what_is_called_gb2312_or_gbk_is_read_as_gb18030(name: str) -> None:
    """镕 is no GB2312 and 㐂 no GBK; a reply that holds them is readable all the same."""
    assert decoded("朱镕基㐂".encode("gb18030"), name) == "朱镕基㐂"


@pytest.mark.parametrize("missing", [1, 2])
def test_a_text_cut_within_a_character_keeps_its_beginning(missing: int) -> None:
    """Gateways cut texts by bytes: the damage stays where it is, in UTF-8 and in GBK."""
    cut = b'{"m":"' + "需要签名".encode()[:-missing] + b'","code":"7"}'
    assert decoded(cut) == '{"m":"需要签\ufffd","code":"7"}'
    assert decoded(b'{"m":"' + "需要签名".encode("gbk")[:-1] + b'","code":"7"}').startswith('{"m":"需要签')


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_an_emoji_may_be_cut_anywhere(missing: int) -> None:
    """One character of four bytes is lost, whichever of them are missing."""
    assert decoded("好的😀".encode()[:-missing]) == "好的\ufffd"


def test_half_a_surrogate_pair_is_one_lost_character() -> None:
    """What UTF-16 programs write when they cut an emoji is no reason to take the rest for GBK."""
    assert decoded("一二\ud83d".encode("utf-8", "surrogatepass")) == "一二\ufffd"


def test_one_damaged_text_costs_no_other() -> None:
    """Among many texts in UTF-8 one in GBK is lost, and nothing else is."""
    body = b",".join(["收到，谢谢".encode()] * 20 + ["收到".encode("gbk")] + ["好".encode()])
    text = decoded(body)
    assert text.count("收到，谢谢") == 20
    assert text.endswith(",好")


@pytest.mark.parametrize("text", ["摹妗", "去战小面", "维关华确"])
def test_gbk_that_nearly_is_utf_8_is_gbk(text: str) -> None:
    """Half of such a text would be right in UTF-8 by chance; that is not enough."""
    body = text.encode("gbk")
    assert set(body.decode("utf-8", "replace")) > {"\ufffd"}
    assert decoded(body) == text


@given(st.binary(max_size=200), st.sampled_from([None, *CHARSETS]))
def test_any_bytes_become_characters(body: bytes, charset: str | None) -> None:
    """Nothing is raised, and what comes out can be written and stored anywhere."""
    decoded(body, charset).encode()


# --- what cannot be carried ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "charset", "shown"),
    [
        ("生日快乐", "gbk", ""),
        ("生日快乐😀", "utf-8", ""),
        ("生日😀快乐😀𠮷", "gbk", "'😀' (U+1F600), '𠮷' (U+20BB7)"),
        ("crédit 余", "iso-8859-1", "'余' (U+4F59)"),
        ("a\u200b", "gbk", r"'\u200b' (U+200B)"),
        ("\ud83d", "utf-8", r"'\ud83d' (U+D83D)"),
        ("αβγδεζηθικλμ", "iso-8859-1", ", ".join(f"{c!r} (U+{ord(c):04X})" for c in "αβγδεζηθικ") + " and 2 more"),
    ],
)
def test_what_a_charset_cannot_carry_is_named(text: str, charset: str, shown: str) -> None:
    """Once each, in order, at most ten, with the number of those that nobody can see or type."""
    assert uncarried(text, charset) == shown


@given(st.text(st.characters()), st.sampled_from(CHARSETS))
def test_what_is_not_named_can_be_written(text: str, charset: str) -> None:
    """``uncarried`` is empty for exactly what the charset can carry."""
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        assert uncarried(text, charset).encode()
    else:
        assert uncarried(text, charset) == ""


def test_a_refusal_says_where_what_and_the_way_out() -> None:
    """The error names the place, the characters, the charset and the remedy."""
    charsets.check("生日快乐", "gbk")
    with pytest.raises(InvalidMessage) as caught:
        charsets.check("a😀", "gbk", "1.txt", "rename it")
    assert str(caught.value) == "1.txt has '😀' (U+1F600), which GBK cannot carry: rename it"
    with pytest.raises(InvalidMessage, match=r"the text has '😀' .* cannot carry: write it otherwise"):
        charsets.check("a😀", "gbk")


def test_what_xml_cannot_carry_is_named() -> None:
    """Control characters have no place in XML, not even as references; each is named once."""
    with pytest.raises(InvalidMessage) as caught:
        charsets.check_xml("a\x07b\x07\uffff", "the subject")
    assert str(caught.value) == (
        r"the subject has '\x07' (U+0007), '\uffff' (U+FFFF), which XML cannot carry: leave it out"
    )


@given(st.characters())
def test_what_passes_is_what_xml_can_hold(character: str) -> None:
    """A parser reads exactly the characters that are let through."""
    try:
        charsets.check_xml(character)
    except InvalidMessage:
        with pytest.raises((SyntaxError, ValueError)):
            from_xml(f"<r>&#{ord(character)};</r>")
    else:
        assert from_xml(f"<r>&#{ord(character)};</r>").text == character

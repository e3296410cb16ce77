"""Reading what gateways answer: whatever comes is read, or is unreadable and kept."""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_core import replies
from notify_core.errors import Scope, Sent, UnreadableReply
from notify_core.replies import ReplyText, from_json, from_xml

XML = "<r><code>0</code><message>操作成功</message></r>"
JSON = '{"code": 0, "message": "操作成功"}'
DOCTYPE = "<!DOCTYPE r [<!ENTITY e 'expanded'>]>"


def _json(text: str) -> Any:
    return ReplyText.of(text.encode()).json()


def _xml(text: str) -> Any:
    return ReplyText.of(text.encode()).xml()


# --- the reply as text -----------------------------------------------------------------------------------------------


def test_a_reply_is_its_bytes_and_its_characters() -> None:
    """The bytes stay as they came; blanks and byte order marks around the characters do not."""
    body = f"\ufeff\r\n {XML}\t\f\v\n".encode()
    reply = ReplyText.of(body)
    assert (reply.payload, reply.raw) == (body, XML)
    assert ReplyText.of(XML.encode("gbk")).raw == XML
    assert ReplyText.of("é".encode("iso-8859-1"), "iso-8859-1").raw == "é"


@pytest.mark.parametrize("body", [b"", b" \r\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_nothing_is_unreadable(body: bytes) -> None:
    """An empty answer says neither that the message was taken nor that it was not."""
    with pytest.raises(UnreadableReply, match=r"^the reply is empty$") as caught:
        ReplyText.of(body)
    assert (caught.value.payload, caught.value.raw) == (body, "")


def test_the_size_is_bounded() -> None:
    """What is too long is not even decoded; a transport may set a bound of its own."""
    assert ReplyText.of(b"x" * replies.LARGEST).raw
    with pytest.raises(
        UnreadableReply, match=f"{replies.LARGEST + 1:,} bytes; more than {replies.LARGEST:,} are not read"
    ):
        ReplyText.of(b"x" * (replies.LARGEST + 1))
    with pytest.raises(UnreadableReply, match="101 bytes; more than 100 are not read") as caught:
        ReplyText.of(b"x" * 101, most=100)
    assert (caught.value.payload, caught.value.raw) == (b"x" * 101, "")


def test_an_unreadable_reply_keeps_all_and_is_in_doubt() -> None:
    """The error of a dialect that finds no meaning has the bytes, the characters and the verdict."""
    error = ReplyText.of(f" {XML} ".encode("gbk")).unreadable("the reply has no id")
    assert (error.payload, error.raw, str(error)) == (f" {XML} ".encode("gbk"), XML, "the reply has no id")
    assert (error.sent, error.scope) == (Sent.UNKNOWN, Scope.TRANSPORT)


def test_a_repr_shows_nothing_of_the_reply() -> None:
    """A reply may echo texts, numbers and secrets."""
    assert repr(ReplyText.of(XML.encode())) == "ReplyText()"


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_numbers_in_json_are_text() -> None:
    """They stay as they are written, of any length; true, false and null are what they are."""
    digits = "9" * 5000
    assert _json(f"[7.50, -11, 1E3, {digits}]") == ["7.50", "-11", "1E3", digits]
    assert _json("[true, null, NaN]") == [True, None, "NaN"]


def test_half_a_surrogate_pair_is_replaced_everywhere() -> None:
    """JSON can write what no charset carries; a name, a value and a deep one are cleaned, whole pairs stay."""
    found = _json(r'{"\ud83d": ["\uDE00x", {"a": "\ud83d\ude00"}], "b": "\\ud83d", "c": "\u64cd"}')
    assert found == {"\ufffd": ["\ufffdx", {"a": "😀"}], "b": r"\ud83d", "c": "操"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("OK", "the reply is broken JSON: Expecting value at character 0"),
        (XML, "the reply is broken JSON: Expecting value at character 0"),
        (f" {JSON} x", f"the reply is broken JSON: Extra data at character {len(JSON)}"),
        (JSON[:-1], "the reply is broken JSON: .* at character "),
        ('{"a": "b', "the reply is broken JSON: Unterminated string starting at character 6"),
        ("[" * 100_000, "the reply is nested too deeply"),
        ('{"a":' * 100_000, "the reply is nested too deeply"),
    ],
)
def test_broken_json_is_unreadable(text: str, why: str) -> None:
    """The error says what is wrong and where."""
    with pytest.raises(UnreadableReply, match=why):
        _json(text)


def test_deep_json_with_half_a_pair_is_unreadable() -> None:
    """Cleaning goes no deeper than reading."""
    for depth in range(100, 1000, 100):
        text = "[" * depth + r'"\ud83d"' + "]" * depth
        assert _outcome(_json, text) in ("read", "the reply is nested too deeply")


def _outcome(read: Callable[[str], Any], text: str) -> str:
    try:
        read(text)
    except UnreadableReply as error:
        return error.description
    return "read"


_TREES = st.recursive(
    st.none() | st.booleans() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(_TREES, st.booleans())
def test_json_is_read_as_it_was_written(tree: Any, escaped: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
    """Every value without numbers comes back as it is, escaped or not."""
    assert from_json(f" {json.dumps(tree, ensure_ascii=escaped)}\n") == tree


@given(st.text(st.characters() | st.characters(categories=["Cs"])))
def test_what_json_gives_can_be_stored(text: str) -> None:
    """Whatever a string in JSON is made of, half surrogate pairs too, it can be encoded."""
    ((name, [value]),) = from_json(json.dumps({text: [text]})).items()
    assert name.encode() == value.encode()


# --- XML -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        XML,
        f"<?xml version='1.0' encoding='gb2312' standalone='yes'?>\n<!-- IIS -->\n<?a b??>{XML}<!-- end -->",
        f"<?xml version='1.0' encoding='utf-16'?>{XML}",
        f"<?xml version='1.0' encoding='nonsense'?>{XML}",
        XML.replace("操作", "操<!-- <!DOCTYPE r> --><?a?>作"),
        XML.replace("操作成功", "<![CDATA[操作成功]]>"),
        f"<?xml version='1.0'?>{' ' * 1_000_000}{XML}",
    ],
)
def test_xml_is_read_whatever_it_declares(text: str) -> None:
    """Declarations, comments and instructions make no difference."""
    assert [(child.tag, child.text) for child in _xml(text)] == [("code", "0"), ("message", "操作成功")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("OK", "the reply is broken XML at line 1$"),
        (XML[:-1], "the reply is broken XML at line 1$"),
        ("<a>\n<b>\n</a>", "the reply is broken XML at line 3$"),
        ("<r>&e;</r>", "the reply is broken XML at line 1$"),
        ("<a>" * 100_000, "the reply is broken XML at line 1$"),
        (f"{DOCTYPE}<r>&e;</r>", "the reply is XML with a document type, which no reply needs$"),
        (f"<?xml version='1.0'?>\n<!-- x -->\ufeff\n{DOCTYPE}<r>&e;</r>", "document type"),
        ("<!DOCTYPE r SYSTEM 'http://127.0.0.1:9/'><r/>", "document type"),
        ("<!doctype html><html></html>", "document type"),
    ],
)
def test_broken_xml_is_unreadable(text: str, why: str) -> None:
    """The error says what is wrong and where; a document type is never read, hence no entity."""
    with pytest.raises(UnreadableReply, match=why):
        _xml(text)


_BEFORE = st.lists(
    st.sampled_from([*"\ufeff \n\xa0<!-?>", "<?xml version='1.0'?>", "<?a?>", "<!-- a -->", "<!--", "-->", "?>", "\0"])
).map("".join)


@given(_BEFORE, st.sampled_from(["<!DOCTYPE", "<!doctype"]))
def test_no_document_type_is_read_whatever_stands_before_it(before: str, word: str) -> None:
    """A tree that comes out never has one, nor what an entity would say."""
    for charset in ("utf-8", "utf-8-sig", "utf-16"):
        try:
            root = ReplyText.of(f"{before}{word} r [<!ENTITY e 'expanded'>]><r>&e;</r>".encode(charset)).xml()
        except UnreadableReply:
            continue
        assert root.getroottree().docinfo.internalDTD is None
        assert "expanded" not in "".join(map(str, root.itertext()))


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\uffff\ufffe")))
def test_a_text_in_xml_is_read_as_it_was_written(text: str) -> None:
    """What was escaped comes back to the character."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert (from_xml(f"<r>{escaped}</r>").text or "") == text


def test_threads_read_xml_at_the_same_time() -> None:
    """Each thread has a parser of its own, and its own document."""
    together = Barrier(4, timeout=5)

    def read(number: int) -> list[str | None]:
        together.wait()
        return [from_xml(f"<r><n>{number}.{turn}</n></r>")[0].text for turn in range(200)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read, range(4)))
    assert found == [[f"{number}.{turn}" for turn in range(200)] for number in range(4)]


def test_only_xml_loads_lxml() -> None:
    """A process whose gateways answer in JSON never imports it."""
    program = (
        "import sys; import notify_core; from notify_core.replies import ReplyText; ReplyText.of(b'{}').json();"
        "assert 'lxml' not in sys.modules; ReplyText.of(b'<r/>').xml(); assert 'lxml' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603  # our own words


# --- whatever comes --------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.sampled_from([None, "gbk", "utf-8", "iso-8859-1"]))
def test_any_bytes_are_read_or_unreadable(body: bytes, charset: str | None) -> None:
    """Nothing but ``UnreadableReply`` comes out, and it has the bytes."""
    _read(body, charset)


@given(st.binary(max_size=40), st.integers(0, len(XML.encode())), st.sampled_from([XML, JSON]))
def test_a_damaged_reply_is_read_or_unreadable(noise: bytes, place: int, text: str) -> None:
    """Nothing but ``UnreadableReply`` comes out, wherever a reply is damaged."""
    body = text.encode()
    _read(body[:place] + noise + body[place:])
    _read(body[:place] + noise)


def _read(body: bytes, charset: str | None = None) -> None:
    for kind in (ReplyText.json, ReplyText.xml):
        try:
            kind(ReplyText.of(body, charset))
        except UnreadableReply as error:
            assert error.payload == body  # noqa: PT017  # what the error keeps is the point
            error.raw.encode()


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (_xml, "<sesame><open></sesame>"),
        (_xml, "<r a='sesame'><r>&sesame;</r>"),
        (_xml, "<!DOCTYPE sesame><sesame/>"),
        (_json, '{"sesame": sesame}'),
        (_json, '{"a": "sesame'),
    ],
)
def test_an_error_quotes_nothing_of_the_reply(read: Callable[[str], Any], text: str) -> None:
    """Neither its words nor its traceback do: a reply may echo the message or a password."""
    with pytest.raises(UnreadableReply) as caught:
        read(text)
    shown = [line for line in traceback.format_exception(caught.value) if "sesame" in line]
    assert shown == []
    assert "sesame" in caught.value.raw


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "number"),
    [("0", 0), ("2", 2), ("007", 7), ("999999999", 999999999)]
    + [(odd, None) for odd in ("", " 2", "-1", "1.0", "1e3", "1_0", "٣", "²", "many", "1234567890")],
)
def test_a_count_is_digits(written: str, number: int | None) -> None:
    """Up to nine of them; all else is no count."""
    assert replies.count(written) == number


@pytest.mark.parametrize(
    ("written", "number"),
    [("0", "0"), ("241", "241"), ("-12.50", "-12.50"), ("+1.5", "1.5"), ("1.0E7", "1.0E+7"), ("5e-2", "0.05")]
    + [
        (odd, "None")
        for odd in ("", " 2", "1,234.5", ".", "1.", "1e999", "NaN", "-Infinity", "1_0", "٣", "many", "0x1")
    ],
)
def test_a_credit_is_a_decimal(written: str, number: str) -> None:
    """To the last zero, as programs write numbers; all else is no credit."""
    assert str(replies.units(written)) == number


@given(st.decimals(-(10**9), 10**9, places=2))
def test_every_credit_is_read(credit: Decimal) -> None:
    """What was written is what is read."""
    assert replies.units(str(credit)) == credit


@given(st.text(max_size=12) | st.from_regex(r"[-+0-9.eE]{1,12}", fullmatch=True))
def test_any_text_is_a_number_or_none(text: str) -> None:
    """Nothing is raised, and nothing infinite comes out."""
    assert replies.count(text) is None or replies.count(text) == int(text)
    units = replies.units(text)
    assert units is None or units.is_finite()

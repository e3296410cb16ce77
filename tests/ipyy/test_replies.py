"""Reading replies: lenient in form, strict in meaning, safe in any case."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notify_core.errors import UnreadableReply
from notify_core.replies import from_xml
from notify_ipyy import replies

XML = "<returnsms><returnstatus>Success</returnstatus><message>操作成功</message><taskID>0012</taskID></returnsms>"
JSON = '{"returnstatus":"Success","message":"操作成功","taskID":"0012"}'
FIELDS = {"returnstatus": "Success", "message": "操作成功", "taskid": "0012"}


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
@pytest.mark.parametrize("text", [XML, JSON], ids=["xml", "json"])
def test_any_charset_of_the_gateway_is_read(text: str, charset: str) -> None:
    """The bytes tell the charset, byte order marks are no part of the reply."""
    assert replies.read(text.encode(charset)).fields == FIELDS


@pytest.mark.parametrize(
    "text",
    [
        f'<?xml version="1.0" encoding="utf-8"?>{XML}',
        f'  \r\n <?xml version="1.0" encoding="gb2312" standalone="yes" ?>\n<!-- IIS -->\n{XML}\n<!-- end -->',
        XML.replace("操作成功", "<![CDATA[操作成功]]>"),
        XML.replace("taskID", "TaskId").replace("message", "Message").replace("returnstatus", "ReturnStatus"),
        XML.replace("><", ">\r\n  <"),
        XML.replace("<returnsms>", '<returnsms xmlns="http://example.com/">'),
        JSON.upper().replace("SUCCESS", "Success"),
        '{"ReturnStatus":"Success","Message":"操作成功","TaskID":"0012"}',
        "\n\t" + json.dumps(json.loads(JSON), indent=2),
    ],
)
def test_other_spellings_of_a_reply_are_the_same_reply(text: str) -> None:
    """Declarations, comments, CDATA, blanks, namespaces and letter case make no difference."""
    assert replies.read(text.encode()).fields == FIELDS


TAGS = [
    "<a>",
    "</a>",
    "<B>",
    "</B>",
    "<b>",
    "</b>",
    "<_1.x->",
    "</_1.x->",
    "<1>",
    "</1>",
    "<é>",
    "</é>",
    "<a/>",
    "<a b='c'>",
]
WORDS = [
    "text",
    "操作成功",
    " ",
    "\n",
    "\r\n",
    "\t",
    "&lt;",
    "&",
    ">",
    "]]>",
    "<!-- -->",
    "<![CDATA[x]]>",
    "\x01",
    "\x0b",
    "😀",
]
PIECES = st.sampled_from([*TAGS, *WORDS])
DOCUMENTS = st.lists(PIECES, max_size=8).map(lambda inner: "".join(["<r>", *inner, "</r>"]))
FIELDS_ALONE = st.lists(
    st.tuples(st.sampled_from(["a", "B", "b", "taskID", "x-1"]), st.text(max_size=5), st.sampled_from(["", " ", "\n"])),
    max_size=5,
).map(lambda parts: "<r>" + "".join(f"<{name}>{words}</{name}>{blank}" for name, words, blank in parts) + "</r>")


@given(DOCUMENTS | FIELDS_ALONE)
@example(XML)
@example("<r><a>1</a><a>2</a></r>")
@example("<r><a>1</b></r>")
@example("<a><a>1</a></a>")
def test_a_flat_document_is_what_a_parser_reads(document: str) -> None:
    """Whatever is read without a parser is read as the parser would."""
    found = replies._flat(document)
    if found is not None:
        root = from_xml(document)
        assert found == (root.tag.lower(), replies._fields(root))


def test_what_a_submission_is_answered_with_needs_no_parser() -> None:
    """One root with fields in it, each once."""
    assert replies._flat(XML.replace("><", ">\n<")) == ("returnsms", FIELDS)


def test_numbers_are_read_as_they_are_written() -> None:
    """A JSON number becomes the text of it, null becomes nothing."""
    fields = replies.read(b'{"a":-11,"b":1.50,"c":null,"d":true,"e":123456789012345678901234567890}').fields
    assert fields == {"a": "-11", "b": "1.50", "c": "", "d": "True", "e": "123456789012345678901234567890"}


def test_repeated_elements_become_a_list() -> None:
    """One, two and three boxes are all found, in order."""
    for count in range(1, 4):
        boxes = "".join(f"<box><n>{number}</n></box>" for number in range(count))
        answer = replies.read(f"<r>{boxes}</r>".encode())
        assert replies.boxes(answer.fields, "box") == [{"n": str(number)} for number in range(count)]


def test_a_broken_charset_does_not_hide_the_status() -> None:
    """A message cut within a character leaves the other fields readable, and its own beginning too."""
    for charset in ("utf-8", "gbk"):
        body = b'{"returnstatus":"Faild","message":"' + "需要签名".encode(charset)[:-1] + b'"}'
        answer = replies.read(body)
        assert answer.text("returnstatus") == "Faild"
        assert answer.text("message").startswith("需要签")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a & b", "a & b"),
        ("a &amp; b &lt; c", "a & b < c"),
        ("1 < 2", "1 < 2"),
        ("a\x0bb", "a\ufffdb"),
        ("&nbsp;", "&nbsp;"),
        ("&#0;&#x41;", "\ufffdA"),
        ("<![CDATA[a & b]]>\x01", "a & b\ufffd"),
        ("say <b>hi</b> now", "say hi now"),
    ],
)
def test_what_cannot_stand_in_xml_is_mended(content: str, text: str) -> None:
    """Gateways paste texts into XML without escaping them; the rest of the reply stays readable."""
    assert replies.read(f"<r><message>{content}</message><taskID>1</taskID></r>".encode()).fields == {
        "message": text,
        "taskid": "1",
    }


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    """JSON can write what no charset can carry; it must not break whoever stores it."""
    assert replies.read(rb'{"content":"\ud83d","other":"\ud83d\ude00"}').fields == {"content": "\ufffd", "other": "😀"}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "the reply is empty"),
        (b" \r\n", "the reply is empty"),
        (b"OK", "neither an XML document nor a JSON object"),
        (b"[1]", "neither an XML document nor a JSON object"),
        (XML.encode()[:-5], "broken XML at line 1"),
        (JSON.encode()[:-5], "broken JSON"),
        (b"<html><body><p>Service Unavailable<br></body></html>", "broken XML"),
        (b"<!DOCTYPE html><html></html>", "document type"),
        (b"<?xml version='1.0'?><!-- x --><!doctype returnsms><returnsms/>", "document type"),
        (b'<!DOCTYPE r [<!ENTITY a "b">]><r>&a;</r>', "document type"),
        (b"[" * 100000, "neither an XML document nor a JSON object"),
        (b'{"a":' * 100000, "nested too deeply"),
        (b"<a>" * 100000, "broken XML"),
        (b'{"a":' * 20 + b"1" + b"}" * 20, "nested too deeply"),
        (b"<a>" * 20 + b"1" + b"</a>" * 20, "nested too deeply"),
        (b"\0" * 10, "neither an XML document nor a JSON object"),
    ],
)
def test_what_is_no_reply_is_unreadable(body: bytes, why: str) -> None:
    """The error says what is wrong, keeps the bytes, and quotes nothing."""
    with pytest.raises(UnreadableReply, match=why) as caught:
        replies.read(body)
    assert caught.value.payload == body


def test_an_entity_is_never_resolved() -> None:
    """Without a document type there is nothing to resolve: a reference stays as it is written."""
    assert replies.read(b"<r><message>&xxe;</message></r>").fields == {"message": "&xxe;"}


def test_a_repr_shows_nothing_of_the_reply() -> None:
    """A reply may echo texts, numbers and secrets."""
    assert "操作" not in repr(replies.read(XML.encode()))


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_unreadable(body: bytes) -> None:
    """Nothing but UnreadableReply comes out of the reader."""
    _read(body)


@given(st.binary(max_size=40), st.integers(0, len(XML.encode())), st.sampled_from([XML, JSON]))
def test_a_damaged_reply_is_read_or_unreadable(noise: bytes, place: int, text: str) -> None:
    """Nothing but UnreadableReply comes out of the reader, wherever a reply is damaged."""
    body = text.encode()
    _read(body[:place] + noise + body[place:])
    _read(body[:place] + noise)


_SCALARS = st.none() | st.booleans() | st.floats() | _TEXT


@given(st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner), max_leaves=10))
def test_any_json_is_read_or_unreadable(value: object) -> None:
    """Nothing but UnreadableReply comes out of the reader, whatever the JSON holds."""
    _read(json.dumps({"a": value}).encode())


def _read(body: bytes) -> None:
    try:
        answer = replies.read(body)
    except UnreadableReply as error:
        assert error.payload == body  # noqa: PT017  # what the error keeps is the point
    else:
        assert all(answer.text(name) == answer.text(name).strip() for name in answer.fields)


@given(_TEXT)
def test_a_text_is_read_as_it_was_written(text: str) -> None:
    """XML and JSON give back what was put in, to the character."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert replies.words(replies.read(f"<r><m>{escaped}</m></r>".encode()).fields["m"]) == text
    assert replies.words(replies.read(json.dumps({"m": text}).encode()).fields["m"]) == text

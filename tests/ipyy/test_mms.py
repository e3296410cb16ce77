"""Multimedia messages: the container, the layout, the form."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from notify_core.errors import InvalidMessage
from notify_core.messages import Message, Mms, Part, Submission
from notify_ipyy import mms, smil, tms
from notify_ipyy.settings import IpyySettings

Account = Callable[..., IpyySettings]
Wrap = Callable[[Message], Submission]

ONE = "+8613800000001"
PICTURE = Part("2.jpg", b"\xff\xd8\xff\xe0\0\0picture")
REPLY = (
    "<returnsms><returnstatus>Success</returnstatus><message>操作成功</message><remainpoint>9</remainpoint>"
    "<taskID>2010283731447233</taskID><successCounts>1</successCounts></returnsms>"
)
_NAMES = st.text(st.characters(codec="gbk", exclude_characters="\0"), min_size=1, max_size=8)


def test_a_container_to_the_byte() -> None:
    """Name, zero byte, size in four bytes little-endian, content; one element after the other."""
    packed = tms.packed([Part("1.txt", "你好".encode("gbk")), Part("2.jpg", b"\0" * 300)])
    assert packed == b"1.txt\0\x04\0\0\0\xc4\xe3\xba\xc3" + b"2.jpg\0\x2c\x01\0\0" + b"\0" * 300


@given(st.lists(st.builds(Part, _NAMES, st.binary(max_size=300)), max_size=4))
def test_what_is_packed_is_unpacked(parts: list[Part]) -> None:
    """Names and contents of any bytes survive the container."""
    assert tms.unpacked(tms.packed(parts)) == tuple(parts)


@given(st.binary(max_size=60))
def test_any_bytes_are_unpacked_or_refused(container: bytes) -> None:
    """A damaged container is a ValueError, and what is unpacked packs to the same bytes."""
    try:
        parts = tms.unpacked(container)
    except ValueError:
        return
    assert tms.packed(parts) == container


@pytest.mark.parametrize(
    ("container", "why"),
    [
        (b"1.txt", "no name and size of an element at byte 0 of 5"),
        (b"\0\0\0\0\0", "no name and size of an element at byte 0"),
        (b"1.txt\0\x01\0\0\0a2.jpg\0\x05\0\0\0b", "the element at byte 11 has 5 bytes, of which 1 are there"),
    ],
)
def test_a_damaged_container_says_where(container: bytes, why: str) -> None:
    """The error names the byte."""
    with pytest.raises(ValueError, match=why):
        tms.unpacked(container)


def test_a_message_over_a_socket(account: Account, http: Any, provider: Any, submission: Wrap) -> None:
    """Subject in UTF-8, parts in order in a base64 container, text in GBK, a layout at the end."""
    provider.answers = [REPLY.encode()]
    message = Mms(
        to=[ONE, "+8613800000002"], subject="喜报 + 50%", parts=[Part("1.txt", "你好".encode()), PICTURE], extension="7"
    )
    accepted = mms.send(account(), http, submission(message))
    assert (accepted.task_id, accepted.count) == ("2010283731447233", 1)
    assert (provider.requests[0].method, provider.requests[0].path) == ("POST", "/mms.aspx")
    form = provider.form
    text, picture, layout = tms.unpacked(b64decode(form.pop("content"), validate=True))
    assert form == {
        "action": "send",
        "userid": "1234",
        "account": "test",
        "password": "098F6BCD4621D373CADE4E832627B4F6",
        "mobile": "13800000001,13800000002",
        "subject": "喜报 + 50%",
        "sendTime": "",
        "extno": "7",
    }
    assert text == Part("1.txt", b"\xc4\xe3\xba\xc3")
    assert picture == PICTURE
    assert layout.name == "mms.smil"


def test_the_balance_is_the_mms_balance(account: Account, http: Any, provider: Any) -> None:
    """It is asked of mms.aspx."""
    provider.answers = [b"<returnsms><returnstatus>Sucess</returnstatus><overage>12</overage></returnsms>"]
    assert mms.balance(account(), http).units == 12
    assert provider.requests[0].path == "/mms.aspx"


@pytest.mark.parametrize(
    ("content", "charset", "travels"),
    [
        ("你好".encode(), "gbk", "你好".encode("gbk")),
        ("\ufeff你好".encode(), "gbk", "你好".encode("gbk")),
        ("你好".encode("gbk"), "gbk", "你好".encode("gbk")),
        ("你好".encode(), "utf-8", "你好".encode()),
        (b"hello", "gbk", b"hello"),
    ],
)
def test_texts_travel_in_the_charset_of_phones(account: Account, content: bytes, charset: str, travels: bytes) -> None:
    """A text in UTF-8 is written anew, one that already is in GBK stays."""
    [text, _] = mms.elements(account(text_charset=charset), (Part("1.TXT", content),))
    assert text.content == travels


def test_only_texts_are_transcoded(account: Account) -> None:
    """A picture whose bytes happen to be UTF-8 stays as it is."""
    [picture, _] = mms.elements(account(), (Part("1.png", "你好".encode()),))
    assert picture.content == "你好".encode()


def test_a_text_that_gbk_cannot_carry_is_refused(account: Account) -> None:
    """The error names the part and the character."""
    message = Mms(to=ONE, subject="x", parts=[Part("1.txt", "好😀".encode())])
    with pytest.raises(InvalidMessage, match=r"1\.txt has '😀' \(U\+1F600\), which GBK cannot carry"):
        mms.check(account(), message)
    mms.check(account(unencodable="replace"), message)
    [text, _] = mms.elements(account(unencodable="replace"), message.parts)
    assert text.content == "好?".encode("gbk")


def test_a_name_that_gbk_cannot_carry_is_refused(account: Account) -> None:
    """Names have no replacement: the parts would not be found."""
    with pytest.raises(InvalidMessage, match="rename the file"):
        mms.check(account(unencodable="replace"), Mms(to=ONE, subject="x", parts=[Part("😀.jpg", b"x")]))


def test_recipients_and_extension_are_checked(account: Account) -> None:
    """An MMS is addressed like an SMS."""
    with pytest.raises(InvalidMessage, match="6 digits"):
        mms.check(account(), Mms(to=ONE, subject="x", parts=[PICTURE], extension="123456"))


def test_a_given_layout_is_kept(account: Account) -> None:
    """A message that brings a SMIL element gets no other."""
    given_parts = (Part("1.txt", b"x"), Part("my.SMIL", b"<smil/>"))
    assert mms.elements(account(), given_parts) == list(given_parts)


def test_a_layout_shows_the_parts_in_order() -> None:
    """A page holds one of a kind; the next of that kind begins a new page."""
    names = ["1.txt", "2.jpg", "3.amr", "4.gif", "5.txt", "6.txt", "7.mp4", "8.xml"]
    assert pages(smil.layout(Part(name, b"x") for name in names)) == [
        [("text", "1.txt", "Text"), ("img", "2.jpg", "Image"), ("audio", "3.amr", None)],
        [("img", "4.gif", "Image"), ("text", "5.txt", "Text")],
        [("text", "6.txt", "Text"), ("video", "7.mp4", "Image"), ("ref", "8.xml", None)],
    ]


@given(
    st.lists(st.text(st.characters(codec="gbk", categories=["L", "N", "P", "S"]), min_size=1), min_size=1, unique=True)
)
def test_a_layout_is_well_formed_and_names_every_part(names: list[str]) -> None:
    """Whatever the files are called, each is shown once, in order, and the layout itself is ASCII."""
    layout = smil.layout(Part(name, b"x") for name in names)
    assert layout.content.isascii()
    assert [name for page in pages(layout) for _, name, _ in page] == names


def pages(layout: Part) -> list[list[tuple[str, str | None, str | None]]]:
    """The pages of a layout: kind, source and region of each element."""
    body = etree.fromstring(layout.content).find("body")
    assert body is not None
    return [[(str(shown.tag), shown.get("src"), shown.get("region")) for shown in page] for page in body]

"""Messages: valid by construction, frozen, and silent about what they hold."""

from __future__ import annotations

import copy
import pickle
import re
from dataclasses import FrozenInstanceError, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_core import Balance, Inbound, InvalidMessage, Mms, Part, Report, Sms, State
from notify_core.messages import Accepted, Message, Submission

A, B = "+8613800000001", "+8613800000002"
SMS = Sms(to=[A, B], text="您的验证码：1439", extension="01", send_at=datetime(2030, 1, 1, tzinfo=UTC))
MMS = Mms(to=A, subject="hello", parts=[Part("1.txt", b"secret content")])
OTHERS = [
    Part("1.txt", b"secret content"),
    Accepted(task_id="7", count=1, raw="secret content"),
    Balance(units=Decimal(-4), prepaid=False),
    Report(recipient=A, task_id="7", state=State.DELIVERED),
    Inbound(sender=A, text="secret content"),
]


def test_a_message_takes_one_number_or_many() -> None:
    """A number alone is a list of one."""
    assert Sms(to=A, text="hello").to == Sms(to=[A], text="hello").to == Sms(to=iter([A]), text="hello").to == (A,)


def test_recipients_are_stripped_and_distinct() -> None:
    """Blanks around numbers go, and so do repetitions, in order."""
    assert Sms(to=[f" {B}\n", A, B, A], text="hello").to == (B, A)


def test_the_same_number_written_twice_is_one_recipient() -> None:
    """Numbers are compared in E.164."""
    message = Sms(to=["13800000001", "138 0000 0001", A, "13800000002"], text="hello").addressed("CN")
    assert message.to == (A, B)


def test_a_number_with_plus_is_read_at_once() -> None:
    """How it is written does not matter, and it needs no region."""
    assert Sms(to="+86 138-0000-0001", text="hello").to == (A,)


@pytest.mark.parametrize("number", ["+123456", "+1234567", "+861012345678", "+8612345678901", "+86 010 1234 5678"])
def test_a_number_with_plus_is_valid_at_once(number: str) -> None:
    """What no gateway can reach is refused before there is a message."""
    with pytest.raises(InvalidMessage):
        Sms(to=number, text="hello")


def test_every_bad_recipient_is_named() -> None:
    """All of them are told at once, masked; the first ten of many."""
    with pytest.raises(InvalidMessage) as caught:
        Sms(to=["13800000001", "12345678901", "010-12345678"], text="hello").addressed("CN")
    assert str(caught.value) == (
        "'123****8901' is not a valid phone number: expected a number of CN, or + and the country code before it; "
        "'010-****5678' is a landline and cannot take messages: give a mobile number"
    )
    with pytest.raises(InvalidMessage, match=r"; and 2 more$"):
        Sms(to=[f"1234567890{number:02}" for number in range(12)], text="hello").addressed("CN")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"to": []}, "the message has no recipients: give at least one number in `to`"),
        ({"to": ""}, "a recipient is empty: remove it from `to`"),
        ({"to": [A, "  "]}, "a recipient is empty: remove it from `to`"),
        ({"to": [13800000001]}, "a recipient is text such as '+8613800138000'; found int"),
        ({"text": ""}, "`text` is empty: say something"),
        ({"text": " \n"}, "`text` is empty: say something"),
        ({"text": None}, "`text` is text; found NoneType"),
        ({"text": 1439}, "`text` is text; found int"),
        ({"to": 13800000001}, "`to` is a number as text, or several; found int"),
        ({"extension": 12}, "`extension` is digits as text; found int"),
        ({"text": "", "template": "otp", "values": ["code"]}, "`values` map names to values; found list"),
        ({"text": "\ud83d"}, "`text` holds half a surrogate pair, which no charset carries: decode it as UTF-8 first"),
        (
            {"text": "1439\x07"},
            "`text` holds '\\x07' (U+0007), a control character that no phone shows: leave it out",
        ),
        ({"text": "a", "template": "b"}, "give either `text` or `template`, not both"),
        ({"values": {"a": 1}}, "`values` belong to a `template`: name it"),
        ({"extension": "12a"}, "extension '12a' is not numeric: give digits only"),
        ({"extension": "１"}, "extension '１' is not numeric: give digits only"),
        (
            {"send_at": datetime(2030, 1, 1)},  # noqa: DTZ001 - that is what is refused
            (
                "send_at=2030-01-01T00:00:00 has no time zone: give an aware time, such as "
                "datetime.now(UTC) + timedelta(hours=1)"
            ),
        ),
    ],
)
def test_a_bad_text_message_is_refused(arguments: dict[str, Any], words: str) -> None:
    """The error says what to change."""
    with pytest.raises(InvalidMessage, match=f"^{re.escape(words)}$"):
        Sms(**{"to": A, "text": "hello", **arguments})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"subject": " "}, "`subject` is empty: say something"),
        ({"parts": []}, "the message has no parts: give at least one file"),
        ({"parts": ["/no/such/1.jpg"]}, "cannot read /no/such/1.jpg: No such file or directory; name a file"),
        ({"parts": [Part("1.txt", b"a"), Part("1.txt", b"b")]}, "two parts are named '1.txt': names must differ"),
    ],
)
def test_a_bad_multimedia_message_is_refused(arguments: dict[str, Any], words: str) -> None:
    """The error says what to change."""
    with pytest.raises(InvalidMessage, match=re.escape(words)):
        Mms(**{"to": A, "subject": "hello", "parts": [Part("1.txt", b"a")], **arguments})


@pytest.mark.parametrize("character", [chr(code) for code in range(0x20) if chr(code) not in "\t\n\r"])
def test_control_characters_are_refused_by_name(character: str) -> None:
    """No control character leaves, in whatever a message says, a filled template included."""
    named = rf"holds .* \(U\+{ord(character):04X}\), a control character"
    with pytest.raises(InvalidMessage, match=f"^`text` {named}"):
        Sms(to=A, text=f"14{character}39")
    with pytest.raises(InvalidMessage, match=f"^`text` {named}"):
        Sms(to=A, template="otp").worded(f"14{character}39")
    with pytest.raises(InvalidMessage, match=f"^`subject` {named}"):
        Mms(to=A, subject=f"14{character}39", parts=[Part("1.txt", b"a")])


def test_lines_and_tabs_stay() -> None:
    """The ends of lines, as any system writes them, and tabs are part of a text."""
    assert Sms(to=A, text="1439\r\n\tagain\n").text == "1439\r\n\tagain\n"


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_part_needs_a_name(name: str) -> None:
    """A name with a zero byte would end early in the container."""
    with pytest.raises(InvalidMessage, match=r"a part needs a file name such as 1.txt"):
        Part(name, b"")


def test_parts_come_from_files(tmp_path: Path) -> None:
    """A path is read under its own name."""
    (tmp_path / "1.txt").write_bytes(b"hello")
    assert Mms(to=A, subject="hello", parts=[tmp_path / "1.txt"]).parts == (Part("1.txt", b"hello"),)


@pytest.mark.parametrize("value", [SMS, MMS, *OTHERS], ids=lambda value: type(value).__name__)
def test_values_are_frozen(value: Any) -> None:
    """Nothing of a value changes once it is made, and nothing is added."""
    name = fields(value)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, None)
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        value.other = None


@pytest.mark.parametrize("value", [SMS, MMS, *OTHERS], ids=lambda value: type(value).__name__)
def test_values_survive_copying_and_pickling(value: Any) -> None:
    """A value that goes through a queue is equal to itself."""
    assert copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - its own


@pytest.mark.parametrize("value", [SMS, MMS, *OTHERS], ids=lambda value: type(value).__name__)
def test_a_repr_is_silent(value: Any) -> None:
    """No whole number, no text and no content is seen."""
    shown = repr(value)
    assert not re.search(r"\d{9}|1439|secret content", shown), shown
    assert shown.startswith(type(value).__name__)


def test_a_repr_of_many_recipients_is_short() -> None:
    """Three of them, and how many there are."""
    assert repr(Sms(to=[f"+861380000000{number}" for number in range(5)], text="hello")) == (
        "Sms(to=[+86138****0000, +86138****0001, +86138****0002, … 5 in all], <5 characters>)"
    )


def test_replacing_checks_again() -> None:
    """A message that is changed by dataclasses.replace is as valid as a new one."""
    assert replace(SMS, text="hello").text == "hello"
    with pytest.raises(InvalidMessage):
        replace(SMS, to=())
    with pytest.raises(InvalidMessage):
        replace(MMS, subject="")


@given(st.sampled_from([SMS, MMS]), st.sampled_from([(A,), (B,), (A, B)]))
def test_narrowing_changes_the_recipients_only(message: Message, recipients: tuple[str, ...]) -> None:
    """The same message, to others."""
    assert message.narrowed(recipients) == replace(message, to=recipients)


def test_wording_takes_the_place_of_a_template() -> None:
    """A template's name and values go; all else stays."""
    worded = Sms(to=A, template="otp", values={"code": "1439"}, extension="1").worded("hello")
    assert worded == Sms(to=A, text="hello", extension="1")


def test_wording_says_something() -> None:
    """A template may come to nothing; a message may not."""
    with pytest.raises(InvalidMessage, match="`text` is empty"):
        Sms(to=A, template="otp").worded(" ")


def test_a_message_that_is_addressed_stays_itself() -> None:
    """Nothing is copied where nothing changes."""
    assert SMS.addressed("CN") is SMS
    assert SMS.narrowed(SMS.to) is SMS


def test_values_of_a_template_are_the_messages_own() -> None:
    """What the caller does to the mapping afterwards does not reach the message."""
    values = {"code": "1439"}
    message = Sms(to=A, template="otp", values=values)
    values["code"] = "0000"
    assert message.values == {"code": "1439"}


def test_a_submission_knows_whom_it_was_made_for() -> None:
    """A wrapper may set another message; the recipients stay known."""
    submission = Submission("clinic.json", SMS)
    submission.message = Sms(to=B, text="hello")
    assert submission.recipients == (A, B)

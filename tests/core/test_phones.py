"""Phone numbers: read as phonenumbers reads them, refused where they cannot take messages, masked where shown."""

from __future__ import annotations

import re

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers.phonemetadata import PhoneMetadata

from notify_core import InvalidMessage, phones
from notify_core.phones import e164, mask

FAST = [region for region in sorted(phonenumbers.SUPPORTED_REGIONS) if phones._mobile_pattern(region)[0]]
"""The regions whose mobile numbers are recognised without phonenumbers' parser."""


@st.composite
def mobiles(draw: st.DrawFn) -> tuple[str, str]:
    """A region, and a number that its metadata calls mobile."""
    region = draw(st.sampled_from(FAST))
    metadata = PhoneMetadata.metadata_for_region(region, None)
    assert metadata is not None
    assert metadata.mobile is not None
    pattern = re.compile(metadata.mobile.national_number_pattern or "", re.ASCII)
    return region, draw(st.from_regex(pattern, fullmatch=True))


@given(mobiles())
def test_the_short_way_reads_as_phonenumbers_does(mobile: tuple[str, str]) -> None:
    """A mobile number that is recognised by its pattern alone has the E.164 that phonenumbers' parser gives it."""
    region, number = mobile
    assert e164(number, region) == phones._parsed(number, region)


@given(mobiles())
def test_the_short_way_reads_international_numbers_too(mobile: tuple[str, str]) -> None:
    """The same number with + and the country code is read the same, whatever the region."""
    region, number = mobile
    whole = f"+{phonenumbers.country_code_for_region(region)}{number}"
    assert e164(whole, "") == phones._parsed(whole, "")


@given(st.sampled_from(FAST), st.text("0123456789", min_size=4, max_size=15))
def test_any_digits_are_read_as_phonenumbers_does(region: str, digits: str) -> None:
    """Digits that are no mobile number, or have one inside, are not read differently on the short way."""
    for number in (digits, f"+{digits}", f"+{phonenumbers.country_code_for_region(region)}{digits}"):
        assert outcome(e164, number, region) == outcome(phones._parsed, number, region)


def outcome(read: object, number: str, region: str) -> str:
    """The number that was read, or the words of its refusal."""
    assert callable(read)
    try:
        return str(read(number, region))
    except InvalidMessage as error:
        return str(error)


def test_the_short_way_is_there_for_many() -> None:
    """Most regions have it, China among them."""
    assert len(FAST) > 150
    assert "CN" in FAST


@pytest.mark.parametrize(
    "written",
    [
        "13800138000",
        "138 0013 8000",
        "138-0013-8000",
        "+8613800138000",
        "+86 138 0013 8000",
        "8613800138000",
        "008613800138000",
        "１３８００１３８０００",
        "＋８６１３８００１３８０００",
        "(138) 0013-8000",
    ],
)
def test_a_number_is_read_however_people_write_it(written: str) -> None:
    """Blanks, dashes, full-width digits, and the country code in its several forms."""
    assert e164(written, "CN") == "+8613800138000"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("1380013800", "'13****3800' is not a valid phone number: expected a number of CN, or + and the country code"),
        ("138001380000", "'1380****0000' is not a valid phone number: expected a number of CN"),
        ("12345", "'****' is not a valid phone number"),
        ("hello", "'****' is not a phone number: expected a number of CN"),
        ("138001380OO", "'****' is not"),
        (
            "+123456",
            "'****' is not a valid phone number: expected + and the country code, then the subscriber's number",
        ),
        ("+8612345678901", "'+86123****8901' is not a valid phone number: expected + and the country code"),
        ("+999123456789", "is not a phone number: expected + and the country code"),
        ("13800138000 ext. 5", "'****' is not a valid phone number"),
        ("13800138000,13800138001", "'****' is not a phone number"),
        ("", "'****' is not a phone number"),
        ("+", "'****' is not a phone number"),
    ],
)
def test_what_is_no_number_is_refused(written: str, words: str) -> None:
    """The refusal shows the number masked and says what was expected."""
    with pytest.raises(InvalidMessage, match=re.escape(words)):
        e164(written, "CN")


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("010-12345678", "a landline"),
        ("+861012345678", "a landline"),
        ("0755 2345 6789", "a landline"),
        ("8008101818", "a toll-free number"),
        ("4008101818", "a shared-cost number"),
    ],
)
def test_a_number_that_cannot_take_messages_is_refused(written: str, kind: str) -> None:
    """It is told what it is, and what to give instead."""
    with pytest.raises(InvalidMessage, match=f"is {kind} and cannot take messages: give a mobile number"):
        e164(written, "CN")


def test_a_number_without_region_is_refused() -> None:
    """Without a region, only a number with + can be read."""
    with pytest.raises(InvalidMessage, match=r"expected a number of no region, or \+ and the country code before it"):
        e164("13800138000", "")
    assert e164("+8613800138000", "") == "+8613800138000"


def test_a_number_of_a_shared_country_code_is_read() -> None:
    """+1 belongs to many regions, and a number of it may be fixed or mobile."""
    assert e164("(202) 555-0123", "US") == "+12025550123"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+8613800138000", "+86138****8000"),
        ("13800138000", "138****8000"),
        ("12345678", "****5678"),
        ("1234567", "****"),
        ("", "****"),
        ("您的验证码：1439，请勿告诉他人", "****"),
        ("138001380001380013800013", "****"),
    ],
)
def test_a_number_is_masked(number: str, shown: str) -> None:
    """At most a number's beginning and its last four digits are seen; of anything else, nothing."""
    assert mask(number) == shown


@given(st.text(max_size=40))
def test_no_mask_shows_a_whole_input(text: str) -> None:
    """Whatever was given as a number, eight characters of it or all of it are hidden."""
    shown = mask(text).replace("****", "")
    assert len(shown) <= max(len(text) - 4, 0)

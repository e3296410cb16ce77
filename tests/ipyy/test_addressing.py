"""Numbers and extensions as ipyy writes them."""

from __future__ import annotations

import pytest

from notify_core.errors import InvalidMessage
from notify_core.messages import Sms
from notify_ipyy import addressing

ONE, TWO = "+8613800000001", "+8613800000002"


@pytest.mark.parametrize("extension", ["", "1", "12345"])
def test_five_digits_of_extension_are_taken(extension: str) -> None:
    """An extension may be missing or have up to 5 digits."""
    addressing.check(Sms(to=ONE, text="x", extension=extension))


def test_six_digits_of_extension_are_refused() -> None:
    """The error says how many there are and how many are taken."""
    with pytest.raises(InvalidMessage, match="extension 123456 has 6 digits: ipyy takes at most 5"):
        addressing.check(Sms(to=ONE, text="x", extension="123456"))


@pytest.mark.parametrize("stranger", ["+14155550100", "+85251234567"])
def test_a_number_outside_mainland_china_is_refused_and_masked(stranger: str) -> None:
    """The gateway reaches +86 and 11 digits; the error does not repeat the number."""
    with pytest.raises(InvalidMessage, match="mainland China only") as caught:
        addressing.check(Sms(to=[ONE, stranger], text="x"))
    assert stranger not in str(caught.value)
    assert ONE not in str(caught.value)


@pytest.mark.parametrize(
    "written", ["13800000001", "8613800000001", "+8613800000001", "008613800000001", " 13800000001 "]
)
def test_a_number_of_the_gateway_becomes_e164(written: str) -> None:
    """With or without the country code, it is the same subscriber."""
    assert addressing.e164(written) == ONE


@pytest.mark.parametrize("written", ["", "10086", "abc", "138000000011"])
def test_what_is_no_chinese_mobile_number_stays_as_text(written: str) -> None:
    """A service number or rubbish is handed on as it came."""
    assert addressing.e164(written) == written


@pytest.mark.parametrize("text", ["13800000002", "['13800000009', '8613800000002']", "号码(13800000002)错误"])
def test_numbers_in_a_text_are_found(text: str) -> None:
    """Only those of the submission count, in its order and in E.164."""
    assert addressing.named(text, [ONE, TWO]) == (TWO,)


def test_digits_within_longer_digits_are_no_number() -> None:
    """A task id that contains the digits of a recipient does not name it."""
    assert addressing.named("9913800000001", [ONE]) == ()


def test_numbers_in_a_text_are_masked() -> None:
    """What is shown keeps the words and loses the numbers."""
    assert addressing.masked("号码13800000001错误") == "号码138****0001错误"

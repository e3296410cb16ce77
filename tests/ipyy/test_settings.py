"""The account's settings, and what is derived from them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from notify_ipyy.settings import IpyySettings, md5_upper

Account = Callable[..., IpyySettings]


def test_the_password_travels_as_upper_case_md5() -> None:
    """The document's own example comes out."""
    assert md5_upper("abc123") == "E99A18C428CB38D5F260853678922E03"


def test_both_spellings_of_the_md5_are_secrets(account: Account) -> None:
    """What the gateway may echo instead of the password is as secret as the password."""
    made = account(password="abc123")
    assert set(made.secrets()) == {"abc123", "E99A18C428CB38D5F260853678922E03", "e99a18c428cb38d5f260853678922e03"}


def test_a_repr_shows_no_secret_even_after_use(account: Account) -> None:
    """Derived values are kept in the model but never shown by it."""
    made = account(password="open-sesame")
    assert made.credentials
    assert made.des_key == b"open-ses"
    assert not [secret for secret in made.secrets() if secret in repr(made) or secret in str(made.model_dump())]


def test_credentials_are_written_once(account: Account) -> None:
    """The beginning of every form is made for the account, not for each message."""
    made = account()
    assert made.credentials is made.credentials
    assert made.gbk_credentials is made.gbk_credentials


def test_a_plain_password_is_sent_as_it_is(account: Account) -> None:
    """password_format: plain puts the password itself, URL-encoded, into forms."""
    assert account(password="a&b", password_format="plain").credentials == "userid=1234&account=test&password=a%26b"


def test_an_account_name_in_chinese_is_written_in_the_charset_of_the_form(account: Account) -> None:
    """UTF-8 and GBK forms differ in more than the text."""
    made = account(account="诊所")
    assert "account=%E8%AF%8A%E6%89%80&" in made.credentials
    assert "account=%D5%EF%CB%F9&" in made.gbk_credentials


@pytest.mark.parametrize(
    ("password", "key"), [("test", b"test\0\0\0\0"), ("12345678", b"12345678"), ("1234567890", b"12345678")]
)
def test_the_des_key_is_eight_bytes(account: Account, password: str, key: bytes) -> None:
    """A short password is padded with zero bytes, a long one is cut."""
    assert account(password=password).des_key == key


def test_a_soap_version_without_quotes_is_understood(account: Account) -> None:
    """YAML reads 1.2 as a number."""
    assert account(soap_version=1.2).soap_version == "1.2"


@pytest.mark.parametrize(
    "wrong",
    [
        {"user_id": "12a"},
        {"password": ""},
        {"account": ""},
        {"password_format": "sha1"},
        {"soap_version": 1.3},
        {"unencodable": "drop"},
        {"wsdl": ""},
        {"passwort": "x"},
    ],
)
def test_settings_that_cannot_work_are_refused(account: Account, wrong: dict[str, object]) -> None:
    """A value out of range and an unknown key are faults, and the fault does not repeat the password."""
    with pytest.raises(ValidationError) as caught:
        account(**wrong)
    assert next(iter(wrong)) in str(caught.value)


def test_every_setting_says_what_it_is() -> None:
    """The generated reference has a line for each setting."""
    assert [name for name, field in IpyySettings.model_fields.items() if not field.description] == []

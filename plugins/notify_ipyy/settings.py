"""An ipyy account: what the YAML says about it, and what is derived from that once instead of for each message."""

from __future__ import annotations

from functools import cached_property
from hashlib import md5
from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import BeforeValidator, Field

from notify_core.settings import AccountSettings, SecretStr, file_name


def _version(value: object) -> object:
    """``1.2`` without quotes is a number to YAML."""
    return str(value) if isinstance(value, float) else value


class IpyySettings(AccountSettings):
    """An account at an ipyy gateway, or at one that is white-labelled from it."""

    account: str = Field(min_length=1)
    """The account's name at the gateway."""
    password: SecretStr = Field(min_length=1)
    """The account's password in clear; it travels as password_format says."""
    user_id: str = Field(default="", pattern=r"^[0-9]*$")
    """The provider's number for the enterprise, in quotes. Only ensms needs it."""
    password_format: Literal["md5", "plain"] = "md5"  # noqa: S105  # a format, not a password
    """How the form endpoints get the password: as its MD5, or plain. (ensms and soap have ways of their own.)"""
    unencodable: Literal["refuse", "replace"] = "refuse"
    """What becomes of characters that GBK cannot carry: the message is refused, or each leaves as a question mark."""
    soap_version: Annotated[Literal["1.1", "1.2"], BeforeValidator(_version)] = "1.1"
    """The version of the SOAP envelope."""
    wsdl: Annotated[str, Field(min_length=1), file_name("bundled", "live")] = "bundled"
    """Where soap takes its WSDL: bundled (the package's own), live (the gateway's), or a file, relative to this one."""
    text_charset: Literal["gbk", "utf-8"] = "gbk"
    """The charset of the text parts of an MMS."""

    def secrets(self) -> tuple[str, ...]:
        """The password, and its MD5 in either letter case."""
        return (*super().secrets(), self._password_md5, self._password_md5.lower())

    @cached_property
    def credentials(self) -> str:
        """The fields that every form begins with, URL-encoded as UTF-8."""
        return self._credentials("utf-8")

    @cached_property
    def gbk_credentials(self) -> str:
        """The fields that every form begins with, URL-encoded as GBK."""
        return self._credentials("gbk")

    @cached_property
    def des_key(self) -> bytes:
        """The key of ensms: the password's first 8 bytes, padded with zero bytes (gateway.md part 1 §2)."""
        return self.password.get_secret_value().encode()[:8].ljust(8, b"\0")

    def _credentials(self, charset: str) -> str:
        password = {"plain": self.password.get_secret_value(), "md5": self._password_md5}[self.password_format]
        fields = {"userid": self.user_id, "account": self.account, "password": password}
        return urlencode(fields, encoding=charset, errors="strict")

    @property
    def _password_md5(self) -> str:
        return md5_upper(self.password.get_secret_value())


def md5_upper(text: str) -> str:
    """The MD5 of ``text`` as 32 upper-case hex digits, as the gateway wants it (gateway.md part 1, Credentials)."""
    return md5(text.encode(), usedforsecurity=False).hexdigest().upper()

"""A customer's account at the gateway."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from hashlib import md5
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr

from notify_ipyy.sandbox.codes import Refused
from notify_ipyy.sandbox.mailbox import Mailbox

CHINA = timezone(timedelta(hours=8))
_TIME = "%Y-%m-%d %H:%M:%S"


def china_time(time: datetime) -> str:
    """A time as the gateway writes it: ``yyyy-MM-dd HH:mm:ss`` in China."""
    return time.astimezone(CHINA).strftime(_TIME)


def planned(text: str) -> datetime | None:
    """The time that a customer wrote as ``yyyy-MM-dd HH:mm:ss`` in China; None for at once. Raises ``Refused``."""
    if not text:
        return None
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=CHINA)
    except ValueError:
        raise Refused("SendTimeError") from None


def national(number: str) -> str:
    """A number of mainland China as the gateway writes it: 11 digits."""
    return number.removeprefix("+86")


def _national(numbers: frozenset[str]) -> frozenset[str]:
    return frozenset(map(national, numbers))


Numbers = Annotated[frozenset[str], AfterValidator(_national)]


class Account(BaseModel):
    """An account, and what of it can be set by ``POST /sandbox/accounts``."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    name: str
    """The user name."""
    password: str = Field(default="sandbox-secret", min_length=1, repr=False, exclude=True)
    """The password in clear. Never shown again."""
    user_id: str = "1001"
    """The enterprise's id, which only the encrypted form checks."""
    signature: str = "腾飞"
    """The name in 【】 that texts must carry at either end; empty: none is needed."""
    credit: int = 10_000
    """The SMS segments left."""
    mms_credit: int = 1_000
    """The multimedia messages left."""
    prepaid: bool = True
    """Whether sending stops when the credit is used up; else the credit falls below zero."""
    sent_total: int = 0
    """The units billed so far."""
    extension_digits: int = Field(default=5, ge=0)
    """The longest extension; 0: the channel has none."""
    max_characters: int = Field(default=1_005, ge=1)
    """The longest text: 15 segments of 67."""
    max_recipients: int = Field(default=1_000, ge=1)
    """The most numbers of one submission. The real cap is unpublished (gateway.md, part 2, trap 7)."""
    daily_limit: int = Field(default=0, ge=0)
    """The most messages to one number on one day in China; 0: no limit. The document says 10."""
    rush_limit: int = Field(default=0, ge=0)
    """The most messages to one number within 3 minutes; 0: no limit. The document says 3."""
    rush_containing: str = "验证码"
    """Which messages ``rush_limit`` counts: those containing this; empty: all."""
    black_list: Numbers = Field(default=frozenset(), repr=False)
    """Numbers that refuse a submission as black-listed."""
    no_channel: Numbers = Field(default=frozenset(), repr=False)
    """Numbers that refuse a submission because no channel reaches them."""
    sensitive_words: tuple[str, ...] = ()
    """Words that refuse a submission."""
    bound_ip: str = ""
    """The only address that may call. A caller is 127.0.0.1, or what it says in X-Forwarded-For."""
    stopped: bool = False
    """Whether the account is stopped."""
    may_pull: bool = True
    """Whether the account may pull reports and inbound messages."""
    refusal: str = ""
    """The name of the code that every submission is refused with, such as NoProduct or FrequentOperation."""
    push_url: str = Field(default="", pattern=r"^(https?://.+)?$")
    """The customer's own address, where reports and inbound messages are pushed."""

    _mailbox: Mailbox = PrivateAttr(default_factory=Mailbox)
    _history: dict[str, list[tuple[datetime, str]]] = PrivateAttr(default_factory=dict)

    @property
    def mailbox(self) -> Mailbox:
        """What is waiting for the account's owner."""
        return self._mailbox

    @property
    def history(self) -> dict[str, list[tuple[datetime, str]]]:
        """When each number was sent what, where a limit needs to know."""
        return self._history

    def has_password(self, given: str) -> bool:
        """Whether ``given`` is the password, plain or as its MD5 in 32 upper-case hex digits."""
        return given in (self.password, md5_hex(self.password))

    def has_plain_password(self, given: str) -> bool:
        """Whether ``given`` is the password itself."""
        return given == self.password


def md5_hex(text: str) -> str:
    """The MD5 of a text's UTF-8 as the gateway wants it: 32 upper-case hex digits."""
    return md5(text.encode(), usedforsecurity=False).hexdigest().upper()

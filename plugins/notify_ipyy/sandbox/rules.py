"""What the gateway checks before it takes a submission, in its order. Each rule refuses the whole of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from notify_ipyy.sandbox.account import CHINA, Account
from notify_ipyy.sandbox.codes import Refused

Purse = Literal["credit", "mms_credit"]

_MOBILE = re.compile(r"1\d{10}", re.ASCII)
_SIGNATURE = re.compile(r"\A\s*【([^【】]+)】|【([^【】]+)】\s*\Z")
_DAY = timedelta(days=1)
_RUSH = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Draft:
    """A submission as its dialect decoded it.

    ``content`` is what is recorded of it (``text``, or ``subject`` and ``parts``); ``words`` is all its text; ``units``
    is what one recipient costs, out of ``purse``. ``send_at`` is aware, None for at once.
    """

    endpoint: str
    purse: Purse
    to: tuple[str, ...] = field(repr=False)
    words: str = field(repr=False)
    units: int
    extension: str
    send_at: datetime | None
    content: Mapping[str, object] = field(repr=False)


Rule = Callable[[Account, Draft, datetime], None]


def segments(text: str) -> int:
    """What a text is billed as: up to 70 characters (UTF-16 units) one segment, longer ones cut at 67."""
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    return 1 if units <= 70 else -(-units // 67)


def _serviceable(account: Account, draft: Draft, now: datetime) -> None:
    if account.refusal:
        raise Refused(account.refusal)


def _numbers_given(account: Account, draft: Draft, now: datetime) -> None:
    if not draft.to:
        raise Refused("MsisdnEmpty")


def _content_given(account: Account, draft: Draft, now: datetime) -> None:
    if not draft.words.strip():
        raise Refused("ContentEmpty")


def _extension(account: Account, draft: Draft, now: datetime) -> None:
    digits = draft.extension
    if digits and not (digits.isascii() and digits.isdigit() and len(digits) <= account.extension_digits):
        raise Refused("ExtNumberError")


def _length(account: Account, draft: Draft, now: datetime) -> None:
    if len(draft.words) > account.max_characters:
        raise Refused("ContentLong")


def _recipient_cap(account: Account, draft: Draft, now: datetime) -> None:
    if len(draft.to) > account.max_recipients:
        raise Refused("MsisdnsMany")


def _number_forms(account: Account, draft: Draft, now: datetime) -> None:
    if bad := tuple(number for number in draft.to if not _MOBILE.fullmatch(number)):
        raise Refused("MsisdnError", numbers=bad)


def _black_list(account: Account, draft: Draft, now: datetime) -> None:
    if black := tuple(number for number in draft.to if number in account.black_list):
        raise Refused("MsisdnBlack", numbers=black)


def _channels(account: Account, draft: Draft, now: datetime) -> None:
    if lost := tuple(number for number in draft.to if number in account.no_channel):
        raise Refused("MsisdnNoChannel", numbers=lost)


def _sensitive_words(account: Account, draft: Draft, now: datetime) -> None:
    if found := next((word for word in account.sensitive_words if word in draft.words), ""):
        raise Refused("SensitiveWords", tail=found)


def _signature(account: Account, draft: Draft, now: datetime) -> None:
    if not account.signature:
        return
    signatures = {first or last for first, last in _SIGNATURE.findall(draft.words)}
    if not signatures:
        raise Refused("RequiredSuffix")
    if account.signature not in signatures:
        raise Refused("SuffixError")


def _frequency(account: Account, draft: Draft, now: datetime) -> None:
    if not (account.daily_limit or account.rush_limit):
        return
    if any(_too_often(account, account.history.get(number, []), draft.words, now) for number in draft.to):
        raise Refused("FrequentOperation")


def _too_often(account: Account, history: list[tuple[datetime, str]], words: str, now: datetime) -> bool:
    counted = account.rush_containing
    today = sum(time.astimezone(CHINA).date() == now.astimezone(CHINA).date() for time, _ in history)
    rush = sum(now - time < _RUSH and counted in said for time, said in history) if counted in words else -1
    return 0 < account.daily_limit <= today or 0 < account.rush_limit <= rush


def _credit(account: Account, draft: Draft, now: datetime) -> None:
    if account.prepaid and draft.units * len(draft.to) > getattr(account, draft.purse):
        raise Refused("AmountNotEnough")


_COMMON: tuple[Rule, ...] = (_number_forms, _black_list, _channels, _sensitive_words)

_RULES: Mapping[Purse, tuple[Rule, ...]] = {
    "credit": (
        *(_serviceable, _numbers_given, _content_given, _extension, _length, _recipient_cap),
        *_COMMON,
        *(_signature, _frequency, _credit),
    ),
    "mms_credit": (_serviceable, _numbers_given, _extension, _recipient_cap, *_COMMON, _frequency, _credit),
}


def check(account: Account, draft: Draft, now: datetime) -> None:
    """Raise ``Refused`` for the first rule that ``draft`` breaks."""
    for rule in _RULES[draft.purse]:
        rule(account, draft, now)


def charge(account: Account, draft: Draft, taken: tuple[str, ...], now: datetime) -> int:
    """Bill the recipients that were taken and count them towards the limits; the units billed."""
    units = draft.units * len(taken)
    setattr(account, draft.purse, getattr(account, draft.purse) - units)
    account.sent_total += units
    if account.daily_limit or account.rush_limit:
        for number in taken:
            recent = [(time, said) for time, said in account.history.get(number, []) if now - time < _DAY]
            account.history[number] = [*recent, (now, draft.words)]
    return units

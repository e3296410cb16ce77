"""Whom a message goes to and what it comes from, as ipyy writes them: 11-digit Chinese numbers, extension digits."""

from __future__ import annotations

import re
from collections.abc import Iterable

from notify_core.errors import InvalidMessage
from notify_core.hookspecs import hookimpl
from notify_core.messages import Mms, Sms
from notify_core.phones import mask

EXTENSION_DIGITS = 5
"""The most digits of an extension (gateway.md part 1 §1)."""

_CHINESE = re.compile(r"\+861\d{10}", re.ASCII)
_WRITTEN = re.compile(r"(?:\+|00)?(?:86)?(1\d{10})", re.ASCII)
# What may be a phone number has 7 to 15 digits (ITU-T E.164); task ids have 16 and more.
_PHONE = re.compile(r"(?<!\d)\d{7,15}(?!\d)", re.ASCII)
_WRITTEN_IN_TEXT = re.compile(r"(?<!\d)(?:00)?(?:86)?(1\d{10})(?!\d)", re.ASCII)


@hookimpl
def check(message: Sms | Mms) -> None:
    """Refuse a recipient that is no Chinese mobile number and an extension that is too long."""
    if len(message.extension) > EXTENSION_DIGITS:
        raise InvalidMessage(
            f"extension {message.extension} has {len(message.extension)} digits: ipyy takes at most {EXTENSION_DIGITS}"
        )
    if strangers := [number for number in message.to if not _CHINESE.fullmatch(number)]:
        shown = ", ".join(map(mask, strangers[:3])) + (", …" if len(strangers) > 3 else "")
        raise InvalidMessage(
            f"{shown}: ipyy reaches mobile numbers of mainland China only, +86 and 11 digits; "
            "send to others by another provider",
            recipients=tuple(strangers),
        )


def national(recipients: Iterable[str]) -> list[str]:
    """The 11 digits of each E.164 number."""
    return [number[3:] for number in recipients]


def e164(number: str) -> str:
    """A number that the gateway wrote, in E.164; what is none stays as it came."""
    number = number.strip()
    match = _WRITTEN.fullmatch(number)
    return f"+86{match[1]}" if match else number


def named(text: str, recipients: Iterable[str]) -> tuple[str, ...]:
    """Those of the E.164 ``recipients`` that the gateway names in ``text``."""
    found = {f"+86{digits}" for digits in _WRITTEN_IN_TEXT.findall(text)}
    return tuple(number for number in recipients if number in found) if found else ()


def masked(text: str) -> str:
    """``text`` with every phone number in it masked."""
    return _PHONE.sub(lambda match: mask(match[0]), text)

"""Removing what must not be seen from what gateways answered."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MOST = 2000
"""Characters of a reply that are kept in a record."""

# A phone number has 7 to 15 digits (ITU-T E.164). Task ids of 16 digits and more stay readable.
_PHONE = re.compile(r"(?<!\d)\d{7,15}(?!\d)")


class Redactor:
    """Cleans replies of one account's secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spelled = {
            form for secret in secrets if secret for form in (secret, quote(secret, safe=""), quote_plus(secret))
        }
        ordered = sorted(spelled, key=len, reverse=True)
        self._secret = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def clean(self, raw: str, text: str = "", keep: str = "") -> str:
        """``raw`` without the account's secrets, the message's ``text`` and phone numbers; ``keep`` is the task id."""
        raw = raw[:MOST]
        if self._secret is not None:
            raw = self._secret.sub("***", raw)
        if text:
            raw = (
                raw.replace(text, "<text>").replace(quote(text, safe=""), "<text>").replace(quote_plus(text), "<text>")
            )
        return _PHONE.sub(lambda digits: digits[0] if digits[0] == keep else "<phone>", raw)

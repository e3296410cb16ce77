"""Removing what must not be seen from what gateways answered, and from what failed."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from functools import partial
from hashlib import md5
from pathlib import Path
from traceback import walk_tb
from urllib.parse import quote, quote_plus

MOST = 2000
"""Characters of a reply that are kept in a record."""

# A phone number has 7 to 15 digits (ITU-T E.164). Task ids of 16 digits and more stay readable.
_DIGITS = re.compile(r"\d{7,}")
_MOST_OF_PHONE = 15
_ESCAPES = "%\\&"


class Redactor:
    """Cleans replies of one account's secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {form for secret in secrets for each in _equivalent(secret) for form in _spelled(each, _ESCAPES)}
        self._secrets = sorted(known, key=len, reverse=True)

    def clean(self, raw: str, text: str = "", keep: str = "") -> str:
        """``raw`` without the account's secrets, the message's ``text`` and phone numbers; ``keep`` is the task id.

        It is shortened when it is clean, and not before: half of a secret at the cut would not be recognised.
        """
        for form in self._secrets:
            raw = raw.replace(form, "***")
        for form in _spelled(text, raw) if text else ():
            raw = raw.replace(form, "<text>")
        return _DIGITS.sub(lambda run: run[0] if run[0] == keep else _hidden(run[0]), raw)[:MOST]


def _hidden(digits: str) -> str:
    return "<phone>" if len(digits) <= _MOST_OF_PHONE else digits


def _equivalent(secret: str) -> tuple[str, ...]:
    """The secret, and its MD5, which is as good as the password where a gateway takes it instead."""
    digest = md5(secret.encode(), usedforsecurity=False).hexdigest()
    return (secret, digest, digest.upper()) if secret else ()


def _spelled(value: str, raw: str) -> set[str]:
    """The ways in which ``raw`` may spell ``value``: as it is, or by what escapes of forms, JSON or HTML it has."""
    spelled = {value}
    if "%" in raw:
        # a gateway that speaks GBK shows a request in GBK; GB18030 holds it and can write whatever a text has
        writers = (quote, partial(quote, safe=""), partial(quote_plus, safe=""))
        spelled |= {write(value, encoding=charset) for write in writers for charset in ("utf-8", "gb18030")}
    if "\\" in raw:
        spelled |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    if "&" in raw:
        spelled |= {html.escape(value), html.escape(value, quote=False)}
    return spelled


def located(error: BaseException) -> str:
    """An exception's type and where it rose; without its text, which may quote what was sent."""
    places = [f"{Path(frame.f_code.co_filename).name}:{line}" for frame, line in walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:  # no frame ran there
        places.append(f"{Path(error.filename).name}:{error.lineno}")
    return f"{type(error).__name__} at {' > '.join(places[-3:])}" if places else type(error).__name__

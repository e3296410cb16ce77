"""The encrypted form: ensms.ashx (gateway.md, part 1, 2)."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime, timedelta

from Crypto.Cipher import DES
from Crypto.Util.Padding import unpad

from notify_core.exchange import Endpoint, Reply, Request
from notify_ipyy.sandbox.account import CHINA, Account, md5_hex, planned
from notify_ipyy.sandbox.codes import OK, Refused
from notify_ipyy.sandbox.form import Form, numbers, post_only, read_form
from notify_ipyy.sandbox.provider import Provider, admitted
from notify_ipyy.sandbox.rules import Draft, segments
from notify_ipyy.sandbox.spelling import Fields, json_reply

STAMP_WINDOW = timedelta(minutes=5)
_NAMES = ("UserName", "Secret", "Stamp", "Moblie", "Text", "Ext", "SendTime")

Letter = Mapping[str, str]
"""The decrypted JSON: exactly the document's names, each with a text."""


def ensms(provider: Provider) -> Endpoint:
    """The address of the encrypted form."""

    def endpoint(request: Request) -> Reply:
        style = provider.style
        try:
            account, letter = _opened(provider, read_form(request))
            _prove(provider, account, letter)
            receipt = provider.submit(admitted(account, request), _draft(letter))
        except Refused as refused:
            return json_reply(style, _answer(refused.code.number, style.message(refused), "", 0, 0, refused.numbers))
        return json_reply(style, _answer(OK.number, style.ok, receipt.task_id, receipt.left, receipt.count, ()))

    return post_only(endpoint)


def _opened(provider: Provider, form: Form) -> tuple[Account, Letter]:
    """The account whose password opens ``Text64``, and what it says."""
    user_id = form.get("userid", "")
    candidates = provider.with_user_id(user_id)
    if not (user_id.isascii() and user_id.isdigit()) or not candidates:
        raise Refused("UserIdError")
    text64 = form.get("text64", "")
    for account in candidates:
        if (letter := decipher(text64, account.password)) is not None:
            return account, letter
    raise Refused("Text64Error")


def decipher(text64: str, password: str) -> Letter | None:
    """The letter in ``text64``, or None where it is not base64, not DES under this password, or not the JSON."""
    key = password.encode()[:8].ljust(8, b"\0")
    try:
        cipher = b64decode(text64, validate=True)
        des = DES.new(key, DES.MODE_CBC, iv=key)  # noqa: S304 - the protocol wants it
        plain = unpad(des.decrypt(cipher), DES.block_size)
        return _letter(json.loads(plain.decode()))
    except ValueError:
        return None


def _letter(value: object) -> Letter:
    if not isinstance(value, dict) or not all(isinstance(value.get(name, ""), str) for name in _NAMES):
        raise ValueError("not the document's JSON")
    return {name: value.get(name, "") for name in _NAMES}


def _prove(provider: Provider, account: Account, letter: Letter) -> None:
    """Check the user name, the stamp and the secret made of it. Raises ``Refused``."""
    name, stamp, secret = letter["UserName"], letter["Stamp"], letter["Secret"]
    if name and not secret:
        raise Refused("PasswordEmpty")
    if provider.find(name) is not account:
        raise Refused("UserNameError")
    if abs(_time(stamp, provider.gateway.now()) - provider.gateway.now()) > STAMP_WINDOW:
        raise Refused("StampError")
    if secret != md5_hex(account.password + stamp):
        raise Refused("PasswordError")


def _time(stamp: str, now: datetime) -> datetime:
    """The time nearest to ``now`` that ``MMddHHmmss`` in China can mean, as it names no year."""
    year = now.astimezone(CHINA).year
    found = []
    for candidate in (year - 1, year, year + 1):
        try:
            found.append(datetime.strptime(f"{candidate}{stamp}", "%Y%m%d%H%M%S").replace(tzinfo=CHINA))
        except ValueError:
            continue  # malformed, or 29 February of another year
    if len(stamp) != 10 or not found:
        raise Refused("StampError")
    return min(found, key=lambda time: abs(time - now))


def _draft(letter: Letter) -> Draft:
    return Draft(
        endpoint="/ensms.ashx",
        purse="credit",
        to=numbers(letter["Moblie"]),
        words=letter["Text"],
        units=segments(letter["Text"]),
        extension=letter["Ext"],
        send_at=planned(letter["SendTime"]),
        content={"text": letter["Text"]},
    )


def _answer(status: int, words: str, task_id: str, amount: int, count: int, errors: tuple[str, ...]) -> Fields:
    return (
        ("StatusCode", status),
        ("Description", words),
        ("MsgId", task_id),
        ("Amount", amount),
        ("SuccessCounts", count),
        ("Errors", list(errors)),
    )

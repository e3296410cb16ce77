"""ipyy.ensms: ensms.ashx, a JSON object under DES in a form, answered in JSON (gateway.md part 1 §2).

DES is the gateway's choice and hides little: what protects the message is https.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from json.encoder import encode_basestring as quoted
from typing import Any, cast

from notify_core.exchange import Endpoint, Gateway, Http
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Sms, Submission
from notify_ipyy import addressing, chinatime, form, json, replies, sendresult
from notify_ipyy.settings import IpyySettings, md5_upper

PATH = "/ensms.ashx"

settings = json.settings
carries = json.carries
check = json.check
balance = json.balance
status = json.status
inbound = json.inbound
push = json.push
change_password = json.change_password

_BLOCK = 8
_SECOND = timedelta(seconds=1)
_NEVER = datetime(1, 1, 1, tzinfo=UTC)
# PKCS7 (RFC 5652 §6.3), by the bytes in the last block: each added byte says how many were added, one at least.
_PADDING = tuple(bytes([_BLOCK - over]) * (_BLOCK - over) for over in range(_BLOCK))


@hookimpl
def bind(settings: IpyySettings) -> None:
    """Demand the provider's number, and load DES before the first message waits for it."""
    if not settings.user_id:
        raise ValueError('ensms needs user_id, the number that the provider gave you: set it, as in user_id: "1234"')
    from Crypto.Cipher import DES  # noqa: F401


@hookimpl
def send(settings: IpyySettings, http: Http, submission: Submission) -> Accepted:
    """Post the message, encrypted, to ensms.ashx."""
    message = cast("Sms", submission.message)
    text64 = form.base64(encrypted(settings, message, http.now()))
    fields = b"UserId=%b&Text64=%b" % (settings.user_id.encode("ascii"), text64)
    answer = replies.read(http.post(PATH, fields, form.CONTENT_TYPE).body)
    return sendresult.submitted(answer, answer.fields, message.to)


def encrypted(settings: IpyySettings, message: Sms, now: datetime) -> bytes:
    """The message under DES, stamped with the aware time ``now``."""
    desks = _desks.free
    desk = desks.pop(settings.credentials, None) or _Desk(settings)
    content = desk.encrypted(message, now)
    desks[settings.credentials] = desk
    return content


def plain(settings: IpyySettings, message: Sms, now: datetime) -> bytes:
    """The JSON object that is encrypted: names and order as in the document's example, ``Moblie`` as spelt there."""
    return _opening(settings, now) + _rest(message)


def _opening(settings: IpyySettings, now: datetime) -> bytes:
    """What every message of an account begins with within one second."""
    stamp = f"{chinatime.wall_clock(now):%m%d%H%M%S}"
    secret = md5_upper(settings.password.get_secret_value() + stamp)
    return f'{{"UserName":{quoted(settings.account)},"Secret":"{secret}","Stamp":"{stamp}","Moblie":"'.encode()


def _rest(message: Sms) -> bytes:
    when = chinatime.written(message.send_at) if message.send_at else ""
    return (
        f'{",".join(addressing.national(message.to))}","Text":{quoted(message.text)},'
        f'"Ext":"{message.extension}","SendTime":"{when}"}}'
    ).encode()


class _Desk:
    """One account's encryption within one thread, with what need not be done again for each message.

    Making a cipher takes as long as half of an encryption; what all messages of a second begin with is half of one.
    """

    def __init__(self, settings: IpyySettings) -> None:
        from Crypto.Cipher import DES

        key = settings.des_key
        self._settings = settings
        self._cipher: Any = DES.new(key, DES.MODE_CBC, iv=key)  # noqa: S304  # the gateway knows no other
        self._start = self._last = int.from_bytes(key, "big")
        self._from = self._until = _NEVER
        self._begun = self._over = b""
        self._begun_with = 0

    def encrypted(self, message: Sms, now: datetime) -> bytes:
        if not self._from <= now < self._until:
            self._begin(now.replace(microsecond=0))
        content = self._over + _rest(message)
        return self._begun + self._after(self._begun_with, content + _PADDING[len(content) % _BLOCK])

    def _begin(self, second: datetime) -> None:
        """Encrypt the whole blocks of a second's opening; what is over goes before the rest of each message."""
        opening = _opening(self._settings, second)
        whole = len(opening) // _BLOCK * _BLOCK
        self._begun, self._over = self._after(self._start, opening[:whole]), opening[whole:]
        self._begun_with = self._last
        self._from, self._until = second, second + _SECOND

    def _after(self, block: int, content: bytes) -> bytes:
        """``content``, of whole blocks, encrypted as what follows a ``block`` of the cipher text, or the IV.

        The cipher chains on from the last block that it wrote. Its part is taken out of the first block, and the right
        one put in: (first ^ last ^ block) ^ last = first ^ block. (NIST SP 800-38A §6.2)
        """
        first = int.from_bytes(content[:_BLOCK], "big") ^ self._last ^ block
        written: bytes = self._cipher.encrypt(first.to_bytes(_BLOCK, "big") + content[_BLOCK:])
        self._last = int.from_bytes(written[-_BLOCK:], "big")
        return written


class _Desks(threading.local):
    """The desks of a thread. One is away while it is used: a cipher that an interrupt left half-way does not return."""

    def __init__(self) -> None:
        self.free: dict[str, _Desk] = {}


_desks = _Desks()


@hookimpl
def sandbox(gateway: Gateway) -> Mapping[str, Endpoint]:
    """The provider's side of ensms.ashx and of what belongs to it."""
    from notify_ipyy.sandbox import ensms_endpoints

    return ensms_endpoints(gateway)

"""ipyy.ensms: ensms.ashx, a JSON object under DES in a form, answered in JSON (gateway.md part 1 §2).

DES is the gateway's choice and hides little: what protects the message is https.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from json import JSONEncoder
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
_JSON = JSONEncoder(ensure_ascii=False)


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
    fields = f"UserId={settings.user_id}&Text64={form.base64(encrypted(settings, message, http.now()))}"
    answer = replies.read(http.post(PATH, fields.encode("ascii"), form.CONTENT_TYPE).body)
    return sendresult.submitted(answer, answer.fields, message.to)


def encrypted(settings: IpyySettings, message: Sms, now: datetime) -> bytes:
    """The message under DES, stamped with the aware time ``now``."""
    return _ciphers.encrypted(settings.des_key, _padded(plain(settings, message, now)))


class _Ciphers(threading.local):
    """One DES cipher in CBC mode for each key and thread: making one takes as long as half of an encryption.

    A cipher chains on from the last block that it wrote. Each message is to begin at the IV instead, so its first block
    takes the last one's part out: (first ^ last ^ IV) ^ last = first ^ IV. (NIST SP 800-38A §6.2)
    """

    def __init__(self) -> None:
        self._last: dict[bytes, tuple[Any, int]] = {}

    def encrypted(self, key: bytes, content: bytes) -> bytes:
        """``content``, of whole blocks, encrypted with the key as IV."""
        cipher, last = self._last.get(key) or self._made(key)
        first = int.from_bytes(content[:_BLOCK], "big") ^ int.from_bytes(key, "big") ^ last
        written: bytes = cipher.encrypt(first.to_bytes(_BLOCK, "big") + content[_BLOCK:])
        self._last[key] = cipher, int.from_bytes(written[-_BLOCK:], "big")
        return written

    def _made(self, key: bytes) -> tuple[Any, int]:
        from Crypto.Cipher import DES

        return DES.new(key, DES.MODE_CBC, iv=key), int.from_bytes(key, "big")  # noqa: S304  # the gateway knows no other


_ciphers = _Ciphers()


def plain(settings: IpyySettings, message: Sms, now: datetime) -> bytes:
    """The JSON object that is encrypted: names and order as in the document's example, ``Moblie`` as spelt there."""
    stamp = f"{chinatime.wall_clock(now):%m%d%H%M%S}"
    secret = md5_upper(settings.password.get_secret_value() + stamp)
    return (
        f'{{"UserName":{_JSON.encode(settings.account)},"Secret":"{secret}","Stamp":"{stamp}",'
        f'"Moblie":"{",".join(addressing.national(message.to))}","Text":{_JSON.encode(message.text)},'
        f'"Ext":"{message.extension}","SendTime":"{chinatime.written(message.send_at)}"}}'
    ).encode()


def _padded(content: bytes) -> bytes:
    """PKCS7 (RFC 5652 §6.3): each added byte says how many were added, one at least."""
    missing = _BLOCK - len(content) % _BLOCK
    return content + bytes([missing]) * missing


@hookimpl
def sandbox(gateway: Gateway) -> Mapping[str, Endpoint]:
    """The provider's side of ensms.ashx and of what belongs to it."""
    from notify_ipyy.sandbox import ensms_endpoints

    return ensms_endpoints(gateway)

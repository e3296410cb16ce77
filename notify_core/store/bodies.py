"""Messages as the store keeps them: a kind and a JSON text, without the recipients."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from notify_core.errors import InvalidMessage, StoreError
from notify_core.messages import Message, Mms, Part, Sms
from notify_core.times import moment

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_json = json.JSONDecoder().decode


def written(message: Message) -> str:
    """What a message says, as JSON. Raises ``InvalidMessage`` for one that is not ready to leave."""
    if not all(number.startswith("+") for number in message.to):
        raise InvalidMessage("a recipient is not in E.164: give the message to Notifier.enqueue, which reads numbers")
    if message.kind not in _WRITERS:
        raise InvalidMessage(f"the store keeps no {message.kind}; it keeps {', '.join(_WRITERS)}")
    return _WRITERS[message.kind](message)


def rebuilt(kind: str, body: str, to: Iterable[str], send_at: float | None) -> Message:
    """The message again, to these recipients. Raises ``StoreError`` for one that was wiped."""
    if not body:
        raise StoreError("the text of this message was wiped: it cannot be sent again")
    return _READERS[kind](_json(body), to=tuple(to), send_at=moment(send_at))


def fingerprint(kind: str, body: str, to: Iterable[str]) -> str:
    """What two messages under one key must have in common: what they say, and to whom. Times do not count."""
    digest = hashlib.blake2b(digest_size=16)
    for field in (kind, body, *to):
        digest.update(field.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def storable(text: str) -> str:
    """What a gateway or a person said, as both databases can keep it: without NUL and halves of surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")


def _write_sms(message: Message) -> str:
    sms = cast("Sms", message)
    if sms.template:
        raise InvalidMessage("the message has a template still: give it to Notifier.enqueue, which renders it")
    return _compact({"text": sms.text, "extension": sms.extension})


def _write_mms(message: Message) -> str:
    mms = cast("Mms", message)
    parts = [[part.name, b64encode(part.content).decode()] for part in mms.parts]
    return _compact({"subject": mms.subject, "extension": mms.extension, "parts": parts})


def _read_sms(facts: Mapping[str, Any], **address: Any) -> Sms:
    return Sms.restored(**facts, template="", values={}, **address)


def _read_mms(facts: Mapping[str, Any], **address: Any) -> Mms:
    parts = tuple(Part(name, b64decode(content)) for name, content in facts["parts"])
    return Mms.restored(subject=facts["subject"], extension=facts["extension"], parts=parts, **address)


_WRITERS: Mapping[str, Callable[[Message], str]] = {Sms.kind: _write_sms, Mms.kind: _write_mms}
_READERS: Mapping[str, Callable[..., Message]] = {Sms.kind: _read_sms, Mms.kind: _read_mms}

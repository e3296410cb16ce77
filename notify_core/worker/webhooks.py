"""Webhooks: what happens is posted to addresses of the application's, signed by the rules of standardwebhooks.com.

A request is signed with HMAC-SHA256 over its id, its time and its body, joined by dots, by each of the keys; the header
``webhook-signature`` has the signatures as ``v1,base64`` with blanks between them. The id is the same whenever a notice
is posted again, so that a receiver can tell repetitions, and the time is that of the request, so that it can refuse
what was recorded and is played again. (github.com/standard-webhooks, spec/standard-webhooks.md)
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from notify_core.config import WebhookSettings, key_of
from notify_core.errors import SendError
from notify_core.events import Credit
from notify_core.http import Session
from notify_core.messages import Inbound, Report
from notify_core.results import Delivery
from notify_core.settings import AccountSettings
from notify_core.store import Notice
from notify_core.worker.telling import Unheard, doubled

_CONNECT = 3.0
"""Seconds that a connection may take to be made."""
_FIRST, _LONGEST = 5.0, 3600.0
"""Seconds before an event is offered again: they double, up to the most."""
_GONE = "HTTP 410"
"""What says that nobody wants to be told there any more."""


class Webhook:
    """An address that is told of events, ``width`` at a time. See ``telling.Audience``."""

    width = 8
    ahead = 32

    def __init__(self, target: str, settings: WebhookSettings, now: Callable[[], datetime]) -> None:
        parts = urlsplit(settings.url)
        self.name = f"webhook {target}"
        self.target = target
        self.expires = settings.expires
        self._timeout = settings.timeout
        self._keys = tuple(map(key_of, settings.secrets))
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._session = Session(_settings(f"{parts.scheme}://{parts.netloc}", settings.timeout, self.width), now)

    def __repr__(self) -> str:
        return f"Webhook({self.target!r})"

    def tell(self, notice: Notice) -> None:
        """Post it: any status 2xx means that it was heard. Raises ``Unheard``."""
        body = written(notice)
        exchange = self._session.exchange(self._timeout)
        headers = signed(self._keys, identity(notice), int(exchange.now().timestamp()), body)
        try:
            exchange.post(self._path, body, "application/json", headers)
        except SendError as error:
            raise _unheard(error, notice.tries) from None

    def close(self) -> None:
        """Close every connection."""
        self._session.close()


def _settings(origin: str, timeout: float, connections: int) -> AccountSettings:
    """What a session wants to know of the one that it speaks to."""
    return AccountSettings(
        provider="webhook",
        base_url=origin,
        connect_timeout=min(_CONNECT, timeout),
        read_timeout=timeout,
        connections=connections,
    )


def _unheard(error: SendError, tries: int) -> Unheard:
    """What a failure of the exchange means. The session's words are about gateways."""
    words = str(error).replace("the gateway", "the receiver").replace("base_url", "its url")
    if error.code == _GONE:
        return Unheard(f"{words}: it wants no events any more; take it out of `webhooks:`", after=None)
    later = doubled(_FIRST, _LONGEST, tries) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads what failed together
    return Unheard(words, after=max(later, min(error.after or 0.0, _LONGEST)), deaf=True)


# --- signing


def signed(keys: Iterable[bytes], identity: str, at: int, body: bytes) -> dict[str, str]:
    """The headers of a request with that id, at a time (whole seconds since 1970), signed by each of the keys."""
    content = b"%s.%d.%s" % (identity.encode(), at, body)
    signatures = (b64encode(hmac.digest(key, content, hashlib.sha256)).decode() for key in keys)
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def identity(notice: Notice) -> str:
    """The id of a notice, the same at each try; notices of another store with the same number have other ones."""
    facts = (notice.target, str(notice.id), notice.kind, notice.account, notice.at.isoformat())
    return f"msg_{hashlib.sha256(chr(0).join(facts).encode()).hexdigest()[:32]}"


# --- the body


def written(notice: Notice) -> bytes:
    """A notice as JSON: ``event``, ``account``, ``time``, and what the event is about."""
    document: dict[str, Any] = {"event": notice.kind, "account": notice.account, "time": notice.at.isoformat()}
    if notice.report is not None:
        document["report"] = _report(notice.report)
        document["delivery"] = None if notice.delivery is None else _delivery(notice.delivery, notice.message)
    if notice.inbound is not None:
        document["inbound"] = _inbound(notice.inbound)
    if notice.credit is not None:
        document["credit"] = _credit(notice.credit)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _report(report: Report) -> Mapping[str, Any]:
    return {
        "recipient": report.recipient,
        "task_id": report.task_id,
        "state": report.state,
        "code": report.code,
        "at": _time(report.at),
    }


def _delivery(delivery: Delivery, message: int) -> Mapping[str, Any]:
    return {
        "id": delivery.id,
        "message": message,
        "key": delivery.key,
        "state": delivery.state,
        "path": delivery.path,
        "recipient": delivery.recipient,
    }


def _inbound(inbound: Inbound) -> Mapping[str, Any]:
    return {
        "sender": inbound.sender,
        "text": inbound.text,
        "extension": inbound.extension,
        "task_id": inbound.task_id,
        "at": _time(inbound.at),
    }


def _credit(credit: Credit) -> Mapping[str, Any]:
    """The units as text: they are exact."""
    units = None if credit.units is None else str(credit.units)
    return {"units": units, "days": credit.days, "at": credit.at.isoformat()}


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()

"""The mailbox: what gateways hand out once, pulled and pushed, in one pipeline that loses nothing and repeats nothing.

What comes is on disk before anybody reads it: before the plugin sees a reply, before a push is answered. Then it is
read and applied in one transaction. What was kept and not applied, because the process died or the store failed, is
taken up again by ``settle``; what cannot be read stays, and may be replayed by a newer version.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from notify_core.config import Config
from notify_core.errors import (
    ConfigError,
    InvalidMessage,
    NotifyError,
    SendError,
    StoreError,
    UnreadableReply,
    Unsupported,
)
from notify_core.exchange import Reply, Request
from notify_core.http import refusal
from notify_core.messages import Inbound, Report
from notify_core.redaction import located
from notify_core.store import Applied, Payload, Store
from notify_core.store.mailbox import Hook
from notify_core.transports import Conversation, Path, Paths

log = logging.getLogger("notify")

_PATIENCE = 60.0
"""Seconds after which a payload that is not applied is taken up by others than who kept it."""
_LATELY, _LONG = 600.0, 3 * 86400.0
"""How old parked reports are, in seconds, that are looked at again each time, and once in ``_LATELY`` seconds."""
_PRIVATE = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie"})
"""Headers that prove who somebody is, and are not kept."""

Item = TypeVar("Item", Report, Inbound)


@dataclass(frozen=True, slots=True)
class Pulled(Generic[Item]):
    """What a pull brought that was news. ``came`` is how many items the gateway handed out, repeated ones included."""

    news: list[Item]
    came: int


class Unkept(StoreError):
    """The store could not take what a gateway handed out. It is in ``payloads`` and nowhere else: keep it."""

    def __init__(self, words: str, payloads: Sequence[Payload]) -> None:
        super().__init__(words)
        self.payloads = list(payloads)

    def __reduce__(self) -> tuple[type[Unkept], tuple[str, list[Payload]]]:
        return type(self), (str(self), self.payloads)


class Mailbox:
    """The mailbox of the accounts of a configuration. Safe across threads, processes and machines."""

    def __init__(self, store: Store, paths: Paths, config: Config) -> None:
        self._store = store
        self._paths = paths
        self._config = config
        self._looked = -_LATELY

    # --- what comes

    def pull_reports(self, account: str, task_id: str = "") -> Pulled[Report]:
        """Fetch the delivery reports that wait for ``account`` (or one of its paths), or those of one submission.

        Raises ``SendError``, ``Unsupported``; ``Unkept`` where the store could not take what came; ``StoreError`` where
        it is kept and could not be applied yet.
        """
        path = self._paths.able(account, "status")
        applied = self._pull(path, "status", {"task_id": task_id})
        return Pulled(list(applied.reports), applied.came)

    def pull_inbound(self, account: str) -> Pulled[Inbound]:
        """Fetch the messages from subscribers that wait for ``account``. Raises as ``pull_reports``."""
        applied = self._pull(self._paths.able(account, "inbound"), "inbound", {})
        return Pulled(list(applied.inbound), applied.came)

    def _pull(self, path: Path, hook: Hook, asked: Mapping[str, str]) -> Applied:
        intake = _Intake(self._store, _empty(path, hook, asked))
        exchange = path.exchange(intake.add)
        try:
            items = _asked(path, intake.payload, exchange)
        except Exception as error:
            intake.check()
            self._unread(intake.number, error, exchange)
            raise
        intake.check()
        number = intake.number
        if items and not number:  # the plugin has them from elsewhere than ``http``, as by a provider's own client
            number = self._store.keep(intake.payload)
        return self._apply(number, path, items)

    def take(self, account: str, request: Request) -> bytes:
        """Keep and apply what the provider pushed to ``account``: the words that answer it.

        They say "stored" once it is on disk, and "again" where that failed. Raises ``InvalidMessage``, ``Unsupported``
        or ``ConfigError`` where nothing can be pushed to that account.
        """
        path = self._paths.able(account, "push")
        push = path.push()
        try:
            self.keep(_pushed(path, request))
        except StoreError as error:
            log.error("a push to %s was not stored: %s", account, error, extra={"action": "unkept"})  # noqa: TRY400
            return push.again
        return push.stored

    def keep(self, payload: Payload) -> Applied:
        """Keep a payload, such as ``Unkept`` has, and apply it.

        Raises ``StoreError`` where it cannot be kept: try again. What is on disk and cannot be applied is logged, and
        left to ``settle``.
        """
        number = payload.id
        if number:
            self._store.extend(number, payload)
        else:
            number = self._store.keep(payload)
        try:
            return self._read(number, payload)
        except NotifyError as error:
            log.error("payload %d is kept, and not applied: %s", number, error, extra={"action": "unapplied"})  # noqa: TRY400
        except Exception as error:  # noqa: BLE001 - its text may quote what came
            log.error("payload %d is kept, and not applied: %s", number, located(error), extra={"action": "unapplied"})  # noqa: TRY400
        return Applied()

    # --- what was kept

    def settle(self) -> int:
        """Apply what was kept and not applied, and look at parked reports again: how much was settled.

        Call it every few seconds, in any number of processes. Raises ``StoreError``.
        """
        applied = [self._take_up(number) for number in self._store.waiting(_PATIENCE)]
        now = time.monotonic()
        thorough = now - self._looked >= _LATELY
        matched = self._store.match(within=_LONG if thorough else _LATELY)
        if thorough:
            self._looked = now
        return sum(applied) + matched

    def _take_up(self, number: int) -> bool:
        """Apply one payload; whether that could be done. What fails is marked, and logged."""
        try:
            self.replay(number)
        except (InvalidMessage, Unsupported, ConfigError) as error:  # of an account or a transport that is no more
            self._store.unreadable(number, str(error))
        except NotifyError as error:
            log.error("payload %d is not applied: %s", number, error, extra={"action": "unapplied"})  # noqa: TRY400
        else:
            return True
        return False

    def replay(self, number: int) -> Applied:
        """Read a payload again and apply it: only what is news changes anything.

        Raises ``SendError`` where it cannot be read (it is marked so), ``StoreError``, and ``InvalidMessage`` where the
        configuration has no such account or transport any more.
        """
        return self._read(number, self._store.payload(number))

    # --- reading and applying

    def _read(self, number: int, payload: Payload) -> Applied:
        path = self._paths[payload.path]
        exchange = _Replayed(payload)
        try:
            items = (
                path.push().decode(_request(payload)) if payload.origin == "push" else _asked(path, payload, exchange)
            )
        except Exception as error:
            self._unread(number, error, exchange)
            raise
        return self._apply(number, path, items)

    def _apply(self, number: int, path: Path, items: Sequence[object]) -> Applied:
        """Write down what a payload said; one in which nothing was is forgotten."""
        said = [item for item in items if isinstance(item, Report | Inbound)]
        if len(said) < len(items):
            raise self._spoilt(number, f"{path.name} gave something that is neither a report nor an inbound message")
        if not items:
            self._store.forget(number)
            return Applied()
        account = path.account
        words, targets = account.settings.opt_out_words, self._config.targets(account.name)
        try:
            return self._store.apply(number, said, opt_out_words=words, targets=targets)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - of a field that has not its type; its text may quote what came
            raise self._spoilt(number, f"{located(error)}, while applying what {path.name} gave") from None

    def _spoilt(self, number: int, words: str) -> UnreadableReply:
        error = UnreadableReply(words)
        self._mark(number, error)
        return error

    def _unread(self, number: int, error: Exception, exchange: _Exchange) -> None:
        """Mark a payload that could not be read, or forget it where it is nothing but the gateway's refusal."""
        if not number:
            return
        refused = isinstance(error, SendError) and not isinstance(error, UnreadableReply)
        if refused and exchange.asked == len(exchange.replies) == 1:
            with _left_to_settle(number):
                self._store.forget(number)
        else:
            self._mark(number, error)

    def _mark(self, number: int, error: Exception) -> None:
        words = str(error) if isinstance(error, NotifyError) else located(error)
        with _left_to_settle(number):
            self._store.unreadable(number, words)
        if isinstance(error, UnreadableReply):
            error.payload = b""  # the store has it
            error.add_note(f"What came is kept as payload {number}: `notify outbox replay {number}` reads it again.")


@contextmanager
def _left_to_settle(number: int) -> Iterator[None]:
    """What fails here is done later: the payload waits on disk."""
    try:
        yield
    except StoreError as error:
        log.warning("payload %d waits: %s", number, error, extra={"action": "unapplied"})


# --- payloads as they come


class _Exchange(Conversation, Protocol):
    """The HTTP of a pull: ``asked`` is how many requests were begun."""

    asked: int


class _Intake:
    """Keeps each reply of a pull before it is read. What could not be kept is known to ``check``."""

    def __init__(self, store: Store, payload: Payload) -> None:
        self._store = store
        self._trouble: StoreError | None = None
        self.payload = payload
        self.number = 0

    def add(self, reply: Reply) -> None:
        """Keep one more reply. Raises ``StoreError``, so that no more is asked for."""
        headers = _public(reply.headers)
        facts = {"status": reply.status, "headers": headers, "length": len(reply.body)}
        request = {**self.payload.request, "replies": [*self.payload.request["replies"], facts]}
        self.payload = replace(self.payload, request=request, body=self.payload.body + reply.body)
        try:
            if self.number:
                self._store.extend(self.number, self.payload)
            else:
                self.number = self._store.keep(self.payload)
        except StoreError as error:
            self._trouble = error
            raise

    def check(self) -> None:
        """Raise ``Unkept`` if what came is not on disk, whatever the plugin made of it."""
        if self._trouble is not None:
            raise Unkept(str(self._trouble), [replace(self.payload, id=self.number)]) from None


class _Replayed:
    """The replies of a pull that were kept, as the session of the pull gave them."""

    def __init__(self, payload: Payload) -> None:
        self._kept = _replies(payload)
        self._received = payload.received or datetime.now(UTC)
        self.asked = 0
        self.replies: list[Reply] = []

    def post(self, *_: object, **__: object) -> Reply:
        """The next reply, whatever was asked for."""
        return self._next()

    def get(self, *_: object, **__: object) -> Reply:
        """The next reply, whatever was asked for."""
        return self._next()

    def now(self) -> datetime:
        """When the payload was received."""
        return self._received

    def _next(self) -> Reply:
        self.asked += 1
        if len(self.replies) == len(self._kept):
            raise UnreadableReply(f"the plugin asks for more than the {len(self._kept)} replies that were kept")
        reply = self._kept[len(self.replies)]
        self.replies.append(reply)
        if refused := refusal(reply.status, ""):
            raise refused
        return reply


def _replies(payload: Payload) -> list[Reply]:
    replies, start = [], 0
    for facts in payload.request.get("replies", ()):
        end = start + facts["length"]
        replies.append(Reply(facts["status"], payload.body[start:end], facts["headers"]))
        start = end
    return replies


def _empty(path: Path, hook: Hook, asked: Mapping[str, str]) -> Payload:
    """The payload of a pull before anything came."""
    account, dialect = path.account.name, path.transport.dialect
    return Payload(
        account=account, transport=dialect, origin="pull", hook=hook, request={**asked, "replies": []}, body=b""
    )


def _asked(path: Path, payload: Payload, exchange: _Exchange) -> Sequence[Report | Inbound]:
    """What the plugin reads from the replies of a pull."""
    if payload.hook == "status":
        return path.reports(payload.request["task_id"], exchange)
    return path.inbound(exchange)


def _pushed(path: Path, request: Request) -> Payload:
    """The payload of a push, without the token of its address."""
    secrets = path.account.settings.secrets()
    facts = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": _public(request.headers),
    }
    return Payload(
        account=path.account.name,
        transport=path.transport.dialect,
        origin="push",
        hook="push",
        request=_without(secrets, facts),
        body=request.body,
    )


def _request(payload: Payload) -> Request:
    facts = payload.request
    return Request(facts["method"], facts["path"], facts["query"], facts["headers"], payload.body)


def _public(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in _PRIVATE}


def _without(secrets: Iterable[str], facts: Any) -> Any:
    """The same with ``***`` in the place of each secret."""
    if isinstance(facts, dict):
        return {name: _without(secrets, value) for name, value in facts.items()}
    for secret in filter(None, secrets):
        facts = facts.replace(secret, "***")
    return facts

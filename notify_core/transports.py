"""A path: one account by one transport, with everything bound that a send needs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from notify_core.breaker import Breaker
from notify_core.config import Config
from notify_core.credit import Purse
from notify_core.errors import (
    InvalidMessage,
    Scope,
    SendError,
    Sent,
    StoreError,
    UnreadableReply,
    Unsupported,
    nearest,
)
from notify_core.exchange import Http, Reply, Request
from notify_core.http import Exchange, Session
from notify_core.limits import SlidingLimits
from notify_core.messages import Accepted, Balance, Inbound, Message, Mms, Push, Report, Sms, Submission
from notify_core.plugins import CAPABILITIES, Plugins, Transport, of_type
from notify_core.redaction import Redactor, located
from notify_core.segments import room, segments, signed
from notify_core.settings import AccountSettings

log = logging.getLogger("notify")

_SHORTEST_PHONE = 10
"""Digits from which a gateway's code may be a phone number instead; shorter codes are kept as they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """An account at work: its settings, its one HTTP session, its limits, its credit."""

    name: str
    settings: AccountSettings
    session: Session
    limits: SlidingLimits
    purse: Purse
    redactor: Redactor


class Conversation(Http, Protocol):
    """The HTTP of one operation, and what came back so far."""

    replies: list[Reply]


@dataclass(slots=True)  # frozen, one would take 1 µs more to make, for each message and path
class Fit:
    """What a path can carry of a worded message: to which of its recipients, at so many segments each.

    ``refused`` has the reasons why the others cannot be reached by it, each naming its ``recipients``.
    """

    path: str
    message: Message
    recipients: tuple[str, ...]
    segments: int
    refused: tuple[InvalidMessage, ...] = ()


class Path:
    """One way to a gateway, written ``clinic.json``. What a hook returns gets its type here."""

    def __init__(self, account: Account, transport: Transport, clock: Callable[[], float]) -> None:
        self.name = f"{account.name}.{transport.dialect}"
        self.account = account
        self.transport = transport
        self.breaker = Breaker(clock)
        # ipyy's multimedia messages are paid from a credit of their own (gateway.md part 1 §4).
        self.purse = account.purse if Sms.kind in transport.carries else account.purse.beside(self.name)
        self.max_recipients = account.settings.max_recipients
        self._send = transport.hooks.get("send")
        self._check = transport.hooks.get("check")

    def __repr__(self) -> str:
        return f"Path({self.name})"

    @property
    def problem(self) -> str:
        """Why the path cannot be used, or nothing. Asking binds it, where no route has done so already."""
        return self.transport.bind(self.account.name, self.account.settings)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The hooks that the transport implements."""
        return self.transport.capabilities

    def worded(self, message: Message) -> Message:
        """The message as it would leave by this path: an SMS with the account's signature."""
        if not isinstance(message, Sms):
            return message
        text = signed(message.text, self.account.settings.signature)
        return message if text is message.text else message.worded(text)

    def segments(self, message: Message) -> int:
        """How many segments each recipient of a worded message costs; 1 for what is no SMS."""
        return segments(message.text, self.account.settings.segment_alphabet) if isinstance(message, Sms) else 1

    def fit(self, message: Message) -> Fit:
        """What this path can carry of a worded message, which may be to nobody.

        Raises ``InvalidMessage`` where it is the message that it cannot carry, whoever it goes to.
        """
        reached = message.to
        refused: tuple[InvalidMessage, ...] = ()
        while reached:
            try:
                return Fit(self.name, message, reached, self.check(message.narrowed(reached)), refused)
            except InvalidMessage as error:
                strangers = set(error.recipients)
                others = tuple(number for number in reached if number not in strangers)
                if others == reached:
                    raise
                reached, refused = others, (*refused, error)
        return Fit(self.name, message, (), self.segments(message), refused)

    def check(self, message: Message) -> int:
        """The segments that a worded message costs each recipient, if this path can carry it.

        Raises ``InvalidMessage`` where it cannot, before anything is sent.
        """
        self._bound_send(message)
        most = self.account.settings.max_segments
        if (count := self.segments(message)) > most:
            words = f"the text is {count} segments long; account {self.account.name!r} takes {most}"
            raise InvalidMessage(words + self._room(message))
        if self._check is not None:
            self._ask_check(self._check, message)
        return count

    def _room(self, message: Message) -> str:
        settings = self.account.settings
        fit = room(settings.max_segments, _text(message), settings.segment_alphabet)
        return f", about {fit:,} characters with the signature: shorten it"

    def _ask_check(self, check: Callable[..., Any], message: Message) -> None:
        try:
            check(settings=self.account.settings, message=message)
        except InvalidMessage:
            raise
        except Exception as error:  # noqa: BLE001 - its text may quote the message
            raise InvalidMessage(f"{self.name} cannot check the message: {located(error)}") from None

    def submit(self, message: Message, seconds: float | None = None) -> Accepted:
        """Send a worded message in one request, within ``seconds``.

        Raises ``SendError`` with its verdict. A gateway that took fewer recipients than submitted without saying which
        puts all of them in doubt.
        """
        exchange = self.account.session.exchange(seconds)
        submission = Submission(self.name, message)
        error = self._call(self._bound_send(message), exchange, submission)
        outcome = submission.outcome
        if outcome is None:
            raise _vetoed(error)
        if isinstance(outcome, SendError):
            raise self._redacted(outcome, submission.message)
        return self._complete(outcome, submission.message)

    def _bound_send(self, message: Message) -> Callable[..., Any]:
        if self._send is None or message.kind not in self.transport.carries:
            raise InvalidMessage(f"{self.name} carries no {message.kind}")
        return self._send

    def _call(self, send: Callable[..., Any], exchange: Exchange, submission: Submission) -> Exception | None:
        """Call the hook; what wrappers raise after the transport's outcome is known is logged and changes nothing."""
        try:
            send(settings=self.account.settings, http=exchange, submission=submission)
        except Exception as error:  # noqa: BLE001 - what it means is told by the outcome
            if submission.outcome is not None and error is not submission.outcome:
                self._log_failure(error)
            return error
        return None

    def _log_failure(self, error: Exception) -> None:
        facts = {"action": "wrapper_failed", "path": self.name}
        log.error("a wrapper around send failed: %s", located(error), extra=facts)

    def _complete(self, accepted: Accepted, message: Message) -> Accepted:
        raw = self._clean(accepted.raw, message, accepted.task_id)
        if not accepted.refused.keys() <= set(message.to):
            words = "the gateway refused a number that was not submitted"
            raise SendError(words, sent=Sent.UNKNOWN, scope=Scope.RECIPIENT, code="foreign number", raw=raw)
        expected = len(message.to) - len(accepted.refused)
        if accepted.count is not None and accepted.count < expected:
            words = f"the gateway took {accepted.count} of {expected} recipients and does not say which"
            raise SendError(words, sent=Sent.UNKNOWN, scope=Scope.RECIPIENT, code="short count", raw=raw)
        for error in accepted.refused.values():
            self._redacted(error, message)
        return accepted if raw == accepted.raw else replace(accepted, raw=raw)

    def _redacted(self, error: SendError, message: Message) -> SendError:
        """The error without secrets, texts and numbers, and without its frames, whose locals hold them."""
        if isinstance(error, UnreadableReply):
            error.raw = error.raw or error.payload.decode("utf-8", "replace")
            error.payload = b""  # an answer to a submission is a record, and nothing that is handed out once
        return detached(self._cleaned(error, _text(message)))

    def _cleaned(self, error: SendError, text: str) -> SendError:
        clean = self.account.redactor.clean
        error.raw = clean(error.raw, text)
        error.description = clean(error.description, text)
        error.code = clean(error.code, text, error.code if len(error.code) < _SHORTEST_PHONE else "")
        return error

    def _clean(self, raw: str, message: Message, task_id: str) -> str:
        return self.account.redactor.clean(raw, _text(message), task_id) if raw else ""

    def balance(self) -> Balance:
        """The credit left. Raises ``SendError``, ``Unsupported``."""
        asked = datetime.now(UTC)
        balance: Balance = self._ask(Balance, "balance")
        self.purse.hear(balance.units, asked, datetime.now(UTC))
        return balance

    def exchange(self, keep: Callable[[Reply], None]) -> Exchange:
        """What ``reports`` and ``inbound`` may ask through, so that ``keep`` has each reply before it is read."""
        return self.account.session.exchange(keep=keep)

    def reports(self, task_id: str = "", exchange: Conversation | None = None) -> list[Report]:
        """Delivery reports that are waiting; each is handed out once. Raises ``SendError``, ``Unsupported``."""
        reports: list[Report] = self._ask(list, "status", exchange=exchange, task_id=task_id)
        return reports

    def inbound(self, exchange: Conversation | None = None) -> list[Inbound]:
        """Subscribers' messages that are waiting; each is handed out once. Raises ``SendError``, ``Unsupported``."""
        messages: list[Inbound] = self._ask(list, "inbound", exchange=exchange)
        return messages

    def change_password(self, new_password: str) -> None:
        """Change the account's password at the provider. Raises ``SendError``, ``Unsupported``."""
        self._ask(object, "change_password", new_password, new_password=new_password)

    def push(self) -> Push:
        """How the provider's pushes are read and answered. Raises ``Unsupported``."""
        push: Push = self._hook("push")(settings=self.account.settings)
        return replace(push, decode=partial(self._pushed, push.decode))

    def _pushed(self, decode: Callable[[Request], list[Report | Inbound]], request: Request) -> list[Report | Inbound]:
        """What a push says. Whatever decoding raises becomes an error that keeps the bytes, and shows none of them."""
        try:
            return decode(request)
        except UnreadableReply as error:
            words = self.account.redactor.clean(error.description)
        except Exception as error:  # noqa: BLE001 - its text may quote what came
            words = f"{located(error)}, while reading a push to {self.name}"
        raise UnreadableReply(words, request.body)

    def _hook(self, name: str) -> Callable[..., Any]:
        if name not in self.transport.hooks:
            raise Unsupported(f"{self.name} cannot {CAPABILITIES[name]}; it has {', '.join(self.capabilities)}")
        return self.transport.hooks[name]

    def _ask(
        self,
        expected: type[Any],
        hook: str,
        hidden: str = "",
        exchange: Conversation | None = None,
        **arguments: object,
    ) -> Any:
        """Call a hook that asks the gateway for something; whatever it cannot read keeps the bytes that came.

        ``hidden`` is a further secret that no error may show.
        """
        call = self._hook(hook)
        exchange = exchange or self.account.session.exchange()
        try:
            return of_type(expected, call(settings=self.account.settings, http=exchange, **arguments), hook)
        except (Unsupported, StoreError):  # by the account's settings, or where what came cannot be kept
            raise
        except InvalidMessage as error:  # what is asked for cannot be, such as too long a password
            if exchange.replies:
                raise self._unread(hook, error, exchange) from None
            raise
        except UnreadableReply as error:
            error.raw = ""  # the payload has it all, and nobody can tell what of it is the text of a message
            self._cleaned(error, hidden)
            raise
        except SendError as error:
            self._cleaned(error, hidden)
            raise
        except Exception as error:  # noqa: BLE001 - its text may quote what came
            raise self._unread(hook, error, exchange) from None

    def _unread(self, hook: str, error: Exception, exchange: Conversation) -> SendError:
        if not exchange.replies:
            return SendError(f"{located(error)}, in {hook} of {self.name} before anything was sent", sent=Sent.NO)
        words = f"{located(error)}, while reading what {self.name} answered to {hook}"
        return UnreadableReply(words, exchange.replies[-1].body)


def _text(message: Message) -> str:
    """What a message says, so far as an answer could repeat it in words."""
    if isinstance(message, Mms):
        return message.subject
    return message.text if isinstance(message, Sms) else ""


def detached(error: SendError) -> SendError:
    """The error without traceback and causes: kept in results, it must not keep frames (and what they hold) alive."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _vetoed(error: Exception | None) -> Exception:
    """What a send is that never reached its transport: the wrapper's own verdict, or its refusal of the message."""
    if isinstance(error, SendError):
        return detached(error)
    words = f"a wrapper around send refused the message: {located(error) if error else 'it did not call the transport'}"
    return SendError(words, sent=Sent.NO, scope=Scope.MESSAGE, code="vetoed")


class Paths:
    """Every path of a configuration: each account by each transport of its provider."""

    def __init__(
        self, config: Config, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic
    ) -> None:
        # With a store it is the store that knows whether a balance is low, and a worker that tells it.
        tell = config.plugins.tell if config.store is None else None
        self.accounts = {name: _account(name, each, now, clock, tell) for name, each in config.accounts.items()}
        self._paths = {path.name: path for path in _all(self.accounts, config.plugins, clock)}
        self._preferred = [name for route in config.routes.values() for name in route.paths]
        self._config = config

    def __getitem__(self, name: str) -> Path:
        """The path of that name, bound.

        Raises ``InvalidMessage`` with the nearest right name, ``ConfigError`` where it cannot be used.
        """
        if name not in self._paths:
            raise InvalidMessage(f"no path {name!r}{nearest(name, self._paths)}")
        path = self._paths[name]
        if problem := path.problem:
            raise self._config.unbound(path.account.name, name, problem)
        return path

    def __iter__(self) -> Iterator[Path]:
        return iter(self._paths.values())

    def able(self, account: str, hook: str) -> Path:
        """The path by which ``account`` (or the path of that name) can do ``hook``: the first of the routes that can.

        One that carries texts comes before others: the account's balance is that of its texts.

        Raises ``InvalidMessage`` for an unknown name, ``Unsupported`` where no transport of it can, ``ConfigError``
        where those that can cannot be used.
        """
        if "." in account:
            return self[account]
        if account not in self.accounts:
            raise InvalidMessage(f"no account {account!r}{nearest(account, self.accounts)}")
        own = [path for path in self if path.account.name == account and hook in path.transport.hooks]
        order = {name: number for number, name in enumerate(dict.fromkeys(self._preferred))}
        if not own:
            raise Unsupported(f"no transport of account {account!r} can {CAPABILITIES[hook]}")
        own.sort(key=lambda path: (path.purse is not path.account.purse, order.get(path.name, len(order))))
        return self[next((path.name for path in own if not path.problem), own[0].name)]

    @property
    def purses(self) -> Mapping[str, Purse]:
        """The credit of every account, and of paths that have their own, by name."""
        return {path.purse.name: path.purse for path in self}

    def close(self) -> None:
        """Close every session."""
        for account in self.accounts.values():
            account.session.close()


def _account(
    name: str,
    settings: AccountSettings,
    now: Callable[[], datetime],
    clock: Callable[[], float],
    tell: Callable[..., None] | None,
) -> Account:
    limits, purse = SlidingLimits(settings.limits, clock), Purse(name, settings.credit, clock, tell)
    return Account(name, settings, Session(settings, now), limits, purse, Redactor(settings.secrets()))


def _all(accounts: Mapping[str, Account], plugins: Plugins, clock: Callable[[], float]) -> Iterator[Path]:
    for account in accounts.values():
        for transport in plugins.transports.values():
            if transport.provider == account.settings.provider:
                yield Path(account, transport, clock)

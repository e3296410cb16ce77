"""What can go wrong, and what the caller decides by it.

NotifyError
├── ConfigError       the configuration cannot work; carries every fault of it at once
├── InvalidMessage    the message cannot be sent as it is, by anybody; nothing left this process
├── Unsupported       the transport has no hook for what was asked
├── StoreError        the store is absent, of another version, full, locked or unreachable; nothing was changed
├── KeyConflict       the key of a message was used for another message
├── MissingExtra      a package that is installed only with an extra is missing
└── SendError         the gateway could not, or would not, do what it was asked
    └── UnreadableReply   it answered something that its dialect cannot mean; keeps the bytes

Only ``SendError`` takes part in failover. Its ``sent`` answers the one question that matters: did the request take
effect? ``Sent.NO`` means surely not, so another path may be tried; ``Sent.UNKNOWN`` means in doubt, so none may.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum


class Sent(StrEnum):
    """Whether a failed request may have taken effect at the gateway."""

    NO = "no"
    UNKNOWN = "unknown"


class Scope(StrEnum):
    """How far a failure reaches, and so what is worth trying next."""

    MESSAGE = "message"  # no gateway would take it: fail
    RECIPIENT = "recipient"  # this number only: next account, the other recipients go on
    TRANSPORT = "transport"  # this dialect only: next path, of the same account too
    ACCOUNT = "account"  # every path of this account: next account
    PROVIDER = "provider"  # the gateway itself: next account, try again later


class Retry(StrEnum):
    """Whether the same request may succeed at the same gateway, and when."""

    NEVER = "never"
    NOW = "now"
    LATER = "later"


class NotifyError(Exception):
    """The base of everything that this package raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in a configuration file: where it stands and what to do about it.

    ``line`` counts from 1 (0: the whole file); ``path`` is the YAML path, such as ``accounts.clinic.base_url``.
    """

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class ConfigError(NotifyError):
    """The configuration cannot work. ``faults`` holds all that is wrong with it, in the order of the file."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.file, fault.line)))
        super().__init__("\n".join(map(str, self.faults)))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Fault, ...]]]:
        return type(self), (self.faults,)


class InvalidMessage(NotifyError, ValueError):
    """The message cannot be sent as it is. Nothing left this process; the text says what to change.

    ``recipients`` are the E.164 numbers that it is about, where it is not about the message as a whole.
    """

    def __init__(self, *words: str, recipients: tuple[str, ...] = ()) -> None:
        super().__init__(*words)
        self.recipients = recipients


class Unsupported(NotifyError):
    """The transport does not have the capability that was asked for; the text names those that have."""


class StoreError(NotifyError):
    """The store cannot do what it was asked. What was under way is not stored; the text says what to do."""


class KeyConflict(NotifyError):
    """The key was used before, for a message that says something else or goes to others. Nothing was enqueued."""


class MissingExtra(NotifyError, ImportError):
    """A package is missing that comes only with ``extra``; the text has the line that installs it."""

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(
            f"{package} is not installed: pip install 'notify-core[{extra}]', or '.[{extra}]' in a clone", name=package
        )


class SendError(NotifyError):
    """A gateway could not, or would not, do what it was asked.

    ``sent``, ``scope`` and ``retry`` are the verdict; ``after`` is the delay in seconds where one is known. ``code`` is
    the gateway's own, as text. ``raw`` is its reply with secrets, texts and phone numbers removed. ``recipients`` are
    the E.164 numbers meant, where the gateway names them. ``no_credit``: the refusal is for want of credit; ``credit``
    is what is left of it in the provider's units, None where the gateway does not say.
    """

    def __init__(  # noqa: PLR0913 - a verdict has so many parts
        self,
        description: str,
        *,
        sent: Sent = Sent.NO,
        scope: Scope = Scope.TRANSPORT,
        retry: Retry = Retry.NEVER,
        after: float | None = None,
        code: str = "",
        raw: str = "",
        recipients: tuple[str, ...] = (),
        no_credit: bool = False,
        credit: Decimal | None = None,
    ) -> None:
        super().__init__(description)
        self.description = description
        self.sent = sent
        self.scope = scope
        self.retry = retry
        self.after = after
        self.code = code
        self.raw = raw
        self.recipients = recipients
        self.no_credit = no_credit or credit is not None
        self.credit = credit

    def __str__(self) -> str:
        return coded(self.description, self.code)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r}, sent={self.sent}, scope={self.scope}, retry={self.retry})"


class UnreadableReply(SendError):
    """The gateway answered something that its dialect cannot mean: whatever was asked is in doubt.

    ``payload`` keeps the bytes as they came (never shown by repr or str): what a gateway hands out only once must not
    be lost because it could not be read.
    """

    def __init__(self, description: str, payload: bytes = b"", *, raw: str = "") -> None:
        super().__init__(description, sent=Sent.UNKNOWN, scope=Scope.TRANSPORT, retry=Retry.NEVER, raw=raw)
        self.payload = payload


def coded(description: str, code: str) -> str:
    """Why something failed, with its code in brackets: ``the recipient is blocked (9014)``."""
    return description if repeats(description, code) else " ".join(filter(None, (description, f"({code})")))


def repeats(description: str, code: str) -> bool:
    """Whether a code would say nothing more: none, or plain words such as ``opted out`` that the description has."""
    return not code or (code in description and code.replace(" ", "").isalpha() and code.islower())


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint for a misspelt name: ``; did you mean 'clinic'?``, or the names there are (if few), or nothing."""
    names = sorted(known)
    if close := get_close_matches(name, names, n=1, cutoff=0.6):
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 30 else ""

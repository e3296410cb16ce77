"""The values that travel between an application, the core and the plugins: frozen, and valid by construction.

Phone numbers are E.164, times are aware, identifiers of gateways are opaque strings. A repr never shows a whole phone
number, a text or a part's content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from notify_core.errors import InvalidMessage, SendError
from notify_core.phones import e164, mask
from notify_core.states import State

if TYPE_CHECKING:
    from notify_core.exchange import Request

_DIGITS = re.compile(r"[0-9]*")
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")  # lines and tabs stay


@dataclass(frozen=True, slots=True, kw_only=True, init=False, repr=False)
class Message:
    """What every kind of message has: its recipients, and the time at which it leaves.

    ``to`` takes one number or many; blanks around a number are dropped and repetitions removed, in order. A number with
    ``+`` is E.164 at once; one without is read by the notifier's ``default_region`` when it is sent. ``send_at`` is an
    aware time handed to the provider, None for at once.
    """

    kind: ClassVar[str] = "message"
    to: tuple[str, ...]
    send_at: datetime | None

    def _address(self, to: str | Iterable[str], send_at: datetime | None) -> None:
        object.__setattr__(self, "to", _recipients(to))
        object.__setattr__(self, "send_at", _aware(send_at))

    def addressed(self, default_region: str) -> Self:
        """The same message with every recipient in E.164. Raises ``InvalidMessage`` naming (masked) those that fail."""
        addressed = _all_e164(self.to, default_region)
        return self if addressed == self.to else self._altered(to=addressed)

    def narrowed(self, recipients: tuple[str, ...]) -> Self:
        """The same message to these of its recipients."""
        return self if recipients == self.to else self._altered(to=recipients)

    def unscheduled(self) -> Self:
        """The same message, to leave at once."""
        return self if self.send_at is None else self._altered(send_at=None)

    @classmethod
    def restored(cls, **values: object) -> Self:
        """A message of all these values, which were valid when they were kept: checking them anew costs 20 µs."""
        message = object.__new__(cls)
        for name, put in _slots(cls):  # type: ignore[arg-type] # a class is hashable, whatever its values are
            put(message, values[name])
        return message

    def _altered(self, **changes: object) -> Self:
        """The same message with other values, known to be valid."""
        twin = object.__new__(type(self))
        for name, put in _slots(type(self)):  # type: ignore[arg-type] # likewise
            put(twin, changes[name] if name in changes else getattr(self, name))
        return twin


@lru_cache
def _slots(kind: type[Message]) -> tuple[tuple[str, Callable[[Message, object], None]], ...]:
    """Each field's name, and what puts a value there although the class is frozen."""
    return tuple((each.name, getattr(kind, each.name).__set__) for each in fields(kind))


@dataclass(frozen=True, slots=True, kw_only=True, init=False, repr=False)
class Sms(Message):
    """A text message.

    Give either ``text`` or the name of a ``template`` of the YAML with its ``values``. ``extension`` is the digits that
    are appended to the sender's number, where the channel has them. Raises ``InvalidMessage``.
    """

    kind: ClassVar[str] = "sms"
    text: str
    template: str
    values: Mapping[str, object] = field(hash=False)
    extension: str

    def __init__(
        self,
        *,
        to: str | Iterable[str],
        text: str = "",
        template: str = "",
        values: Mapping[str, object] | None = None,
        extension: str = "",
        send_at: datetime | None = None,
    ) -> None:
        self._address(to, send_at)
        _one_of_text_and_template(text, template, values)
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "template", template)
        object.__setattr__(self, "values", dict(values) if values else {})
        object.__setattr__(self, "extension", _digits(extension))

    def worded(self, text: str) -> Sms:
        """The same message saying ``text``."""
        return self._altered(text=_nonblank(text, "text"), template="", values={})

    def __repr__(self) -> str:
        saying = f"template={self.template!r}" if self.template else f"<{len(self.text)} characters>"
        return f"Sms({_to_masked(self.to)}, {saying})"


@dataclass(frozen=True, slots=True)
class Part:
    """One element of a multimedia message: a file name (``1.txt``, ``2.jpg``) and its bytes."""

    name: str
    content: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not self.name or "\0" in self.name:
            raise InvalidMessage(f"a part needs a file name such as 1.txt; found {self.name!r}")

    @classmethod
    def from_file(cls, path: str | Path) -> Part:
        """The file's bytes under its own name. Raises ``InvalidMessage`` where it cannot be read."""
        path = Path(path)
        try:
            return cls(path.name, path.read_bytes())
        except OSError as error:
            raise InvalidMessage(f"cannot read {path}: {error.strerror}; name a file that exists") from error


@dataclass(frozen=True, slots=True, kw_only=True, init=False, repr=False)
class Mms(Message):
    """A multimedia message: a subject and its parts, in the order of showing. Raises ``InvalidMessage``."""

    kind: ClassVar[str] = "mms"
    subject: str
    parts: tuple[Part, ...]
    extension: str

    def __init__(
        self,
        *,
        to: str | Iterable[str],
        subject: str,
        parts: Iterable[Part | str | Path],
        extension: str = "",
        send_at: datetime | None = None,
    ) -> None:
        self._address(to, send_at)
        object.__setattr__(self, "subject", _nonblank(subject, "subject"))
        object.__setattr__(self, "parts", _parts(parts))
        object.__setattr__(self, "extension", _digits(extension))

    def __repr__(self) -> str:
        names = ", ".join(part.name for part in self.parts)
        return f"Mms({_to_masked(self.to)}, parts=[{names}])"


@dataclass(slots=True)
class Submission:
    """One request to a gateway, as the hook ``send`` gets it.

    ``path`` names the way (``clinic.json``). ``message`` has E.164 recipients and, for an SMS, its signature; a wrapper
    may set it to another message for the same recipients.
    """

    path: str
    message: Message
    recipients: tuple[str, ...] = field(init=False, repr=False)
    outcome: Accepted | SendError | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.recipients = self.message.to


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Accepted:
    """What a gateway took of a submission.

    ``task_id`` is the gateway's own. ``count`` is the number of recipients that it says it took, None where it does not
    say; a count short of those submitted puts the submission in doubt. ``refused`` are recipients that it refused by
    name. ``balance`` is the credit left, in the provider's units. ``raw`` is the reply, which the core redacts.
    """

    task_id: str = ""
    count: int | None = None
    refused: Mapping[str, SendError] = field(default_factory=dict)
    balance: Decimal | None = None
    raw: str = ""

    def __repr__(self) -> str:
        return f"Accepted(task_id={self.task_id!r}, count={self.count}, refused={len(self.refused)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The credit at a provider: ``units`` in the provider's own (negative is possible for postpaid accounts)."""

    units: Decimal
    prepaid: bool | None = None
    sent_total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Report:
    """What became of one delivery, as the gateway tells it.

    ``state`` is DELIVERED or UNDELIVERED, or ACCEPTED where the carrier's word is not final. ``code`` is the carrier's
    own word, opaque. ``at`` is aware, None where the gateway gives no time.
    """

    recipient: str
    task_id: str
    state: State
    code: str = ""
    at: datetime | None = None

    def __repr__(self) -> str:
        return f"Report({mask(self.recipient)}, task_id={self.task_id!r}, state={self.state}, code={self.code!r})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Inbound:
    """A message from a subscriber. ``task_id`` is the submission that it answers, where the gateway knows."""

    sender: str
    text: str
    extension: str = ""
    task_id: str = ""
    at: datetime | None = None

    def __repr__(self) -> str:
        return f"Inbound({mask(self.sender)}, <{len(self.text)} characters>)"


@dataclass(frozen=True, slots=True)
class Push:
    """How a transport's pushes are read and answered.

    ``decode`` turns one request into reports and inbound messages, and raises ``UnreadableReply`` for what it cannot
    read. ``stored`` answers a push that is safely on disk, ``again`` one that is not; both go out with status 200.
    """

    decode: Callable[[Request], list[Report | Inbound]]
    stored: bytes
    again: bytes


def _recipients(to: str | Iterable[str]) -> tuple[str, ...]:
    if isinstance(to, str):
        return (_recipient(to),)
    if not isinstance(to, Iterable):
        raise InvalidMessage(f"`to` is a number as text, or several; found {type(to).__name__}")
    stripped = tuple(dict.fromkeys(map(_recipient, to)))
    if not stripped:
        raise InvalidMessage("the message has no recipients: give at least one number in `to`")
    return stripped


def _recipient(number: object) -> str:
    if not isinstance(number, str):
        raise InvalidMessage(f"a recipient is text such as '+8613800138000'; found {type(number).__name__}")
    number = number.strip()
    if not number:
        raise InvalidMessage("a recipient is empty: remove it from `to`")
    return e164(number, "") if number.startswith("+") else number


def _all_e164(numbers: tuple[str, ...], region: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    faults: list[str] = []
    for number in numbers:
        try:
            found[number if number.startswith("+") else e164(number, region)] = None
        except InvalidMessage as error:
            faults.append(str(error))
    if faults:
        raise InvalidMessage("; ".join(faults[:10]) + (f"; and {len(faults) - 10} more" if len(faults) > 10 else ""))
    return tuple(found)


def _aware(time: datetime | None) -> datetime | None:
    if time is not None and time.tzinfo is None:
        raise InvalidMessage(
            f"send_at={time.isoformat()} has no time zone: give an aware time, such as "
            "datetime.now(UTC) + timedelta(hours=1)"
        )
    return time


def _one_of_text_and_template(text: str, template: str, values: Mapping[str, object] | None) -> None:
    if template and text:
        raise InvalidMessage("give either `text` or `template`, not both")
    if values is not None and not isinstance(values, Mapping):
        raise InvalidMessage(f"`values` map names to values; found {type(values).__name__}")
    if values and not template:
        raise InvalidMessage("`values` belong to a `template`: name it")
    if not template:
        _nonblank(text, "text")


def _nonblank(text: object, name: str) -> str:
    if not isinstance(text, str):
        raise InvalidMessage(f"`{name}` is text; found {type(text).__name__}")
    if not text.strip():
        raise InvalidMessage(f"`{name}` is empty: say something")
    if unfit := _UNFIT.search(text):
        raise InvalidMessage(f"`{name}` holds {_unfit(unfit[0])}")
    return text


def _unfit(character: str) -> str:
    if character >= "\ud800":
        return "half a surrogate pair, which no charset carries: decode it as UTF-8 first"
    return f"{character!r} (U+{ord(character):04X}), a control character that no phone shows: leave it out"


def _digits(extension: object) -> str:
    if not isinstance(extension, str):
        raise InvalidMessage(f"`extension` is digits as text; found {type(extension).__name__}")
    if not _DIGITS.fullmatch(extension):
        raise InvalidMessage(f"extension {extension!r} is not numeric: give digits only")
    return extension


def _parts(parts: Iterable[Part | str | Path]) -> tuple[Part, ...]:
    found = tuple(part if isinstance(part, Part) else Part.from_file(part) for part in parts)
    if not found:
        raise InvalidMessage("the message has no parts: give at least one file")
    names = [part.name for part in found]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise InvalidMessage(f"two parts are named {min(repeated)!r}: names must differ")
    return found


def _to_masked(to: tuple[str, ...]) -> str:
    shown = ", ".join(map(mask, to[:3]))
    return f"to=[{shown}, … {len(to)} in all]" if len(to) > 3 else f"to=[{shown}]"

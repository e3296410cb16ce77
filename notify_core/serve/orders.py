"""What the API can be asked: each request's body or query, checked, in one model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AwareDatetime, BeforeValidator, Field, TypeAdapter, ValidationError

from notify_core.errors import InvalidMessage, nearest
from notify_core.messages import Sms
from notify_core.settings import Duration, Strict
from notify_core.states import State

Model = TypeVar("Model", bound=Strict)

_SPAN = re.compile(r"[\d.]+(ms|s|m|h|d)")


def _ago(value: object) -> object:
    """A span such as ``2h`` is the time that was so long ago."""
    if isinstance(value, str) and _SPAN.fullmatch(value):
        seconds: float = TypeAdapter(Duration).validate_python(value)
        try:
            return datetime.now(UTC) - timedelta(seconds=seconds)
        except OverflowError:
            raise ValueError("that is before the year 1") from None
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_ago)]
"""``2030-01-31T09:00Z``, or ``2h`` for so long ago."""


class Nothing(Strict):
    """A request that says nothing more than its address."""


class NewMessage(Strict):
    """A message to be enqueued."""

    to: str | tuple[str, ...]
    text: str = ""
    template: str = ""
    values: dict[str, Any] = Field(default_factory=dict)
    extension: str = ""
    send_at: AwareDatetime | None = None
    route: str = ""
    via: str = ""
    key: str = ""
    priority: int | None = None
    due: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None

    def sms(self) -> Sms:
        """The message itself. Raises ``InvalidMessage``."""
        return Sms(
            to=self.to,
            text=self.text,
            template=self.template,
            values=self.values,
            extension=self.extension,
            send_at=self.send_at,
        )


class Page(Strict):
    """How many, and from where on."""

    below: Annotated[int, Field(ge=1)] | None = None
    most: Annotated[int, Field(ge=1, le=1000)] = 50


class Wanted(Page):
    """Which deliveries are wanted, by the names of ``notify outbox list``."""

    state: tuple[State, ...] = ()
    route: str = ""
    via: str = ""
    path: str = ""
    to: str = ""
    since: Moment | None = None
    until: Moment | None = None
    message: Annotated[int, Field(ge=1)] | None = None
    key: str = ""
    task_id: str = ""


class WantedInbound(Page):
    """Which messages from subscribers are wanted."""

    account: str = ""
    since: Moment | None = None


class Note(Strict):
    """Who does it, and why."""

    note: str = ""


class Resolution(Note):
    """What became of a delivery in doubt."""

    state: Literal[State.ACCEPTED, State.DELIVERED, State.UNDELIVERED, State.ABANDONED]


def from_json(model: type[Model], body: bytes) -> Model:
    """The body of a request; an empty one says nothing. Raises ``InvalidMessage``."""
    return _checked(model, lambda: model.model_validate_json(body or b"{}"))


def from_query(model: type[Model], items: Iterable[tuple[str, str]]) -> Model:
    """The query of a request; what takes several values may stand there several times. Raises ``InvalidMessage``."""
    several: dict[str, list[str]] = {}
    for name, value in items:
        several.setdefault(name, []).append(value)
    single = {name: values if _takes_several(model, name) else values[-1] for name, values in several.items()}
    return _checked(model, lambda: model.model_validate(single))


def _takes_several(model: type[Strict], name: str) -> bool:
    return name in model.model_fields and model.model_fields[name].default == ()


def _checked(model: type[Model], read: Any) -> Model:
    try:
        made: Model = read()
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidMessage("; ".join(_fault(model, each) for each in found[:10])) from None
    return made


def _fault(model: type[Strict], found: Mapping[str, Any]) -> str:
    """A fault in words; the value is not repeated: it may be a number or a text."""
    place = ".".join(map(str, found["loc"]))
    if found["type"] == "extra_forbidden":
        return f"{place}: unknown name{nearest(place, model.model_fields)}"
    words = (
        "is missing"
        if found["type"] == "missing"
        else found["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    )
    return f"{place}: {words}" if place else words

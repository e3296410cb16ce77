"""A request as the YAML describes it, and writing it for one message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal
from urllib.parse import quote

from jinja2.runtime import Context
from pydantic import Field, PlainValidator, WithJsonSchema, field_validator, model_validator

from notify_core.exchange import Http, Reply
from notify_core.settings import Strict
from notify_http import filters, templates
from notify_http.charsets import Charset
from notify_http.faults import Place, Problem, refuse
from notify_http.templates import Address, AnyValue, PlainText, Text, Value, XmlText

_BODIES = ("form", "json", "xml", "text")
_CONTENT_TYPES = {
    "form": "application/x-www-form-urlencoded",
    "json": "application/json",
    "xml": "text/xml",
    "text": "text/plain",
}
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_NOT_YOURS = {"content-length", "content-type", "host", "transfer-encoding"}
_MISSING = object()


def _structure(written: object) -> Any:
    """A nested structure whose texts are templates. Raises all that is wrong in it, each at its place."""
    problems: list[Problem] = []
    made = _compiled(written, (), problems)
    refuse(problems)
    return made


def _compiled(written: object, place: Place, problems: list[Problem]) -> Any:
    if isinstance(written, Mapping):
        return {str(name): _compiled(part, (*place, str(name)), problems) for name, part in written.items()}
    if isinstance(written, list | tuple):
        return [_compiled(part, (*place, number), problems) for number, part in enumerate(written)]
    if not isinstance(written, str):
        return written
    try:
        return Value(written)
    except ValueError as error:
        problems.append((place, str(error)))
        return None


Structure = Annotated[
    Any, PlainValidator(_structure), WithJsonSchema({"description": "Any JSON; texts are templates."})
]


class RequestSettings(Strict):
    """What is asked of the gateway. Every value is a template; at most one of form, json, xml and text is the body."""

    method: Literal["GET", "POST"] = "POST"
    """GET or POST. A GET has no body and carries everything, credentials too, in its query."""
    path: Address
    """What follows base_url, such as /send, or a whole address. A value in it is percent-encoded."""
    query: dict[str, AnyValue] = Field(default_factory=dict)
    """What follows the question mark: names and values, percent-encoded in the request's charset."""
    headers: dict[str, AnyValue] = Field(default_factory=dict)
    """Headers beside Content-Type: names and values, in printable ASCII."""
    form: dict[str, AnyValue] | None = None
    """The body as a form: names and values, percent-encoded in the request's charset."""
    json_body: Structure = Field(default=None, alias="json")
    """The body as JSON, written as nested YAML. A single {{ }} keeps its type: a list stays one, int makes a number."""
    xml: XmlText | None = None
    """The body as XML, without <?xml … ?>. Every {{ }} is escaped."""
    text: PlainText | None = None
    """The body as text, in which nothing is escaped."""
    charset: Charset = "utf-8"
    """The charset of query and body. A text that it cannot carry is refused before anything is sent."""
    content_type: str = Field(default="", pattern=r"^[!-~ ]*$")
    """The Content-Type, where the usual one of the body does not do."""

    @field_validator("headers")
    @classmethod
    def _headers_of_ones_own(cls, headers: dict[str, Value]) -> dict[str, Value]:
        for name in headers:
            if name.lower() == "content-type":
                raise ValueError("write Content-Type as `content_type`, beside `headers`")
            if name.lower() in _NOT_YOURS or not _HEADER.fullmatch(name):
                raise ValueError(f"{name!r} cannot be set: expected the name of a header such as X-Token")
        return headers

    @model_validator(mode="after")
    def _one_body(self) -> RequestSettings:
        found = [name for name in _BODIES if self._part(name) is not None]
        if len(found) > 1:
            raise ValueError(f"expected one body; found {' and '.join(found)}")
        if found and self.method == "GET":
            raise ValueError(f"a GET has no body: write what stands under `{found[0]}` under `query`, or use POST")
        return self

    def _part(self, name: str) -> Any:
        return self.json_body if name == "json" else getattr(self, name)

    @cached_property
    def body_kind(self) -> str:
        """Which of form, json, xml and text is the body; empty where there is none."""
        return next((name for name in _BODIES if self._part(name) is not None), "")

    @cached_property
    def templates(self) -> tuple[tuple[Place, Value | Text], ...]:
        """Every template of the request, and its place."""
        blocks = {"path": self.path, "query": self.query, "headers": self.headers}
        if self.body_kind:
            blocks[self.body_kind] = self._part(self.body_kind)
        return tuple(_templates(blocks, ()))

    @cached_property
    def names(self) -> frozenset[str]:
        """Everything that the request uses, of ``templates.NAMES``."""
        return frozenset().union(*(template.uses.names for _, template in self.templates))

    @cached_property
    def full_content_type(self) -> str:
        """The Content-Type with the charset."""
        usual = _CONTENT_TYPES.get(self.body_kind, "application/octet-stream")
        return self.content_type or f"{usual}; charset={self.charset}"


def _templates(part: Any, place: Place) -> Iterator[tuple[Place, Value | Text]]:
    if isinstance(part, Value | Text):
        yield place, part
    elif isinstance(part, dict | list):
        for step, inner in part.items() if isinstance(part, dict) else enumerate(part):
            yield from _templates(inner, (*place, step))


# --- writing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is written out. None of it is ever shown: a query carries credentials."""

    target: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: str = field(repr=False)


def call(request: RequestSettings, values: dict[str, object]) -> Call:
    """The request with ``values``, which get the finished ``body`` for signatures over it."""
    context = templates.context(values)
    body = values["body"] = _body(request, context)
    target = request.path.of(context)
    if request.query:
        target += ("&" if "?" in target else "?") + _urlencoded(request.query, context, request.charset)
    headers = {name: filters.text(value) for name, value in _present(request.headers, context)}
    return Call(target, headers, body)


def ask(request: RequestSettings, values: dict[str, object], http: Http) -> Reply:
    """Write the request and ask the gateway. Raises ``SendError``."""
    written = call(request, values)
    if request.method == "GET":
        return http.get(written.target, written.headers)
    return http.post(written.target, written.body.encode(request.charset), request.full_content_type, written.headers)


def _body(request: RequestSettings, context: Context) -> str:
    if request.form is not None:
        return _urlencoded(request.form, context, request.charset)
    if request.json_body is not None:
        return filters.json_text(_filled(request.json_body, context))
    if request.xml is not None:
        return f'<?xml version="1.0" encoding="{request.charset}"?>{request.xml.of(context)}'
    return request.text.of(context) if request.text is not None else ""


def _present(block: Mapping[str, Value], context: Context) -> Iterator[tuple[str, Any]]:
    """The names and values of a block; what comes to none is left out."""
    return ((name, value) for name, template in block.items() if (value := template.of(context)) is not None)


def _urlencoded(block: Mapping[str, Value], context: Context, charset: str) -> str:
    pairs = ((name, filters.text(value)) for name, value in _present(block, context))
    return "&".join([f"{_quoted_name(name, charset)}={_quoted(value, charset)}" for name, value in pairs])


@lru_cache(maxsize=1024)
def _quoted_name(name: str, charset: str) -> str:
    return _quoted(name, charset)


def _quoted(value: str, charset: str) -> str:
    """A value percent-encoded, blanks too: not every gateway reads + as one. Digits need nothing."""
    return value if value.isascii() and value.isalnum() else quote(value.encode(charset), safe="")


def _filled(part: Any, context: Context) -> Any:
    """A structure with its templates replaced by their values; what comes to none is left out."""
    if isinstance(part, dict):
        return {name: value for name, inner in part.items() if (value := _filled(inner, context)) is not _MISSING}
    if isinstance(part, list):
        return [value for inner in part if (value := _filled(inner, context)) is not _MISSING]
    if not isinstance(part, Value):
        return part
    value = part.of(context)
    return _MISSING if value is None else value

"""The table of a contract test: what a transport is asked, what it should ask its gateway, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import parse_qs

from notify_core.errors import NotifyError
from notify_core.exchange import Reply, Request
from notify_core.testing import outcomes
from notify_core.testing.calls import Call
from notify_core.testing.outcomes import Outcome

_NO_HEADERS: Mapping[str, str] = {}


def _form(charset: str, request: Request) -> object:
    return _fields(request.body.decode("ascii"), charset)


def _query(charset: str, request: Request) -> object:
    return _fields(request.query, charset)


def _fields(encoded: str, charset: str) -> dict[str, str | list[str]]:
    """URL-encoded fields; a name that stands twice has a list, so that it differs from one that stands once."""
    found = parse_qs(encoded, keep_blank_values=True, strict_parsing=bool(encoded), encoding=charset, errors="strict")
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _json(request: Request) -> object:
    return json.loads(request.body)


def _body(request: Request) -> object:
    return request.body


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that the gateway should get.

    ``read`` decodes the request that came, and must give ``content``: write one for a dialect of your own, or use
    ``form``, ``json`` or ``query``. ``headers`` (lower-case names) must be among those of the request.
    """

    path: str
    content: object = b""
    read: Callable[[Request], object] = _body
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def form(
        cls, path: str, fields: Mapping[str, str], *, charset: str = "utf-8", headers: Mapping[str, str] = _NO_HEADERS
    ) -> Asked:
        """A post of URL-encoded ``fields``, in any order."""
        return cls(path, dict(fields), partial(_form, charset), headers=headers)

    @classmethod
    def json(cls, path: str, value: object, *, headers: Mapping[str, str] = _NO_HEADERS) -> Asked:
        """A post of ``value`` as JSON, however it is spaced and ordered."""
        return cls(path, value, _json, headers=headers)

    @classmethod
    def query(
        cls, path: str, fields: Mapping[str, str], *, charset: str = "utf-8", headers: Mapping[str, str] = _NO_HEADERS
    ) -> Asked:
        """A get with ``fields`` in the query, in any order."""
        return cls(path, dict(fields), partial(_query, charset), "GET", headers)

    def difference(self, request: Request) -> str:
        """How ``request`` differs from this one, in words; empty where it does not."""
        if (request.method, request.path) != (self.method, self.path):
            return f"expected {self.method} {self.path}, found {request.method} {request.path}"
        for name, value in self.headers.items():
            if request.headers.get(name) != value:
                return f"header {name}: expected {value!r}, found {request.headers.get(name)!r}"
        try:
            found = self.read(request)
        except (ValueError, LookupError, TypeError) as error:
            return f"what was sent cannot be read ({type(error).__name__}: {error}): {request.body or request.query!r}"
        return _content_difference(self.content, found)


def _content_difference(expected: object, found: object) -> str:
    if expected == found:
        return ""
    if not (isinstance(expected, dict) and isinstance(found, dict)):
        return f"expected {expected!r}, found {found!r}"
    names = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
    return "; ".join(f"{name}: expected {expected.get(name)!r}, found {found.get(name)!r}" for name in names)


@dataclass(frozen=True, slots=True)
class Case:
    """One row: ``call`` makes the transport ask ``asked``, the gateway answers ``reply``, and ``outcome`` comes of it.

    ``asked`` and ``reply`` are one value each, or sequences of equal length where a hook asks several times; a push and
    a message that is refused before it leaves have none. An error is written as the core would raise it: a
    ``SendError`` is compared by ``sent``, ``scope``, ``retry`` and ``code``, and its description (if you give one) must
    be part of the one found; an ``InvalidMessage`` by its text likewise; an ``Accepted`` by all but ``raw``.
    """

    label: str
    call: Call
    asked: Asked | Sequence[Asked] = field(default=(), kw_only=True)
    reply: Reply | Sequence[Reply] = field(default=(), kw_only=True)
    outcome: Outcome = field(kw_only=True)

    def __post_init__(self) -> None:
        if len(self.requests) != len(self.replies):
            raise ValueError(
                f"case {self.label!r} expects {len(self.requests)} requests and has {len(self.replies)} replies: "
                "give one reply to each request"
            )

    @property
    def requests(self) -> tuple[Asked, ...]:
        """The requests that are expected, in order."""
        return (self.asked,) if isinstance(self.asked, Asked) else tuple(self.asked)

    @property
    def replies(self) -> tuple[Reply, ...]:
        """What the gateway answers to them."""
        return (self.reply,) if isinstance(self.reply, Reply) else tuple(self.reply)

    @property
    def succeeds(self) -> bool:
        """Whether the outcome is a value."""
        return not isinstance(self.outcome, NotifyError)

    def difference(self, found: object) -> str:
        """How the outcome ``found`` differs from the one expected, in words; empty where it does not."""
        return outcomes.difference(self.outcome, found)

    def difference_of_requests(self, found: Sequence[Request]) -> str:
        """How the requests that came differ from those expected, in words; empty where they do not."""
        for number, (asked, request) in enumerate(zip(self.requests, found, strict=False), 1):
            if difference := asked.difference(request):
                return f"request {number}: {difference}"
        if len(found) > len(self.requests):
            return f"expected {len(self.requests)} requests, found {len(found)}: each needs `asked` and `reply`"
        if len(found) < len(self.requests):
            return f"expected {len(self.requests)} requests, found {len(found)}: the replies after that are never used"
        return ""

"""The control calls: ``/sandbox/…`` in HTTP and JSON, for what a test or a person makes the gateway do.

A handler is a plain function. Its parameters are the members that its call takes, its annotations are what pydantic
checks them against, and the first line of its docstring is what ``GET /sandbox`` says about it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from inspect import getdoc, signature
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError, validate_call

from notify_core.errors import nearest
from notify_core.exchange import Reply, Request

ROOT = "/sandbox"
Handler = Callable[..., object]


class Control:
    """The handlers of the control calls, by method and name."""

    def __init__(self) -> None:
        self._handlers: dict[str, dict[str, Handler]] = {}

    def add(self, method: str, name: str, handler: Handler) -> None:
        """Serve a call by ``handler``. Raises ``ValueError`` where it is served already."""
        methods = self._handlers.setdefault(name, {})
        if method in methods:
            raise ValueError(f"{method} {ROOT}/{name} is served already: two providers want the same control call")
        methods[method] = handler

    def call(self, method: str, name: str, members: Mapping[str, object]) -> object:
        """Call a handler from Python, as HTTP would. Raises ``ValueError`` saying what is wrong with ``members``."""
        try:
            handler = self._handlers[name][method]
        except KeyError:
            raise ValueError(f"no transport here serves {method} {ROOT}/{name}; there are {self._spelled()}") from None
        return _checked(handler, members)

    def answer(self, request: Request) -> Reply | None:
        """The reply to a control call, or None where the request is none."""
        root, _, name = request.path.lower().rstrip("/").removeprefix("/").partition("/")
        if f"/{root}" != ROOT:
            return None
        if not name:
            return _json(200, self._index())
        if name not in self._handlers:
            return _json(404, {"error": f"no control call {name!r}{nearest(name, self._handlers)}"})
        if request.method not in self._handlers[name]:
            return _json(405, {"error": f"{name} takes {', '.join(sorted(self._handlers[name]))}"})
        return self._answer_call(name, request)

    def _answer_call(self, name: str, request: Request) -> Reply:
        try:
            found = self.call(request.method, name, _members(request))
        except ValueError as error:
            return _json(400, {"error": str(error)})
        return _json(200, {} if found is None else found)

    def _index(self) -> Mapping[str, str]:
        return {
            f"{method} {ROOT}/{name}": (getdoc(handler) or "").partition("\n")[0]
            for name, methods in sorted(self._handlers.items())
            for method, handler in sorted(methods.items())
        }

    def _spelled(self) -> str:
        return ", ".join(self._index())


def _members(request: Request) -> Mapping[str, object]:
    """The members of a call: its query for GET, else its body, a JSON object (empty: no members)."""
    if request.method == "GET":
        return dict(parse_qsl(request.query, keep_blank_values=True))
    try:
        members = json.loads(request.body or b"{}")
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from None
    if isinstance(members, dict):
        return members
    raise ValueError(f'expected a JSON object such as {{"name": "value"}}; found {type(members).__name__}')


def _checked(handler: Handler, members: Mapping[str, object]) -> object:
    """Call ``handler`` with ``members`` once they fit its signature."""
    try:
        return validate_call(handler)(**members)
    except ValidationError as error:
        known = set(signature(handler).parameters)
        raise ValueError("; ".join(_complaint(fault, known) for fault in error.errors(include_url=False))) from None


def _complaint(fault: Any, known: set[str]) -> str:
    name = ".".join(map(str, fault["loc"]))
    if fault["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"no member {name!r}{nearest(name, known)}"
    if fault["type"] == "missing_argument":
        return f"member {name!r} is missing"
    return f"{name}: {fault['msg']}"


def _json(status: int, value: object) -> Reply:
    body = json.dumps(value, ensure_ascii=False, default=_plain).encode() + b"\n"
    return Reply(status, body, {"content-type": "application/json; charset=utf-8"})


def _plain(value: object) -> object:
    """What JSON has no word for: bytes in base64, times in ISO 8601, values as objects."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")

"""What plugins see of HTTP: a request, a reply, and the session they are handed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

_NO_HEADERS: Mapping[str, str] = {}
State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP reply with its whole body. ``headers`` have lower-case names."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request as a server received it. ``headers`` have lower-case names; ``query`` has no question mark."""

    method: str
    path: str
    query: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


class Http(Protocol):
    """The account's HTTP session as a plugin is handed it.

    ``path`` is appended to the account's ``base_url``; an absolute address is taken as it is. A reply is returned only
    for status 2xx; all else, and every failure of the network, is raised as ``SendError`` with its verdict.
    """

    def post(self, path: str, body: bytes, content_type: str, headers: Mapping[str, str] = _NO_HEADERS) -> Reply:
        """Post ``body`` and return the reply."""

    def get(self, path: str, headers: Mapping[str, str] = _NO_HEADERS) -> Reply:
        """Get ``path``, which may carry a query, and return the reply."""

    def now(self) -> datetime:
        """The time, aware: stamps are made from it, so that a test can fix the clock."""


class Gateway(Protocol):
    """The local sandbox gateway as the provider's side of a dialect sees it (hook ``sandbox``)."""

    def state(self, factory: Callable[[Gateway], State]) -> State:
        """The one value that ``factory`` makes for this gateway: what all endpoints of a provider share."""

    def now(self) -> datetime:
        """The time, aware."""

    def record(self, submission: Mapping[str, object]) -> None:
        """Note a submission that was accepted, decoded (at least ``endpoint``, ``task_id``, ``to`` and ``text``)."""

    def take(self, recipients: tuple[str, ...]) -> tuple[str, ...]:
        """The recipients that are accepted of those submitted: all, or fewer under the fault ``short-count``."""

    def control(self, method: str, name: str, handler: Callable[..., object]) -> None:
        """Serve ``method /sandbox/{name}``: what users of the gateway make the provider do, or ask of it.

        ``handler`` is called with the members of the JSON body (GET: of the query), checked by pydantic against its
        annotations, and what it returns is answered as JSON. ``ValueError`` becomes status 400 with the error's text.
        """

    def post(self, url: str, body: bytes, content_type: str) -> bytes | None:
        """Post to a customer's address; its answer, or None where the network failed."""


Endpoint = Callable[[Request], Reply]
"""One address of the provider's side: a pure answer to a request."""

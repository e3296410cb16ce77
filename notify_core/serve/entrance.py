"""Who is let in beside the gateways: programs by a token in each request, people by a cookie after they gave one.

The cookie has no token in it: it says until when it holds, and proves that whoever got it knew a token. It ends with
its time, and as soon as that token is not valid any more.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from notify_core.tokens import Tokens, proof

COOKIE = "notify_dashboard"
SECONDS = 12 * 3600
"""How long a person stays logged in."""
_LARGEST_FORM = 4096


class Bearer:
    """Lets requests through to ``app`` that have a valid ``Authorization: Bearer …``."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        kind, _, offered = Headers(scope=scope).get("authorization", "").partition(" ")
        known = offered.strip() in self._tokens
        await (self._app if known and kind.lower() == "bearer" else _stranger)(scope, receive, send)


_stranger = JSONResponse(
    {"error": "give one of server.tokens, as the header Authorization: Bearer …"},
    status_code=401,
    headers={"www-authenticate": "Bearer"},
)


class Sessions:
    """The cookies of people. ``now`` is the time in seconds since 1970."""

    def __init__(self, tokens: Tokens, now: Callable[[], float] = time.time) -> None:
        self._tokens = tokens
        self._now = now

    def begin(self, offered: str, response: Response, *, secure: bool) -> bool:
        """Put a cookie onto the response, where a valid token was offered."""
        if offered not in self._tokens:
            return False
        until = f"{self._now() + SECONDS:.0f}"
        value = f"{until}.{proof(offered, _text(until))}"
        response.set_cookie(COOKIE, value, max_age=SECONDS, secure=secure, httponly=True, samesite="strict")
        return True

    def knows(self, request: Request) -> bool:
        """Whether a request has a cookie that still holds."""
        until, _, shown = request.cookies.get(COOKIE, "").partition(".")
        proven = self._tokens.proven(_text(until), shown)
        return proven and until.isdecimal() and self._now() < int(until)


def _text(until: str) -> str:
    return f"notify dashboard until {until}"


Page = Callable[[Request], Awaitable[Response]]


async def field(request: Request, name: str) -> str:
    """One field of a small form that was posted from a page of ours; empty where there is none."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return ""
    form = bytearray()
    async for chunk in request.stream():
        form += chunk
        if len(form) > _LARGEST_FORM:
            return ""
    return parse_qs(form.decode("utf-8", "replace")).get(name, [""])[0]

"""Takes what gateways push: delivery reports and inbound messages, at ``/push/{account}/{token}``.

One core, three doors: ``Receiver`` is an ASGI application (FastAPI, Starlette, Django), its ``wsgi`` a WSGI application
(Flask, Django), and ``answer`` a function for everything else.

A gateway takes nearly everything for success: to ipyy any answer but ``error`` means stored, an error page with status
404 or 500 too, and what it believes stored is gone (gateway.md part 2, traps 2 and 3). So every POST is answered with
status 200: in the provider's word for stored after the commit, in its word for "again" otherwise. That holds for a
wrong token and a foreign address too. A stranger learns nothing by it, not even which accounts there are; and the
gateway itself, where it asks with a token or from an address that the configuration does not have yet or any more,
tries again, is logged, and has lost nothing once that is mended.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from notify_core.errors import ConfigError, Fault, NotifyError
from notify_core.exchange import Reply, Request
from notify_core.notifier import Notifier
from notify_core.proxies import Network, Proxies, within
from notify_core.redaction import located
from notify_core.replies import LARGEST
from notify_core.settings import PushSettings
from notify_core.tokens import Tokens

log = logging.getLogger("notify")

PATIENCE = 10.0
"""Seconds that a body may take to arrive, and again to be stored; after that the gateway is told to push again."""
_THREADS, _WAITING = 8, 64
"""Pushes that are stored at a time, and those that may be under way in all: the rest is told to come again."""
_DISCARDED = 4 * LARGEST
"""Bytes of too large a body that are read and dropped, for a client that is not done writing hears no answer."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

Outcome = Literal["stored", "again", "refused"]
"""What became of a push: refused is one that nobody was let in with."""


class _NotTaken(Exception):
    """A push is not taken; the text says why, and quotes nothing of it."""


class _Refused(_NotTaken):
    """Nobody is let in with it."""


@dataclass(frozen=True, slots=True)
class _Door:
    """An account that takes pushes: who may push, and the words that answer."""

    account: str
    tokens: Tokens
    allow: tuple[Network, ...]
    stored: bytes
    again: bytes

    @classmethod
    def of(cls, notifier: Notifier, account: str, settings: PushSettings) -> _Door:
        words = notifier.paths.able(account, "push").push()
        return cls(account, Tokens(settings.tokens), settings.allow, words.stored, words.again)


class Receiver:
    """The push addresses of every account of ``notifier`` that has ``push:``. The notifier stays the caller's to close.

    It is mounted under any prefix: what counts are the last two parts of the path, account and token. Raises
    ``ConfigError`` where no account has ``push:``. ``patience`` bounds in seconds how long a body may take to arrive,
    and again to be stored.
    """

    def __init__(self, notifier: Notifier, *, patience: float = PATIENCE) -> None:
        config = notifier.config
        settings = {name: account.push for name, account in config.accounts.items() if account.push is not None}
        if not settings:
            raise ConfigError([Fault(config.file, 0, "accounts", _NO_ACCOUNT)])
        self._notifier = notifier
        self._patience = patience
        self._doors = {name: _Door.of(notifier, name, push) for name, push in settings.items()}
        self._proxies = Proxies(config.server.proxies)
        # What the first of them calls "again" is the best guess at what a gateway understands that has a wrong address.
        self._nobody = replace(next(iter(self._doors.values())), account="", tokens=Tokens(()))
        self._counts: Counter[tuple[str, Outcome]] = Counter()
        self._under_way = 0
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._process = 0

    @property
    def accounts(self) -> Mapping[str, int]:
        """The accounts that take pushes, and how many tokens of each are valid."""
        return {name: len(door.tokens) for name, door in self._doors.items()}

    @property
    def outcomes(self) -> Mapping[tuple[str, Outcome], int]:
        """How many pushes there were, by account (empty: an unknown one) and by what became of them."""
        with self._lock:
            return dict(self._counts)

    def close(self) -> None:
        """Wait for what is being stored."""
        with self._lock:
            threads, self._threads = self._threads, None
        if threads is not None and self._process == os.getpid():
            threads.shutdown()

    # --- a function, and WSGI

    def answer(self, request: Request, peer: str = "") -> Reply:
        """Take one push that came from the address ``peer``. Never raises; blocks until it is stored."""
        return self._answer(request, peer, lambda most: request.body if len(request.body) <= most else None)

    def wsgi(self, environ: Mapping[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """Serve one request as a WSGI application."""
        request, peer = _called(environ)
        reply = self._answer(request, peer, partial(_read, environ, self._patience))
        start_response(f"{reply.status} {_PHRASES[reply.status]}", _headers(reply))
        return [reply.body]

    def _answer(self, request: Request, peer: str, read: Callable[[int], bytes | None]) -> Reply:
        door = self._door(request)
        if isinstance(door, Reply):
            return door
        try:
            refused = self._refused(door, request, peer)
            body = _whole(read(0 if refused else LARGEST), refused)
            future = self._begin(door, replace(request, body=body))
            return self._worded(door, _waited(future, self._patience))
        except Exception as error:  # noqa: BLE001 - whatever it is, the gateway must hear its own word
            return self._again(door, error)

    # --- ASGI

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request as an ASGI application. What is no HTTP is turned away."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, peer = _asked(scope)
        door = self._door(request)
        reply = door if isinstance(door, Reply) else await self._take(door, request, peer, receive)
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in _headers(reply)]
        with suppress(OSError):  # nobody is there any more to hear it
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            await send({"type": "http.response.body", "body": reply.body})

    async def _take(self, door: _Door, request: Request, peer: str, receive: Receive) -> Reply:
        try:
            refused = self._refused(door, request, peer)
            async with asyncio.timeout(self._patience):
                body = _whole(await _received(receive, 0 if refused else LARGEST), refused)
            future = self._begin(door, replace(request, body=body))
            return self._worded(door, await asyncio.wait_for(asyncio.wrap_future(future), self._patience))
        except Exception as error:  # noqa: BLE001 - as in `_answer`
            return self._again(door, error)

    # --- what all doors do

    def _door(self, request: Request) -> _Door | Reply:
        """The account that is meant; one that takes nobody in where there is no such account."""
        if request.method != "POST":
            return _NOT_POSTED
        parts = request.path.rstrip("/").split("/")
        return self._doors.get(parts[-2], self._nobody) if len(parts) > 1 else self._nobody

    def _refused(self, door: _Door, request: Request, peer: str) -> str:
        """Why nobody is let in, or nothing."""
        known = request.path.rstrip("/").rpartition("/")[2] in door.tokens
        if not door.account:
            return "its address names no account that takes pushes"
        if not known:
            return f"its token is not one of accounts.{door.account}.push.tokens"
        caller = self._proxies.caller(peer, request.headers)
        if door.allow and (caller is None or not within(caller, door.allow)):
            return f"{caller or 'its sender'} is not in accounts.{door.account}.push.allow"
        return ""

    def _begin(self, door: _Door, request: Request) -> Future[bytes]:
        """Have a push stored by a thread of our own: the words that answer it."""
        with self._lock:
            if self._threads is None or self._process != os.getpid():  # threads do not survive a fork
                self._threads, self._process = ThreadPoolExecutor(_THREADS, "notify-push"), os.getpid()
                self._under_way = 0
            if self._under_way >= _WAITING:
                raise _NotTaken(f"{_WAITING} others are under way")
            future = self._threads.submit(self._store, door.account, request)
            self._under_way += 1
        future.add_done_callback(self._ended)
        return future

    def _store(self, account: str, request: Request) -> bytes:
        return self._notifier.mailbox.take(account, request)

    def _ended(self, _: Future[bytes]) -> None:
        with self._lock:
            self._under_way -= 1

    def _worded(self, door: _Door, words: bytes) -> Reply:
        self._count(door, "stored" if words == door.stored else "again")
        return _said(words)

    def _again(self, door: _Door, error: Exception) -> Reply:
        """The answer to a push that was not taken, whose reason is logged."""
        outcome: Outcome = "refused" if isinstance(error, _Refused) else "again"
        self._count(door, outcome)
        whose = f" to {door.account}" if door.account else ""
        facts = {"action": f"push_{outcome}", "account": door.account}
        log.error("a push%s was not taken: %s", whose, _reason(error, self._patience), extra=facts)
        return _said(door.again)

    def _count(self, door: _Door, outcome: Outcome) -> None:
        with self._lock:
            self._counts[door.account, outcome] += 1


_CUT = "the client went away before all of it had come"
_CHUNK = 64 * 1024

_NO_ACCOUNT = "no account takes pushes: give one `push: {tokens: [${PUSH_TOKEN}]}`"


def _reason(error: Exception, patience: float) -> str:
    """Why a push was not taken. Our own errors have words for it; the text of any other may quote what came."""
    if isinstance(error, TimeoutError):
        return f"it took longer than {patience:g} s"
    return str(error) if isinstance(error, (_NotTaken, NotifyError)) else located(error)


def _whole(body: bytes | None, refused: str) -> bytes:
    """The body that may come in. That of a push which may not was read too: a client in mid-writing hears no answer."""
    if refused:
        raise _Refused(refused)
    if body is None:
        raise _NotTaken(f"its body is larger than {LARGEST // 2**20} MiB")
    return body


def _waited(future: Future[bytes], patience: float) -> bytes:
    try:
        return future.result(patience)
    finally:
        future.cancel()  # one that has not begun need not any more


# --- replies

_PHRASES = {200: "OK", 405: "Method Not Allowed"}
_NOT_POSTED = Reply(405, b"Gateways POST here.\n", {"content-type": "text/plain; charset=utf-8", "allow": "POST"})


def _said(words: bytes) -> Reply:
    return Reply(200, words, {"content-type": "text/plain; charset=utf-8"})


def _headers(reply: Reply) -> list[tuple[str, str]]:
    return [*reply.headers.items(), ("content-length", str(len(reply.body)))]


# --- requests as ASGI and WSGI have them


def _asked(scope: Scope) -> tuple[Request, str]:
    """The request without its body, and its peer."""
    headers: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
        headers[name] = f"{headers[name]},{text}" if name in headers else text
    query = scope.get("query_string", b"").decode("latin-1")
    client = scope.get("client")
    return Request(scope["method"], scope["path"], query, headers), client[0] if client else ""


async def _received(receive: Receive, most: int) -> bytes | None:
    """The body, None for one of more than ``most`` bytes, of which nothing is kept."""
    body, size, more = bytearray(), 0, True
    while more and size <= _DISCARDED:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise _NotTaken(_CUT)
        chunk = event.get("body", b"")
        size += len(chunk)
        _gather(body, chunk, size, most)
        more = event.get("more_body", False)
    return bytes(body) if size <= most else None


async def _live(receive: Receive, send: Send) -> None:
    """Say yes to a server's questions about starting and stopping."""
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})


def _called(environ: Mapping[str, Any]) -> tuple[Request, str]:
    """The request without its body, and its peer."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")
    }
    path = environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace")  # PEP 3333
    request = Request(environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), headers)
    return request, environ.get("REMOTE_ADDR", "")


def _read(environ: Mapping[str, Any], patience: float, most: int) -> bytes | None:
    """The body, None for one of more than ``most`` bytes, of which nothing is kept."""
    length, until = environ.get("CONTENT_LENGTH") or "", time.monotonic() + patience
    if not length.isdecimal() and not environ.get("wsgi.input_terminated"):
        raise _NotTaken("it has no Content-Length, and the web server does not end the stream of its body by itself")
    promised = int(length) if length.isdecimal() else None
    rest = _DISCARDED if promised is None else min(promised, _DISCARDED)
    body, size = bytearray(), 0
    while size < rest and (chunk := environ["wsgi.input"].read(min(_CHUNK, rest - size))):
        size += len(chunk)
        _gather(body, chunk, size, most)
        if time.monotonic() > until:
            raise TimeoutError
    if promised is not None and size < rest:
        raise _NotTaken(_CUT)
    return bytes(body) if size <= most else None


def _gather(body: bytearray, chunk: bytes, size: int, most: int) -> None:
    """Add a chunk, or forget all once it is too much."""
    if size <= most:
        body += chunk
    else:
        body.clear()

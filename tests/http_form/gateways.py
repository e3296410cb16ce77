"""The two gateways of docs/http-form.md, written from its sentences alone, and the loopback server that they stand on.

Nothing here imports notify_http: a mistake in the client cannot be mirrored.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

TOKEN = "token-of-nobody"
APP_KEY = "key-of-nobody"
PASSWORD = "nobodys-password"
HASHED = "34ECCF0F3F5E35CBBF4493299B5000EB"  # of md5sum


@dataclass(frozen=True)
class Seen:
    """A request as it arrived. Headers have lower-case names."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What goes back; ``cut`` closes the connection instead."""

    body: bytes
    status: int = 200
    content_type: str = "text/html"  # old gateways say so whatever they send
    cut: bool = False


CUT = Answer(b"", cut=True)


@dataclass
class Gateway:
    """A server on loopback: what it saw, and how it answers. ``instead`` stands for the answer until it is removed."""

    url: str
    answer: Callable[[Seen], Answer]
    seen: list[Seen] = field(default_factory=list)
    instead: Answer | None = None

    def restart(self, answer: Callable[[Seen], Answer]) -> None:
        """Answer so from now on, having seen nothing."""
        self.answer, self.seen, self.instead = answer, [], None

    def handle(self, seen: Seen) -> Answer:
        """Note the request and answer it."""
        self.seen.append(seen)
        own = self.answer(seen)
        return own if self.instead is None else self.instead


@contextmanager
def serving(answer: Callable[[Seen], Answer]) -> Iterator[Gateway]:
    """A gateway at work on a loopback port."""
    gateway = Gateway("", answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(gateway))
    gateway.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield gateway
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(gateway: Gateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # one segment for an answer

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = gateway.handle(Seen(self.command, self.path, headers, body))
            if answer.cut:
                self.close_connection = True
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = _answer  # noqa: N815 - the names are http.server's

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    return Handler


# --- a gateway with JSON and a signature -----------------------------------------------------------------------------


@dataclass
class Acme:
    """``messages`` are those that it took, decoded; ``refuse`` is answered to the next ones."""

    messages: list[dict[str, object]] = field(default_factory=list)
    refuse: tuple[int, str] | None = None
    takes: int | None = None

    def answer(self, seen: Seen) -> Answer:
        """The document's sentences, in order."""
        path = urlsplit(seen.target).path
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return _json(3001, "bad token")
        if not self._signed(seen):
            return _json(2001, "bad signature")
        if (seen.method, path) == ("GET", "/v2/accounts/demo/credit"):
            return _json(0, "ok", {"credit": 120.50})
        if (seen.method, path) != ("POST", "/v2/accounts/demo/messages"):
            return _json(1999, "no such address")
        return self._take(json.loads(seen.body))

    def _signed(self, seen: Seen) -> bool:
        stamp = seen.headers.get("x-timestamp", "")
        expected = hashlib.sha256(APP_KEY.encode() + stamp.encode() + seen.body).hexdigest()
        return abs(time.time() - int(stamp)) < 300 and seen.headers.get("x-signature") == expected

    def _take(self, message: dict[str, object]) -> Answer:
        if self.refuse is not None:
            return _json(*self.refuse)
        if any(not (len(number) == 11 and number.isdigit()) for number in _texts(message["to"])):
            return _json(1002, "bad number")
        if "13800000404" in _texts(message["to"]):
            return _json(1002, "not in service")
        self.messages.append(message)
        taken = len(_texts(message["to"])) if self.takes is None else self.takes
        return _json(0, "ok", {"message_id": f"m-{len(self.messages)}", "accepted": taken})


def _texts(value: object) -> list[str]:
    assert isinstance(value, list)
    return value


def _json(code: int, words: str, data: dict[str, object] | None = None) -> Answer:
    return Answer(json.dumps({"code": code, "message": words, "data": data}).encode())


# --- a gateway with GET, GBK and one line of text --------------------------------------------------------------------


@dataclass
class OldTown:
    """``messages`` are those that it took, decoded; ``refuse`` is answered to the next ones."""

    messages: list[dict[str, str]] = field(default_factory=list)
    refuse: str = ""

    def answer(self, seen: Seen) -> Answer:
        """The document's sentences, in order."""
        parts = urlsplit(seen.target)
        given = dict(parse_qsl(parts.query, keep_blank_values=True, encoding="gbk", errors="strict"))
        if (given.get("uid"), given.get("pwd")) != ("demo", HASHED):
            return _gbk("ERR:1:用户名或密码错误")
        if parts.path == "/sms/balance.php":
            return _gbk("OK:-12.5")
        if self.refuse:
            return _gbk(self.refuse)
        assert "+" not in parts.query, "this one reads a plus as a plus"
        assert unquote(parts.path) == "/sms/send.php"
        self.messages.append(given)
        return _gbk(f"OK:{12344 + len(self.messages)}")


def _gbk(line: str) -> Answer:
    return Answer(f"{line}\r\n".encode("gbk"))

"""A provider of canned answers on a loopback port, and the session that a plugin is handed to reach it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl

import pytest

from notify_core.exchange import Reply, Request
from notify_core.messages import Message, Submission
from notify_ipyy.settings import IpyySettings

NOW = datetime(2015, 4, 14, 9, 47, 15, tzinfo=UTC)
"""17:47:15 in China: the moment of the worked example."""


class Provider(HTTPServer):
    """Answers each request with the next canned body, and keeps what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[bytes] = []
        self.requests: list[Request] = []

    @property
    def form(self) -> dict[str, str]:
        """The fields of the last request, read as UTF-8 by the standard library."""
        return self.form_in("utf-8")

    def form_in(self, charset: str) -> dict[str, str]:
        """The fields of the last request, read in ``charset`` by the standard library."""
        body = self.requests[-1].body.decode("ascii")
        return dict(parse_qsl(body, keep_blank_values=True, strict_parsing=True, encoding=charset, errors="strict"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer: the second of two would wait 40 ms for the acknowledgement of the first
    server: Provider

    def do_POST(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        self.server.requests.append(Request(self.command, path, query, headers, body))
        answer = self.server.answers.pop(0)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST  # noqa: N815  # the base class looks for this name

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
        """Nothing: the tests look at what was kept."""


class Session:
    """The smallest ``Http``: one request at a time, a fixed clock."""

    def __init__(self, port: int) -> None:
        self.connection = HTTPConnection("127.0.0.1", port, timeout=5)

    def post(self, path: str, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Post and read the whole answer."""
        return self._ask("POST", path, body, {"Content-Type": content_type, **(headers or {})})

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Get and read the whole answer."""
        return self._ask("GET", path, None, dict(headers or {}))

    def now(self) -> datetime:
        """The moment of the worked example."""
        return NOW

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return Reply(answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()})


@pytest.fixture(scope="session")
def _provider() -> Iterator[Provider]:
    with Provider() as provider:
        serving = threading.Thread(target=provider.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield provider
        provider.shutdown()
        serving.join()


@pytest.fixture(scope="session")
def http(_provider: Provider) -> Iterator[Session]:
    """The session to the provider."""
    session = Session(_provider.server_port)
    yield session
    session.connection.close()


@pytest.fixture
def provider(_provider: Provider) -> Iterator[Provider]:
    """The provider without memory of other tests; every canned answer must be used."""
    _provider.answers.clear()
    _provider.requests.clear()
    yield _provider
    assert _provider.answers == []


@pytest.fixture
def account() -> Callable[..., IpyySettings]:
    """Makes the account of the worked example, with the settings given."""

    def make(**settings: object) -> IpyySettings:
        fields = {"account": "test", "password": "test", "user_id": "1234"} | settings
        return IpyySettings.model_validate({"provider": "ipyy", "base_url": "http://127.0.0.1:1"} | fields)

    return make


@pytest.fixture
def submission() -> Callable[[Message], Submission]:
    """Wraps a message as the core does."""
    return lambda message: Submission("clinic.test", message)

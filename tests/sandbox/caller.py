"""A customer who speaks plain HTTP to the gateway, with nothing of the product's client."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from lxml import etree

from notify_core.sandbox import LocalGateway

TEXT = "您的验证码：1439【腾飞】"
CREDENTIALS = {"account": "sandbox", "password": "sandbox-secret"}
SMS = {"action": "send", **CREDENTIALS, "mobile": "13800000001", "content": TEXT, "sendTime": "", "extno": ""}


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def xml(self) -> dict[str, str]:
        """The children of the body's root, as XML."""
        return {child.tag: child.text or "" for child in etree.fromstring(self.body)}


class Caller:
    """Posts to one gateway, on a new connection each time."""

    def __init__(self, gateway: LocalGateway) -> None:
        self.address = ("127.0.0.1", urlsplit(gateway.url).port or 0)

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Make one request."""
        connection = HTTPConnection(*self.address, timeout=10)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def post(self, path: str, fields: Mapping[str, str], charset: str = "utf-8") -> Answer:
        """Post a form."""
        return self.ask("POST", path, urlencode(fields, encoding=charset).encode())

    def sms(self, path: str = "/smsJson.aspx", **changes: str) -> Answer:
        """Post a valid submission but for the changes."""
        return self.post(path, {**SMS, **changes})

    def pull(self, path: str, **changes: str) -> Answer:
        """Ask for reports or inbound messages."""
        return self.post(path, {"action": "query", **CREDENTIALS, **changes})

    def control(self, method: str, name: str, members: Mapping[str, object] | None = None) -> Answer:
        """Make a control call."""
        return self.ask(method, f"/sandbox/{name}", json.dumps(members).encode() if members is not None else b"")

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(self.address, timeout=10)


def raw_sms(content: str = TEXT) -> bytes:
    """A whole HTTP request that submits an SMS in the JSON dialect."""
    body = urlencode({**SMS, "content": content}).encode()
    head = f"POST /smsJson.aspx HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def read_reply(sock: socket.socket) -> bytes:
    """One reply with its body, by its content-length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += received(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += received(sock)
    return head + b"\r\n\r\n" + body


def received(sock: socket.socket) -> bytes:
    """What came next; a closed connection is a failure."""
    data = sock.recv(65536)
    assert data, "the gateway closed the connection"
    return data

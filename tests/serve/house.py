"""What the tests of the server are made of: a configuration, servers on loopback, and what a gateway pushes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from notify_core.exchange import Request
from notify_core.receiver import Receiver
from notify_core.serve import Server
from notify_core.store import Filter, Store

TOKEN, NEWER = "an-unguessable-word-1", "an-unguessable-word-2"
PEOPLE = "a-token-of-the-house-1"
HEADERS = {"authorization": f"Bearer {PEOPLE}"}
A, B = "13800000001", "13800000002"
PATIENCE = 30.0
"""Seconds after which what did not come does not come."""


def configuration(store: str, gateway: str = "http://127.0.0.1:9", **push: Any) -> dict[str, Any]:
    """An account of the sandbox that takes pushes, one that does not, a store and a token for the API."""
    account = {
        "provider": "ipyy",
        "base_url": gateway,
        "account": "sandbox",
        "password": "sandbox-secret",
        "signature": "腾飞",
    }
    return {
        "default_region": "CN",
        "accounts": {"clinic": {**account, "push": {"tokens": [TOKEN, NEWER], **push}}, "silent": account},
        "routes": {"default": ["clinic.json"]},
        "templates": {"otp": "您的验证码：{{ code }}"},
        "store": store,
        "server": {"tokens": [PEOPLE]},
    }


@contextmanager
def served(app: Any) -> Iterator[str]:
    """An ASGI application behind the server of ``notify serve``: its address."""
    server = Server(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.url
    finally:
        server.stop()
        thread.join(PATIENCE)
    assert not thread.is_alive()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """The tests need no log."""


@contextmanager
def called(app: Any) -> Iterator[str]:
    """A WSGI application behind the server of Python's own library: its address."""
    with make_server("127.0.0.1", 0, app, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(PATIENCE)


def box(*recipients: str, task: str = "2611230351350206", word: str = "DELIVRD") -> bytes:
    """The XML of reports, as the gateway pushes it."""
    boxes = "".join(
        f"<statusbox><mobile>{each}</mobile><taskid>{task}</taskid><status>10</status>"
        f"<receivetime>2026-11-23 03:51:04</receivetime><errorcode>{word}</errorcode></statusbox>"
        for each in recipients
    )
    return f'<?xml version="1.0" encoding="utf-8"?><returnsms>{boxes}</returnsms>'.encode()


def pushing(body: bytes, path: str = f"/push/clinic/{TOKEN}", **headers: str) -> Request:
    """A push as the pure function gets it."""
    return Request("POST", path, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body)


def said(receiver: Receiver, body: bytes, **facts: Any) -> bytes:
    """What the pure function answers."""
    reply = receiver.answer(pushing(body, **facts), "127.0.0.1")
    assert reply.status == 200
    return reply.body


def kept(store: Store) -> list[str]:
    """The states of all payloads."""
    return sorted(each.state for each in store.payloads(most=1000))


def states(store: Store) -> list[str]:
    """The states of all deliveries, in the order in which they were enqueued."""
    return [each.state.value for each in reversed(store.deliveries(Filter(), most=1000))]


def until(true: Callable[[], bool]) -> None:
    """Wait for what other threads bring about."""
    ready = threading.Event()
    for _ in range(int(PATIENCE / 0.02)):
        if true():
            return
        ready.wait(0.02)
    raise AssertionError("it did not come about")

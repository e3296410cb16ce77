"""What the tests of durable delivery are made of: a configuration, workers, and waiting for what must come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from notify_core import Notifier, Sms, State
from notify_core.store import Filter, Store
from notify_core.worker import Worker
from tests.core.gateway import Gateway

PATIENCE = 30.0
"""Seconds after which what did not come does not come."""


def configuration(url: str, gateways: Mapping[str, Gateway], **settings: Any) -> dict[str, Any]:
    """An account for each gateway, and a route ``default`` along them. Further settings: of accounts, or ``routes``."""
    routes = settings.pop("routes", {})
    accounts = {
        name: {"provider": "acme", "base_url": gateway.url, "password": "sesame", **settings}
        for name, gateway in gateways.items()
    }
    return {
        "default_region": "CN",
        "store": url,
        "transports": {"acme.json": "tests.core.transports.wire"},
        "accounts": accounts,
        "routes": {"default": [f"{name}.json" for name in gateways], **routes},
    }


def number(which: int) -> str:
    """A phone number that nobody has."""
    return f"+86138{which:08d}"


def sms(which: int, text: str = "您的验证码：1439") -> Sms:
    """A message to one number."""
    return Sms(to=number(which), text=text)


@contextmanager
def working(notifier: Notifier, **options: Any) -> Iterator[Worker]:
    """A worker in a thread of its own, stopped in the end."""
    worker = Worker(notifier, **options)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(PATIENCE)
    assert not thread.is_alive()


def until(true: Callable[[], bool]) -> None:
    """Wait for what other threads and processes bring about."""
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends, "it did not come about"
        threading.Event().wait(0.02)


def states(notifier: Notifier) -> list[State]:
    """The states of all deliveries, in the order in which they were enqueued."""
    return [stored.state for stored in reversed(notifier.outbox.store.deliveries(most=100_000))]


def settled(notifier: Notifier, *expected: State) -> None:
    """Wait until the deliveries are in these states."""
    until(lambda: states(notifier) == list(expected))


def settle(notifier: Notifier, **options: Any) -> None:
    """Let a worker work until nothing waits to be sent."""
    open_states = Filter(states=(State.QUEUED, State.SENDING))
    with working(notifier, **options):
        until(lambda: not notifier.outbox.store.deliveries(open_states, most=1))


def an_hour_later(url: str) -> Store:
    """The store as one sees it whose clock is an hour ahead."""
    return Store(url, clock=lambda: time.time() + 3600)

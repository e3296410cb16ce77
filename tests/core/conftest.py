"""Gateways on loopback, and notifiers whose accounts point at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from notify_core import Notifier
from tests.core.gateway import Gateway

TRANSPORTS = {
    "acme.json": "tests.core.transports.wire",
    "acme.query": "tests.core.transports.query",
    "acme.mms": "tests.core.transports.picture",
    "memory.one": "tests.core.transports.memory",
    "memory.two": "tests.core.transports.memory_too",
}
PASSWORD = "open/sesame+1 &\\"
"""A fake that every escape changes."""

OpenNotifier = Callable[..., Notifier]


@pytest.fixture
def open_notifier() -> Iterator[OpenNotifier]:
    """Makes a notifier with an account for each of the gateways named, and closes it in the end.

    ``route`` is the route ``default``; without it, every account by ``json``. Further settings go to every account.
    """
    with ExitStack() as stack:

        def opened(
            gateways: Mapping[str, Gateway | str], *plugins: object, route: Any = None, **settings: Any
        ) -> Notifier:
            return stack.enter_context(Notifier.from_mapping(configuration(gateways, route, **settings), *plugins))

        yield opened


def configuration(
    gateways: Mapping[str, Gateway | str], route: Any = None, templates: Any = None, **settings: Any
) -> dict[str, Any]:
    """A configuration with an account for each gateway (or base address)."""
    accounts = {
        name: {"provider": "acme", "base_url": getattr(place, "url", place), "password": PASSWORD, **settings}
        for name, place in gateways.items()
    }
    return {
        "default_region": "CN",
        "transports": TRANSPORTS,
        "accounts": accounts,
        "routes": {"default": route or [f"{name}.json" for name in gateways]},
        "templates": templates or {},
    }

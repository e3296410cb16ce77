"""The pytest plugin (entry point ``notify`` of ``pytest11``): the fixture ``notify_gateway``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from notify_core.testing.gateway import sandbox

if TYPE_CHECKING:
    from notify_core.sandbox import LocalGateway


@pytest.fixture
def notify_gateway() -> Iterator[LocalGateway]:
    """A running local gateway of its own for each test: see ``notify_core.testing.sandbox``."""
    with sandbox() as gateway:
        yield gateway

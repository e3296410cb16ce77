"""A store, a gateway, and a notifier with both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import copy

import pytest

from notify_core import Notifier
from notify_core.receiver import Receiver
from notify_core.sandbox import LocalGateway
from notify_core.store import Store
from notify_core.testing import sandbox
from tests.serve.house import configuration


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tables, to be copied."""
    path = tmp_path_factory.mktemp("serve") / "notify.db"
    Store.create(f"sqlite:///{path}")
    return path


@pytest.fixture
def file(empty_store: Path, tmp_path: Path) -> Path:
    """The file of an empty SQLite store."""
    return Path(copy(empty_store, tmp_path / "notify.db"))


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    """A gateway."""
    with sandbox() as gateway:
        yield gateway


@pytest.fixture
def notifier(file: Path, gateway: LocalGateway) -> Iterator[Notifier]:
    """A notifier with the gateway and the store."""
    with Notifier.from_mapping(configuration(f"sqlite:///{file}", gateway.url)) as notifier:
        yield notifier


@pytest.fixture
def store(notifier: Notifier) -> Store:
    """The store of the notifier."""
    return notifier.outbox.store


@pytest.fixture
def receiver(notifier: Notifier) -> Iterator[Receiver]:
    """Its receiver."""
    receiver = Receiver(notifier)
    yield receiver
    receiver.close()

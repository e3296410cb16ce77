"""Both worked gateways at work, and a notifier made from config/http-form.example.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from notify_core import Notifier
from notify_core.config import Config, load_config
from tests.http_form.gateways import APP_KEY, PASSWORD, TOKEN, Acme, Gateway, OldTown, serving

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "config" / "http-form.example.yaml"


@dataclass
class Town:
    """Both gateways: their behaviour, and their servers."""

    acme_server: Gateway
    old_server: Gateway
    acme: Acme
    old: OldTown


@pytest.fixture(scope="session")
def servers() -> Iterator[tuple[Gateway, Gateway]]:
    """Both servers, and the environment that makes the example's accounts theirs."""
    with serving(Acme().answer) as acme, serving(OldTown().answer) as old, pytest.MonkeyPatch.context() as environment:
        known = {"ACME_URL": acme.url, "ACME_TOKEN": TOKEN, "ACME_APP_KEY": APP_KEY}
        for name, value in {**known, "OLDTOWN_URL": old.url, "OLDTOWN_PASSWORD": PASSWORD}.items():
            environment.setenv(name, value)
        yield acme, old


@pytest.fixture
def town(servers: tuple[Gateway, Gateway]) -> Town:
    """Both gateways as new."""
    town = Town(*servers, Acme(), OldTown())
    town.acme_server.restart(town.acme.answer)
    town.old_server.restart(town.old.answer)
    return town


@pytest.fixture(scope="session")
def config(servers: tuple[Gateway, Gateway]) -> Config:
    """The example file, read once."""
    assert servers
    return load_config(EXAMPLE)


@pytest.fixture
def notifier(config: Config, town: Town) -> Iterator[Notifier]:
    """A notifier of the example file, speaking to both gateways."""
    assert town.acme_server.seen == []
    with Notifier(config) as notifier:
        yield notifier

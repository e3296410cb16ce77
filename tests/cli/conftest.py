"""A gateway on loopback, a configuration for it in an empty directory, and nothing in the environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from notify_core.sandbox import LocalGateway
from notify_core.store import Store
from notify_core.testing import sandbox
from tests.cli.shell import PASSWORD, notify


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in."""
    monkeypatch.chdir(tmp_path)
    for name in ("NOTIFY_CONFIG", "NOTIFY_DEBUG", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def gateway(folder: Path) -> Iterator[LocalGateway]:
    """A gateway, and ``notify.yaml`` for it."""
    with sandbox() as gateway:
        (folder / "notify.yaml").write_text(configuration(gateway.url), "utf-8")
        yield gateway


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    """A store, and ``notify.yaml`` that names it; its gateway is one that nobody answers for."""
    (folder / "notify.yaml").write_text(configuration("http://127.0.0.1:9") + STORE, "utf-8")
    assert notify("store", "init").code == 0
    with Store("sqlite:///notify.db") as store:
        yield store


@pytest.fixture
def outbox(gateway: LocalGateway, folder: Path) -> LocalGateway:
    """A gateway, and ``notify.yaml`` with its accounts and a store."""
    with (folder / "notify.yaml").open("a", encoding="utf-8") as file:
        file.write(STORE)
    assert notify("store", "init").code == 0
    return gateway


STORE = "store: sqlite:///notify.db\n"


def configuration(url: str) -> str:
    """A configuration with a good account, one that is mistaken about its password, and one that nobody answers for."""
    return f"""
default_region: CN
accounts:
  clinic: &account
    provider: ipyy
    base_url: {url}
    account: sandbox
    password: {PASSWORD}
    signature: 腾飞
  single: {{<<: *account, max_recipients: 1}}
  mistaken: {{<<: *account, password: not-the-one}}
  dead: {{<<: *account, base_url: "http://127.0.0.1:9"}}
routes:
  default: [clinic.json, clinic.xml]
  backup: [dead.json, mistaken.json, clinic.json]
  hopeless: [dead.json, mistaken.json]
  pictures: [clinic.mms]
templates:
  otp: "您的验证码：{{{{ code }}}}"
"""

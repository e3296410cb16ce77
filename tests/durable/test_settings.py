"""What the configuration says about the store, and about storing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import util
from typing import Any

import pytest

from notify_core import ConfigError, Notifier
from notify_core.config import Config, from_mapping
from notify_core.errors import MissingExtra, StoreError
from tests.core.gateway import Gateway
from tests.durable.conftest import Opened
from tests.durable.shop import configuration, settle, sms


def configured(store: Any) -> Config:
    """A configuration with that store."""
    return from_mapping(configuration(store, {}) | {"accounts": ACCOUNTS, "routes": {"default": ["clinic.json"]}})


ACCOUNTS = {"clinic": {"provider": "acme", "base_url": "http://localhost:9", "password": "sesame"}}


def test_a_store_is_an_address_or_a_block() -> None:
    """The address alone is as good as a block with it; a block may say how safely SQLite writes."""
    (plain, block) = (configured(each).store for each in ("sqlite:///n.db", {"url": "sqlite:///n.db"}))
    assert plain == block
    loose = configured({"url": "sqlite:///n.db", "synchronous": "normal"}).store
    assert plain is not None
    assert loose is not None
    assert (plain.synchronous, loose.synchronous) == ("full", "normal")


def test_the_password_of_a_store_is_not_shown() -> None:
    """No repr of the configuration has it, and no fault."""
    url = "postgresql+psycopg://notify:open-sesame@127.0.0.1/notify"
    assert "open-sesame" not in repr(configured(url))
    with pytest.raises(ConfigError) as caught:
        configured(url.replace("postgresql+psycopg", "mysql"))
    assert "expected sqlite:///notify.db or postgresql+psycopg://" in str(caught.value)
    assert "open-sesame" not in str(caught.value)


@pytest.mark.parametrize(("module", "extra"), [("sqlalchemy", "store"), ("psycopg", "postgres")])
def test_a_missing_extra_is_a_fault_with_the_line_that_installs_it(
    module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration whose store needs what is not installed does not start, and says what to type."""
    find = util.find_spec
    absent = {module}
    monkeypatch.setattr("notify_core.config.find_spec", lambda name: None if name in absent else find(name))
    with pytest.raises(ConfigError) as caught:
        configured("postgresql://notify@127.0.0.1/notify")
    assert f"pip install 'notify-core[{extra}]'" in str(caught.value)
    assert str(MissingExtra(extra, module)) in str(caught.value).replace("SQLAlchemy", module)


def test_the_text_of_a_code_is_wiped(url: str, gateway: Gateway, opened: Opened) -> None:
    """A route with ``wipe_texts: final`` leaves no text behind, one without keeps it."""
    routes = {"otp": {"paths": ["clinic.json"], "wipe_texts": "final"}}
    notifier = opened(url, {"clinic": gateway}, routes=routes)
    code, notice = (notifier.enqueue(sms(1), route=route).deliveries[0] for route in ("otp", "default"))
    settle(notifier)
    store = notifier.outbox.store
    assert store.wipe(datetime.now(UTC) + timedelta(minutes=1)) == 1
    assert store.message(notice) == sms(1)
    with pytest.raises(StoreError, match="wiped"):
        store.message(code)


@pytest.mark.parametrize("url", ["sqlite://notify.db", "sqlite:notify.db"])
def test_a_missing_slash_is_named(url: str) -> None:
    """The address of a file has three slashes before its name; a fault of the configuration says so."""
    with pytest.raises(ConfigError, match="expected three slashes before the file's name"):
        configured(url)


def test_what_needs_a_store_names_the_file_and_the_command() -> None:
    """Enqueueing without a store says where it is missing, and what to run."""
    with Notifier.from_mapping(WITHOUT) as notifier, pytest.raises(ConfigError, match="run `notify store init`"):
        _ = notifier.outbox


def test_a_time_kept_here_needs_a_store() -> None:
    """A route with ``schedule: local`` and no store is a fault."""
    routes = {"default": {"paths": ["clinic.json"], "schedule": "local"}}
    with pytest.raises(ConfigError, match=r"routes\.default\.schedule: needs a store"):
        from_mapping({**WITHOUT, "routes": routes})


def test_a_bad_token_is_one_fault() -> None:
    """Entries that are wrong are not said to be missing too."""
    account = {**WITHOUT["accounts"]["clinic"], "push": {"tokens": ["short"]}}
    with pytest.raises(ConfigError) as caught:
        from_mapping({**WITHOUT, "accounts": {"clinic": account}, "store": "sqlite:///n.db"})
    assert [fault.path for fault in caught.value.faults] == ["accounts.clinic.push.tokens[0]"]


def test_quiet_hours_have_two_times() -> None:
    """A span that ends when it begins says that the two must differ."""
    routes = {"default": {"paths": ["clinic.json"], "quiet_hours": "08:00-08:00"}}
    with pytest.raises(ConfigError, match="the two times must differ"):
        from_mapping({**WITHOUT, "routes": routes})


WITHOUT: dict[str, Any] = {
    "accounts": {
        "clinic": {
            "provider": "ipyy",
            "base_url": "http://127.0.0.1:9",
            "account": "sandbox",
            "password": "sandbox-secret",
        }
    },
    "routes": {"default": ["clinic.json"]},
}

"""What the configuration says about fetching, being pushed to, and telling."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from notify_core import ConfigError
from notify_core.config import Config, from_mapping, load_config
from tests.durable.test_webhooks import SECRET

ACCOUNT = {"provider": "acme", "base_url": "http://localhost:9", "password": "sesame"}
TOKEN = "0123456789abcdef"


def configured(account: Any = None, **settings: Any) -> Config:
    """A configuration with a store and one account, and these settings."""
    same: dict[str, Any] = {
        "store": "sqlite:///n.db",
        "transports": {"acme.json": "tests.core.transports.wire"},
        "accounts": {"clinic": ACCOUNT | (account or {})},
        "routes": {"default": ["clinic.json"]},
    }
    return from_mapping(same | settings)


def faults(account: Any = None, **settings: Any) -> list[str]:
    """What is wrong with such a configuration."""
    with pytest.raises(ConfigError) as caught:
        configured(account, **settings)
    return [f"{fault.path}: {fault.message}" for fault in caught.value.faults]


def test_a_span_is_enough_to_pull() -> None:
    """``pull: 30s`` fetches both kinds every 30 seconds; a block says it of each."""
    both = configured({"pull": "30s"}).accounts["clinic"].pull
    one = configured({"pull": {"reports": "1m", "batch": 500}}).accounts["clinic"].pull
    assert both
    assert one
    assert (both.reports, both.inbound, both.batch) == (30.0, 30.0, 4000)
    assert (one.reports, one.inbound, one.batch) == (60.0, None, 500)


def test_a_pull_of_nothing_is_a_fault() -> None:
    """A block that names neither kind says what to write."""
    (fault,) = faults({"pull": {"batch": 10}})
    assert fault.startswith("accounts.clinic.pull: say how often")


@pytest.mark.parametrize(
    ("account", "key"),
    [({"pull": "30s"}, "pull"), ({"push": {"tokens": [TOKEN]}}, "push"), ({"credit": {"every": "1h"}}, "credit")],
)
def test_what_comes_needs_a_store(account: Any, key: str) -> None:
    """Pulls, pushes and the polling of balances are a fault without a store, once each, which says what to add."""
    (fault,) = faults(account, store=None)
    assert fault.startswith(f"accounts.clinic.{key}: needs a store: add `store: sqlite:///notify.db`")


def test_webhooks_need_a_store() -> None:
    """Without one they are a fault."""
    (fault,) = faults(store=None, webhooks={"shop": {"url": "https://shop.example/hook", "secrets": [SECRET]}})
    assert fault.startswith("webhooks: needs a store")


@pytest.mark.parametrize(
    ("account", "place", "words"),
    [
        ({"pull": {"reports": "30s"}}, "pull.reports", "no transport of acme can fetch reports"),
        ({"pull": {"inbound": "30s"}}, "pull.inbound", "no transport of acme can fetch inbound messages"),
        ({"push": {"tokens": [TOKEN]}}, "push", "no transport of acme can read what a gateway pushes"),
        ({"credit": {"every": "1h"}}, "credit.every", "no transport of acme can ask for the balance"),
    ],
)
def test_what_no_transport_can_do_is_a_fault(account: Any, place: str, words: str) -> None:
    """A provider whose transports have no such hook cannot be asked for it."""
    transports = {"acme.query": "tests.core.transports.query"}
    found = faults(account, transports=transports, routes={"default": ["clinic.query"]})
    assert found == [f"accounts.clinic.{place}: {words}"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://shop.example/hook", "http:// would show phone numbers and texts to the network; use https://"),
        ("shop.example", "expected an address"),
        ("https://user:word@shop.example/hook", "without credentials"),
        ("https://shop.example/hook?a=1#part", "without fragment"),
    ],
)
def test_a_webhook_has_a_private_address(url: str, words: str) -> None:
    """It is https, or this machine; credentials and fragments do not belong there, and are not shown."""
    (fault,) = faults(webhooks={"shop": {"url": url, "secrets": [SECRET]}})
    assert words in fault
    assert "word@" not in fault


@pytest.mark.parametrize("url", ["https://shop.example/hook/?code=1", "http://127.0.0.1:8000", "http://localhost/hook"])
def test_a_webhook_may_have_a_query_and_be_this_machine(url: str) -> None:
    """What receivers need is allowed."""
    assert configured(webhooks={"shop": {"url": url, "secrets": [SECRET]}}).webhooks["shop"].url == url


@pytest.mark.parametrize(
    "secret",
    [
        "open-sesame",
        SECRET.removeprefix("whsec_"),
        "whsec_" + b64encode(b"k" * 23).decode(),
        "whsec_" + b64encode(b"k" * 65).decode(),
        SECRET.replace("whsec_", "whsec_*"),
        "",
    ],
)
def test_a_secret_of_another_form_is_a_fault_that_does_not_show_it(secret: str) -> None:
    """It is whsec_ and base64 of 24 to 64 bytes; the fault says how to make one."""
    (fault,) = faults(webhooks={"shop": {"url": "https://shop.example", "secrets": [SECRET, secret]}})
    assert fault.startswith("webhooks.shop.secrets[1]: expected whsec_ and base64 of 24 to 64 bytes")
    assert "openssl rand -base64 32" in fault
    assert not secret or secret not in fault


def test_an_unknown_account_of_a_webhook_is_a_fault() -> None:
    """The nearest right name is told."""
    webhook = {"url": "https://shop.example", "secrets": [SECRET], "accounts": ["clinic", "clinc"]}
    assert faults(webhooks={"shop": webhook}) == [
        "webhooks.shop.accounts[1]: no account 'clinc'; did you mean 'clinic'?"
    ]


@pytest.mark.parametrize("name", ["", "listeners"])
def test_a_webhook_is_not_named_as_the_listeners_are(name: str) -> None:
    """A name that stands for the listeners of a worker is a fault, because the two could not be told apart."""
    (fault,) = faults(webhooks={name: {"url": "https://shop.example", "secrets": [SECRET]}})
    assert "needs another name: this one is that of the listeners" in fault


def test_an_unknown_event_of_a_webhook_is_a_fault() -> None:
    """Only what can be told."""
    webhook = {"url": "https://shop.example", "secrets": [SECRET], "events": ["delivered"]}
    (fault,) = faults(webhooks={"shop": webhook})
    assert fault.startswith("webhooks.shop.events[0]: expected 'reported', 'received', ")


def test_the_secret_of_a_webhook_is_not_shown() -> None:
    """No repr of the configuration has it."""
    config = configured(webhooks={"shop": {"url": "https://shop.example", "secrets": [SECRET]}})
    assert SECRET not in repr(config)
    assert SECRET not in repr(config.webhooks)


def test_faults_have_the_lines_of_the_file(tmp_path: Any) -> None:
    """Where a file says it, there the fault stands."""
    file = tmp_path / "notify.yaml"
    file.write_text(
        "accounts:\n  clinic:\n    provider: ipyy\n    base_url: http://localhost:9\n    account: a\n    password: b\n"
        "    pull: 30s\nroutes:\n  default: [clinic.json]\nwebhooks:\n  shop:\n    url: https://shop.example\n"
        f"    secrets: [{SECRET}]\n    accounts: [clinik]\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert [(fault.line, fault.path) for fault in caught.value.faults] == [
        (7, "accounts.clinic.pull"),
        (10, "webhooks"),
        (14, "webhooks.shop.accounts[0]"),
    ]

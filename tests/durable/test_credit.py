"""The credit of accounts with a store: noted, told once, and learned from other processes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from notify_core import Notifier, Sms, State, StoreError
from notify_core.credit import PAUSE
from notify_core.store import Store, Stored
from notify_core.worker import worker as workers
from tests.core.gateway import Gateway, accepts, refuses, says
from tests.durable.conftest import Opened
from tests.durable.shop import number, settled, sms, states, until, working

LOW: dict[str, Any] = {"credit": {"low": 100}}
BROKE = refuses("account", retry="later", code="1111", credit=0)


@contextmanager
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workers that look after things often."""
    with monkeypatch.context() as patch:
        patch.setattr(workers, "_LOOK", 0.05)
        yield


def changes(store: Store) -> list[tuple[str, str, Decimal | None]]:
    """What the listeners are to be told of balances: what happened to whom, at which credit."""
    found = store.notices([""], most=100)
    return [(each.kind, each.account, each.credit.units) for each in found if each.credit]


def units(notifier: Notifier) -> dict[str, Decimal]:
    """What the store knows."""
    return {name: standing.units for name, standing in notifier.outbox.store.balances().items()}


def test_a_direct_send_notes_what_is_left(url: str, gateway: Gateway, opened: Opened) -> None:
    """And that it is little; about once a second at most, and in the end."""
    gateway.script = [accepts(balance=150), accepts(balance=149), accepts(balance=99), accepts(balance=98)]
    notifier = opened(url, {"clinic": gateway}, **LOW)
    found = []
    for which in range(4):
        notifier.send(sms(which))
        found.append(units(notifier)["clinic"])
    assert [found[0], found[2]] == [150, 99]
    assert changes(notifier.outbox.store)[:1] == [("balance_low", "clinic", Decimal(99))]
    notifier.close()
    with Store(url) as store:
        assert store.balances()["clinic"].units == 98
        assert store.balances()["clinic"].low


def test_a_worker_notes_what_is_left(
    url: str, gateway: Gateway, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with each message: when it looks after the store."""
    gateway.script = [accepts(balance=42)]
    notifier = opened(url, {"clinic": gateway}, **LOW)
    notifier.enqueue(sms(which, f"text {which}") for which in range(20))
    with soon(monkeypatch), working(notifier):
        until(lambda: units(notifier) == {"clinic": 42})
    assert notifier.outbox.store.balances()["clinic"].low  # its notice may be told already: no listener is there


def test_two_machines_tell_it_once(url: str, gateway: Gateway, opened: Opened) -> None:
    """Each sees the balance fall and rise; the notices are one of each."""
    one, two = (opened(url, {"clinic": gateway}, **LOW) for _ in range(2))
    for left in (150, 50, 200):
        gateway.script = [says({"ok": True, "units": left})]
        assert [machine.balance("clinic").units for machine in (one, two)] == [left, left]
    store = one.outbox.store
    assert changes(store)[:1] == [("balance_low", "clinic", Decimal(50))]
    store.told([notice.id for notice in store.notices([""], most=100)])
    assert changes(store) == [("balance_recovered", "clinic", Decimal(200))]
    store.told([notice.id for notice in store.notices([""], most=100)])
    assert changes(store) == []


def test_two_machines_log_it_once(url: str, gateway: Gateway, opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever made the store's notice has a line of it: a warning when it is low, an information when it is no more."""
    one, two = (opened(url, {"clinic": gateway}, **LOW) for _ in range(2))
    with caplog.at_level(logging.INFO, "notify"):
        for left in (150, 50, 200):
            gateway.script = [says({"ok": True, "units": left})]
            for machine in (one, two):
                machine.balance("clinic")
    assert [(each.levelname, each.getMessage()) for each in caplog.records if each.name == "notify.news"] == [
        ("WARNING", "the balance of account 'clinic' is low: 50 units are left"),
        ("INFO", "the balance of account 'clinic' is no longer low: 200 units are left"),
    ]


def test_no_units_are_made_up_where_the_gateway_tells_none(url: str, gateway: Gateway, opened: Opened) -> None:
    """Of an account that cannot pay for ten segments the notice says what is left where that is known, else None."""
    silent = refuses("account", retry="later", code="1111", no_credit=True)
    gateway.script = [accepts(balance=9), silent, silent]
    knowing = opened(url, {"clinic": gateway})
    knowing.send(sms(0))
    many = Sms(to=[number(which) for which in range(10)], text="hello")
    knowing.send(many)
    assert changes(knowing.outbox.store) == [("balance_low", "clinic", Decimal(9))]
    knowing.outbox.store.told([notice.id for notice in knowing.outbox.store.notices([""], most=100)])
    other = opened(url, {"other": gateway})
    other.send(many)
    assert changes(other.outbox.store) == [("balance_low", "other", None)]


def test_only_who_wants_it_is_told(url: str, gateway: Gateway, opened: Opened) -> None:
    """The webhooks that name the account, or none, and the event."""
    notifier = opened(url, {"clinic": gateway}, **LOW)
    webhook = {"url": "https://app.example/hook", "secrets": ("whsec_" + "A" * 32,)}
    settings = notifier.config.__class__.targets
    found = {
        "all": webhook,
        "clinic": {**webhook, "accounts": ("clinic",), "events": ("balance_low",)},
        "other": {**webhook, "accounts": ("shop",)},
    }
    from notify_core.config import WebhookSettings

    hooks = {name: WebhookSettings.model_validate(each) for name, each in found.items()}
    object.__setattr__(notifier.config, "webhooks", hooks)
    assert settings(notifier.config, "clinic")["balance_low"] == ["all", "clinic"]
    assert settings(notifier.config, "clinic.mms")["balance_recovered"] == ["all"]
    gateway.script = [says({"ok": True, "units": 5})]
    notifier.balance("clinic")
    store = notifier.outbox.store
    told = {each.target for each in store.notices(["", "all", "clinic", "other"], most=100)}
    assert told == {"", "all", "clinic"}


def test_what_one_machine_learns_the_other_uses(url: str, gateway: Gateway, backup: Gateway, opened: Opened) -> None:
    """An account that was topped up is used again where it was without credit, though somebody else asked."""
    one, two = (opened(url, {"clinic": gateway, "backup": backup}) for _ in range(2))
    gateway.script = [BROKE, says({"ok": True, "units": 40}), accepts()]
    assert one.send(sms(1)).attempts[-1].path == "backup.json"
    assert changes(one.outbox.store) == [("balance_low", "clinic", Decimal(0))]
    one.outbox.look_at_credit()
    assert one.send(sms(2)).attempts[0].path == "backup.json"
    two.balance("clinic")
    one.outbox.look_at_credit()
    assert one.send(sms(3)).attempts[0].path == "clinic.json"
    assert len(gateway.received) == 3


def test_a_worker_passes_over_who_cannot_pay(url: str, gateway: Gateway, backup: Gateway, opened: Opened) -> None:
    """One request finds out; the rest leaves by the other account, which the claim counts on from the start."""
    gateway.script = [BROKE]
    notifier = opened(url, {"clinic": gateway, "backup": backup})
    notifier.enqueue(sms(0))
    with working(notifier, threads=1):
        settled(notifier, State.ACCEPTED)
        notifier.enqueue(sms(which, f"text {which}") for which in range(1, 30))
        settled(notifier, *[State.ACCEPTED] * 30)
    assert (len(gateway.received), len(backup.received)) == (1, 30)
    assert {event.path for event in notifier.outbox.store.timeline(_last(notifier)) if event.path} == {"backup.json"}


def _last(notifier: Notifier) -> int:
    return notifier.outbox.store.deliveries(most=1)[0].id


def test_what_nobody_can_pay_waits(url: str, gateway: Gateway, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays in the queue without using up its attempts, and leaves once the account was topped up."""
    gateway.script = [BROKE, says({"ok": True, "units": 40}), accepts(balance=39)]
    notifier = opened(url, {"clinic": gateway}, routes={"once": {"paths": ["clinic.json"], "attempts": 2}})
    store = notifier.outbox.store
    notifier.send(sms(0))
    notifier.enqueue(sms(1), route="once")
    with soon(monkeypatch), working(notifier):
        for _ in range(4):
            until(lambda: _waits(waiting := store.deliveries(most=1)[0]) and waiting.code == "no credit")
            waiting = store.deliveries(most=1)[0]
            assert waiting.attempts == 0
            assert waiting.due - datetime.now(UTC) <= timedelta(seconds=PAUSE)
            store.hasten([waiting.id])
        until(lambda: _waits(store.deliveries(most=1)[0]))
        notifier.balance("clinic")
        store.hasten([waiting.id])
        until(lambda: states(notifier) == [State.REJECTED, State.ACCEPTED])
    assert len(gateway.received) == 3


def _waits(stored: Stored) -> bool:
    return stored.state is State.QUEUED and stored.due > datetime.now(UTC) + timedelta(seconds=1)


def test_a_store_that_fails_costs_no_balance(
    url: str, gateway: Gateway, opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What the gateway said is told; it is noted when the store can again."""
    notifier = opened(url, {"clinic": gateway})
    gateway.script = [says({"ok": True, "units": 40})]

    def full(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "notify"):
        patch.setattr(notifier.outbox.store, "note_balance", full)
        assert notifier.balance("clinic").units == 40
    assert "a balance was not noted: the disk is full" in caplog.text
    notifier.close()
    with Store(url) as store:
        assert store.balances()["clinic"].units == 40


def test_a_list_that_cannot_be_paid_does_not_hold_back_a_code(url: str, gateway: Gateway, opened: Opened) -> None:
    """Ten segments are too many, one is not."""
    gateway.script = [BROKE, accepts(balance=4)]
    notifier = opened(url, {"clinic": gateway})
    many = notifier.send(Sms(to=[number(which) for which in range(10)], text="hello"))
    assert {delivery.state for delivery in many.deliveries} == {State.REJECTED}
    assert notifier.send(sms(1)).accepted

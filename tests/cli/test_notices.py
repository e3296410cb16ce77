"""``notify outbox notices|tell``: what listeners and webhooks did not hear."""

from __future__ import annotations

import json
from typing import Any

import pytest

from notify_core.messages import Inbound
from notify_core.store import Payload, Store
from tests.cli.shell import notify

NUMBER = "+8613800000001"


def refused(store: Store, *, given_up: bool = False) -> int:
    """Something that a webhook did not hear."""
    request: dict[str, Any] = {"replies": []}
    payload = Payload(account="clinic", transport="json", origin="pull", hook="inbound", request=request, body=b"it")
    number = store.keep(payload)
    store.apply(number, [Inbound(sender=NUMBER, text=f"hello {number}")], targets={"received": ["shop"]})
    told = store.notices(["shop"])[-1].id
    store.told([each.id for each in store.notices([""])])
    if given_up:
        store.give_up(told, "HTTP 410")
    else:
        store.untold(told, after=3600, error="HTTP 500")
    return told


def outbox(*args: str) -> Any:
    """What a command of the family gives as JSON."""
    return json.loads(notify("outbox", *args, "--json").out)


def test_notices_are_listed(store: Store) -> None:
    """What was not heard, with why and when it is told again; not what it says."""
    lost, failing = refused(store, given_up=True), refused(store)
    ended = notify("outbox", "notices")
    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.splitlines()[1:3]] == [f"{failing}", f"{lost}"]
    assert "given up" in ended.out
    assert "HTTP 500" in ended.out
    assert not any(secret in ended.out for secret in ("13800000001", "hello"))
    newest, oldest = outbox("notices")["notices"]
    assert (newest["id"], newest["target"], newest["tries"], newest["error"]) == (failing, "shop", 1, "HTTP 500")
    assert (oldest["id"], oldest["again"]) == (lost, None)
    assert [each["id"] for each in outbox("notices", "--most", "1")["notices"]] == [failing]


def test_notices_are_told_again(store: Store) -> None:
    """One that was put off, and one that was given up, are due at once."""
    numbers = [refused(store, given_up=True), refused(store)]
    assert store.notices(["shop"]) == []
    assert notify("outbox", "tell", str(numbers[0])).out == "1 notice will be told at once by the next worker.\n"
    assert [each.id for each in store.notices(["shop"])] == numbers[:1]
    store.told(numbers[:1])
    assert outbox("tell", "--all") == {"told": numbers[1:], "unknown": []}
    assert [each.id for each in store.notices(["shop"])] == numbers[1:]


@pytest.mark.usefixtures("store")
def test_no_notices() -> None:
    """Where there is nothing, that is said."""
    assert notify("outbox", "notices").out == "Everything that was told was heard.\n"
    assert notify("outbox", "tell", "--all").out == "Everything that was told was heard.\n"


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("args", [(), ("17", "--all")])
def test_tell_of_what(args: tuple[str, ...]) -> None:
    """Some notices or all of them: not both, and not none."""
    ended = notify("outbox", "tell", *args)
    assert ended.code == 2
    assert "give either ids of notices or --all" in ended.err


def test_tell_of_nothing(store: Store) -> None:
    """A notice that was heard, or is not there, ends with 1."""
    heard = refused(store)
    store.told([heard])
    ended = notify("outbox", "tell", "17", str(heard))
    assert ended.code == 1
    assert "Notice 17 is none that was not heard: `notify outbox notices` shows those there are." in ended.out
    assert outbox("tell", str(heard)) == {"told": [], "unknown": [heard]}

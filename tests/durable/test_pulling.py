"""A worker fetches what waits at the gateways: once, one worker at a time, and loses nothing of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from notify_core import Notifier, Sms, State
from notify_core.errors import Retry, SendError, StoreError
from notify_core.sandbox import LocalGateway
from notify_core.store import Payload, Store
from notify_core.worker.duties import duties
from notify_core.worker.pulling import paused
from tests.core.gateway import Act, Gateway, Received, accepts, refuses, says, waits
from tests.durable.shop import configuration, number, settled, sms, states, until, working

ROOT = Path(__file__).parents[2]
NOTHING = {"/reports": says({"ok": True, "numbers": []}), "/inbound": says({"ok": True, "messages": {}})}


@dataclass
class Provider(Gateway):
    """A gateway with an answer for each of its addresses."""

    answers: dict[str, Act] = field(default_factory=dict)

    def next_act(self, request: Received) -> Act:
        """Note a request; the answer of its address."""
        with self._lock:
            self.received.append(request)
        return self.answers.get(path(request), accepts("7"))

    def asked(self, address: str) -> list[Received]:
        """The requests to an address."""
        return [request for request in list(self.received) if path(request) == address]


def path(request: Received) -> str:
    """Where a request went."""
    return request.line.split()[1]


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider that takes everything and has nothing waiting."""
    with Provider(answers=dict(NOTHING)) as running:
        yield running


def clinic(url: str, gateway: LocalGateway, **pull: Any) -> dict[str, Any]:
    """A configuration with an account at the sandbox that is pulled so."""
    account = {"provider": "ipyy", "base_url": gateway.url, "account": "sandbox", "password": "sandbox-secret"}
    return {
        "default_region": "CN",
        "store": url,
        "accounts": {"clinic": {**account, "signature": "腾飞", "pull": pull}},
        "routes": {"default": ["clinic.json"]},
    }


def pulling(url: str, provider: Gateway, **settings: Any) -> Notifier:
    """A notifier whose account is pulled."""
    return Notifier.from_mapping(configuration(url, {"clinic": provider}, **settings))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept and not applied is looked for often."""
    monkeypatch.setattr("notify_core.worker.pulling._SETTLE", 0.1)


def test_reports_are_fetched_and_applied(url: str, notify_gateway: LocalGateway) -> None:
    """A message that a worker sent becomes delivered, and another undelivered, without anybody asking."""
    with Notifier.from_mapping(clinic(url, notify_gateway, reports="100ms")) as notifier, working(notifier):
        notifier.enqueue(Sms(to=[number(1), number(2)], text="明天九点"))
        settled(notifier, State.ACCEPTED, State.ACCEPTED)
        notify_gateway.settle(to=number(1).removeprefix("+86"))
        notify_gateway.settle(outcome="failed", code="MK:0001")
        settled(notifier, State.DELIVERED, State.UNDELIVERED)


def test_inbound_messages_are_fetched_and_heeded(url: str, notify_gateway: LocalGateway) -> None:
    """Whoever writes 退订 is on the account's opt-out list."""
    with Notifier.from_mapping(clinic(url, notify_gateway, inbound="100ms")) as notifier, working(notifier):
        notify_gateway.inbound(sender="13800000001", text="退订")
        until(lambda: [out.recipient for out in notifier.outbox.store.opt_outs("clinic")] == [number(1)])


def test_a_full_batch_is_followed_by_the_next_at_once(url: str, notify_gateway: LocalGateway) -> None:
    """What does not fit into one pull does not wait for the next round."""
    settings = clinic(url, notify_gateway, reports="1h", batch=2)
    with Notifier.from_mapping(settings) as notifier:
        notifier.send(Sms(to=[number(which) for which in range(5)], text="明天九点"))
        notify_gateway.settle()
        with working(notifier):
            settled(notifier, *[State.DELIVERED] * 5)


def test_a_gateway_that_repeats_itself_is_not_asked_for_ever(sqlite: str, provider: Provider) -> None:
    """A full batch without news ends the round."""
    provider.answers["/reports"] = says({"ok": True, "numbers": [number(1)]})
    with pulling(sqlite, provider, pull={"reports": "1h", "inbound": "1h", "batch": 1}) as notifier:
        with working(notifier):
            until(lambda: len(provider.asked("/inbound")) == 1)
            until(lambda: len(provider.asked("/reports")) == 2)
        assert len(provider.asked("/reports")) == 2


def test_one_worker_pulls_an_account(url: str, provider: Provider) -> None:
    """While one does, another does not; when it ends, the other goes on at once."""
    one, two = (pulling(url, provider, account=name, pull={"reports": "20ms"}) for name in ("one", "two"))

    def askers() -> list[str]:
        return [request.data["account"] for request in provider.asked("/reports")]

    with one, two, working(two, lease=0.4):
        until(lambda: len(askers()) > 2)
        with working(one, lease=0.4):
            before = len(askers())
            until(lambda: len(askers()) > before + 20)
        assert set(askers()) == {"two"}
        del provider.received[:]
    with pulling(url, provider, account="three", pull={"reports": "20ms"}) as three, working(three):
        until(lambda: "three" in askers())


_FOR_EVER = """
import json, sys
from notify_core import Notifier
from notify_core.worker import Worker
with Notifier.from_mapping(json.loads(sys.argv[1])) as notifier:
    Worker(notifier, threads=1, lease=1.0).run()
"""

_KILLED_BETWEEN = """
import os, signal
from notify_core.store import Store
Store.apply = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
"""


def begun(settings: dict[str, Any], before: str = "") -> subprocess.Popen[bytes]:
    """A worker in a process of its own, with something done ``before``."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/plugins"}
    command = [sys.executable, "-c", before + _FOR_EVER, json.dumps(settings)]
    return subprocess.Popen(command, env=environment)  # noqa: S603 - this project's own worker


def test_another_pulls_when_one_is_killed(url: str, provider: Provider) -> None:
    """Its turn is over after its lease."""
    quick = {"pull": {"reports": "20ms"}, "connect_timeout": "500ms", "read_timeout": "500ms"}
    settings = configuration(url, {"clinic": provider}, **quick, account="dead")
    with begun(settings) as process:
        until(lambda: len(provider.asked("/reports")) > 0)
        process.kill()
    del provider.received[:]
    with pulling(url, provider, **quick, account="living") as notifier, working(notifier, lease=0.4):
        until(lambda: len(provider.asked("/reports")) > 0)
    assert {request.data["account"] for request in provider.asked("/reports")} == {"living"}


def test_what_was_kept_and_not_applied_is_applied_by_the_next(
    url: str, notify_gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is killed after it kept what the gateway handed out, and before it read it, loses nothing."""
    with Notifier.from_mapping(clinic(url, notify_gateway, inbound="1h")) as notifier:
        notifier.send(sms(1))
        notify_gateway.settle()
        with begun(clinic(url, notify_gateway, reports="1h"), _KILLED_BETWEEN) as process:
            assert process.wait(30) == -9
        assert states(notifier) == [State.ACCEPTED]
        assert len(notifier.outbox.store.payloads(["waiting"])) == 1
        monkeypatch.setattr("notify_core.mailbox._PATIENCE", 0.0)
        with working(notifier, lease=0.4):
            settled(notifier, State.DELIVERED)


def test_what_the_store_cannot_take_is_kept_until_it_can(
    sqlite: str,
    notify_gateway: LocalGateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What came while the store failed lies in a file of the owner's, and is stored, applied and told of in the end."""
    caplog.set_level("INFO", "notify.news")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("notify_core.worker.pulling._TROUBLE", 0.02)
    failing = broken_store(monkeypatch)
    with Notifier.from_mapping(clinic(sqlite, notify_gateway, reports="1h")) as notifier:
        notifier.send(sms(1))
        notify_gateway.settle()
        with working(notifier):
            until(lambda: list(tmp_path.glob("notify-unkept-*.json")) != [])
            (copy,) = tmp_path.glob("notify-unkept-*.json")
            assert copy.stat().st_mode & 0o777 == 0o600
            until(lambda: f"what came is not in the store yet, but in {copy}: " in caplog.text)
            failing.clear()
            settled(notifier, State.DELIVERED)
            until(lambda: list(tmp_path.glob("notify-unkept-*.json")) == [])
            until(lambda: "reports of clinic: what came is in the store now" in caplog.text)


def test_what_the_store_never_takes_is_left_in_a_file(
    sqlite: str,
    notify_gateway: LocalGateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A worker that must end says where it is, and shows nothing of it."""
    monkeypatch.chdir(tmp_path)
    broken_store(monkeypatch)
    with Notifier.from_mapping(clinic(sqlite, notify_gateway, inbound="1h")) as notifier:
        notify_gateway.inbound(sender="13800000001", text="收到")
        with working(notifier):
            until(lambda: list(tmp_path.glob("notify-unkept-*.json")) != [])
    (copy,) = tmp_path.glob("notify-unkept-*.json")
    found = json.loads(copy.read_bytes())
    assert (found["account"], found["hook"]) == ("clinic", "inbound")
    assert f"{copy}, for it is handed out only once: `notify outbox replay FILE`" in caplog.text
    assert not any(secret in caplog.text for secret in ("13800000001", "收到", "sandbox-secret"))


def broken_store(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let no payload be kept while there is something in the list that is returned."""
    failing = ["the disk is full"]
    keep = Store.keep

    def kept(self: Store, payload: Payload) -> int:
        if failing:
            raise StoreError(failing[0])
        return keep(self, payload)

    monkeypatch.setattr(Store, "keep", kept)
    return failing


def test_a_refusal_is_no_end(url: str, provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    """A gateway that refuses is asked again, the log says why, and nothing of the account."""
    provider.answers["/reports"] = refuses("provider", retry="now")
    with pulling(url, provider, pull={"reports": "20ms"}) as notifier, working(notifier):
        until(lambda: len(provider.asked("/reports")) > 2)
        provider.answers["/reports"] = says({"ok": True, "numbers": [number(1)]})
        notifier.send(sms(1))
        settled(notifier, State.DELIVERED)
    assert "reports of clinic: refused (E-1); again in" in caplog.text
    assert "sesame" not in caplog.text


@pytest.mark.parametrize(
    ("error", "failures", "expected"),
    [
        (SendError("busy", retry=Retry.NOW), 5, 30.0),
        (SendError("busy", retry=Retry.LATER), 0, 60.0),
        (SendError("busy", retry=Retry.LATER), 2, 240.0),
        (SendError("busy", retry=Retry.LATER), 99, 900.0),
        (SendError("no", retry=Retry.NEVER), 0, 120.0),
        (SendError("no", retry=Retry.NEVER), 1, 480.0),
        (SendError("busy", retry=Retry.LATER, after=77.0), 9, 77.0),
        (SendError("busy", retry=Retry.LATER, after=1.0), 9, 30.0),
        (RuntimeError("a bug"), 0, 60.0),
    ],
)
def test_failures_are_followed_by_longer_pauses(error: Exception, failures: int, expected: float) -> None:
    """By the error's verdict, up to a quarter of an hour, and never shorter than the interval."""
    assert paused(30.0, error, failures) == expected
    assert paused(3600.0, error, failures) == 3600.0


def test_a_hanging_gateway_holds_up_nobody(url: str, provider: Provider) -> None:
    """While one account does not answer, messages leave, another account is pulled, and the worker ends in time."""
    provider.answers["/reports"] = waits(provider.stopping)
    with Provider(answers=dict(NOTHING)) as backup:
        settings = configuration(url, {"clinic": provider, "backup": backup}, pull={"reports": "20ms"})
        with Notifier.from_mapping(settings) as notifier, working(notifier, limit=0.2):
            until(lambda: len(provider.asked("/reports")) == 1 and len(backup.asked("/reports")) > 2)
            notifier.enqueue(sms(1))
            settled(notifier, State.ACCEPTED)


def test_the_balance_is_asked_for(url: str, provider: Provider) -> None:
    """At each interval of ``credit``, by one of the workers; the store knows it then."""
    provider.answers["/balance"] = says({"ok": True, "units": "42"})
    with pulling(url, provider, credit={"every": "20ms"}) as notifier, working(notifier):
        until(lambda: len(provider.asked("/balance")) > 2)
        until(lambda: "clinic" in notifier.outbox.store.balances())
        assert notifier.outbox.store.balances()["clinic"].units == 42


def test_without_settings_nothing_is_asked(url: str, provider: Provider) -> None:
    """A worker whose accounts have neither ``pull`` nor ``credit`` has only what was kept to settle, and listeners."""
    with pulling(url, provider) as notifier:
        assert len(duties(notifier, 60.0)) == 2

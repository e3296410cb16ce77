"""Listeners of a worker are told what happened: at least once, in order, and again while they raise."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from notify_core import State
from notify_core.errors import StoreError
from notify_core.events import Credit
from notify_core.hookspecs import hookimpl
from notify_core.messages import Inbound, Report
from notify_core.plugins import assemble
from notify_core.results import Delivery
from notify_core.settings import CreditSettings
from notify_core.store import Payload, Store
from tests.core.gateway import Gateway, accepts
from tests.durable.conftest import Opened
from tests.durable.shop import configuration, number, settled, sms, until, working

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Listener:
    """Keeps what it was told. ``refuse`` is called with each text, and may raise."""

    def __init__(self, refuse: Callable[[str], None] = lambda _: None) -> None:
        self.told: list[str] = []
        self.reports: list[tuple[Report, Delivery | None]] = []
        self.credits: list[tuple[str, Credit]] = []
        self._refuse = refuse

    @hookimpl
    def received(self, inbound: Inbound) -> None:
        """Keep the text."""
        self.told.append(inbound.text)
        self._refuse(inbound.text)

    @hookimpl
    def reported(self, account: str, report: Report, delivery: Delivery | None) -> None:
        """Keep both."""
        assert account == "clinic"
        self.reports.append((report, delivery))

    @hookimpl
    def balance_low(self, event: Credit) -> None:
        """Keep it."""
        self.credits.append(("low", event))

    @hookimpl
    def balance_recovered(self, event: Credit) -> None:
        """Keep it."""
        self.credits.append(("recovered", event))


class Another(Listener):
    """A listener of another name."""


def raising(*times: object) -> Callable[[str], None]:
    """Raises as often as there are ``times``, then no more."""
    left = list(times)

    def refuse(_text: str) -> None:
        if left:
            left.pop()
            raise RuntimeError("13800000001 says a secret thing")

    return refuse


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener that raised is told again soon."""
    monkeypatch.setattr("notify_core.worker.telling._FIRST", 0.05)


def noted(store: Store, *items: Inbound | Report) -> None:
    """Let these come in, of account clinic."""
    payload = Payload(account="clinic", transport="json", origin="pull", hook="inbound", request={}, body=b"it came")
    store.apply(store.keep(payload), items)


def message(which: int, text: str) -> Inbound:
    """A message from a subscriber."""
    return Inbound(sender=number(which), text=text, at=AT)


def all_told(store: Store) -> bool:
    """Whether nothing is due to the listeners."""
    return not store.notices([""], most=1)


def test_listeners_are_told_of_what_comes_in(url: str, gateway: Gateway, opened: Opened) -> None:
    """Each of them once, of each message."""
    listeners = Listener(), Another()
    notifier = opened(url, {"clinic": gateway}, *listeners)
    with working(notifier):
        noted(notifier.outbox.store, *(message(which, f"text {which}") for which in range(300)))
        until(lambda: all_told(notifier.outbox.store))
    for listener in listeners:
        assert sorted(listener.told) == sorted(f"text {which}" for which in range(300))


def test_a_report_comes_with_its_delivery(url: str, gateway: Gateway, opened: Opened) -> None:
    """The listener learns which delivery it is, by id and key, and its state by then."""
    gateway.script = [accepts("7")]
    listener = Listener()
    notifier = opened(url, {"clinic": gateway}, listener)
    (delivery,) = notifier.enqueue(sms(1), key="order-7-paid").deliveries
    report = Report(recipient=number(1), task_id="7", state=State.DELIVERED, code="DELIVRD", at=AT)
    with working(notifier):
        settled(notifier, State.ACCEPTED)
        noted(notifier.outbox.store, report)
        until(lambda: len(listener.reports) == 1)
    ((told, about),) = listener.reports
    assert told == report
    assert about is not None
    assert (about.id, about.key, about.state, about.path) == (delivery, "order-7-paid", State.DELIVERED, "clinic.json")


def test_a_low_balance_is_told_once_and_so_is_its_recovery(url: str, gateway: Gateway, opened: Opened) -> None:
    """Whatever is noted between."""
    listener = Listener()
    notifier = opened(url, {"clinic": gateway}, listener)
    rule = CreditSettings(low=Decimal(100))
    with working(notifier):
        for minute, units in enumerate((120, 90, 80, 150, 160)):
            at = datetime(2026, 1, 2, 3, minute, tzinfo=UTC)
            notifier.outbox.store.note_balance("clinic", Decimal(units), at, rule)
        until(lambda: len(listener.credits) == 2)
        until(lambda: all_told(notifier.outbox.store))
    assert [(what, credit.units) for what, credit in listener.credits] == [
        ("low", Decimal(90)),
        ("recovered", Decimal(150)),
    ]


def test_a_listener_that_raises_is_told_again(
    url: str, gateway: Gateway, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    """Until it does not; one that heard it is told no second time, and the log shows nothing of what was told."""
    failing, patient = Listener(raising(1, 2)), Another()
    notifier = opened(url, {"clinic": gateway}, failing, patient)
    with working(notifier):
        noted(notifier.outbox.store, message(1, "hello"))
        until(lambda: len(failing.told) == 3)
        until(lambda: all_told(notifier.outbox.store))
    assert patient.told == ["hello"]
    assert "Listener: RuntimeError at " in caplog.text
    assert not any(word in caplog.text for word in ("13800000001", "secret thing", "hello"))


def test_news_of_one_number_is_told_in_order(url: str, gateway: Gateway, opened: Opened) -> None:
    """What follows something that a listener refused waits for it; other numbers go on."""
    listener = Listener(raising(1, 2))
    notifier = opened(url, {"clinic": gateway}, listener)
    for which in range(5):
        noted(notifier.outbox.store, message(1, f"first {which}"))
    noted(notifier.outbox.store, message(2, "second"))
    with working(notifier):
        until(lambda: len(listener.told) == 8)
        until(lambda: all_told(notifier.outbox.store))
    heard = [text for text in listener.told if text.startswith("first")]
    assert sorted({*heard}) == [f"first {which}" for which in range(5)]
    assert heard == sorted(heard)


def test_an_exit_in_a_listener_ends_nothing(url: str, gateway: Gateway, opened: Opened) -> None:
    """It counts as raising: the next news is told all the same."""
    left = ["once"]

    def leave(_text: str) -> None:
        if left:
            left.pop()
            sys.exit(1)

    listener = Listener(leave)
    notifier = opened(url, {"clinic": gateway}, listener)
    with working(notifier):
        noted(notifier.outbox.store, message(1, "hello"))
        until(lambda: listener.told == ["hello", "hello"])
        until(lambda: all_told(notifier.outbox.store))


def test_where_nobody_listens_it_is_as_told(url: str, gateway: Gateway, opened: Opened) -> None:
    """A worker whose plugins do not want to know keeps nothing for later."""
    notifier = opened(url, {"clinic": gateway})
    noted(notifier.outbox.store, *(message(which, "hello") for which in range(500)))
    with working(notifier):
        until(lambda: all_told(notifier.outbox.store))


def test_what_is_too_old_is_given_up(
    url: str, gateway: Gateway, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    """After three days a listener that still raises is told no more, and what comes next is told."""
    listener = Listener(raising(1))
    notifier = opened(url, {"clinic": gateway}, listener)
    with Store(url, clock=lambda: time.time() - 4 * 86400) as before:
        noted(before, message(1, "old"))
    noted(notifier.outbox.store, message(1, "new"))
    with working(notifier):
        until(lambda: listener.told == ["old", "new"])
        until(lambda: all_told(notifier.outbox.store))
    assert [record.levelname for record in caplog.records if getattr(record, "action", "") == "notice_given_up"] == [
        "ERROR"
    ]


def test_what_was_heard_is_not_told_again_though_the_store_fails(
    sqlite: str, gateway: Gateway, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it was heard is kept until the store takes it."""
    listener = Listener()
    notifier = opened(sqlite, {"clinic": gateway}, listener)
    told, failures = Store.told, [1, 2]

    def fails(self: Store, numbers: Any) -> None:
        if failures:
            failures.pop()
            raise StoreError("the disk is full")
        told(self, numbers)

    monkeypatch.setattr(Store, "told", fails)
    monkeypatch.setattr("notify_core.worker.telling._TROUBLE", 0.05)
    with working(notifier):
        noted(notifier.outbox.store, *(message(which, f"text {which}") for which in range(500)))
        until(lambda: all_told(notifier.outbox.store))
    assert failures == []
    assert sorted(listener.told) == sorted(f"text {which}" for which in range(500))


def test_of_two_workers_one_tells(url: str, gateway: Gateway, opened: Opened) -> None:
    """Each thing is told to the listeners of one of them, once, in order for each number."""
    listeners = Listener(), Listener()
    listeners[1].told = told = listeners[0].told
    one, two = (opened(url, {"clinic": gateway}, listener) for listener in listeners)
    with working(one), working(two):
        for which in range(40):
            noted(one.outbox.store, message(which % 4, f"text {which:02}"))
        until(lambda: all_told(one.outbox.store))
    assert sorted(told) == [f"text {which:02}" for which in range(40)]
    for line in range(4):
        own = [text for text in told if int(text[-2:]) % 4 == line]
        assert own == sorted(own)


def test_a_listener_that_never_returns_silences_no_other_worker(
    url: str, gateway: Gateway, opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its worker says so and lets the turn go; another worker tells its own listeners."""
    monkeypatch.setattr("notify_core.worker.telling._STUCK", 0.3)
    released, begun = threading.Event(), threading.Event()

    def hang(_: str) -> None:
        begun.set()
        released.wait(60)

    stuck, well = Listener(hang), Listener()
    one, two = opened(url, {"clinic": gateway}, stuck), opened(url, {"clinic": gateway}, well)
    with working(one, lease=1.0):
        noted(one.outbox.store, message(1, "hello"))
        assert begun.wait(30)
        with working(two, lease=1.0):
            until(lambda: well.told == ["hello"])
        released.set()
    assert "Does a listener wait for ever?" in caplog.text


_KILLED = """
import json, sys, time
from notify_core import Notifier, hookimpl
from notify_core.worker import Worker

class Slow:
    @hookimpl
    def received(self, inbound):
        print(inbound.text, flush=True)
        time.sleep(60)

with Notifier.from_mapping(json.loads(sys.argv[1]), Slow()) as notifier:
    Worker(notifier, lease=1.0).run()
"""


def killed_while_telling(settings: dict[str, Any]) -> str:
    """What a worker began to tell that was killed in the middle of it."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/plugins"}
    command = [sys.executable, "-c", _KILLED, json.dumps(settings)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        process.kill()
    assert process.returncode == -signal.SIGKILL
    return line


def test_what_a_killed_worker_was_telling_is_told_by_the_next(url: str, gateway: Gateway, opened: Opened) -> None:
    """Its turn lapses, and the notice is told again: at least once."""
    listener = Listener()
    notifier = opened(url, {"clinic": gateway}, listener)
    noted(notifier.outbox.store, message(1, "hello"))
    assert killed_while_telling(configuration(url, {"clinic": gateway})) == "hello"
    with working(notifier, lease=1.0):
        until(lambda: listener.told == ["hello"])
        until(lambda: all_told(notifier.outbox.store))


def test_listeners_have_the_same_names_everywhere() -> None:
    """By these the store knows who has heard something: the plugin's name, and a number for the second of one name."""
    names = [
        [listener.name for listener in assemble({}, [Listener(), Another(), Listener()]).listeners("received")]
        for _ in range(2)
    ]
    assert names[0] == names[1]
    assert sorted(names[0]) == ["Another", "Listener", "Listener 2"]


def test_nobody_listens_to_what_is_unknown() -> None:
    """An event of a newer version has no listeners here."""
    assert not assemble({}, [Listener()]).listeners("astonished")

"""What a worker does with what lies in the outbox, in one process and in several, and when it is killed."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from notify_core import Notifier, Sms, State
from notify_core.config import RouteSettings
from notify_core.errors import Retry, Scope, SendError, StoreError
from notify_core.outbox import LATER, LONGEST, SOON, Repetition, Terms
from notify_core.results import Delivery, Result
from notify_core.store import Filter, Lane, Store, Way
from notify_core.store.database import Database
from notify_core.worker import Processes, Worker
from tests.core.gateway import Gateway, accepts, after, cut, refuses, waits
from tests.durable.conftest import Opened
from tests.durable.shop import (
    PATIENCE,
    an_hour_later,
    configuration,
    number,
    settle,
    settled,
    sms,
    states,
    until,
    working,
)

ROOT = Path(__file__).parents[2]
OPEN = (State.QUEUED, State.SENDING)
LIMIT = {"per": "recipient", "count": 1, "within": "1h"}


def test_what_is_enqueued_leaves_once(url: str, gateway: Gateway, opened: Opened) -> None:
    """Each message reaches the gateway once, and is recorded as accepted, with the path and the task id."""
    notifier = opened(url, {"clinic": gateway})
    notifier.enqueue(sms(which, f"text {which}") for which in range(250))
    settle(notifier)
    assert states(notifier) == [State.ACCEPTED] * 250
    assert sorted(gateway.sent_to) == [number(which) for which in range(250)]
    (newest,) = notifier.outbox.store.deliveries(most=1)
    assert (newest.path, newest.task_id, newest.attempts) == ("clinic.json", "first", 1)


def test_new_work_wakes_a_worker(url: str, gateway: Gateway, opened: Opened) -> None:
    """What is enqueued while a worker waits leaves too."""
    notifier = opened(url, {"clinic": gateway})
    with working(notifier):
        for which in range(3):
            notifier.enqueue(sms(which))
            settled(notifier, *[State.ACCEPTED] * (which + 1))


def test_equal_texts_leave_together(url: str, gateway: Gateway, opened: Opened) -> None:
    """Messages that say the same are one submission, up to the account's cap; another text is another one."""
    notifier = opened(url, {"clinic": gateway}, max_recipients=4)
    notifier.enqueue([*map(sms, range(5)), Sms(to=map(number, range(5, 8)), text=sms(0).text), sms(8, "another")])
    settle(notifier, threads=1)
    assert sorted(len(request.data["to"]) for request in gateway.received) == [1, 4, 4]
    assert sorted(gateway.sent_to) == [number(which) for which in range(9)]


def test_a_worker_fails_over(url: str, gateway: Gateway, backup: Gateway, opened: Opened) -> None:
    """What the first account surely did not take goes to the second, and the timeline tells both."""
    notifier = opened(url, {"clinic": gateway, "backup": backup})
    gateway.script = [refuses("account")]
    (delivery,) = notifier.enqueue(sms(1)).deliveries
    settle(notifier)
    events = notifier.outbox.store.timeline(delivery)
    assert [(event.what, event.path) for event in events[1:]] == [
        ("rejected", "clinic.json"),
        ("accepted", "backup.json"),
    ]


def test_a_worker_keeps_limits(url: str, gateway: Gateway, backup: Gateway, opened: Opened) -> None:
    """A second message to one number goes by the account that has room; a third waits for its turn."""
    notifier = opened(url, {"clinic": gateway, "backup": backup}, limits=[LIMIT])
    notifier.enqueue([sms(1, text) for text in ("one", "two", "three")])
    with working(notifier):
        until(lambda: sorted(states(notifier)) == [State.ACCEPTED, State.ACCEPTED, State.QUEUED])
        (waiting,) = notifier.outbox.store.deliveries(Filter(states=[State.QUEUED]))
        until(lambda: notifier.outbox.store.delivery(waiting.id).code == "limit")
    assert (len(gateway.received), len(backup.received)) == (1, 1)


def test_a_doubt_stays_a_doubt(url: str, gateway: Gateway, backup: Gateway, opened: Opened) -> None:
    """A submission that may have been taken is sent no second time, by nobody."""
    notifier = opened(url, {"clinic": gateway, "backup": backup})
    gateway.script = [cut()]
    notifier.enqueue(sms(1))
    for _ in range(2):
        settle(notifier)
    assert states(notifier) == [State.IN_DOUBT]
    assert (len(gateway.received), len(backup.received)) == (1, 0)


def test_one_bad_number_does_not_hold_the_others(url: str, gateway: Gateway, opened: Opened) -> None:
    """A recipient that the gateway refuses by name is rejected; those of the same submission are accepted."""
    notifier = opened(url, {"clinic": gateway})
    bad = {number(2): {"scope": "recipient", "code": "E-2", "text": "no such number"}}
    gateway.script = [accepts(refused=bad)]
    notifier.enqueue(Sms(to=map(number, (1, 2, 3)), text="hello"))
    settle(notifier)
    assert states(notifier) == [State.ACCEPTED, State.REJECTED, State.ACCEPTED]


def test_what_may_work_later_is_tried_again(url: str, gateway: Gateway, opened: Opened) -> None:
    """A refusal whose verdict is later puts the message back, with a time; when that has come it leaves."""
    notifier = opened(url, {"clinic": gateway})
    store = notifier.outbox.store
    gateway.script = [refuses("provider", retry="later"), accepts()]
    (delivery,) = notifier.enqueue(sms(1)).deliveries
    with working(notifier):
        until(lambda: store.delivery(delivery).attempts == 1)
        waiting = store.delivery(delivery)
        assert (waiting.state, waiting.code) == (State.QUEUED, "E-1")
        assert waiting.due > waiting.changed
        store.hasten([delivery])
        settled(notifier, State.ACCEPTED)
    assert store.delivery(delivery).attempts == 2


def test_what_never_works_is_rejected(url: str, gateway: Gateway, opened: Opened) -> None:
    """A refusal whose verdict is never ends the delivery at once."""
    notifier = opened(url, {"clinic": gateway})
    gateway.script = [refuses("account")]
    notifier.enqueue(sms(1))
    settle(notifier)
    assert states(notifier) == [State.REJECTED]
    assert len(gateway.received) == 1


def test_attempts_come_to_an_end(url: str, gateway: Gateway, opened: Opened) -> None:
    """After the route's attempts a message is rejected, though it might work later."""
    notifier = opened(url, {"clinic": gateway}, routes={"default": {"paths": ["clinic.json"], "attempts": 1}})
    gateway.script = [refuses("provider", retry="later")]
    notifier.enqueue(sms(1))
    settle(notifier)
    assert states(notifier) == [State.REJECTED]


def test_what_is_over_does_not_leave(url: str, gateway: Gateway, opened: Opened) -> None:
    """A message whose time has passed before a worker came is expired, and the others leave."""
    notifier = opened(url, {"clinic": gateway})
    soon = datetime.now(UTC) + timedelta(milliseconds=50)
    notifier.enqueue(sms(1), expires_at=soon)
    notifier.enqueue(sms(2))
    until(lambda: datetime.now(UTC) > soon)
    settle(notifier)
    assert states(notifier) == [State.EXPIRED, State.ACCEPTED]
    assert gateway.sent_to == [number(2)]


def test_what_is_over_while_it_waits_for_a_sender_does_not_leave(url: str, gateway: Gateway, opened: Opened) -> None:
    """A claimed message whose time passes behind a slow one goes back, and is expired."""
    notifier = opened(url, {"clinic": gateway})
    go = threading.Event()
    gateway.script = [after(go, accepts())]
    soon = datetime.now(UTC) + timedelta(seconds=1)
    notifier.enqueue(sms(1, "first"), priority=1)
    with working(notifier, threads=1):
        until(lambda: len(gateway.received) == 1)
        notifier.enqueue(sms(2, "second"), expires_at=soon)
        until(lambda: states(notifier) == [State.SENDING, State.SENDING])
        until(lambda: datetime.now(UTC) > soon)
        go.set()
        settled(notifier, State.ACCEPTED, State.EXPIRED)
    assert gateway.sent_to == [number(1)]


def test_nothing_leaves_before_it_is_due(url: str, gateway: Gateway, opened: Opened) -> None:
    """A message with a due time stays, and can be cancelled."""
    notifier = opened(url, {"clinic": gateway})
    (delivery,) = notifier.enqueue(sms(1), due=datetime.now(UTC) + timedelta(hours=1)).deliveries
    notifier.enqueue(sms(2))
    with working(notifier):
        settled(notifier, State.QUEUED, State.ACCEPTED)
        notifier.outbox.store.cancel([delivery])
    assert states(notifier) == [State.CANCELLED, State.ACCEPTED]


def test_who_opted_out_is_suppressed(url: str, gateway: Gateway, opened: Opened) -> None:
    """A worker sends them nothing, where the route is not transactional."""
    routes = {"codes": {"paths": ["clinic.json"], "transactional": True}}
    notifier = opened(url, {"clinic": gateway}, routes=routes)
    notifier.outbox.store.opt_out("clinic", [number(1)], "TD")
    notifier.enqueue(sms(1))
    notifier.enqueue(sms(1), route="codes")
    settle(notifier)
    assert states(notifier) == [State.SUPPRESSED, State.ACCEPTED]


def test_a_route_that_is_gone_keeps_its_messages(
    sqlite: str, gateway: Gateway, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker whose configuration has no such route leaves them to one that has, says so, and sends the rest."""
    old = opened(sqlite, {"clinic": gateway}, routes={"old": ["clinic.json"]})
    old.enqueue(sms(1), route="old")
    new = opened(sqlite, {"clinic": gateway})
    new.enqueue(sms(2))
    with working(new):
        settled(new, State.QUEUED, State.ACCEPTED)
    assert [record.action for record in caplog.records if hasattr(record, "action")].count("unknown_way") == 1


def test_an_otp_overtakes_ten_thousand_notices(url: str, gateway: Gateway, opened: Opened) -> None:
    """While a slow gateway has all the notices that it may have, a code leaves behind them by a sender kept free."""
    routes = {"otp": {"paths": ["clinic.json"], "priority": 10}}
    notifier = opened(url, {"clinic": gateway}, routes=routes)
    go = threading.Event()
    gateway.script = [*[after(go, accepts())] * 3, accepts()]
    notifier.enqueue(sms(which, f"notice {which}") for which in range(10_000))
    with working(notifier, threads=4):
        until(lambda: len(gateway.received) == 3)
        (code,) = notifier.enqueue(sms(99_999), route="otp").deliveries
        until(lambda: notifier.outbox.store.delivery(code).state is State.ACCEPTED)
        assert gateway.sent_to[3:] == [number(99_999)]
        go.set()


def test_what_cannot_be_handed_back_is_so_when_the_store_can_take_it(
    url: str, gateway: Gateway, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is told to stop while the database is away puts nothing into doubt that had not begun."""
    notifier = opened(url, {"clinic": gateway})
    go = threading.Event()

    def away(*_: object) -> None:
        raise StoreError("the database cannot be reached")

    monkeypatch.setattr(notifier.outbox.store, "hand_back", away)
    gateway.script = [after(go, accepts())]
    notifier.enqueue(sms(which, f"text {which}") for which in range(3))
    with working(notifier, threads=1) as worker:
        until(lambda: len(gateway.received) == 1)
        worker.stop()
        until(lambda: states(notifier) == [State.SENDING, State.QUEUED, State.QUEUED])
        go.set()
    assert states(notifier) == [State.ACCEPTED, State.QUEUED, State.QUEUED]


def test_stopping_finishes_what_is_under_way_and_hands_back_the_rest(
    url: str, gateway: Gateway, opened: Opened
) -> None:
    """The request that has begun is recorded; what was claimed behind it is in the queue again, untried."""
    notifier = opened(url, {"clinic": gateway})
    go = threading.Event()
    gateway.script = [after(go, accepts())]
    notifier.enqueue(sms(which, f"text {which}") for which in range(3))
    with working(notifier, threads=1) as worker:
        until(lambda: len(gateway.received) == 1)
        assert states(notifier) == [State.SENDING] * 3
        worker.stop()
        until(lambda: states(notifier) == [State.SENDING, State.QUEUED, State.QUEUED])
        go.set()
    assert states(notifier) == [State.ACCEPTED, State.QUEUED, State.QUEUED]
    settle(notifier)
    assert sorted(gateway.sent_to) == [number(which) for which in range(3)]


def test_what_ends_without_being_sent_is_logged(
    url: str, gateway: Gateway, opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What a lapsed lease left in doubt, what expired, and whose recipient opted out: each has a line, masked."""
    monkeypatch.setattr("notify_core.worker.worker._LOOK", 0.05)
    notifier = opened(url, {"clinic": gateway})
    gateway.script = [waits(gateway.stopping)]
    notifier.enqueue(sms(1))
    with working(notifier, limit=0.01):
        until(lambda: len(gateway.received) == 1)
    notifier.enqueue(sms(2), expires_at=datetime.now(UTC))
    notifier.outbox.store.opt_out("clinic", [number(3)], "TD")
    notifier.enqueue(sms(3))
    with caplog.at_level(logging.INFO, "notify"), working(notifier):
        settled(notifier, State.IN_DOUBT, State.EXPIRED, State.SUPPRESSED)
        until(lambda: len(_logged(caplog, "ended")) == 3)
    doubt, expired, suppressed = sorted(line.partition(" to ")[2] for line in _logged(caplog, "ended"))
    assert doubt.startswith("+86138****0001: in doubt: the process that had it stopped while it was being sent")
    assert expired == "+86138****0002: expired: its time passed before it could leave"
    assert suppressed == "+86138****0003: suppressed: the recipient opted out"


def test_a_store_that_fails_is_logged_and_that_it_works_again(
    sqlite: str, gateway: Gateway, opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Both are about the store, so that whoever shows the log can say it once and then that it is over."""
    monkeypatch.setattr("notify_core.worker.worker._TROUBLE", 0.01)
    notifier = opened(sqlite, {"clinic": gateway})
    store = notifier.outbox.store
    answers = iter([StoreError("the disk is full"), StoreError("the disk is full")])

    def lanes() -> list[Lane]:
        if error := next(answers, None):
            raise error
        return Store.lanes(store)

    monkeypatch.setattr(store, "lanes", lanes)
    notifier.enqueue(sms(1))
    with caplog.at_level(logging.INFO, "notify"), working(notifier):
        settled(notifier, State.ACCEPTED)
        until(lambda: len(_logged(caplog, "store")) == 1)
    assert _logged(caplog, "no_store") == ["the store cannot be used: the disk is full"] * 2
    assert {each.about for each in caplog.records if "about" in vars(each)} == {"the store"}  # type: ignore[attr-defined]


def _logged(caplog: pytest.LogCaptureFixture, action: str) -> list[str]:
    """What was logged of an action so far."""
    return [each.getMessage() for each in list(caplog.records) if getattr(each, "action", "") == action]


def test_what_outlasts_the_limit_is_in_doubt(url: str, gateway: Gateway, opened: Opened) -> None:
    """A worker that may not wait any longer leaves; the request that it had under way is in doubt."""
    notifier = opened(url, {"clinic": gateway})
    gateway.script = [waits(gateway.stopping)]
    notifier.enqueue(sms(1))
    with working(notifier, limit=0.01):
        until(lambda: len(gateway.received) == 1)
    notifier.outbox.store.lapse()
    assert states(notifier) == [State.IN_DOUBT]


def test_a_worker_that_lost_its_lease_begins_anew(url: str, gateway: Gateway, opened: Opened) -> None:
    """What it had under way is in doubt until it is recorded; what it had not begun is not sent; new work is."""
    notifier = opened(url, {"clinic": gateway})
    go = threading.Event()
    gateway.script = [after(go, accepts())]
    notifier.enqueue(sms(which, f"text {which}") for which in range(2))
    with working(notifier, threads=1) as worker:
        until(lambda: len(gateway.received) == 1)
        with an_hour_later(url) as later:
            later.lapse()
        notifier.enqueue(sms(2, "text 2"))  # the claim finds that the lease is gone
        until(lambda: worker._lease.worker.id != 0 and states(notifier)[2] is State.SENDING)
        go.set()
        settled(notifier, State.ACCEPTED, State.IN_DOUBT, State.ACCEPTED)
    assert sorted(gateway.sent_to) == [number(0), number(2)]


@contextmanager
def _locked(url: str) -> Iterator[None]:
    """Somebody else holds the write lock of a SQLite store."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def _shut(url: str) -> Iterator[None]:
    """The PostgreSQL database has cut every connection and takes none, as while its server is restarted."""
    name = make_url(url).database
    with psycopg.connect(url.replace("+psycopg", "").replace(f"/{name}?", "/postgres?"), autocommit=True) as other:
        other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        yield
        other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def test_a_store_that_fails_for_a_while_stops_nothing(
    url: str, gateway: Gateway, opened: Opened, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker keeps what it cannot record until the store is back; then it records it, and sends what is new."""
    monkeypatch.setattr("notify_core.worker.worker._TROUBLE", 0.05)
    notifier = opened(url, {"clinic": gateway})
    store = notifier.outbox.store
    store.close()
    store._database = Database(url, busy=0.05)
    go = threading.Event()
    gateway.script = [after(go, accepts()), accepts()]
    notifier.enqueue(sms(1))
    with working(notifier, threads=1):
        until(lambda: len(gateway.received) == 1)
        with (_locked if url.startswith("sqlite") else _shut)(url):
            go.set()
            until(lambda: "unrecorded" in [getattr(record, "action", "") for record in caplog.records])
        settled(notifier, State.ACCEPTED)
        notifier.enqueue(sms(2))
        settled(notifier, State.ACCEPTED, State.ACCEPTED)
    assert sorted(gateway.sent_to) == [number(1), number(2)]


def test_a_worker_needs_a_thread(sqlite: str, gateway: Gateway, opened: Opened) -> None:
    """Fewer than one is refused."""
    with pytest.raises(ValueError, match="expected 1 or more"):
        Worker(opened(sqlite, {"clinic": gateway}), threads=0)


def test_two_workers_share_without_a_double(url: str, gateway: Gateway, opened: Opened) -> None:
    """Whatever two workers with stores of their own take from one queue leaves once."""
    notifier, other = (opened(url, {"clinic": gateway}) for _ in range(2))
    notifier.enqueue(sms(which, f"text {which}") for which in range(600))
    with working(notifier, threads=2):
        settle(other, threads=2)
    assert states(notifier) == [State.ACCEPTED] * 600
    assert sorted(gateway.sent_to) == [number(which) for which in range(600)]


_KILLED = """
import json, sys
from notify_core import Notifier
from notify_core.worker import Worker
with Notifier.from_mapping(json.loads(sys.argv[1])) as notifier:
    Worker(notifier, threads=2).run()
"""


def test_a_killed_worker_leaves_a_doubt_and_no_double(url: str, gateway: Gateway, opened: Opened) -> None:
    """A worker that is killed in the middle of a request: when its lease is over that is in doubt, and stays unsent."""
    notifier = opened(url, {"clinic": gateway})
    gateway.script = [waits(gateway.stopping)]
    notifier.enqueue(sms(1))
    settings = json.dumps(configuration(url, {"clinic": gateway}))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/plugins"}
    with subprocess.Popen([sys.executable, "-c", _KILLED, settings], env=environment) as process:  # noqa: S603
        until(lambda: len(gateway.received) == 1)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert states(notifier) == [State.SENDING]
    with an_hour_later(url) as later:
        later.lapse()
    gateway.script = [accepts()]
    notifier.enqueue(sms(2))
    settle(notifier)
    assert states(notifier) == [State.IN_DOUBT, State.ACCEPTED]
    assert gateway.sent_to == [number(1), number(2)]


def _opened(settings: str) -> Notifier:
    """A notifier in a process of its own."""
    return Notifier.from_mapping(json.loads(settings))


def test_two_processes_share_without_a_double(postgresql: str, gateway: Gateway, opened: Opened) -> None:
    """Whatever two processes take from one queue leaves once; one that dies is replaced; both end when told."""
    notifier = opened(postgresql, {"clinic": gateway})
    processes = Processes(partial(_opened, json.dumps(configuration(postgresql, {"clinic": gateway}))), 2, threads=4)
    thread = threading.Thread(target=processes.run)
    thread.start()
    try:
        until(lambda: len(_living(processes)) == 2)
        notifier.enqueue(sms(which, f"text {which}") for which in range(600))
        until(lambda: not notifier.outbox.store.deliveries(Filter(states=OPEN), most=1))
        assert states(notifier) == [State.ACCEPTED] * 600
        victim = _living(processes)[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(living := _living(processes)) == 2 and victim not in living)
    finally:
        processes.stop()
        thread.join(PATIENCE)
    assert not thread.is_alive()
    assert sorted(gateway.sent_to) == [number(which) for which in range(600)]


def _living(processes: Processes) -> list[int]:
    return [child.pid for child in list(processes._children) if child.pid and child.is_alive()]


# --- when it is tried again


def _after(*errors: SendError, attempts: int = 0) -> float | None:
    """When a delivery is tried again that failed with these errors, after so many requests before."""
    settings = RouteSettings(paths=("clinic.json",), attempts=5)
    route = type("Route", (), {"paths": ("clinic.json",)})()
    result = Result(route="default", deliveries=(), attempts=(), segments=1)
    repetition = Repetition(Terms(Way("default"), route, settings), attempts, result)
    return repetition.after(Delivery(recipient=number(1), state=State.REJECTED, error=errors[0]))


def test_the_delay_of_a_gateway_is_honoured() -> None:
    """Where the error says when, that is the time."""
    assert _after(SendError("busy", retry=Retry.LATER, after=77.0)) == 77.0


@pytest.mark.parametrize(("retry", "first"), [(Retry.NOW, SOON), (Retry.LATER, LATER)])
def test_delays_double_up_to_a_bound(retry: Retry, first: float) -> None:
    """Each walk along the route doubles the delay, which has a jitter of a half."""
    for walks in range(4):
        delay = _after(SendError("busy", retry=retry), attempts=walks)
        assert delay is not None
        assert first * 2**walks / 2 <= delay <= first * 2**walks
    delay = _after(SendError("busy", retry=retry), attempts=10_000)
    assert delay is not None
    assert LONGEST / 2 <= delay <= LONGEST


def test_what_does_not_help_is_not_repeated() -> None:
    """Neither what never works, nor a message that no gateway would take."""
    assert _after(SendError("no", retry=Retry.NEVER)) is None
    assert _after(SendError("no", retry=Retry.LATER, scope=Scope.MESSAGE)) is None

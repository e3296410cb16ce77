"""The metrics: what a monitor is told of queue, doubts, payloads, credit and pushes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from notify_core import Notifier, Sms
from notify_core.receiver import Receiver
from notify_core.sandbox import LocalGateway
from notify_core.serve import application
from notify_core.settings import CreditSettings
from notify_core.store import Store
from tests.durable.test_webhooks import SECRET
from tests.serve.house import HEADERS, A, B, box, configuration, said, served
from tests.store.letters import apply, inbound

Samples = dict[tuple[str, ...], float]


@pytest.fixture
def url(notifier: Notifier, receiver: Receiver) -> Iterator[str]:
    """The address of the metrics."""
    with served(application(notifier, receiver)) as url:
        yield f"{url}/metrics"


def samples(url: str) -> Samples:
    """Every sample, by its name and the values of its labels."""
    answer = requests.get(url, headers=HEADERS, timeout=30)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.text)
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def test_an_empty_store(url: str) -> None:
    """With nothing to tell of, what is counted by state is 0 and not missing."""
    assert samples(url) == {
        ("notify_deliveries", "queued"): 0,
        ("notify_deliveries", "sending"): 0,
        ("notify_deliveries", "in_doubt"): 0,
        ("notify_queue_late_seconds",): 0,
        ("notify_workers",): 0,
        ("notify_untold", "listeners"): 0,
        ("notify_untold_age_seconds", "listeners"): 0,
        ("notify_payloads", "waiting"): 0,
        ("notify_payloads", "unreadable"): 0,
        ("notify_store_up",): 1,
    }


def test_what_is_open(url: str, gateway: LocalGateway, notifier: Notifier, receiver: Receiver) -> None:
    """Deliveries and payloads are counted by state, pushes by outcome, and credit has its units."""
    gateway.fault("smsJson.aspx:cut-after:times=1")
    notifier.send(Sms(to=A, text="明天九点"))
    notifier.enqueue(Sms(to=B, text="明天九点"), due=datetime.now(UTC) + timedelta(hours=1))
    said(receiver, box(A))
    said(receiver, b"<html>")
    said(receiver, box(A), path="/push/clinic/wrong")
    rule = CreditSettings(low=Decimal(100))
    notifier.outbox.store.note_balance("clinic", Decimal("12.5"), datetime.now(UTC), rule)
    found = samples(url)
    assert found["notify_deliveries", "queued"] == found["notify_deliveries", "in_doubt"] == 1
    assert found["notify_payloads", "unreadable"] == 1
    assert found["notify_balance_units", "clinic"] == 12.5
    assert found["notify_balance_low", "clinic"] == 1
    assert found["notify_pushes_total", "clinic", "stored"] == 2
    assert found["notify_pushes_total", "clinic", "refused"] == 1
    assert found["notify_queue_late_seconds",] == 0


def test_how_late_the_queue_is(url: str, notifier: Notifier) -> None:
    """The oldest that is queued tells how late it is, whichever way it goes."""
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    notifier.enqueue(Sms(to=A, text="明天九点"), via="clinic.xml", due=an_hour_ago)
    notifier.enqueue(Sms(to=B, text="明天九点"))
    assert 3600 <= samples(url)["notify_queue_late_seconds",] < 3700


def test_how_many_workers_live(url: str, store: Store) -> None:
    """Each worker that lives counts, of whatever process."""
    for _ in range(2):
        store.enroll()
    assert samples(url)["notify_workers",] == 2


def test_what_is_still_to_be_told(file: Path) -> None:
    """Listeners and each webhook have their count and the age of the oldest, a webhook with nothing to hear too."""
    hooks = {name: {"url": "https://shop.example", "secrets": [SECRET]} for name in ("shop", "quiet")}
    settings = configuration(f"sqlite:///{file}") | {"webhooks": hooks}
    with Notifier.from_mapping(settings) as notifier, served(application(notifier, None)) as url:
        apply(notifier.outbox.store, inbound(1), targets={"received": ["shop"]})
        found = samples(f"{url}/metrics")
    counts = {target: found["notify_untold", target] for target in ("listeners", "shop", "quiet")}
    assert counts == {"listeners": 1, "shop": 1, "quiet": 0}
    assert found["notify_untold_age_seconds", "quiet"] == 0
    assert 0 <= found["notify_untold_age_seconds", "shop"] < 60


def test_without_the_extra(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where prometheus-client is missing, the answer is the line that installs it."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    answer = requests.get(url, headers=HEADERS, timeout=30)
    assert answer.status_code == 501
    assert (
        answer.json()["error"]
        == "prometheus-client is not installed: pip install 'notify-core[metrics]', or '.[metrics]' in a clone"
    )

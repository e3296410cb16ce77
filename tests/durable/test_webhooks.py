"""Webhooks: signed as the standard says, posted until they are heard, and in nobody's way."""

from __future__ import annotations

import hmac
import json
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from pydantic import SecretStr

from notify_core import Notifier, State
from notify_core.config import WebhookSettings, key_of
from notify_core.events import Credit
from notify_core.messages import Inbound, Report
from notify_core.results import Delivery
from notify_core.store import Notice, Payload, Store
from notify_core.worker.telling import Unheard
from notify_core.worker.webhooks import Webhook, identity, signed, written
from tests.core.gateway import Gateway, Received, accepts, after, cut, drips, head, says, waits
from tests.durable.shop import configuration, number, settled, sms, until, working

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = "whsec_" + b64encode(b"a key of the application").decode()
NEXT = "whsec_" + b64encode(b"and the one that comes after it").decode()
HEARD = says(b"", 204)
REPORT = Report(recipient=number(1), task_id="T1", state=State.DELIVERED, code="DELIVRD", at=AT)
MESSAGE = Inbound(sender=number(1), text="收到，谢谢", extension="12", at=AT)


def genuine(request: Received, secret: str) -> bool:
    """What a receiver does by the standard: sign what came with its own key, and look for that among the signatures."""
    headers = request.headers
    content = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), request.body])
    expected = b64encode(hmac.new(b64decode(secret.removeprefix("whsec_")), content, sha256).digest()).decode()
    recent = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    given = [each.partition(",") for each in headers["webhook-signature"].split(" ")]
    return recent and any(
        version == "v1" and hmac.compare_digest(signature, expected) for version, _, signature in given
    )


def notice(which: int = 1, **facts: Any) -> Notice:
    """Something to tell: an inbound message, where nothing else is said."""
    same: dict[str, Any] = {"kind": "received", "target": "shop", "account": "clinic", "at": AT}
    return Notice(**{"id": which, "inbound": MESSAGE, **same, **facts})


def webhook(gateway: Gateway, *secrets: str, **settings: Any) -> Webhook:
    """A webhook whose receiver is the gateway."""
    keys = tuple(map(SecretStr, secrets or (SECRET,)))
    facts: dict[str, Any] = {"url": f"{gateway.url}/hook", "secrets": keys, **settings}
    return Webhook("shop", WebhookSettings(**facts), lambda: datetime.now(UTC))


@pytest.fixture
def receiver(gateway: Gateway) -> Gateway:
    """An application's endpoint that hears everything, until it is given another script."""
    gateway.script = [HEARD]
    return gateway


# --- signing and writing


def test_a_signature_is_that_of_the_standard() -> None:
    """The reference libraries sign their example so."""
    key = key_of(SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    assert signed([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}') == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_an_id_is_that_of_the_notice() -> None:
    """It is the same at each try, and another one for another notice, target or store."""
    again = notice(tries=3, heard=("Metrics",))
    others = [notice(2), notice(target="other"), notice(at=AT + timedelta(seconds=1))]
    assert identity(notice()) == identity(again)
    assert len({identity(each) for each in (notice(), *others)}) == 4


def test_a_report_is_written_with_its_delivery() -> None:
    """The body says what the gateway said, and which delivery it is about."""
    delivery = Delivery(recipient=number(1), state=State.DELIVERED, path="clinic.json", id=7, key="order-7-paid")
    told = notice(kind="reported", inbound=None, report=REPORT, delivery=delivery, message=6)
    assert json.loads(written(told)) == {
        "event": "reported",
        "account": "clinic",
        "time": "2026-01-02T03:04:05+00:00",
        "report": {
            "recipient": "+8613800000001",
            "task_id": "T1",
            "state": "delivered",
            "code": "DELIVRD",
            "at": "2026-01-02T03:04:05+00:00",
        },
        "delivery": {
            "id": 7,
            "message": 6,
            "key": "order-7-paid",
            "state": "delivered",
            "path": "clinic.json",
            "recipient": "+8613800000001",
        },
    }


def test_a_report_that_is_nobodys_is_written_without() -> None:
    """Where no delivery is known there is null, and where the gateway gave no time too."""
    stray = Report(recipient=number(1), task_id="T1", state=State.UNDELIVERED)
    found = json.loads(written(notice(kind="reported", inbound=None, report=stray)))
    assert found["delivery"] is None
    assert found["report"]["at"] is None


def test_an_inbound_message_is_written() -> None:
    """Its sender, text, extension, task id and time."""
    assert json.loads(written(notice()))["inbound"] == {
        "sender": "+8613800000001",
        "text": "收到，谢谢",
        "extension": "12",
        "task_id": "",
        "at": "2026-01-02T03:04:05+00:00",
    }


def test_a_text_that_is_no_unicode_is_written() -> None:
    """Half a surrogate pair, which a broken gateway may send, stays one."""
    broken = Inbound(sender="", text="\ud83d!")
    assert json.loads(written(notice(inbound=broken)))["inbound"]["text"] == "\ud83d!"


def test_a_credit_is_written_exactly() -> None:
    """Units are text, so that no digit is lost; those that nobody knows are null."""
    credit = Credit(account="clinic", units=Decimal("0.10"), at=AT, days=1.5)
    found = json.loads(written(notice(kind="balance_low", inbound=None, credit=credit)))
    assert found["credit"] == {"units": "0.10", "days": 1.5, "at": "2026-01-02T03:04:05+00:00"}
    unknown = notice(kind="balance_low", inbound=None, credit=replace(credit, units=None, days=None))
    assert json.loads(written(unknown))["credit"]["units"] is None


# --- posting


def test_what_is_posted_can_be_verified(receiver: Gateway) -> None:
    """A receiver that has the secret finds it genuine; one that has another does not."""
    webhook(receiver, url=f"{receiver.url}/hook/?shop=1").tell(notice())
    (request,) = receiver.received
    assert request.line == "POST /hook/?shop=1 HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert request.data["inbound"]["text"] == "收到，谢谢"
    assert genuine(request, SECRET)
    assert not genuine(request, NEXT)


def test_a_secret_can_be_replaced(receiver: Gateway) -> None:
    """With two secrets there are two signatures: receivers with either find it genuine."""
    webhook(receiver, SECRET, NEXT).tell(notice())
    (request,) = receiver.received
    assert genuine(request, SECRET)
    assert genuine(request, NEXT)


def test_a_changed_body_is_not_genuine(receiver: Gateway) -> None:
    """The signature is of this body."""
    webhook(receiver).tell(notice())
    (request,) = receiver.received
    forged = Received(request.line, request.headers, request.body.replace(b"clinic", b"clinik"), 1)
    assert not genuine(forged, SECRET)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_means_that_it_was_heard(receiver: Gateway, status: int) -> None:
    """Whatever the receiver says beside."""
    receiver.script = [says(b"thank you", status) if status != 204 else HEARD]
    webhook(receiver).tell(notice())
    assert len(receiver.received) == 1


REFUSALS: Mapping[str, Any] = {
    "500": says(b"", 500),
    "429": says(b"", 429),
    "404": says(b"", 404),
    "redirect": says(b"", 302, Location="http://127.0.0.1:9/elsewhere"),
    "cut": cut(),
    "not HTTP": cut(b"hello"),
}


@pytest.mark.parametrize("act", REFUSALS.values(), ids=REFUSALS)
def test_anything_else_is_offered_again(receiver: Gateway, act: Any) -> None:
    """Once a try, no redirect is followed, and what it says shows neither secret, number nor text."""
    receiver.script = [act]
    with pytest.raises(Unheard) as caught:
        webhook(receiver).tell(notice())
    assert caught.value.after is not None
    assert 2.5 <= caught.value.after <= 5.0
    assert caught.value.deaf
    assert len(receiver.received) == 1
    assert not any(secret in str(caught.value) for secret in (SECRET, "13800000001", "收到"))


def test_tries_are_further_and_further_apart(receiver: Gateway) -> None:
    """They double, with a jitter of a half, up to an hour; the receiver's own Retry-After is honoured."""
    receiver.script = [says(b"", 500)]
    for tries, expected in ((1, 10.0), (2, 20.0), (50, 3600.0)):
        with pytest.raises(Unheard) as caught:
            webhook(receiver).tell(notice(tries=tries))
        assert caught.value.after is not None
        assert expected / 2 <= caught.value.after <= expected
    receiver.script = [says(b"", 503, Retry_After="77")]
    with pytest.raises(Unheard) as caught:
        webhook(receiver).tell(notice())
    assert caught.value.after == 77.0


def test_gone_is_the_end(receiver: Gateway) -> None:
    """A receiver that answers 410 wants no more of it."""
    receiver.script = [says(b"", 410)]
    with pytest.raises(Unheard, match=r"take it out of `webhooks:`") as caught:
        webhook(receiver).tell(notice())
    assert caught.value.after is None


@pytest.mark.parametrize("slow", ["silent", "dripping"])
def test_a_receiver_has_so_much_time(receiver: Gateway, slow: str) -> None:
    """One that does not answer, or never comes to the end of its answer, is left after the timeout."""
    endless = drips(head(200, {"Content-Length": "1000000"}), receiver.stopping)
    receiver.script = [waits(receiver.stopping) if slow == "silent" else endless]
    with pytest.raises(Unheard) as caught:
        webhook(receiver, timeout=0.2).tell(notice())
    assert caught.value.deaf


def test_a_receiver_must_prove_who_it_is(gateway: Gateway) -> None:
    """A certificate that nobody vouches for is refused before anything is told."""
    with Gateway(secure=True, script=[HEARD]) as receiver:
        with pytest.raises(Unheard, match="certificate"):
            webhook(receiver).tell(notice())
        assert receiver.received == []
    assert gateway.received == []


def test_a_webhook_shows_no_secret(receiver: Gateway) -> None:
    """Nor its address, whose query may be one."""
    assert repr(webhook(receiver, url=f"{receiver.url}/?code=sesame")) == "Webhook('shop')"


# --- from the store


def noted(store: Store, *items: Inbound | Report, **targets: Any) -> None:
    """Let these come in, of account clinic; ``targets`` are webhooks by the kind that they want."""
    payload = Payload(account="clinic", transport="json", origin="pull", hook="inbound", request={}, body=b"it came")
    store.apply(store.keep(payload), items, targets=targets)


def message(which: int, text: str = "hello") -> Inbound:
    """A message from a subscriber."""
    return Inbound(sender=number(which), text=text, at=AT)


def shops(url: str, gateway: Gateway, **receivers: Gateway | dict[str, Any]) -> dict[str, Any]:
    """A configuration with these webhooks."""
    blocks = {
        name: {"secrets": [SECRET]} | (each if isinstance(each, dict) else {"url": each.url})
        for name, each in receivers.items()
    }
    return configuration(url, {"clinic": gateway}) | {"webhooks": blocks}


def texts(receiver: Gateway) -> list[str]:
    """What a receiver was told, in order."""
    return [request.data["inbound"]["text"] for request in receiver.received]


@pytest.fixture
def shop() -> Any:
    """An application's endpoint."""
    with Gateway(script=[HEARD]) as running:
        yield running


@pytest.fixture
def other() -> Any:
    """Another one."""
    with Gateway(script=[HEARD]) as running:
        yield running


def test_what_comes_in_is_posted_once(url: str, gateway: Gateway, shop: Gateway) -> None:
    """Each notice reaches its webhook once, genuine, and none is left."""
    with Notifier.from_mapping(shops(url, gateway, shop=shop)) as notifier:
        store = notifier.outbox.store
        with working(notifier):
            noted(store, *(message(which, f"text {which}") for which in range(50)), received=["shop"])
            until(lambda: len(shop.received) == 50)
            until(lambda: not store.notices(["shop"], most=1))
    assert sorted(texts(shop)) == sorted(f"text {which}" for which in range(50))
    assert all(genuine(request, SECRET) for request in shop.received)


def test_a_report_is_posted_with_what_it_is_about(url: str, gateway: Gateway, shop: Gateway) -> None:
    """The receiver learns the id, the key and the state of the delivery, from the gateway's report by a pull."""
    gateway.script = [accepts("7"), says({"ok": True, "numbers": [number(1)]}), says({"ok": True, "numbers": []})]
    with Notifier.from_mapping(shops(url, gateway, shop=shop)) as notifier:
        enqueued = notifier.enqueue(sms(1), key="order-7-paid")
        with working(notifier):
            settled(notifier, State.ACCEPTED)
            notifier.mailbox.pull_reports("clinic")
            until(lambda: len(shop.received) == 1)
    (request,) = shop.received
    assert request.data["delivery"] == {
        "id": enqueued.deliveries[0],
        "message": enqueued.message_id,
        "key": "order-7-paid",
        "state": "delivered",
        "path": "clinic.json",
        "recipient": number(1),
    }


def test_each_webhook_is_told_what_it_wants(url: str, gateway: Gateway, shop: Gateway, other: Gateway) -> None:
    """By the events and accounts that its block names; the others hear nothing of it."""
    gateway.script = [says({"ok": True, "messages": {number(1): "hello"}})]
    wanting = {"url": other.url, "events": ["reported", "balance_low"]}
    elsewhere = {"url": other.url, "accounts": ["backup"]}
    settings = shops(url, gateway, shop=shop, quiet=wanting, stranger=elsewhere)
    settings["accounts"]["backup"] = settings["accounts"]["clinic"]
    with Notifier.from_mapping(settings) as notifier, working(notifier):
        notifier.mailbox.pull_inbound("clinic")
        until(lambda: len(shop.received) == 1)
        until(lambda: not notifier.outbox.store.notices(["", "shop"], most=1))
    assert other.received == []


def test_a_refused_notice_is_offered_again(
    sqlite: str, gateway: Gateway, shop: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a 500 it comes again with the same id, until a 200."""
    monkeypatch.setattr("notify_core.worker.webhooks._FIRST", 0.1)
    monkeypatch.setattr("notify_core.worker.telling._WEARY", 0.1)
    shop.script = [says(b"", 500), says(b"", 500), HEARD]
    with Notifier.from_mapping(shops(sqlite, gateway, shop=shop)) as notifier, working(notifier):
        noted(notifier.outbox.store, message(1), received=["shop"])
        until(lambda: len(shop.received) == 3)
        until(lambda: not notifier.outbox.store.notices(["shop"], most=1))
    assert len({request.headers["webhook-id"] for request in shop.received}) == 1
    assert texts(shop) == ["hello"] * 3


def test_news_of_one_number_comes_in_order(
    url: str, gateway: Gateway, shop: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows a notice that was refused waits for it; other numbers go on."""
    monkeypatch.setattr("notify_core.worker.webhooks._FIRST", 0.1)
    monkeypatch.setattr("notify_core.worker.telling._WEARY", 0.1)
    shop.script = [says(b"", 500), HEARD]
    with Notifier.from_mapping(shops(url, gateway, shop=shop)) as notifier:
        for which in range(4):
            noted(notifier.outbox.store, message(1, f"first {which}"), received=["shop"])
        noted(notifier.outbox.store, message(2, "second"), received=["shop"])
        with working(notifier):
            until(lambda: not notifier.outbox.store.notices(["shop"], most=1) and len(shop.received) == 6)
    heard = [text for text in texts(shop)[1:] if text.startswith("first")]
    assert sorted({*heard}) == [f"first {which}" for which in range(4)]
    assert heard == sorted(heard)


def test_a_webhook_that_hangs_holds_up_nobody(url: str, gateway: Gateway, shop: Gateway, other: Gateway) -> None:
    """While one receiver does not answer, the other is told, messages leave, and the worker ends when it is told."""
    shop.script = [waits(shop.stopping)]
    gateway.script = [accepts()]
    hanging = {"url": shop.url, "timeout": "20s"}
    with Notifier.from_mapping(shops(url, gateway, shop=hanging, other=other)) as notifier:
        with working(notifier, limit=0.5):
            noted(notifier.outbox.store, *map(message, range(20)), received=["shop", "other"])
            until(lambda: len(shop.received) == Webhook.width)
            until(lambda: len(other.received) == 20)
            notifier.enqueue(sms(1))
            settled(notifier, State.ACCEPTED)
        assert len(notifier.outbox.store.notices(["shop"], most=100)) == 20


def test_a_dead_webhook_is_not_asked_for_each_notice(sqlite: str, gateway: Gateway, shop: Gateway) -> None:
    """One that refuses is left alone for a while, and then tried with one notice."""
    shop.script = [says(b"", 500)]
    with Notifier.from_mapping(shops(sqlite, gateway, shop=shop)) as notifier, working(notifier):
        noted(notifier.outbox.store, *map(message, range(500)), received=["shop"])
        until(lambda: len(shop.received) >= Webhook.ahead + 1)
        assert len(shop.received) < Webhook.ahead + 10


def test_what_is_too_old_is_given_up(
    url: str, gateway: Gateway, shop: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After ``expires`` a notice that nobody heard is kept, and told no more until somebody says so; it is logged."""
    monkeypatch.setattr("notify_core.worker.telling._WEARY", 0.01)
    shop.script = [says(b"", 500), HEARD]
    dying = {"url": shop.url, "expires": "1s"}
    with Notifier.from_mapping(shops(url, gateway, shop=dying)) as notifier, working(notifier):
        noted(notifier.outbox.store, message(1), received=["shop"])
        until(lambda: any(getattr(record, "action", "") == "notice_given_up" for record in caplog.records))
        noted(notifier.outbox.store, message(1, "later"), received=["shop"])
        until(lambda: len(shop.received) == 2)
        (lost,) = notifier.outbox.store.refused_notices()
        assert (lost.target, lost.again, lost.tries) == ("shop", None, 0)
        assert notifier.outbox.store.tell_again([lost.id]) == [lost.id]
        until(lambda: len(shop.received) == 3)
        until(lambda: notifier.outbox.store.refused_notices() == [])
    assert texts(shop) == ["hello", "later", "hello"]
    assert not any(secret in caplog.text for secret in (SECRET, "13800000001", "hello"))


def test_two_workers_share_a_webhook(url: str, gateway: Gateway, shop: Gateway) -> None:
    """Of two workers one tells, and no notice is told twice."""
    settings = shops(url, gateway, shop=shop)
    with Notifier.from_mapping(settings) as one, Notifier.from_mapping(settings) as two, working(one), working(two):
        for which in range(60):
            noted(one.outbox.store, message(which, f"text {which}"), received=["shop"])
        until(lambda: not one.outbox.store.notices(["shop"], most=1))
    assert sorted(texts(shop)) == sorted(f"text {which}" for which in range(60))


def test_a_worker_that_ends_leaves_its_turn_to_another(url: str, gateway: Gateway, shop: Gateway) -> None:
    """What comes after the one that told has ended is told by the next, at once."""
    settings = shops(url, gateway, shop=shop)
    with Notifier.from_mapping(settings) as notifier:
        for which in range(2):
            with working(notifier):
                noted(notifier.outbox.store, message(which), received=["shop"])
                until(lambda seen=which: len(shop.received) == seen + 1)  # type: ignore[misc]


def test_what_is_being_told_when_the_worker_ends_is_noted(url: str, gateway: Gateway, shop: Gateway) -> None:
    """The worker waits for the answer, and the notice is told no second time."""
    go = threading.Event()
    shop.script = [after(go, HEARD)]
    with Notifier.from_mapping(shops(url, gateway, shop=shop)) as notifier:
        with working(notifier) as worker:
            noted(notifier.outbox.store, message(1), received=["shop"])
            until(lambda: len(shop.received) == 1)
            worker.stop()
            go.set()
        assert notifier.outbox.store.notices(["shop"], most=1) == []

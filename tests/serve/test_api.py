"""The JSON API: messages in, deliveries out, and every failure in words with a status that says whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest
import requests

from notify_core import Notifier, Sms
from notify_core.receiver import Receiver
from notify_core.replies import LARGEST
from notify_core.sandbox import LocalGateway
from notify_core.serve import application
from notify_core.settings import CreditSettings
from notify_core.store import Store
from tests.serve.house import HEADERS, PEOPLE, TOKEN, A, B, box, configuration, said, served

MESSAGE = {"to": A, "text": "您的验证码：1439"}


class Client:
    """Somebody with a token, at the address of the API."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/api"

    def get(self, path: str, /, **query: Any) -> Any:
        """What a question is answered with status 200."""
        answer = requests.get(self.url + path, query, headers=HEADERS, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        """What an order is answered, with that status."""
        answer = requests.post(self.url + path, json=body, headers=HEADERS, timeout=30)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, method: str, path: str, **facts: Any) -> tuple[int, str]:
        """The status and the words of a refusal."""
        answer = requests.request(method, self.url + path, headers=HEADERS, timeout=30, **facts)
        return answer.status_code, answer.json()["error"]


@pytest.fixture
def client(notifier: Notifier, receiver: Receiver) -> Iterator[Client]:
    """A client of a running server."""
    with served(application(notifier, receiver)) as url:
        yield Client(url)


# --- who is let in


@pytest.mark.parametrize("header", ["", "Bearer", f"Bearer {PEOPLE}x", f"Basic {PEOPLE}", f"Bearer {TOKEN}", PEOPLE])
@pytest.mark.parametrize("path", ["/api/deliveries", "/api/no-such-thing", "/metrics"])
def test_without_a_token_nobody_is_let_in(client: Client, path: str, header: str) -> None:
    """Without one of ``server.tokens`` there is no API and there are no metrics; one for pushes does not do."""
    headers = {"authorization": header} if header else {}
    answer = requests.get(client.url.removesuffix("/api") + path, headers=headers, timeout=30)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "server.tokens" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/api/deliveries", "/metrics", "/"])
def test_without_tokens_only_pushes_are_served(file: Path, path: str) -> None:
    """Where ``server.tokens`` is empty there is neither API nor dashboard, for nobody could be let in."""
    settings = configuration(f"sqlite:///{file}") | {"server": {}}
    with Notifier.from_mapping(settings) as notifier, served(application(notifier, Receiver(notifier))) as url:
        assert requests.get(url + path, headers=HEADERS, timeout=30).status_code == 404
        assert requests.get(f"{url}/healthz", timeout=30).json() == {"status": "ok", "store": "0002"}


def test_answers_are_not_kept_by_browsers(client: Client) -> None:
    """No answer may be cached, or read as something else than it is."""
    answer = requests.get(f"{client.url}/deliveries", headers=HEADERS, timeout=30)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers


# --- messages


def test_a_message_is_enqueued(client: Client, store: Store) -> None:
    """A message has an id, and one delivery for each recipient; it leaves as ordered."""
    due = datetime.now(UTC) + timedelta(hours=1)
    order = {
        "to": [A, B],
        "template": "otp",
        "values": {"code": "1439"},
        "via": "clinic.xml",
        "priority": 7,
        "due": due.isoformat(),
        "expires_at": (due + timedelta(hours=1)).isoformat(),
    }
    enqueued = client.post("/messages", order, 201)
    assert enqueued["new"] is True
    first, second = (store.delivery(number) for number in enqueued["deliveries"])
    assert (first.recipient, second.recipient) == (f"+86{A}", f"+86{B}")
    assert (first.message, first.priority, first.due, first.way.via) == (enqueued["message"], 7, due, "clinic.xml")
    message = store.message(first.id)
    assert isinstance(message, Sms)
    assert message.text == "您的验证码：1439"


def test_the_same_key_again(client: Client) -> None:
    """The same message under the same key is the first one, and another under it is a conflict."""
    first = client.post("/messages", MESSAGE | {"key": "order-7"}, 201)
    again = client.post("/messages", MESSAGE | {"key": "order-7"}, 200)
    assert again == first | {"new": False}
    status, words = client.refused("POST", "/messages", json=MESSAGE | {"key": "order-7", "text": "另一条"})
    assert status == 409
    assert "says something else" in words


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"text": "x"}, "to: is missing"),
        ({"to": A}, "`text` is empty: say something"),
        ({"to": "12345", "text": "x"}, "is not a valid phone number"),
        ({"to": A, "text": "x", "rout": "default"}, "rout: unknown name; did you mean 'route'?"),
        ({"to": A, "text": "x", "route": "defalt"}, "no route 'defalt'; did you mean 'default'?"),
        ({"to": A, "template": "otp"}, "code"),
        ({"to": A, "text": "x", "due": "2030-01-31T09:00"}, "due: Input should have timezone info"),
        ({"to": A, "text": "x", "priority": 5000}, "priority=5000 is out of range"),
        ({"to": A, "text": 1439}, None),
        (["not", "an", "object"], "object"),
    ],
)
def test_a_message_that_cannot_be(client: Client, store: Store, order: Any, words: str | None) -> None:
    """What cannot be sent is refused with status 400 and what to change; its number and text are not repeated."""
    if words is None:  # a number is text too, as in the YAML
        client.post("/messages", order, 201)
        return
    status, said = client.refused("POST", "/messages", json=order)
    assert (status, words in said) == (400, True), said
    assert A not in said
    assert store.deliveries() == []


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json(client: Client, body: bytes) -> None:
    """A body that is no JSON is refused with status 400."""
    assert client.refused("POST", "/messages", data=body)[0] == 400


def test_too_large_a_body(client: Client) -> None:
    """A body of more than 8 MiB is refused with what to do instead."""
    status, words = client.refused("POST", "/messages", data=b" " * (LARGEST + 1))
    assert (status, words) == (400, "the body is larger than 8 MiB: send several messages")


def test_a_store_that_is_gone(client: Client, file: Path) -> None:
    """Where the store cannot be used the status is 503, and the words say what to do."""
    client.post("/messages", MESSAGE, 201)
    file.unlink()
    status, words = client.refused("POST", "/messages", json=MESSAGE)
    assert (status, "the file was removed" in words) == (503, True)


# --- deliveries


def test_deliveries_by_what_they_are(client: Client, notifier: Notifier) -> None:
    """Deliveries are found by what the command line finds them by, with whole numbers, newest first."""
    old = client.post("/messages", MESSAGE | {"key": "order-7"}, 201)
    new = client.post("/messages", MESSAGE | {"to": B, "via": "clinic.xml"}, 201)
    sent = notifier.send(Sms(to=B, text="明天九点"))
    ids = [sent.deliveries[0].id, *new["deliveries"], *old["deliveries"]]

    def found(**query: Any) -> list[int]:
        return [each["id"] for each in client.get("/deliveries", **query)["deliveries"]]

    assert found() == ids
    assert found(state="queued") == ids[1:]
    assert found(state=["queued", "accepted"]) == ids
    assert found(to=A) == found(key="order-7") == found(message=old["message"]) == ids[2:]
    assert found(via="clinic.xml") == [ids[1]]
    assert found(route="default") == [ids[0], ids[2]]
    assert found(path="clinic") == found(task_id=sent.task_id) == [ids[0]]
    assert found(since="1h", until="2040-01-01T00:00Z") == ids
    assert found(until="1h") == found(since="2040-01-01T00:00Z") == []
    assert client.get("/deliveries")["deliveries"][0]["recipient"] == f"+86{B}"


def test_pages(client: Client) -> None:
    """``next_below`` leads to the next page, and is null on the last."""
    for _ in range(3):
        client.post("/messages", MESSAGE, 201)
    first = client.get("/deliveries", most=2)
    second = client.get("/deliveries", most=2, below=first["next_below"])
    assert [len(each["deliveries"]) for each in (first, second)] == [2, 1]
    assert second["next_below"] is None


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("sate=queued", "sate: unknown name; did you mean 'state'?"),
        ("state=quued", "state.0: expected 'queued'"),
        ("since=yesterday", "since: "),
        ("since=99999999999d", "since: that is before the year 1"),
        ("most=0", "most: "),
        ("below=-1", "below: "),
        ("to=12345", "is not a valid phone number"),
        ("route=default&via=clinic.xml", "give either a route or via"),
    ],
)
def test_a_question_that_cannot_be(client: Client, query: str, words: str) -> None:
    """A question with a mistake is refused, instead of being answered as if the mistake were not there."""
    status, said = client.refused("GET", f"/deliveries?{query}")
    assert (status, words in said) == (400, True), said


def test_the_life_of_a_delivery(client: Client, gateway: LocalGateway, notifier: Notifier, receiver: Receiver) -> None:
    """One delivery has its timeline and what its state means."""
    sent = notifier.send(Sms(to=A, text="明天九点"))
    assert said(receiver, box(A, task=sent.task_id)) == b"1"
    told = client.get(f"/deliveries/{sent.deliveries[0].id}")
    assert [event["what"] for event in told["timeline"]] == ["queued", "accepted", "delivered"]
    assert told["delivery"]["state"] == "delivered"
    assert told["meaning"] == "it arrived: the phone has it."
    assert len(gateway.received) == 1


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/cancel"), ("POST", "/retry")])
def test_a_delivery_that_is_not_there(client: Client, method: str, path: str) -> None:
    """An id of no delivery has status 404, whatever is asked of it."""
    for number in (4711, 10**20):
        status, words = client.refused(method, f"/deliveries/{number}{path}")
        assert (status, words) == (404, f"there is no delivery {number}: `notify outbox list` shows those there are")


def test_what_is_queued_is_taken_back(client: Client) -> None:
    """A queued delivery can be cancelled, once, with a note for its timeline."""
    (number,) = client.post("/messages", MESSAGE, 201)["deliveries"]
    cancelled = client.post(f"/deliveries/{number}/cancel", {"note": "wrong date, says Li"})
    assert cancelled["delivery"]["state"] == "cancelled"
    assert client.get(f"/deliveries/{number}")["timeline"][-1]["description"] == "wrong date, says Li"
    status, words = client.refused("POST", f"/deliveries/{number}/cancel")
    assert (status, "is cancelled" in words) == (409, True)


def test_what_was_rejected_is_tried_again(client: Client, gateway: LocalGateway, notifier: Notifier) -> None:
    """A rejected delivery is enqueued anew, once; one that may have been sent is not."""
    gateway.account(black_list=[A])
    rejected = notifier.send(Sms(to=A, text="明天九点")).deliveries[0].id
    again = client.post(f"/deliveries/{rejected}/retry")
    assert client.post(f"/deliveries/{rejected}/retry") == again
    assert client.get(f"/deliveries/{rejected}")["tried_again_as"] == again["enqueued"]
    assert client.post(f"/deliveries/{again['enqueued']}/retry")["enqueued"] is None
    accepted = notifier.send(Sms(to=B, text="明天九点")).deliveries[0].id
    status, words = client.refused("POST", f"/deliveries/{accepted}/retry")
    assert (status, "only what is queued or rejected is tried again" in words) == (409, True)


def test_what_is_tried_again_expires_as_it_was_to(client: Client, file: Path) -> None:
    """A new delivery of what was rejected leaves no later than the old one could; once that is past, by its route."""
    times = ("2040-01-01T00:00:00+00:00", "2040-01-02T00:00:00+00:00")
    first, second = (client.post("/messages", {**MESSAGE, "expires_at": at}, 201)["deliveries"][0] for at in times)
    with closing(connect(file)) as database, database:
        database.execute("UPDATE notify_deliveries SET state = 'rejected'")
        database.execute("UPDATE notify_deliveries SET expires_at = 1.0 WHERE id = ?", [second])
    new = [client.post(f"/deliveries/{number}/retry")["enqueued"] for number in (first, second)]
    found = [client.get(f"/deliveries/{number}")["delivery"]["expires_at"] for number in new]
    assert found == [times[0], None]


def test_a_doubt_is_resolved(client: Client, gateway: LocalGateway, notifier: Notifier) -> None:
    """Who knows what became of a delivery in doubt says so; only states that can follow are taken."""
    gateway.fault("smsJson.aspx:cut-after:times=1")
    doubt = notifier.send(Sms(to=A, text="明天九点")).deliveries[0].id
    assert client.refused("POST", f"/deliveries/{doubt}/resolve", json={"state": "queued"})[0] == 400
    resolved = client.post(f"/deliveries/{doubt}/resolve", {"state": "delivered", "note": "Li has it"})
    assert resolved["delivery"]["state"] == "delivered"


# --- balances and inbound messages


def test_balances(client: Client, store: Store) -> None:
    """The last balance of each account is told, as a number."""
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    store.note_balance("clinic", Decimal("-12.5"), at, CreditSettings(low=Decimal(100)))
    (balance,) = client.get("/balances")["balances"].items()
    assert balance[0] == "clinic"
    assert (balance[1]["units"], balance[1]["low"], balance[1]["at"]) == (-12.5, True, at.isoformat())


def test_inbound_messages(client: Client, gateway: LocalGateway, receiver: Receiver) -> None:
    """Messages from subscribers are told newest first, whole, with pages."""
    for text in ("收到", "谢谢"):
        gateway.inbound(sender=A, text=text)
    with served(receiver) as url:
        gateway.account(push_url=f"{url}/push/clinic/{TOKEN}")
        gateway.push()
    found = client.get("/inbound", account="clinic", since="1h")["inbound"]
    assert [(each["sender"], each["text"]) for each in found] == [(f"+86{A}", "谢谢"), (f"+86{A}", "收到")]
    first = client.get("/inbound", most=1)
    assert client.get("/inbound", below=first["next_below"])["inbound"] == found[1:]
    assert client.get("/inbound", account="silent") == {"inbound": [], "next_below": None}
    assert client.get("/inbound", since="2040-01-01T00:00Z")["inbound"] == []


def test_a_defect_of_ours(client: Client, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What fails by a defect has status 500 and says where; neither answer nor log quotes what came."""
    (number,) = client.post("/messages", MESSAGE, 201)["deliveries"]
    with closing(connect(file)) as connection:
        connection.execute("UPDATE notify_deliveries SET way = 'neither:13800000001'")
        connection.commit()
    status, words = client.refused("GET", f"/deliveries/{number}")
    assert (status, "notify failed by a defect of its own" in words) == (500, True)
    assert A not in words + caplog.text.replace(f"/deliveries/{number}", "")


@pytest.mark.parametrize("path", ["", "/nothing", "/deliveries/abc"])
def test_an_address_that_is_none_answers_with_those_there_are(client: Client, path: str) -> None:
    """It is a failure like any other: JSON, with the calls that there are."""
    answer = requests.get(client.url + path, headers=HEADERS, timeout=30)
    assert answer.status_code == 404
    assert "GET /api/deliveries, " in answer.json()["error"]

"""What gateways push is stored before it is answered, by each of the three doors; strangers learn nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
import requests

from notify_core import ConfigError, Notifier, Sms
from notify_core import receiver as module
from notify_core.exchange import Request
from notify_core.mailbox import Mailbox
from notify_core.receiver import Receiver
from notify_core.replies import LARGEST
from notify_core.sandbox import LocalGateway
from notify_core.store import Store
from tests.serve.house import (
    NEWER,
    TOKEN,
    A,
    B,
    box,
    called,
    configuration,
    kept,
    pushing,
    said,
    served,
    states,
    until,
)

Opened = Callable[[Receiver], AbstractContextManager[str]]

DOORS: Mapping[str, Opened] = {"asgi": served, "wsgi": lambda receiver: called(receiver.wsgi)}


@pytest.fixture(params=DOORS)
def url(request: pytest.FixtureRequest, receiver: Receiver) -> Iterator[str]:
    """The address of a server with the receiver, by each door in turn."""
    with DOORS[request.param](receiver) as url:
        yield url


def post(url: str, body: bytes, token: str = TOKEN) -> bytes:
    """What a push is answered, whose status is always 200."""
    answer = requests.post(f"{url}/push/clinic/{token}", body, timeout=30)
    assert answer.status_code == 200
    return answer.content


# --- what is stored


def test_the_gateways_own_pushes(url: str, gateway: LocalGateway, notifier: Notifier, store: Store) -> None:
    """Reports move their deliveries, inbound messages arrive, and the gateway hears at its first try that it is so."""
    notifier.send(Sms(to=[A, B], text="明天九点"))
    gateway.settle()
    gateway.inbound(sender=A, text="收到，谢谢")
    gateway.account(push_url=f"{url}/push/clinic/{TOKEN}")
    assert gateway.push() == {
        "reports": {"count": 2, "tries": 1, "stored": True},
        "inbound": {"count": 1, "tries": 1, "stored": True},
    }
    assert states(store) == ["delivered", "delivered"]
    assert [(each.account, each.sender, each.text) for each in store.arrivals()] == [
        ("clinic", f"+86{A}", "收到，谢谢")
    ]


def test_each_of_several_tokens_is_valid(url: str, store: Store) -> None:
    """While one token replaces another, both let in."""
    assert [post(url, box(A, task=token), token) for token in (TOKEN, NEWER)] == [b"1", b"1"]
    assert kept(store) == ["applied"] * 2


def test_a_push_that_cannot_be_read_is_kept(url: str, store: Store) -> None:
    """What no codec can read is stored, so the gateway need not push it again; it waits to be replayed."""
    assert post(url, b"<html>Bad gateway</html>") == b"1"
    (payload,) = store.payloads(["unreadable"])
    assert store.payload(payload.id).body == b"<html>Bad gateway</html>"


@pytest.mark.parametrize(
    "declared",
    ['<!DOCTYPE r [<!ENTITY phone SYSTEM "file:///etc/hostname">]>', '<!DOCTYPE r [<!ENTITY phone "13800000001">]>'],
)
def test_no_document_type_is_read(url: str, store: Store, declared: str) -> None:
    """XML with a document type is kept and not read: no entity of it is ever expanded."""
    assert post(url, f"{declared}<returnsms>{box('&phone;').decode().partition('<returnsms>')[2]}".encode()) == b"1"
    assert kept(store) == ["unreadable"]
    assert store.parked() == []


def test_the_same_push_three_times_counts_once(url: str, store: Store) -> None:
    """A push whose answer was lost comes again, and changes nothing more."""
    assert [post(url, box(A)) for _ in range(3)] == [b"1"] * 3
    assert len(store.parked()) == 1


def test_a_body_in_chunks(receiver: Receiver, store: Store) -> None:
    """A push without a Content-Length is taken in its chunks."""
    with served(receiver) as url:
        chunks = (box(A)[at : at + 50] for at in range(0, len(box(A)), 50))
        assert requests.post(f"{url}/push/clinic/{TOKEN}", chunks, timeout=30).content == b"1"
    assert kept(store) == ["applied"]


def test_wsgi_without_the_end_of_a_body(receiver: Receiver, store: Store) -> None:
    """A WSGI server that hands on chunks without their end gets "again": half a push must not count as stored."""
    with called(receiver.wsgi) as url:
        assert requests.post(f"{url}/push/clinic/{TOKEN}", iter([box(A)]), timeout=30).content == b"error"
    assert kept(store) == []


# --- who may push


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (f"/push/clinic/{TOKEN}x", "its token is not one of accounts.clinic.push.tokens"),
        ("/push/clinic/", "its address names no account that takes pushes"),
        (f"/push/silent/{TOKEN}", "its address names no account that takes pushes"),
        (f"/push/nobody/{TOKEN}", "its address names no account that takes pushes"),
        (f"/push/{TOKEN}", "its address names no account that takes pushes"),
    ],
)
def test_a_stranger_is_told_to_come_again(
    url: str, receiver: Receiver, store: Store, caplog: pytest.LogCaptureFixture, path: str, why: str
) -> None:
    """A wrong address is answered as trouble is, so that neither a stranger nor the gateway takes it for success."""
    answer = requests.post(url + path, box(A), timeout=30)
    assert (answer.status_code, answer.content) == (200, b"error")
    assert kept(store) == []
    assert why in caplog.text
    assert sum(receiver.outcomes.values()) == 1
    assert {outcome for _, outcome in receiver.outcomes} == {"refused"}


def test_the_gateway_with_a_token_of_yesterday_loses_nothing(url: str, gateway: LocalGateway, store: Store) -> None:
    """With a token that is not valid any more it tries three times and knows that nothing was stored."""
    gateway.inbound(sender=A, text="收到")
    gateway.account(push_url=f"{url}/push/clinic/the-token-of-yesterday")
    assert gateway.push()["inbound"] == {"count": 1, "tries": 3, "stored": False}
    assert store.arrivals() == []


@pytest.mark.parametrize(
    ("peer", "forwarded", "let_in"),
    [
        ("203.0.113.9", "", True),
        ("::ffff:203.0.113.9", "", True),
        ("198.51.100.7", "", False),
        ("198.51.100.7", "203.0.113.9", False),
        ("10.0.0.2", "203.0.113.9", True),
        ("10.0.0.2", "203.0.113.9, 10.0.0.3", True),
        ("10.0.0.2", "203.0.113.9, 198.51.100.7", False),
        ("10.0.0.2", "203.0.113.9:4711", True),
        ("10.0.0.2", "[2001:db8::9]:4711", True),
        ("10.0.0.2", "unknown", False),
        ("10.0.0.2", "", False),
        ("", "203.0.113.9", False),
    ],
)
def test_who_is_on_the_list(file: Path, peer: str, forwarded: str, *, let_in: bool) -> None:
    """Only the addresses of ``push.allow`` are let in; X-Forwarded-For is believed of ``server.proxies`` alone."""
    settings = configuration(f"sqlite:///{file}", allow=["203.0.113.0/24", "2001:db8::/32"])
    settings["server"] = {"proxies": ["10.0.0.0/8"]}
    with Notifier.from_mapping(settings) as notifier:
        receiver = Receiver(notifier)
        headers = {"x_forwarded_for": forwarded} if forwarded else {}
        assert receiver.answer(pushing(box(A), **headers), peer).body == (b"1" if let_in else b"error")
        receiver.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_is_a_push(url: str, method: str) -> None:
    """Any other method is told so, whether the token is right or not."""
    answers = [
        requests.request(method, f"{url}/push/clinic/{token}", timeout=30)
        for token in (TOKEN, "another-word-altogether")
    ]
    assert [(each.status_code, each.headers["allow"]) for each in answers] == [(405, "POST")] * 2


def test_the_token_is_written_nowhere(
    url: str, receiver: Receiver, store: Store, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No log, no repr and nothing in the store has a token, nor what proves who the web server's users are."""
    headers = {"cookie": "session=of-somebody", "authorization": "Basic c2VjcmV0", "user-agent": "gateway/1"}
    requests.post(f"{url}/push/clinic/{TOKEN}?x={NEWER}", box(A), headers=headers, timeout=30)
    requests.post(f"{url}/push/clinic/{NEWER}x", box(A), headers=headers, timeout=30)
    (payload,) = store.payloads()
    request = json.dumps(store.payload(payload.id).request)
    assert "gateway/1" in request
    store.close()
    written = b"".join(each.read_bytes() for each in file.parent.glob("notify.db*"))
    records = (record for record in caplog.records if not record.name.startswith("urllib3"))  # the client's own
    logged = "".join(f"{record.__dict__}" for record in records)
    for secret in (TOKEN, NEWER, "of-somebody", "c2VjcmV0"):
        assert secret not in request + logged + repr(receiver)
        assert secret.encode() not in written


# --- bodies


def test_a_body_of_the_largest_size(url: str, store: Store) -> None:
    """A body of 8 MiB is taken."""
    assert post(url, b"x" * LARGEST) == b"1"
    assert kept(store) == ["unreadable"]


@pytest.mark.parametrize("size", [LARGEST + 1, 3 * LARGEST])
def test_too_large_a_body(url: str, store: Store, caplog: pytest.LogCaptureFixture, size: int) -> None:
    """A larger one is read to its end, so that the gateway hears the answer: again."""
    assert post(url, b"x" * size) == b"error"
    assert kept(store) == []
    assert "its body is larger than 8 MiB" in caplog.text


def begun(url: str, promised: int = 1000) -> socket.socket:
    """A push of which only the beginning was written."""
    host, _, port = url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    head = f"POST /push/clinic/{TOKEN} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {promised}\r\n\r\n"
    connection.sendall(head.encode() + box(A))
    return connection


def test_a_body_that_does_not_come(notifier: Notifier, store: Store) -> None:
    """Who is too slow with the body is told to come again."""
    with served(Receiver(notifier, patience=0.2)) as url, begun(url) as slow, HTTPResponse(slow) as answer:
        answer.begin()
        assert (answer.status, answer.read()) == (200, b"error")
    assert kept(store) == []


def test_a_client_that_goes_away(url: str, receiver: Receiver, store: Store) -> None:
    """A push that is cut off in its body is not stored, and is counted."""
    begun(url).close()
    until(lambda: receiver.outcomes == {("clinic", "again"): 1})
    assert kept(store) == []


# --- trouble


def test_a_defect_of_ours(
    url: str, receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails on the way to the disk, the gateway is told to come again; the log does not quote what came."""

    def broken(*_: object) -> bytes:
        raise RuntimeError("quoting 13800000001")

    monkeypatch.setattr(Mailbox, "take", broken)
    assert post(url, box(A)) == b"error"
    assert receiver.outcomes == {("clinic", "again"): 1}
    assert "RuntimeError at" in caplog.text
    assert "quoting" not in caplog.text


def test_too_many_at_once(url: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """More pushes than the store can take at a time are told to come again, instead of filling the memory."""
    monkeypatch.setattr(module, "_WAITING", 0)
    assert post(url, box(A)) == b"error"
    assert kept(store) == []


def test_a_closed_receiver_goes_on_where_it_is_asked_again(receiver: Receiver) -> None:
    """Closing waits for what is being stored; a push that comes later is taken all the same."""
    assert said(receiver, box(A)) == b"1"
    receiver.close()
    assert said(receiver, box(B)) == b"1"


# --- beginning


def test_nothing_to_receive(file: Path) -> None:
    """Without an account that takes pushes there is no receiver, and the error says what to do."""
    settings = configuration(f"sqlite:///{file}")
    silent = Notifier.from_mapping({**settings, "accounts": {"clinic": settings["accounts"]["silent"]}})
    with silent as notifier, pytest.raises(ConfigError, match="no account takes pushes: give one `push:"):
        Receiver(notifier)


def test_what_is_no_http_is_turned_away(receiver: Receiver) -> None:
    """As an application of its own it says yes to lifespan, and closes a websocket."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(receiver({"type": "lifespan"}, receive, send))
    asyncio.run(receiver({"type": "websocket"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]


def test_pushes_of_many_threads(receiver: Receiver, store: Store) -> None:
    """Pushes at the same time are each stored once."""
    answers: list[bytes] = []
    bodies = [box(A, task=str(number)) for number in range(24)]
    threads = [threading.Thread(target=lambda body=body: answers.append(said(receiver, body))) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [b"1"] * 24
    assert len(store.parked()) == 24
    assert receiver.outcomes == {("clinic", "stored"): 24}


def test_the_function_takes_a_mounted_path(receiver: Receiver, store: Store) -> None:
    """What counts of a path are its last two parts, under whatever prefix the application has it."""
    paths = [f"/hooks/sms/clinic/{TOKEN}", f"/clinic/{TOKEN}/", f"clinic/{TOKEN}"]
    assert [receiver.answer(Request("POST", path, body=box(A, task=path)), "").body for path in paths] == [b"1"] * 3
    assert kept(store) == ["applied"] * 3

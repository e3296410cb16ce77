"""The mailbox of a notifier: what gateways hand out once is on disk before it is read, and is applied in the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from notify_core import Notifier, Sms, State
from notify_core.errors import InvalidMessage, SendError, StoreError, UnreadableReply, Unsupported
from notify_core.exchange import Request
from notify_core.hookspecs import hookimpl
from notify_core.mailbox import Unkept
from notify_core.store import Payload, Store
from tests.core.gateway import Act, Gateway, cut, head, says
from tests.durable import paged
from tests.durable.shop import number

NOTHING = '{"error":"1","remark":"成功","statusbox":[]}'


def box(which: int, task: str = "T1", word: str = "DELIVRD") -> dict[str, str]:
    """A report as the gateway writes it in JSON."""
    mobile = number(which).removeprefix("+86")
    return {"mobile": mobile, "taskid": task, "receivetime": "2026-11-22 09:00:00", "errorcode": word}


def boxes(*found: Mapping[str, str]) -> str:
    """An answer with reports."""
    return json.dumps({"error": "1", "remark": "成功", "statusbox": list(found)})


def calls(*texts: str) -> str:
    """An answer with inbound messages that have no time."""
    found = [{"mobile": number(1)[3:], "taskid": "", "content": text, "receivetime": "", "extno": ""} for text in texts]
    return json.dumps({"error": "1", "remark": "成功", "callbox": found})


def accepts(task: str) -> Act:
    """Take a submission under that task id."""
    return says(
        json.dumps(
            {"returnstatus": "Success", "message": "操作成功", "remainpoint": "9", "taskID": task, "successCounts": "1"}
        )
    )


@pytest.fixture
def clinic(url: str, gateway: Gateway) -> Iterator[Notifier]:
    """A notifier with an account of ipyy at the gateway."""
    with Notifier.from_mapping(configuration(url, gateway)) as notifier:
        yield notifier


def configuration(url: str, gateway: Gateway, **account: Any) -> dict[str, Any]:
    """One account of ipyy with a store."""
    settings = {"provider": "ipyy", "base_url": gateway.url, "account": "a", "password": "sesame"}
    return {
        "default_region": "CN",
        "store": url,
        "accounts": {"clinic": settings | account},
        "routes": {"default": ["clinic.json"]},
    }


def plays(gateway: Gateway, *acts: Act) -> None:
    """Let the gateway answer so from now on."""
    gateway.script[:] = acts


@contextmanager
def failing(store: Store, method: str, times: int = 1) -> Iterator[None]:
    """Let a method of the store fail as it does with a full disk, so many times."""
    whole: Callable[..., Any] = getattr(store, method)
    left = [None] * times

    def fails(*arguments: Any, **facts: Any) -> Any:
        if left:
            left.pop()
            raise StoreError("the disk is full")
        return whole(*arguments, **facts)

    setattr(store, method, fails)
    try:
        yield
    finally:
        delattr(store, method)


def push(body: str, **facts: Any) -> Request:
    """What the gateway posts."""
    return Request("POST", "/push/clinic", body=body.encode(), **facts)


def xml(*which: int, task: str = "T1") -> str:
    """Reports as the gateway pushes them."""
    found = (
        f"<statusbox><mobile>{number(each)[3:]}</mobile><taskid>{task}</taskid><status>10</status>"
        "<receivetime>2026-11-22 09:00:00</receivetime><errorcode>DELIVRD</errorcode></statusbox>"
        for each in which
    )
    return f"<returnsms>{''.join(found)}</returnsms>"


# --- pulling


def test_reports_are_applied(clinic: Notifier, gateway: Gateway) -> None:
    """Reports that are fetched move their deliveries, are told as news once, and leave one payload."""
    store = clinic.outbox.store
    plays(gateway, accepts("T1"), says(boxes(box(1), box(1), box(2))), says(boxes(box(1))), says(NOTHING))
    clinic.send(Sms(to=number(1), text="您的验证码：1439"))
    pulled = clinic.mailbox.pull_reports("clinic")
    assert ([report.recipient for report in pulled.news], pulled.came) == ([number(1), number(2)], 3)
    assert [stored.state for stored in store.deliveries()] == [State.DELIVERED]
    assert (clinic.reports("clinic"), clinic.reports("clinic", "T1")) == ([], [])
    assert [kept.state for kept in store.payloads()] == ["applied", "applied"]
    assert b"taskid=T1" in gateway.received[-1].body


def test_nothing_leaves_nothing(clinic: Notifier, gateway: Gateway) -> None:
    """A pull in which nothing is, or that the gateway refuses, leaves no payload."""
    plays(gateway, says(NOTHING), says('{"error":"1005","remark":"密码错了","statusbox":[]}'), says("busy", status=503))
    assert clinic.reports("clinic") == []
    for _ in range(2):
        with pytest.raises(SendError):
            clinic.reports("clinic")
    assert clinic.outbox.store.payloads() == []


def test_on_disk_before_it_is_read(url: str, gateway: Gateway) -> None:
    """A reply is kept before the plugin's hook sees it: a process that dies in it loses nothing."""
    seen: list[bytes] = []

    class Dying:
        @hookimpl(wrapper=True)
        def status(self) -> Iterator[None]:
            yield
            with Store(url) as other:
                seen.extend(other.payload(kept.id).body for kept in other.payloads())
            raise SystemExit

    with Notifier.from_mapping(configuration(url, gateway), Dying()) as notifier:
        plays(gateway, says(boxes(box(1))))
        with pytest.raises(SystemExit):
            notifier.reports("clinic")
    assert seen == [boxes(box(1)).encode()]
    with Notifier.from_mapping(configuration(url, gateway)) as another:
        store = another.outbox.store
        assert [kept.state for kept in store.payloads()] == ["waiting"]
        later(store)
        assert another.mailbox.settle() == 1
        assert [parked.report.recipient for parked in store.parked()] == [number(1)]


def test_inbound_is_applied(clinic: Notifier, gateway: Gateway) -> None:
    """Messages from subscribers are kept and returned, and those who want no more are put on the list."""
    plays(gateway, says(calls("谢谢", " td ")), says(calls("谢谢")))
    assert [message.text for message in clinic.inbound("clinic")] == ["谢谢", " td "]
    assert [message.text for message in clinic.inbound("clinic")] == ["谢谢"]
    store = clinic.outbox.store
    assert [out.recipient for out in store.opt_outs("clinic")] == [number(1)]
    assert len(store.arrivals()) == 3


def test_hooks_are_left_to_a_worker(url: str, gateway: Gateway) -> None:
    """With a store, listeners are not told by who pulls: what is to be told is noted, for them and for webhooks."""
    heard: list[object] = []

    class Listener:
        @hookimpl
        def reported(self, report: object) -> None:
            heard.append(report)

    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    hooks = {
        "shop": {"url": "https://127.0.0.1/a", "secrets": [key], "events": ["reported"]},
        "other": {"url": "https://127.0.0.1/b", "secrets": [key], "accounts": ["backup"]},
    }
    settings = configuration(url, gateway) | {"webhooks": hooks}
    settings["accounts"]["backup"] = settings["accounts"]["clinic"]
    with Notifier.from_mapping(settings, Listener()) as notifier:
        plays(gateway, accepts("T1"), says(boxes(box(1))))
        notifier.send(Sms(to=number(1), text="您的验证码：1439"))
        assert len(notifier.reports("clinic")) == 1
        notices = notifier.outbox.store.notices(["", "shop", "other"])
    assert heard == []
    assert [notice.target for notice in notices] == ["", "shop"]


def test_unreadable_answer(clinic: Notifier, gateway: Gateway) -> None:
    """What cannot be read is kept, marked with why, and named to who asked; nothing of it is shown."""
    plays(gateway, says("<html>13800000001</html>"))
    with pytest.raises(UnreadableReply) as caught:
        clinic.reports("clinic")
    (kept,) = clinic.outbox.store.payloads()
    assert (kept.state, kept.account, kept.transport, kept.hook) == ("unreadable", "clinic", "json", "status")
    assert kept.error == str(caught.value)
    assert "13800000001" not in kept.error
    assert caught.value.payload == b""
    assert f"kept as payload {kept.id}" in caught.value.__notes__[0]
    assert clinic.outbox.store.payload(kept.id).body == b"<html>13800000001</html>"


def test_replay_after_an_upgrade(clinic: Notifier, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload that a newer plugin can read is replayed, once, without asking the gateway again."""
    from notify_ipyy import replies

    plays(gateway, accepts("T1"), says("#" + boxes(box(1))))
    clinic.send(Sms(to=number(1), text="您的验证码：1439"))
    with pytest.raises(UnreadableReply):
        clinic.reports("clinic")
    (kept,) = clinic.outbox.store.payloads(["unreadable"])
    with pytest.raises(UnreadableReply):
        clinic.mailbox.replay(kept.id)
    read = replies.read
    monkeypatch.setattr(replies, "read", lambda body: read(body.removeprefix(b"#")))
    asked = len(gateway.received)
    applied = clinic.mailbox.replay(kept.id)
    assert (len(applied.reports), applied.moved) == (1, 1)
    assert (clinic.mailbox.replay(kept.id).reports, len(gateway.received)) == ((), asked)
    assert [kept.state for kept in clinic.outbox.store.payloads()] == ["applied"]


def test_answer_that_breaks_off(clinic: Notifier, gateway: Gateway) -> None:
    """What came of an answer that broke off is kept too: the gateway may not hand it out again."""
    whole = boxes(box(1)).encode()

    plays(gateway, cut(head(200, {"Content-Length": f"{len(whole) + 9}"}) + whole))
    with pytest.raises(UnreadableReply):
        clinic.reports("clinic")
    (kept,) = clinic.outbox.store.payloads(["unreadable"])
    assert clinic.outbox.store.payload(kept.id).body == whole
    assert len(clinic.mailbox.replay(kept.id).reports) == 1


def test_store_that_fails_while_pulling(clinic: Notifier, gateway: Gateway) -> None:
    """Where what came cannot be stored, it is handed to the caller, who has it kept and applied later."""
    mailbox, store = clinic.mailbox, clinic.outbox.store
    plays(gateway, accepts("T1"), says(boxes(box(1))))
    clinic.send(Sms(to=number(1), text="您的验证码：1439"))
    with failing(store, "keep", 2):
        with pytest.raises(Unkept, match="the disk is full") as caught:
            mailbox.pull_reports("clinic")
        (payload,) = caught.value.payloads
        assert payload.body == boxes(box(1)).encode()
        with pytest.raises(StoreError):
            mailbox.keep(payload)
        assert store.payloads() == []
        assert mailbox.keep(payload).moved == 1
    assert [stored.state for stored in store.deliveries()] == [State.DELIVERED]


def test_store_that_fails_unseen(url: str, gateway: Gateway) -> None:
    """A plugin that swallows the store's failure cannot hide it."""

    class Swallowing:
        @hookimpl(wrapper=True)
        def status(self) -> Iterator[None]:
            try:
                return (yield)
            except StoreError:
                return []  # type: ignore[return-value]

    with Notifier.from_mapping(configuration(url, gateway), Swallowing()) as notifier:
        plays(gateway, says(boxes(box(1))))
        with failing(notifier.outbox.store, "keep"), pytest.raises(Unkept):
            notifier.reports("clinic")


def test_store_that_fails_while_applying(clinic: Notifier, gateway: Gateway) -> None:
    """What is kept and could not be applied is applied by whoever settles, once it has waited for a minute."""
    store = clinic.outbox.store
    plays(gateway, accepts("T1"), says(boxes(box(1))))
    clinic.send(Sms(to=number(1), text="您的验证码：1439"))
    with failing(store, "apply"), pytest.raises(StoreError, match="the disk is full"):
        clinic.reports("clinic")
    assert [kept.state for kept in store.payloads()] == ["waiting"]
    assert clinic.mailbox.settle() == 0
    later(store)
    assert clinic.mailbox.settle() == 1
    assert [stored.state for stored in store.deliveries()] == [State.DELIVERED]
    assert clinic.mailbox.settle() == 0


def later(store: Store) -> None:
    """Let what is kept have been there for two minutes."""
    with store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE notify_payloads SET received = received - 120")


def test_settle_after_a_crash(clinic: Notifier) -> None:
    """Settling applies what was readable, marks what is not or is nobody's, and forgets what is empty."""
    store = clinic.outbox.store

    def kept(body: str, dialect: str = "json", account: str = "clinic") -> int:
        reply = {"status": 200, "headers": {}, "length": len(body.encode())}
        request = {"task_id": "", "replies": [reply]}
        return store.keep(
            Payload(
                account=account,
                transport=dialect,
                origin="pull",
                hook="status",
                request=request,
                body=body.encode(),
            )
        )

    readable, unreadable, gone, empty = kept(boxes(box(1))), kept("<html>"), kept("", account="gone"), kept(NOTHING)
    later(store)
    assert clinic.mailbox.settle() == 2
    assert {each.id: each.state for each in store.payloads()} == {
        readable: "applied",
        unreadable: "unreadable",
        gone: "unreadable",
    }
    assert empty not in {each.id for each in store.payloads()}
    assert "gone" in store.payload(gone).error
    with pytest.raises(InvalidMessage, match=r"no path 'gone\.json'"):
        clinic.mailbox.replay(gone)


def test_settle_matches(clinic: Notifier, gateway: Gateway) -> None:
    """Settling looks at reports again that came before their submission was recorded."""
    plays(gateway, says(boxes(box(1))), accepts("T1"))
    assert len(clinic.reports("clinic")) == 1
    clinic.send(Sms(to=number(1), text="您的验证码：1439"))
    assert clinic.mailbox.settle() == 1
    assert [stored.state for stored in clinic.outbox.store.deliveries()] == [State.DELIVERED]


def test_several_replies_of_one_pull(url: str, gateway: Gateway) -> None:
    """The replies of one pull are one payload; replaying it gives them to the plugin again, each with its headers."""
    settings = configuration(url, gateway) | {"transports": {"paged.json": "tests.durable.paged"}}
    settings["accounts"]["clinic"] = {"provider": "paged", "base_url": gateway.url}
    with Notifier.from_mapping(settings) as notifier:
        store = notifier.outbox.store
        plays(gateway, says(f"{number(1)} {number(2)}", X_More="1"), says(number(3)))
        assert len(notifier.reports("clinic")) == 3
        (kept,) = store.payloads()
        assert notifier.mailbox.replay(kept.id).came == 3
        plays(gateway, says(number(4), X_More="1"), says("busy", status=503))
        with pytest.raises(SendError):
            notifier.reports("clinic")
        assert store.payloads()[0].state == "unreadable"
        plays(gateway, says(number(5), X_More="1"), says(number(6)))
        with failing(store, "extend"), pytest.raises(Unkept) as caught:
            notifier.reports("clinic")
        assert len(notifier.mailbox.keep(caught.value.payloads[0]).reports) == 2
        assert [kept.state for kept in store.payloads()] == ["applied", "unreadable", "applied"]


def test_reports_from_elsewhere(url: str, gateway: Gateway) -> None:
    """What a plugin has from elsewhere than the session that it is given is applied too."""
    settings = configuration(url, gateway) | {"transports": {"paged.json": "tests.durable.paged"}}
    settings["accounts"]["clinic"] = {"provider": "paged", "base_url": gateway.url}
    with Notifier.from_mapping(settings) as notifier:
        paged.AT_HAND.append(number(1))
        (report,) = notifier.reports("clinic")
        assert report.recipient == number(1)
        assert [kept.state for kept in notifier.outbox.store.payloads()] == ["applied"]
        assert not gateway.received


@pytest.mark.parametrize("given", ["nothing", "a text", "no number"])
def test_plugin_that_gives_nonsense(url: str, gateway: Gateway, given: str) -> None:
    """What a plugin reads wrongly is kept, and marked."""
    settings = configuration(url, gateway) | {"transports": {"paged.json": "tests.durable.paged"}}
    settings["accounts"]["clinic"] = {"provider": "paged", "base_url": gateway.url}
    with Notifier.from_mapping(settings) as notifier:
        plays(gateway, says(f"nonsense {given}"))
        with pytest.raises(UnreadableReply):
            notifier.reports("clinic")
        assert [kept.state for kept in notifier.outbox.store.payloads()] == ["unreadable"]


# --- pushes


def test_push_is_applied(clinic: Notifier, gateway: Gateway) -> None:
    """A push is kept, applied, and answered in the provider's word; its 3 tries are news once."""
    plays(gateway, accepts("T1"))
    clinic.send(Sms(to=number(1), text="您的验证码：1439"))
    assert [clinic.mailbox.take("clinic", push(xml(1))) for _ in range(3)] == [b"1"] * 3
    store = clinic.outbox.store
    assert [stored.state for stored in store.deliveries()] == [State.DELIVERED]
    assert len(store.notices()) == 1


def test_push_of_four_thousand_boxes(clinic: Notifier) -> None:
    """4,000 boxes in one push are all news, and all kept."""
    assert clinic.mailbox.take("clinic", push(xml(*range(4000)))) == b"1"
    assert len(clinic.outbox.store.parked(most=5000)) == 4000


def test_push_that_cannot_be_stored(clinic: Notifier) -> None:
    """Where a push cannot be stored, the provider is told to try again, and nothing of it is there."""
    store = clinic.outbox.store
    with failing(store, "keep"):
        assert clinic.mailbox.take("clinic", push(xml(1))) == b"error"
    assert store.payloads() == []


def test_push_that_cannot_be_applied(clinic: Notifier) -> None:
    """A push that is on disk is answered as stored, whether it can be applied or read now or not."""
    store = clinic.outbox.store
    with failing(store, "apply"):
        assert clinic.mailbox.take("clinic", push(xml(1))) == b"1"
    assert clinic.mailbox.take("clinic", push("<html>")) == b"1"
    with failing(store, "unreadable"):
        assert clinic.mailbox.take("clinic", push("<html>")) == b"1"
    assert [kept.state for kept in store.payloads()] == ["waiting", "unreadable", "waiting"]


def test_empty_push(clinic: Notifier) -> None:
    """A push in which nothing is is stored well enough, and leaves nothing behind."""
    assert clinic.mailbox.take("clinic", push("<returnsms></returnsms>")) == b"1"
    assert clinic.outbox.store.payloads() == []


def test_push_is_kept_without_secrets(url: str, gateway: Gateway) -> None:
    """What is kept of a push has no token, no password and no header that proves who sent it."""
    token = "0123456789abcdef"
    with Notifier.from_mapping(configuration(url, gateway, push={"tokens": [token]})) as notifier:
        headers = {"authorization": "Basic x", "cookie": "a=b", "content-type": "text/xml", "x-token": f"is {token}"}
        request = Request("POST", f"/push/clinic/{token}", f"key={token}&a=sesame", headers, xml(1).encode())
        assert notifier.mailbox.take("clinic", request) == b"1"
        (kept,) = notifier.outbox.store.payloads()
        payload = notifier.outbox.store.payload(kept.id)
    assert payload.request == {
        "method": "POST",
        "path": "/push/clinic/***",
        "query": "key=***&a=***",
        "headers": {"content-type": "text/xml", "x-token": "is ***"},
    }


def test_push_to_nobody(clinic: Notifier) -> None:
    """A push to an account that is not there, or that takes none, is not kept."""
    with pytest.raises(InvalidMessage, match="no account 'clinik'"):
        clinic.mailbox.take("clinik", push(xml(1)))
    assert clinic.outbox.store.payloads() == []


def test_push_to_a_provider_without(url: str, gateway: Gateway) -> None:
    """A push to an account whose provider pushes nothing is not kept."""
    settings = configuration(url, gateway) | {"transports": {"paged.json": "tests.durable.paged"}}
    settings["accounts"]["clinic"] = {"provider": "paged", "base_url": gateway.url}
    with Notifier.from_mapping(settings) as notifier, pytest.raises(Unsupported, match="no transport of account"):
        notifier.mailbox.take("clinic", push(xml(1)))

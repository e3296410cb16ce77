"""``notify outbox payloads|replay``, and ``notify reports|inbound`` with a store."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from notify_core.errors import StoreError
from notify_core.sandbox import LocalGateway
from notify_core.store import Payload, Store
from notify_ipyy import replies
from tests.cli.shell import TEXT, notify

NUMBER = "13800000001"
BOX = f'{{"mobile":"{NUMBER}","taskid":"T1","receivetime":"2026-11-22 09:00:00","errorcode":"DELIVRD"}}'
SPOILT = f'#{{"error":"1","remark":"","statusbox":[{BOX}]}}'.encode()


def keep(store: Store, body: bytes = SPOILT, **facts: Any) -> int:
    """Keep what a pull of reports answered."""
    request = {"task_id": "", "replies": [{"status": 200, "headers": {}, "length": len(body)}]}
    same: dict[str, Any] = {"account": "clinic", "transport": "json", "origin": "pull", "hook": "status"}
    return store.keep(Payload(request=request, body=body, **same | facts))


def unread(store: Store) -> int:
    """Keep what nobody could read."""
    number = keep(store)
    store.unreadable(number, "not JSON")
    return number


def outbox(*args: str) -> Any:
    """What a command of the family gives as JSON."""
    return json.loads(notify("outbox", *args, "--json").out)


def test_payloads_are_listed(store: Store) -> None:
    """What waits or cannot be read is listed with why, without what it says; what is applied where it is asked for."""
    first, waiting, pushed = unread(store), keep(store), keep(store, origin="push", hook="push")
    applied = keep(store)
    store.apply(applied, [])
    ended = notify("outbox", "payloads")
    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.splitlines()[1:4]] == [f"{pushed}", f"{waiting}", f"{first}"]
    assert "pull of reports" in ended.out
    assert "not JSON" in ended.out
    assert "`notify outbox replay ID`" in ended.out
    assert NUMBER not in ended.out
    assert [each["id"] for each in outbox("payloads", "--state", "unreadable", "applied")["payloads"]] == [
        applied,
        first,
    ]


def test_payloads_in_pages(store: Store) -> None:
    """A long list is told in pages."""
    ids = [unread(store) for _ in range(3)]
    page = outbox("payloads", "--most", "2")
    assert [each["id"] for each in page["payloads"]] == ids[:0:-1]
    rest = outbox("payloads", "--most", "2", "--below", str(page["next_below"]))
    assert ([each["id"] for each in rest["payloads"]], rest["next_below"]) == (ids[:1], None)
    assert "There are older ones: add --below" in notify("outbox", "payloads", "--most", "2").out


@pytest.mark.usefixtures("store")
def test_no_payloads() -> None:
    """Where there is nothing, that is said."""
    assert notify("outbox", "payloads").out == "No payload fits.\n"
    assert notify("outbox", "replay", "--all").out == "There is nothing to replay.\n"


def test_replay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload that still cannot be read stays, and the command ends with 1; one that can is applied."""
    number = unread(store)
    ended = notify("outbox", "replay", str(number))
    assert ended.code == 1
    assert ended.out.startswith(f"Payload {number} is as it was: ")
    failed = outbox("replay", str(number))["replayed"][0]
    assert (failed["id"], failed["error"]["kind"]) == (number, "UnreadableReply")
    read = replies.read
    monkeypatch.setattr(replies, "read", lambda body: read(body.removeprefix(b"#")))
    ended = notify("outbox", "replay", str(number))
    assert ended.out == (
        f"Payload {number} is applied: 1 report and 0 inbound messages of 1 were news; 0 deliveries changed.\n"
    )
    news = {"reports": 0, "inbound": 0}
    expected = {"id": number, "came": 1, "news": news, "moved": 0, "opted_out": 0}
    assert outbox("replay", str(number)) == {"replayed": [expected]}


def test_replay_of_all(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is not applied is replayed, the oldest first; one that fails keeps none of the others back."""
    bad, good = keep(store, b"<html>"), unread(store)
    read = replies.read
    monkeypatch.setattr(replies, "read", lambda body: read(body.removeprefix(b"#")))
    ended = notify("outbox", "replay", "--all", "--json")
    assert ended.code == 1
    first, second = json.loads(ended.out)["replayed"]
    assert ((first["id"], "error" in first), (second["id"], second["news"]["reports"])) == ((bad, True), (good, 1))


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("args", [(), ("17", "--all")])
def test_replay_of_what(args: tuple[str, ...]) -> None:
    """One payload or all of them: not both, and not none."""
    ended = notify("outbox", "replay", *args)
    assert ended.code == 2
    assert "give either the id of a payload or --all" in ended.err


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("content", ["", "[]", "{}", '{"request": {}, "account": 1}', None])
def test_replay_of_another_file(folder: Path, content: str | None) -> None:
    """A file that is not there, or that has no payload, ends with 2; what to give is said."""
    if content is not None:
        (folder / "some.json").write_text(content)
    ended = notify("outbox", "replay", "some.json")
    assert ended.code == 2
    assert ended.err.startswith("some.json: ")


@pytest.mark.usefixtures("store")
def test_replay_of_nothing() -> None:
    """A payload that is not there ends with 2, and where to look is said."""
    ended = notify("outbox", "replay", "99999")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "there is no payload 99999: `notify outbox payloads` shows those there are\n"


def test_list_mentions_the_unreadable(store: Store) -> None:
    """A list of deliveries ends with how many payloads could not be read."""
    assert "payload" not in notify("outbox", "list").out
    unread(store)
    assert "1 payload could not be read: `notify outbox payloads` shows why." in notify("outbox", "list").out
    assert outbox("list")["payloads"] == {"waiting": 0, "unreadable": 1}


# --- reports and inbound messages with a store


def sent() -> int:
    """Send a message: the id of its delivery."""
    shown = notify("send", "--to", NUMBER, "--text", TEXT, "--json")
    return int(json.loads(shown.out)["deliveries"][0]["id"])


def test_reports_with_a_store(outbox: LocalGateway) -> None:
    """Reports that are fetched are shown once, and move their deliveries; the timeline tells of them."""
    delivery = sent()
    outbox.settle()
    shown = json.loads(notify("reports", "clinic", "--json").out)
    assert [each["state"] for each in shown["reports"]] == ["delivered"]
    assert notify("reports", "clinic").out == "No reports are waiting for clinic.\n"
    told = notify("outbox", "show", str(delivery)).out
    assert "The gateway reports that the phone has it. Code DELIVRD." in told


def test_opt_out_with_a_store(outbox: LocalGateway) -> None:
    """An inbound message with a word of the account opts its sender out."""
    outbox.inbound(sender=NUMBER, text="TD")
    assert NUMBER in notify("inbound", "clinic").out
    assert json.loads(notify("optout", "list", "--json").out)["opt_outs"][0]["word"] == "TD"


def test_reports_that_no_store_takes(outbox: LocalGateway, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the store cannot take what came, it is kept in a file that only its owner reads, and that is said."""

    def full(*_: object) -> int:
        raise StoreError("the disk is full")

    sent()
    outbox.settle()
    monkeypatch.setattr(Store, "keep", full)
    ended = notify("reports", "clinic")
    assert ended.code == 2
    assert "the disk is full" in ended.err
    (file,) = folder.glob("notify-unkept-*.json")
    assert (file.name in ended.err, file.stat().st_mode & 0o777) == (True, 0o600)
    document = json.loads(file.read_bytes())
    assert NUMBER in base64.b64decode(document["body"]).decode()
    assert (document["account"], document["hook"]) == ("clinic", "status")
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    ended = notify("outbox", "replay", file.name)
    assert ended.code == 0
    assert ended.out.endswith("1 report and 0 inbound messages of 1 were news; 1 delivery changed.\n")
    assert not file.exists()

"""``notify outbox``, and ``notify send`` with a store."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from notify_core import Sms, narration
from notify_core.cli import times
from notify_core.cli.exits import Misuse
from notify_core.sandbox import LocalGateway
from notify_core.states import State
from notify_core.store import Entry, Event, Store, Way
from notify_core.times import shown as time_shown
from tests.cli.shell import TEXT, Ended, notify

A, B, C = "13800000001", "13800000002", "13800000003"


@pytest.fixture
def china() -> Iterator[None]:
    """A machine whose clock shows China's time."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Asia/Shanghai"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


def enqueued(*numbers: str, more: tuple[str, ...] = ()) -> list[int]:
    """Enqueue a message: the ids of its deliveries."""
    shown = notify("send", "--enqueue", "--to", *numbers, "--text", TEXT, "--json", *more)
    assert shown.code == 0, shown.err
    return [each["id"] for each in json.loads(shown.out)["deliveries"]]


def in_doubt(gateway: LocalGateway, number: str = A) -> int:
    """Send a message that the gateway takes without an answer: the id of its delivery."""
    gateway.fault("smsJson.aspx:cut-after:times=1")
    return sent(3, number, via="clinic.json")


def rejected(number: str = A) -> int:
    """Send a message that no gateway takes: the id of its delivery."""
    return sent(1, number, via="mistaken.json")


def sent(code: int, number: str, via: str) -> int:
    """Send a message at once, which must end with ``code``: the id of its delivery."""
    shown = notify("send", "--to", number, "--text", TEXT, "--via", via, "--json")
    assert shown.code == code
    return int(json.loads(shown.out)["deliveries"][0]["id"])


def listed(*args: str) -> list[int]:
    """The ids that ``outbox list`` gives."""
    return [each["id"] for each in json.loads(notify("outbox", "list", "--json", *args).out)["deliveries"]]


def shown(number: int) -> dict[str, Any]:
    """What ``outbox show`` gives."""
    found: dict[str, Any] = json.loads(notify("outbox", "show", str(number), "--json").out)
    return found


def state_of(number: int) -> str:
    """The state of a delivery."""
    return str(shown(number)["delivery"]["state"])


# --- enqueueing


def test_an_enqueued_message_waits_in_the_store(outbox: LocalGateway) -> None:
    """With --enqueue nothing leaves; the ids are told, and how to follow them, without text or whole numbers."""
    ended = notify("send", "--enqueue", "--to", A, B, "--text", TEXT)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("Enqueued for 2 recipients: message 1, deliveries 2 to 3.\nNo worker is running: ")
    assert "`notify outbox list --message 1`" in ended.out
    assert not {A, B, TEXT} & set(ended.out.split())
    assert outbox.received == []
    assert listed("--state", "queued") == [3, 2]


@pytest.mark.usefixtures("store")
def test_a_key_enqueues_once() -> None:
    """The same message under the same key adds nothing and ends with 0; another message under it ends with 2."""
    first = enqueued(A, more=("--key", "order-7-paid"))
    again = notify("send", "--enqueue", "--to", A, "--text", TEXT, "--key", "order-7-paid")
    other = notify("send", "--enqueue", "--to", B, "--text", TEXT, "--key", "order-7-paid")
    assert again.code == 0
    assert again.out.startswith(f"Enqueued before, under the same key: message 1, delivery {first[0]}.")
    assert (other.code, other.out) == (2, "")
    assert "use a new key for a new message" in other.err
    assert listed("--key", "order-7-paid") == listed() == first


def test_a_key_sends_once(outbox: LocalGateway) -> None:
    """Without --enqueue the same key sends once too, and gives the first result again."""
    args = ("send", "--to", A, "--text", TEXT, "--key", "order-7-paid")
    first, again = notify(*args), notify(*args)
    assert (first.code, again.code) == (0, 0)
    assert again.out.startswith("1 accepted; ")
    assert len(outbox.received) == 1


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("option", [("--enqueue",), ("--key", "k")])
def test_without_a_store_nothing_can_be_enqueued(option: tuple[str, ...]) -> None:
    """Where the configuration names no store, --enqueue and --key end with 2 and say what is missing."""
    ended = notify("send", "--to", A, "--text", TEXT, *option)
    assert (ended.code, ended.out) == (2, "")
    assert "store: sqlite:///notify.db" in ended.err


@pytest.mark.usefixtures("outbox")
def test_mms_are_enqueued_too(folder: Path) -> None:
    """A multimedia message waits in the store with its files."""
    (folder / "1.txt").write_text("您的照片", "utf-8")
    ended = notify("mms", "1.txt", "--to", A, "--subject", "照片", "--via", "clinic.mms", "--enqueue")
    assert ended.code == 0
    (folder / "1.txt").unlink()
    assert listed("--via", "clinic.mms") == [2]


def test_who_enqueues_is_told_whether_a_worker_runs(store: Store, folder: Path) -> None:
    """Without one the command that starts it is told, with the configuration; with one that is not needed."""
    (folder / "notify.yaml").rename(folder / "other.yaml")
    args = ("--config", "other.yaml", "send", "--enqueue", "--to", A, "--text", TEXT)
    alone = notify(*args).out
    assert "No worker is running: `notify --config other.yaml worker` sends it; " in alone
    assert "`notify --config other.yaml outbox list --message 1` shows what becomes of it." in alone
    assert json.loads(notify(*args, "--json").out)["workers"] == 0
    store.enroll()
    assert "A worker sends it; `notify --config other.yaml outbox list" in notify(*args).out
    assert json.loads(notify(*args, "--json").out)["workers"] == 1


# --- listing


@pytest.mark.usefixtures("store")
def test_the_list_masks_numbers_and_json_does_not() -> None:
    """People see masked numbers, programs whole ones; nobody sees the text."""
    enqueued(A)
    people, programs = notify("outbox", "list"), notify("outbox", "list", "--json")
    assert "+86138****0001" in people.out
    assert A not in people.out
    assert "In the whole store: 1 queued, 0 sending, 0 in doubt." in people.out
    (found,) = json.loads(programs.out)["deliveries"]
    assert (found["recipient"], found["state"], found["route"], found["via"]) == (f"+86{A}", "queued", "default", "")
    assert "1439" not in people.out + programs.out


def test_the_list_says_that_nobody_sends(store: Store, folder: Path) -> None:
    """Where something is due and no worker runs, it says so and how to start one, with the configuration."""
    (folder / "notify.yaml").rename(folder / "my settings.yaml")
    args = ("outbox", "list", "--config", "my settings.yaml")
    assert "no worker" not in notify(*args).out
    due = datetime.now(UTC) - timedelta(minutes=7)
    store.enqueue([Entry(message=Sms(to=[f"+86{A}"], text=TEXT), way=Way("default"), due=due)])
    assert notify(*args).out.endswith(
        "Deliveries have been due for up to 7 min, and no worker is running: "
        "`notify --config 'my settings.yaml' worker` sends them.\n"
    )
    facts = json.loads(notify(*args, "--json").out)
    assert (facts["workers"], facts["unattended"], 420 <= facts["late"] < 500) == (0, True, True)
    assert facts["untold"] == {"listeners": {"count": 0, "age": 0.0}}
    store.enroll()
    assert "no worker" not in notify(*args).out
    facts = json.loads(notify(*args, "--json").out)
    assert (facts["workers"], facts["unattended"]) == (1, False)


def test_the_list_is_filtered(outbox: LocalGateway) -> None:
    """Every filter leaves those that fit, the newest first."""
    one, two = enqueued(A, B)
    three = enqueued(A, more=("--route", "backup"))[0]
    four, five = in_doubt(outbox, C), rejected(C)
    task = json.loads(notify("send", "--to", B, "--text", TEXT, "--via", "clinic.xml", "--json").out)
    six, name = task["deliveries"][0]["id"], task["task_id"]
    assert listed() == [six, five, four, three, two, one]
    assert listed("--state", "queued") == [three, two, one]
    assert listed("--state", "in_doubt", "rejected") == [five, four]
    assert listed("--to", A) == [three, one]
    assert listed("--message", "1") == [two, one]
    assert listed("--route", "backup") == [three]
    assert listed("--via", "clinic.json") == listed("--path", "clinic.json") == [four]
    assert listed("--path", "clinic") == [six, four]
    assert listed("--task-id", name) == [six]
    assert listed("--since", "1h") == listed()
    assert listed("--since", "2100-01-01") == listed("--key", "none") == []
    assert "No delivery fits." in notify("outbox", "list", "--since", "2100-01-01T09:00Z").out


@pytest.mark.usefixtures("store")
def test_the_list_has_pages() -> None:
    """Where there are more, the option for the next page is told; the last page tells of none."""
    ids = enqueued(A, B, C)
    first = notify("outbox", "list", "--most", "2")
    assert f"There are older ones: add --below {ids[1]}" in first.out
    page = json.loads(notify("outbox", "list", "--most", "2", "--json").out)
    rest = json.loads(notify("outbox", "list", "--most", "2", "--below", str(page["next_below"]), "--json").out)
    assert [each["id"] for each in page["deliveries"] + rest["deliveries"]] == ids[::-1]
    assert rest["next_below"] is None


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    "args", [("--since", "soon"), ("--since", "999999999999d"), ("--to", "12"), ("--state", "lost"), ("--most", "0")]
)
def test_a_filter_that_cannot_be_read_ends_with_2(args: tuple[str, ...]) -> None:
    """A time, number or state that is none ends with 2."""
    assert notify("outbox", "list", *args).code == 2


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("option", "name", "hint"),
    [
        ("--route", "defualt", "no route 'defualt'; did you mean 'default'?"),
        ("--via", "clinic.jsn", "no path 'clinic.jsn'; did you mean 'clinic.json'?"),
        ("--path", "clinik", "no path 'clinik'; did you mean 'clinic'?"),
    ],
)
def test_a_misspelt_name_is_no_answer(option: str, name: str, hint: str) -> None:
    """That nothing fits a name which the configuration does not have is no fact about messages: it ends with 2."""
    refused(notify("outbox", "list", option, name), "no delivery fits", hint)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("filter_", [("--route", "default"), ("--via", "clinic.json"), ("--path", "clinic")])
def test_a_name_that_nothing_fits_is_an_answer(filter_: tuple[str, str]) -> None:
    """Nothing went along a route, by a path or an account that there is: that is told as the fact that it is."""
    assert notify("outbox", "list", *filter_).out.startswith("No delivery fits.")


def test_a_name_of_an_older_configuration_is_found(store: Store) -> None:
    """What the store has of a route that is gone is listed."""
    store.enqueue([Entry(message=Sms(to=f"+86{A}", text="hello"), way=Way(route="gone"))])
    assert listed("--route", "gone") == [2]


@pytest.mark.usefixtures("store")
def test_a_route_and_a_path_at_once_are_refused() -> None:
    """What was enqueued went along a route or by one path: a filter by both is a mistake."""
    assert "not both" in notify("outbox", "list", "--route", "default", "--via", "clinic.json").err


# --- one delivery


@pytest.mark.usefixtures("china")
def test_the_timeline_can_be_read_aloud(outbox: LocalGateway) -> None:
    """It tells in sentences and local time what was tried by which path, what came back, what it means, what to do."""
    number = in_doubt(outbox)
    told = notify("outbox", "show", str(number))
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith(f"Delivery {number} (message {number - 1}) to +86138****0001: in doubt.")
    assert "+08:00  Noted in the store. To leave by the path clinic.json." in told.out
    assert "+08:00  Tried by clinic.json: in doubt whether it was sent. " in told.out
    assert "What it means: it may have been sent, or not: the answer of clinic.json is missing." in told.out
    assert f'`notify outbox resolve {number} delivered --note "…"`' in told.out
    assert A not in told.out


def test_the_timeline_names_the_task(outbox: LocalGateway) -> None:
    """Where the gateway took the message, the timeline has its task id, for which the provider will ask."""
    number = sent(0, A, via="clinic.json")
    (taken,) = outbox.received
    found = shown(number)
    assert [event["what"] for event in found["timeline"]] == ["queued", "accepted"]
    assert found["timeline"][1]["task_id"] == taken["task_id"]
    told = notify("outbox", "show", str(number)).out
    assert f"Sent by clinic.json: the gateway took it, and calls it task {taken['task_id']}." in told
    assert f"ask the provider of clinic about task {taken['task_id']}" in told


@pytest.mark.usefixtures("outbox")
def test_the_timeline_has_the_gateways_words() -> None:
    """Where the gateway refused, the timeline has its words and code, and how to try again."""
    number = rejected()
    told = notify("outbox", "show", str(number)).out
    assert "Tried by mistaken.json: surely not sent. " in told
    assert ", code " in told
    assert f"`notify outbox retry {number}` sends it again" in told


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_meaning_and_advice(state: State) -> None:
    """No state leaves the reader without what it means and what may be done; nothing is said twice."""
    assert narration._MEANING[state].endswith(".")
    assert narration._POSSIBLE[state].endswith(".")


def test_every_event_is_a_sentence() -> None:
    """Whatever happened is told in words, and a person's or the store's reason with it."""
    at = times.ago("--since", "1s")
    unheard, refused_by = "The gateway reports that the phone did not get it", "Tried by clinic.json: surely not sent"
    facts = [
        ("delivered", "", "DELIVRD", "The gateway reports that the phone has it. Code DELIVRD."),
        ("abandoned", "", "resolved", "Resolved by a person as abandoned: asked the provider."),
        ("in_doubt", "clinic.json", "lapsed", "Became in doubt: asked the provider."),
        ("queued", "", "limit", "Kept back: asked the provider."),
        ("expired", "", "limit", "Ended without being sent: asked the provider."),
        ("suppressed", "", "opted out", "Ended without being sent: asked the provider."),
        ("undelivered", "", "expired", f"{unheard}. Asked the provider, code expired."),
        ("rejected", "clinic.json", "limit", f"{refused_by}. Asked the provider, code limit."),
        ("rejected", "clinic.json", "LIMIT", f"{refused_by}. Asked the provider, code LIMIT."),
        ("rejected", "", "asked", "Refused before anything was sent. Asked the provider."),
        ("sending", "clinic.json", "", "Sending by clinic.json began. Asked the provider."),
        ("abandoned", "", "", "Abandoned. Asked the provider."),
    ]
    for what, path, code, expected in facts:
        words = "" if code == "DELIVRD" else "asked the provider"
        assert narration.sentence(Event(at=at, what=what, path=path, code=code, description=words)) == expected


@pytest.mark.parametrize(("words", "end"), [("is it there?", "Is it there?"), ("it is not there", "It is not there.")])
def test_a_sentence_ends_once(words: str, end: str) -> None:
    """What ends with a mark of its own gets no full stop."""
    at = times.ago("--since", "1s")
    told = narration.sentence(Event(at=at, what="rejected", path="clinic.json", description=words))
    assert told == f"Tried by clinic.json: surely not sent. {end}"


def test_who_was_asleep_was_not_tried(outbox: LocalGateway, folder: Path) -> None:
    """A direct send that quiet hours refuse is told as refused: it never was in the outbox, and no path was tried."""
    now, hour = datetime.now(ZoneInfo("Asia/Shanghai")), timedelta(hours=1)
    hours = f"{now - hour:%H:%M}-{now + hour:%H:%M}"
    file = folder / "notify.yaml"
    night = f"routes:\n  night: {{paths: [clinic.json], quiet_hours: '{hours}'}}\n"
    file.write_text(file.read_text("utf-8").replace("routes:\n", night), "utf-8")
    ended = notify("send", "--to", A, "--text", TEXT, "--route", "night", "--json")
    assert ended.code == 1
    told = notify("outbox", "show", str(json.loads(ended.out)["deliveries"][0]["id"])).out
    assert "Noted in the store. To leave along the route night." in told
    assert "Refused before anything was sent. " in told
    day = f"{(now + hour).astimezone():%Y-%m-%d}"  # told in the time of who reads it, which may be another day
    assert f"Quiet hours ({hours}) where the recipient is: it could go at {day}" in told
    assert "(quiet hours)" not in notify("outbox", "list").out
    assert outbox.received == []


@pytest.mark.usefixtures("store")
def test_a_delivery_that_is_not_there_is_told() -> None:
    """An id that nothing has ends with 2."""
    ended = notify("outbox", "show", "99", "--json")
    assert ended.code == 2
    assert "there is no delivery 99" in json.loads(ended.out)["error"]["description"]


# --- acting


@pytest.mark.usefixtures("store")
def test_what_is_queued_can_be_taken_back() -> None:
    """It is cancelled, and the timeline keeps who did it."""
    one, two = enqueued(A, B)
    ended = notify("outbox", "cancel", str(one), str(two), "--note", "wrong date, says Li")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [f"Delivery {one} is cancelled.", f"Delivery {two} is cancelled."]
    assert "Taken back by a person: wrong date, says Li." in notify("outbox", "show", str(one)).out


def test_all_or_nothing_is_taken_back(outbox: LocalGateway) -> None:
    """Where one of the ids has left, none is cancelled."""
    queued, left = enqueued(A)[0], sent(0, B, via="clinic.json")
    refused(notify("outbox", "cancel", str(queued), str(left)), f"delivery {left} is accepted")
    assert state_of(queued) == "queued"
    assert len(outbox.received) == 1


@pytest.mark.parametrize("state", ["accepted", "delivered", "undelivered", "abandoned"])
def test_what_is_in_doubt_can_be_resolved(state: str, outbox: LocalGateway) -> None:
    """It takes the state that a person gives it, and the timeline keeps who knows it."""
    number = in_doubt(outbox)
    ended = notify("outbox", "resolve", str(number), state, "--note", "Li asked the provider", "--json")
    assert json.loads(ended.out) == {"deliveries": [number], "state": state}
    assert state_of(number) == state
    told = notify("outbox", "show", str(number)).out
    assert f"Resolved by a person as {state}: Li asked the provider." in told
    assert len(outbox.received) == 1


def test_only_what_is_in_doubt_is_resolved(outbox: LocalGateway) -> None:
    """What is known is not resolved; a note and a state that there is are asked for."""
    number = sent(0, A, via="clinic.json")
    refused(notify("outbox", "resolve", str(number), "delivered", "--note", "Li"), f"delivery {number} is accepted")
    assert notify("outbox", "resolve", str(number), "delivered").code == 2
    assert notify("outbox", "resolve", str(number), "queued", "--note", "Li").code == 2
    assert len(outbox.received) == 1


@pytest.mark.usefixtures("outbox")
def test_what_was_rejected_is_tried_again_once() -> None:
    """It is enqueued as a new delivery for its recipient alone, the same however often it is asked for."""
    number = rejected()
    first, again = (notify("outbox", "retry", str(number), "--json") for _ in range(2))
    assert (first.code, again.code) == (0, 0)
    new = json.loads(first.out)["enqueued"][str(number)]
    assert json.loads(again.out) == {"hastened": [], "enqueued": {str(number): new}}
    assert (state_of(number), state_of(new)) == ("rejected", "queued")
    assert shown(new)["delivery"]["recipient"] == f"+86{A}"
    assert shown(number)["tried_again_as"] == new
    assert f"It was tried again as delivery {new}" in notify("outbox", "show", str(number)).out
    assert f"enqueued again, as delivery {new}." in notify("outbox", "retry", str(number)).out


@pytest.mark.usefixtures("store")
def test_what_is_queued_is_due_at_once() -> None:
    """Its turn comes now, and what may still hold it is told; it is not enqueued a second time."""
    (number,) = enqueued(A)
    due = shown(number)["delivery"]["due"]
    ended = notify("outbox", "retry", str(number))
    assert ended.out == f"Delivery {number} is due now: it leaves once quiet hours and limits let it.\n"
    assert "quiet hours and limits still hold" in shown(number)["possible"]
    assert shown(number)["delivery"]["due"] > due
    assert listed() == [number]


def test_what_may_have_left_is_not_tried_again(outbox: LocalGateway) -> None:
    """Where one of the ids is in doubt, is sent or is over, nothing is done for any, and what to do instead is told."""
    good, doubtful, left = rejected(), in_doubt(outbox), sent(0, B, via="clinic.json")
    ended = notify("outbox", "retry", str(good), str(doubtful), str(left))
    refused(ended, f"delivery {doubtful} is in doubt", f"resolve {doubtful} delivered", f"delivery {left} is accepted")
    assert shown(good)["tried_again_as"] is None
    assert listed("--state", "queued") == []


def test_purge_leaves_what_is_open(outbox: LocalGateway) -> None:
    """What is over and older than the span is gone; what is queued or in doubt stays, however old."""
    over, doubtful = sent(0, A, via="clinic.json"), in_doubt(outbox)
    (queued,) = enqueued(B)
    assert "there was nothing" in notify("outbox", "purge", "--older-than", "90d").out
    ended = notify("outbox", "purge", "--older-than", "1ms")
    assert ended.code == 0
    assert "1 messages, 1 deliveries" in ended.out
    assert listed() == [queued, doubtful]
    assert notify("outbox", "show", str(over)).code == 2
    assert json.loads(notify("outbox", "purge", "--older-than", "1ms", "--json").out)["removed"]["messages"] == 0


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("span", ["90", "0d", "-1d", "ninety days", "999999999d"])
def test_a_span_that_is_none_purges_nothing(span: str) -> None:
    """A span that cannot be read ends with 2, and says how one is written."""
    refused(notify("outbox", "purge", "--older-than", span), "write it such as 12h or 90d")


@pytest.mark.usefixtures("china")
def test_times_are_read_and_shown_here() -> None:
    """A time without a zone is this machine's; one with a zone is shown in this machine's."""
    assert time_shown(times.moment("--since", "2030-01-31")) == "2030-01-31 00:00:00+08:00"
    assert time_shown(times.moment("--since", "2030-01-31T09:00Z")) == "2030-01-31 17:00:00+08:00"
    assert times.moment("--since", "") is None
    with pytest.raises(Misuse, match="write 30m, 2h or 7d"):
        times.moment("--since", "yesterday")


# --- opting out


def test_who_opted_out_is_listed_and_taken_off(store: Store) -> None:
    """A number is put on the list of an account with the words it came by, and taken off again."""
    assert "Nobody opted out." in notify("optout", "list").out
    added = notify("optout", "add", "clinic", "--to", f"{A},{B}", "--word", "by telephone")
    assert (added.code, added.out) == (0, "2 numbers are on the opt-out list of clinic.\n")
    people, programs = notify("optout", "list", "clinic"), notify("optout", "list", "--json")
    assert "+86138****0001" in people.out
    assert A not in people.out
    found = json.loads(programs.out)["opt_outs"]
    assert [(each["account"], each["recipient"], each["word"]) for each in found] == [
        ("clinic", f"+86{A}", "by telephone"),
        ("clinic", f"+86{B}", "by telephone"),
    ]
    removed = notify("optout", "remove", "clinic", "--to", f"{A},{C}")
    assert removed.out == "1 taken off the opt-out list of clinic; 1 had not been on it.\n"
    assert [each.recipient for each in store.opt_outs("clinic")] == [f"+86{B}"]
    assert "Nobody opted out of single." in notify("optout", "list", "single").out


def test_who_opted_out_is_not_sent_to(outbox: LocalGateway) -> None:
    """A message to a number on the list does not leave, and the timeline says why."""
    assert notify("optout", "add", "clinic", "--to", A, "--json").code == 0
    ended = notify("send", "--to", A, "--text", TEXT, "--json")
    (delivery,) = json.loads(ended.out)["deliveries"]
    assert (ended.code, delivery["state"]) == (1, "suppressed")
    assert outbox.received == []
    told = notify("outbox", "show", str(delivery["id"])).out
    assert "Ended without being sent: the recipient opted out." in told
    assert "(opted out)" not in notify("outbox", "list").out + ended.out
    assert "notify optout remove" in told


@pytest.mark.usefixtures("store")
def test_an_account_that_is_not_there_is_told() -> None:
    """A misspelt account is refused before anything is noted: nobody would be spared by it."""
    for args in (("add", "clinik", "--to", A), ("list", "clinik"), ("remove", "clinik", "--to", A)):
        refused(notify("optout", *args), "did you mean 'clinic'?")


def test_who_opted_out_of_an_account_that_is_gone(store: Store) -> None:
    """The list of an account that the configuration has no more is shown, and may be emptied."""
    store.opt_out("gone", [f"+86{A}"], "by hand")
    assert "+86138****0001" in notify("optout", "list", "gone").out
    assert notify("optout", "remove", "gone", "--to", A).out == "1 taken off the opt-out list of gone.\n"


def refused(ended: Ended, *words: str) -> None:
    """The command ended with 2, and said so."""
    assert (ended.code, ended.out) == (2, "")
    for each in words:
        assert each in ended.err

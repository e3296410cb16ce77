"""The mailbox: what comes is kept as it came, applied once, and finds the delivery that it is about."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from notify_core import State
from notify_core.errors import StoreError
from notify_core.messages import Inbound, Report
from notify_core.store import Filter, Outcome, Payload, Store, Worker
from tests.store.letters import STARTED, apply, inbound, payload, record, report, sent, told
from tests.store.workshop import Clock, attempt, by, number, put, states, take

# --- payloads


def test_payload_comes_back_as_it_came(store: Store, clock: Clock) -> None:
    """A payload is kept byte by byte, with what is needed to read it again."""
    request = {"method": "POST", "headers": {"content-type": "text/xml"}, "query": "a\0b\ud800"}
    given = payload(body=b"\0\xff<a>\r\n", origin="push", hook="push", request=request)
    number_ = store.keep(given)
    found = store.payload(number_)
    assert (found.body, found.request, found.path) == (given.body, request, "clinic.json")
    assert (found.id, found.state, found.received) == (number_, "waiting", clock.after(0))


def test_payload_is_extended(store: Store) -> None:
    """Another reply of the same pull replaces what was kept of it."""
    number_ = store.keep(payload(body=b"one"))
    store.extend(number_, payload(body=b"onetwo", request={"replies": [3, 3]}))
    assert (store.payload(number_).body, store.payload(number_).request) == (b"onetwo", {"replies": [3, 3]})


def test_payload_that_was_forgotten_is_extended(store: Store) -> None:
    """Another reply is kept even where what was kept of its pull was forgotten meanwhile."""
    number_ = store.keep(payload(body=b"one"))
    store.forget(number_)
    store.extend(number_, payload(body=b"onetwo"))
    assert (store.payload(number_).body, store.payload(number_).state) == (b"onetwo", "waiting")


def test_payloads_are_listed(store: Store) -> None:
    """Payloads are listed by state, newest first, with their size and without their bodies."""
    ids = [store.keep(payload(body=b"x" * size)) for size in range(4)]
    store.apply(ids[1], [])
    store.unreadable(ids[2], "not XML")
    assert [(kept.id, kept.size, kept.state) for kept in store.payloads()] == [
        (ids[3], 3, "waiting"),
        (ids[2], 2, "unreadable"),
        (ids[1], 1, "applied"),
        (ids[0], 0, "waiting"),
    ]
    assert [kept.id for kept in store.payloads(["waiting", "unreadable"], most=2)] == [ids[3], ids[2]]
    assert [kept.id for kept in store.payloads(["applied"])] == [ids[1]]
    assert [kept.id for kept in store.payloads(below=ids[2])] == [ids[1], ids[0]]
    assert store.payloads(["unreadable"])[0].error == "not XML"


def test_waiting_payloads(store: Store, clock: Clock) -> None:
    """What was kept and not applied is found when it is old enough, the oldest first; the unreadable is left alone."""
    first, unread, second = (store.keep(payload()) for _ in range(3))
    store.unreadable(unread, "not XML")
    clock.now += 60
    store.keep(payload())
    assert store.waiting(60) == [first, second]


def test_forgotten_payload(store: Store) -> None:
    """A payload in which nothing was is forgotten; one that was applied stays."""
    empty, full = store.keep(payload()), store.keep(payload())
    store.apply(full, [report(1)])
    store.forget(empty)
    store.forget(full)
    store.unreadable(full, "not XML")
    assert [(kept.id, kept.state) for kept in store.payloads()] == [(full, "applied")]


def test_payload_that_is_not_there(store: Store) -> None:
    """What nobody kept cannot be read or applied; the words say where to look."""
    for act in (store.payload, lambda number_: store.apply(number_, [report(1)])):
        with pytest.raises(StoreError, match="there is no payload 77: `notify outbox payloads` shows those there are"):
            act(77)
    with pytest.raises(StoreError, match=f"there is no payload {10**20}:"):
        store.payload(10**20)


def test_document_of_a_payload() -> None:
    """A payload can be written to a file whole, whatever bytes it has; its repr shows none of them."""
    given = payload(body=b"\xff13800000001", request={"query": "13800000001 \ud800"})
    assert Payload.of_document(given.document()) == given
    assert "13800000001" not in repr(given)


# --- reports that find their delivery


def test_report_moves_its_delivery(store: Store, worker: Worker) -> None:
    """A report moves the delivery of its account, task and number, and no other."""
    (first, second) = sent(store, worker, 1, 2)
    (other,) = sent(store, worker, 1, task="T2")
    applied = apply(store, report(1), report(2, State.UNDELIVERED, code="MK:0001"))
    assert (applied.moved, applied.came) == (2, 2)
    assert states(store) == {first: State.DELIVERED, second: State.UNDELIVERED, other: State.ACCEPTED}
    assert store.delivery(second).code == "MK:0001"


def test_repeated_report(store: Store, worker: Worker) -> None:
    """A report that comes again is no news, within one payload and in another."""
    sent(store, worker, 1)
    first = apply(store, report(1), report(1))
    again = apply(store, report(1))
    assert (first.reports, first.came, first.moved) == ((report(1),), 2, 1)
    assert (again.reports, again.came, again.moved) == ((), 1, 0)
    assert len(told(store)) == 1


def test_same_payload_twice(store: Store, worker: Worker) -> None:
    """Applying a payload again changes nothing: a process may die between applying it and answering."""
    sent(store, worker, 1)
    number_ = store.keep(payload())
    items: list[Report | Inbound] = [report(1), inbound(2, "TD"), inbound(2, "hm", at=None), inbound(2, "hm", at=None)]
    first = store.apply(number_, items, opt_out_words=["TD"])
    before = store.delivery(store.deliveries()[0].id)
    again = store.apply(number_, items, opt_out_words=["TD"])
    assert (len(first.reports), len(first.inbound), first.opted_out) == (1, 3, 1)
    assert (again.reports, again.inbound, again.moved, again.opted_out) == ((), (), 0, 0)
    assert store.delivery(before.id) == before
    assert len(told(store)) == 4


def test_two_that_apply_the_same_at_once(store: Store, worker: Worker) -> None:
    """Of two machines that apply the same reports at the same time, one has the news."""
    sent(store, worker, *range(20))
    reports = [report(which) for which in range(20)]
    numbers = [store.keep(payload()) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        applied = list(
            pool.map(lambda job: store.apply(job[0], reports[:: job[1]]), zip(numbers, (1, -1, 1, -1), strict=True))
        )
    assert sorted(len(each.reports) for each in applied) == [0, 0, 0, 20]
    assert len(told(store)) == 20


def test_early_report(store: Store, worker: Worker) -> None:
    """A report that comes before its submission is recorded waits, and is matched once that is there."""
    (delivery,) = put(store, 1)
    assert apply(store, report(1)).moved == 0
    assert [parked.report for parked in store.parked()] == [report(1)]
    assert store.match() == 0
    record(store, worker, "T1")
    assert states(store)[delivery] is State.ACCEPTED
    assert store.match() == 1
    assert states(store)[delivery] is State.DELIVERED
    assert (store.parked(), store.match()) == ([], 0)


def test_early_report_is_found_by_the_next(store: Store, worker: Worker) -> None:
    """Reports of one submission are applied in the order in which they came, also where the first was early."""
    (delivery,) = put(store, 1)
    apply(store, report(1, State.UNDELIVERED))
    record(store, worker, "T1")
    apply(store, report(1))
    assert states(store)[delivery] is State.UNDELIVERED


def test_match_looks_at_lately_received(store: Store, clock: Clock) -> None:
    """What was parked long ago is looked at only where that is asked for."""
    put(store, 1)
    apply(store, report(1))
    clock.now += 601
    record(store, store.enroll("later"), "T1")
    assert store.match() == 0
    assert store.match(within=3600) == 1


@pytest.mark.parametrize(
    ("said", "becomes"),
    [
        ([State.DELIVERED, State.UNDELIVERED], State.DELIVERED),
        ([State.UNDELIVERED, State.DELIVERED], State.UNDELIVERED),
        ([State.DELIVERED, State.ACCEPTED], State.DELIVERED),
        ([State.ACCEPTED, State.DELIVERED], State.DELIVERED),
        ([State.ACCEPTED], State.ACCEPTED),
    ],
)
@pytest.mark.parametrize("payloads", [1, 2])
def test_reports_out_of_order(store: Store, worker: Worker, said: list[State], becomes: State, payloads: int) -> None:
    """The first final word stays; what comes after it is kept, shown, and changes nothing."""
    (delivery,) = sent(store, worker, 1)
    reports = [report(1, state) for state in said]
    for batch in [reports] if payloads == 1 else [[each] for each in reports]:
        apply(store, *batch)
    assert states(store)[delivery] is becomes
    assert [event.what for event in store.timeline(delivery)][2:] == [state.value for state in said]


def test_late_report(store: Store, worker: Worker) -> None:
    """A report on a delivery that a person resolved, or that was rejected, is kept and changes nothing."""
    (delivery,) = sent(store, worker, 1, state=State.IN_DOUBT)
    store.resolve([delivery], State.ABANDONED, "gave up")
    apply(store, report(1))
    assert store.match(within=10**6) == 0
    assert states(store)[delivery] is State.ABANDONED


def test_reports_of_segments(store: Store, worker: Worker) -> None:
    """A long message has a report for each segment: the first final one counts, all of them are news once."""
    (delivery,) = sent(store, worker, 1)
    parts = [report(1, at=STARTED + timedelta(seconds=second)) for second in range(3)]
    assert apply(store, *parts, *parts).reports == tuple(parts)
    assert states(store)[delivery] is State.DELIVERED
    assert len(told(store)) == 3


def test_two_accounts_share_numbers(store: Store, worker: Worker) -> None:
    """The same task id and number at another account is another delivery, and the same report another report."""
    (ours,) = sent(store, worker, 1)
    (theirs,) = sent(store, worker, 1, path="backup.json")
    assert len(apply(store, report(1)).reports) == 1
    assert states(store) == {ours: State.DELIVERED, theirs: State.ACCEPTED}
    assert len(apply(store, report(1), account="backup").reports) == 1
    assert states(store)[theirs] is State.DELIVERED


def test_task_id_that_is_used_again(store: Store, worker: Worker) -> None:
    """Where a gateway gives a task id twice, the report is about the later submission that went to its number."""
    (first,) = sent(store, worker, 1)
    (second,) = sent(store, worker, 1)
    (other,) = sent(store, worker, 2)
    apply(store, report(1))
    assert states(store) == {first: State.ACCEPTED, second: State.DELIVERED, other: State.ACCEPTED}


def test_unknown_report(store: Store, worker: Worker) -> None:
    """A report on what we never sent, or to whom we never sent it, is kept, and shown as nobody's."""
    (delivery,) = sent(store, worker, 1)
    stranger, unnamed = report(1, task_id="T9"), report(1, task_id="")
    apply(store, report(2), stranger, unnamed)
    assert states(store)[delivery] is State.ACCEPTED
    assert {parked.report for parked in store.parked()} == {report(2), stranger, unnamed}
    assert store.parked("backup") == []
    assert "138" in repr(store.parked()[0])
    assert number(1) not in repr(store.parked())


def test_what_no_database_can_keep(store: Store, worker: Worker) -> None:
    """NUL, half a surrogate pair and a year out of range do not stop a payload."""
    sent(store, worker, 1)
    strange: list[Report | Inbound] = [report(1, code="a\0b\ud800"), inbound(1, "\0\ud83d", at=STARTED.replace(year=1))]
    applied = apply(store, *strange)
    assert (applied.moved, len(applied.inbound)) == (1, 1)
    assert store.delivery(store.deliveries()[0].id).code == "a\ufffdb?"


def test_four_thousand_boxes_are_a_few_statements(sqlite_url: str, stores: Any) -> None:
    """How many statements a payload takes does not depend on how much it says."""
    from sqlalchemy import event

    store = stores[sqlite_url]
    worker = store.enroll("worker", lease=60)
    counted: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        counted.append(statement)

    event.listen(store._database._connections.writer, "before_cursor_execute", count)
    try:
        costs = []
        for size in (10, 4000):
            recipients = range(size, 2 * size)
            sent(store, worker, *recipients, task=f"S{size}")
            items = [report(which, task_id=f"S{size}") for which in recipients] + [report(1, task_id=f"X{size}")]
            messages = [inbound(which, f"{size}") for which in recipients]
            number_ = store.keep(payload())
            counted.clear()
            applied = store.apply(number_, items + messages, opt_out_words=["10", "4000"], targets={"reported": ["w"]})
            costs.append(len(counted))
            assert (applied.moved, len(applied.inbound), applied.opted_out) == (size, size, size)
    finally:
        event.remove(store._database._connections.writer, "before_cursor_execute", count)
    assert costs[0] == costs[1] < 30


# --- doubt


def resolved(store: Store, clock: Clock) -> int:
    """Let a minute pass, and look at what is parked: how many reports found their delivery."""
    clock.now += 61
    return store.match()


def test_doubt_is_resolved_by_its_report(store: Store, worker: Worker, clock: Clock) -> None:
    """A report whose task id is nobody's resolves the one doubt that fits it, and then the others of its submission."""
    first, second, third = sent(store, worker, 1, 2, 3, state=State.IN_DOUBT)
    apply(store, report(1), report(2, State.UNDELIVERED))
    assert store.match() == 0
    assert states(store)[first] is State.IN_DOUBT
    assert resolved(store, clock) == 2
    assert states(store) == {first: State.DELIVERED, second: State.UNDELIVERED, third: State.IN_DOUBT}
    apply(store, report(3, State.ACCEPTED))
    assert states(store)[third] is State.ACCEPTED
    assert store.delivery(third).task_id == "T1"


def test_doubt_of_a_dead_worker_is_resolved(store: Store, worker: Worker, clock: Clock) -> None:
    """Where the worker died before it recorded its request, each number is resolved by its own reports."""
    first, second = put(store, 1, 2)
    take(store, worker)
    clock.now += 61
    assert len(store.lapse()) == 2
    apply(store, report(1), report(1, State.ACCEPTED, code="0"))
    assert resolved(store, clock) == 2
    assert states(store) == {first: State.DELIVERED, second: State.IN_DOUBT}
    apply(store, report(2))
    assert resolved(store, clock) == 1
    assert states(store)[second] is State.DELIVERED
    assert {store.delivery(each).task_id for each in (first, second)} == {"T1"}
    assert apply(store, report(2, at=STARTED + timedelta(seconds=1))).moved == 0
    assert store.parked() == []


@pytest.mark.parametrize(
    ("seconds", "fits"),
    [(-119, 1), (-121, 0), (0, 1), (3 * 86400 - 1, 1), (3 * 86400 + 1, 0)],
)
def test_doubt_and_time(store: Store, worker: Worker, clock: Clock, seconds: int, fits: int) -> None:
    """A report resolves a doubt if it is dated at most 2 minutes before it was due, and 3 days after the doubt."""
    sent(store, worker, 1, state=State.IN_DOUBT)
    apply(store, report(1, at=STARTED + timedelta(seconds=seconds)))
    assert resolved(store, clock) == fits


def test_doubt_of_a_machine_whose_clock_is_wrong(store: Store, worker: Worker, clock: Clock) -> None:
    """A report fits a doubt whose request is dated by a clock that is wrong: it may not be taken for another's."""
    ids = put(store, 1)
    (parcel,) = take(store, worker).parcels
    fast = replace(attempt(parcel, State.IN_DOUBT), at=STARTED + timedelta(minutes=15))
    store.record([Outcome(token=parcel.token, deliveries=ids, state=State.IN_DOUBT, attempts=(fast,))])
    apply(store, report(1))
    (other,) = sent(store, worker, 1, state=State.IN_DOUBT)
    assert resolved(store, clock) == 0
    store.resolve([other], State.ABANDONED)
    assert store.match() == 1
    assert states(store) == {ids[0]: State.DELIVERED, other: State.ABANDONED}


def test_doubt_and_a_report_without_time(store: Store, worker: Worker, clock: Clock) -> None:
    """A report without a time is dated by when we received it."""
    sent(store, worker, 1, state=State.IN_DOUBT)
    clock.now += 2 * 86400
    apply(store, report(1, at=None))
    assert resolved(store, clock) == 1


def test_two_doubts_fit(store: Store, worker: Worker, clock: Clock) -> None:
    """A report that fits two submissions in doubt resolves neither: a person does."""
    ids = [*sent(store, worker, 1, state=State.IN_DOUBT), *sent(store, worker, 1, state=State.IN_DOUBT, task="T2")]
    apply(store, report(1))
    assert resolved(store, clock) == 0
    assert {states(store)[each] for each in ids} == {State.IN_DOUBT}
    assert len(store.parked()) == 1


def test_two_reports_fit(store: Store, worker: Worker, clock: Clock) -> None:
    """Two task ids that could both be the one of a submission in doubt resolve nothing."""
    (delivery,) = sent(store, worker, 1, state=State.IN_DOUBT)
    apply(store, report(1), report(1, task_id="T2"))
    assert resolved(store, clock) == 0
    assert states(store)[delivery] is State.IN_DOUBT


def test_one_report_of_two_submissions(store: Store, worker: Worker, clock: Clock) -> None:
    """A task id that would be that of two submissions in doubt resolves neither."""
    ids = [*sent(store, worker, 1, state=State.IN_DOUBT), *sent(store, worker, 2, state=State.IN_DOUBT, task="T2")]
    apply(store, report(1), report(2))
    assert resolved(store, clock) == 0
    assert {states(store)[each] for each in ids} == {State.IN_DOUBT}


@pytest.mark.parametrize("path", ["clinic.json", "clinic.soap"])
def test_doubt_while_another_is_sent(store: Store, worker: Worker, clock: Clock, path: str) -> None:
    """While something is being sent to the number by that account, its report could be about that."""
    (doubtful,) = sent(store, worker, 1, state=State.IN_DOUBT)
    put(store, 1, text="else")
    claim = take(store, worker, plan=by(path))
    apply(store, report(1))
    clock.now += 59
    store.heartbeat(worker)
    assert resolved(store, clock) == 0
    store.hand_back(claim.token, list(claim.parcels[0].deliveries.values()))
    assert store.match() == 1
    assert states(store)[doubtful] is State.DELIVERED


def test_doubt_while_another_account_sends(store: Store, worker: Worker, clock: Clock) -> None:
    """What another account sends to the number has no part in it."""
    (doubtful,) = sent(store, worker, 1, state=State.IN_DOUBT)
    put(store, 1, text="else")
    take(store, worker, plan=by("backup.json"))
    apply(store, report(1))
    assert resolved(store, clock) == 1
    assert states(store)[doubtful] is State.DELIVERED


def test_doubt_and_a_known_task(store: Store, worker: Worker, clock: Clock) -> None:
    """A task id that is another submission's resolves no doubt, also where that went to other numbers."""
    (doubtful,) = sent(store, worker, 1, state=State.IN_DOUBT)
    sent(store, worker, 2)
    apply(store, report(1))
    assert resolved(store, clock) == 0
    assert states(store)[doubtful] is State.IN_DOUBT


def test_doubt_of_another_account(store: Store, worker: Worker, clock: Clock) -> None:
    """A report from one account resolves no doubt of another."""
    sent(store, worker, 1, state=State.IN_DOUBT, path="backup.json")
    apply(store, report(1))
    assert resolved(store, clock) == 0


def test_doubt_and_an_older_stranger(store: Store, clock: Clock) -> None:
    """A report that was there before the message was due is about something else, also where a worker died."""
    apply(store, report(1, at=None))
    clock.now += 600
    (doubtful,) = put(store, 1)
    take(store, store.enroll("later"))
    clock.now += 61
    assert store.lapse() == [doubtful]
    assert resolved(store, clock) == 0


def test_two_that_resolve_at_once(store: Store, worker: Worker, clock: Clock) -> None:
    """Of several workers that look at the same time, one resolves the doubt."""
    sent(store, worker, 1, 2, state=State.IN_DOUBT)
    apply(store, report(1), report(2))
    clock.now += 61
    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(lambda _: store.match(), range(3))) == [0, 0, 2]


def test_timeline_of_reports(store: Store, worker: Worker) -> None:
    """A timeline has every report on the delivery, and says of those that came too late that they change nothing."""
    (delivery,) = sent(store, worker, 1)
    said = [(State.ACCEPTED, "ENROUTE"), (State.DELIVERED, "DELIVRD"), (State.UNDELIVERED, "MK:0001")]
    for state, code in said:
        apply(store, report(1, state, code=code))
    told_ = [(event.what, event.task_id, event.code, event.description) for event in store.timeline(delivery)]
    assert told_[2:] == [
        ("accepted", "T1", "ENROUTE", ""),
        ("delivered", "T1", "DELIVRD", ""),
        ("undelivered", "T1", "MK:0001", "it changes nothing"),
    ]


def test_timeline_of_a_doubt(store: Store, worker: Worker) -> None:
    """The timeline of a delivery in doubt has the reports on its number that may be about it; no other has them."""
    (doubtful,) = sent(store, worker, 1, state=State.IN_DOUBT)
    (other,) = sent(store, worker, 1, task="T2")
    apply(store, report(1), report(1, task_id=""), report(2))
    apply(store, report(1), account="backup")
    assert [event.description for event in store.timeline(doubtful)[2:]] == [
        "it is about task T1, which may be this message or another",
        "it is about a task without id, which may be this message or another",
    ]
    assert len(store.timeline(other)) == 2


def test_timeline_of_a_doubt_that_a_report_resolved(store: Store, worker: Worker, clock: Clock) -> None:
    """The report that ended the doubt says so, whichever came first; a later one tells its own."""
    ids = put(store, 1, 2)
    take(store, worker)
    clock.now += 30
    apply(store, report(1, State.ACCEPTED))
    clock.now += 31
    store.lapse()
    apply(store, report(2, State.ACCEPTED))
    assert resolved(store, clock) == 2
    apply(store, report(1), report(2))
    told_ = [[(event.what, event.description) for event in store.timeline(each)] for each in ids]
    assert ("accepted", "it came before the doubt, and resolved it") in told_[0]
    assert ("accepted", "it resolved the doubt") in told_[1]
    assert [each[-1] for each in told_] == [("delivered", ""), ("delivered", "")]


@pytest.mark.parametrize(
    ("state", "words"),
    [(State.ACCEPTED, ""), (State.ABANDONED, "it changes nothing"), (State.DELIVERED, "it changes nothing")],
)
def test_timeline_of_a_doubt_that_a_person_resolved(
    store: Store, worker: Worker, clock: Clock, state: State, words: str
) -> None:
    """A report that came after a person's word resolved no doubt."""
    by_hand, by_report = sent(store, worker, 1, 2, state=State.IN_DOUBT)
    store.resolve([by_hand], state, "says Li")
    apply(store, report(2))
    assert resolved(store, clock) == 1
    apply(store, report(1))
    assert [store.timeline(each)[-1].description for each in (by_hand, by_report)] == [words, "it resolved the doubt"]


# --- inbound


def test_repeated_inbound(store: Store) -> None:
    """A message from a subscriber that comes again is no news."""
    assert apply(store, inbound(1)).inbound == (inbound(1),)
    assert apply(store, inbound(1), inbound(1, "!")).inbound == (inbound(1, "!"),)
    assert apply(store, inbound(1), account="backup").inbound == (inbound(1),)


def test_inbound_without_time(store: Store) -> None:
    """Without a time, two equal messages in one payload are two, as are those of two pulls; a push is tried 3 times."""
    twice = [inbound(1, "N", at=None)] * 2
    assert len(apply(store, *twice).inbound) == 2
    assert len(apply(store, *twice).inbound) == 2
    pushes = [store.keep(payload(origin="push", hook="push", body=b"the same")) for _ in range(3)]
    assert [len(store.apply(push, twice).inbound) for push in pushes] == [2, 0, 0]
    other = store.keep(payload(origin="push", hook="push", body=b"another"))
    assert len(store.apply(other, twice).inbound) == 2


@pytest.mark.parametrize("text", ["退订", " td\n", "Td", "T", "0000"])
def test_opt_out_word(store: Store, text: str) -> None:
    """A subscriber who sends one of the account's words is put on its list, with the word."""
    applied = apply(store, inbound(1, text), opt_out_words=["退订", "TD", "t", "0000"])
    assert applied.opted_out == 1
    assert [(out.account, out.recipient, out.word) for out in store.opt_outs()] == [("clinic", number(1), text.strip())]


@pytest.mark.parametrize("text", ["TDX", "no TD please", "", "谢谢"])
def test_no_opt_out_word(store: Store, text: str) -> None:
    """Another text opts nobody out."""
    assert apply(store, inbound(1, text), opt_out_words=["TD"]).opted_out == 0
    assert store.opt_outs() == []


def test_opt_out_is_not_repeated(store: Store) -> None:
    """Who was let in again by a person stays in, when the payload with his word is applied once more."""
    number_ = store.keep(payload())
    store.apply(number_, [inbound(1, "TD")], opt_out_words=["TD"])
    store.opt_in("clinic", [number(1)])
    store.apply(number_, [inbound(1, "TD")], opt_out_words=["TD"])
    assert store.opt_outs() == []


def test_opt_out_takes_effect(store: Store, worker: Worker) -> None:
    """What is queued for him is suppressed from then on."""
    (delivery,) = put(store, 1)
    apply(store, inbound(1, "TD"), opt_out_words=["TD"])
    take(store, worker)
    assert states(store)[delivery] is State.SUPPRESSED


# --- housekeeping


def test_purge(store: Store, worker: Worker, clock: Clock) -> None:
    """Old payloads, reports, inbound messages and notices go with purging; what waits to be applied stays."""
    sent(store, worker, 1)
    apply(store, report(1), report(2), inbound(3))
    unread, waits = store.keep(payload()), store.keep(payload())
    store.unreadable(unread, "not XML")
    clock.now += 100
    young = apply(store, report(4))
    purged = store.purge(clock.after(-50)).rows
    assert (purged["payloads"], purged["reports"], purged["inbound"], purged["notices"]) == (2, 1, 1, 3)
    assert store.deliveries(Filter()) == []
    assert [parked.report for parked in store.parked()] == list(young.reports)
    assert [kept.state for kept in store.payloads()] == ["applied", "waiting"]
    assert store.waiting(0) == [waits]


def test_text_is_wiped_once_reported(store: Store, worker: Worker, clock: Clock) -> None:
    """A text that is wiped when it is final is so after its report."""
    put(store, 1, wipe=True)
    record(store, worker, "T1")
    assert store.wipe(clock.after(-60)) == 0
    apply(store, report(1))
    assert store.wipe(clock.after(-60)) == 1

"""Notices: what happened is told once to each who wants it, in order for each number, and again where that failed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from notify_core import State
from notify_core.settings import CreditSettings
from notify_core.store import Store, Worker
from tests.store.letters import STARTED, apply, inbound, record, report, sent, told
from tests.store.workshop import Clock, entry, number, put, take

HOOK = ["shop"]


def test_notice_of_a_report(store: Store, worker: Worker, clock: Clock) -> None:
    """A notice has the report as it came, and its delivery as it is by now, with the key of its message."""
    message = store.enqueue([entry(1, key="order-7")])[0]
    record(store, worker, "T1")
    said = report(1, code="a\0b'{%")
    apply(store, said)
    (notice,) = store.notices()
    assert (notice.kind, notice.target, notice.account, notice.report, notice.at) == (
        "reported",
        "",
        "clinic",
        said,
        clock.after(0),
    )
    assert notice.delivery is not None
    assert (notice.delivery.id, notice.delivery.key, notice.delivery.state, notice.delivery.recipient) == (
        message.deliveries[0],
        "order-7",
        State.DELIVERED,
        number(1),
    )
    assert (notice.delivery.path, notice.delivery.task_id, notice.message) == ("clinic.json", "T1", message.message_id)


def test_notice_of_an_inbound_message(store: Store) -> None:
    """A notice has the inbound message as it came, also without a time."""
    said = [inbound(1, "您好 \ud83d"), inbound(1, at=None)]
    apply(store, *said)
    assert [notice.inbound for notice in told(store)] == said


def test_each_target_is_told(store: Store, worker: Worker) -> None:
    """Each thing is told once to the listeners and once to each webhook that wants its kind."""
    sent(store, worker, 1)
    apply(store, report(1), inbound(2), targets={"reported": ["shop", "crm"], "received": ["crm"]})
    assert [notice.kind for notice in told(store)] == ["reported", "received"]
    assert [notice.kind for notice in told(store, ["shop"])] == ["reported"]
    assert [notice.kind for notice in told(store, ["crm", "other"])] == ["reported", "received"]
    assert store.notices(["", "shop", "crm"]) == []


def test_order_for_each_number(store: Store, worker: Worker) -> None:
    """Of each number only the first is told; what failed stands before what came after it, and others go on."""
    sent(store, worker, 1, 2)
    apply(store, report(1, State.ACCEPTED), report(1), report(2), targets={"reported": HOOK})
    first, other = store.notices()
    assert [first.report, other.report] == [report(1, State.ACCEPTED), report(2)]
    store.untold(first.id, after=5, error="503")
    store.told([other.id])
    assert store.notices() == []
    assert len(store.notices(HOOK)) == 2


def test_what_failed_is_told_again(store: Store, worker: Worker, clock: Clock) -> None:
    """What could not be told is due again after a while, and knows how often it failed and who has heard it."""
    sent(store, worker, 1)
    apply(store, report(1, State.ACCEPTED), report(1))
    (first,) = store.notices()
    assert (first.tries, first.heard) == (0, ())
    store.untold(first.id, after=5, error="ValueError", heard=["audit", "crm"])
    clock.now += 4.9
    assert store.notices() == []
    clock.now += 0.2
    (again,) = store.notices()
    assert (again.id, again.tries, again.heard) == (first.id, 1, ("audit", "crm"))
    store.told([again.id])
    assert [notice.report for notice in store.notices()] == [report(1)]


def test_what_is_given_up(store: Store, worker: Worker) -> None:
    """What is given up is never told, and what comes after it is."""
    sent(store, worker, 1)
    apply(store, report(1, State.ACCEPTED), report(1))
    (first,) = store.notices()
    store.give_up(first.id, "410")
    assert [notice.report for notice in told(store)] == [report(1)]


def test_told_is_told(store: Store, worker: Worker, clock: Clock) -> None:
    """What was told is never told again, whoever else fails to tell it later."""
    sent(store, worker, 1)
    apply(store, report(1))
    (notice,) = store.notices()
    store.told([notice.id])
    store.untold(notice.id, after=0, error="late")
    store.give_up(notice.id, "late")
    clock.now += 10
    assert store.notices() == []


def test_parked_report_is_told_when_it_is_matched(store: Store, worker: Worker) -> None:
    """A report that came early is told with its delivery, once that is known."""
    put(store, 1)
    apply(store, report(1), targets={"reported": HOOK})
    assert store.notices(["", *HOOK]) == []
    record(store, worker, "T1")
    store.match()
    assert [notice.delivery and notice.delivery.state for notice in told(store, ["", *HOOK])] == [State.DELIVERED] * 2


def test_parked_report_is_told_without_delivery(store: Store, clock: Clock) -> None:
    """A report of which nobody knows what it is about is told after 30 seconds, without a delivery."""
    apply(store, report(1))
    clock.now += 29
    assert store.notices() == []
    clock.now += 2
    (notice,) = store.notices()
    assert (notice.report, notice.delivery, notice.message) == (report(1), None, 0)


def test_parked_report_waits_for_a_doubt(store: Store, worker: Worker, clock: Clock) -> None:
    """Where a message to its number is on its way or in doubt, it is told when that is resolved."""
    put(store, 1)
    take(store, worker)
    apply(store, report(1))
    clock.now += 61
    store.lapse()
    assert (store.notices(), store.match()) == ([], 1)
    (notice,) = store.notices()
    assert notice.delivery is not None
    assert notice.delivery.state is State.DELIVERED


def test_failed_notice_is_not_hastened(store: Store, worker: Worker) -> None:
    """A notice that failed waits for its turn, also when its report is matched meanwhile."""
    put(store, 1)
    apply(store, report(1))
    with store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE notify_notices SET tries = 1")
    record(store, worker, "T1")
    assert (store.match(), store.notices()) == (1, [])


def test_notice_of_a_purged_delivery(store: Store, worker: Worker) -> None:
    """What is about a delivery that is gone is told without it."""
    sent(store, worker, 1)
    apply(store, report(1))
    with store._database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM notify_deliveries")
    (notice,) = store.notices()
    assert (notice.report, notice.delivery) == (report(1), None)


def test_told_keeps_no_text(store: Store) -> None:
    """What was told keeps nothing of what it said."""
    apply(store, inbound(1, "private"))
    told(store)
    with store._database.reading() as connection:
        assert connection.exec_driver_sql("SELECT body FROM notify_notices").scalars().all() == [""]


def test_notice_hides_what_it_says(store: Store) -> None:
    """A notice's repr has no text and no number."""
    apply(store, inbound(1, "private"))
    shown = repr(store.notices())
    assert "private" not in shown
    assert number(1) not in shown


def test_most(store: Store, clock: Clock) -> None:
    """The longest due come first, and no more than are asked for."""
    for which in range(5):
        apply(store, inbound(which))
        clock.now += 1
    assert [notice.inbound for notice in store.notices(most=3)] == [inbound(which) for which in range(3)]


def test_notice_of_credit(store: Store) -> None:
    """A notice of a balance has what is known of it, exactly."""
    units = Decimal("7.10")
    store.note_balance("clinic", units, STARTED, CreditSettings(low=Decimal(10)), {"balance_low": HOOK})
    for notice in told(store, ["", *HOOK]):
        assert (notice.kind, notice.account) == ("balance_low", "clinic")
        assert notice.credit is not None
        assert (notice.credit.units, notice.credit.at, notice.credit.days) == (units, STARTED, None)
    later = STARTED + timedelta(hours=1)
    store.note_balance("clinic", Decimal(70), later, CreditSettings(low=Decimal(10)), {"balance_recovered": HOOK})
    assert [notice.kind for notice in told(store, ["", *HOOK])] == ["balance_recovered"] * 2

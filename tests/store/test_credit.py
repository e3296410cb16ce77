"""Balances, noted once across machines, and who alone may do a thing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from notify_core import State
from notify_core.settings import CreditSettings
from notify_core.store import Store, Worker
from notify_core.store.store import NO_TARGETS
from tests.store.letters import STARTED, told
from tests.store.workshop import Clock, outcome, put, take

RULE = CreditSettings(low=Decimal(100))
IN_DAYS = CreditSettings(low_days=3)


def note(store: Store, units: float, seconds: float = 0.0, rule: CreditSettings = RULE) -> str:
    """Note a balance: what changed by it."""
    at = STARTED + timedelta(seconds=seconds)
    change = store.note_balance("clinic", Decimal(units), at, rule)
    return change[0] if change else ""


def spend(store: Store, worker: Worker, units: int, *, path: str = "clinic.json", at: datetime = STARTED) -> None:
    """Send one message of so many segments."""
    put(store, 1, text=f"{units} {path} {at}")
    (parcel,) = take(store, worker).parcels
    sent = outcome(parcel, State.ACCEPTED)
    attempts = tuple(replace(each, segments=units, path=path, at=at) for each in sent.attempts)
    store.record([replace(sent, attempts=attempts)])
    assert store.record([replace(sent, attempts=attempts)])  # again, which is no news


def test_balance_is_kept(store: Store) -> None:
    """The last balance of each account is kept, exactly."""
    store.note_balance("clinic", Decimal("1000.10"), STARTED, CreditSettings())
    store.note_balance("clinic.mms", Decimal(-3), STARTED, RULE)
    found = store.balances()
    assert (found["clinic"].units, found["clinic"].at, found["clinic"].low) == (Decimal("1000.10"), STARTED, False)
    assert (found["clinic.mms"].units, found["clinic.mms"].low) == (Decimal(-3), True)
    assert found["clinic"].days is None


def test_transitions(store: Store) -> None:
    """That a balance is low is told once, and that it has recovered once."""
    units = (150, 100, 99, 50, 120, 130, 80)
    changes = [note(store, each, second) for second, each in enumerate(units)]
    assert changes == ["", "", "balance_low", "", "balance_recovered", "", "balance_low"]
    assert [notice.kind for notice in told(store)] == ["balance_low", "balance_recovered", "balance_low"]


def test_first_balance_may_be_low(store: Store) -> None:
    """An account that is low when it is first asked is told to be; one that is not has not recovered."""
    assert note(store, 99) == "balance_low"
    assert store.note_balance("backup", Decimal(101), STARTED, RULE) is None


def test_an_account_that_cannot_pay_is_low_whatever_it_has(store: Store) -> None:
    """By any rule; the last balance that was told is kept, with its time, and none is made up where none was told."""
    assert note(store, 5000) == ""
    later = STARTED + timedelta(seconds=9)
    for account in ("clinic", "silent"):
        change = store.note_balance(account, None, later, RULE, broke=True)
        assert change is not None
        assert (change[0], change[1].units, change[1].days) == ("balance_low", None, None)
    assert {name: (each.units, each.at, each.low) for name, each in store.balances().items()} == {
        "clinic": (Decimal(5000), STARTED, True)
    }
    for account in ("clinic", "silent"):
        recovered = store.note_balance(account, None, later + timedelta(seconds=1), RULE)
        assert recovered is not None
        assert (recovered[0], recovered[1].units) == ("balance_recovered", None)
    assert not store.balances()["clinic"].low
    assert [notice.credit.units for notice in told(store) if notice.credit] == [None] * 4


def test_older_balance(store: Store) -> None:
    """A balance that is older than what is known changes nothing: answers overtake each other."""
    note(store, 150, 10)
    assert note(store, 5, 9) == ""
    assert (store.balances()["clinic"].units, store.balances()["clinic"].low) == (Decimal(150), False)


def test_two_that_note_at_once(store: Store) -> None:
    """Of several machines that see the same low balance, one has the news, and there is one notice."""
    for low, seconds in ((True, 0), (False, 1), (True, 2)):
        units = Decimal(5 if low else 500)
        at = STARTED + timedelta(seconds=seconds)
        with ThreadPoolExecutor(4) as pool:
            changes = list(pool.map(lambda _: store.note_balance("clinic", units, at, RULE), range(4)))  # noqa: B023
        assert [bool(change) for change in changes].count(True) == 1
    assert [notice.kind for notice in told(store)] == ["balance_low", "balance_recovered", "balance_low"]


def test_days(store: Store, worker: Worker, clock: Clock) -> None:
    """Days are counted at the pace of recent traffic: units spent, by every path of the account and no other."""
    spend(store, worker, 60)
    spend(store, worker, 40, path="clinic.soap")
    spend(store, worker, 1000, path="clinic2.json")
    clock.now += 2 * 86400
    assert note(store, 200, 0, IN_DAYS) == ""
    assert store.balances()["clinic"].days == pytest.approx(4.0, abs=0.05)
    assert note(store, 140, 1, IN_DAYS) == "balance_low"
    change = store.note_balance("clinic", Decimal(1000), STARTED + timedelta(seconds=2), IN_DAYS)
    assert change is not None
    assert change[1].days == pytest.approx(20.0, abs=0.3)


def test_pace_of_a_path(store: Store, worker: Worker) -> None:
    """A path with credit of its own has a pace of its own, and no part in the account's."""
    spend(store, worker, 60)
    spend(store, worker, 10, path="clinic.mms")
    store.note_balance("clinic.mms", Decimal(50), STARTED, RULE)
    assert store.balances()["clinic.mms"].days == pytest.approx(5.0)
    note(store, 120)
    assert store.balances()["clinic"].days == pytest.approx(2.0)


def test_no_traffic(store: Store, worker: Worker, clock: Clock) -> None:
    """Without traffic in the last week nobody knows how long credit lasts, and nothing is low in days."""
    spend(store, worker, 1000)
    clock.now += 9 * 86400
    assert note(store, 1, 0, IN_DAYS) == ""
    assert store.balances()["clinic"].days is None


def test_traffic_is_forgotten(store: Store, worker: Worker, clock: Clock) -> None:
    """Purging forgets what was spent before the last week, whatever else is purged."""
    spend(store, worker, 1000)
    clock.now += 9 * 86400
    store.purge(STARTED - timedelta(days=400))
    with store._database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM notify_traffic").scalar() == 0


def test_only_what_was_taken_is_spent(store: Store, worker: Worker) -> None:
    """What was refused, or is in doubt, costs nothing that is known."""
    put(store, 1)
    for parcel in take(store, worker).parcels:
        store.record([outcome(parcel, State.IN_DOUBT)])
    assert note(store, 1, 0, IN_DAYS) == ""


# --- holders


def test_seize(store: Store, clock: Clock) -> None:
    """One holder has a name at a time, until he releases it or his time is over; his own he may prolong."""
    assert store.seize("pull:clinic", "one", 10)
    assert not store.seize("pull:clinic", "two", 10)
    assert store.seize("pull:backup", "two", 10)
    clock.now += 9
    assert store.seize("pull:clinic", "one", 10)
    clock.now += 9
    assert not store.seize("pull:clinic", "two", 10)
    store.release("pull:clinic", "two")
    assert not store.seize("pull:clinic", "two", 10)
    clock.now += 1
    assert store.seize("pull:clinic", "two", 10)
    store.release("pull:clinic", "two")
    assert store.seize("pull:clinic", "one", 10)


def test_two_that_seize_at_once(store: Store) -> None:
    """Of several that seize a name at the same time, one has it."""
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda which: store.seize("a", f"{which}", 10), range(4))) == [False, False, False, True]


def test_no_targets() -> None:
    """Without webhooks the listeners alone are told."""
    assert not NO_TARGETS

"""The credit of accounts: when one is passed over, when it is used again, and who is told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_core import Notifier, Result, Sms, State
from notify_core.credit import PACE, PAUSE, Purse
from notify_core.errors import Retry, Scope, SendError
from notify_core.events import Credit
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Submission
from notify_core.results import Attempt
from notify_core.settings import CreditSettings
from tests.core.conftest import TRANSPORTS, OpenNotifier
from tests.core.gateway import Gateway, accepts, refuses, says
from tests.core.transports.memory import GATEWAYS

A, B = "+8613800000001", "+8613800000002"
OTP = Sms(to=A, text="您的验证码：1439")
START = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Monotonic seconds."""
        return self.now

    @property
    def time(self) -> datetime:
        """The time of day."""
        return START + timedelta(seconds=self.now)


class Listener:
    """Keeps what it is told of balances."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Credit]] = []

    def __call__(self, what: str, *, event: Credit) -> None:
        """Keep it."""
        self.told.append((what, event))

    @hookimpl
    def balance_low(self, event: Credit) -> None:
        """Keep it."""
        self("balance_low", event=event)

    @hookimpl
    def balance_recovered(self, event: Credit) -> None:
        """Keep it."""
        self("balance_recovered", event=event)

    @property
    def words(self) -> list[tuple[str, str, Decimal | None]]:
        """What became of whom, and at which credit."""
        return [(what, event.account, event.units) for what, event in self.told]


@pytest.fixture
def clock() -> Clock:
    """The purse's clock."""
    return Clock()


@pytest.fixture
def listener() -> Listener:
    """Who is told."""
    return Listener()


@pytest.fixture
def purse(clock: Clock, listener: Listener) -> Purse:
    """The credit of an account that is low below 100."""
    return Purse("clinic", CreditSettings(low=Decimal(100)), clock, listener)


def attempt(clock: Clock, state: State, balance: int | None = None, *, seconds: float = 0.0) -> Attempt:
    """One that has just ended."""
    credit = None if balance is None else Decimal(balance)
    began = clock.time - timedelta(seconds=seconds)
    return Attempt(path="clinic.json", at=began, seconds=seconds, recipients=(A,), state=state, balance=credit)


def refuse(purse: Purse, clock: Clock, cost: int, credit: int | None = 0) -> None:
    """Let the gateway refuse a message of that cost for want of credit."""
    error = SendError("broke", scope=Scope.ACCOUNT, no_credit=True)
    purse.learn(replace(attempt(clock, State.REJECTED, credit), error=error), lambda: cost)


def take(purse: Purse, clock: Clock, cost: int, balance: int | None = None) -> None:
    """Let the gateway take a message of that cost."""
    purse.learn(attempt(clock, State.ACCEPTED, balance), lambda: cost)


# --- who may still send ----------------------------------------------------------------------------------------------


def test_a_purse_of_which_nothing_is_known_may_be_used(purse: Purse) -> None:
    """Nothing is foretold."""
    assert (purse.wait(1_000), purse.lacks(1_000), purse.units) == (0.0, False, None)


def test_a_refusal_holds_back_what_costs_as_much(purse: Purse, clock: Clock) -> None:
    """Who cannot pay for 500 cannot pay for 501; whether for 499, nobody knows."""
    refuse(purse, clock, 500)
    clock.now += 10
    assert (purse.wait(501), purse.wait(500), purse.wait(499)) == (PAUSE - 10, PAUSE - 10, 0.0)
    refuse(purse, clock, 1)
    assert purse.wait(1) == PAUSE


def test_after_the_pause_one_message_may_find_out(purse: Purse, clock: Clock) -> None:
    """The others wait for what it finds."""
    refuse(purse, clock, 1)
    clock.now += PAUSE
    assert (purse.wait(1), purse.wait(1)) == (0.0, PAUSE)
    take(purse, clock, 1)
    assert (purse.wait(1), purse.short) == (0.0, None)


def test_asking_takes_no_turn(purse: Purse, clock: Clock) -> None:
    """A claim asks for all that it plans."""
    refuse(purse, clock, 5)
    assert (purse.lacks(4), purse.lacks(5)) == (False, True)
    clock.now += PAUSE
    assert (purse.lacks(5), purse.lacks(5), purse.wait(5), purse.wait(5)) == (False, False, 0.0, PAUSE)


def test_a_smaller_message_proves_nothing_for_larger_ones(purse: Purse, clock: Clock) -> None:
    """What it says is left does."""
    refuse(purse, clock, 500)
    take(purse, clock, 1)
    take(purse, clock, 1, balance=499)
    assert purse.wait(500) == PAUSE
    clock.now += 1
    take(purse, clock, 1, balance=500)
    assert purse.wait(500) == 0.0


def test_a_balance_that_suffices_ends_the_pause(purse: Purse, clock: Clock) -> None:
    """One that does not, does not."""
    refuse(purse, clock, 3)
    clock.now += 1
    purse.hear(Decimal(2), clock.time, clock.time)
    assert purse.short == 3
    clock.now += 1
    purse.hear(Decimal(3), clock.time, clock.time)
    assert purse.short is None


def test_a_debt_that_became_smaller_ends_the_pause(purse: Purse, clock: Clock) -> None:
    """A postpaid account at its line never says that it suffices: the first balance shows the debt, a payment less."""
    refuse(purse, clock, 3)
    for units, short in ((-1000, 3), (-1000, 3), (-1001, 3), (-400, None)):
        clock.now += 1
        purse.hear(Decimal(units), clock.time, clock.time)
        assert purse.short == short


def test_an_answer_that_overlaps_the_refusal_proves_nothing(purse: Purse, clock: Clock) -> None:
    """What was asked before the refusal came may be older than it."""
    clock.now = 10
    refuse(purse, clock, 1)
    purse.learn(attempt(clock, State.ACCEPTED, 50, seconds=5), lambda: 1)
    purse.hear(Decimal(50), clock.time - timedelta(seconds=5), clock.time)
    assert (purse.short, purse.units) == (1, Decimal(0))


def test_other_refusals_and_doubts_say_nothing_of_credit(purse: Purse, clock: Clock) -> None:
    """Only the want of credit counts."""
    purse.learn(attempt(clock, State.REJECTED), lambda: 1)
    purse.learn(attempt(clock, State.IN_DOUBT, 0), lambda: 1)
    assert (purse.short, purse.units) == (None, None)
    refuse(purse, clock, 1)
    purse.learn(attempt(clock, State.REJECTED), lambda: 1)
    purse.learn(attempt(clock, State.IN_DOUBT), lambda: 1)
    assert purse.short == 1


# --- low and not low -------------------------------------------------------------------------------------------------


def test_each_change_is_told_once(purse: Purse, clock: Clock, listener: Listener) -> None:
    """Low below the threshold, recovered from it upwards; a number that stays on its side is no news."""
    for units in (150, 100, 99, 98, 100, 150, 3):
        clock.now += 1
        take(purse, clock, 1, balance=units)
    assert listener.words == [
        ("balance_low", "clinic", Decimal(99)),
        ("balance_recovered", "clinic", Decimal(100)),
        ("balance_low", "clinic", Decimal(3)),
    ]
    assert (listener.told[0][1].at, listener.told[0][1].days) == (START + timedelta(seconds=3), None)


def test_answers_that_overlap_are_no_recovery(purse: Purse, clock: Clock, listener: Listener) -> None:
    """Of two that were under way together the lower counts, whichever comes last."""
    clock.now = 10
    take(purse, clock, 1, balance=99)
    purse.learn(attempt(clock, State.ACCEPTED, 100, seconds=1), lambda: 1)
    assert ([what for what, *_ in listener.words], purse.units) == (["balance_low"], Decimal(99))


def test_who_cannot_pay_is_low_without_a_threshold(clock: Clock, listener: Listener) -> None:
    """Where the gateway never tells a balance, nobody invents one: neither as it runs out nor as it recovers."""
    purse = Purse("clinic", CreditSettings(), clock, listener)
    take(purse, clock, 1)
    assert not purse.low
    refuse(purse, clock, 2, credit=None)
    clock.now += PAUSE
    take(purse, clock, 2)
    assert listener.words == [("balance_low", "clinic", None), ("balance_recovered", "clinic", None)]


@pytest.mark.parametrize(("known", "told"), [(299, 299), (-11, -11), (300, None), (5000, None)])
def test_a_refusal_that_tells_no_balance_leaves_what_was_known(
    purse: Purse, clock: Clock, listener: Listener, known: int, told: int | None
) -> None:
    """299 units cannot pay for 300 segments, so that is what is left; 5,000 could, so it is not known any more."""
    take(purse, clock, 1, balance=known + 200)
    take(purse, clock, 1, balance=known)
    listener.told.clear()
    purse.low = False
    clock.now += 1
    refuse(purse, clock, 300, credit=None)
    expected = None if told is None else Decimal(told)
    assert (purse.short, purse.units, purse.low) == (300, expected, True)
    assert listener.words == [("balance_low", "clinic", expected)]
    assert (note := purse.note())
    assert (note.units, note.at, note.broke) == (expected, clock.time, True)


def test_an_older_balance_is_no_proof_where_none_is_known(purse: Purse, clock: Clock) -> None:
    """What was asked before the refusal came may be older than it, also where the refusal told no balance."""
    clock.now = 10
    refuse(purse, clock, 3, credit=None)
    purse.hear(Decimal(50), clock.time - timedelta(seconds=5), clock.time)
    assert (purse.short, purse.units) == (3, None)
    clock.now += 1
    purse.hear(Decimal(50), clock.time, clock.time)
    assert (purse.short, purse.units) == (None, Decimal(50))


def test_a_change_is_logged_once(purse: Purse, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """With the account and the units: a warning as it becomes low, an information as it is so no more."""
    with caplog.at_level(logging.INFO, "notify"):
        for units in (1500, 99, 98, 1200):
            clock.now += 1
            take(purse, clock, 1, balance=units)
        refuse(purse, clock, 2000, credit=None)
        refuse(purse, clock, 3, credit=None)
    found = [(each.levelname, each.getMessage()) for each in caplog.records if "balance" in each.getMessage()]
    assert found == [
        ("WARNING", "the balance of account 'clinic' is low: 99 units are left"),
        ("INFO", "the balance of account 'clinic' is no longer low: 1,200 units are left"),
        ("WARNING", "the balance of account 'clinic' is low: 1,200 units are left"),
    ]


@given(st.lists(st.tuples(st.sampled_from(["refuse", "take", "ask", "wait"]), st.integers(1, 5)), max_size=40))
def test_whatever_happens_each_change_follows_the_other(events: list[tuple[str, int]]) -> None:
    """Low and recovered take turns, and a purse is low exactly where it cannot pay or its units are too few."""
    clock, listener, credit = Clock(), Listener(), 3
    purse = Purse("clinic", CreditSettings(low=Decimal(2)), clock, listener)
    for what, number in events:
        clock.now += 1
        if what == "refuse":
            refuse(purse, clock, number, credit)
        elif what == "take" and not purse.wait(number):
            take(purse, clock, number, balance=(credit := number))
        elif what == "ask":
            purse.hear(Decimal(credit := number), clock.time, clock.time)
        else:
            clock.now += PAUSE
        assert purse.low == (purse.short is not None or (purse.units is not None and purse.units < 2))
    said = [word for word, *_ in listener.words]
    assert said == (["balance_low", "balance_recovered"] * len(said))[: len(said)]


# --- notes for the store ---------------------------------------------------------------------------------------------


def test_what_changed_is_noted_about_once_a_second(purse: Purse, clock: Clock) -> None:
    """The newest of it; and at once where it becomes low."""
    assert purse.note() is None
    take(purse, clock, 1, balance=150)
    first = purse.note()
    assert first is not None
    assert (first.purse, first.units, first.at, first.rule) == ("clinic", Decimal(150), START, purse.rule)
    clock.now += PACE / 2
    take(purse, clock, 1, balance=149)
    assert purse.note() is None
    clock.now += PACE / 2
    assert (second := purse.note())
    assert second.units == Decimal(149)
    take(purse, clock, 1, balance=99)
    assert (third := purse.note())
    assert third.units == Decimal(99)
    assert purse.note() is None
    purse.unnoted()
    clock.now += PACE
    assert purse.note() == third


def test_the_same_again_is_not_noted(purse: Purse, clock: Clock) -> None:
    """An account that sends nothing writes nothing, however often it is asked."""
    take(purse, clock, 1, balance=150)
    assert purse.note()
    clock.now += 60
    purse.hear(Decimal(150), clock.time, clock.time)
    assert purse.note() is None


def test_who_cannot_pay_is_noted_as_low(purse: Purse, clock: Clock) -> None:
    """Whatever the settings call low."""
    refuse(purse, clock, 500, credit=400)
    assert (note := purse.note())
    assert (note.units, note.rule, note.broke) == (Decimal(400), purse.rule, True)


def test_what_the_store_tells_is_learned_and_not_noted_again(purse: Purse, clock: Clock) -> None:
    """A newer balance of another process counts as one's own, an older one does not."""
    refuse(purse, clock, 3)
    purse.note()
    purse.told(Decimal(500), clock.time - timedelta(seconds=1), low=False, days=None)
    assert purse.wait(3) == PAUSE
    purse.told(Decimal(500), clock.time + timedelta(seconds=1), low=True, days=2.5)
    clock.now += 5
    assert (purse.short, purse.units, purse.low, purse.runs_low) == (None, Decimal(500), False, True)
    assert purse.days == 2.5
    assert purse.note() is None


# --- along a route ---------------------------------------------------------------------------------------------------

Memory = Callable[..., Notifier]


class Till:
    """A gateway with a credit, in segments; ``seen`` has the recipients of each submission."""

    def __init__(self, credit: int, *, tells: bool = True) -> None:
        self.credit = credit
        self.tells = tells
        self.seen: list[tuple[str, ...]] = []

    def __call__(self, submission: Submission) -> Accepted:
        """Take a submission if it can be paid."""
        self.seen.append(submission.message.to)
        cost = len(submission.message.to)
        if cost > self.credit:
            raise SendError("broke", scope=Scope.ACCOUNT, retry=Retry.LATER, code="1111", no_credit=True)
        self.credit -= cost
        return Accepted(task_id="7", balance=Decimal(self.credit) if self.tells else None)


@pytest.fixture
def memory(listener: Listener) -> Iterator[Memory]:
    """Makes a notifier whose accounts are these tills, by one transport each, or two for the first."""
    opened: list[Notifier] = []

    def make(**tills: Till) -> Notifier:
        GATEWAYS.update(tills)
        accounts = {name: {"provider": "memory", "base_url": "http://localhost", "gateway": name} for name in tills}
        settings: dict[str, Any] = {"default_region": "CN", "transports": TRANSPORTS, "accounts": accounts}
        first = next(iter(tills))
        routes = {"default": [f"{first}.one", f"{first}.two", *(f"{name}.one" for name in tills if name != first)]}
        opened.append(Notifier.from_mapping({**settings, "routes": routes}, listener))
        return opened[-1]

    yield make
    for notifier in opened:
        notifier.close()


def paths(result: Result) -> list[str]:
    """The path of each attempt."""
    return [attempt.path for attempt in result.attempts]


def test_an_account_without_credit_is_passed_over(memory: Memory) -> None:
    """Its paths are not tried again by the next messages: they leave by the next account at once."""
    clinic, backup = Till(0), Till(10)
    notifier = memory(clinic=clinic, backup=backup)
    assert paths(notifier.send(OTP)) == ["clinic.one", "backup.one"]
    assert paths(notifier.send(OTP)) == ["backup.one"]
    assert (len(clinic.seen), backup.credit) == (1, 8)


def test_what_cannot_be_paid_does_not_hold_back_what_can(memory: Memory) -> None:
    """A list too long for the credit, and then a code to one."""
    clinic = Till(1)
    notifier = memory(clinic=clinic)
    assert not notifier.send(Sms(to=[A, B], text="hello")).accepted
    assert notifier.send(OTP).accepted


def test_nobody_left_to_pay_is_told_with_what_to_do(memory: Memory) -> None:
    """The verdict is the account's, later, with the seconds; nothing left, and nobody calls it an attempt."""
    notifier = memory(clinic=Till(0))
    notifier.send(OTP)
    result = notifier.send(OTP)
    error = result.error
    assert error is not None
    assert (result.attempts, error.scope, error.retry, error.code) == ((), Scope.ACCOUNT, Retry.LATER, "no credit")
    assert error.after is not None
    assert PAUSE - 10 < error.after <= PAUSE
    assert "account 'clinic' has no credit for 1 segments: top it up" in str(error)


@pytest.mark.parametrize("tells", [True, False])
def test_an_account_recovers_by_itself(memory: Memory, tells: bool, listener: Listener) -> None:  # noqa: FBT001
    """After the pause one message tries it; it takes it, and is used as before."""
    clinic = Till(0, tells=tells)
    notifier = memory(clinic=clinic, backup=Till(10))
    notifier.send(OTP)
    clinic.credit = 5
    notifier.paths["clinic.one"].purse._until = 0.0
    assert paths(notifier.send(OTP)) == ["clinic.one"]
    assert paths(notifier.send(OTP)) == ["clinic.one"]
    assert [what for what, *_ in listener.words] == ["balance_low", "balance_recovered"]


def test_the_attempt_has_the_balance(memory: Memory) -> None:
    """That of a reply; none where a refusal for want of credit does not tell it."""
    notifier = memory(clinic=Till(2))
    balances = [notifier.send(OTP).attempts[0].balance for _ in range(3)]
    assert balances == [Decimal(1), Decimal(0), None]


def test_asking_for_the_balance_ends_the_pause(
    gateway: Gateway, backup: Gateway, open_notifier: OpenNotifier, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    """``Notifier.balance`` learns: after a top-up the account is used at once."""
    gateway.script = [refuses("account", credit=0), says({"ok": True, "units": "40"}), accepts()]
    notifier = open_notifier({"clinic": gateway, "backup": backup}, listener)
    with caplog.at_level(logging.WARNING, "notify"):
        assert paths(notifier.send(OTP)) == ["clinic.json", "backup.json"]
    assert "account 'clinic' has no credit for 1 segments" in caplog.text
    assert notifier.balance("clinic").units == 40
    assert paths(notifier.send(OTP)) == ["clinic.json"]
    assert listener.words == [("balance_low", "clinic", Decimal(0)), ("balance_recovered", "clinic", Decimal(40))]


def test_a_path_without_texts_has_a_credit_of_its_own(open_notifier: OpenNotifier, gateway: Gateway) -> None:
    """What pictures are paid with says nothing of texts; the account's balance is asked by a path that carries them."""
    notifier = open_notifier({"clinic": gateway}, route=["clinic.mms", "clinic.json"])
    texts, pictures = notifier.paths["clinic.json"].purse, notifier.paths["clinic.mms"].purse
    assert (texts.name, pictures.name, notifier.paths["clinic.query"].purse) == ("clinic", "clinic.mms", texts)
    assert notifier.paths.purses == {"clinic": texts, "clinic.mms": pictures}
    assert notifier.paths.able("clinic", "balance").name == "clinic.json"

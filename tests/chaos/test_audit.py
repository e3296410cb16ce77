"""The audit finds what it is for: each fault is planted once into facts that are otherwise in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from notify_core import State
from notify_core.sandbox import KINDS
from notify_core.settings import Limit
from tests.chaos.audit import KINDS as FOUND
from tests.chaos.audit import Finding, audited
from tests.chaos.facts import Accepted, Asked, Came, Doubt, Facts, Handed, Kept, Mark, Skew, Told, Window
from tests.chaos.traffic import How, dice, number, steps
from tests.chaos.troubles import FULL, SHORT, Size, What, schedule

NOW = 1_800_000_000.0
SENT, DOUBTED, CRASHED, WAITS, ENDED, GONE, UNKNOWN = ((number(1), f"您的验证码：{which:06d}") for which in range(7))
ONE_IN_ALL = Limit(per="account", count=1, within=9.5)
LIMIT = Limit(per="recipient", count=2, within=10, containing="验证码")


def asked(*marks: Mark, faults: tuple[str, ...] = (), at: float = NOW, **facts: Any) -> Asked:
    """A submission that came to the gateway of clinic."""
    same: dict[str, Any] = {"account": "clinic", "seconds": 0.01, "whole": True}
    return Asked(marks=marks, faults=faults, at=at, **same | facts)


def accepted(mark: Mark, *, at: float = NOW, task_id: str = "T1", account: str = "clinic") -> Accepted:
    """One recipient that it took."""
    return Accepted(account, mark, task_id, at)


GOOD = Facts(
    wanted={SENT: True, DOUBTED: True, CRASHED: True, WAITS: True, ENDED: True, UNKNOWN: False},
    undone=frozenset({GONE}),
    orders={"order-1": True, "order-2": False},
    kept=[
        Kept(1, SENT, State.DELIVERED, key="order-1", account="clinic", task_id="T1"),
        Kept(2, DOUBTED, State.IN_DOUBT, account="clinic"),
        Kept(3, CRASHED, State.IN_DOUBT, account="clinic"),
        Kept(4, WAITS, State.QUEUED, code="limit"),
        Kept(5, ENDED, State.EXPIRED, code="expired", expires_at=NOW + 3),
    ],
    doubts=[Doubt(2, "clinic", NOW + 1, lapsed=False), Doubt(3, "clinic", NOW + 20, lapsed=True)],
    accepted=[accepted(SENT), accepted(DOUBTED, at=NOW + 9, task_id="T2")],
    asked=[asked(SENT), asked(DOUBTED, faults=("cut-after",), at=NOW + 9)],
    limits={"clinic": [LIMIT]},
    held=frozenset({3}),
    told=[Told("clinic", SENT, "T1", State.DELIVERED)],
    came=[Came("clinic", number(1), "收到1")],
    applied={("clinic", "T1", SENT[0]): 1, ("clinic", "收到1", number(1)): 1},
    heard={("clinic", "T1", SENT[0]): 2, ("clinic", "收到1", number(1)): 1},
)
"""A little of everything, and all of it as it must be."""


def kept(number_: int, **changes: Any) -> list[Kept]:
    """What the store has, with one delivery changed."""
    return [replace(each, **changes) if each.id == number_ else each for each in GOOD.kept]


def found(**changes: Any) -> list[Finding]:
    """What the audit finds once this is changed."""
    return audited(replace(GOOD, **changes))


def test_facts_in_order_are_passed() -> None:
    """Where nothing is wrong nothing is found."""
    assert audited(GOOD) == []


PLANTED: dict[str, tuple[str, dict[str, Any]]] = {
    "a loss": ("lost", {"kept": [each for each in GOOD.kept if each.id != 4]}),
    "what was rolled back": ("lost", {"kept": [*GOOD.kept, Kept(9, GONE, State.QUEUED, code="limit")]}),
    "what nobody enqueued": (
        "lost",
        {"wanted": {**{mark: True for mark in GOOD.wanted if mark != WAITS}, UNKNOWN: False}},
    ),
    "one enqueued twice": ("lost", {"kept": [*GOOD.kept, Kept(9, WAITS, State.QUEUED, code="limit")]}),
    "an order without its message": ("lost", {"orders": {"order-2": True}}),
    "a message without its order": ("lost", {"orders": {"order-1": False}}),
    "one that is still being sent": ("lost", {"kept": kept(4, state=State.SENDING)}),
    "one that waits without a reason": ("lost", {"kept": kept(4, code="")}),
    "a double": (
        "doubles",
        {"accepted": [*GOOD.accepted, accepted(SENT, at=NOW + 40, task_id="T3", account="backup")]},
    ),
    "an acceptance that the gateway does not know": ("untrue", {"accepted": GOOD.accepted[1:]}),
    "another task's acceptance": ("untrue", {"kept": kept(1, task_id="T9")}),
    "one called unsent that was sent": ("untrue", {"accepted": [*GOOD.accepted, accepted(ENDED, at=NOW + 40)]}),
    "one put back that was sent": ("untrue", {"accepted": [*GOOD.accepted, accepted(WAITS, at=NOW + 40)]}),
    "a doubt without a fault": ("unexplained", {"asked": [asked(SENT), asked(DOUBTED)]}),
    "a doubt by a fault that makes none": ("unexplained", {"asked": [asked(DOUBTED, faults=("wrong-charset", "404"))]}),
    "a doubt by a fault elsewhere": (
        "unexplained",
        {"asked": [asked(DOUBTED, faults=("cut-after",), account="backup")]},
    ),
    "a doubt of which nothing is told": ("unexplained", {"doubts": GOOD.doubts[1:]}),
    "a lapse without a kill": ("unexplained", {"held": frozenset()}),
    "a limit that is exceeded, by what the store calls a doubt": (
        "over limit",
        {"accepted": [*GOOD.accepted, accepted(CRASHED, at=NOW + 9.9)]},
    ),
    "a limit of the account that is exceeded": ("over limit", {"limits": {"clinic": [ONE_IN_ALL]}}),
    "a stale message": ("stale", {"asked": [*GOOD.asked, asked(ENDED, at=NOW + 6)]}),
    "a report that is not there": ("reports", {"applied": {}}),
    "a report that is there twice": ("reports", {"applied": {("clinic", "T1", SENT[0]): 2}}),
    "a report that nobody heard": ("reports", {"heard": {}}),
    "a message that is there twice": ("reports", {"applied": {**GOOD.applied, ("clinic", "收到1", number(1)): 2}}),
    "a message that nobody heard": ("reports", {"heard": {("clinic", "T1", SENT[0]): 1}}),
    "a report that was not applied": ("reports", {"kept": kept(1, state=State.ACCEPTED)}),
}
"""By what is wrong: the kind of finding, and what it takes."""


@pytest.mark.parametrize("wrong", PLANTED)
def test_what_is_wrong_is_found(wrong: str) -> None:
    """Each planted fault is found, as what it is."""
    kind, changes = PLANTED[wrong]
    assert kind in {finding.kind for finding in found(**changes)}


def test_every_kind_of_finding_is_planted() -> None:
    """No column of the table is one that never counts; that of the workers comes from their logs."""
    assert {kind for kind, _ in PLANTED.values()} == set(FOUND) - {"workers"}


def test_a_report_that_died_with_its_reader() -> None:
    """A gateway hands a report out once: where its reader was killed, or the reply cut, nobody can have it."""
    name = ("clinic", "T1", SENT[0])
    unreported = {"applied": {("clinic", "收到1", number(1)): 1}, "kept": kept(1, state=State.ACCEPTED)}
    assert found(**unreported, handed={name: Handed(NOW, whole=True)}) != []
    assert found(**unreported, handed={name: Handed(NOW, whole=True)}, kills=[NOW + 60]) != []
    assert found(**unreported, handed={name: Handed(NOW, whole=True)}, kills=[NOW + 1]) == []
    assert found(**unreported, handed={name: Handed(NOW, whole=False)}) == []


EXPLAINED: dict[str, dict[str, Any]] = {
    "a reply that was cut": {"asked": [asked(SENT), asked(DOUBTED, whole=False)]},
    "a gateway that was slow by itself": {"asked": [asked(SENT), asked(DOUBTED, seconds=3.5)]},
    "a gateway that went away": {"asked": [asked(SENT)], "outages": {"clinic": [Window(NOW, NOW + 2)]}},
    "the same by a wrong clock": {
        "asked": [asked(SENT)],
        "outages": {"clinic": [Window(NOW - 900, NOW - 890)]},
        "shifts": frozenset({0.0, 895.0}),
    },
    "a gateway that went away, by a store's clock that was set back": {
        "asked": [asked(SENT)],
        "outages": {"clinic": [Window(NOW + 8, NOW + 10)]},
        "skew": Skew([(NOW - 100, 0.0), (NOW - 50, -8.0)]),
    },
    "a worker that was held up": {"held": frozenset(), "stalls": [Window(NOW + 5, NOW + 25)]},
}


@pytest.mark.parametrize("why", EXPLAINED)
def test_what_explains_a_doubt(why: str) -> None:
    """A doubt that has a cause is no finding."""
    assert [finding for finding in found(**EXPLAINED[why]) if finding.kind == "unexplained"] == []


def test_a_clock_that_jumped_forward_shortens_a_window() -> None:
    """SQLite's limits go by the machine's clock: a window is shorter by what that clock gained meanwhile, no more."""
    third = [*GOOD.accepted, accepted(CRASHED, at=NOW + 9.5)]
    for gain, kinds in ((0.6, set()), (0.4, {"over limit"})):
        skew = Skew([(NOW - 100, -5.0), (NOW + 5, -5.0 + gain)])
        assert {finding.kind for finding in found(accepted=third, skew=skew)} == kinds


def test_a_clock_that_fell_back_prolongs_a_life() -> None:
    """What was claimed while the clock was behind may leave that much later, by the true one."""
    late = [*GOOD.asked, asked(ENDED, at=NOW + 7)]
    for fall, kinds in ((3.0, set()), (1.0, {"stale"})):
        assert {finding.kind for finding in found(asked=late, skew=Skew([(NOW, -fall)]))} == kinds


def test_findings_hide_numbers() -> None:
    """A finding shows no whole number and no text."""
    for kind, changes in PLANTED.values():
        for finding in found(**changes):
            assert number(1) not in finding.words, kind
            assert "验证码" not in finding.words, kind


@pytest.mark.parametrize(
    "drawn",
    [lambda random: list(steps(random, 2_000)), lambda random: schedule(random, FULL)],
    ids=["traffic", "troubles"],
)
def test_a_seed_repeats_its_schedule(drawn: Callable[[Random], object]) -> None:
    """The same seed draws the same calls and the same troubles; another one draws others."""
    assert drawn(dice("test", 3)) == drawn(dice("test", 3))
    assert drawn(dice("test", 3)) != drawn(dice("test", 4))


@pytest.mark.parametrize("size", [FULL, SHORT], ids=["full", "short"])
def test_traffic_and_troubles_are_of_every_kind(size: Size) -> None:
    """Whatever the seed, everything that can be tried is: each kind of call, and each kind of fault."""
    calls = list(steps(dice("test", size.deliveries), size.deliveries))
    assert sum(step.size for step in calls if step.how is not How.UNDONE) >= size.deliveries
    assert {step.how for step in calls} == set(How)
    assert {step.route for step in calls} == {"otp", "flash", "notices", "orders"}
    troubles = schedule(dice("test", 1), size)
    assert {trouble.words.split(":")[1] for trouble in troubles if trouble.what is What.FAULT} == set(KINDS)
    assert {trouble.what for trouble in troubles} == {what for what, count in size.counts.items() if count}


def test_no_recipient_gets_a_text_twice() -> None:
    """The mark of a delivery is its own: the gateways' record and the store's can be told together by it."""
    marks = [mark for step in steps(dice("test", 5), 3_000) for mark in step.marks]
    assert len(marks) == len(set(marks))

"""The comparison: what the gateways noted against what the store says. Each check yields what contradicts it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from notify_core import State
from notify_core.phones import mask
from notify_core.settings import Limit
from notify_core.states import FINAL
from tests.chaos.facts import Accepted, Asked, Doubt, Facts, Kept, Mark, Told
from tests.faults.test_every_fault import DOUBT, OUTCOMES

LEFT = frozenset({State.ACCEPTED, State.DELIVERED, State.UNDELIVERED})
"""The states that say: a gateway has it."""
AT_REST = FINAL | {State.ACCEPTED, State.IN_DOUBT}
"""The states in which a delivery may be when all is quiet; beside them only ``queued``, for a reason that is told."""
LATE = 2.0
"""Seconds that a request may take from the worker's last look at the clock to the gateway's first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be. ``kind`` is a column of the table, ``words`` name the delivery, masked."""

    kind: str
    words: str


_CLAIMED = 30.0
"""Seconds that a claimed message may wait for its sender: it expires by the clock as it was when it was claimed."""

Check = Callable[[Facts], Iterator[Finding]]


def audited(facts: Facts) -> list[Finding]:
    """Everything that must not be."""
    return [finding for check in CHECKS for finding in check(facts)]


def stored_once(facts: Facts) -> Iterator[Finding]:
    """What was enqueued is there, once; what was rolled back, or never enqueued, is not."""
    found = Counter(kept.mark for kept in facts.kept)
    for mark, certain in facts.wanted.items():
        if certain and not found[mark]:
            yield Finding("lost", f"{_shown(mark)}: it was enqueued, and the store does not have it")
    for mark, times in found.items():
        if mark in facts.undone:
            yield Finding("lost", f"{_shown(mark)}: its transaction was rolled back, and the store has it")
        elif mark not in facts.wanted:
            yield Finding("lost", f"{_shown(mark)}: the store has it, and nobody enqueued it")
        elif times > 1:
            yield Finding("lost", f"{_shown(mark)}: enqueued once, and the store has it {times} times")


def with_its_order(facts: Facts) -> Iterator[Finding]:
    """A message that was enqueued in the application's transaction is there if, and only if, its order is."""
    keys = {kept.key for kept in facts.kept}
    for key, there in facts.orders.items():
        if there != (key in keys):
            yield Finding("lost", f"order {key}: {'its message' if there else 'the order'} is missing")


def at_rest(facts: Facts) -> Iterator[Finding]:
    """When all is quiet nothing is still being sent, and what waits tells for what."""
    for kept in facts.kept:
        if kept.state not in AT_REST and not (kept.state is State.QUEUED and kept.code):
            yield Finding("lost", f"{_named(kept)}: all is quiet, and it is {kept.state} without a reason")


def accepted_once(facts: Facts) -> Iterator[Finding]:
    """No gateway took anything that it, or another, had taken before."""
    for mark, taken in _by_mark(facts.accepted).items():
        if len(taken) > 1:
            places = ", ".join(f"{each.account} task {each.task_id}" for each in taken)
            yield Finding("doubles", f"{_shown(mark)}: accepted {len(taken)} times ({places})")


def true_to_the_gateways(facts: Facts) -> Iterator[Finding]:
    """What the store calls accepted a gateway has, under that task id; what it calls unsent no gateway has."""
    taken = _by_mark(facts.accepted)
    for kept in facts.kept:
        there = {(each.account, each.task_id) for each in taken.get(kept.mark, ())}
        if kept.state in LEFT and (kept.account, kept.task_id) not in there:
            yield Finding("untrue", f"{_named(kept)}: no gateway has it under task {kept.task_id!r}")
        if kept.state not in LEFT and kept.state not in _UNKNOWN and there:
            yield Finding("untrue", f"{_named(kept)}: it says that it was not sent, and {_of(there)} has it")


def doubts_explained(facts: Facts) -> Iterator[Finding]:
    """Each doubt has its fault: at the gateway, in the very request; or a worker that was killed while it had it."""
    names = {kept.id: kept for kept in facts.kept}
    asked = _by_mark_asked(facts.asked)
    doubted = {doubt.delivery for doubt in facts.doubts}
    for kept in facts.kept:
        if kept.state is State.IN_DOUBT and kept.id not in doubted:
            yield Finding("unexplained", f"{_named(kept)}: it is in doubt, and its timeline does not say why")
    for doubt in facts.doubts:
        kept = names[doubt.delivery]
        if not (_lapse_explained if doubt.lapsed else _request_explained)(facts, doubt, asked.get(kept.mark, ())):
            why = "its worker was not killed" if doubt.lapsed else f"no fault at {doubt.account} met it"
            yield Finding("unexplained", f"{_named(kept)}: it came into doubt, and {why}")


def limits_kept(facts: Facts) -> Iterator[Finding]:
    """By the gateways' own record and clock no window of any limit holds more than it allows, doubts included."""
    for account, limits in facts.limits.items():
        taken = sorted((each for each in facts.accepted if each.account == account), key=lambda each: each.at)
        for limit in limits:
            yield from _exceeded(facts, limit, taken)


def nothing_stale(facts: Facts) -> Iterator[Finding]:
    """No request for a message came to a gateway after the message had expired."""
    ends = {kept.mark: kept.expires_at for kept in facts.kept if kept.expires_at is not None}
    for asked in facts.asked:
        for mark in asked.marks:
            late = asked.at + facts.skew.lowest(asked.at - _CLAIMED, asked.at) - ends.get(mark, float("inf"))
            if late > LATE:
                yield Finding("stale", f"{_shown(mark)}: it left {late:.1f} s after it had expired")


def reports_applied(facts: Facts) -> Iterator[Finding]:
    """Each report is in the store once, its delivery is as it says (or still in doubt), and a listener heard of it."""
    states = {kept.mark: kept for kept in facts.kept}
    doubted = {doubt.delivery for doubt in facts.doubts}
    for told in facts.told:
        name, kept = (told.account, told.task_id, told.mark[0]), states.get(told.mark)
        if lost(facts, told):
            continue
        unsure = kept is not None and kept.state is State.IN_DOUBT and kept.id in doubted
        if facts.applied.get(name, 0) != 1:
            yield Finding(
                "reports", f"{_shown(told.mark)}: its report is in the store {facts.applied.get(name, 0)} times"
            )
        elif not unsure and (kept is None or kept.state is not told.state):
            yield Finding("reports", f"{_shown(told.mark)}: reported {told.state}, and it is {kept and kept.state}")
        elif not unsure and not facts.heard.get(name):
            yield Finding("reports", f"{_shown(told.mark)}: no listener was told of its report")


def lost(facts: Facts, told: Told) -> bool:
    """Whether a report died with its reader: a gateway hands it out once, whatever becomes of who asked for it.

    That is so where its reply was cut, or the worker was killed that had it and had not stored it yet.
    """
    name = (told.account, told.task_id, told.mark[0])
    handed = facts.handed.get(name)
    if handed is None or facts.applied.get(name, 0):
        return False
    return not handed.whole or any(handed.at - 1 < kill < handed.at + facts.patience for kill in facts.kills)


def messages_received(facts: Facts) -> Iterator[Finding]:
    """Each subscriber's message is in the store once, and a listener heard of it."""
    for came in facts.came:
        name = (came.account, came.text, came.sender)
        if facts.applied.get(name, 0) != 1:
            yield Finding(
                "reports",
                f"{_shown((came.sender, came.text))}: it wrote once, and is there {facts.applied.get(name, 0)} times",
            )
        elif not facts.heard.get(name):
            yield Finding("reports", f"{_shown((came.sender, came.text))}: it wrote, and no listener was told")


CHECKS: tuple[Check, ...] = (
    stored_once,
    with_its_order,
    at_rest,
    accepted_once,
    true_to_the_gateways,
    doubts_explained,
    limits_kept,
    nothing_stale,
    reports_applied,
    messages_received,
)
KINDS = ("lost", "doubles", "untrue", "unexplained", "over limit", "stale", "reports", "workers")
"""The kinds of findings; that of ``workers`` is what their logs tell."""

_UNKNOWN = frozenset({State.IN_DOUBT, State.ABANDONED, State.SENDING})


def _lapse_explained(facts: Facts, doubt: Doubt, _asked: Sequence[Asked]) -> bool:
    return doubt.delivery in facts.held or any(stall.holds(doubt.at) for stall in facts.stalls)


def _request_explained(facts: Facts, doubt: Doubt, asked: Sequence[Asked]) -> bool:
    if any(each.account == doubt.account and _goes_wrong(each, facts.patience) for each in asked):
        return True
    moments = [at - shift for at in facts.skew.true(doubt.at) for shift in facts.shifts]
    return any(outage.holds(at) for outage in facts.outages.get(doubt.account, ()) for at in moments)


def _goes_wrong(asked: Asked, patience: float) -> bool:
    """Whether a client may be left in doubt by this exchange; a gateway that is slow by itself leaves it so too."""
    met = any(OUTCOMES[kind] == DOUBT for kind in asked.faults)
    return met or not asked.whole or asked.seconds > 0.9 * patience


def _exceeded(facts: Facts, limit: Limit, taken: Sequence[Accepted]) -> Iterator[Finding]:
    counted: dict[str, list[Accepted]] = defaultdict(list)
    for each in taken:
        if limit.containing in each.mark[1]:
            counted[each.mark[0] if limit.per == "recipient" else ""].append(each)
    for found in counted.values():
        for first, last in zip(found, found[limit.count :], strict=False):
            gap = last.at - first.at
            if gap < limit.within - facts.skew.rise(first.at, last.at):
                words = f"{limit.count + 1} within {gap:.3f} s, {limit.count} within {limit.within:g} s are allowed"
                yield Finding("over limit", f"{_shown(last.mark)}: {last.account} has {words} per {limit.per}")


def _by_mark(accepted: Sequence[Accepted]) -> Mapping[Mark, list[Accepted]]:
    found: dict[Mark, list[Accepted]] = defaultdict(list)
    for each in accepted:
        found[each.mark].append(each)
    return found


def _by_mark_asked(asked: Sequence[Asked]) -> Mapping[Mark, list[Asked]]:
    found: dict[Mark, list[Asked]] = defaultdict(list)
    for each in asked:
        for mark in each.marks:
            found[mark].append(each)
    return found


def _named(kept: Kept) -> str:
    return f"delivery {kept.id} {_shown(kept.mark)} ({kept.state}{f', {kept.code}' if kept.code else ''})"


def _shown(mark: Mark) -> str:
    """A delivery by its masked number and the counter in its text."""
    recipient, text = mark
    return f"{mask(recipient)} #{''.join(filter(str.isdigit, text)) or '?'}"


def _of(there: set[tuple[str, str]]) -> str:
    return ", ".join(f"{account} (task {task})" for account, task in sorted(there))

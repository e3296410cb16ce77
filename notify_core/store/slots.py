"""The provider's sliding limits, exact across threads, processes and machines.

A message that may leave holds a slot of every rule that counts it for as long as it is on its way: nobody knows when
the gateway will count it. Once its outcome is known the slot is spent from that moment on for the rule's span, or given
back where the message surely was not sent. So the gateway, which counted it before we knew, never counts more. One that
let us wait in vain may count it after we gave up: such a slot is spent from as much later as we waited.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection

from notify_core.settings import Limit
from notify_core.store import statements

RECHECK = 5.0
"""Seconds after which a message is looked at again that waits only for slots which may yet be given back."""

# One slot a message would make a limit of a million a day cost a million rows to look at. An account's slots are
# counted together for a thousandth of the span, and are free at its end: never too early, and at most that much late.
_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit of one account. Rules of one ``name`` share their slots; times are whole milliseconds."""

    account: str
    name: str
    count: int
    span: int
    step: int
    per_recipient: bool

    @classmethod
    def of(cls, account: str, limit: Limit) -> Rule:
        """The rule; its name leaves out the count, so that a limit that is renegotiated goes on from where it is."""
        span = ceil(limit.within * 1000)
        per_recipient = limit.per == "recipient"
        step = 1 if per_recipient else max(1, span // _STEPS)
        name = f"{account} {limit.per} {span}ms {limit.containing}".rstrip()
        return cls(account, name, limit.count, span, step, per_recipient)

    def subject(self, recipient: str) -> str:
        """Whose messages are counted: the recipient's, or the whole account's (empty)."""
        return recipient if self.per_recipient else ""


@dataclass(slots=True)
class _Window:
    """The slots that are taken of one subject under rules of one name; times are milliseconds since 1970."""

    frees: list[int] = field(default_factory=list)  # when slots that are spent are free again, in order
    spent: list[int] = field(default_factory=list)  # how many slots are free by then
    held: int = 0
    turns: list[int] = field(default_factory=list)  # of those that this claim lets wait

    def add_spent(self, until: int, units: int) -> None:
        self.frees.append(until)
        self.spent.append(self._spent + units)

    @property
    def _spent(self) -> int:
        return self.spent[-1] if self.spent else 0

    def has_room(self, rule: Rule) -> bool:
        return self._spent + self.held < rule.count

    def turn(self, rule: Rule, now: int) -> int:
        """When the next one could go, after those that wait already, as far as can be known.

        Slots that are held count as spent now. Where giving them back would make room, that is looked at again soon.
        """
        turn = self._nth_free(self._spent + self.held + len(self.turns) - rule.count, rule, now)
        undecided = self._spent + len(self.turns) < rule.count
        return min(turn, now + int(RECHECK * 1000)) if undecided else turn

    def _nth_free(self, number: int, rule: Rule, now: int) -> int:
        if number < self._spent:
            return self.frees[bisect_right(self.spent, number)]
        if number < self._spent + self.held:
            return now + rule.span
        return self.turns[number - self._spent - self.held] + rule.span


class Ledger:
    """The slots that one claim needs to know of, read once and then kept in step with what it takes.

    Make it inside a transaction that writes; ``close`` stores what was taken. ``wanted`` has the recipients for each
    rule that may be asked for, ``deliveries`` those that may hold slots already.
    """

    def __init__(
        self,
        connection: Connection,
        now: float,
        wanted: Mapping[Rule, Collection[str]],
        deliveries: Sequence[int] = (),
    ) -> None:
        self._connection = connection
        self._now = int(now * 1000)
        self._windows: dict[tuple[str, str], _Window] = defaultdict(_Window)
        self._taken: list[dict[str, Any]] = []
        _lock({rule.account for rule in wanted}, connection)
        self._held = _held_by(connection, deliveries) if wanted and deliveries else set()
        subjects: dict[str, set[str]] = defaultdict(set)
        for rule, recipients in wanted.items():
            subjects[rule.name].update(map(rule.subject, recipients))
        for name, asked in subjects.items():
            self._read(name, list(asked))

    def _read(self, name: str, subjects: list[str]) -> None:
        """What is held comes first: what is spent in between is then counted twice, and not missed."""
        facts = {"rule_name": name, "subjects": subjects, "now_ms": self._now}
        for subject, held in self._connection.execute(statements.HELD, facts):
            self._windows[name, subject].held = held
        for subject, until, units in self._connection.execute(statements.SLOTS, facts):
            self._windows[name, subject].add_spent(until, units)

    def take(self, delivery: int, recipient: str, rules: Iterable[Rule]) -> float:
        """Take a slot under each of ``rules``: 0.0. Or take none: the seconds after which it could go."""
        asked = [(rule, rule.subject(recipient)) for rule in rules if (delivery, rule.name) not in self._held]
        full = [(rule, subject) for rule, subject in asked if not self._windows[rule.name, subject].has_room(rule)]
        if full:
            return self._wait(full)
        for rule, subject in asked:
            self._windows[rule.name, subject].held += 1
            self._held.add((delivery, rule.name))
            self._taken.append(_hold(delivery, rule, subject))
        return 0.0

    def _wait(self, full: list[tuple[Rule, str]]) -> float:
        windows = [(rule, self._windows[rule.name, subject]) for rule, subject in full]
        turn = max(window.turn(rule, self._now) for rule, window in windows)
        for _, window in windows:
            window.turns.append(turn)
        return (turn - self._now) / 1000

    def close(self) -> None:
        """Store the slots that were taken."""
        statements.ADD_HOLDS.run(self._connection, self._taken)


def spend(
    connection: Connection, now: float, deliveries: Sequence[int], late: Mapping[int, float] = MappingProxyType({})
) -> None:
    """Count the slots that these deliveries hold from now on: they left, or may have.

    ``late`` has those that the gateway may count later than now, by up to so many seconds.
    """
    held = connection.execute(statements.SPEND_HOLDS, {"deliveries": deliveries})
    units: Counter[tuple[str, str, int]] = Counter()
    for delivery, rule, subject, span, step in held:
        moment = int((now + late.get(delivery, 0.0)) * 1000)
        units[rule, subject, (moment // step + 1) * step + span] += 1
    rows = [
        {"rule": rule, "subject": subject, "until": until, "units": count}
        # In one order: two that count the same rows then do not wait for each other in a circle.
        for (rule, subject, until), count in sorted(units.items())
    ]
    statements.ADD_SLOTS.run(connection, rows)


def give_back(connection: Connection, deliveries: Sequence[int], account: str = "") -> None:
    """Free the slots that these deliveries hold (of ``account`` only): they surely did not leave."""
    if account:
        connection.execute(statements.DROP_HOLDS_OF_ACCOUNT, {"deliveries": deliveries, "account_name": account})
    else:
        connection.execute(statements.DROP_HOLDS, {"deliveries": deliveries})


def _lock(accounts: Iterable[str], connection: Connection) -> None:
    """Let nobody else take slots of these accounts until the transaction ends; in one order, against deadlock."""
    if connection.dialect.name == "postgresql":
        for account in sorted(accounts):
            connection.execute(statements.LOCK_ACCOUNT, {"account_name": account})


def _held_by(connection: Connection, deliveries: Sequence[int]) -> set[tuple[int, str]]:
    return {(row[0], row[1]) for row in connection.execute(statements.HELD_BY, {"deliveries": deliveries})}


def _hold(delivery: int, rule: Rule, subject: str) -> dict[str, Any]:
    return {
        "delivery_id": delivery,
        "rule": rule.name,
        "subject": subject,
        "account": rule.account,
        "span": rule.span,
        "step": rule.step,
    }

"""What is enqueued, drawn from a seed: codes, notices, orders, what expires, transactions that are rolled back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count
from random import Random

from notify_core import Sms
from tests.chaos.facts import Mark

REFUSED = 5
"""So many of the numbers are black-listed at both gateways."""


class How(Enum):
    """In whose transaction a call of ``enqueue`` is made."""

    OWN = "in a transaction of its own"
    JOINED = "in the application's transaction, which is committed"
    UNDONE = "in the application's transaction, which is rolled back"
    AGAIN = "twice with one key, and once more with that key for another message"


@dataclass(frozen=True, slots=True)
class Step:
    """One call of ``enqueue``: messages (recipients and text each) for a route."""

    route: str
    messages: tuple[tuple[tuple[str, ...], str], ...]
    how: How = How.OWN
    key: str = ""

    @property
    def marks(self) -> Iterator[Mark]:
        """Every delivery of it."""
        for recipients, text in self.messages:
            for recipient in recipients:
                yield recipient, text

    @property
    def size(self) -> int:
        """How many deliveries those are."""
        return sum(len(recipients) for recipients, _ in self.messages)

    def sms(self) -> list[Sms]:
        """The messages."""
        return [Sms(to=recipients, text=text) for recipients, text in self.messages]


def dice(name: str, seed: int) -> Random:
    """What a seed decides about one thing, whatever else is drawn."""
    return Random(f"{name} {seed}")  # noqa: S311 - it has to repeat itself


def number(which: int) -> str:
    """A phone number that nobody has."""
    return f"+86138{which:08d}"


def refused() -> list[str]:
    """The numbers that both gateways refuse."""
    return [number(which) for which in range(REFUSED)]


def steps(random: Random, deliveries: int) -> Iterator[Step]:
    """Calls of ``enqueue`` that make so many deliveries, and some that make none."""
    people = [number(which) for which in range(max(200, deliveries // 8))]
    serial = count(1)
    made = 0
    while made < deliveries:
        maker = random.choices((_codes, _notices, _order, _flash, _rolled_back, _repeated), _SHARES)[0]
        step = maker(random, people, serial, deliveries - made)
        made += step.size if step.how is not How.UNDONE else 0
        yield step


_SHARES = (40, 9, 18, 10, 9, 14)


def _codes(random: Random, people: Sequence[str], serial: count[int], most: int) -> Step:
    """Distinct one-time codes."""
    many = min(most, random.randint(5, 40))
    return Step("otp", tuple(((random.choice(people),), _code(serial)) for _ in range(many)))


def _notices(random: Random, people: Sequence[str], serial: count[int], most: int) -> Step:
    """One text to many, some of them in messages of their own: what may leave together."""
    to = random.sample(people, min(most, random.randint(40, 160)))
    alone, text = random.randint(0, len(to) // 2), f"通知{next(serial)}号：门诊今日休息"
    together = tuple(to[alone:])
    return Step("notices", (*(((each,), text) for each in to[:alone]), (together, text)))


def _order(random: Random, people: Sequence[str], serial: count[int], _most: int) -> Step:
    """A message with its order, in one transaction."""
    which = next(serial)
    return Step("orders", (((random.choice(people),), f"订单{which}已付款"),), How.JOINED, key=f"order-{which}")


def _flash(random: Random, people: Sequence[str], serial: count[int], most: int) -> Step:
    """What is of no use after some seconds."""
    many = min(most, random.randint(1, 10))
    return Step("flash", tuple(((random.choice(people),), _code(serial)) for _ in range(many)))


def _rolled_back(random: Random, people: Sequence[str], serial: count[int], _most: int) -> Step:
    """An order that is not to be."""
    which = next(serial)
    return Step("orders", (((random.choice(people),), f"订单{which}已付款"),), How.UNDONE, key=f"order-{which}")


def _repeated(random: Random, people: Sequence[str], serial: count[int], _most: int) -> Step:
    """A call that is repeated, as by a client whose connection was lost."""
    which = next(serial)
    return Step("orders", (((random.choice(people),), f"预约{which}已确认"),), How.AGAIN, key=f"visit-{which}")


def _code(serial: count[int]) -> str:
    return f"您的验证码：{next(serial):06d}"

"""Random routes past random gateways: whatever happens, nothing is sent twice and nobody is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_core import Notifier, Result, Sms, State
from notify_core.errors import Scope, SendError, Sent
from notify_core.messages import Accepted, Submission
from tests.core.conftest import TRANSPORTS
from tests.core.transports.memory import GATEWAYS

NUMBERS = [f"+86138000000{number:02}" for number in range(1, 7)]
PATHS = [f"{account}.{dialect}" for account in ("red", "blue", "green") for dialect in ("one", "two")]


@dataclass
class World:
    """What the gateways do to each submission, and who has surely or possibly got the message."""

    act: Callable[[Submission], Accepted]
    taken: Counter[str] = field(default_factory=Counter)
    doubted: Counter[str] = field(default_factory=Counter)

    paths: list[str] = field(default_factory=list)
    in_doubt: str = "hold"

    def send(self, **more: object) -> Result:
        """Send one message to everybody past these gateways."""
        with self.opened(**more) as notifier:
            return notifier.send(Sms(to=NUMBERS, text="hello"))

    def opened(self, **more: object) -> Notifier:
        """A notifier past these gateways."""
        accounts = {
            name: {"provider": "memory", "base_url": "http://localhost", "gateway": "world", **more}
            for name in ("red", "blue", "green")
        }
        GATEWAYS["world"] = self.act
        route = {"paths": self.paths, "in_doubt": self.in_doubt}
        configuration = {"transports": TRANSPORTS, "accounts": accounts, "routes": {"default": route}}
        return Notifier.from_mapping(configuration)


LIMIT = {"per": "recipient", "count": 10, "within": "1h"}


def slots(notifier: Notifier) -> tuple[Counter[str], int]:
    """How many slots of each number's limits are spent, over all accounts, and how many are held."""
    spent: Counter[str] = Counter()
    held = 0
    for account in notifier.paths.accounts.values():
        for (_, number), window in account.limits._windows.items():
            spent[number] += len(window.spent)
            held += window.held
    return spent, held


# --- gateways that do anything ---------------------------------------------------------------------------------------

VERDICTS = [*Scope, "named", "partly", "doubt", "short", "crash", "doubt for one", "take"]


def whim(world: World, draw: Callable[[], tuple[str, int]]) -> Callable[[Submission], Accepted]:
    """A gateway that does something else to each submission; ``draw`` gives what, and how many recipients it meets."""

    def act(submission: Submission) -> Accepted:
        what, many = draw()
        some, others = submission.recipients[:many], submission.recipients[many:]
        if what in list(Scope):
            raise SendError("refused", scope=Scope(what))
        if what == "named":
            raise SendError("refused", scope=Scope.RECIPIENT, recipients=some)
        if what == "partly":
            world.taken.update(others)
            return Accepted(refused={number: SendError("refused", scope=Scope.RECIPIENT) for number in some})
        if what == "doubt for one":
            world.taken.update(others)
            world.doubted.update(some)
            return Accepted(refused={number: SendError("?", sent=Sent.UNKNOWN) for number in some})
        if what == "take":
            world.taken.update(submission.recipients)
            return Accepted(count=len(submission.recipients))
        world.doubted.update(submission.recipients)
        if what == "short":
            return Accepted(count=len(submission.recipients) - 1)
        raise SendError("cut", sent=Sent.UNKNOWN, scope=Scope.TRANSPORT)

    return act


routes = st.lists(st.sampled_from(PATHS), min_size=1, unique=True)
whims = st.tuples(st.sampled_from(VERDICTS), st.integers(1, 3))


@given(data=st.data(), paths=routes, most=st.integers(1, 7))
def test_nothing_is_sent_twice(data: st.DataObject, paths: list[str], most: int) -> None:
    """Under hold, no number is in two submissions of which each was, or may have been, accepted for it."""
    world = World(act=lambda _: Accepted(), paths=paths)
    world.act = whim(world, lambda: data.draw(whims))
    world.send(max_recipients=most)
    assert [number for number, times in (world.taken + world.doubted).items() if times > 1] == []


@given(data=st.data(), paths=routes, most=st.integers(1, 7), in_doubt=st.sampled_from(["hold", "failover"]))
def test_every_recipient_ends_in_the_state_that_is_true(
    data: st.DataObject, paths: list[str], most: int, in_doubt: str
) -> None:
    """Each number has one delivery: accepted if it was taken, else in doubt if it may have been, else rejected."""
    world = World(act=lambda _: Accepted(), paths=paths, in_doubt=in_doubt)
    world.act = whim(world, lambda: data.draw(whims))
    result = world.send(max_recipients=most)
    assert [delivery.recipient for delivery in result.deliveries] == NUMBERS
    assert {delivery.recipient: delivery.state for delivery in result.deliveries} == {
        number: State.ACCEPTED if world.taken[number] else State.IN_DOUBT if world.doubted[number] else State.REJECTED
        for number in NUMBERS
    }


@given(data=st.data(), paths=routes, most=st.integers(1, 7), in_doubt=st.sampled_from(["hold", "failover"]))
def test_every_slot_is_spent_or_given_back(data: st.DataObject, paths: list[str], most: int, in_doubt: str) -> None:
    """A slot of a limit is spent for each submission that took a number, or may have, and no other is kept."""
    world = World(act=lambda _: Accepted(), paths=paths, in_doubt=in_doubt)
    world.act = whim(world, lambda: data.draw(whims))
    with world.opened(max_recipients=most, limits=[LIMIT]) as notifier:
        notifier.send(Sms(to=NUMBERS, text="hello"))
        spent, held = slots(notifier)
    assert (+spent, held) == (world.taken + world.doubted, 0)


def test_an_interrupted_send_keeps_no_slot_of_what_did_not_leave() -> None:
    """Ctrl-C within a submission: what left, or may have, is counted; what was still to leave is not."""

    def act(submission: Submission) -> Accepted:
        if submission.recipients == (NUMBERS[1],):
            raise KeyboardInterrupt
        return Accepted(count=1)

    with World(act, paths=["red.one"]).opened(max_recipients=1, limits=[LIMIT]) as notifier:
        with pytest.raises(KeyboardInterrupt):
            notifier.send(Sms(to=NUMBERS, text="hello"))
        spent, held = slots(notifier)
    assert (+spent, held) == (Counter(NUMBERS[:2]), 0)


# --- gateways that are true to themselves ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """What is wrong for good: whole accounts, single paths, numbers at accounts; and how numbers are refused."""

    accounts: dict[str, Scope]
    paths: set[str]
    numbers: set[tuple[str, str]]
    manner: str

    def takes(self, path: str, number: str) -> bool:
        """Whether a submission by that path to that number alone is accepted."""
        account = path.partition(".")[0]
        return account not in self.accounts and path not in self.paths and (account, number) not in self.numbers

    def act(self, submission: Submission) -> Accepted:
        """What its gateways say."""
        account = submission.path.partition(".")[0]
        if scope := self.accounts.get(account):
            raise SendError("refused", scope=scope)
        if submission.path in self.paths:
            raise SendError("refused", scope=Scope.TRANSPORT)
        bad = tuple(number for number in submission.recipients if (account, number) in self.numbers)
        if bad and self.manner == "partly":
            return Accepted(refused={number: SendError("bad", scope=Scope.RECIPIENT) for number in bad})
        if bad:
            raise SendError("bad", scope=Scope.RECIPIENT, recipients=bad if self.manner == "named" else ())
        return Accepted(count=len(submission.recipients))


accounts = st.sampled_from(["red", "blue", "green"])
truths = st.builds(
    Truth,
    accounts=st.dictionaries(accounts, st.sampled_from([Scope.ACCOUNT, Scope.PROVIDER])),
    paths=st.sets(st.sampled_from(PATHS)),
    numbers=st.sets(st.tuples(accounts, st.sampled_from(NUMBERS))),
    manner=st.sampled_from(["partly", "named", "silent"]),
)


@given(truth=truths, paths=routes, most=st.integers(1, 7))
def test_nobody_is_lost(truth: Truth, paths: list[str], most: int) -> None:
    """A number is accepted exactly where some path of the route takes it; all others are rejected."""
    result = World(act=truth.act, paths=paths).send(max_recipients=most)
    reached = {number for number in NUMBERS for path in paths if truth.takes(path, number)}
    assert {delivery.recipient for delivery in result.deliveries if delivery.state is State.ACCEPTED} == reached
    assert {delivery.recipient for delivery in result.rejected} == set(NUMBERS) - reached


@given(truth=truths, paths=routes)
def test_no_attempt_is_bound_to_fail(truth: Truth, paths: list[str]) -> None:
    """An account that failed as such is asked once, and no number twice at an account that refused it alone."""
    result = World(act=truth.act, paths=paths).send()
    asked = Counter(attempt.path.partition(".")[0] for attempt in result.attempts)
    alone = Counter(
        (attempt.path.partition(".")[0], attempt.recipients)
        for attempt in result.attempts
        if len(attempt.recipients) == 1 and attempt.error and attempt.error.scope is Scope.RECIPIENT
    )
    assert [account for account in truth.accounts if asked[account] > 1] == []
    assert [each for each, times in alone.items() if times > 1] == []


@given(truth=truths, paths=routes, count=st.integers(1, 2))
def test_limits_count_what_was_sent(truth: Truth, paths: list[str], count: int) -> None:
    """With room for ``count``, a number is taken that often by the accounts that take it, and no slot gets lost."""
    limits = [{"per": "recipient", "count": count, "within": "1d"}]
    accounts = {
        name: {"provider": "memory", "base_url": "http://localhost", "gateway": "world", "limits": limits}
        for name in ("red", "blue", "green")
    }
    GATEWAYS["world"] = truth.act
    configuration = {"transports": TRANSPORTS, "accounts": accounts, "routes": {"default": paths}}
    with Notifier.from_mapping(configuration) as notifier:
        results = [notifier.send(Sms(to=NUMBERS, text="hello")) for _ in range(2 * 3 + 1)]
    took = Counter(
        delivery.recipient for result in results for delivery in result.deliveries if delivery.state is State.ACCEPTED
    )
    assert took == {
        number: count * len(open_to)
        for number in NUMBERS
        if (open_to := {path.partition(".")[0] for path in paths if truth.takes(path, number)})
    }

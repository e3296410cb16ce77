"""Reports against a model that is a dictionary: in any order, repeated, in any batches, early and late."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notify_core import State
from notify_core.messages import Report
from notify_core.store import Store, Worker
from tests.store.letters import STARTED, apply, record, report, told
from tests.store.workshop import Clock, emptied, put, states

ACCOUNTS = ("clinic", "backup")
WORDS = (State.ACCEPTED, State.DELIVERED, State.UNDELIVERED)

Said = tuple[str, Report]

reports = st.builds(
    lambda account, task, which, state, code: (account, report(which, state, task_id=f"T{task}", code=code)),
    st.sampled_from(ACCOUNTS),
    st.integers(0, 3),
    st.integers(1, 2),
    st.sampled_from(WORDS),
    st.sampled_from(["DELIVRD", "MK:0001"]),
)
steps = st.lists(
    st.one_of(
        st.lists(reports, min_size=1, max_size=5),
        st.sampled_from(["match", "wait"]),
        st.tuples(st.sampled_from(ACCOUNTS), st.integers(0, 2)),  # a submission is recorded
    ),
    max_size=14,
)
Step = list[Said] | str | tuple[str, int]

STEADY = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@dataclass
class Model:
    """What has to come of it: the first final word on each delivery, and each report told once, in order."""

    heard: dict[Said, None] = field(default_factory=dict)
    submitted: dict[tuple[str, int], list[int]] = field(default_factory=dict)

    def state(self, account: str, task: int, which: int) -> State:
        """What the reports say became of it, in the order in which they came."""
        words = [
            said.state
            for place, said in self.heard
            if (place, said.task_id, said.recipient) == (account, f"T{task}", report(which).recipient)
        ]
        return next((word for word in words if word is not State.ACCEPTED), State.ACCEPTED)

    def states(self) -> dict[int, State]:
        """By delivery, the state that it must have in the end."""
        return {
            number: self.state(account, task, which)
            for (account, task), numbers in self.submitted.items()
            for which, number in enumerate(numbers, 1)
        }


def play(store: Store, clock: Clock, worker: Worker, model: Model, step: Step) -> None:
    """Do one step, in the store and in the model."""
    if step == "match":
        store.match()
    elif step == "wait":
        clock.now += 1
    elif isinstance(step, list):
        by_account: dict[str, list[Report]] = defaultdict(list)
        for account, said in step:
            by_account[account].append(said)
        for account, batch in by_account.items():
            news = apply(store, *batch, account=account).reports
            known = [each for each in dict.fromkeys(batch) if (account, each) not in model.heard]
            assert list(news) == known
            model.heard.update(dict.fromkeys((account, each) for each in known))
    elif isinstance(step, tuple) and step not in model.submitted:
        account, task = step
        model.submitted[account, task] = put(store, 1, 2, text=f"{account} {task}")
        record(store, worker, f"T{task}", path=f"{account}.json")


@STEADY
@given(plan=steps)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_any_order_of_reports(request: pytest.FixtureRequest, database: str, plan: list[Step]) -> None:
    """Whatever comes in whatever order, each delivery ends where its first final word put it, and all is told once."""
    clock: Clock = request.getfixturevalue("clock")
    store = emptied(request.getfixturevalue("stores")[request.getfixturevalue(f"{database}_url")])
    worker, model = store.enroll("worker"), Model()
    clock.now = STARTED.timestamp()
    for step in plan:
        play(store, clock, worker, model, step)
    store.match()
    assert states(store) == model.states()
    clock.now += 300
    notices = [(notice.account, notice.report) for notice in told(store)]
    assert sorted(map(repr, notices)) == sorted(map(repr, model.heard))
    assert len(set(notices)) == len(notices)
    for place in {(account, said.recipient) for account, said in model.heard}:
        mine = [each for each in notices if each[1] is not None and (each[0], each[1].recipient) == place]
        assert mine == [each for each in model.heard if (each[0], each[1].recipient) == place]

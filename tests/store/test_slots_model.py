"""Limits against the model of test_limits.py, with what else befalls a message: failover, hand-back, a lost worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from notify_core import State
from notify_core.store import Intent, Outcome, Store
from notify_core.store.schema import limit_holds
from notify_core.store.slots import Rule
from tests.store.test_limits import LIMITS, STEADY, Traffic
from tests.store.workshop import Clock, emptied

some = st.integers(0, 1000)
OTHER = {"clinic.json": "backup.json", "backup.json": "clinic.json"}


STEPS: Any = settings(STEADY, max_examples=25, stateful_step_count=25)


class Failover(Traffic):
    """The same traffic; what is under way may go on to the other account, back into the queue, or be lost."""

    @rule(
        recipients=st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True),
        path=st.sampled_from(sorted(OTHER)),
    )
    def arrive(self, recipients: Sequence[int], path: str) -> None:
        """A message comes in, and is taken at once: often enough, something is under way."""
        self.enqueue(recipients)
        self.claim((path, OTHER[path]))

    @precondition(lambda self: self.open)
    @rule(which=some, how=st.sampled_from(["refused", "refused", "doubted", "handed back", "lost"]))
    def go_on(self, which: int, how: str) -> None:
        """Something befalls one that is under way."""
        token, id_ = self.open.pop(which % len(self.open))
        if how == "handed back":
            self.store.hand_back(token, [id_])
            self._end(id_, left=False)
        elif how == "lost":
            self.open.append((token, id_))
            self._lose_the_worker()
        else:
            self._fail_over(token, id_, keeps=how == "doubted")

    def _fail_over(self, token: int, id_: int, *, keeps: bool) -> None:
        """It is refused, or in doubt (then its slots are kept): it goes by the other account if that has room."""
        path, _ = self.began[id_]
        other, recipient, now = OTHER[path], self.recipients[id_], self.clock.now
        if not keeps:
            self.store.give_back([id_], path.partition(".")[0])
            for key in self.model.keys(path, recipient):
                self.model.under_way[key].discard(id_)
        held = any(id_ in self.model.under_way[key] for key in self.model.keys(other, recipient))
        goes = held or self.model.start(other, recipient, id_, now)
        waits = self.store.hold(token, Intent(other, LIMITS[other]), {recipient: id_})
        assert (waits == {}) is goes
        assert all(wait > 0 for wait in waits.values())
        if goes:
            self.open.append((token, id_))
            self.began[id_] = (other, now)
        else:  # no account has room: it surely was not sent, and waits
            assert self.store.record([Outcome(token=token, deliveries=[id_], state=State.QUEUED)]) == []
            self._end(id_, left=False)

    def _lose_the_worker(self) -> None:
        """All that is under way may have left: it counts from the moment in which that is noticed."""
        self.store.retire(self.worker)
        assert sorted(self.store.lapse()) == sorted(id_ for _, id_ in self.open)
        for _, id_ in self.open:
            self._end(id_, left=True)
        self.open.clear()
        self.worker = self.store.enroll(lease=10**9)
        self.store.purge(self.clock.after(-(10**6)))  # forgets slots that are free, and no others

    def _end(self, id_: int, *, left: bool) -> None:
        self.model.end(id_, self.clock.now, left=left)
        path, began = self.began.pop(id_)
        for key in self.model.keys(path, self.recipients[id_]) if left else ():
            self.left[path, f"{key[1]}{key[2]}"].append((began, self.clock.now))

    @invariant()
    def held_as_known(self) -> None:
        """Each message that is under way holds the slots of the accounts that may have it, and nothing else does."""
        known = {
            (id_, Rule.of(path.partition(".")[0], limit).name)
            for (path, limit, _), ids in self.model.under_way.items()
            for id_ in ids
        }
        with self.store._database.reading() as connection:
            held = {(row.delivery_id, row.rule) for row in connection.execute(select(limit_holds))}
        assert held == known


def test_any_traffic_with_failover(store: Store, clock: Clock) -> None:
    """However a message gets on, its slots are where the model has them: held, spent, or free."""

    class Fresh(Failover):
        def __init__(self) -> None:
            emptied(store)
            clock.now = Clock().now
            super().__init__()

    Fresh.store, Fresh.clock = store, clock
    run_state_machine_as_test(Fresh, settings=STEPS)

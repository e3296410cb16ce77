"""Limits against the model of test_limits.py, with what else befalls a message: failover, hand-back, a lost worker."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from notify_core import State
from notify_core.store import Intent, Outcome, Store
from tests.store.test_limits import LIMITS, STEADY, Traffic
from tests.store.workshop import Clock, emptied

some = st.integers(0, 1000)
OTHER = {"clinic.json": "backup.json", "backup.json": "clinic.json"}


class Failover(Traffic):
    """The same traffic; what is under way may go on to the other account, back into the queue, or be lost."""

    @precondition(lambda self: self.open)
    @rule(which=some, keeps=st.booleans())
    def fail_over(self, which: int, keeps: bool) -> None:  # noqa: FBT001 - hypothesis gives it by name
        """One is refused, or in doubt (then its slot is kept): it goes by the other account if that has room."""
        token, id_ = self.open[which % len(self.open)]
        path, _ = self.began[id_]
        other, recipient, now = OTHER[path], self.recipients[id_], self.clock.now
        if not keeps:
            self.store.give_back([id_], path.partition(".")[0])
            self.model.end(id_, now, left=False)
        held = any(id_ in self.model.under_way[key] for key in self.model.keys(other, recipient))
        goes = held or self.model.start(other, recipient, id_, now)
        waits = self.store.hold(token, Intent(other, LIMITS[other]), {recipient: id_})
        assert (waits == {}) is goes
        assert all(wait > 0 for wait in waits.values())
        if goes:
            self.began[id_] = (other, now)
        else:
            self._retry(which, token, id_)

    @precondition(lambda self: self.open)
    @rule(which=some)
    def hand_back(self, which: int) -> None:
        """One was not begun: it goes back with its slots."""
        token, id_ = self.open.pop(which % len(self.open))
        self.store.hand_back(token, [id_])
        self.model.end(id_, self.clock.now, left=False)
        del self.began[id_]

    @precondition(lambda self: self.open)
    @rule()
    def lose_the_worker(self) -> None:
        """All that is under way may have left: it counts from the moment in which that is noticed."""
        self.store.retire(self.worker)
        assert sorted(self.store.lapse()) == sorted(id_ for _, id_ in self.open)
        for _, id_ in self.open:
            path, began = self.began.pop(id_)
            self.model.end(id_, self.clock.now, left=True)
            for key in self.model.keys(path, self.recipients[id_]):
                self.left[path, f"{key[1]}{key[2]}"].append((began, self.clock.now))
        self.open.clear()
        self.worker = self.store.enroll(lease=10**9)

    @rule()
    def purge(self) -> None:
        """Housekeeping forgets slots that are free, and no others."""
        self.store.purge(self.clock.after(-(10**6)))

    def _retry(self, which: int, token: int, id_: int) -> None:
        """No account has room for it: it surely was not sent, and waits."""
        self.open.pop(which % len(self.open))
        assert self.store.record([Outcome(token=token, deliveries=[id_], state=State.QUEUED)]) == []
        self.model.end(id_, self.clock.now, left=False)
        del self.began[id_]


def test_any_traffic_with_failover(store: Store, clock: Clock) -> None:
    """However a message gets on, its slots are where the model has them: held, spent, or free."""

    class Fresh(Failover):
        def __init__(self) -> None:
            emptied(store)
            super().__init__()

    Fresh.store, Fresh.clock = store, clock
    run_state_machine_as_test(Fresh, settings=STEADY)

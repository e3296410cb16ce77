"""What a send came to."""

from __future__ import annotations

import copy
import pickle
import re
from datetime import UTC, datetime

import pytest

from notify_core import Attempt, ConfigError, Delivery, Estimate, InvalidMessage, Result, SendError, State, Unsupported
from notify_core.errors import Fault, NotifyError, Retry, Scope, Sent, UnreadableReply

A, B = "+8613800000001", "+8613800000002"
ERROR = SendError(
    "black-listed", scope=Scope.RECIPIENT, retry=Retry.LATER, after=60, code="1109", raw="{}", recipients=(B,)
)
UNREADABLE = UnreadableReply("the answer is not JSON", b"secret content")
ERRORS = [ERROR, UNREADABLE, ConfigError([Fault("notify.yaml", 3, "routes", "wrong")]), InvalidMessage("a")]


def delivery(state: State, recipient: str = A) -> Delivery:
    """A delivery in that state."""
    return Delivery(recipient=recipient, state=state, error=ERROR if state is State.REJECTED else None)


def result(*states: State) -> Result:
    """A result with a delivery and an attempt for each state."""
    attempts = tuple(
        Attempt(
            path="clinic.json",
            at=datetime(2026, 1, 1, tzinfo=UTC),
            seconds=0.1,
            recipients=(A,),
            state=state,
            task_id="7" if state is State.ACCEPTED else "",
            error=ERROR if state is State.REJECTED else None,
        )
        for state in states
    )
    return Result(route="default", deliveries=tuple(map(delivery, states)), attempts=attempts, segments=1)


@pytest.mark.parametrize(
    ("states", "facts"),
    [
        ((State.ACCEPTED,), (True, False, 0)),
        ((State.ACCEPTED, State.REJECTED), (False, False, 1)),
        ((State.ACCEPTED, State.IN_DOUBT), (False, True, 0)),
        ((State.REJECTED, State.IN_DOUBT), (False, True, 1)),
    ],
)
def test_a_result_is_as_good_as_its_worst_delivery(states: tuple[State, ...], facts: tuple[bool, bool, int]) -> None:
    """Accepted means all; in doubt means any."""
    found = result(*states)
    assert (found.accepted, found.in_doubt, len(found.rejected)) == facts


def test_the_task_id_is_the_first_accepted_submissions() -> None:
    """Empty where none was accepted."""
    assert result(State.REJECTED, State.ACCEPTED).task_id == "7"
    assert result(State.REJECTED).task_id == ""


def test_a_failure_is_raised_on_demand() -> None:
    """The error of the first delivery that has one; nothing where all went well."""
    with pytest.raises(SendError, match=r"^black-listed \(1109\)$"):
        result(State.ACCEPTED, State.REJECTED).raise_for_failure()
    result(State.ACCEPTED).raise_for_failure()


def test_a_repr_shows_no_number() -> None:
    """Deliveries, attempts and all."""
    assert not re.search(r"\d{9}", repr(result(State.ACCEPTED, State.REJECTED)))


def test_a_result_survives_pickling() -> None:
    """A result goes through a queue, errors included."""
    found = pickle.loads(pickle.dumps(result(State.ACCEPTED, State.REJECTED)))  # noqa: S301 - its own
    assert (found.task_id, str(found.error), found.error.after) == ("7", "black-listed (1109)", 60)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_survive_pickling_and_copying(error: NotifyError) -> None:
    """All that an error carries comes with it."""
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - its own
        assert (type(twin), str(twin), vars(twin)) == (type(error), str(error), vars(error))


def test_an_unreadable_reply_is_in_doubt_and_keeps_its_bytes() -> None:
    """They are kept, and not shown."""
    assert (UNREADABLE.sent, UNREADABLE.payload) == (Sent.UNKNOWN, b"secret content")
    assert "secret" not in f"{UNREADABLE!r}{UNREADABLE}"


def test_an_error_shows_its_verdict() -> None:
    """The repr tells what decides about failover."""
    assert repr(ERROR) == "SendError('black-listed (1109)', sent=no, scope=recipient, retry=later)"


@pytest.mark.parametrize("error", [ConfigError, InvalidMessage, Unsupported])
def test_failover_cannot_swallow_other_errors(error: type[NotifyError]) -> None:
    """They stand outside the family that failover catches, and inside the package's."""
    assert not issubclass(error, SendError)
    assert issubclass(error, NotifyError)


def test_an_estimate_multiplies() -> None:
    """Segments times recipients are billed."""
    assert Estimate(path="clinic.json", segments=2, recipients=3).units == 6

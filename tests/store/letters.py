"""What the tests of the mailbox make things with: reports, inbound messages, and deliveries that wait for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from notify_core import State
from notify_core.messages import Inbound, Report
from notify_core.store import Applied, Notice, Outcome, Payload, Store, Worker
from tests.store.workshop import attempt, by, number, put, take

STARTED = datetime.fromtimestamp(1_800_000_000, UTC)
"""When ``workshop.attempt`` made its request."""


def payload(account: str = "clinic", body: bytes = b"<returnsms/>", **facts: Any) -> Payload:
    """What a pull of reports answered."""
    same: dict[str, Any] = {"transport": "json", "origin": "pull", "hook": "status", "request": {"task_id": ""}}
    return Payload(account=account, body=body, **same | facts)


def report(which: int, state: State = State.DELIVERED, **facts: Any) -> Report:
    """A report on the message to a number."""
    same: dict[str, Any] = {"task_id": "T1", "code": state.value[:7].upper(), "at": STARTED}
    return Report(recipient=number(which), state=state, **same | facts)


def inbound(which: int, text: str = "谢谢", **facts: Any) -> Inbound:
    """A message from a number."""
    return Inbound(sender=number(which), text=text, **{"at": STARTED} | facts)


def apply(store: Store, *items: Report | Inbound, account: str = "clinic", **facts: Any) -> Applied:
    """Keep a payload that said this, and apply it."""
    return store.apply(store.keep(payload(account)), items, **facts)


def sent(
    store: Store, worker: Worker, *recipients: int, task: str = "T1", state: State = State.ACCEPTED, path: str = ""
) -> list[int]:
    """Deliveries of one message that left in one request."""
    ids = put(store, *recipients, text=f"of {task} {recipients} {path}")
    record(store, worker, task, state, path or "clinic.json")
    return ids


def record(store: Store, worker: Worker, task: str, state: State = State.ACCEPTED, path: str = "clinic.json") -> None:
    """Send what is queued, and record that it was taken as that task, or not."""
    for parcel in take(store, worker, most=10_000, plan=by(path)).parcels:
        tried = (attempt(parcel, state, task_id=task if state is State.ACCEPTED else ""),)
        numbers = list(parcel.deliveries.values())
        store.record([Outcome(token=parcel.token, deliveries=numbers, state=state, attempts=tried)])


def told(store: Store, targets: Sequence[str] = ("",)) -> list[Notice]:
    """Tell all that is due, in the order in which it is to be told."""
    found: list[Notice] = []
    while some := store.notices(targets):
        store.told([notice.id for notice in some])
        found += some
    return found

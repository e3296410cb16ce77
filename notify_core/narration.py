"""The life of one delivery in sentences, as a support person reads it aloud: what befell it, what that means.

And what is wrong with all of them, where nobody sends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from notify_core.errors import repeats
from notify_core.names import account_of
from notify_core.states import State
from notify_core.times import shown, span

if TYPE_CHECKING:
    from notify_core.store import Event, Stored, Way


def words(state: State) -> str:
    """A state as people read it."""
    return state.replace("_", " ")


def ended(phrase: str) -> str:
    """A phrase as the end of a sentence: with a full stop, unless it ends by itself."""
    return phrase if phrase.endswith(("?", "!", ".", "。")) else f"{phrase}."


def audience(target: str) -> str:
    """Who a notice is for, as people read it: the listeners of a worker, or a webhook by its name."""
    return target or "listeners"


def unattended(late: float) -> str:
    """What to do where the oldest that is due is so many seconds late, because no worker is there to send it."""
    return (
        f"Deliveries have been due for up to {span(max(1.0, late))}, and no worker is running: "
        "`notify worker` sends them."
    )


def told(stored: Stored, events: Sequence[Event]) -> Iterator[tuple[datetime, str]]:
    """All that befell a delivery, in order: when, and what. Of the first, only how it was ordered is told."""
    first, *others = events
    for event in (replace(first, description=_plan(stored)), *others):
        yield event.at, sentence(event)


def along(way: Way) -> str:
    """How a message is to leave."""
    return f"along the route {way.route}" if way.route else f"by the path {way.via}"


def sentence(event: Event) -> str:
    """What happened at one moment."""
    state = State(event.what)
    if own := _BY_CODE.get((state, event.code)):
        return own + _because(event)
    made = _BY_REQUEST if event.path else _BY_REPORT
    task = f", and calls it task {event.task_id}" if event.path and event.task_id else ""
    return made.get(state, words(state).capitalize()).format(path=event.path, task=task) + _said(event)


_ENDED = "Ended without being sent"
_RESOLVED = (State.ACCEPTED, State.DELIVERED, State.UNDELIVERED, State.ABANDONED)

# The codes are our own (outbox.py, store/outbox.py, store/claims.py): they come with words and not with a reply.
# Each counts in its states alone, for a gateway may have a code of the same word.
_BY_CODE = {
    (State.CANCELLED, "cancelled"): "Taken back by a person",
    **{(state, "resolved"): f"Resolved by a person as {words(state)}" for state in _RESOLVED},
    **{(State.EXPIRED, code): _ENDED for code in ("expired", "limit", "quiet hours")},
    **{(State.QUEUED, code): "Kept back" for code in ("limit", "quiet hours")},
    (State.SUPPRESSED, "opted out"): _ENDED,
    **{(state, "lapsed"): f"Became {words(state)}" for state in (State.IN_DOUBT, State.REJECTED)},
    **{(State.IN_DOUBT, code): f"Became {words(State.IN_DOUBT)}" for code in ("broken off", "local")},
}

_BY_REQUEST = {
    State.QUEUED: "Waits in the queue, to be tried again",
    State.SENDING: "Sending by {path} began",
    State.ACCEPTED: "Sent by {path}: the gateway took it{task}",
    State.REJECTED: "Tried by {path}: surely not sent",
    State.IN_DOUBT: "Tried by {path}: in doubt whether it was sent",
}

_BY_REPORT = {
    State.QUEUED: "Noted in the store",
    State.REJECTED: "Refused before anything was sent",
    State.ACCEPTED: "The gateway reports that it is on its way",
    State.DELIVERED: "The gateway reports that the phone has it",
    State.UNDELIVERED: "The gateway reports that the phone did not get it",
    State.EXPIRED: f"{_ENDED}: its time passed",
    State.CANCELLED: "Taken back",
    State.SUPPRESSED: f"{_ENDED}: the recipient opted out",
}


def _because(event: Event) -> str:
    return f": {ended(event.description)}" if event.description else "."


def _said(event: Event) -> str:
    """The words for what came back, and the gateway's own code; where it waits again, they were told before."""
    if event.what == State.QUEUED and event.path:
        return "."
    code = f"code {event.code}" if event.code and not repeats(event.description, event.code) else ""
    found = ", ".join(filter(None, (event.description, code)))
    return f". {found[0].upper()}{ended(found[1:])}" if found else "."


def _plan(stored: Stored) -> str:
    """How and when it was to leave, as it was ordered."""
    facts = [f"to leave {along(stored.way)}"]
    facts += [f"under the key {stored.key}"] if stored.key else []
    facts += [f"not after {shown(stored.expires_at)}"] if stored.expires_at else []
    return ", ".join(facts)


def meaning(stored: Stored) -> str:
    """What its state means now."""
    return _MEANING[stored.state].format(due=shown(stored.due), path=stored.path, task=stored.task_id or "unknown")


_MEANING = {
    State.QUEUED: "it has not left. A worker sends it once it is due: {due}.",
    State.SENDING: "a worker has it, and the request to {path} may be on its way.",
    State.ACCEPTED: "the gateway took it and will send it; whether the phone has it is not reported.",
    State.DELIVERED: "it arrived: the phone has it.",
    State.UNDELIVERED: "it left, and the phone never got it.",
    State.REJECTED: "it surely was not sent, and will not be by itself.",
    State.IN_DOUBT: "it may have been sent, or not: the answer of {path} is missing. Nobody sends it again by itself, "
    "because it could arrive, and be billed, twice.",
    State.ABANDONED: "nobody ever knew whether it was sent, and a person gave it up.",
    State.EXPIRED: "it was not sent, because its time passed first.",
    State.CANCELLED: "it was not sent, because it was taken back.",
    State.SUPPRESSED: "it was not sent, because the recipient wants no more messages of this account.",
}


def possible(stored: Stored) -> str:
    """What a person may do about it now."""
    return _POSSIBLE[stored.state].format(
        id=stored.id, account=account_of(stored.path) or "ACCOUNT", task=stored.task_id or "unknown"
    )


_NOTHING = "nothing; it is over."
_ANEW = "send a new message, if it is still wanted."

_POSSIBLE = {
    State.QUEUED: "see that `notify worker` runs. `notify outbox cancel {id}` takes it back; "
    "`notify outbox retry {id}` makes it due now; quiet hours and limits still hold.",
    State.SENDING: "wait. If its worker stopped, it becomes in doubt within minutes, once a worker runs again.",
    State.ACCEPTED: "wait for the report, or ask the provider of {account} about task {task}. Do not send it again.",
    State.DELIVERED: _NOTHING,
    State.UNDELIVERED: f"check the number; {_ANEW}",
    State.REJECTED: "see to the reason, then `notify outbox retry {id}` sends it again.",
    State.IN_DOUBT: "wait for a report, or ask the provider of {account}, then say what is known: "
    '`notify outbox resolve {id} delivered --note "…"` (or accepted, undelivered, abandoned).',
    State.ABANDONED: _NOTHING,
    State.EXPIRED: _ANEW,
    State.CANCELLED: _ANEW,
    State.SUPPRESSED: "nothing, unless the recipient asks for messages: then `notify optout remove` and a new message.",
}

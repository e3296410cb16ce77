"""What a call to a transport comes to, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from notify_core.errors import InvalidMessage, NotifyError, SendError, UnreadableReply
from notify_core.messages import Accepted, Balance, Inbound, Report
from notify_core.states import State

Outcome = Accepted | Balance | Sequence[Report | Inbound] | InvalidMessage | SendError | None
"""What a call comes to: its value, or the error that is raised."""

_REPORTED = (State.DELIVERED, State.UNDELIVERED, State.ACCEPTED)


def difference(expected: Outcome, found: object) -> str:
    """How an outcome differs from the one expected, in words; empty where it does not."""
    if isinstance(expected, NotifyError):
        return _error_difference(expected, found)
    if isinstance(expected, Accepted) and isinstance(found, Accepted):
        return _attribute_difference(_taken(expected), _taken(found))
    if isinstance(found, SendError):
        return f"expected {_plain(expected)}, found {found!r}, code={found.code!r}"
    return "" if expected == found else f"expected {_plain(expected)}, found {_plain(found)}"


def _error_difference(expected: NotifyError, found: object) -> str:
    if not isinstance(found, type(expected)):
        return f"expected {expected!r}, found {_plain(found)}"
    if isinstance(expected, SendError) and isinstance(found, SendError):
        if isinstance(found, UnreadableReply) and not isinstance(expected, UnreadableReply):
            return f"expected {expected!r}, found {found!r}: the reply could not be read"
        if difference := _attribute_difference(_verdict(expected), _verdict(found)):
            return f"{difference}; found {found!r}"
        return _text_difference(expected.description, found.description)
    return _text_difference(str(expected), str(found))


def _text_difference(expected: str, found: str) -> str:
    return "" if expected in found else f"expected an error that says {expected!r}, found {found!r}"


def _attribute_difference(expected: Mapping[str, object], found: Mapping[str, object]) -> str:
    different = [name for name in expected if expected[name] != found[name]]
    return "; ".join(f"{name}: expected {expected[name]!r}, found {found[name]!r}" for name in different)


def _verdict(error: SendError) -> dict[str, object]:
    return {"sent": error.sent, "scope": error.scope, "retry": error.retry, "code": error.code}


def _taken(accepted: Accepted) -> dict[str, object]:
    refused = {number: _verdict(error) for number, error in accepted.refused.items()}
    return {
        "task_id": accepted.task_id,
        "count": accepted.count,
        "balance": accepted.balance,
        "refused": refused,
    }


def _plain(value: Any) -> str:
    """A value with all that is compared: reprs of the core hide texts and numbers, and a table's are invented."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, Report | Inbound):
        fields = ", ".join(f"{name}={getattr(value, name)!r}" for name in type(value).__slots__)
        return f"{type(value).__name__}({fields})"
    return repr(value)


def malformed(found: object) -> str:
    """What is wrong with the reports and inbound messages that a hook gave, apart from what they say."""
    for received in found if isinstance(found, list) else ():
        if not isinstance(received, Report | Inbound):
            return f"expected Report or Inbound, found {type(received).__name__}"
        if received.at is not None and received.at.tzinfo is None:
            return f"{received!r}: `at` has no time zone: attach the gateway's"
        if isinstance(received, Report) and received.state not in _REPORTED:
            return f"{received!r}: a report's state is one of {', '.join(_REPORTED)}"
        number = received.recipient if isinstance(received, Report) else received.sender
        if len(number) > 7 and number.isdigit():
            return f"{received!r}: phone numbers are E.164 in the core: write + and the country code"
    return ""


def lost(error: object, body: bytes) -> str:
    """What is wrong with the error for an unreadable body that is handed out only once."""
    if not isinstance(error, UnreadableReply):
        return f"expected UnreadableReply, which keeps what came; found {error!r}"
    if error.payload != body:
        return f"UnreadableReply.payload has {len(error.payload)} of the {len(body)} bytes that came: keep them all"
    return ""

"""What is compared of a case, and variations on it: in another time zone, to another number, with another task id."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone

from notify_core.exchange import Reply, Request
from notify_core.messages import Accepted, Message, Mms, Sms
from notify_core.testing import calls
from notify_core.testing.calls import Call
from notify_core.testing.cases import Case
from notify_core.testing.script import Line

ELSEWHERE = timezone(timedelta(hours=-7))
"""A zone that no gateway of the field keeps."""


def elsewhere(call: Call) -> Call:
    """The same call with its time written in another zone."""
    if isinstance(call, calls.Send) and call.message.send_at is not None:
        return calls.Send(replace(call.message, send_at=call.message.send_at.astimezone(ELSEWHERE)))
    return call


def essence(request: Request) -> tuple[str, str, str, str, bytes]:
    """What a request asks for, whoever it is sent to."""
    return (request.method, request.path, request.query, request.headers.get("content-type", ""), request.body)


def said(message: Message) -> str:
    """The words of a message: its text or its subject."""
    if isinstance(message, Mms):
        return message.subject
    return message.text if isinstance(message, Sms) else ""


def varied(message: Message, number: int) -> Message:
    """A message like ``message`` that is no other one's: to another subscriber, saying something else."""
    alone = message.narrowed((f"{message.to[0][:-4]}{number:04}",))
    if isinstance(alone, Sms):
        return alone.worded(f"{number} {alone.text}")
    return replace(alone, subject=f"{number} {alone.subject}") if isinstance(alone, Mms) else alone


def numbered(case: Case) -> Line:
    """The case's reply, with a task id of its own for each different request: the request decides, not the order."""
    reply, seen = case.replies[0], dict[bytes, int]()
    task_id = case.outcome.task_id.encode() if isinstance(case.outcome, Accepted) else b""

    def answer(request: Request) -> Reply:
        number = seen.setdefault(request.query.encode() + request.body, len(seen))
        if not task_id or reply.body.count(task_id) != 1:
            return reply
        return replace(reply, body=reply.body.replace(task_id, task_id + b"%02d" % number))

    return answer

"""The SendResult that ensms answers in JSON and soap in XML: the same fields (gateway.md part 1 §2, §9; part 2)."""

from __future__ import annotations

from collections.abc import Sequence

from notify_core.messages import Accepted
from notify_ipyy import outcome
from notify_ipyy.replies import Answer, Fields, text

_SUCCESS = frozenset({"1", "ok", "success"})  # the number, its name, and what forms say


def submitted(answer: Answer, result: Fields, recipients: Sequence[str]) -> Accepted:
    """What became of a submission, by the ``result`` within ``answer``. Raises ``SendError``."""
    code, count, errors = text(result, "statuscode"), text(result, "successcounts"), text(result, "errors")
    balance = text(result, "amount")
    if not code:
        raise answer.unreadable("the reply has no StatusCode")
    if code.lower() not in _SUCCESS:
        message = text(result, "description")
        raise outcome.refusal(
            answer, recipients, word=code, message=message, count=count, balance=balance, errors=errors
        )
    task_id = text(result, "msgid")
    return outcome.accepted(answer, recipients, task_id=task_id, count=count, balance=balance, errors=errors)

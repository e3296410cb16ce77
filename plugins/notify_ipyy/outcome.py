"""What a request came to, out of the fields that the dialects answer with under different names."""

from __future__ import annotations

from collections.abc import Sequence

from notify_core import replies
from notify_core.errors import Retry, Scope, SendError, Sent
from notify_core.messages import Accepted
from notify_ipyy import addressing, codes
from notify_ipyy.codes import Code
from notify_ipyy.replies import Answer

_UNSEEN = Code("", "", (), "the gateway refused", Scope.PROVIDER, Retry.LATER)
_BY_NAME = Code("", "", (), "the gateway names this number as failed", Scope.RECIPIENT)


def accepted(
    answer: Answer, recipients: Sequence[str], *, task_id: str, count: str, balance: str, errors: str = ""
) -> Accepted:
    """The gateway took the submission. What it left out, or left at 0 for want of an id, is empty or None.

    Numbers among ``errors`` count as refused only where they and ``count`` add up to all that were submitted.
    """
    taken = replies.count(count)
    failed = addressing.named(errors, recipients) if errors else ()
    certain = failed and taken == len(recipients) - len(failed)
    return Accepted(
        task_id=identifier(task_id),
        count=taken,
        refused={recipient: _error(_BY_NAME, answer) for recipient in failed} if certain else {},
        balance=replies.units(balance),
        raw=answer.raw,
    )


def refusal(
    answer: Answer,
    recipients: Sequence[str] = (),
    *,
    word: str = "",
    message: str = "",
    count: str = "",
    balance: str = "",
    errors: str = "",
) -> SendError:
    """The error for what the gateway refused.

    ``word`` is a code's number or name; without one the code is known by its Chinese ``message``, or by the name that
    white-label gateways put there. A refusal that counts recipients as taken contradicts itself: it is in doubt. Its
    ``balance`` is believed only where it is for want of credit, and is not 0: any refusal may show 0, and a list may
    be refused while much is left (gateway.md part 2: 需要签名).
    """
    code = codes.by_word(word) if word else codes.by_message(message) or codes.by_word(message)
    error = _error(code or _UNSEEN, answer)
    if code is None:
        error.code = word
        error.description = addressing.masked(" ".join(message.split())[:200]) or error.description
    if error.no_credit:
        error.credit = replies.units(balance) or None
    if error.scope is Scope.RECIPIENT:
        error.recipients = addressing.named(f"{message} {errors}", recipients)
    if replies.count(count) or error.sent is Sent.UNKNOWN:
        error.sent, error.retry = Sent.UNKNOWN, Retry.NEVER
    return error


def _error(code: Code, answer: Answer) -> SendError:
    description = f"{code.meaning}: {code.messages[0]}" if code.messages else code.meaning
    return SendError(
        description,
        sent=code.sent,
        scope=code.scope,
        retry=code.retry,
        code=code.text,
        raw=answer.raw,
        no_credit=code.credit,
    )


def identifier(text: str) -> str:
    """A task id, which is opaque; empty for the 0 that white-label gateways give where they have none."""
    return "" if text == "0" else text

"""The form dialects (sms.aspx, smsGBK.aspx, smsJson.aspx, mms.aspx): what they post, and what their answers mean.

Everything is posted: credentials in a query would stand in the logs of every proxy. (gateway.md part 1 §1, §3, §4)
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Sequence
from urllib.parse import quote_plus

from notify_core.errors import SendError
from notify_core.exchange import Http
from notify_core.messages import Accepted, Balance, Mms, Sms
from notify_core.replies import count, units
from notify_ipyy import addressing, chinatime, outcome, replies
from notify_ipyy.replies import Answer

CONTENT_TYPE = "application/x-www-form-urlencoded"

# Spelt both ways in the document, and otherwise by white-label gateways. (gateway.md part 1 §4, part 2)
_SUCCESS = frozenset({"success", "sucess", "ok"})
_FAILURE = frozenset({"faild", "fail", "failed"})


def sms(credentials: str, message: Sms, charset: str = "utf-8", errors: str = "strict") -> bytes:
    """The form that sends a text message; ``errors`` says what becomes of what ``charset`` cannot carry."""
    return _submission(credentials, message, f"content={_escaped(message.text.encode(charset, errors))}")


def mms(credentials: str, message: Mms, container: bytes) -> bytes:
    """The form that sends a multimedia message, whose parts are in the TMS ``container``."""
    subject = _escaped(message.subject.encode())
    return _submission(credentials, message, f"subject={subject}&content={base64(container).decode('ascii')}")


def base64(content: bytes) -> bytes:
    """``content`` as base64, URL-encoded: 65 characters, of which three are not plain."""
    plain = b2a_base64(content, newline=False)
    return plain.replace(b"+", b"%2B").replace(b"/", b"%2F").replace(b"=", b"%3D")


def _submission(credentials: str, message: Sms | Mms, what: str) -> bytes:
    mobile = "%2C".join(addressing.national(message.to))
    when = quote_plus(chinatime.written(message.send_at)) if message.send_at else ""
    form = f"action=send&{credentials}&mobile={mobile}&{what}&sendTime={when}&extno={message.extension}"
    return form.encode("ascii")


def _escaped(content: bytes) -> str:
    """Every byte (there must be one) as %xx, which URL encoding allows: a tenth of the time of ``quote_plus``."""
    return "%" + content.hex("%").upper()


def submit(http: Http, path: str, form: bytes, recipients: Sequence[str]) -> Accepted:
    """Post a submission and read what became of it. Raises ``SendError``."""
    answer = replies.read(http.post(path, form, CONTENT_TYPE).body)
    if not succeeded(answer):
        raise refusal(answer, recipients)
    return outcome.accepted(
        answer,
        recipients,
        task_id=answer.text("taskid"),
        count=answer.text("successcounts"),
        balance=answer.text("remainpoint"),
    )


def balance(http: Http, path: str, credentials: str) -> Balance:
    """Ask the page at ``path`` for the credit that is left. Raises ``SendError``."""
    answer = replies.read(http.post(path, f"action=overage&{credentials}".encode("ascii"), CONTENT_TYPE).body)
    if not succeeded(answer):
        raise refusal(answer)
    if (left := units(answer.text("overage"))) is None:
        raise answer.unreadable("the reply says success but no overage")
    payment = answer.text("payinfo")
    prepaid = {"预": True, "后": False}.get(payment[:1])
    return Balance(units=left, prepaid=prepaid, sent_total=count(answer.text("sendtotal")))


def succeeded(answer: Answer) -> bool:
    """Whether the answer says success. Raises ``UnreadableReply`` where it says neither success nor failure."""
    status = answer.text("returnstatus").lower()
    if status in _SUCCESS:
        return True
    if status in _FAILURE:
        return False
    raise answer.unreadable("the reply has no returnstatus of success or failure")


def refusal(answer: Answer, recipients: Sequence[str] = ()) -> SendError:
    """The error for an answer that says failure."""
    return outcome.refusal(
        answer,
        recipients,
        message=answer.text("message"),
        count=answer.text("successcounts"),
        balance=answer.text("remainpoint"),
    )

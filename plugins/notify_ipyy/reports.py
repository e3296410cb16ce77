"""Delivery reports and inbound messages, pulled and pushed, in XML and in JSON (gateway.md part 1 §5–§7).

They are handed out once (trap 2): what cannot be read of one box costs no other box, and stays as text where it can.
"""

from __future__ import annotations

from urllib.parse import quote_plus

from notify_core.exchange import Http, Request
from notify_core.hookspecs import hookimpl
from notify_core.messages import Inbound, Push, Report
from notify_core.states import State
from notify_ipyy import addressing, chinatime, codes, form, outcome, replies
from notify_ipyy.replies import Answer, Value
from notify_ipyy.settings import IpyySettings

REPORT = "statusbox"
INBOUND = "callbox"
_ROOT = "returnsms"  # of the XML, which may be all there is where nothing waits

_STATES = {"10": State.DELIVERED, "20": State.UNDELIVERED}
_DELIVERED = "DELIVRD"
_NOT_FINAL = frozenset({"ACCEPTD", "ENROUTE", ""})  # SMPP 3.4 §5.2.28; nothing at all says nothing

# Trap 1: in XML, error 1 is a failure; in JSON it is success.
_JSON_SUCCESS = "1"
_XML_ERRORS = {"1": "用户名或密码不能为空", "2": "用户名或密码错误", "3": "该用户不允许查看状态报告", "4": "参数不正确"}


def pull_reports(http: Http, path: str, settings: IpyySettings, task_id: str) -> list[Report]:
    """Fetch the reports that wait, of one submission or (with an empty ``task_id``) of all. Raises ``SendError``."""
    query = f"action=query&{settings.credentials}"
    if settings.pull:
        query += f"&statusNum={settings.pull.batch}"
    if task_id:
        query += f"&taskid={quote_plus(task_id)}"
    answer = replies.read(http.post(path, query.encode("ascii"), form.CONTENT_TYPE).body)
    if not (found := _reports(answer)):
        _complain(answer, REPORT)
    return found


def pull_inbound(http: Http, path: str, credentials: str) -> list[Inbound]:
    """Fetch the inbound messages that wait. Raises ``SendError``."""
    answer = replies.read(http.post(path, f"action=query&{credentials}".encode("ascii"), form.CONTENT_TYPE).body)
    if not (found := _inbounds(answer)):
        _complain(answer, INBOUND)
    return found


@hookimpl
def push() -> Push:
    """Any answer but ``error`` counts as stored, so ``error`` it is whenever it is not (gateway.md §7, trap 3)."""
    return Push(decode=pushed, stored=b"1", again=b"error")


def pushed(request: Request) -> list[Report | Inbound]:
    """The reports and inbound messages of one push; which of them it is, its content tells.

    Raises ``UnreadableReply`` for what holds neither and is not an empty result.
    """
    answer = replies.read(request.body)
    found: list[Report | Inbound] = [*_reports(answer), *_inbounds(answer)]
    if not found and answer.root != _ROOT and not {REPORT, INBOUND} & answer.fields.keys():
        raise answer.unreadable("the push holds neither reports nor inbound messages")
    return found


def _reports(answer: Answer) -> list[Report]:
    return [_report(box) for box in _boxes(answer, REPORT)]


def _inbounds(answer: Answer) -> list[Inbound]:
    return [_inbound(box) for box in _boxes(answer, INBOUND)]


def _boxes(answer: Answer, name: str) -> list[Value]:
    found = [answer.fields] if answer.root == name else replies.boxes(answer.fields, name)
    return [box for box in found if replies.words(box).strip()]


def _complain(answer: Answer, name: str) -> None:
    """An answer without boxes: return where none wait; raise where the gateway refused, or answered something else."""
    if answer.text("returnstatus"):
        if not form.succeeded(answer):
            raise form.refusal(answer)
        return
    status = replies.inside(answer.fields, "errorstatus") or answer.fields
    error, remark = replies.text(status, "error"), replies.text(status, "remark")
    if answer.root and error:
        message = remark or _XML_ERRORS.get(error, "")
        raise outcome.refusal(answer, word="" if codes.by_message(message) else error, message=message)
    if error and error != _JSON_SUCCESS:
        raise outcome.refusal(answer, word=error, message=remark)
    if answer.root != _ROOT and not error and name not in answer.fields:
        raise answer.unreadable(f"the reply has no {name} and no error")


def _report(box: Value) -> Report:
    if not isinstance(box, dict):
        return Report(recipient="", task_id="", state=State.ACCEPTED, code=replies.words(box))
    status, word = replies.text(box, "status"), replies.text(box, "errorcode")
    return Report(
        recipient=addressing.e164(replies.text(box, "mobile")),
        task_id=outcome.identifier(replies.text(box, "taskid")),
        state=_STATES.get(status) or _state(word.upper()),
        code=word,
        at=chinatime.read(replies.text(box, "receivetime")),
    )


def _state(word: str) -> State:
    """What the carrier's word means, for JSON reports have no status (gateway.md part 2)."""
    if word == _DELIVERED:
        return State.DELIVERED
    return State.ACCEPTED if word in _NOT_FINAL else State.UNDELIVERED


def _inbound(box: Value) -> Inbound:
    if not isinstance(box, dict):
        return Inbound(sender="", text=replies.words(box))
    return Inbound(
        sender=addressing.e164(replies.text(box, "mobile")),
        text=replies.words(box.get("content", "")),
        extension=replies.text(box, "extno"),
        task_id=outcome.identifier(replies.text(box, "taskid")),
        at=chinatime.read(replies.text(box, "receivetime")),
    )

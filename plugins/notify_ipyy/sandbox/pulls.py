"""Reports and inbound messages pulled: statusApi, callApi and their JSON twins (gateway.md, part 1, 5 and 6).

``error`` is ``1`` for success in JSON and for missing credentials in XML (part 2, trap 1).
"""

from __future__ import annotations

from collections.abc import Callable

from notify_core.exchange import Endpoint, Reply, Request
from notify_ipyy.sandbox.account import Account
from notify_ipyy.sandbox.boxes import inbound_record, report_record, statusless_record
from notify_ipyy.sandbox.codes import Refused
from notify_ipyy.sandbox.form import Form, post_only, read_form
from notify_ipyy.sandbox.provider import Provider
from notify_ipyy.sandbox.spelling import Fields, Style, json_reply, xml_reply

DEFAULT_COUNT = 4000

Take = Callable[[Account, Form], list[Fields]]
Write = Callable[[Style, str, list[Fields]], Reply]
Refuse = Callable[[Style, str, Refused], Reply]


def status_xml(provider: Provider) -> Endpoint:
    """statusApi.aspx."""
    return _pull(provider, "statusbox", _reports(provider, report_record), _xml, _xml_error)


def status_json(provider: Provider) -> Endpoint:
    """statusJsonApi.aspx: its reports carry no status."""
    return _pull(provider, "statusbox", _reports(provider, statusless_record), _json, _json_error)


def call_xml(provider: Provider) -> Endpoint:
    """callApi.aspx."""
    return _pull(provider, "callbox", _inbound(provider), _xml, _xml_error)


def call_json(provider: Provider) -> Endpoint:
    """callJsonApi.aspx."""
    return _pull(provider, "callbox", _inbound(provider), _json, _json_error)


def _pull(provider: Provider, box: str, take: Take, write: Write, refuse: Refuse) -> Endpoint:
    def endpoint(request: Request) -> Reply:
        form = read_form(request)
        try:
            account = provider.sign_in(request, form.get("account", ""), form.get("password", ""))
            records = take(_permitted(account, form), form)
        except Refused as refused:
            return refuse(provider.style, box, refused)
        return write(provider.style, box, records)

    return post_only(endpoint)


def _permitted(account: Account, form: Form) -> Account:
    if not account.may_pull:
        raise Refused("NoEnabled")
    if form.get("action", "").lower() != "query":
        raise Refused("ParamError")
    return account


def _reports(provider: Provider, record: Callable[..., Fields]) -> Take:
    def take(account: Account, form: Form) -> list[Fields]:
        most = _count(form.get("statusnum", ""))
        return [record(report) for report in provider.take_reports(account, most, form.get("taskid", ""))]

    return take


def _inbound(provider: Provider) -> Take:
    def take(account: Account, form: Form) -> list[Fields]:
        return [inbound_record(message) for message in provider.take_inbound(account)]

    return take


def _count(text: str) -> int:
    if not text:
        return DEFAULT_COUNT
    if not (text.isascii() and text.isdigit()):
        raise Refused("ParamError")
    return int(text)


def _xml(style: Style, box: str, records: list[Fields]) -> Reply:
    return xml_reply(style, [(box, records)])


def _json(style: Style, box: str, records: list[Fields]) -> Reply:
    return json_reply(style, [("error", "1"), ("remark", "成功"), (box, records)])


_XML_ERRORS = {
    "UserNameEmpty": ("1", "用户名或密码不能为空"),
    "PasswordEmpty": ("1", "用户名或密码不能为空"),
    "UserNameError": ("2", "用户名或密码错误"),
    "PasswordError": ("2", "用户名或密码错误"),
    "ParamError": ("4", "参数不正确"),
}
_NOT_PERMITTED = ("3", "该用户不允许查看状态报告")


def _xml_error(style: Style, box: str, refused: Refused) -> Reply:
    error, remark = _XML_ERRORS.get(refused.name, _NOT_PERMITTED)
    record: Fields = (("error", error), ("remark", remark))
    return xml_reply(style, [("errorstatus", [record])])


def _json_error(style: Style, box: str, refused: Refused) -> Reply:
    # The document's own example: {"error":"1005","remark":"密码错了","statusbox":[]}
    remark = "密码错了" if refused.name == "PasswordError" else refused.words
    return json_reply(style, [("error", str(refused.code.number)), ("remark", remark), (box, [])])

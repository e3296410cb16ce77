"""The form endpoints: sms.aspx, smsGBK.aspx, smsJson.aspx and pwd.aspx (gateway.md, part 1, 1, 4 and 8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import parse_qsl

from notify_core.exchange import Endpoint, Reply, Request
from notify_ipyy.sandbox.account import Account, planned
from notify_ipyy.sandbox.codes import Refused
from notify_ipyy.sandbox.provider import Provider, Receipt
from notify_ipyy.sandbox.rules import Draft, Purse, segments
from notify_ipyy.sandbox.spelling import Fields, Style, json_reply, xml_reply

Form = Mapping[str, str]
Write = Callable[[Style, Fields], Reply]

xml_gb2312_reply = partial(xml_reply, charset="gb2312")


def read_form(request: Request, charset: str = "utf-8") -> Form:
    """The fields of a posted form, their names in lower case as ASP.NET does not tell cases apart."""
    text = request.body.decode(charset, "replace")
    pairs = parse_qsl(text, keep_blank_values=True, encoding=charset, errors="replace")
    return {name.lower(): value for name, value in pairs}


def post_only(endpoint: Endpoint) -> Endpoint:
    """Refuse everything but POST: credentials do not belong in addresses."""
    return lambda request: endpoint(request) if request.method == "POST" else Reply(405)


def numbers(joined: str) -> tuple[str, ...]:
    """Numbers joined with half-width commas."""
    return tuple(number.strip() for number in joined.split(",") if number.strip())


def sms(provider: Provider, name: str, charset: str, write: Write) -> Endpoint:
    """One of the three addresses that send SMS and tell the balance; they differ in charset and form of reply."""

    def send(request: Request, form: Form) -> Reply:
        return submitted(provider, request, form, write, partial(_draft, name))

    def balance(request: Request, form: Form) -> Reply:
        return balance_reply(provider, request, form, write, "credit")

    return by_action(provider, {"send": send, "overage": balance}, charset, write)


def by_action(
    provider: Provider, actions: Mapping[str, Callable[[Request, Form], Reply]], charset: str, write: Write
) -> Endpoint:
    """The endpoint that does what the field ``action`` says."""

    def endpoint(request: Request) -> Reply:
        form = read_form(request, charset)
        if (act := actions.get(form.get("action", "").lower())) is None:
            return refusal(provider.style, write, Refused("ParamError"))
        return act(request, form)

    return post_only(endpoint)


def submitted(provider: Provider, request: Request, form: Form, write: Write, read: Callable[[Form], Draft]) -> Reply:
    """The reply to a submission."""
    try:
        account = provider.sign_in(request, form.get("account", ""), form.get("password", ""))
        receipt = provider.submit(account, read(form))
    except Refused as refused:
        return refusal(provider.style, write, refused)
    return write(provider.style, _acceptance(provider.style, receipt))


def _draft(name: str, form: Form) -> Draft:
    text = form.get("content", "")
    return Draft(
        endpoint=name,
        purse="credit",
        to=numbers(form.get("mobile", "")),
        words=text,
        units=segments(text),
        extension=form.get("extno", ""),
        send_at=planned(form.get("sendtime", "")),
        content={"text": text},
    )


def _acceptance(style: Style, receipt: Receipt) -> Fields:
    # Every value of the JSON is a string: "remainpoint":"-4" (part 1, 1).
    return (
        ("returnstatus", style.success),
        ("message", style.ok),
        ("remainpoint", str(receipt.left)),
        ("taskID", receipt.task_id),
        ("successCounts", str(receipt.count)),
    )


def refusal(style: Style, write: Write, refused: Refused) -> Reply:
    """The reply that refuses a submission; published: "remainpoint":"0","taskID":"","successCounts":"0" (part 2)."""
    return write(
        style,
        (
            ("returnstatus", style.failure),
            ("message", style.message(refused)),
            ("remainpoint", "0"),
            ("taskID", style.no_task),
            ("successCounts", "0"),
        ),
    )


# What a request for the balance says about credentials, in words of its own (part 1, 4).
_BALANCE_WORDS = {
    "UserNameEmpty": "用户名或密码不能为空",
    "PasswordEmpty": "用户名或密码不能为空",
    "UserNameError": "用户名或密码错误",
    "PasswordError": "用户名或密码错误",
}


def balance_reply(provider: Provider, request: Request, form: Form, write: Write, purse: Purse) -> Reply:
    """The reply to ``action=overage``."""
    style = provider.style
    try:
        account = provider.sign_in(request, form.get("account", ""), form.get("password", ""))
    except Refused as refused:
        words = _BALANCE_WORDS.get(refused.name) or style.message(refused)
        return write(style, _balance(style.failure, words, "", "0", "0"))
    word = style.success if write is json_reply else style.balance_success
    paid = _payinfo(account, write)
    return write(style, _balance(word, style.ok, paid, str(getattr(account, purse)), str(account.sent_total)))


def _payinfo(account: Account, write: Write) -> str:
    """预付费 or 后付费; the document's JSON leaves 费 out."""
    word = "预付" if account.prepaid else "后付"
    return word if write is json_reply else f"{word}费"


def _balance(status: str, message: str, payinfo: str, overage: str, total: str) -> Fields:
    return (
        ("returnstatus", status),
        ("message", message),
        ("payinfo", payinfo),
        ("overage", overage),
        ("sendTotal", total),
    )


def pwd(provider: Provider) -> Endpoint:
    """The address that changes the password."""

    def endpoint(request: Request) -> Reply:
        form, style = read_form(request), provider.style
        try:
            account = provider.sign_in(request, form.get("account", ""), form.get("password", ""))
            provider.change_password(account, form.get("newpassword", ""))
        except Refused as refused:
            return xml_reply(style, [("returnstatus", style.failure), ("message", style.message(refused))])
        return xml_reply(style, [("returnstatus", style.success), ("message", style.ok)])

    return post_only(endpoint)

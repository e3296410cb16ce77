"""What each SMS transport posts, and what it makes of the answers, over a socket."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notify_core.errors import InvalidMessage, Retry, Scope, SendError, Sent, UnreadableReply
from notify_core.exchange import Reply
from notify_core.messages import Message, Sms, Submission
from notify_ipyy import ensms, form, gbk, json, soap, xml
from notify_ipyy.settings import IpyySettings

ONE, TWO, THREE = "+8613800000001", "+8613800000002", "+8613800000003"
TEXT = "您的验证码：1439 + 50% & more【腾飞】"

Account = Callable[..., IpyySettings]
Wrap = Callable[[Message], Submission]
FORMS = [pytest.param(module, id=module.__name__.rpartition(".")[2]) for module in (xml, gbk, json)]
RESULTS = [pytest.param(module, id=module.__name__.rpartition(".")[2]) for module in (ensms, soap)]
EVERY = FORMS + RESULTS

XML_REPLY = (
    '<?xml version="1.0" encoding="utf-8" ?><returnsms><returnstatus>{status}</returnstatus>'
    "<message>{message}</message><remainpoint>{balance}</remainpoint><taskID>{task}</taskID><successCounts>{count}</successCounts></returnsms>"
)
JSON_REPLY = (
    '{{"returnstatus":"{status}","message":"{message}","remainpoint":"{balance}","taskID":"{task}",'
    '"successCounts":"{count}"}}'
)
ENSMS_REPLY = (
    '{{"StatusCode":{code},"Description":"{message}","MsgId":"{task}","Amount":{balance},"SuccessCounts":{count},'
    '"Errors":[{errors}]}}'
)
SOAP_REPLY = (
    '<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/">'
    '<soap:Body><SendSmsResponse xmlns="http://www.yysms.com/"><SendSmsResult><PayType>1</PayType>'
    "<StatusCode>{code}</StatusCode><Description>{message}</Description><MsgId>{task}</MsgId>"
    "<SuccessCounts>{count}</SuccessCounts><BillingCount>1</BillingCount><Amount>{balance}</Amount><Balance>0</Balance>"
    "<BillingAmount>0</BillingAmount><Errors>{errors}</Errors></SendSmsResult></SendSmsResponse></soap:Body>"
    "</soap:Envelope>"
)


def form_reply(module: ModuleType, **fields: object) -> bytes:
    """An answer of the form dialect ``module``: success, unless ``fields`` say otherwise."""
    shape = JSON_REPLY if module is json else XML_REPLY
    usual = {"status": "Success", "message": "操作成功", "balance": "-4", "task": "1504080852350206", "count": "1"}
    return shape.format(**(usual | fields)).encode()


def result_reply(module: ModuleType, **fields: object) -> bytes:
    """An answer of ensms or soap: success, unless ``fields`` say otherwise."""
    code, number = ("1", '"{}"') if module is ensms else ("OK", "<string>{}</string>")
    usual = {"code": code, "message": "操作成功", "balance": "-4", "task": "1504080852350206", "count": "1"}
    errors = ("," if module is ensms else "").join(number.format(each) for each in fields.pop("errors", ()))  # type: ignore[attr-defined]
    return (ENSMS_REPLY if module is ensms else SOAP_REPLY).format(**(usual | fields), errors=errors).encode()


def success(module: ModuleType, **fields: object) -> bytes:
    """An answer of any dialect that says success."""
    return (result_reply if module in (ensms, soap) else form_reply)(module, **fields)


@pytest.mark.parametrize("module", FORMS)
def test_a_form_has_the_fields_of_the_document(
    module: ModuleType, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """All fields in the dialect's charset, numbers national and comma-joined, the password as upper-case MD5."""
    provider.answers = [form_reply(module, count="2")]
    module.send(account(), http, submission(Sms(to=[ONE, TWO], text=TEXT, extension="12345")))
    request = provider.requests[0]
    assert (request.method, request.path, request.query) == ("POST", module.PATH, "")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert provider.form_in("gbk" if module is gbk else "utf-8") == {
        "action": "send",
        "userid": "1234",
        "account": "test",
        "password": "098F6BCD4621D373CADE4E832627B4F6",
        "mobile": "13800000001,13800000002",
        "content": TEXT,
        "sendTime": "",
        "extno": "12345",
    }


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], include_characters="\t\n"), min_size=1).filter(
        str.strip
    )
)
def test_every_text_survives_the_form(text: str) -> None:
    """Whatever a text holds, the standard library reads it out of the form again."""
    from urllib.parse import parse_qs

    fields = parse_qs(form.sms("a=b", Sms(to=ONE, text=text)).decode("ascii"), strict_parsing=True, errors="strict")
    assert fields.get("content") == [text]


@pytest.mark.parametrize("module", FORMS)
def test_a_time_to_send_at_is_china_time(
    module: ModuleType, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """An aware time of any zone is written as the wall clock of China."""
    provider.answers = [form_reply(module)]
    message = Sms(to=ONE, text="x", send_at=datetime(2026, 1, 31, 20, 0, tzinfo=UTC))
    module.send(account(), http, submission(message))
    assert provider.form_in("gbk")["sendTime"] == "2026-02-01 04:00:00"


@pytest.mark.parametrize("module", EVERY)
def test_an_accepted_message_has_task_count_and_balance(
    module: ModuleType, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """The task id is opaque text, the balance can be negative, the reply is kept."""
    provider.answers = [success(module)]
    accepted = module.send(account(), http, submission(Sms(to=ONE, text=TEXT)))
    assert (accepted.task_id, accepted.count, accepted.balance) == ("1504080852350206", 1, Decimal(-4))
    assert accepted.refused == {}
    assert "1504080852350206" in accepted.raw


@pytest.mark.parametrize("module", EVERY)
def test_a_success_that_says_nothing_else_is_a_success(
    module: ModuleType, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """Empty counts and balances are None; the task id 0 of white-label gateways is none."""
    empty: dict[str, object] = {"count": '""', "balance": '""'} if module is ensms else {"count": "", "balance": "?"}
    provider.answers = [success(module, task="0", **empty)]
    accepted = module.send(account(), http, submission(Sms(to=ONE, text=TEXT)))
    assert (accepted.task_id, accepted.count, accepted.balance) == ("", None, None)


@pytest.mark.parametrize("status", ["Success", "Sucess", "success", "ok", "OK", " Success "])
@pytest.mark.parametrize("module", FORMS)
def test_every_spelling_of_success_is_success(
    module: ModuleType, status: str, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """The document spells it in two ways, white-label gateways in more."""
    provider.answers = [form_reply(module, status=status)]
    assert module.send(account(), http, submission(Sms(to=ONE, text=TEXT))).count == 1


@pytest.mark.parametrize("status", ["Faild", "Fail", "fail", "Failed"])
@pytest.mark.parametrize("module", FORMS)
def test_every_spelling_of_failure_is_failure(
    module: ModuleType, status: str, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """Faild is how the document spells it."""
    provider.answers = [form_reply(module, status=status, message="需要签名", task="", count="0")]
    error = refused(module, account(), http, submission(Sms(to=ONE, text=TEXT)))
    assert (error.code, error.sent, error.scope, error.retry) == ("2113", Sent.NO, Scope.ACCOUNT, Retry.NEVER)
    assert error.description == "signature required: 需要签名"
    assert "需要签名" in error.raw


@pytest.mark.parametrize("module", RESULTS)
@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("2113", ("2113", Scope.ACCOUNT, Retry.NEVER)),
        ("RequiredSuffix", ("2113", Scope.ACCOUNT, Retry.NEVER)),
        ("1010", ("1010", Scope.TRANSPORT, Retry.NEVER)),
        ("MsisdnsMany", ("MsisdnsMany", Scope.RECIPIENT, Retry.NEVER)),
        ("FrequentOperation", ("FrequentOperation", Scope.PROVIDER, Retry.LATER)),
        ("BrandNewError", ("BrandNewError", Scope.PROVIDER, Retry.LATER)),
        ("7777", ("7777", Scope.PROVIDER, Retry.LATER)),
    ],
)
def test_a_result_code_is_known_by_number_or_name(
    module: ModuleType,
    code: str,
    verdict: tuple[str, Scope, Retry],
    account: Account,
    http: Any,
    provider: Any,
    submission: Wrap,
) -> None:
    """A code that the WSDL does not list still decodes: of the provider, later, with its own words."""
    written = f'"{code}"' if module is ensms else code
    provider.answers = [result_reply(module, code=written, message="说明", task="", count="0")]
    error = refused(module, account(), http, submission(Sms(to=ONE, text=TEXT)))
    assert error.sent is Sent.NO
    assert (error.code, error.scope, error.retry) == verdict
    if code in {"BrandNewError", "7777"}:
        assert error.description == "说明"


def _refusal(module: ModuleType, message: str, code: str, balance: object) -> bytes:
    """An answer that refuses, in the form's words or by the result's code, and shows a balance."""
    if module in (xml, gbk, json):
        return form_reply(module, status="Faild", message=message, balance=balance, task="", count="0")
    written = f'"{code}"' if module is ensms else code
    return result_reply(module, code=written, message=message, balance=balance, task="", count="0")


@pytest.mark.parametrize(("shown", "credit"), [("0", None), ("3", 3), ("-20", -20)])
@pytest.mark.parametrize("module", EVERY)
def test_a_refusal_for_want_of_credit_says_so(
    module: ModuleType, shown: str, credit: int | None, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """额度不足 and AmountNotEnough carry the credit that the gateway shows, but not 0, which any refusal may show."""
    provider.answers = [_refusal(module, "额度不足", "1111", shown)]
    error = refused(module, account(), http, submission(Sms(to=ONE, text=TEXT)))
    assert (error.code, error.scope, error.retry) == ("1111", Scope.ACCOUNT, Retry.LATER)
    assert (error.no_credit, error.credit) == (True, None if credit is None else Decimal(credit))


@pytest.mark.parametrize("module", EVERY)
def test_other_refusals_say_nothing_of_credit(
    module: ModuleType, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """需要签名 comes with a balance of 0, which is not believed (gateway.md part 2)."""
    provider.answers = [_refusal(module, "需要签名", "2113", 0)]
    error = refused(module, account(), http, submission(Sms(to=ONE, text=TEXT)))
    assert (error.no_credit, error.credit) == (False, None)


@pytest.mark.parametrize("module", RESULTS)
def test_the_name_of_the_other_code_for_it_is_known_too(
    module: ModuleType, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """BalanceNotEnough, which the interface document does not have."""
    provider.answers = [_refusal(module, "说明", "BalanceNotEnough", 0)]
    error = refused(module, account(), http, submission(Sms(to=ONE, text=TEXT)))
    assert (error.code, error.no_credit) == ("BalanceNotEnough", True)


@pytest.mark.parametrize("module", FORMS)
def test_a_form_may_tell_a_code_by_its_name(
    module: ModuleType, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """White-label gateways put names in PascalCase where the words belong (gateway.md part 2)."""
    provider.answers = [_refusal(module, "AmountNotEnough", "", "")]
    error = refused(module, account(), http, submission(Sms(to=ONE, text=TEXT)))
    assert (error.code, error.no_credit) == ("1111", True)


@pytest.mark.parametrize("module", FORMS)
def test_an_unknown_message_is_kept_without_numbers(
    module: ModuleType, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """What the table does not know is of the provider, later; phone numbers in it are masked."""
    provider.answers = [form_reply(module, status="Faild", message="号码13800000001不可用", count="0")]
    error = refused(module, account(), http, submission(Sms(to=ONE, text=TEXT)))
    assert (error.code, error.scope, error.retry) == ("", Scope.PROVIDER, Retry.LATER)
    assert str(error) == "号码138****0001不可用"


@pytest.mark.parametrize("module", FORMS)
def test_a_tail_stays_in_the_raw_reply_only(
    module: ModuleType, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """Sensitive words are words of the message: the error names the code, not them."""
    provider.answers = [form_reply(module, status="Faild", message="敏感词(彩票)", count="0")]
    error = refused(module, account(), http, submission(Sms(to=ONE, text=TEXT)))
    assert str(error) == "sensitive words: 敏感词汇 (2107)"
    assert "彩票" in error.raw


@pytest.mark.parametrize("module", FORMS)
def test_numbers_in_a_message_are_the_recipients_meant(
    module: ModuleType, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """A refusal that names numbers says which of the submission they are, in E.164."""
    message = "黑名单的手机号码:13800000002,13900000009"
    provider.answers = [form_reply(module, status="Faild", message=message, count="0")]
    error = refused(module, account(), http, submission(Sms(to=[ONE, TWO], text=TEXT)))
    assert (error.code, error.scope, error.recipients) == ("1109", Scope.RECIPIENT, (TWO,))


@pytest.mark.parametrize("module", RESULTS)
def test_numbers_among_the_errors_are_the_recipients_meant(
    module: ModuleType, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """The list Errors of a refusal says which recipients are meant."""
    code = '"MsisdnError"' if module is ensms else "MsisdnError"
    provider.answers = [
        result_reply(module, code=code, message="错误的手机号码", count="0", errors=["13800000003", "8613800000001"])
    ]
    error = refused(module, account(), http, submission(Sms(to=[ONE, TWO, THREE], text=TEXT)))
    assert error.recipients == (ONE, THREE)


@pytest.mark.parametrize("module", RESULTS)
def test_errors_of_a_success_are_refusals_where_the_counts_add_up(
    module: ModuleType, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """Two taken and one named make three; two taken and two named make nothing certain."""
    message = Sms(to=[ONE, TWO, THREE], text=TEXT)
    provider.answers = [
        result_reply(module, count="2", errors=["13800000002"]),
        result_reply(module, count="2", errors=["13800000002", "13800000001"]),
    ]
    certain = module.send(account(), http, submission(message))
    assert (certain.count, list(certain.refused)) == (2, [TWO])
    assert certain.refused[TWO].scope is Scope.RECIPIENT
    uncertain = module.send(account(), http, submission(message))
    assert (uncertain.count, uncertain.refused) == (2, {})


@pytest.mark.parametrize("module", EVERY)
def test_a_refusal_that_counts_successes_is_in_doubt(
    module: ModuleType, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """Failed and yet one taken: nobody can say that the message was surely not sent."""
    failed = {"status": "Faild"} if module in (xml, gbk, json) else {"code": "1111"}
    provider.answers = [success(module, **failed, message="额度不足", count="1")]
    error = refused(module, account(), http, submission(Sms(to=[ONE, TWO], text=TEXT)))
    assert (error.code, error.sent, error.retry) == ("1111", Sent.UNKNOWN, Retry.NEVER)


@pytest.mark.parametrize("module", RESULTS)
def test_a_list_of_failures_is_in_doubt(
    module: ModuleType, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """Nobody has published what FaileList means; its name lets a part be taken."""
    code = '"FaileList"' if module is ensms else "FaileList"
    provider.answers = [result_reply(module, code=code, count="0")]
    error = refused(module, account(), http, submission(Sms(to=[ONE, TWO], text=TEXT)))
    assert (error.sent, error.retry) == (Sent.UNKNOWN, Retry.NEVER)


@pytest.mark.parametrize("module", EVERY)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"1",
        b"<html><body>Bad Gateway</body></html>",
        b"<!DOCTYPE html><html><body>x</body></html>",
        b"<returnsms><returnstatus>Succ",
        b'{"returnstatus":"Succ',
        b"<returnsms><returnstatus/><message/></returnsms>",
        b'{"returnstatus":"","message":""}',
        b'{"StatusCode":"","MsgId":"7"}',
        b"<e:Envelope xmlns:e='e'><e:Body><e:Fault><faultstring>x</faultstring></e:Fault></e:Body></e:Envelope>",
        "<returnsms><returnstatus>Success</returnstatus></returnsms>".encode("utf-32-be"),
    ],
)
def test_an_answer_without_meaning_is_in_doubt(
    module: ModuleType, body: bytes, account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """What says neither success nor failure may have been either; its bytes are kept."""
    provider.answers = [body]
    with pytest.raises(UnreadableReply) as caught:
        module.send(account(), http, submission(Sms(to=ONE, text=TEXT)))
    assert (caught.value.sent, caught.value.payload) == (Sent.UNKNOWN, body)


class Canned:
    """An ``Http`` that answers without a network, for the many examples of a property test."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def post(self, *_request: object) -> Reply:
        """The canned answer."""
        return Reply(200, self.body)

    def now(self) -> datetime:
        """Any moment."""
        return datetime(2026, 1, 1, tzinfo=UTC)


SETTINGS = IpyySettings.model_validate(
    {"provider": "ipyy", "base_url": "http://127.0.0.1:1", "account": "test", "password": "test", "user_id": "1"}
)
_VALUES = st.text(max_size=12) | st.sampled_from(
    ["1", "OK", "Success", "Faild", "错误的手机号码13800000001", "-1", "NaN"]
)


@pytest.mark.parametrize("module", EVERY)
@given(st.data())
@settings(max_examples=40)
def test_any_answer_is_accepted_refused_or_unreadable(module: Any, data: st.DataObject) -> None:
    """Whatever the fields hold, nothing but Accepted or a SendError comes of them."""
    from json import dumps

    names = ["returnstatus", "message", "remainpoint", "taskID", "successCounts", "StatusCode", "Description", "MsgId"]
    fields = data.draw(st.dictionaries(st.sampled_from([*names, "Amount", "Errors"]), _VALUES))
    noise = data.draw(st.sampled_from([b"", b"}", b"<", b"\xff"]))
    body = dumps({"SendSmsResult": fields} if module is soap else fields).encode() + noise
    try:
        accepted = module.send(SETTINGS, Canned(body), Submission("clinic.test", Sms(to=[ONE, TWO], text=TEXT)))
    except SendError as error:
        assert error.description  # noqa: PT017  # an error always says something
    else:
        assert accepted.count is None or accepted.count >= 0


def test_gbk_refuses_what_it_cannot_carry(account: Account) -> None:
    """The characters are named, once each, and nothing else of the text is."""
    with pytest.raises(InvalidMessage) as caught:
        gbk.check(account(), Sms(to=ONE, text="恭喜😀😀，𠮷先生"))
    assert str(caught.value) == (
        "the text has '😀' (U+1F600), '𠮷' (U+20BB7), which GBK cannot carry: write it otherwise, "
        "or set unencodable: replace"
    )


def test_gbk_takes_more_than_gb2312(account: Account) -> None:
    """镕 is in GBK and not in GB2312: what .NET calls gb2312 is GBK (trap 8)."""
    gbk.check(account(), Sms(to=ONE, text="镕"))


def test_gbk_replaces_what_it_cannot_carry_where_told_so(
    account: Account, http: Any, provider: Any, submission: Wrap
) -> None:
    """unencodable: replace sends a question mark for each such character."""
    made, message = account(unencodable="replace"), Sms(to=ONE, text="恭喜😀")
    provider.answers = [form_reply(gbk)]
    gbk.check(made, message)
    gbk.send(made, http, submission(message))
    assert provider.form_in("gbk")["content"] == "恭喜?"


@pytest.mark.parametrize("module", EVERY)
def test_every_transport_refuses_what_ipyy_cannot_address(module: ModuleType, account: Account) -> None:
    """Extension and country are checked before anything is sent, by every dialect."""
    check = module.check if module is gbk else lambda _, message: module.check(message)
    check(account(), Sms(to=ONE, text="x", extension="12345"))
    for message in (Sms(to=ONE, text="x", extension="123456"), Sms(to="+14155550100", text="x")):
        with pytest.raises(InvalidMessage):
            check(account(), message)


def refused(module: ModuleType, settings: IpyySettings, http: Any, submission: Submission) -> SendError:
    """The error that sending raises."""
    with pytest.raises(SendError) as caught:
        module.send(settings, http, submission)
    return caught.value

"""The balance, asked over a socket."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from notify_core.errors import Scope, SendError, UnreadableReply
from notify_core.messages import Balance
from notify_ipyy import ensms, gbk, json, mms, soap, xml
from notify_ipyy.settings import IpyySettings

Account = Callable[..., IpyySettings]

XML = (
    "<returnsms><returnstatus>{status}</returnstatus><message>{message}</message><payinfo>{pay}</payinfo>"
    "<overage>{overage}</overage><sendTotal>7</sendTotal></returnsms>"
)
JSON = '{{"returnstatus":"{status}","message":"{message}","payinfo":"{pay}","overage":"{overage}","sendTotal":"7"}}'
USUAL = {"status": "Success", "message": "操作成功", "pay": "后付", "overage": "-4"}


@pytest.mark.parametrize(
    ("module", "path", "shape"),
    [
        (xml, "/sms.aspx", XML),
        (gbk, "/smsGBK.aspx", XML),
        (json, "/smsJson.aspx", JSON),
        (ensms, "/smsJson.aspx", JSON),
        (soap, "/smsJson.aspx", JSON),
        (mms, "/mms.aspx", XML),
    ],
    ids=["xml", "gbk", "json", "ensms", "soap", "mms"],
)
def test_each_transport_asks_its_page(
    module: ModuleType, path: str, shape: str, account: Account, http: Any, provider: Any
) -> None:
    """Those without a page of their own, ensms and soap, ask the JSON page; a postpaid balance can be negative."""
    provider.answers = [shape.format(**USUAL).encode("gbk" if module is gbk else "utf-8")]
    assert module.balance(account(), http) == Balance(units=Decimal(-4), prepaid=False, sent_total=7)
    assert (provider.requests[0].method, provider.requests[0].path) == ("POST", path)
    assert provider.form["action"] == "overage"
    assert provider.form["password"] == "098F6BCD4621D373CADE4E832627B4F6"


@pytest.mark.parametrize(
    ("pay", "expected"),
    [("预付费", True), ("预付", True), ("后付费", False), ("后付", False), ("", None), ("其他", None)],
)
def test_the_way_of_paying_is_read(pay: str, expected: object, account: Account, http: Any, provider: Any) -> None:
    """The document words it in four ways; anything else is unknown."""
    provider.answers = [XML.format(**USUAL | {"pay": pay}).encode()]
    assert xml.balance(account(), http).prepaid is expected


@pytest.mark.parametrize("status", ["Success", "Sucess", "ok"])
def test_every_spelling_of_success_is_success(status: str, account: Account, http: Any, provider: Any) -> None:
    """The document spells it in both ways here."""
    provider.answers = [JSON.format(**USUAL | {"status": status, "overage": "12.5"}).encode()]
    assert json.balance(account(), http).units == Decimal("12.5")


def test_a_wrong_password_is_of_the_account(account: Account, http: Any, provider: Any) -> None:
    """No other path of the account would do better."""
    provider.answers = [
        XML.format(**USUAL | {"status": "Faild", "message": "用户名或密码错误", "overage": ""}).encode()
    ]
    with pytest.raises(SendError, match="wrong user name or password: 用户名或密码错误") as caught:
        xml.balance(account(), http)
    assert caught.value.scope is Scope.ACCOUNT


@pytest.mark.parametrize("overage", ["", "NaN", "many", "1e999"])
def test_a_success_without_a_number_is_unreadable(overage: str, account: Account, http: Any, provider: Any) -> None:
    """A balance that is no number is not taken for 0."""
    provider.answers = [JSON.format(**USUAL | {"overage": overage}).encode()]
    with pytest.raises(UnreadableReply, match="no overage"):
        json.balance(account(), http)

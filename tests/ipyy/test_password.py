"""Changing the password, over a socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from notify_core.errors import InvalidMessage, Scope, SendError, Sent, UnreadableReply
from notify_ipyy import password
from notify_ipyy.settings import IpyySettings

Account = Callable[..., IpyySettings]


def test_the_password_is_changed(account: Account, http: Any, provider: Any) -> None:
    """The old one travels as the account says, the new one as it is."""
    provider.answers = [b"<returnsms><returnstatus>Success</returnstatus><message>x</message></returnsms>"]
    password.change_password(account(), http, "new & 好")
    assert (provider.requests[0].method, provider.requests[0].path) == ("POST", "/pwd.aspx")
    assert provider.form == {
        "userid": "1234",
        "account": "test",
        "password": "098F6BCD4621D373CADE4E832627B4F6",
        "newpassword": "new & 好",
    }


@pytest.mark.parametrize("new", ["", "x" * 21])
def test_a_password_that_the_gateway_does_not_take_is_not_sent(
    new: str, account: Account, http: Any, provider: Any
) -> None:
    """1 to 20 characters are taken; the error says how many there are, not which."""
    with pytest.raises(InvalidMessage, match=f"has {len(new)} characters: ipyy takes 1 to 20"):
        password.change_password(account(), http, new)
    assert provider.requests == []


def test_a_refusal_is_an_error(account: Account, http: Any, provider: Any) -> None:
    """A wrong old password is of the account, surely without effect."""
    provider.answers = ["<returnsms><returnstatus>Faild</returnstatus><message>密码错误</message></returnsms>".encode()]
    with pytest.raises(SendError, match="wrong password") as caught:
        password.change_password(account(), http, "sesam")
    assert (caught.value.sent, caught.value.scope, caught.value.code) == (Sent.NO, Scope.ACCOUNT, "1005")


def test_an_unreadable_answer_is_in_doubt(account: Account, http: Any, provider: Any) -> None:
    """The password may have changed."""
    provider.answers = [b"<html>x</html>"]
    with pytest.raises(UnreadableReply) as caught:
        password.change_password(account(), http, "sesam")
    assert caught.value.sent is Sent.UNKNOWN

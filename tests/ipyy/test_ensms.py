"""The encrypted form, against the document's worked example."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from json import loads
from typing import Any

import pytest
from Crypto.Cipher import DES
from Crypto.Util.Padding import pad, unpad
from hypothesis import given
from hypothesis import strategies as st

from notify_core.messages import Message, Sms, Submission
from notify_ipyy import ensms
from notify_ipyy.settings import IpyySettings

Account = Callable[..., IpyySettings]
Wrap = Callable[[Message], Submission]

# gateway.md part 1 §2, the worked example (its number is the document's own).
EXAMPLE = Sms(to="+8615510331875", text="我的验证码是：7890。【奥创时代】")
STAMPED = datetime(2015, 4, 14, 9, 47, 15, tzinfo=UTC)
JSON = (
    '{"UserName":"test","Secret":"2A8D628159B0D4D3D4D58A3EB17F3082","Stamp":"0414174715","Moblie":"15510331875",'
    '"Text":"我的验证码是：7890。【奥创时代】","Ext":"","SendTime":""}'
)
TEXT64 = (
    "0DqKGm9MWnsFM2wlYEW65VXylBxJGBiuZzP5dTp1ALdK7QaTgx0cR5GftknjiNJBOd46tdJp+6J3OYAoukEBOKlfsExTaFYC7X514PyLC+NrwhDLKYOv"
    "FAb7gBo+dqkslvVJklz4qm7/gUHrHAT2d7hEcQxhDMD+Ij8NIy1kvHqU3noZTqjlC1PaaFYy6zifBr5ND+V4UK0xM7scF/avfVKW/0k16qqVzDDJocRk"
    "Tz0jqvtJYfo1liuI2+h2fRkK"
)
REPLY = (
    '{"StatusCode":1,"Description":"操作成功","MsgId":"1504141655440332","Amount":-11,"SuccessCounts":1,"Errors":[]}'
)


def test_the_json_of_the_worked_example(account: Account) -> None:
    """Names, order, secret and stamp are the document's, without blanks."""
    assert ensms.plain(account(), EXAMPLE, STAMPED) == JSON.encode()


def test_the_text64_of_the_worked_example(account: Account) -> None:
    """The cipher text is the document's to the byte."""
    assert b64encode(ensms.encrypted(account(), EXAMPLE, STAMPED)).decode() == TEXT64


def test_the_worked_example_over_a_socket(account: Account, http: Any, provider: Any, submission: Wrap) -> None:
    """UserId and Text64 are all that is posted; the session's clock makes the stamp."""
    provider.answers = [REPLY.encode()]
    accepted = ensms.send(account(), http, submission(EXAMPLE))
    assert (provider.requests[0].method, provider.requests[0].path) == ("POST", "/ensms.ashx")
    assert provider.form == {"UserId": "1234", "Text64": TEXT64}
    assert (accepted.task_id, accepted.count, accepted.balance) == ("1504141655440332", 1, Decimal(-11))


def test_extension_time_and_many_numbers(account: Account) -> None:
    """The time is China's wall clock, numbers are comma-joined."""
    later = datetime(2026, 1, 31, 20, 0, tzinfo=UTC)
    message = Sms(to=["+8613800000001", "+8613800000002"], text='a"\\\n', extension="12345", send_at=later)
    fields = loads(ensms.plain(account(), message, STAMPED))
    assert fields["Moblie"] == "13800000001,13800000002"
    assert (fields["Text"], fields["Ext"], fields["SendTime"]) == ('a"\\\n', "12345", "2026-02-01 04:00:00")


def test_an_account_without_the_providers_number_cannot_be_bound(account: Account) -> None:
    """The error says what to set."""
    ensms.bind(account())
    with pytest.raises(ValueError, match='set it, as in user_id: "1234"'):
        ensms.bind(account(user_id=""))


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], include_characters="\t\n"), min_size=1).filter(
        str.strip
    ),
    st.text(min_size=1, max_size=12),
)
def test_every_text_comes_out_of_the_cipher_again(text: str, password: str) -> None:
    """Whatever text and password are, the provider's side decrypts what was encrypted."""
    password = password.encode("utf-8", "replace").decode()
    made = IpyySettings.model_validate(
        {"provider": "ipyy", "base_url": "http://127.0.0.1:1", "account": "test", "password": password}
    )
    encrypted = b64decode(b64encode(ensms.encrypted(made, Sms(to="+8613800000001", text=text), STAMPED)))
    key = (password.encode() + bytes(8))[:8]
    cipher = DES.new(key, DES.MODE_CBC, iv=key)  # noqa: S304  # the gateway's
    assert loads(unpad(cipher.decrypt(encrypted), 8))["Text"] == text


messages = st.tuples(
    st.sampled_from(["test", "other"]), st.integers(0, 2), st.text("ab验证码", min_size=1).filter(str.strip)
)


@given(st.lists(messages))
def test_what_is_kept_between_messages_shows_in_none(messages: list[tuple[str, int, str]]) -> None:
    """Each message of a thread is encrypted as if it were the first, whichever account and second came before it."""
    for name, seconds, text in messages:
        made = IpyySettings.model_validate(
            {"provider": "ipyy", "base_url": "http://127.0.0.1:1", "account": name, "password": name}
        )
        message, now = Sms(to="+8613800000001", text=text), STAMPED + timedelta(seconds=seconds, microseconds=len(text))
        key = (name.encode() + bytes(8))[:8]
        alone = DES.new(key, DES.MODE_CBC, iv=key)  # noqa: S304  # the gateway's
        assert ensms.encrypted(made, message, now) == alone.encrypt(pad(ensms.plain(made, message, now), 8))

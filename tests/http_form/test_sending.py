"""Both worked gateways, from a real notifier made from the example file, over sockets."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from notify_core import InvalidMessage, Notifier, Sms
from notify_core.errors import Retry, Scope, SendError, UnreadableReply, Unsupported
from notify_core.states import State
from tests.http_form.conftest import EXAMPLE, Town
from tests.http_form.gateways import CUT, PASSWORD, TOKEN, Answer

ONE = "+8613800000001"
TWO = "+8613800000002"
TEXT = '您的"验证码"：1439 <&> {{ text }}\n100% + 1'
SIGNED = f"{TEXT}【腾飞】"


def _sms(*to: str, text: str = TEXT, extension: str = "", send_at: datetime | None = None) -> Sms:
    return Sms(to=to or (ONE,), text=text, extension=extension, send_at=send_at)


def _at() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


# --- what arrives ----------------------------------------------------------------------------------------------------


def test_acme_gets_the_message_that_was_sent(notifier: Notifier, town: Town) -> None:
    """A signed JSON request carries text, numbers, extension and time to the letter, and its answer the id."""
    at = _at()
    result = notifier.send(_sms(ONE, TWO, extension="7", send_at=at), via="acme.form")
    assert (result.accepted, result.task_id) == (True, "m-1")
    (message,) = town.acme.messages
    options = message.pop("options")
    assert message == {"to": ["13800000001", "13800000002"], "content": SIGNED}
    assert isinstance(options, dict)
    assert len(options.pop("client_ref")) == 18
    assert options == {"extension": "7", "send_at": (at + timedelta(hours=8)).strftime("%Y-%m-%dT%H:%M:%S")}


def test_what_a_message_does_not_have_is_left_out_of_json(notifier: Notifier, town: Town) -> None:
    """Without a time and an extension, their fields are not in the request."""
    assert notifier.send(_sms(), via="acme.form").accepted
    options = town.acme.messages[0]["options"]
    assert isinstance(options, dict)
    assert list(options) == ["client_ref"]


def test_each_request_has_a_reference_of_its_own(notifier: Notifier, town: Town) -> None:
    """Two submissions differ in ``reference``."""
    for _ in range(2):
        assert notifier.send(_sms(), via="acme.form").accepted
    first, second = (message["options"] for message in town.acme.messages)
    assert first != second


def test_oldtown_gets_the_message_that_was_sent(notifier: Notifier, town: Town) -> None:
    """A GET in GBK carries text, numbers, extension, time and hashed password to the letter."""
    at = _at()
    result = notifier.send(_sms(ONE, TWO, extension="7", send_at=at), via="oldtown.form")
    assert (result.accepted, result.task_id) == (True, "12345")
    (message,) = town.old.messages
    assert (message["mobile"], message["msg"], message["ext"]) == ("13800000001,13800000002", SIGNED, "7")
    assert message["time"] == (at + timedelta(hours=8)).strftime("%Y%m%d%H%M%S")


def test_the_balance_is_asked_for_as_the_file_says(notifier: Notifier) -> None:
    """A JSON number and a line of text both become the credit, a negative one too."""
    assert notifier.balance("acme").units == Decimal("120.5")
    assert notifier.balance("oldtown").units == Decimal("-12.5")


def test_a_balance_that_is_not_configured_is_unsupported(town: Town, tmp_path: Path) -> None:
    """Asking for what the file does not describe says which key to add, and asks nobody."""
    text = EXAMPLE.read_text("utf-8")
    start, end = (
        text.index("    balance:\n", text.index("  oldtown:")),
        text.index("    codes:", text.index("  oldtown:")),
    )
    (file := tmp_path / "notify.yaml").write_text(text[:start] + text[end:], "utf-8")
    with Notifier.from_yaml(file) as notifier, pytest.raises(Unsupported, match="add `balance:`"):
        notifier.balance("oldtown")
    assert town.old_server.seen == []


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "scope", "retry", "words"),
    [
        (1001, Scope.MESSAGE, Retry.NEVER, "content empty or too long: no way"),
        (1002, Scope.RECIPIENT, Retry.NEVER, "bad number: no way"),
        (2001, Scope.TRANSPORT, Retry.NEVER, "wrong signature or timestamp: no way"),
        (3002, Scope.ACCOUNT, Retry.NEVER, "no way"),
        (3003, Scope.ACCOUNT, Retry.LATER, "no credit: no way"),
        (5001, Scope.PROVIDER, Retry.LATER, "too many requests: no way"),
        (7777, Scope.PROVIDER, Retry.LATER, "no way"),
    ],
)
def test_a_code_has_the_verdict_of_the_file(
    notifier: Notifier, town: Town, code: int, scope: Scope, retry: Retry, words: str
) -> None:
    """Each code has scope, retry and meaning as mapped, by prefix too; one that nobody mapped is the provider's."""
    town.acme.refuse = (code, "no way")
    error = notifier.send(_sms(), via="acme.form").error
    assert error is not None
    assert (error.scope, error.retry, error.code, error.description) == (scope, retry, str(code), words)
    assert error.after == (60 if code == 5001 else None)


@pytest.mark.parametrize(
    ("line", "path", "state"),
    [
        ("ERR:1:密码错误", "acme.form", State.ACCEPTED),
        ("ERR:3", "acme.form", State.ACCEPTED),
        ("ERR:4:内容为空", "oldtown.form", State.REJECTED),
        ("ERR:5", "acme.form", State.ACCEPTED),
        ("ERR:6", "acme.form", State.ACCEPTED),
        ("ERR:99:???", "acme.form", State.ACCEPTED),
    ],
)
def test_the_verdict_decides_about_failover(town: Town, tmp_path: Path, line: str, path: str, state: State) -> None:
    """What is surely not sent goes on to the next path, but for what no gateway would take."""
    (file := tmp_path / "notify.yaml").write_text(
        EXAMPLE.read_text("utf-8").replace("[acme.form, oldtown.form]", "[oldtown.form, acme.form]"), "utf-8"
    )
    town.old.refuse = line
    with Notifier.from_yaml(file) as notifier:
        (delivery,) = notifier.send(_sms()).deliveries
    assert (delivery.path, delivery.state) == (path, state)


def test_one_bad_number_does_not_keep_the_others_back(notifier: Notifier, town: Town) -> None:
    """Where the gateway refuses a submission for the sake of one recipient, the others are accepted by it."""
    result = notifier.send(_sms(ONE, "+8613800000404", TWO), via="acme.form")
    states = {delivery.recipient: delivery.state for delivery in result.deliveries}
    assert states == {ONE: State.ACCEPTED, "+8613800000404": State.REJECTED, TWO: State.ACCEPTED}
    assert sorted(str(number) for message in town.acme.messages for number in message["to"]) == [  # type: ignore[attr-defined]
        "13800000001",
        "13800000002",
    ]


def test_a_number_of_another_country_is_refused_alone(notifier: Notifier, town: Town) -> None:
    """The gateway of one country is never given a foreign number without its country code; the others go on."""
    result = notifier.send(_sms(ONE, "+14155550100"), via="oldtown.form")
    assert [delivery.state for delivery in result.deliveries] == [State.ACCEPTED, State.REJECTED]
    assert [message["mobile"] for message in town.old.messages] == ["13800000001"]


def test_a_text_that_gbk_cannot_carry_is_refused_before_sending(notifier: Notifier, town: Town) -> None:
    """The characters are named, nothing is sent, and a route goes on to its next path."""
    with pytest.raises(InvalidMessage, match=r"'😀' \(U\+1F600\), '𠮷' \(U\+20BB7\), which GBK cannot"):
        notifier.send(_sms(text="生日快乐😀𠮷"), via="oldtown.form")
    assert town.old_server.seen == []
    assert notifier.send(_sms(text="生日快乐😀")).deliveries[0].path == "acme.form"


def test_a_wrong_password_is_the_accounts(notifier: Notifier, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the gateway says about the credentials in its own charset arrives readable."""
    monkeypatch.setenv("OLDTOWN_PASSWORD", "another-password")
    with Notifier.from_yaml(EXAMPLE) as other:
        error = other.send(_sms(), via="oldtown.form").error
    assert error is not None
    assert (error.scope, error.code) == (Scope.ACCOUNT, "1")
    assert "用户名或密码错误" in error.description
    assert town.old.messages == []
    with pytest.raises(SendError, match="wrong name or password"):
        Notifier.from_yaml(EXAMPLE).balance("oldtown")
    assert notifier.balance("oldtown").units


# --- what is in doubt ------------------------------------------------------------------------------------------------

DOUBTFUL = {
    "cut": CUT,
    "empty": Answer(b""),
    "blank": Answer(b" \r\n"),
    "an HTML page": Answer(b"<html><body>OK</body></html>"),
    "broken off": Answer(b'{"code": 0, "data": {"message_id": "m-'),
    "another shape": Answer(b'{"status": "fine"}'),
    "a list": Answer(b"[0]"),
    "huge": Answer(b'{"code": 0, "x": "' + b"x" * 300_000 + b'"}'),
    "nested": Answer(b"[" * 100_000),
    "status 500": Answer(b"{}", status=500),
    "status 502": Answer(b'{"code": 3001}', status=502),
}


@pytest.mark.parametrize("path", ["acme.form", "oldtown.form"])
@pytest.mark.parametrize("answer", DOUBTFUL.values(), ids=DOUBTFUL.keys())
def test_an_answer_that_says_nothing_is_doubt(notifier: Notifier, town: Town, path: str, answer: Answer) -> None:
    """A cut, an error of the server, and an answer that shows neither success nor an error hold the message."""
    town.acme_server.instead = town.old_server.instead = answer
    result = notifier.send(_sms(), via=path)
    assert result.in_doubt
    assert len(town.acme_server.seen + town.old_server.seen) == 1


def test_doubt_goes_no_further(notifier: Notifier, town: Town) -> None:
    """The next path of a route gets nothing of what may have been taken."""
    town.acme_server.instead = CUT
    assert notifier.send(_sms()).in_doubt
    assert town.old_server.seen == []


def test_a_code_that_the_file_calls_unknown_is_doubt(notifier: Notifier, town: Town) -> None:
    """``sent: unknown`` holds the message, and keeps the code and its meaning."""
    town.acme.refuse = (5002, "timeout")
    result = notifier.send(_sms())
    assert result.in_doubt
    assert result.error is not None
    assert result.error.code == "5002"
    assert town.old_server.seen == []


def test_fewer_accepted_than_sent_is_doubt(notifier: Notifier, town: Town) -> None:
    """A count short of the recipients, without saying whom, holds all of them."""
    town.acme.takes = 1
    assert {delivery.state for delivery in notifier.send(_sms(ONE, TWO)).deliveries} == {State.IN_DOUBT}


def test_a_balance_that_is_no_number_keeps_its_bytes(notifier: Notifier, town: Town) -> None:
    """Where no number stands, the error has what came."""
    town.acme_server.instead = Answer(b'{"code": 0, "data": {"credit": "plenty"}}')
    with pytest.raises(UnreadableReply) as caught:
        notifier.balance("acme")
    assert caught.value.payload == town.acme_server.instead.body


# --- what is never seen ----------------------------------------------------------------------------------------------


def test_secrets_and_addresses_are_logged_nowhere(
    notifier: Notifier, town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even at level DEBUG, where urllib3 logs the targets of requests, is any of a GET's query seen."""
    caplog.set_level(logging.DEBUG)
    sent = [notifier.send(_sms(), via=path) for path in ("acme.form", "oldtown.form")]
    town.acme_server.instead = town.old_server.instead = CUT
    doubtful = [notifier.send(_sms(), via=path) for path in ("acme.form", "oldtown.form")]
    queries = [seen.target.partition("?")[2] for seen in town.old_server.seen]
    shown = caplog.text + repr(sent) + repr(doubtful) + repr([result.attempts for result in doubtful])
    assert [each for query in queries for each in query.split("&") if each.partition("=")[2] and each in shown] == []
    assert [secret for secret in (TOKEN, PASSWORD, "1439", "13800000001") if secret in shown] == []


def test_secrets_that_a_gateway_repeats_are_removed(notifier: Notifier, town: Town) -> None:
    """Neither the description nor the kept reply shows a token, a text or a number."""
    town.acme.refuse = (3001, f"token {TOKEN} may not send {SIGNED} to 13800000001")
    error = notifier.send(_sms(), via="acme.form").error
    assert error is not None
    assert error.raw
    shown = error.description + error.raw + repr(error)
    assert [secret for secret in (TOKEN, "1439", "13800000001") if secret in shown] == []


def test_settings_show_no_secret_and_no_template(notifier: Notifier) -> None:
    """The repr of an account has neither, for a template may hold what belongs under ``secrets``."""
    shown = repr([account.settings for account in notifier.paths.accounts.values()])
    assert [part for part in (TOKEN, PASSWORD, "Bearer", "{{") if part in shown] == []

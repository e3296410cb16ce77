"""Nothing that must not be seen is seen: in records, errors, logs, tracebacks."""

from __future__ import annotations

import gc
import html
import json
import traceback
from collections.abc import Callable
from hashlib import md5
from types import FrameType
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_core import Notifier, Sms
from notify_core.errors import SendError, UnreadableReply
from notify_core.redaction import MOST, Redactor, located
from tests.core.conftest import PASSWORD, OpenNotifier
from tests.core.gateway import Act, Gateway, accepts, cut, refuses, says

NUMBER = "13800138000"
TEXT = '您的验证码："1439" & <b>'
MESSAGE = Sms(to=NUMBER, text=TEXT)
SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "path": quote,
    "percent": lambda value: quote(value, safe=""),
    "form": quote_plus,
    "JSON": lambda value: json.dumps(value)[1:-1],
    "JSON in UTF-8": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "HTML": html.escape,
    "XML": lambda value: html.escape(value, quote=False),
}
"""How a gateway may repeat what it was told."""


# --- what is cleaned -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
def test_a_secret_is_removed_however_it_is_spelled(spelled: Callable[[str], str]) -> None:
    """A gateway may answer with its request, escaped as it likes."""
    cleaned = Redactor([PASSWORD]).clean(f"bad request: {spelled(PASSWORD)}!")
    assert cleaned == "bad request: ***!"


def test_the_hash_of_a_secret_is_one_too() -> None:
    """Form endpoints take the MD5 for the password (gateway.md, part 1, Credentials)."""
    digest = md5(PASSWORD.encode()).hexdigest()  # noqa: S324 - the gateway's choice
    assert Redactor([PASSWORD]).clean(f"{digest} {digest.upper()}") == "*** ***"


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
def test_a_text_is_removed_however_it_is_spelled(spelled: Callable[[str], str]) -> None:
    """What was said is not in the record, whatever the gateway repeats of it."""
    assert Redactor([]).clean(f"sent % \\ & {spelled(TEXT)}!", TEXT) == "sent % \\ & <text>!"


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("mobile=13800138000", "mobile=<phone>"),
        ("+8613800138000,008613800138001", "+<phone>,<phone>"),
        ('{"taskID":"1504080852350206"}', '{"taskID":"1504080852350206"}'),
        ('{"taskID":"15040808","mobile":"15040809"}', '{"taskID":"15040808","mobile":"<phone>"}'),
        ("code 1108, 123456", "code 1108, 123456"),
    ],
)
def test_numbers_are_removed_and_the_task_id_stays(raw: str, cleaned: str) -> None:
    """A phone number has 7 to 15 digits; the task id is told."""
    assert Redactor([]).clean(raw, keep="15040808") == cleaned


def test_a_secret_across_the_cut_is_removed_whole() -> None:
    """A long answer is cut when it is clean."""
    cleaned = Redactor(["sesame-street"]).clean("a" * (MOST - 6) + "sesame-street")
    assert cleaned == "a" * (MOST - 6) + "***"


def test_a_long_answer_is_cut() -> None:
    """A record keeps so much."""
    assert len(Redactor([]).clean("a" * 100_000)) == MOST


@given(st.text(min_size=4), st.text(), st.sampled_from([*SPELLINGS.values()]))
def test_no_secret_is_left(secret: str, around: str, spelled: Callable[[str], str]) -> None:
    """Whatever stands around it."""
    if any("\ud800" <= character <= "\udfff" for character in secret):
        return
    raw = f"{around}\0{spelled(secret)}\0{around}"
    cleaned = Redactor([secret]).clean(raw)
    assert secret not in cleaned or secret in "***"


def test_an_error_is_placed_without_its_text() -> None:
    """Type, file and line of the innermost frames."""
    with pytest.raises(ValueError, match="secret") as caught:
        int("secret")
    assert located(caught.value).startswith("ValueError at test_redaction.py:")
    assert located(ValueError("secret")) == "ValueError"


# --- where it could be seen ------------------------------------------------------------------------------------------


def echo(status: int = 200, text: str = TEXT) -> Act:
    """A gateway that answers with all that it was told, as some do when they fail."""
    told = json.dumps({"password": PASSWORD, "mobile": NUMBER, "content": text})
    return says(f"<pre>{told} {quote_plus(text)} {PASSWORD}</pre>", status)


def leaks(shown: str) -> list[str]:
    """What of the secrets is seen."""
    digest = md5(PASSWORD.encode()).hexdigest()  # noqa: S324 - the gateway's choice
    hidden = [PASSWORD, json.dumps(PASSWORD)[1:-1], quote_plus(PASSWORD), digest, NUMBER, TEXT, "1439", "sesame"]
    return [each for each in hidden if each in shown]


@pytest.mark.parametrize("path", ["clinic.json", "clinic.query"])
@pytest.mark.parametrize(
    "act",
    [
        accepts(),
        echo(),
        echo(400),
        echo(500),
        cut(),
        says(status=302, Location=f"/?p={quote_plus(PASSWORD)}"),
        refuses("account", text=f"{TEXT} {PASSWORD} {NUMBER}", code=PASSWORD),
        accepts(refused={f"+86{NUMBER}": {"scope": "recipient", "text": f"{TEXT} {PASSWORD}", "code": TEXT}}),
        cut(b"HTTP/1.1 200 -\r\nno header"),
    ],
    ids=["accepted", "echo", "echo 400", "echo 500", "cut", "redirect", "refused", "refused one", "bad header"],
)
def test_nothing_is_seen_of_a_send(
    gateway: Gateway, open_notifier: OpenNotifier, caplog: pytest.LogCaptureFixture, path: str, act: Act
) -> None:
    """With every logger at DEBUG: no log, no repr, no error and no record shows password, text or whole number."""
    gateway.script = [act]
    result = open_notifier({"clinic": gateway}).send(MESSAGE, via=path)
    errors = "".join(f"{each.error!r}{each.error}{vars(each.error) if each.error else ''}" for each in result.attempts)
    shown = f"{result}{result.attempts}{[each.raw for each in result.attempts]}{result.error!r}{errors}"
    assert leaks(caplog.text + shown.replace(f"+86{NUMBER}", "")) == []
    assert caplog.records


def test_the_log_of_others_keeps_its_queries(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    """Only what this package asks for is hidden from urllib3's log."""
    import requests

    gateway.script = [says()]
    requests.get(f"{gateway.url}/?q=mine", timeout=5)
    assert "?q=mine" in caplog.text


@pytest.mark.parametrize("hook", ["balance", "reports", "inbound"])
@pytest.mark.parametrize(
    "act",
    [echo(), echo(403, ""), says({"ok": True}), refuses("account", text=PASSWORD)],
    ids=["echo", "echo 403", "incomplete", "refused"],
)
def test_nothing_is_seen_of_a_failed_question(
    gateway: Gateway, open_notifier: OpenNotifier, caplog: pytest.LogCaptureFixture, hook: str, act: Act
) -> None:
    """The traceback of an error that is raised shows nothing either, nor what it was raised from."""
    gateway.script = [act]
    with pytest.raises(SendError) as caught:
        getattr(open_notifier({"clinic": gateway}), hook)("clinic")
    printed = "".join(traceback.format_exception(caught.value))
    assert leaks(f"{caplog.text}{printed}{caught.value!r}{caught.value.raw}") == []


def test_a_new_password_is_not_seen(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """It is as secret as the old one."""
    gateway.script = [refuses("account", text="sesame-new is too short", new="sesame-new")]
    with pytest.raises(SendError) as caught:
        open_notifier({"clinic": gateway}).change_password("clinic", "sesame-new")
    assert leaks(f"{caught.value}{caught.value.raw}") == []


def test_an_unreadable_answer_keeps_its_bytes(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """What is handed out once is not lost (gateway.md, trap 2), and not shown."""
    gateway.script = [says({"ok": True, "numbers": 7})]
    with pytest.raises(UnreadableReply) as caught:
        open_notifier({"clinic": gateway}).reports("clinic")
    assert caught.value.payload == b'{"ok": true, "numbers": 7}'
    assert "TypeError at" in str(caught.value)
    assert "while reading what clinic.json answered to status" in str(caught.value)


@pytest.mark.parametrize(
    "act", [cut(), says("", 503), refuses("account"), echo()], ids=["cut", "503", "refused", "unreadable"]
)
def test_a_result_keeps_no_frames(gateway: Gateway, open_notifier: OpenNotifier, act: Act) -> None:
    """An error in a result has no traceback and no cause: their frames hold the text and the password."""
    gateway.script = [act]
    error = open_notifier({"clinic": gateway}).send(MESSAGE).error
    assert error is not None
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)
    gc.collect()
    frames = [each for each in gc.get_referrers(error) if isinstance(each, FrameType)]
    assert [frame for frame in frames if "notify_core" in frame.f_code.co_filename] == []


def test_a_notifier_shows_nothing(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """Neither it nor what it is made of."""
    notifier: Notifier = open_notifier({"clinic": gateway})
    account = notifier.paths.accounts["clinic"]
    shown = f"{notifier!r}{notifier.paths!r}{list(notifier.paths)}{account!r}{account.settings!r}{notifier.routes}"
    assert leaks(shown) == []

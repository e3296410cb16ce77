"""Named texts: strict, and shut in a sandbox."""

from __future__ import annotations

import re
import traceback

import pytest

from notify_core import InvalidMessage, Sms
from notify_core.templates import Templates
from tests.core.conftest import OpenNotifier
from tests.core.gateway import Gateway

OTP = Templates({"otp": "您的验证码：{{ code }}，{{ minutes }}分钟内有效"})


def test_a_template_is_filled_in() -> None:
    """Values of any kind are written as text, and nothing is escaped."""
    assert OTP.render("otp", {"code": "<1439>", "minutes": 5}) == "您的验证码：<1439>，5分钟内有效"


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("opt", {}, "no template 'opt'; did you mean 'otp'?"),
        ("otp", {"code": 1}, "template 'otp' needs a value for 'minutes'"),
        ("otp", {}, "template 'otp' needs a value for 'code', 'minutes'"),
        ("otp", {"code": 1, "minuets": 5}, "template 'otp' has no 'minuets'; did you mean 'minutes'?"),
    ],
)
def test_values_are_checked_by_name(name: str, values: dict[str, object], words: str) -> None:
    """Missing and unknown values are told with the nearest right name."""
    with pytest.raises(InvalidMessage, match=f"^{re.escape(words)}$"):
        OTP.render(name, values)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ value.missing }}", {}),
        ("{{ value + 1 }}", "1439"),
        ("{{ 1 / value }}", 0),
        ("{{ value[7] }}", []),
        ("{{ value | round }}", "1439"),
        ("{{ value.__class__.__mro__ }}", ""),
        ("{{ value.append(1) }}", []),
        ("{% for i in range(10 ** 9) %}{{ value }}{% endfor %}", 1),
        ("{% include value %}", "/etc/passwd"),
    ],
)
def test_what_cannot_be_rendered_is_refused(text: str, value: object) -> None:
    """Whatever goes wrong is one error, which repeats no value, in its traceback either."""
    with pytest.raises(InvalidMessage, match=r"^template 'a' cannot be rendered with these values: \w+$") as caught:
        Templates({"a": text}).render("a", {"value": value})
    assert "1439" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("text", ["{{ code", "{% if %}", "{{ a | nosuch }}", "{% for %}"])
def test_what_is_no_template_does_not_start(text: str) -> None:
    """It is found when the configuration is read."""
    with pytest.raises(ValueError, match=r"^not a Jinja2 template: .* \(line 1 of the text\)$"):
        Templates({"a": text})


def test_a_message_is_filled_in_before_it_leaves(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """The template's text is what is sent."""
    notifier = open_notifier({"clinic": gateway}, templates={"otp": "{{ code }}"})
    notifier.send(Sms(to="13800138000", template="otp", values={"code": "1439"}))
    assert gateway.received[0].data["text"] == "1439"


def test_a_bad_value_sends_nothing(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """It is an error before any network."""
    notifier = open_notifier({"clinic": gateway}, templates={"otp": "{{ code }}"})
    with pytest.raises(InvalidMessage, match="template 'otp' needs a value for 'code'"):
        notifier.send(Sms(to="13800138000", template="otp"))
    assert gateway.received == []


def test_an_empty_rendering_sends_nothing(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """A template that comes to nothing is no message."""
    notifier = open_notifier({"clinic": gateway}, templates={"otp": "{{ code }}"})
    with pytest.raises(InvalidMessage, match="`text` is empty"):
        notifier.send(Sms(to="13800138000", template="otp", values={"code": " "}))

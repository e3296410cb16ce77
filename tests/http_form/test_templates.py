"""What templates write: filters by known values, and values that cannot leave the place where they stand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from lxml import etree

from notify_core.errors import InvalidMessage
from notify_core.messages import Sms
from notify_http.filters import FILTERS
from notify_http.form import check
from notify_http.request import Call, RequestSettings, call
from notify_http.settings import HttpSettings
from notify_http.templates import Value, context
from tests.http_form.accounts import MISSING, varied

TO = ("+8613800000001", "+14155550100")
VALUES: dict[str, object] = {
    "to": TO,
    "text": "您好 a+b",
    "extension": "7",
    "send_at": None,
    "now": datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
    "reference": "1",
    "user": "demo",
    "password": "abc123",
    "sender": "",
    "country": "86",
    "secrets": {"app_key": "key"},
}

# Hashes are those of md5sum (and gateway.md), sha1sum and sha256sum; HMACs stand in RFC 2202 §3 and RFC 4231 §4.3.
WRITTEN: list[tuple[str, Any]] = [
    ("{{ to | e164 }}", list(TO)),
    ("{{ to | international }}", ["8613800000001", "14155550100"]),
    ("{{ to | prefixed | join(';') }}", "008613800000001;0014155550100"),
    ("{{ to | first | national }}", "13800000001"),
    ("{{ to | join }}", "+8613800000001,+14155550100"),
    ("{{ to | international | each('mobile') }}", [{"mobile": "8613800000001"}, {"mobile": "14155550100"}]),
    ("{{ to | length }}{{ text | length }}", "26"),
    ("{{ '13' | int }}", 13),
    ("{{ ' aB ' | trim | upper }}{{ 'aB' | lower }}", "ABab"),
    ("{{ {'code': text} | json }}", '{"code":"您好 a+b"}'),
    ("{{ password | md5 | upper }}", "E99A18C428CB38D5F260853678922E03"),
    ("{{ password | sha1 }}", "6367c48dd193d56ea7b0baad25b19455e529f5ee"),
    ("{{ password | sha256 }}", "6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090"),
    (
        "{{ 'what do ya want for nothing?' | hmac_sha1('Jefe') }}",
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
    ),  # RFC 2202
    (
        "{{ 'what do ya want for nothing?' | hmac_sha256('Jefe') }}",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",  # RFC 4231 §4.3
    ),
    ("{{ '' | sha1 | unhex | base64 }}", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
    ("{{ '你' | hex('utf-16-be') }}{{ '你' | hex }}", "4f60e4bda0"),
    ("{{ '你' | base64('gbk') }}", "xOM="),
    ("{{ '你 +' | urlencode('gbk') }}", "%C4%E3%20%2B"),
    ("{{ now | time('%Y-%m-%d %H:%M:%S', 'Asia/Shanghai') }}", "2026-01-02 11:04:05"),
    ("{{ now | unix }}", 1767323045),
    ("{{ now | unix_ms }}", 1767323045678),
    ("{{ send_at | unix }}", None),
    ("{{ send_at | unix_ms }}", None),
    ("{{ send_at | time('%Y', 'UTC') }}", None),
    ("at {{ send_at | time('%Y', 'UTC') }}!", "at !"),
    ("{{ true }}", True),
    ("is {{ true }}", "is true"),
    ("{{ secrets.app_key }}-{{ user }}", "key-demo"),
    ("{# nothing #}plain", "plain"),
]


@pytest.mark.parametrize(("source", "expected"), WRITTEN, ids=[source for source, _ in WRITTEN])
def test_a_template_writes(source: str, expected: object) -> None:
    """Each filter makes what is expected of it; a single expression keeps its type, anything else is text."""
    assert Value(source).of(context(dict(VALUES))) == expected


def test_every_filter_is_tried() -> None:
    """The table above names all filters."""
    assert [name for name in FILTERS if not any(f"| {name}" in source for source, _ in WRITTEN)] == []


# --- escaping --------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
xml_texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"], include_characters="\r\n\t"), min_size=1)
gbk_texts = st.text(st.characters(codec="gbk"), min_size=1)


def _request(**settings: object) -> RequestSettings:
    """A request with these settings, checked as that of a whole account."""
    changes = {f"send.request.{name}": value for name, value in settings.items()}
    account = HttpSettings.model_validate(varied({"send.request.form": MISSING, **changes}))
    return account.send.request


def _written(request: RequestSettings, text: str) -> Call:
    return call(request, {**VALUES, "text": text})


JSON = _request(json={"to": "{{ to }}", "a": ["{{ text }}", "<{{ text }}>"], "n": "{{ 1 }}", "x": None})
XML = _request(
    xml="<m to=\"{{ to | join }}\" a='{{ text }}'>{% for n in to %}<n>{{ n }}</n>{% endfor %}<t>{{ text }}</t></m>"
)
FORM = _request(form={"to": "{{ to | join }}", "text": "{{ text }}", "end": "1"})
QUERY = _request(method="GET", path="/a?b=c", charset="gbk", query={"to": "{{ to | join }}", "text": "{{ text }}"})
PATH = _request(path="/to/{{ to | join }}/say/{{ text }}/end")


@given(texts)
def test_no_text_leaves_its_json_string(text: str) -> None:
    """Whatever the text, JSON has the structure of the YAML, and the text in it unchanged."""
    body = json.loads(_written(JSON, text).body)
    assert body == {"to": list(TO), "a": [text, f"<{text}>"], "n": 1, "x": None}


@given(xml_texts)
def test_no_text_leaves_its_xml_element_or_attribute(text: str) -> None:
    """Whatever the text that XML can carry, the document has its elements, and the text in it unchanged."""
    root = etree.fromstring(_written(XML, text).body.encode())
    assert [child.tag for child in root] == ["n", "n", "t"]
    assert (root.get("a"), root.findtext("t"), root.get("to")) == (text, text, ",".join(TO))


@given(texts)
def test_no_text_leaves_its_form_field(text: str) -> None:
    """Whatever the text, a form has the fields of the YAML, and the text in it unchanged."""
    fields = parse_qsl(_written(FORM, text).body, keep_blank_values=True, strict_parsing=True)
    assert fields == [("to", ",".join(TO)), ("text", text), ("end", "1")]


@given(gbk_texts)
def test_no_text_leaves_its_query_parameter(text: str) -> None:
    """Whatever the text that GBK can carry, a query has the fields of the YAML, and the text in it unchanged."""
    parts = urlsplit(_written(QUERY, text).target)
    assert (parts.path, parts.fragment) == ("/a", "")
    assert parse_qsl(parts.query, encoding="gbk", errors="strict")[2] == ("text", text)


@given(texts)
def test_no_text_leaves_its_step_of_a_path(text: str) -> None:
    """Whatever the text, a path has the steps of the YAML, and is printable."""
    target = _written(PATH, text).target
    assert target.isascii()
    assert target.isprintable()
    assert [unquote_plus(step.replace("+", "%2B")) for step in target.split("/")][-3:] == ["say", text, "end"]


@given(texts)
def test_what_check_lets_through_can_be_written(text: str) -> None:
    """A text that ``check`` takes for GBK and XML is written without an error."""
    assume(text.strip())
    for settings in (XML_ACCOUNT, GBK_ACCOUNT):
        request = settings.send.request
        try:
            check(settings, Sms(to="+8613800000001", text=text))
        except InvalidMessage:
            continue
        written = _written(request, text).body.encode(request.charset)
        assert request.xml is None or etree.fromstring(written).text == text


XML_ACCOUNT = HttpSettings.model_validate(
    varied({"send.request.form": MISSING, "send.request.xml": "<a to='{{ to | join }}'>{{ text }}</a>"})
)
GBK_ACCOUNT = HttpSettings.model_validate(varied({"send.request.charset": "gbk"}))


def test_a_document_is_declared_in_its_charset() -> None:
    """XML in GBK says so in its declaration and its Content-Type."""
    request = _request(charset="gbk", xml="<a to='{{ to | join }}'>{{ text }}</a>")
    body = call(request, dict(VALUES)).body.encode(request.charset)
    assert body.startswith(b'<?xml version="1.0" encoding="gbk"?>')
    assert "您好".encode("gbk") in body
    assert request.full_content_type == "text/xml; charset=gbk"


def test_a_call_and_its_templates_show_nothing() -> None:
    """Neither the written request nor the described one has anything to read in its repr."""
    shown = repr(_written(QUERY, "1439")) + repr(QUERY)
    assert [part for part in ("1439", "to=", "{{", "13800000001") if part in shown] == []

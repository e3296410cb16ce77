"""What cannot work does not start: each fault at its place, with what to do."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from notify_core import ConfigError, InvalidMessage, Notifier, Sms
from notify_core.config import json_schema
from tests.http_form.accounts import MISSING, faults, notifier
from tests.http_form.conftest import EXAMPLE

SEND = "send.request"
REPLY = "send.reply"

FAULTS: list[tuple[dict[str, Any], list[str]]] = [
    # templates
    ({f"{SEND}.form.text": "{{ text | uper }}"}, ["form.text: no filter 'uper'; did you mean 'upper'?"]),
    ({f"{SEND}.form.text": "{{ txt }}"}, ["form.text: nothing is named 'txt'; did you mean 'text'?"]),
    ({f"{SEND}.form.text": "{{ text is odder }}"}, ["form.text: no test 'odder'; did you mean 'odd'?"]),
    ({f"{SEND}.form.text": "{{ text "}, ["form.text: not a template: unexpected end"]),
    ({f"{SEND}.form.text": "{% if text %}{{ text }}{% endif %}"}, ["form.text: {% if %} cannot stand here"]),
    ({f"{SEND}.form.text": "{{ text | safe }}"}, ["form.text: no filter 'safe'"]),
    ({f"{SEND}.form.text": "{{ text.__class__ }}"}, ["form.text: cannot be rendered: access to attribute"]),
    ({f"{SEND}.form.text": ["{{ text }}"]}, ["form.text: expected text, in which {{ }} may stand"]),
    (
        {f"{SEND}.form.key": "{{ secrets.app }}"},
        ["form.key: `secrets` of the account has no 'app'; did you mean"],
    ),
    ({f"{SEND}.form.from": "{{ sender }}"}, ["form.from: uses `sender`, which the account does not set"]),
    ({"user": MISSING, f"{SEND}.path": "/{{ user }}"}, ["path: uses `user`, which the account does not set"]),
    ({f"{SEND}.form.to": "{{ to | national | join }}"}, ["form.to: needs the account's `country`, such as 86"]),
    ({f"{SEND}.form.sign": "{{ body | md5 }}"}, ["form.sign: `body` is made of this; path, query and headers"]),
    # filters that get what they cannot take
    ({f"{SEND}.form.to": "{{ to }}"}, ["form.to: cannot be rendered: a list (write | join(',')) is not text"]),
    ({f"{SEND}.form.at": "{{ now }}"}, ["form.at: cannot be rendered: a time (write | time("]),
    ({f"{SEND}.form.at": "{{ secrets }}"}, ["form.at: cannot be rendered: a mapping (write | json"]),
    (
        {f"{SEND}.form.at": "{{ now | time('%Y') }}"},
        ["form.at: cannot be rendered: _time() missing 1 required"],
    ),
    (
        {f"{SEND}.form.at": "{{ text | time('%Y', 'UTC') }}"},
        ["form.at: cannot be rendered: takes a time: now or"],
    ),
    ({f"{SEND}.form.at": "{{ now | time('%Y', 'Asia/Shangai') }}"}, ["did you mean 'Asia/Shanghai'?"]),
    ({f"{SEND}.form.x": "{{ text | md5('gkb') }}"}, ["form.x: cannot be rendered: no charset 'gkb'"]),
    ({f"{SEND}.form.x": "{{ text | int }}"}, ["form.x: cannot be rendered: int takes digits"]),
    ({f"{SEND}.form.x": "{{ text | unhex | base64 }}"}, ["form.x: cannot be rendered: unhex takes hex digits"]),
    ({f"{SEND}.form.x": "{{ text | sha256 | unhex }}"}, ["form.x: cannot be rendered: bytes (write | base64"]),
    ({f"{SEND}.form.x": "{{ text | e164 }}"}, ["form.x: cannot be rendered: takes numbers with +"]),
    ({f"{SEND}.form.x": "{{ text | join }}"}, ["form.x: cannot be rendered: join takes a list"]),
    ({f"{SEND}.form.x": "{{ text | first }}"}, ["form.x: cannot be rendered: first takes a list"]),
    ({f"{SEND}.form.x": "{{ text | each('a') | json }}"}, ["form.x: cannot be rendered: each takes a list"]),
    (
        {f"{SEND}.form.x": "{{ [now] | json }}"},
        ["form.x: cannot be rendered: something within the value cannot"],
    ),
    ({f"{SEND}.form.x": "{{ 1 / 0 }}"}, ["form.x: cannot be rendered: ZeroDivisionError"]),
    ({f"{SEND}.form.x": "{{ text.split('=')[1] }}"}, ["form.x: cannot be rendered: list object has no element 1"]),
    ({f"{SEND}.form": MISSING, f"{SEND}.json": "{{ send_at }}"}, ["request.json: cannot be rendered: a time (write"]),
    ({f"{SEND}.form": MISSING, f"{SEND}.json": "{{ none }}"}, ["request: cannot be rendered: something within the"]),
    # what would be lost
    ({f"{SEND}.form.text": "{{ to | join }}"}, ["request: the message's `text` appears nowhere in the request"]),
    ({f"{SEND}.form.to": "{{ text }}"}, ["request: the message's recipients `to` appear nowhere in the request"]),
    (
        {f"{SEND}.form.to": "{{ to | first }}"},
        ["request: only the first recipient appears in the request: set `max_rec"],
    ),
    # what would break out
    ({f"{SEND}.headers": {"X-Text": "{{ text }}"}}, ["headers.X-Text: a header carries printable ASCII only"]),
    ({f"{SEND}.headers": {"X Y": "1"}}, ["headers: 'X Y' cannot be set: expected the name of a header"]),
    ({f"{SEND}.headers": {"content-type": "a/b"}}, ["headers: write Content-Type as `content_type`"]),
    ({f"{SEND}.path": "/a b"}, ["path: an address has neither blanks, # nor a second ://"]),
    ({f"{SEND}.path": "send"}, ["path: expected a path such as /send"]),
    ({f"{SEND}.path": "https://{{ user }}/a"}, ["path: expected a path such as /send"]),
    ({f"{SEND}.path": "http://sms.example/a"}, ["path: http:// would send the password in clear"]),
    (
        {f"{SEND}.charset": "gbk", f"{SEND}.form.x": "😀"},
        ["form.x: holds what GBK cannot carry: '😀' (U+1F600)"],
    ),
    # bodies
    ({f"{SEND}.text": "a"}, ["request: expected one body; found form and text"]),
    ({f"{SEND}.method": "GET"}, ["request: a GET has no body: write what stands under `form` under `query`"]),
    ({f"{SEND}.method": "PUT"}, ["method: expected 'GET' or 'POST'"]),
    ({f"{SEND}.form": MISSING, f"{SEND}.text": '{"a": "{{ text }}"}'}, ["text: this looks like JSON or XML"]),
    ({f"{SEND}.form": MISSING, f"{SEND}.xml": "<?xml version='1.0'?><a/>"}, ["xml: leave out <?xml … ?>"]),
    ({f"{SEND}.form": MISSING, f"{SEND}.xml": "<a><![CDATA[{{ text }}]]></a>"}, ["xml: leave out <?xml … ?>"]),
    ({f"{SEND}.form": MISSING, f"{SEND}.xml": "<a>{{ text }}</b>"}, ["xml: not well-formed XML at its line 1"]),
    (
        {f"{SEND}.form": MISSING, f"{SEND}.xml": "<a {{ text }}='1'/>"},
        ["xml: not well-formed XML at its line 1"],
    ),
    (
        {f"{SEND}.form": MISSING, f"{SEND}.xml": "{% set a = text %}<a/>"},
        ["xml: {% assign %} cannot stand here"],
    ),
    (
        {f"{SEND}.form": MISSING, f"{SEND}.json": {"a": {"b": ["{{ txt }}", "{{ to | joinn }}"]}, "at": "{{ now }}"}},
        ["json.a.b[0]: nothing is named 'txt'", "json.a.b[1]: no filter 'joinn'; did you mean 'join'?"],
    ),
    (
        {f"{SEND}.form": MISSING, f"{SEND}.json": {"at": "{{ now }}", "key": ["{{ secrets.kye }}"]}},
        ["json.key[0]: `secrets` of the", "json.at: cannot be rendered: a time (write | time("],
    ),
    # replies
    ({f"{REPLY}.success": MISSING}, ["success: is missing: When the gateway did what it was asked"]),
    ({f"{REPLY}.success": {"at": "code"}}, ["success: expected one of equals, one_of and matches"]),
    ({f"{REPLY}.success": {"equals": "1", "matches": "1"}}, ["success: expected one of equals, one_of and"]),
    ({f"{REPLY}.success": {"matches": "(a"}}, ["success.matches: not a regular expression"]),
    (
        {f"{REPLY}.success": {"equals": "1", "at": "a..b"}},
        ["success.at: expected a path such as data.items[0]"],
    ),
    ({f"{REPLY}.id": "[x"}, ["id: expected a path such as data.items[0].id"]),
    ({f"{REPLY}.kind": "text", f"{REPLY}.code": "(a"}, ["code: not a regular expression"]),
    ({f"{REPLY}.code": MISSING}, ["reply: say where the error stands (`code`, `error`)"]),
    ({f"{REPLY}.kind": "html"}, ["kind: expected 'json', 'xml' or 'text'"]),
    # the rest
    (
        {"codes": {"3": "acount"}},
        ["codes.3.scope: expected 'message', 'recipient', 'transport',"],
    ),
    ({"codes": {"3": {"scope": "recipient", "credit": True}}}, ["codes.3: credit: true says that the account surely"]),
    ({"codes": {"3": {"scope": "account", "credit": True, "sent": "unknown"}}}, ["it belongs to scope: account"]),
    ({"codes": {"3": {"scope": "account", "retry": "now"}}}, ["codes.3.retry: expected 'never' or 'later'"]),
    ({"country": "+86"}, ["country: expected the digits of a country code, such as 86"]),
    ({"send": MISSING}, ["send: is missing: How a message is submitted"]),
    ({"send.answer": {}}, ["send.answer: unknown key"]),
    ({f"{SEND}.jsn": {}}, ["request.jsn: unknown key; did you mean 'json'?"]),
    ({"secret": {}}, ["secret: unknown key; did you mean 'secrets'?"]),
    (
        {"balance": {"request": {"path": "/b", "form": {"a": "{{ to | join }}"}}, "reply": {"kind": "text"}}},
        [
            "balance.reply.success: is missing",
            "balance.reply.balance: is missing: Where the credit that is left stands",
        ],
    ),
    (
        {
            "balance.request": {"path": "/b", "form": {"a": "{{ text }}", "b": "{{ now | unix }}"}},
            "balance.reply": {"kind": "text", "success": {"matches": r"\d+"}, "code": "E.*", "balance": ""},
        },
        ["balance.request.form.a: 'text' belongs to a message; asking for the balance has none"],
    ),
]


@pytest.mark.parametrize(("changes", "expected"), FAULTS, ids=map(str, range(len(FAULTS))))
def test_what_cannot_work_is_a_fault_at_its_place(changes: dict[str, Any], expected: list[str]) -> None:
    """A configuration that could not send is refused when it is read, saying where and what to do."""
    found = faults(changes)
    assert len(found) == len(expected), found
    assert [words for words in expected if not any(words in fault for fault in found)] == [], found


def test_faults_of_a_file_have_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All mistakes of a file come at once, each with its line and what stands there."""
    monkeypatch.chdir(tmp_path)
    text = EXAMPLE.read_text("utf-8").replace("md5 | upper", "md5 | uper").replace("{{ text }}", "{{ txt }}", 1)
    Path("notify.yaml").write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        Notifier.from_yaml("notify.yaml")
    lines = text.splitlines()
    assert [("txt" in lines[fault.line - 1], "uper" in lines[fault.line - 1]) for fault in caught.value.faults] == [
        (True, False),
        (False, True),
        (False, True),
    ]
    assert "accounts.acme.send.request.json.content: nothing is named 'txt'" in str(caught.value)
    assert "; found '{{ password | md5 | uper }}'" in str(caught.value)


def test_a_fault_never_quotes_a_secret() -> None:
    """What a template makes of the password is not repeated where it fails."""
    found = faults({"send.request.form.x": "{{ password | int }}", "send.request.form.y": "{{ {}[password] }}"})
    assert len(found) == 2
    assert "nobodys-password" not in "".join(found)


def test_a_secret_at_the_wrong_place_is_not_quoted(tmp_path: Path) -> None:
    """A secret that stands where the mapping of secrets should is a fault that does not show it."""
    text = re.sub(r"    secrets:\n(      .*\n)+", "    secrets: key-of-nobody\n", EXAMPLE.read_text("utf-8"))
    (file := tmp_path / "notify.yaml").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match="secrets: expected a block") as caught:
        Notifier.from_yaml(file)
    assert "key-of-nobody" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"max_recipients": 1, f"{SEND}.form.to": "{{ to | first }}"},
        {f"{SEND}.form": MISSING, f"{SEND}.text": "{{ to | join('\n') }}\n\n{{ text }}"},
        {f"{SEND}.form": MISSING, f"{SEND}.query": {"to": "{{ to | join }}", "text": "{{ text }}"}},
        {f"{SEND}.path": "http://127.0.0.1/a"},
        {f"{SEND}.path": "http://sms.example/a", "allow_insecure": "true"},
        {f"{SEND}.form.text": "{{ text | urlencode('gbk') }}"},
        {f"{SEND}.charset": "iso-8859-1", f"{SEND}.form.x": "é"},
    ],
)
def test_what_can_work_starts(changes: dict[str, Any]) -> None:
    """One recipient at a time, a body of text or none, another host and other charsets are no faults."""
    notifier(changes).close()


def test_a_time_or_extension_that_the_request_has_no_place_for_is_refused() -> None:
    """The message is not sent at once, or from another number, instead."""
    with notifier({}) as minimal:
        with pytest.raises(InvalidMessage, match="takes no time"):
            minimal.send(Sms(to="13800000001", text="a", send_at=datetime.now(UTC) + timedelta(hours=1)))
        with pytest.raises(InvalidMessage, match="takes no extension"):
            minimal.send(Sms(to="13800000001", text="a", extension="7"))


def test_the_schema_for_editors_knows_every_block() -> None:
    """The JSON Schema of the file has the settings of this family, under the names of the YAML."""
    models = json_schema()["$defs"]
    assert {"secrets", "country", "send", "balance", "codes"} <= models["HttpSettings"]["properties"].keys()
    assert {"json", "form", "xml", "text", "query"} <= models["RequestSettings"]["properties"].keys()
    assert models["SendReply"]["properties"]["id"]["description"]

"""What answers mean: where things stand, and what happens where they do not."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_core.errors import Retry, Scope, SendError, Sent, UnreadableReply
from notify_core.messages import Accepted
from notify_core.replies import ReplyText
from notify_http import codes, document, reply
from notify_http.codes import Code
from notify_http.document import Document
from notify_http.reply import BalanceReply, SendReply


def _reply(kind: str, **settings: Any) -> SendReply:
    return SendReply.model_validate(
        {"kind": kind, "success": {"at": "code", "equals": "0"}, "code": "code", **settings}
    )


JSON = _reply("json", id="data.id", accepted="data.n", balance="left", error="why")
XML = _reply("xml", id="data.id", accepted="data.@n", balance="left", error="why")
TEXT = _reply("text", success={"matches": r"OK:\d+.*"}, id=r"OK:(\d+)", code=r"^ERR:(-?\d+)", error=r"^ERR:-?\d+:(.+)")


# --- places ----------------------------------------------------------------------------------------------------------


def _document(kind: str, text: str) -> Document:
    return document.of(kind, ReplyText.of(text.encode()))


TREE = {"a": [{"b": "x"}, {"b": 7}], "c.d": " y ", "e": True, "f": None, "g": 1.50, "h": {}, "@i": "z", "": "w"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a[0].b", "x"),
        ("a[1].b", "7"),
        ("['c.d']", "y"),
        ("e", "true"),
        ("g", "1.5"),
        ("@i", "z"),
        *[(path, None) for path in ("f", "h", "a", "a[2].b", "a.b", "a[0][0]", "nothing", "a[0].b.c", "", "A[0].b")],
    ],
)
def test_a_path_finds_one_text_in_json(path: str, expected: str | None) -> None:
    """Numbers and truth are found as they are written; what is no single text, or not exactly there, is not found."""
    assert _document("json", json.dumps(TREE)).find(path) == expected


DOCUMENT = """\ufeff<?xml version='1.0' encoding="gb2312" ?>
<!-- <!DOCTYPE a> --><s:root xmlns:s="urn:s" xmlns="urn:t"><a><b>x</b></a><a><b n=" 7 "><![CDATA[ <y> ]]></b></a>
<e/><f>one<!-- two -->three</f></s:root>"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.b", "x"),
        ("a[1].b", "<y>"),
        ("a[1].b.@n", "7"),
        ("e", ""),
        ("f", "onethree"),
        *[(path, None) for path in ("a", "a[2].b", "root.a.b", "a.b.@n", "g", "", "b")],
    ],
)
def test_a_path_finds_one_text_in_xml(path: str, expected: str | None) -> None:
    """Namespaces, declarations, comments and CDATA are no matter; what is not exactly there is not found."""
    assert _document("xml", DOCUMENT).find(path) == expected


def test_the_root_of_xml_may_be_the_answer() -> None:
    """ASP.NET answers a call with one element that holds the result; the empty path is that."""
    assert _document("xml", '<string xmlns="http://tempuri.org/">12345</string>').find("") == "12345"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("", "OK:1,2"), (r"OK:(\d)", "1"), (r"\d$", "2"), (r"(x)|,(\d)", "2"), ("ERR", None)],
)
def test_a_pattern_finds_one_text(pattern: str, expected: str | None) -> None:
    """The first group that took part, else all that matched; nothing is the whole answer."""
    assert _document("text", "OK:1,2").find(pattern) == expected


# --- meanings --------------------------------------------------------------------------------------------------------


def test_an_acceptance_has_what_stands_in_it() -> None:
    """Id, count and balance are read from where the YAML says, whether they are numbers or strings."""
    body = b'{"code": 0, "data": {"id": 12345678901234567890123, "n": "2"}, "left": "-1.50"}'
    taken = reply.accepted(JSON, body, {})
    assert (taken.task_id, taken.count, taken.balance) == ("12345678901234567890123", 2, Decimal("-1.50"))
    assert reply.accepted(XML, b"<r><code> 0 </code><data n='many'/></r>", {}).count is None
    assert reply.accepted(XML, b"<r><code>0</code><data n='2'/></r>", {}).count == 2
    assert reply.accepted(TEXT, b"OK:12345\r\n", {}).task_id == "12345"


@pytest.mark.parametrize(
    ("rule", "accepted", "refused"),
    [
        ({"equals": "true"}, True, False),
        ({"one_of": ["0", "ok"]}, "ok", 1),
        ({"matches": r"[1-9]\d*"}, 17, "17x"),
    ],
)
def test_success_is_what_the_rule_says(rule: dict[str, Any], accepted: object, refused: object) -> None:
    """``equals``, ``one_of`` and ``matches`` hold for all of what stands there, and for nothing else."""
    settings = _reply("json", success={"at": "s", **rule}, code="s")
    assert reply.accepted(settings, json.dumps({"s": accepted}).encode(), {}).task_id == ""
    with pytest.raises(SendError):
        reply.accepted(settings, json.dumps({"s": refused}).encode(), {})


CODES = {
    "1": Code(scope=Scope.ACCOUNT, meaning="no"),
    "2*": Code(scope=Scope.TRANSPORT),
    "21*": Code(scope=Scope.RECIPIENT, retry="later", after=60),
    "21": Code(scope=Scope.MESSAGE),
    "黑名单*": Code(scope=Scope.RECIPIENT),
}


@pytest.mark.parametrize(
    ("code", "scope", "retry", "shown"),
    [
        ("1", Scope.ACCOUNT, Retry.NEVER, "1"),
        ("29", Scope.TRANSPORT, Retry.NEVER, "29"),
        ("215", Scope.RECIPIENT, Retry.LATER, "215"),
        ("21", Scope.MESSAGE, Retry.NEVER, "21"),
        ("3", Scope.PROVIDER, Retry.LATER, "3"),
        ("", Scope.PROVIDER, Retry.LATER, ""),
        ("isv.BUSINESS_LIMIT", Scope.PROVIDER, Retry.LATER, "isv.BUSINESS_LIMIT"),
        ("黑名单号码13800000001", Scope.RECIPIENT, Retry.NEVER, "黑名单"),
        ("no text to 13800000001", Scope.PROVIDER, Retry.LATER, ""),
    ],
)
def test_a_code_is_looked_up(code: str, scope: Scope, retry: Retry, shown: str) -> None:
    """Exactly, then by the longest prefix, else the provider's; a sentence, which may quote, is not shown as a code."""
    error = codes.error(CODES, code, "words", "raw")
    assert (error.sent, error.scope, error.retry, error.code) == (Sent.NO, scope, retry, shown)
    assert "words" in error.description


def test_a_code_may_say_that_credit_is_wanting() -> None:
    """Then it may do later, and the error carries no number: such gateways do not say how much is left."""
    broke = Code(scope=Scope.ACCOUNT, credit=True)
    error = codes.error({"102": broke}, "102", "", "")
    assert (error.retry, error.no_credit, error.credit) == (Retry.LATER, True, None)
    assert not codes.error({"102": broke}, "103", "", "").no_credit
    assert broke.model_copy(update={"retry": "never"}).verdict is Retry.NEVER


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'"0"',
        b"{}",
        b'{"code": null}',
        b'{"code": {"value": 0}}',
        b'{"code": ""}',
        b'{"Code": 0}',
        b"<r><code>0</code></r>",
    ],
)
def test_what_shows_neither_success_nor_an_error_is_doubt(body: bytes) -> None:
    """Nothing is concluded from an answer that only nearly says something; the bytes are kept."""
    with pytest.raises(UnreadableReply) as caught:
        reply.accepted(JSON, body, {})
    assert caught.value.payload == body
    assert caught.value.sent is Sent.UNKNOWN


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE r [<!ENTITY e '0'>]><r><code>&e;</code></r>",
        b"<?xml version='1.0'?>\n<!-- x -->\n<!DOCTYPE r SYSTEM 'http://127.0.0.1:9/'><r><code>0</code></r>",
        b"<!doctype html><html><code>0</code></html>",
        b"<r><code>&e;</code></r>",
        b"<r><code>0</code>",
    ],
)
def test_xml_with_a_document_type_or_entities_is_not_read(body: bytes) -> None:
    """Such an answer is doubt, whatever it would say."""
    with pytest.raises(UnreadableReply):
        reply.accepted(XML, body, {})


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
def test_words_are_read_in_the_charset_they_are_written_in(charset: str) -> None:
    """Without a word in the YAML, UTF-8 and the Chinese charsets are told apart."""
    with pytest.raises(SendError, match="余额不足"):
        reply.accepted(TEXT, "ERR:-3:余额不足".encode(charset), {})


def test_a_charset_of_the_yaml_is_the_replys() -> None:
    """Where the YAML names the charset, nothing is guessed."""
    settings = TEXT.model_copy(update={"charset": "iso-8859-1"})
    with pytest.raises(SendError, match="crédit épuisé"):
        reply.accepted(settings, "ERR:3:crédit épuisé".encode("iso-8859-1"), {})


# --- whatever comes --------------------------------------------------------------------------------------------------

words = st.text(max_size=20)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["code", "data", "id", "why"]), inner),
    max_leaves=8,
)
bodies = st.one_of(
    st.binary(max_size=200),
    words.map(lambda text: text.encode("utf-8", "surrogatepass")),
    trees.map(lambda tree: json.dumps(tree).encode()),
    st.tuples(words, words).map(
        lambda pair: f"<r><code>{pair[0]}</code><why>{pair[1]}</why></r>".encode("utf-8", "replace")
    ),
    words.map(lambda text: f"ERR:1:{text}".encode("utf-8", "replace")),
)


@given(bodies, st.sampled_from([JSON, XML, TEXT]), st.sampled_from([None, "gbk", "utf-8", "iso-8859-1"]))
def test_no_answer_breaks_the_reader(body: bytes, settings: SendReply, charset: str | None) -> None:
    """Whatever comes is accepted, refused with a verdict, or in doubt; and what is kept can be written anywhere."""
    outcome = _outcome(settings.model_copy(update={"charset": charset}), body)
    if isinstance(outcome, Accepted):
        (outcome.task_id + outcome.raw).encode()
    else:
        (outcome.description + outcome.code + outcome.raw).encode()
        assert isinstance(outcome, UnreadableReply) == (outcome.sent is Sent.UNKNOWN)


def _outcome(settings: SendReply, body: bytes) -> Accepted | SendError:
    try:
        return reply.accepted(settings, body, CODES)
    except SendError as error:
        return error


@given(bodies)
def test_no_answer_breaks_the_reader_of_balances(body: bytes) -> None:
    """Whatever comes is a number of units, or a ``SendError``."""
    settings = BalanceReply.model_validate(
        {"kind": "text", "success": {"matches": "(?s).*"}, "balance": "", "code": "ERR.*"}
    )
    try:
        assert reply.balance(settings, body, {}).units.is_finite()
    except UnreadableReply as error:
        assert error.payload == body  # noqa: PT017 - either is right


@given(st.integers(min_value=0, max_value=10**6), st.from_regex(r"[0-9A-Za-z-]{1,40}", fullmatch=True))
def test_an_acceptance_survives_the_journey(count: int, task_id: str) -> None:
    """What a gateway writes in JSON, XML or text is what is read."""
    in_json = json.dumps({"code": 0, "data": {"id": task_id, "n": count}}).encode()
    in_xml = f"<r><code>0</code><data n='{count}'/></r>".encode()
    assert (reply.accepted(JSON, in_json, {}).task_id, reply.accepted(JSON, in_json, {}).count) == (task_id, count)
    assert reply.accepted(XML, in_xml, {}).count == count

"""Delivery reports and inbound messages: pulled over a socket, and pushed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from json import dumps
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_core.errors import Scope, SendError, UnreadableReply
from notify_core.exchange import Request
from notify_core.messages import Inbound, Report
from notify_core.states import State
from notify_ipyy import json, reports, xml
from notify_ipyy.settings import IpyySettings

Account = Callable[..., IpyySettings]
MD5_OF_TEST = "098F6BCD4621D373CADE4E832627B4F6"
AT = datetime(2020, 10, 28, 1, 47, 7, tzinfo=UTC)

XML_REPORTS = """<?xml version="1.0" encoding="utf-8" ?><returnsms>
<statusbox><mobile>13800000001</mobile><taskid>2010283347066108</taskid><status>10</status>
<receivetime>2020-10-28 09:47:07</receivetime><errorcode>DELIVRD</errorcode></statusbox>
<statusbox><mobile>13800000002</mobile><taskid>2010283347066108</taskid><status>20</status>
<receivetime>0001-01-01 00:00:00</receivetime><errorcode>MY:0001</errorcode></statusbox></returnsms>"""
JSON_REPORTS = """{"error":"1","remark":"成功","statusbox":[
{"mobile":"13800000001","taskid":"2010283347066108","receivetime":"2020-10-28 09:47:07","errorcode":"DELIVRD"},
{"mobile":"13800000002","taskid":"2010283347066108","receivetime":"0001-01-01 00:00:00","errorcode":"MY:0001"}]}"""
REPORTS = [
    Report(recipient="+8613800000001", task_id="2010283347066108", state=State.DELIVERED, code="DELIVRD", at=AT),
    Report(recipient="+8613800000002", task_id="2010283347066108", state=State.UNDELIVERED, code="MY:0001"),
]
XML_INBOUND = """<returnsms><callbox><mobile>13800000001</mobile><taskid>0</taskid><content>退订 &lt;T&gt; </content>
<receivetime>2020-10-28 09:47:07</receivetime><extno>12</extno></callbox></returnsms>"""
JSON_INBOUND = """{"error":"1","remark":"成功","callbox":[{"mobile":"13800000001","taskid":"0","content":"退订 <T> ",
"receivetime":"2020-10-28 09:47:07","extno":"12"}]}"""
INBOUND = [Inbound(sender="+8613800000001", text="退订 <T> ", extension="12", at=AT)]


@pytest.mark.parametrize(("module", "body"), [(xml, XML_REPORTS), (json, JSON_REPORTS)], ids=["xml", "json"])
def test_reports_are_pulled(module: ModuleType, body: str, account: Account, http: Any, provider: Any) -> None:
    """Number, task, state, the carrier's word and the aware time of each; the year 1 is no time."""
    provider.answers = [body.encode()]
    assert module.status(account(), http, "") == REPORTS
    assert provider.requests[0].path == module.STATUS
    assert provider.form == {"action": "query", "userid": "1234", "account": "test", "password": MD5_OF_TEST}


@pytest.mark.parametrize("module", [xml, json], ids=["xml", "json"])
def test_a_pull_asks_for_its_batch(module: ModuleType, account: Account, http: Any, provider: Any) -> None:
    """The account's ``batch`` is the gateway's statusNum."""
    provider.answers = [JSON_REPORTS.encode()]
    module.status(account(pull={"reports": "30s", "batch": 500}), http, "")
    assert provider.form["statusNum"] == "500"


def test_reports_of_one_submission_are_asked_for_by_its_task(account: Account, http: Any, provider: Any) -> None:
    """The task id travels as it is, opaque."""
    provider.answers = [JSON_REPORTS.encode()]
    json.status(account(), http, "00 7&8")
    assert provider.form["taskid"] == "00 7&8"


@pytest.mark.parametrize(("module", "body"), [(xml, XML_INBOUND), (json, JSON_INBOUND)], ids=["xml", "json"])
def test_inbound_messages_are_pulled(module: ModuleType, body: str, account: Account, http: Any, provider: Any) -> None:
    """Sender, text to the blank, extension and aware time; the task id 0 is none."""
    provider.answers = [body.encode()]
    assert module.inbound(account(), http) == INBOUND
    assert provider.requests[0].path == module.INBOUND
    assert "taskid" not in provider.form


NOTHING = [
    "<returnsms/>",
    "<returnsms></returnsms>",
    '<?xml version="1.0"?><returnsms><errorstatus><error/><remark/></errorstatus></returnsms>',
    '{"error":"1","remark":"成功","statusbox":[],"callbox":[]}',
    '{"error":1,"remark":"成功","statusbox":null}',
    '{"error":"1"}',
    '{"statusbox":[],"callbox":[]}',
    "<returnsms><returnstatus>Success</returnstatus></returnsms>",
    "<returnsms><statusbox/><callbox/></returnsms>",
]


@pytest.mark.parametrize("body", NOTHING)
def test_nothing_waiting_is_nothing(body: str, account: Account, http: Any, provider: Any) -> None:
    """An empty result is an empty list, in every way of writing it."""
    provider.answers = [body.encode()] * 2
    assert xml.status(account(), http, "") == []
    assert xml.inbound(account(), http) == []


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (
            "<returnsms><errorstatus><error>1</error><remark>用户名或密码不能为空</remark></errorstatus></returnsms>",
            "",
            "no user",
        ),
        (
            "<returnsms><errorstatus><error>2</error><remark>用户名或密码错误</remark></errorstatus></returnsms>",
            "",
            "wrong user",
        ),
        ("<returnsms><errorstatus><error>2</error><remark/></errorstatus></returnsms>", "", "wrong user"),
        ("<returnsms><errorstatus><error>3</error></errorstatus></returnsms>", "", "may not fetch reports"),
        (
            "<returnsms><errorstatus><error>4</error><remark>参数不正确</remark></errorstatus></returnsms>",
            "1001",
            "bad parameter",
        ),
        ("<returnsms><errorstatus><error>9</error><remark>说明</remark></errorstatus></returnsms>", "9", "说明"),
        ('{"error":"1005","remark":"密码错了","statusbox":[]}', "1005", "wrong password"),
        ('{"error":1007,"remark":""}', "1007", "the account is stopped"),
        ('{"error":"4711","remark":"说明","callbox":[]}', "4711", "说明"),
        (
            "<returnsms><returnstatus>Faild</returnstatus><message>密码错误</message></returnsms>",
            "1005",
            "wrong password",
        ),
    ],
)
def test_a_refused_pull_says_why(body: str, code: str, words: str, account: Account, http: Any, provider: Any) -> None:
    """An error is an error of the account or the provider, with the document's meaning."""
    provider.answers = [body.encode()] * 2
    for pull in (lambda: xml.status(account(), http, ""), lambda: json.inbound(account(), http)):
        with pytest.raises(SendError, match=words) as caught:
            pull()
        assert caught.value.code == code
        assert caught.value.scope in {Scope.ACCOUNT, Scope.PROVIDER, Scope.TRANSPORT}


UNREADABLE = [
    b"",
    b"error",
    b"<html><body>x</body></html>",
    b'{"message":"x"}',
    XML_REPORTS.encode()[:-40],
    XML_REPORTS.removesuffix("</returnsms>").encode(),
    JSON_REPORTS.encode()[:-4],
    JSON_REPORTS.encode()[:-1],
    XML_INBOUND.replace("退订", "<").encode()[:-30],
    b"<!DOCTYPE r><returnsms/>",
]


@pytest.mark.parametrize("body", UNREADABLE)
def test_what_cannot_be_read_is_not_lost(body: bytes, account: Account, http: Any, provider: Any) -> None:
    """The error keeps the bytes: the gateway will not hand them out again (trap 2)."""
    provider.answers = [body]
    with pytest.raises(UnreadableReply) as caught:
        json.status(account(), http, "")
    assert caught.value.payload == body


@pytest.mark.parametrize(
    ("status", "word", "state"),
    [
        ("10", "DELIVRD", State.DELIVERED),
        ("10", "", State.DELIVERED),
        ("20", "DELIVRD", State.UNDELIVERED),
        ("", "delivrd", State.DELIVERED),
        ("", "MY:0001", State.UNDELIVERED),
        ("", "UNDELIV", State.UNDELIVERED),
        ("", "ACCEPTD", State.ACCEPTED),
        ("", "", State.ACCEPTED),
        ("30", "EXPIRED", State.UNDELIVERED),
    ],
)
def test_the_state_is_the_status_or_else_the_word(status: str, word: str, state: State) -> None:
    """Reports in JSON have no status: there the carrier's word decides; a word that is not final delivers nothing."""
    box = f"<statusbox><status>{status}</status><errorcode>{word}</errorcode><taskid>1</taskid></statusbox>"
    [report] = decoded(f"<returnsms>{box}</returnsms>")
    assert isinstance(report, Report)
    assert (report.state, report.code) == (state, word)


def test_names_in_other_letter_case_are_read() -> None:
    """White-label gateways write PascalCase."""
    body = '{"Error":"1","StatusBox":[{"Mobile":"13800000001","TaskId":"7","ErrorCode":"DELIVRD"}]}'
    assert decoded(body) == [Report(recipient="+8613800000001", task_id="7", state=State.DELIVERED, code="DELIVRD")]


def test_boxes_are_taken_whatever_the_error_says() -> None:
    """What is handed out is handed out once: an error beside it must not throw it away."""
    assert len(decoded(JSON_REPORTS.replace('"error":"1"', '"error":"9"'))) == 2
    assert (
        len(decoded(XML_REPORTS.replace("<returnsms>", "<returnsms><errorstatus><error>2</error></errorstatus>"))) == 2
    )


GOOD = "<callbox><mobile>13800000002</mobile><content>好</content></callbox>"


@pytest.mark.parametrize(
    ("box", "text"),
    [
        ("<callbox><mobile>13800000001</mobile><content>a & b < c</content></callbox>", "a & b < c"),
        ("<callbox><mobile>13800000001</mobile><content>a <b> c &amp; d</content></callbox>", "a <b> c & d"),
        (
            "<callbox><mobile>13800000001</mobile><content><![CDATA[a </b>]]></x></content></callbox>",
            "<![CDATA[a </b>]]></x>",
        ),
        ("<callbox><mobile>13800000001</mobile><content>\x00\x0b</content></callbox>", "\ufffd\ufffd"),
        ("<callbox><mobile>13800000001</mobile><content>a<i>b</i></content></callbox>", "ab"),
        (
            "<callbox><mobile>13800000001</mobile><content>一二三四\ud83d</content></callbox>",
            "一二三四\ufffd",
        ),
        ("<CallBox><Mobile>13800000001</Mobile><Content>a <b</Content></CallBox>", "a <b"),
    ],
)
def test_one_bad_box_of_xml_loses_no_other(box: str, text: str) -> None:
    """What is not well-formed stays as text, and the boxes around it are whole."""
    bad, good = decoded(f"<returnsms>{box}{GOOD}</returnsms>".encode("utf-8", "surrogatepass"))
    assert bad == Inbound(sender="+8613800000001", text=text)
    assert good == Inbound(sender="+8613800000002", text="好")


def test_cdata_beside_a_bad_box_is_read() -> None:
    """A box that was well-formed reads the same whether or not its neighbour is."""
    quoted = "<callbox><mobile>13800000001</mobile><content><![CDATA[a <b> &amp;]]></content></callbox>"
    bad = "<callbox><mobile>13800000003</mobile><content><i></content></callbox>"
    alone, beside = decoded(f"<returnsms>{quoted}</returnsms>"), decoded(f"<returnsms>{quoted}{bad}</returnsms>")
    assert alone == beside[:1] == [Inbound(sender="+8613800000001", text="a <b> &amp;")]
    assert beside[1] == Inbound(sender="+8613800000003", text="<i>")


@pytest.mark.parametrize(
    ("box", "text"),
    [
        ('{"mobile":"13800000001","content":"say "hi"","extno":""}', 'say "hi"'),
        ('{"mobile":"13800000001","content":"a\nb\tc"}', "a\nb\tc"),
        (r'{"mobile":"13800000001","content":"C:\dir \u4f60"}', r"C:\dir \u4f60"),
        (r'{"mobile":"13800000001","content":"},{ \"x\" "y""}', r'},{ \"x\" "y"'),
        ('{"mobile":13800000001,"content":["a","b"]}', "a b"),
    ],
)
def test_one_bad_box_of_json_loses_no_other(box: str, text: str) -> None:
    """What is not well-formed stays as text, and the boxes around it are whole."""
    body = f'{{"error":"1","callbox":[{box},{{"mobile":"13800000002","content":"好"}}]}}'
    bad, good = decoded(body)
    assert bad == Inbound(sender="+8613800000001", text=text)
    assert good == Inbound(sender="+8613800000002", text="好")


def test_a_box_that_is_no_box_stays_as_text() -> None:
    """A list that holds something else loses neither that nor what stands beside it."""
    body = '{"error":"1","statusbox":["rubbish",null,{"mobile":"13800000001","errorcode":"DELIVRD"}],"callbox":["x"]}'
    assert decoded(body) == [
        Report(recipient="", task_id="", state=State.ACCEPTED, code="rubbish"),
        Report(recipient="+8613800000001", task_id="", state=State.DELIVERED, code="DELIVRD"),
        Inbound(sender="", text="x"),
    ]


def test_a_field_that_cannot_be_read_costs_no_other() -> None:
    """A bad number stays as text, a bad time is none."""
    box = "<mobile>unknown</mobile><taskid>7</taskid><status>10</status><receivetime>soon</receivetime>"
    assert decoded(f"<returnsms><statusbox>{box}</statusbox></returnsms>") == [
        Report(recipient="unknown", task_id="7", state=State.DELIVERED)
    ]


def test_a_push_tells_by_its_content_what_it_is() -> None:
    """Reports, inbound messages, both at once and neither come to the same address."""
    assert decoded(XML_REPORTS) == REPORTS
    assert decoded(XML_INBOUND) == INBOUND
    both = XML_REPORTS.replace("</returnsms>", "") + XML_INBOUND.replace("<returnsms>", "")
    assert decoded(both) == [*REPORTS, *INBOUND]
    assert decoded("<returnsms/>") == []


def test_boxes_without_a_root_are_read() -> None:
    """The document shows the boxes alone: one, or several in a row."""
    box = "<statusbox><mobile>13800000001</mobile><status>10</status></statusbox>"
    assert len(decoded(box)) == 1
    assert len(decoded(box * 3)) == 3


@pytest.mark.parametrize("body", [b"a=b", b"<x/>", b'{"a":"b"}', *UNREADABLE])
def test_a_push_that_holds_nothing_known_is_unreadable(body: bytes) -> None:
    """The receiver must not answer that it is stored and understood."""
    with pytest.raises(UnreadableReply):
        decoded(body)


_NAMES = st.sampled_from(["mobile", "taskid", "status", "content", "receivetime", "errorcode", "extno", "x"])
_WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
_BOX = st.dictionaries(_NAMES, _WORDS | st.integers() | st.none(), max_size=5) | _WORDS


@given(st.lists(_BOX, max_size=4), st.lists(_BOX, max_size=4))
def test_any_boxes_are_decoded(statuses: list[object], calls: list[object]) -> None:
    """Whatever the boxes hold, they become reports and inbound messages, no more than there are."""
    found = decoded(dumps({"error": "1", "statusbox": statuses, "callbox": calls})) if statuses or calls else []
    assert len(found) <= len(statuses) + len(calls)


@given(st.lists(_WORDS, min_size=1, max_size=3))
def test_texts_pasted_into_xml_never_break_the_decoder(texts: list[str]) -> None:
    """A gateway that escapes nothing makes a reply that is read or unreadable, never a crash."""
    boxes = "".join(f"<callbox><mobile>13800000001</mobile><content>{text}</content></callbox>" for text in texts)
    try:
        found = decoded(f"<returnsms>{boxes}</returnsms>")
    except UnreadableReply:
        return
    assert len(found) >= 1


def decoded(body: str | bytes) -> list[Report | Inbound]:
    """What a push with that body says."""
    return reports.push().decode(Request("POST", "/", body=body.encode() if isinstance(body, str) else body))

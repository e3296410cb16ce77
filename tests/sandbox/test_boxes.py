"""Reports and inbound messages, pulled and pushed: each handed out once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from lxml import etree

from notify_core.exchange import Reply, Request
from notify_core.sandbox import LocalGateway
from tests.sandbox.caller import CREDENTIALS, Caller

NUMBERS = "13800000001,13800000002,13800000003"
AT = "2026-01-02 03:04:05"


def records(body: bytes) -> list[dict[str, str]]:
    """The boxes of an XML reply."""
    return [{field.tag: field.text or "" for field in box} for box in etree.fromstring(body)]


def test_reports_in_xml_carry_a_status(gateway: LocalGateway, caller: Caller) -> None:
    """10 is delivered, 20 failed, and errorcode is the carrier's word."""
    task_id = caller.sms(mobile="13800000001,13800000002").json["taskID"]
    assert gateway.settle(to="13800000001", at=AT) == {"settled": 1}
    assert gateway.settle(outcome="failed", code="MK:0012", at=AT) == {"settled": 1}
    answer = caller.pull("/statusApi.aspx")
    assert records(answer.body) == [
        {"mobile": "13800000001", "taskid": task_id, "status": "10", "receivetime": AT, "errorcode": "DELIVRD"},
        {"mobile": "13800000002", "taskid": task_id, "status": "20", "receivetime": AT, "errorcode": "MK:0012"},
    ]


def test_reports_in_json_carry_no_status(gateway: LocalGateway, caller: Caller) -> None:
    """Only errorcode tells delivered from failed, and ``error`` 1 is success."""
    task_id = caller.sms().json["taskID"]
    gateway.settle(outcome="failed", at=AT)
    report = {"mobile": "13800000001", "taskid": task_id, "receivetime": AT, "errorcode": "MY:0001"}
    assert caller.pull("/statusJsonApi.aspx").json == {"error": "1", "remark": "成功", "statusbox": [report]}


@pytest.mark.parametrize("again", ["/statusApi.aspx", "/statusJsonApi.aspx"])
def test_a_report_is_handed_out_once_whatever_the_path(gateway: LocalGateway, caller: Caller, again: str) -> None:
    """What one path handed out is gone for all."""
    caller.sms()
    gateway.settle()
    assert len(caller.pull("/statusJsonApi.aspx").json["statusbox"]) == 1
    assert b"13800000001" not in caller.pull(again).body


def test_status_num_bounds_one_pull(gateway: LocalGateway, caller: Caller) -> None:
    """The oldest come first; the rest wait."""
    caller.sms(mobile=NUMBERS)
    gateway.settle()
    first = caller.pull("/statusJsonApi.aspx", statusNum="2").json["statusbox"]
    rest = caller.pull("/statusJsonApi.aspx").json["statusbox"]
    assert [report["mobile"] for report in (*first, *rest)] == NUMBERS.split(",")
    assert len(first) == 2


def test_a_pull_takes_4000_reports_where_it_does_not_say(gateway: LocalGateway, caller: Caller) -> None:
    """``statusNum`` is 4000 by default."""
    gateway.account(max_recipients=5000)
    caller.sms(mobile=",".join(f"138{n:08}" for n in range(4001)))
    gateway.settle()
    assert len(records(caller.pull("/statusApi.aspx").body)) == 4000
    assert len(records(caller.pull("/statusApi.aspx").body)) == 1


def test_task_id_picks_the_reports_of_one_submission(gateway: LocalGateway, caller: Caller) -> None:
    """Those of other submissions wait."""
    one, other = caller.sms().json["taskID"], caller.sms().json["taskID"]
    gateway.settle()
    assert [r["taskid"] for r in caller.pull("/statusJsonApi.aspx", taskid=other).json["statusbox"]] == [other]
    assert [r["taskid"] for r in caller.pull("/statusJsonApi.aspx").json["statusbox"]] == [one]


def test_a_recipient_is_settled_once(gateway: LocalGateway, caller: Caller) -> None:
    """What has a report gets no second one by settling; a submission can be settled by its task id."""
    one, _ = caller.sms().json["taskID"], caller.sms().json["taskID"]
    assert [gateway.settle(task_id=one), gateway.settle(), gateway.settle()] == [
        {"settled": 1},
        {"settled": 1},
        {"settled": 0},
    ]


def test_any_report_can_be_put_in(caller: Caller) -> None:
    """Reports of tasks that nobody knows, repeated, and without a time."""
    report = {"mobile": "+8613800000009", "task_id": "7", "outcome": "failed", "at": "0001-01-01 00:00:00"}
    assert [caller.control("PUT", "reports", report).status for _ in range(2)] == [200, 200]
    expected = {"mobile": "13800000009", "taskid": "7", "receivetime": report["at"], "errorcode": "MY:0001"}
    assert caller.pull("/statusJsonApi.aspx").json["statusbox"] == [expected] * 2


def test_inbound_messages_in_xml(gateway: LocalGateway, caller: Caller) -> None:
    """Five elements a message, with what XML must escape."""
    gateway.inbound(sender="+8613800000001", text="<TD> & 退订", extension="01", task_id="7", at=AT)
    expected = {"mobile": "13800000001", "taskid": "7", "content": "<TD> & 退订", "receivetime": AT, "extno": "01"}
    assert records(caller.pull("/callApi.aspx").body) == [expected]
    assert records(caller.pull("/callApi.aspx").body) == []


def test_inbound_messages_in_json(gateway: LocalGateway, caller: Caller) -> None:
    """Five members a message; handed out once, whatever the path."""
    gateway.inbound(sender="13800000001", text='说 "好"', at=AT)
    expected = {"mobile": "13800000001", "taskid": "", "content": '说 "好"', "receivetime": AT, "extno": ""}
    assert caller.pull("/callJsonApi.aspx").json == {"error": "1", "remark": "成功", "callbox": [expected]}
    assert records(caller.pull("/callApi.aspx").body) == []


@pytest.mark.parametrize("path", ["/statusApi.aspx", "/callApi.aspx"])
@pytest.mark.parametrize(
    ("changes", "account", "error", "remark"),
    [
        ({"account": ""}, {}, "1", "用户名或密码不能为空"),
        ({"password": ""}, {}, "1", "用户名或密码不能为空"),
        ({"account": "nobody"}, {}, "2", "用户名或密码错误"),
        ({"password": "wrong"}, {}, "2", "用户名或密码错误"),
        ({}, {"may_pull": False}, "3", "该用户不允许查看状态报告"),
        ({}, {"bound_ip": "10.0.0.1"}, "3", "该用户不允许查看状态报告"),
        ({"action": "ask"}, {}, "4", "参数不正确"),
    ],
)
def test_errors_of_pulls_in_xml(
    gateway: LocalGateway,
    caller: Caller,
    path: str,
    changes: Mapping[str, str],
    account: Mapping[str, object],
    error: str,
    remark: str,
) -> None:
    """Four numbers of their own, in an envelope of their own."""
    gateway.account(**account)
    assert records(caller.pull(path, **changes).body) == [{"error": error, "remark": remark}]


@pytest.mark.parametrize(("path", "box"), [("/statusJsonApi.aspx", "statusbox"), ("/callJsonApi.aspx", "callbox")])
@pytest.mark.parametrize(
    ("changes", "error", "remark"),
    [
        ({"password": "wrong"}, "1005", "密码错了"),
        ({"account": "nobody"}, "1004", "用户名错误"),
        ({"action": ""}, "1001", "参数错误"),
    ],
)
def test_errors_of_pulls_in_json(
    caller: Caller, path: str, box: str, changes: Mapping[str, str], error: str, remark: str
) -> None:
    """The codes of the table, and an empty box."""
    assert caller.pull(path, **changes).json == {"error": error, "remark": remark, box: []}


def test_a_status_num_that_is_no_number_is_refused(caller: Caller) -> None:
    """The XML answers its error 4."""
    assert records(caller.pull("/statusApi.aspx", statusNum="many").body)[0]["error"] == "4"


class Receiver:
    """A customer's address: answers from a list, the last one for ever, and keeps what it got."""

    def __init__(self) -> None:
        self.answers = [Reply(200, b"1")]
        self.got: list[Request] = []
        self.server = LocalGateway([lambda _: {"/push": self._take}])

    def _take(self, request: Request) -> Reply:
        self.got.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def receiver(gateway: LocalGateway) -> Iterator[Receiver]:
    """A running receiver, registered at the gateway."""
    receiver = Receiver()
    with receiver.server:
        gateway.account(push_url=f"{receiver.server.url}/push?secret=x")
        yield receiver


def pushed(count: int, tries: int, *, stored: bool) -> dict[str, object]:
    """What the gateway says about one push."""
    return {"count": count, "tries": tries, "stored": stored}


def test_pushes_carry_the_xml_of_the_pulls(gateway: LocalGateway, caller: Caller, receiver: Receiver) -> None:
    """Reports and inbound messages come as two raw bodies, and are then gone."""
    caller.sms(mobile=NUMBERS)
    gateway.settle(at=AT)
    gateway.inbound(sender="13800000001", text="TD", at=AT)
    assert gateway.push() == {"reports": pushed(3, 1, stored=True), "inbound": pushed(1, 1, stored=True)}
    reports, inbound = (records(request.body) for request in receiver.got)
    assert [(report["mobile"], report["status"]) for report in reports] == [(n, "10") for n in NUMBERS.split(",")]
    assert inbound[0]["content"] == "TD"
    assert (receiver.got[0].query, receiver.got[0].headers["content-type"]) == ("secret=x", "text/xml; charset=utf-8")
    assert caller.pull("/statusJsonApi.aspx").json["statusbox"] == []


AGAIN, STORED = Reply(200, b"error"), Reply(200, b"1")


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([STORED], pushed(1, 1, stored=True)),
        ([AGAIN, STORED], pushed(1, 2, stored=True)),
        ([AGAIN, Reply(200, b" error\r\n"), STORED], pushed(1, 3, stored=True)),
        ([AGAIN], pushed(1, 3, stored=False)),
        ([Reply(500, b"error")], pushed(1, 3, stored=False)),
        ([Reply(200, b"")], pushed(1, 1, stored=True)),
        ([Reply(500, b"<html>Internal Server Error</html>")], pushed(1, 1, stored=True)),
    ],
)
def test_only_error_makes_the_gateway_push_again(
    gateway: LocalGateway, receiver: Receiver, answers: list[Reply], outcome: dict[str, object]
) -> None:
    """Three tries in all; an empty answer and an error page count as success."""
    receiver.answers = list(answers)
    gateway.inbound(sender="13800000001", text="TD")
    assert gateway.push()["inbound"] == outcome
    assert [request.body for request in receiver.got] == [receiver.got[0].body] * len(receiver.got)
    assert len(receiver.got) == outcome["tries"]


def test_a_network_failure_makes_the_gateway_push_again(gateway: LocalGateway, receiver: Receiver) -> None:
    """A cut connection is tried again; where nobody listens, three tries are all."""
    receiver.server.fault("push:cut-after:times=1")
    gateway.inbound(sender="13800000001", text="TD")
    assert gateway.push()["inbound"] == pushed(1, 2, stored=True)
    receiver.server.stop()
    gateway.inbound(sender="13800000001", text="TD")
    assert gateway.push()["inbound"] == pushed(1, 3, stored=False)


def test_a_push_without_an_address_says_how_to_give_one(caller: Caller) -> None:
    """The control call answers 400 with the call that registers one."""
    answer = caller.control("POST", "push")
    assert (answer.status, "POST /sandbox/accounts" in answer.json["error"]) == (400, True)


def test_pulls_take_post_only(caller: Caller) -> None:
    """Credentials do not belong in addresses."""
    query = "&".join(f"{name}={value}" for name, value in CREDENTIALS.items())
    assert caller.ask("GET", f"/statusApi.aspx?action=query&{query}").status == 405

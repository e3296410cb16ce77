"""The door: sending from many threads and tasks, asking accounts, and closing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from notify_core import (
    ConfigError,
    Estimate,
    Inbound,
    InvalidMessage,
    Notifier,
    Report,
    SendError,
    Sms,
    State,
    Unsupported,
)
from notify_core.exchange import Request
from notify_core.hookspecs import hookimpl
from tests.core.conftest import OpenNotifier, configuration
from tests.core.gateway import Gateway, accepts, after, refuses, says

A, B = "+8613800000001", "+8613800000002"
FOREIGN = "+14155550123"
OTP = Sms(to=A, text="您的验证码：1439")


def test_a_message_is_sent(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """Numbers in E.164, the text with the account's signature, one submission."""
    result = open_notifier({"clinic": gateway}, signature="腾飞").send(Sms(to=["13800000001", A], text="验证码：1439"))
    assert (result.accepted, result.task_id, result.segments, result.route) == (True, "first", 1, "default")
    assert gateway.received[0].data["to"] == [A]
    assert gateway.received[0].data["text"] == "验证码：1439【腾飞】"


def test_yaml_and_mapping_are_the_same(gateway: Gateway, tmp_path: Path) -> None:
    """A file of the same shape makes the same notifier."""
    (tmp_path / "notify.yaml").write_text(yaml.safe_dump(configuration({"clinic": gateway})))
    with Notifier.from_yaml(tmp_path / "notify.yaml") as notifier:
        assert notifier.send(OTP).accepted


def test_a_number_without_region_is_refused_before_any_network(gateway: Gateway) -> None:
    """Without default_region, a number needs its country code."""
    with Notifier.from_mapping({**configuration({"clinic": gateway}), "default_region": ""}) as notifier:
        with pytest.raises(InvalidMessage, match="expected a number of no region"):
            notifier.send(Sms(to="13800000001", text="hello"))
        assert notifier.send(OTP).accepted
    assert len(gateway.received) == 1


@pytest.mark.parametrize("number", ["12345", "010-12345678", "+861012345678", "1380000000a"])
def test_a_bad_number_is_refused_before_any_network(gateway: Gateway, open_notifier: OpenNotifier, number: str) -> None:
    """A landline, a short or a misspelt number never reaches a gateway, with + or without."""
    notifier = open_notifier({"clinic": gateway})
    with pytest.raises(InvalidMessage):
        notifier.send(Sms(to=[A, number], text="hello"))
    assert gateway.received == []


def test_a_past_time_is_refused(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """A message that should have left leaves at once, or not at all: the caller says which."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    with pytest.raises(InvalidMessage, match=r"^send_at=.* is past: leave it out to send at once$"):
        open_notifier({"clinic": gateway}).send(Sms(to=A, text="hello", send_at=past))
    assert gateway.received == []


def test_no_route_is_named_nor_default(gateway: Gateway) -> None:
    """A configuration without routes can be asked, and sends by named paths only."""
    with Notifier.from_mapping({**configuration({"clinic": gateway}), "routes": {}}) as notifier:
        with pytest.raises(
            InvalidMessage, match=r"^no route 'default': add `default:` under `routes:`, or name one path$"
        ):
            notifier.send(OTP)
        assert notifier.send(OTP, via="clinic.json").accepted


def test_one_session_serves_all_transports_of_an_account(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """They share its connections."""
    notifier = open_notifier({"clinic": gateway})
    notifier.send(OTP, via="clinic.json")
    notifier.send(OTP, via="clinic.query")
    assert gateway.connections == 1


def test_threads_share_a_notifier(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """64 threads at once: every message leaves once, every result is its own."""
    notifier = open_notifier({"clinic": gateway})
    together = threading.Barrier(64)
    numbers = [f"+86138{number:08}" for number in range(64)]

    def send(number: str) -> tuple[str, State]:
        together.wait(30)
        (delivery,) = notifier.send(Sms(to=number, text="hello")).deliveries
        return delivery.recipient, delivery.state

    with ThreadPoolExecutor(64) as threads:
        assert list(threads.map(send, numbers)) == [(number, State.ACCEPTED) for number in numbers]
    assert sorted(gateway.sent_to) == numbers


# --- asend -----------------------------------------------------------------------------------------------------------


def test_many_are_sent_at_once(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """No asend waits for its turn: the gateway has all of them before it answers the first."""
    numbers = [f"+86138{number:08}" for number in range(16)]
    together = threading.Barrier(16)

    def answer(connection: Any) -> bool:
        together.wait(30)
        return accepts()(connection)

    gateway.script = [answer]
    notifier = open_notifier({"clinic": gateway})

    async def main() -> list[bool]:
        results = await asyncio.gather(*(notifier.asend(Sms(to=number, text="hello")) for number in numbers))
        return [result.accepted for result in results]

    assert asyncio.run(main()) == [True] * 16


def test_asend_raises_what_send_raises(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """A wrong route is the caller's to hear of."""
    with pytest.raises(InvalidMessage, match="no route 'opt'"):
        asyncio.run(open_notifier({"clinic": gateway}).asend(OTP, route="opt"))


def test_closing_waits_for_what_is_under_way(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """A send that has begun comes to its end, and its result is told."""
    arrived, answering = threading.Event(), threading.Event()

    def answer(connection: Any) -> bool:
        arrived.set()
        return after(answering, accepts())(connection)

    gateway.script = [answer]
    notifier = open_notifier({"clinic": gateway})

    async def main() -> bool:
        sending = asyncio.create_task(notifier.asend(OTP))
        await asyncio.to_thread(arrived.wait, 30)
        closer = threading.Thread(target=notifier.close)
        closer.start()
        await asyncio.to_thread(closer.join, 0.1)
        assert closer.is_alive()  # it cannot end before the gateway has answered, however long one looks
        answering.set()
        await asyncio.to_thread(closer.join)
        return (await sending).accepted

    assert asyncio.run(main())


def test_a_closed_notifier_sends_nothing(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """It can be closed twice; then whatever it is asked says that it is closed."""
    notifier = open_notifier({"clinic": gateway})
    notifier.send(OTP)
    notifier.close()
    notifier.close()
    for ask in (partial(notifier.send, OTP), partial(notifier.balance, "clinic"), partial(notifier.inbound, "clinic")):
        with pytest.raises(RuntimeError, match="the notifier is closed"):
            ask()
    assert len(gateway.received) == 1


def test_what_is_no_message_is_refused(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """A text instead of a message is told so before anything is sent."""
    with pytest.raises(InvalidMessage, match=r"expected a message such as Sms\(to=…, text=…\); found str"):
        open_notifier({"clinic": gateway}).send("hello")  # type: ignore[arg-type]
    assert gateway.received == []


# --- asking ----------------------------------------------------------------------------------------------------------


def test_an_account_tells_its_balance(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """By whichever of its transports can."""
    gateway.script = [says({"ok": True, "units": "-4"})]
    notifier = open_notifier({"clinic": gateway}, route=["clinic.query"])
    assert notifier.balance("clinic").units == Decimal(-4)
    assert notifier.balance("clinic.json").units == Decimal(-4)


def test_reports_are_pulled_and_told(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """The listeners hear of each; a task id restricts them."""
    told: list[object] = []

    class Listener:
        @hookimpl
        def reported(self, account: str, report: Report) -> None:
            """Keep it."""
            told.append((account, report))

    gateway.script = [says({"ok": True, "numbers": [A, B]})]
    reports = open_notifier({"clinic": gateway}, Listener()).reports("clinic", "77")
    assert told == [("clinic", report) for report in reports]
    assert [report.recipient for report in reports] == [A, B]
    assert gateway.received[0].data["task_id"] == "77"


def test_inbound_messages_are_pulled_and_told(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """The listeners hear of each."""
    told: list[object] = []

    class Listener:
        @hookimpl
        def received(self, inbound: Inbound) -> None:
            """Keep it, and fail: that disturbs nobody."""
            told.append(inbound)
            raise RuntimeError

    gateway.script = [says({"ok": True, "messages": {A: "TD", B: "hello"}})]
    assert told == []
    messages = open_notifier({"clinic": gateway}, Listener()).inbound("clinic")
    assert told == messages
    assert [(message.sender, message.text) for message in messages] == [(A, "TD"), (B, "hello")]


def test_a_password_is_changed(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """The new one is handed to the transport."""
    open_notifier({"clinic": gateway}).change_password("clinic", "sesame-new")
    assert gateway.received[0].data["new_password"] == "sesame-new"


def test_a_push_is_read(open_notifier: OpenNotifier) -> None:
    """The transport's own way of reading it and the words to answer it."""
    push = open_notifier({"clinic": "http://localhost:1"}).paths["clinic.json"].push()
    (report,) = push.decode(Request("POST", "/", body=A.encode()))
    assert isinstance(report, Report)
    assert (report.recipient, push.stored, push.again) == (A, b"1", b"error")


def test_what_a_gateway_refuses_is_raised(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """Asking has no result to put an error into."""
    gateway.script = [refuses("account", code="1005", text="wrong password")]
    with pytest.raises(SendError, match=r"^wrong password \(1005\)$"):
        open_notifier({"clinic": gateway}).balance("clinic")


def test_what_no_transport_can_is_unsupported(gateway: Gateway) -> None:
    """The error names what the path can do."""
    data = configuration({"clinic": gateway}, route=["clinic.query"])
    with Notifier.from_mapping({**data, "transports": {"acme.query": "tests.core.transports.query"}}) as notifier:
        with pytest.raises(Unsupported, match=r"^no transport of account 'clinic' can ask for the balance$"):
            notifier.balance("clinic")
        with pytest.raises(Unsupported, match=r"^clinic.query cannot ask for the balance; it has send$"):
            notifier.balance("clinic.query")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("klinic", "no account 'klinic'; did you mean 'clinic'?"),
        ("clinic.jason", "no path 'clinic.jason'; did you mean 'clinic.json'?"),
    ],
)
def test_an_unknown_account_is_refused(open_notifier: OpenNotifier, name: str, words: str) -> None:
    """The nearest right name is told."""
    with pytest.raises(InvalidMessage) as caught:
        open_notifier({"clinic": "http://localhost:1"}).balance(name)
    assert str(caught.value) == words


# --- estimating ------------------------------------------------------------------------------------------------------


def test_an_estimate_sends_nothing(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """Segments are counted with the signature, for each recipient."""
    notifier = open_notifier({"clinic": gateway}, signature="腾飞")
    estimate = notifier.estimate(Sms(to=[A, B], text="长" * 67))
    assert estimate == Estimate(path="clinic.json", segments=2, recipients=2)
    assert gateway.received == []


def test_an_estimate_is_for_the_first_path_that_can(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """A path that cannot carry the message costs nothing."""
    notifier = open_notifier({"clinic": gateway}, route=["clinic.json", "clinic.query"])
    assert notifier.estimate(Sms(to=A, text="🙈")).path == "clinic.query"


def test_an_estimate_of_what_nobody_can_carry_is_refused(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """Every path's reason is told."""
    with pytest.raises(InvalidMessage, match=r"^no path can carry the message: the text holds 🙈"):
        open_notifier({"clinic": gateway}).estimate(Sms(to=A, text="🙈"))


def test_an_estimate_is_for_those_whom_the_path_reaches(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """A number that the path cannot reach is not counted, as it is not sent to by it."""
    notifier = open_notifier({"clinic": gateway}, only="+86")
    assert notifier.estimate(Sms(to=[A, FOREIGN, B], text="hello")).recipients == 2


def test_an_estimate_for_nobody_is_refused_with_each_reason_once(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """Two accounts that cannot reach a number for one reason give it once."""
    notifier = open_notifier({"clinic": gateway, "backup": gateway}, only="+86")
    with pytest.raises(InvalidMessage) as caught:
        notifier.estimate(Sms(to=FOREIGN, text="hello"))
    assert str(caught.value) == "no path can carry the message: +141****0123 is not in +86"


# --- starting --------------------------------------------------------------------------------------------------------


class Binding:
    """A wrapper whose ``bind`` fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    @hookimpl(wrapper=True)
    def bind(self) -> Iterator[None]:
        """Fail."""
        yield
        raise self.error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("cannot read the WSDL"), "clinic.bound cannot be used: cannot read the WSDL"),
        (
            ModuleNotFoundError("No module named 'zeeep'", name="zeeep"),
            "clinic.bound cannot be used: needs 'zeeep', which is not installed: pip install zeeep",
        ),
    ],
)
def test_a_path_that_cannot_work_does_not_start(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    """What a transport finds out when it is bound is a fault of the configuration, if a route uses it."""
    (tmp_path / "acme_bound.py").write_text(
        "from notify_core.hookspecs import hookimpl\nfrom tests.core.transports.query import carries, send, settings\n"
        "@hookimpl\ndef bind(settings):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    data = configuration({"clinic": gateway}, route=["clinic.bound"])
    data["transports"] = {**data["transports"], "acme.bound": "acme_bound"}
    with pytest.raises(ConfigError) as caught:
        Notifier.from_mapping(data, Binding(error))
    assert str(caught.value) == f"configuration: routes.default[0]: {words}"
    Notifier.from_mapping({**data, "routes": {}}, Binding(error)).close()

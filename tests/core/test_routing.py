"""Failover: what each failure leads to, over real sockets where a gateway is concerned."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any

import pytest

from notify_core import InvalidMessage, Mms, Notifier, Part, Result, Sms, State
from notify_core.errors import Retry, Scope, SendError, Sent
from notify_core.events import FailedOver, InDoubt
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Submission
from notify_core.results import Attempt
from notify_core.routing import Route
from tests.core.conftest import OpenNotifier, configuration
from tests.core.gateway import Act, Gateway, accepts, cut, refuses, says, waits

A, B, C = "+8613800000001", "+8613800000002", "+8613800000003"
OTP = Sms(to=A, text="您的验证码：1439")

TwoGateways = Callable[..., Notifier]


class Listener:
    """Keeps every event."""

    def __init__(self) -> None:
        self.events: list[object] = []

    @hookimpl
    def failed_over(self, event: FailedOver) -> None:
        """Keep it."""
        self.events.append(event)

    @hookimpl
    def in_doubt(self, event: InDoubt) -> None:
        """Keep it."""
        self.events.append(event)

    @hookimpl
    def attempted(self, route: str, attempt: Attempt) -> None:
        """Keep it."""
        self.events.append((route, attempt))

    @hookimpl
    def sent(self, result: Result) -> None:
        """Keep it."""
        self.events.append(result)


@pytest.fixture
def listener() -> Listener:
    """A listener of the application's."""
    return Listener()


@pytest.fixture
def two(gateway: Gateway, backup: Gateway, open_notifier: OpenNotifier, listener: Listener) -> TwoGateways:
    """A notifier whose gateway plays ``acts``, by two paths, and whose backup takes everything."""

    def opened(*acts: Act, route: Any = None, **settings: Any) -> Notifier:
        gateway.script = list(acts)
        route = route or ["clinic.json", "clinic.query", "backup.json"]
        return open_notifier({"clinic": gateway, "backup": backup}, listener, route=route, **settings)

    return opened


def paths(result: Result) -> list[str]:
    """The path of each attempt."""
    return [attempt.path for attempt in result.attempts]


def states(result: Result) -> list[State]:
    """The state of each delivery."""
    return [delivery.state for delivery in result.deliveries]


# --- what happened, and then -----------------------------------------------------------------------------------------


def test_the_first_path_that_accepts_is_the_last(two: TwoGateways, gateway: Gateway, backup: Gateway) -> None:
    """A message that was accepted goes nowhere else."""
    result = two(accepts("77")).send(OTP)
    assert (result.accepted, result.task_id, paths(result)) == (True, "77", ["clinic.json"])
    assert (len(gateway.received), len(backup.received)) == (1, 0)


@pytest.mark.parametrize("status", [404, 429, 403, 503])
def test_a_refusing_status_goes_to_the_next_path(two: TwoGateways, status: int) -> None:
    """The next path of the same account is tried."""
    result = two(says(b"no", status), accepts()).send(OTP)
    assert (result.accepted, paths(result)) == (True, ["clinic.json", "clinic.query"])


def test_an_unreachable_gateway_goes_to_the_next_path(open_notifier: OpenNotifier, backup: Gateway) -> None:
    """Where nobody listens, every path is tried in order."""
    notifier = open_notifier(
        {"clinic": "http://127.0.0.1:1", "backup": backup}, route=["clinic.json", "clinic.query", "backup.json"]
    )
    result = notifier.send(OTP)
    assert (result.accepted, paths(result)) == (True, ["clinic.json", "clinic.query", "backup.json"])


@pytest.mark.parametrize(
    "act",
    [cut(), cut(b"HTTP/1.1 200 -\r\nContent-Length: 9\r\n\r\n{"), says(), says("<html>"), says("", 500), says("", 502)],
    ids=["cut", "cut within", "empty", "unreadable", "500", "502"],
)
def test_doubt_stops(two: TwoGateways, backup: Gateway, act: Act) -> None:
    """What may have been taken is not sent again, by any path, and can be seen."""
    result = two(act).send(OTP)
    assert (states(result), result.in_doubt, paths(result)) == ([State.IN_DOUBT], True, ["clinic.json"])
    assert result.attempts[0].state is State.IN_DOUBT
    assert backup.received == []


def test_a_read_timeout_stops(two: TwoGateways, gateway: Gateway, backup: Gateway) -> None:
    """A timeout after the request left is a doubt."""
    result = two(waits(gateway.stopping), read_timeout="50ms").send(OTP)
    assert (result.in_doubt, paths(result), backup.received) == (True, ["clinic.json"], [])


def test_a_local_error_after_the_request_left_stops(two: TwoGateways, backup: Gateway) -> None:
    """A transport that fails over the answer (this one lacks the id) leaves a doubt, and the place of the failure."""
    result = two(says({"ok": True})).send(OTP)
    assert (result.in_doubt, backup.received) == (True, [])
    assert "KeyError at " in str(result.error)
    assert "wire.py:" in str(result.error)


def test_in_doubt_failover_goes_on(two: TwoGateways, backup: Gateway) -> None:
    """A route that says so sends again what is in doubt."""
    route = {"paths": ["clinic.json", "backup.json"], "in_doubt": "failover"}
    result = two(cut(), route=route).send(OTP)
    assert (result.accepted, paths(result), backup.sent_to) == (True, ["clinic.json", "backup.json"], [A])


def test_a_doubt_outlives_a_later_refusal(two: TwoGateways, backup: Gateway) -> None:
    """What the first path may have taken is never called surely unsent, whatever the second one says."""
    route = {"paths": ["clinic.json", "backup.json"], "in_doubt": "failover"}
    for scope in Scope:
        backup.script = [refuses(scope)]
        result = two(cut(), route=route).send(OTP)
        assert states(result) == [State.IN_DOUBT], scope


def test_a_refused_message_goes_nowhere_else(two: TwoGateways, backup: Gateway) -> None:
    """No gateway would take it."""
    result = two(refuses("message")).send(OTP)
    assert (states(result), paths(result), backup.received) == ([State.REJECTED], ["clinic.json"], [])


def test_a_refused_message_is_not_tried_for_the_rest_of_its_recipients(two: TwoGateways, gateway: Gateway) -> None:
    """Where a message leaves in several submissions, the first refusal of it stands for all."""
    result = two(refuses("message"), max_recipients=1).send(Sms(to=[A, B, C], text="hello"))
    assert (states(result), len(gateway.received)) == ([State.REJECTED] * 3, 1)


@pytest.mark.parametrize("scope", ["account", "provider"])
def test_an_account_that_fails_is_passed_over(two: TwoGateways, scope: str) -> None:
    """The other paths of the account would fail too: the next account is tried."""
    result = two(refuses(scope)).send(OTP)
    assert (result.accepted, paths(result)) == (True, ["clinic.json", "backup.json"])


def test_a_dialect_that_fails_leaves_its_account(two: TwoGateways) -> None:
    """Another path of the same account is tried."""
    result = two(refuses("transport"), accepts()).send(OTP)
    assert (result.accepted, paths(result)) == (True, ["clinic.json", "clinic.query"])


def test_a_refused_recipient_goes_to_the_next_account(two: TwoGateways, gateway: Gateway, backup: Gateway) -> None:
    """A number that the gateway refuses by name goes by another account; the others have gone."""
    refused = {B: {"scope": "recipient", "text": "black-listed"}}
    result = two(accepts("1", count=2, refused=refused)).send(Sms(to=[A, B, C], text="hello"))
    assert (result.accepted, paths(result)) == (True, ["clinic.json", "backup.json"])
    assert [delivery.path for delivery in result.deliveries] == ["clinic.json", "backup.json", "clinic.json"]
    assert (gateway.sent_to, backup.sent_to) == ([A, B, C], [B])


def test_a_submission_refused_for_a_named_recipient_goes_without_it(two: TwoGateways, gateway: Gateway) -> None:
    """Nothing of it was sent, so the others leave in a second one."""
    result = two(refuses("recipient", recipients=[B]), accepts()).send(Sms(to=[A, B, C], text="hello"))
    assert result.accepted
    assert [request.data["to"] for request in gateway.received] == [[A, B, C], [A, C]]
    assert result.deliveries[1].path == "backup.json"


def test_a_submission_refused_for_some_recipient_is_halved(two: TwoGateways, gateway: Gateway) -> None:
    """Where the gateway does not say which, the halves show it."""
    bad = refuses("recipient")
    result = two(bad, accepts(), bad, accepts(), bad).send(Sms(to=[A, B, C, "+8613800000004"], text="hello"))
    assert [request.data["to"] for request in gateway.received] == [
        [A, B, C, "+8613800000004"],
        [A, B],
        [C, "+8613800000004"],
        [C],
        ["+8613800000004"],
    ]
    assert (result.accepted, result.deliveries[3].path) == (True, "backup.json")


class Slow:
    """Takes until after the deadline to hear of an attempt."""

    @hookimpl
    def attempted(self) -> None:
        """Let the time pass."""
        threading.Event().wait(0.3)


def test_a_refusal_is_of_the_recipient_alone_that_it_names(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """What the deadline then keeps from leaving without it was not refused: it may go later."""
    gateway.script = [refuses("recipient", recipients=[B])]
    notifier = open_notifier({"clinic": gateway}, Slow(), route={"paths": ["clinic.json"], "deadline": "300ms"})
    deliveries = notifier.send(Sms(to=[A, B], text="hello")).deliveries
    assert [(each.error.code, each.error.retry) for each in deliveries if each.error] == [
        ("deadline", Retry.LATER),
        ("E-1", Retry.NEVER),
    ]


def test_the_segments_are_those_of_the_path_that_took_it(gateway: Gateway, backup: Gateway) -> None:
    """The longer signature of an account that refused the message costs nothing."""
    gateway.script = [refuses("account")]
    settings = configuration({"clinic": gateway, "backup": backup}, signature="短")
    settings["accounts"]["clinic"]["signature"] = "长长长"
    with Notifier.from_mapping(settings) as notifier:
        result = notifier.send(Sms(to=A, text="字" * 67))
    assert ([attempt.segments for attempt in result.attempts], result.segments) == ([2, 1], 1)


def test_a_recipient_refused_everywhere_is_rejected(two: TwoGateways, backup: Gateway) -> None:
    """The other recipients are not held back by it."""
    refused = {B: {"scope": "recipient", "code": "1108"}}
    backup.script = [refuses("recipient", code="9")]
    result = two(accepts(refused=refused)).send(Sms(to=[A, B], text="hello"))
    assert states(result) == [State.ACCEPTED, State.REJECTED]
    assert result.deliveries[1].error is not None
    assert result.deliveries[1].error.code == "9"


def test_a_recipient_in_doubt_by_name_is_held(two: TwoGateways, backup: Gateway) -> None:
    """A gateway that is not sure about one number holds that number, not the others."""
    doubtful = {B: {"scope": "recipient", "sent": "unknown"}}
    result = two(accepts(refused=doubtful)).send(Sms(to=[A, B], text="hello"))
    assert (states(result), backup.received) == ([State.ACCEPTED, State.IN_DOUBT], [])


def test_fewer_accepted_than_submitted_is_a_doubt_for_all(two: TwoGateways, backup: Gateway) -> None:
    """A short count does not say who is missing: reports decide."""
    result = two(accepts(count=1)).send(Sms(to=[A, B], text="hello"))
    assert (states(result), backup.received) == ([State.IN_DOUBT] * 2, [])
    assert str(result.error) == "the gateway took 1 of 2 recipients and does not say which (short count)"


def test_a_short_count_holds_its_own_submission_only(two: TwoGateways) -> None:
    """What leaves in another submission is not touched by it."""
    notifier = two(accepts(count=1), accepts(count=1), max_recipients=2)
    assert states(notifier.send(Sms(to=[A, B, C], text="hello"))) == [*[State.IN_DOUBT] * 2, State.ACCEPTED]


def test_a_number_that_was_not_submitted_is_sent_nothing(two: TwoGateways, backup: Gateway) -> None:
    """A gateway that refuses a stranger does not make the message go to the stranger; who was meant is in doubt."""
    stranger = {"+8613800000009": {"scope": "recipient"}}
    result = two(accepts(refused=stranger)).send(Sms(to=[A, B], text="hello"))
    assert (states(result), backup.received) == ([State.IN_DOUBT] * 2, [])


# --- the walk --------------------------------------------------------------------------------------------------------


def test_a_long_list_leaves_in_several_submissions(two: TwoGateways, gateway: Gateway) -> None:
    """No submission has more recipients than the account's max_recipients, and none is left out."""
    numbers = [f"+86138{number:08}" for number in range(1, 8)]
    result = two(accepts(), max_recipients=3).send(Sms(to=numbers, text="hello"))
    assert [len(request.data["to"]) for request in gateway.received] == [3, 3, 1]
    assert (result.accepted, gateway.sent_to) == (True, numbers)


def test_the_rest_of_a_list_goes_on_by_the_next_path(two: TwoGateways, gateway: Gateway, backup: Gateway) -> None:
    """Where an account fails in the middle of a list, what has left has left, and the rest goes by the next account."""
    result = two(accepts(), refuses("account"), max_recipients=1).send(Sms(to=[A, B, C], text="hello"))
    assert (result.accepted, gateway.sent_to, backup.sent_to) == (True, [A, B], [B, C])


def test_the_rest_of_a_list_says_why_it_was_not_tried(two: TwoGateways) -> None:
    """What was not submitted any more has the failure of the path as its reason."""
    notifier = two(accepts(), refuses("account", code="1111"), max_recipients=1, route=["clinic.json"])
    result = notifier.send(Sms(to=[A, B, C], text="hello"))
    assert states(result) == [State.ACCEPTED, State.REJECTED, State.REJECTED]
    assert [delivery.error.code for delivery in result.rejected if delivery.error] == ["1111", "1111"]


def test_the_rest_of_a_list_after_a_resent_doubt_is_surely_unsent(two: TwoGateways) -> None:
    """Where the doubt moved the walk on and no path is left, what was never submitted is rejected, not in doubt."""
    route = {"paths": ["clinic.json"], "in_doubt": "failover"}
    result = two(cut(), max_recipients=1, route=route).send(Sms(to=[A, B], text="hello"))
    assert states(result) == [State.IN_DOUBT, State.REJECTED]
    assert result.deliveries[1].error is not None
    assert result.deliveries[1].error.code == "stopped"


def test_after_a_doubt_the_rest_of_a_list_leaves_by_the_next_path(
    two: TwoGateways, gateway: Gateway, backup: Gateway, listener: Listener
) -> None:
    """A path that has just timed out is not asked 19 more times: those not submitted yet surely were not sent."""
    result = two(cut(), max_recipients=1, route=["clinic.json", "backup.json"]).send(Sms(to=[A, B, C], text="hello"))
    assert states(result) == [State.IN_DOUBT, State.ACCEPTED, State.ACCEPTED]
    assert (len(gateway.received), len(backup.received)) == (1, 2)
    assert [event.recipients for event in listener.events if isinstance(event, FailedOver)] == [2]


def test_after_a_doubt_without_another_path_the_rest_surely_was_not_sent(two: TwoGateways, gateway: Gateway) -> None:
    """What was not submitted is rejected with the reason, and may be sent again; what is in doubt may not."""
    result = two(cut(), max_recipients=1, route=["clinic.json"]).send(Sms(to=[A, B], text="hello"))
    assert states(result) == [State.IN_DOUBT, State.REJECTED]
    assert str(result.deliveries[1].error) == (
        "not submitted by clinic.json, where the submission before is in doubt: the connection was cut (stopped)"
    )
    assert len(gateway.received) == 1


def test_a_number_that_a_dialect_cannot_reach_stops_nobody_else(
    two: TwoGateways, gateway: Gateway, backup: Gateway
) -> None:
    """Where ``check`` refuses some recipients by number, the others leave, and those go on to the next account."""
    foreign = "+14155550123"
    route = ["clinic.json", "backup.json"]
    result = two(accepts(), route=route, only="+86").send(Sms(to=[A, foreign, B], text="hello"))
    assert states(result) == [State.ACCEPTED, State.REJECTED, State.ACCEPTED]
    assert gateway.received[0].data["to"] == [A, B]
    assert str(result.deliveries[1].error) == "+141****0123 is not in +86 (recipient)"
    assert backup.received == []


def test_a_message_to_numbers_that_no_dialect_reaches_is_refused(two: TwoGateways, gateway: Gateway) -> None:
    """Where nobody is left, the message is invalid, and nothing is sent."""
    with pytest.raises(InvalidMessage, match=r"is not in \+86$"):
        two(accepts(), only="+86", route=["clinic.json"]).send(Sms(to="+14155550123", text="hello"))
    assert gateway.received == []


def test_a_limit_is_no_failover_to_the_same_path(two: TwoGateways, listener: Listener) -> None:
    """A number over its limit does not make the others' only path look like a failover."""
    notifier = two(accepts(), limits=ONE_A_DAY, route=["clinic.json"])
    notifier.send(OTP)
    result = notifier.send(Sms(to=[A, B], text="hello"))
    assert states(result) == [State.REJECTED, State.ACCEPTED]
    assert [event for event in listener.events if isinstance(event, FailedOver)] == []


def test_no_path_left_is_rejected(two: TwoGateways, backup: Gateway) -> None:
    """Where every path surely refused, the result says so with the last reason, and raises nothing by itself."""
    backup.script = [refuses("account", code="last")]
    result = two(refuses("account", code="first")).send(OTP)
    assert states(result) == [State.REJECTED]
    with pytest.raises(SendError, match="last"):
        result.raise_for_failure()


def test_via_is_one_path(two: TwoGateways, backup: Gateway) -> None:
    """A message sent by one path fails with it."""
    result = two(refuses("account")).send(OTP, via="clinic.query")
    assert result.route == "clinic.query"
    result = two(refuses("account")).send(OTP, via="clinic.json")
    assert (paths(result), states(result), backup.received) == (["clinic.json"], [State.REJECTED], [])


def test_via_an_unknown_path_is_refused(two: TwoGateways) -> None:
    """The nearest right name is told."""
    with pytest.raises(InvalidMessage, match=r"^no path 'clinic.jason'; did you mean 'clinic.json'\?$"):
        two(accepts()).send(OTP, via="clinic.jason")


def test_an_unknown_route_is_refused(two: TwoGateways) -> None:
    """The nearest right name is told."""
    with pytest.raises(InvalidMessage, match=r"^no route 'defualt'; did you mean 'default'\?$"):
        two(accepts()).send(OTP, route="defualt")


def test_a_route_and_via_together_are_refused(two: TwoGateways) -> None:
    """They contradict each other."""
    with pytest.raises(InvalidMessage, match=r"^give either a route or via, not both$"):
        two(accepts()).send(OTP, route="default", via="clinic.json")


def test_a_passed_deadline_ends_the_walk(two: TwoGateways, gateway: Gateway, backup: Gateway) -> None:
    """What was not submitted before the deadline is surely unsent, may go later, and says so."""
    route = {"paths": ["clinic.json", "backup.json"], "deadline": "0.001ms"}
    result = two(accepts(), route=route).send(OTP)
    assert (states(result), gateway.received, backup.received) == ([State.REJECTED], [], [])
    assert result.error is not None
    assert (result.error.code, result.error.retry, result.error.sent) == ("deadline", Retry.LATER, Sent.NO)


def test_a_deadline_bounds_an_attempt(two: TwoGateways, gateway: Gateway, backup: Gateway) -> None:
    """An attempt does not outlast the deadline, however long the account's own timeout is."""
    route = {"paths": ["clinic.json", "backup.json"], "deadline": "100ms"}
    result = two(waits(gateway.stopping), route=route).send(OTP)
    assert (result.in_doubt, backup.received) == (True, [])


def test_weights_draw_the_first_path(two: TwoGateways) -> None:
    """The first path is drawn by weight; the others follow in their order; a weight of 0 never comes first."""
    route = {"paths": ["clinic.json", "clinic.query", "backup.json"], "strategy": "weighted", "weights": [2, 0, 8]}
    way = two(accepts(), route=route).routes["default"]
    draws = iter([0.0, 0.19, 0.2, 0.999])
    orders = [[path.name for path in way.order(partial(next, draws))] for _ in range(4)]
    in_order, backup_first = route["paths"], ["backup.json", "clinic.json", "clinic.query"]
    assert orders == [in_order, in_order, backup_first, backup_first]


def test_a_path_that_keeps_failing_is_tried_last(two: TwoGateways, gateway: Gateway, backup: Gateway) -> None:
    """After five transport failures in a row the path rests: it comes after the others, and is never forbidden."""
    notifier = two(says(b"", 503), route=["clinic.json", "backup.json"])
    for _ in range(5):
        notifier.send(OTP)
    result = notifier.send(OTP)
    assert (paths(result), len(gateway.received)) == (["backup.json"], 5)
    backup.script = [says(b"", 503)]
    assert paths(notifier.send(OTP)) == ["backup.json", "clinic.json"]


@pytest.mark.parametrize("scope", ["recipient", "account", "provider", "message"])
def test_a_refusal_of_another_scope_rests_no_path(two: TwoGateways, scope: str) -> None:
    """A gateway that answers works, whatever it says."""
    notifier = two(refuses(scope), route=["clinic.json", "backup.json"])
    for _ in range(6):
        result = notifier.send(OTP)
    assert paths(result)[0] == "clinic.json"


# --- kinds and what a path can express -------------------------------------------------------------------------------


def test_a_kind_that_no_path_carries_is_refused(two: TwoGateways, gateway: Gateway) -> None:
    """A multimedia message finds no way along a route of text messages; nothing is sent."""
    picture = Mms(to=A, subject="hello", parts=[Part("1.txt", b"hello")])
    with pytest.raises(InvalidMessage) as caught:
        two(accepts(), route=["clinic.json"]).send(picture)
    assert str(caught.value) == "no path can carry the message: clinic.json carries no mms"
    assert gateway.received == []


def test_a_kind_goes_by_the_path_that_carries_it(two: TwoGateways) -> None:
    """Paths that do not carry a kind are passed over."""
    picture = Mms(to=A, subject="hello", parts=[Part("1.txt", b"hello")])
    assert paths(two(says("task"), route=["clinic.json", "clinic.mms"]).send(picture)) == ["clinic.mms"]


def test_what_a_dialect_cannot_express_goes_by_another(two: TwoGateways) -> None:
    """A path that cannot write a text is passed over without an attempt."""
    assert paths(two(accepts()).send(Sms(to=A, text="🙈"))) == ["clinic.query"]


def test_a_text_that_is_too_long_is_refused(two: TwoGateways) -> None:
    """The reason of every account is told, once."""
    with pytest.raises(InvalidMessage) as caught:
        two(accepts(), max_segments=2, route=["clinic.json", "clinic.query", "backup.json"]).send(
            Sms(to=A, text="长" * 135)
        )
    assert str(caught.value) == (
        "no path can carry the message: "
        "the text is 3 segments long; account 'clinic' takes 2, about 134 characters with the signature: shorten it; "
        "the text is 3 segments long; account 'backup' takes 2, about 134 characters with the signature: shorten it"
    )


def test_a_text_of_2000_characters_is_refused(two: TwoGateways) -> None:
    """30 segments are twice what an account takes by default."""
    with pytest.raises(
        InvalidMessage,
        match=r"the text is 30 segments long; account 'clinic' takes 15, about 1,005 characters with the signature",
    ):
        two(accepts(), route=["clinic.json"]).send(Sms(to=A, text="长" * 2000))


def test_a_check_that_breaks_passes_the_path_over(open_notifier: OpenNotifier, gateway: Gateway) -> None:
    """A dialect that fails over a message before anything is sent cannot carry it; it stops no other path."""

    class Broken:
        @hookimpl(wrapper=True)
        def check(self) -> Iterator[None]:
            """Fail."""
            yield
            raise KeyError("您的验证码：1439")

    notifier = open_notifier({"clinic": gateway}, Broken(), route=["clinic.json", "clinic.query"])
    assert paths(notifier.send(OTP)) == ["clinic.query"]


# --- limits ----------------------------------------------------------------------------------------------------------


ONE_A_DAY = [{"per": "recipient", "count": 1, "within": "1d"}]


def test_over_the_limit_goes_to_the_next_account(two: TwoGateways, gateway: Gateway) -> None:
    """A number over an account's limit goes by another account, before anything was sent by the first."""
    notifier = two(accepts(), limits=ONE_A_DAY)
    notifier.send(OTP)
    result = notifier.send(OTP)
    assert (result.accepted, paths(result), gateway.sent_to) == (True, ["backup.json"], [A])


def test_over_every_limit_tells_when_it_could_go(two: TwoGateways) -> None:
    """A message that waits for its turn is rejected with the seconds that it would have to wait."""
    notifier = two(accepts(), limits=ONE_A_DAY, route=["clinic.json"])
    notifier.send(OTP)
    error = notifier.send(OTP).error
    assert error is not None
    assert (error.code, error.scope, error.retry) == ("limit", Scope.RECIPIENT, Retry.LATER)
    assert error.after == pytest.approx(86400, abs=60)
    assert str(error) == "over the limit of account 'clinic'; it could go in 86400 s"


@pytest.mark.parametrize("scope", list(Scope))
def test_a_surely_unsent_message_takes_no_slot(two: TwoGateways, scope: Scope) -> None:
    """Whatever the scope of the refusal, the slot is given back."""
    notifier = two(refuses(scope), accepts(), limits=ONE_A_DAY, route=["clinic.json"])
    assert states(notifier.send(OTP)) == [State.REJECTED]
    assert notifier.send(OTP).accepted


def test_a_doubt_keeps_its_slot(two: TwoGateways) -> None:
    """The message may have been sent."""
    notifier = two(cut(), accepts(), limits=ONE_A_DAY, route=["clinic.json"])
    assert notifier.send(OTP).in_doubt
    assert states(notifier.send(OTP)) == [State.REJECTED]


def test_each_recipient_has_its_own_slot_through_halving(two: TwoGateways) -> None:
    """After halving, the refused number has its slot back and the others have used theirs."""
    bad = refuses("recipient")
    notifier = two(bad, bad, accepts(), accepts(), limits=ONE_A_DAY, route=["clinic.json"])
    assert states(notifier.send(Sms(to=[A, B], text="hello"))) == [State.REJECTED, State.ACCEPTED]
    assert states(notifier.send(Sms(to=[A, B], text="hello"))) == [State.ACCEPTED, State.REJECTED]


def test_the_unsubmitted_rest_of_a_list_takes_no_slot(two: TwoGateways) -> None:
    """A list that broke off in the middle gives back what it did not use."""
    notifier = two(accepts(), refuses("account"), accepts(), limits=ONE_A_DAY, max_recipients=1, route=["clinic.json"])
    assert states(notifier.send(Sms(to=[A, B, C], text="hello"))) == [State.ACCEPTED, *[State.REJECTED] * 2]
    assert states(notifier.send(Sms(to=[A, B, C], text="hello"))) == [State.REJECTED, *[State.ACCEPTED] * 2]


# --- what can be seen ------------------------------------------------------------------------------------------------


def test_failover_is_an_event(two: TwoGateways, listener: Listener) -> None:
    """The event tells from where to where, for how many, and why."""
    result = two(refuses("account", code="1111")).send(OTP)
    event = next(each for each in listener.events if isinstance(each, FailedOver))
    assert (event.route, event.previous, event.path, event.recipients) == ("default", "clinic.json", "backup.json", 1)
    assert event.error is result.attempts[0].error


def test_doubt_is_an_event(two: TwoGateways, listener: Listener) -> None:
    """The event tells by which path, for how many, and why; there is no failover."""
    two(cut()).send(Sms(to=[A, B], text="hello"))
    (event,) = (each for each in listener.events if isinstance(each, InDoubt | FailedOver))
    assert isinstance(event, InDoubt)
    assert (event.route, event.path, event.recipients) == ("default", "clinic.json", 2)


def test_a_held_doubt_is_no_reason_for_a_failover(two: TwoGateways, listener: Listener) -> None:
    """Where others of a list go on by the next path, the event names what they were refused by."""
    refused = {A: {"scope": "recipient", "code": "1109"}}
    notifier = two(accepts(refused=refused), cut(), max_recipients=2, route=["clinic.json", "backup.json"])
    assert states(notifier.send(Sms(to=[A, B, C], text="hello"))) == [*[State.ACCEPTED] * 2, State.IN_DOUBT]
    (event,) = (each for each in listener.events if isinstance(each, FailedOver))
    assert (event.error.code, event.recipients) == ("1109", 1)


def test_attempts_and_the_end_are_events(two: TwoGateways, listener: Listener) -> None:
    """Each submission is told with its route, and the result when all is over."""
    result = two(refuses("transport"), accepts()).send(OTP)
    attempts = [each for each in listener.events if isinstance(each, tuple)]
    assert attempts == [("default", attempt) for attempt in result.attempts]
    assert listener.events[-1] is result


def test_a_failover_and_a_doubt_are_logged(two: TwoGateways, caplog: pytest.LogCaptureFixture) -> None:
    """Each has one warning with a stable ``action``."""
    route = {"paths": ["clinic.json", "backup.json"], "in_doubt": "failover"}
    two(cut(), route=route).send(OTP)
    warnings = [record for record in caplog.records if record.name == "notify" and record.levelno == logging.WARNING]
    assert [vars(record)["action"] for record in warnings] == ["in_doubt", "failed_over"]


def test_an_attempt_keeps_the_answer(two: TwoGateways) -> None:
    """The raw answer of the gateway stands in the attempt, for accepted and refused ones."""
    result = two(refuses("account"), accepts()).send(OTP)
    assert [attempt.raw.partition(",")[0] for attempt in result.attempts] == ['{"ok": false', '{"ok": true']


# --- wrappers and listeners ------------------------------------------------------------------------------------------


class Wrapper:
    """A wrapper around send that does ``before`` and ``after`` the transport's answer."""

    def __init__(
        self, before: Callable[[Submission], None] | None = None, after: Callable[[object], object] | None = None
    ) -> None:
        self.before = before
        self.after = after

    @hookimpl(wrapper=True)
    def send(self, submission: Submission) -> Generator[None, Accepted, Any]:
        """Wrap one submission."""
        if self.before:
            self.before(submission)
        try:
            answer = yield
        except SendError as error:
            if self.after:
                return self.after(error)
            raise
        return self.after(answer) if self.after else answer


def raising(error: Exception) -> Callable[[Any], None]:
    """A step that raises ``error``."""

    def step(_: object) -> None:
        raise error

    return step


def test_a_wrapper_can_veto(gateway: Gateway, backup: Gateway, open_notifier: OpenNotifier) -> None:
    """A wrapper that raises before it yields refuses the message everywhere; nothing is sent."""
    notifier = open_notifier({"clinic": gateway, "backup": backup}, Wrapper(before=raising(ValueError("quiet hours"))))
    result = notifier.send(OTP)
    assert (states(result), gateway.received, backup.received) == ([State.REJECTED], [], [])
    assert result.error is not None
    assert (result.error.code, result.error.scope) == ("vetoed", Scope.MESSAGE)
    assert "ValueError at " in str(result.error)


def test_a_veto_is_no_failure_of_the_path(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """However often a wrapper vetoes, the path does not rest."""
    notifier = open_notifier({"clinic": gateway, "backup": gateway}, Wrapper(before=raising(ValueError())))
    for _ in range(6):
        result = notifier.send(OTP)
    assert paths(result) == ["clinic.json"]


def test_a_wrapper_can_veto_with_a_verdict(gateway: Gateway, backup: Gateway, open_notifier: OpenNotifier) -> None:
    """A wrapper that raises a SendError decides itself what follows: here, the next account."""

    def budget(submission: Submission) -> None:
        if submission.path == "clinic.json":
            raise SendError("over budget", scope=Scope.ACCOUNT, code="budget")

    result = open_notifier({"clinic": gateway, "backup": backup}, Wrapper(before=budget)).send(OTP)
    assert (result.accepted, paths(result), gateway.received) == (True, ["clinic.json", "backup.json"], [])


def test_a_wrapper_can_rewrite(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """A wrapper may change what is said."""

    def reword(submission: Submission) -> None:
        assert isinstance(submission.message, Sms)
        submission.message = submission.message.worded("rewritten")

    assert open_notifier({"clinic": gateway}, Wrapper(before=reword)).send(OTP).accepted
    assert gateway.received[0].data["text"] == "rewritten"


def test_a_wrapper_cannot_change_recipients(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """What would go to others than those of the result is not sent."""

    def readdress(submission: Submission) -> None:
        submission.message = Sms(to=B, text="hello")

    result = open_notifier({"clinic": gateway}, Wrapper(before=readdress)).send(OTP)
    assert (states(result), gateway.received) == ([State.REJECTED], [])
    assert "a wrapper around send changed the recipients" in str(result.error)


def test_a_wrapper_that_fails_after_acceptance_changes_nothing(
    gateway: Gateway, backup: Gateway, open_notifier: OpenNotifier, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, with its place and without its text."""
    wrapper = Wrapper(after=raising(ValueError("您的验证码：1439")))
    result = open_notifier({"clinic": gateway, "backup": backup}, wrapper).send(OTP)
    assert (result.accepted, backup.received) == (True, [])
    (record,) = (record for record in caplog.records if vars(record).get("action") == "wrapper_failed")
    assert record.getMessage().startswith("a wrapper around send failed: ValueError at ")
    assert record.exc_info is None
    assert "1439" not in caplog.text


def test_a_wrapper_that_swallows_a_failure_fakes_no_success(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """What became of the message is what the transport said."""
    gateway.script = [refuses("account")]
    notifier = open_notifier({"clinic": gateway}, Wrapper(after=lambda _: Accepted(task_id="fake")))
    assert states(notifier.send(OTP)) == [State.REJECTED]


def test_a_wrapper_that_swallows_a_doubt_fakes_no_success(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """A doubt stays one."""
    gateway.script = [cut()]
    assert open_notifier({"clinic": gateway}, Wrapper(after=lambda _: None)).send(OTP).in_doubt


def test_a_listener_that_raises_disturbs_nobody(
    gateway: Gateway, open_notifier: OpenNotifier, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged without its text; the other listeners are told, and the result stands."""

    class Broken:
        @hookimpl
        def sent(self) -> None:
            """Fail."""
            raise RuntimeError("您的验证码：1439")

        @hookimpl
        def attempted(self) -> None:
            """Fail otherwise."""
            raise KeyError("您的验证码：1439")

    result = open_notifier({"clinic": gateway}, Broken(), listener, Broken()).send(OTP)
    assert (result.accepted, listener.events[-1]) == (True, result)
    failed = [record for record in caplog.records if vars(record).get("action") == "listener_failed"]
    assert len(failed) == 4
    assert "1439" not in caplog.text


def test_a_route_shows_no_secret(gateway: Gateway, open_notifier: OpenNotifier) -> None:
    """The repr of a route names its paths."""
    route = open_notifier({"clinic": gateway}).routes["default"]
    assert isinstance(route, Route)
    assert "Path(clinic.json)" in repr(route)

"""The suite finds what a transport must not do: each sin fails its test, in words that say what to do."""

from __future__ import annotations

import json
import logging
import random
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest
import requests
from _pytest.outcomes import Failed

from notify_core.errors import SendError, Sent, UnreadableReply
from notify_core.exchange import Gateway, Http, Reply, Request
from notify_core.hookspecs import hookimpl
from notify_core.messages import Accepted, Balance, Inbound, Push, Report, Submission
from notify_core.plugins import PluginError
from notify_core.settings import AccountSettings, SecretStr, Strict
from notify_core.testing import calls
from notify_core.testing.contract import Asked, Case, TransportContract
from tests.contract import acme
from tests.contract.table import (
    ACCEPTED,
    CASES,
    CHANGED,
    CREDIT,
    INVALID,
    PUSHED,
    REFUSED,
    REPORTS,
    SETTINGS,
    SHORT,
    WRITTEN,
)

Sinner = Callable[..., TransportContract]
Settings = acme.AcmeSettings
log = logging.getLogger("acme")


@pytest.fixture
def sinner(monkeypatch: pytest.MonkeyPatch) -> Sinner:
    """The contract of a transport that is acme but for some functions of its module (None: without them)."""

    def made(cases: Sequence[Case] = CASES, settings: Mapping[str, Any] = SETTINGS, **sins: Any) -> TransportContract:
        module = ModuleType("tests.contract.sinner")
        vars(module).update({name: value for name, value in (vars(acme) | sins).items() if not name.startswith("__")})
        for name in (name for name, sin in sins.items() if sin is None):
            delattr(module, name)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        attributes = {"transport": "acme.rest", "module": module.__name__, "settings": settings, "cases": cases}
        contract: TransportContract = type("Contract", (TransportContract,), attributes)()
        return contract

    return made


def fails(match: str) -> Any:
    """The test that runs in this context fails, and says so."""
    return pytest.raises((AssertionError, Failed), match=match)


# --- the plugin and its settings -------------------------------------------------------------------------------------


def test_an_unmarked_hook_is_found(sinner: Sinner) -> None:
    """A function with a hook's name and without its mark would be ignored in silence."""

    def balance() -> None: ...

    with fails(r"\['balance'\].*@hookimpl"):
        sinner(balance=balance).test_every_hook_is_known()


def test_a_misspelt_hook_is_found(sinner: Sinner) -> None:
    """A marked function that is no hook would never be called."""

    @hookimpl
    def blance() -> None: ...

    with pytest.raises(PluginError, match="blance"):
        sinner(blance=blance).test_every_hook_is_known()


def test_sending_without_a_kind_is_found(sinner: Sinner) -> None:
    """A transport that does not say what it carries would carry nothing."""
    with fails("`send` and `carries` belong together"):
        sinner(carries=None).test_it_can_do_something()


def test_a_transport_that_does_nothing_is_found(sinner: Sinner) -> None:
    """Settings alone are no transport."""
    hooks = ("send", "carries", "balance", "status", "inbound", "push", "change_password")
    with fails("at least one of send, balance"):
        sinner(**dict.fromkeys(hooks)).test_it_can_do_something()


class _Silent(AccountSettings):
    """An account."""

    token: SecretStr
    """The token."""
    region: str = ""


class _Lenient(AccountSettings, extra="ignore"):
    """An account."""

    token: SecretStr
    """The token."""


class _Bare(AccountSettings):
    """An account."""

    token: str
    """The token."""


class _Keys(Strict):
    """What opens it."""

    signing: SecretStr
    """The key."""


class _Forgetful(AccountSettings):
    """An account."""

    token: SecretStr
    """The token."""
    keys: _Keys
    """What signs."""

    def secrets(self) -> tuple[str, ...]:
        """The token, and no key."""
        return (self.token.get_secret_value(),)


def modelled(model: type[AccountSettings]) -> Callable[[], type[AccountSettings]]:
    """The hook ``settings`` that gives ``model``."""

    @hookimpl
    def settings() -> type[AccountSettings]:
        return model

    return settings


def sinning(sinner: Sinner, model: type[AccountSettings], given: Mapping[str, Any]) -> TransportContract:
    """The contract of an acme whose accounts are of ``model``."""
    contract = sinner(settings=given)
    setattr(sys.modules["tests.contract.sinner"], "settings", modelled(model))  # noqa: B010 - a module has any name
    return contract


def test_a_setting_without_words_is_found(sinner: Sinner) -> None:
    """A setting without description would stand in the reference without one."""
    with fails(r"_Silent\.region'\] have no description"):
        sinning(sinner, _Silent, SETTINGS).test_every_setting_is_documented()


def test_a_lenient_model_is_found(sinner: Sinner) -> None:
    """A model that ignores unknown keys would swallow a misspelt setting."""
    with fails("DID NOT RAISE"):
        sinning(sinner, _Lenient, SETTINGS).test_an_unknown_setting_is_refused()


def test_a_bare_credential_is_found(sinner: Sinner) -> None:
    """A credential that is plain text would stand in every repr."""
    with fails(r"_Bare\.token'\] look like credentials"):
        sinning(sinner, _Bare, SETTINGS).test_credentials_are_secret()


def test_a_forgotten_secret_is_found(sinner: Sinner) -> None:
    """A secret in a block of its own is redacted like any other."""
    with fails("leaves out a SecretStr"):
        sinning(sinner, _Forgetful, SETTINGS | {"keys": {"signing": "key-of-nobody"}}).test_credentials_are_secret()


def test_a_secret_that_is_too_short_to_trace_is_found(sinner: Sinner) -> None:
    """A secret of a few characters stands anywhere by chance."""
    with fails("6 characters or more"):
        sinner(settings={"token": "abc"}).test_credentials_are_secret()


# --- the table -------------------------------------------------------------------------------------------------------


def without(*missing: Case) -> list[Case]:
    """The table of acme without these cases."""
    return [case for case in CASES if case not in missing]


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (ACCEPTED, r"succeeds for each of: \['send'\]"),
        (CREDIT, r"succeeds for each of: \['balance'\]"),
        (REPORTS, r"succeeds for each of: \['status'\]"),
        (WRITTEN, r"succeeds for each of: \['inbound'\]"),
        (PUSHED, r"succeeds for each of: \['push'\]"),
        (CHANGED, r"succeeds for each of: \['change_password'\]"),
        (INVALID, "a case that `check` refuses"),
    ],
)
def test_an_operation_without_a_case_is_found(sinner: Sinner, missing: Case, words: str) -> None:
    """Every hook that is implemented is shown at work."""
    with fails(words):
        sinner(without(missing)).test_every_capability_has_a_case()


def test_a_table_without_a_refusal_is_found(sinner: Sinner) -> None:
    """A transport that was never refused has never read a refusal."""
    with fails("the gateway refuses to send"):
        sinner(without(REFUSED, SHORT)).test_every_capability_has_a_case()


def test_a_case_without_its_operation_is_found(sinner: Sinner) -> None:
    """A case for a hook that is missing would test the core."""
    with fails(r"not implement: \['balance'\]"):
        sinner(balance=None).test_every_capability_has_a_case()


def test_a_kind_that_is_never_sent_is_found(sinner: Sinner) -> None:
    """A kind of message that the transport promises is shown being accepted."""

    @hookimpl
    def carries() -> frozenset[str]:
        return frozenset({"sms", "mms"})

    with fails(r"each kind of message: \['mms'\]"):
        sinner(carries=carries).test_every_kind_of_message_is_sent()


def test_sending_by_two_requests_is_found(sinner: Sinner) -> None:
    """A submission is one request, whose failure has one meaning."""
    assert isinstance(ACCEPTED.asked, Asked)
    assert isinstance(ACCEPTED.reply, Reply)
    twice = replace(ACCEPTED, asked=(ACCEPTED.asked, ACCEPTED.asked), reply=(ACCEPTED.reply, ACCEPTED.reply))
    with fails(r"more than one request: \['accepted'\]"):
        sinner([twice]).test_a_submission_is_one_request()


def test_another_request_is_found(sinner: Sinner) -> None:
    """A request that differs from the table's is shown field by field."""
    assert isinstance(ACCEPTED.asked, Asked)
    other = replace(ACCEPTED, asked=replace(ACCEPTED.asked, content={"to": ["+4915100000009"]}))
    with fails(r"request 1: to: expected \['\+4915100000009'\], found \['\+4915100000001'\]; text: expected None"):
        sinner().test_case(other)


def test_another_outcome_is_found(sinner: Sinner) -> None:
    """An outcome that differs from the table's is shown by what differs."""
    with fails("task_id: expected 'a-18', found 'a-17'"):
        sinner().test_case(replace(ACCEPTED, outcome=Accepted(task_id="a-18", count=1)))


def test_a_reply_that_is_not_used_is_found(sinner: Sinner) -> None:
    """A reply that nothing asked for shows that the transport asked less than its author thinks."""
    assert isinstance(CREDIT.asked, Asked)
    assert isinstance(CREDIT.reply, Reply)
    twice = replace(CREDIT, asked=(CREDIT.asked, CREDIT.asked), reply=(CREDIT.reply, CREDIT.reply))
    with fails("expected 2 requests, found 1: the replies after that are never used"):
        sinner().test_case(twice)


def test_a_number_that_is_not_e164_is_found(sinner: Sinner) -> None:
    """A number as the gateway writes it would match no delivery."""

    @hookimpl
    def inbound(settings: Settings, http: Http) -> list[Inbound]:
        acme.inbound(settings, http)
        return [Inbound(sender="4915100000002", text="please stop")]

    found = replace(WRITTEN, outcome=[Inbound(sender="4915100000002", text="please stop")])
    with fails(r"phone numbers are E\.164"):
        sinner([found], inbound=inbound).test_case(found)


def test_a_time_without_a_zone_is_found(sinner: Sinner) -> None:
    """A naive time would be compared with aware ones."""
    naive = [Inbound(sender="+4915100000002", text="please stop", at=datetime(2025, 11, 1))]  # noqa: DTZ001 - the sin

    @hookimpl
    def inbound(settings: Settings, http: Http) -> list[Inbound]:
        acme.inbound(settings, http)
        return naive

    with fails("`at` has no time zone"):
        sinner(inbound=inbound).test_case(replace(WRITTEN, outcome=naive))


def test_reading_by_content_type_is_found(sinner: Sinner) -> None:
    """A gateway's Content-Type is no reason to call a reply unreadable."""

    @hookimpl
    def send(http: Http, submission: Submission) -> Accepted:
        reply = http.post("/messages", acme.body(http, submission), "application/json")
        if reply.headers.get("content-type") != "application/json":
            raise UnreadableReply("not JSON", reply.body)
        return Accepted(task_id=json.loads(reply.body)["id"], count=1)

    with fails("a reply declared as text/html: expected Accepted"):
        meet(sinner(send=send), "disguise", ACCEPTED, "declared as text/html")


def test_a_request_round_the_session_is_found(sinner: Sinner) -> None:
    """A request of the transport's own has other timeouts, other TLS and no verdict."""

    @hookimpl
    def balance(settings: Settings) -> Balance:
        reply = requests.get(f"{settings.base_url}/credit", headers=acme.credentials(settings), timeout=10)
        return Balance(units=reply.json()["credit"])

    with fails("went round the `http`"):
        sinner(balance=balance).test_case(replace(CREDIT, outcome=Balance(units="12.5")))  # type: ignore[arg-type]


# --- what goes wrong -------------------------------------------------------------------------------------------------


def meet(contract: TransportContract, what: str, case: Case, label: str) -> None:
    """Run the one test of a contract in which ``case`` meets that trouble or disguise."""
    tests: dict[str, tuple[Callable[[], list[Any]], Callable[..., None]]] = {
        "trouble": (contract._troubled, contract.test_trouble),
        "disguise": (contract._disguised, contract.test_a_reply_is_read_by_its_content),
    }
    rows, test = tests[what]
    (row,) = [row.values for row in rows() if row.values[0] is case and row.values[1].label == label]
    test(*row)


def test_asking_twice_is_found(sinner: Sinner) -> None:
    """A transport that asks again after a cut connection would send a message twice."""

    @hookimpl
    def send(settings: Settings, http: Http, submission: Submission) -> Accepted:
        try:
            return acme.send(settings, http, submission)
        except SendError:
            return acme.send(settings, http, submission)

    with fails("2 requests: a hook never asks again"):
        meet(sinner(send=send), "trouble", ACCEPTED, "cut-after")


def test_a_wrong_verdict_is_found(sinner: Sinner) -> None:
    """A transport that calls a cut connection a refusal would let failover send a message twice."""

    @hookimpl
    def send(settings: Settings, http: Http, submission: Submission) -> Accepted:
        try:
            return acme.send(settings, http, submission)
        except SendError:
            raise SendError("the gateway is not well") from None

    with fails("expected sent=unknown, found SendError"):
        meet(sinner(send=send), "trouble", ACCEPTED, "cut-after")


@pytest.mark.parametrize("label", ["empty", "html", "half", "doctype", "HTTP 200 that shows the request"])
def test_success_out_of_nothing_is_found(sinner: Sinner, label: str) -> None:
    """A reply that means nothing is not an acceptance."""

    @hookimpl
    def send(http: Http, submission: Submission) -> Accepted:
        http.post("/messages", acme.body(http, submission), "application/json")
        return Accepted(task_id="a-17")

    with fails("expected an error, found None"):
        meet(sinner(send=send), "trouble", ACCEPTED, label)


def test_losing_what_is_handed_out_once_is_found(sinner: Sinner) -> None:
    """An unreadable reply with reports keeps its bytes."""

    @hookimpl
    def status(http: Http, task_id: str) -> list[Report]:
        try:
            return list(map(acme.report, json.loads(http.get(f"/reports?of={task_id}").body)["reports"]))
        except ValueError:
            raise SendError("unreadable", sent=Sent.UNKNOWN) from None

    with fails("UnreadableReply, which keeps what came"):
        meet(sinner(status=status), "trouble", REPORTS, "html")


class _Loud(acme.AcmeSettings):
    """An account."""

    def __repr__(self) -> str:
        return f"account with {self.token.get_secret_value()}"


def test_a_secret_in_a_repr_is_found(sinner: Sinner) -> None:
    """A repr is what logs, debuggers and error trackers show."""
    with fails("a repr, an error or a recorded reply shows a secret of the account"):
        sinning(sinner, _Loud, SETTINGS).test_case(CREDIT)


def test_a_secret_underneath_an_error_is_found(sinner: Sinner) -> None:
    """A traceback prints what lies underneath an error too."""

    @hookimpl
    def balance(settings: Settings) -> Balance:
        raise SendError("refused") from ValueError(settings.token.get_secret_value())

    with fails("a repr, an error or a recorded reply shows a secret of the account"):
        sinner(balance=balance).test_case(CREDIT)


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ("text", "the logger 'acme' shows the text of a message at DEBUG"),
        ("to", "the logger 'acme' shows a whole phone number at DEBUG"),
    ],
)
def test_a_message_in_a_log_is_found(sinner: Sinner, shown: str, words: str) -> None:
    """What a message says and to whom stands in no log, whatever its level and wherever in the record."""

    @hookimpl
    def send(settings: Settings, http: Http, submission: Submission) -> Accepted:
        log.debug("sending", extra={"facts": getattr(submission.message, shown)})
        return acme.send(settings, http, submission)

    with fails(words):
        sinner(send=send).test_case(ACCEPTED)


def test_a_logged_traceback_is_read(sinner: Sinner) -> None:
    """What an exception quotes stands in the log with it."""

    @hookimpl
    def balance(settings: Settings, http: Http) -> Balance:
        try:
            int(settings.token.get_secret_value())
        except ValueError:
            log.exception("odd")
        return acme.balance(settings, http)

    with fails("the logger 'acme' shows a secret of the account at ERROR"):
        sinner(balance=balance).test_case(CREDIT)


def test_printing_is_found(sinner: Sinner) -> None:
    """A library that prints writes into the output of its host."""

    @hookimpl
    def balance(settings: Settings, http: Http) -> Balance:
        print("asking")  # noqa: T201 - the sin
        return acme.balance(settings, http)

    with fails("it printed 7 characters"):
        sinner(balance=balance).test_case(CREDIT)


def test_leaving_this_machine_is_found(sinner: Sinner) -> None:
    """A connection elsewhere is refused, and reported even where the transport swallows the refusal."""

    @hookimpl
    def balance(settings: Settings, http: Http) -> Balance:
        with socket.socket() as stray:
            try:
                stray.connect(("192.0.2.1", 80))  # TEST-NET-1 (RFC 5737): nobody is there
            except OSError:
                return acme.balance(settings, http)
        raise AssertionError("the connection was not refused")

    with fails(r"it connected to 192\.0\.2\.1"):
        sinner(balance=balance).test_case(CREDIT)


def test_looking_up_a_name_is_found(sinner: Sinner) -> None:
    """A question to a name server leaves this machine too."""

    @hookimpl
    def balance(settings: Settings, http: Http) -> Balance:
        try:
            socket.getaddrinfo("metrics.example", 443)
        except OSError:
            return acme.balance(settings, http)
        raise AssertionError("the name was looked up")

    with fails(r"it connected to metrics\.example"):
        sinner(balance=balance).test_case(CREDIT)


def test_nothing_out_of_a_push_is_found(sinner: Sinner) -> None:
    """A push that cannot be read is not an empty one: the receiver keeps it, and the provider pushes again."""

    @hookimpl
    def push() -> Push:
        return Push(decode=lambda request: [acme.report(json.loads(request.body or b"{}"))], stored=b"", again=b"x")

    @hookimpl
    def forgiving() -> Push:
        return Push(decode=lambda request: acme.pushed(request) if request.body else [], stored=b"", again=b"x")

    sinner(push=push).test_an_unreadable_push_is_refused()
    with fails(r"a push of b'': expected UnreadableReply, which keeps what came; found \[\]"):
        sinner(push=forgiving).test_an_unreadable_push_is_refused()


def test_one_answer_to_all_pushes_is_found(sinner: Sinner) -> None:
    """A provider that hears the same word always never pushes again."""

    @hookimpl
    def push() -> Push:
        return Push(decode=acme.pushed, stored=b"ok", again=b"ok")

    with fails("the provider cannot tell"):
        sinner(push=push).test_a_push_is_answered()


# --- time, threads, connections --------------------------------------------------------------------------------------


def posted(**more: Callable[[], object]) -> Callable[..., Accepted]:
    """A hook ``send`` that adds fields of its own to what acme posts."""

    @hookimpl
    def send(settings: Settings, http: Http, submission: Submission) -> Accepted:
        fields = json.loads(acme.body(http, submission)) | {name: make() for name, make in more.items()}
        reply = http.post("/messages", json.dumps(fields).encode(), "application/json", acme.credentials(settings))
        return Accepted(task_id=acme.read(reply)["id"], count=1)

    return send


def test_chance_in_a_request_is_found(sinner: Sinner) -> None:
    """A request that is made by chance cannot be told from another message."""
    with fails("what is random"):
        sinner(send=posted(nonce=random.random)).test_the_same_call_makes_the_same_request(ACCEPTED)


def test_a_time_in_the_callers_zone_is_found(sinner: Sinner) -> None:
    """The gateway reads one zone, whatever zone the caller's time is in."""

    @hookimpl
    def send(http: Http, submission: Submission) -> Accepted:
        at = submission.message.send_at
        assert at is not None
        reply = http.post("/messages", at.strftime("%H:%M").encode(), "text/plain")
        return Accepted(task_id=acme.read(reply)["id"], count=1)

    with fails("the same instant in another zone"):
        sinner(send=send).test_the_same_call_makes_the_same_request(ACCEPTED)


def test_the_wall_clock_is_found(sinner: Sinner) -> None:
    """Time that does not come from the core cannot be fixed."""
    with fails(r"the wall clock is read in \['tests\.contract\.test_sins:\d+'\]: use http\.now\(\)"):
        sinner(send=posted(day=lambda: datetime.now(UTC).day)).test_time_comes_from_the_core(ACCEPTED)


def test_state_between_sends_is_found(sinner: Sinner) -> None:
    """What one send leaves behind reaches another thread's message."""
    kept = [b"nothing yet"]

    @hookimpl
    def send(settings: Settings, http: Http, submission: Submission) -> Accepted:
        kept.append(acme.body(http, submission))
        reply = http.post("/messages", kept.pop(0), "application/json", acme.credentials(settings))
        return Accepted(task_id=acme.read(reply)["id"], count=1)

    with fails("threads changed each other's requests"):
        sinner(send=send).test_threads_do_not_mix_messages_up()


def test_another_threads_reply_is_found(sinner: Sinner) -> None:
    """A reply belongs to the message that it answers."""
    kept: list[str] = ["a-0"]

    @hookimpl
    def send(settings: Settings, http: Http, submission: Submission) -> Accepted:
        kept.append(acme.send(settings, http, submission).task_id)
        return Accepted(task_id=kept.pop(0), count=1)

    with fails("got the reply to another thread's message"):
        sinner(send=send).test_threads_do_not_mix_messages_up()


def test_a_connection_left_open_is_found(sinner: Sinner) -> None:
    """A connection of the transport's own outlives the notifier."""
    kept: list[socket.socket] = []

    @hookimpl
    def balance(settings: Settings, http: Http) -> Balance:
        kept.append(socket.create_connection(("127.0.0.1", int(settings.base_url.rpartition(":")[2]))))
        return acme.balance(settings, http)

    with fails("1 connections are still open"):
        sinner(balance=balance).test_case(CREDIT)
    kept.pop().close()


def test_a_socket_left_to_the_garbage_collector_is_found(sinner: Sinner) -> None:
    """A socket that nobody closes is closed by chance."""

    @hookimpl
    def balance(settings: Settings, http: Http) -> Balance:
        socket.socket()
        return acme.balance(settings, http)

    with fails("left open: .*close what a hook opens"):
        sinner(balance=balance).test_connections_are_closed()


# --- the provider's side ---------------------------------------------------------------------------------------------


def test_a_sandbox_of_another_mind_is_found(sinner: Sinner) -> None:
    """The provider's side that a plugin brings takes what the plugin sends."""

    @hookimpl
    def sandbox(gateway: Gateway) -> Mapping[str, Callable[[Request], Reply]]:
        return {"/v2/messages": acme.answering(gateway)}

    with fails("the sandbox did not accept 'accepted'.*HTTP 404"):
        sinner(sandbox=sandbox).test_its_sandbox_understands_it()


def test_a_sandbox_that_decodes_something_else_is_found(sinner: Sinner) -> None:
    """The provider's side reads what was sent: one that did not would prove nothing."""

    @hookimpl
    def sandbox(gateway: Gateway) -> Mapping[str, Callable[[Request], Reply]]:
        def take(_: Request) -> Reply:
            gateway.record({"endpoint": "/messages", "task_id": "s-1", "to": ("+4915100000001",), "text": "?"})
            return Reply(body=b'{"id": "s-1", "count": 1}')

        return {"/messages": take}

    with fails("decoded another message"):
        sinner(sandbox=sandbox).test_its_sandbox_understands_it()


def test_a_case_with_too_few_replies_cannot_be_made() -> None:
    """Each request of a case has its reply."""
    with pytest.raises(ValueError, match="case 'x' expects 1 requests and has 0 replies"):
        Case("x", calls.Balance(), asked=Asked.query("/credit", {}), outcome=None)

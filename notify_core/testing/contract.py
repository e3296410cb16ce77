"""The contract that every transport keeps, as a class of tests: subclass it, supply a table, run pytest.

    from notify_core.exchange import Reply
    from notify_core.messages import Accepted, Sms
    from notify_core.testing import calls
    from notify_core.testing.contract import Asked, Case, TransportContract

    class TestAcme(TransportContract):
        transport = "acme.rest"
        settings = {"token": "a-token-of-tests"}
        cases = (
            Case(
                "accepted",
                calls.Send(Sms(to="+8613800000001", text="Your code is 1439")),
                asked=Asked.json("/messages", {"to": ["+8613800000001"], "text": "Your code is 1439"}),
                reply=Reply(body=b'{"id": "a-17"}'),
                outcome=Accepted(task_id="a-17"),
            ),
            ...
        )

The transport works in a real ``Notifier`` and talks over real sockets to a gateway on loopback that answers what the
table says. Beside the table the suite proves what nobody remembers: each failure of the network gets its verdict and
causes no second request; nothing leaves this machine; no secret, text or whole phone number stands in a log, a repr, an
error or a recorded reply; connections are closed; time comes from ``http.now()``; threads do not mix messages up;
replies are read by content. Time stands still at ``clock``; ``secrets`` and ``uuid.uuid4`` give zeros, so that each
request can be written down. Numbers, texts and secrets of the table are invented ones.
"""

from __future__ import annotations

import gc
import inspect
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from notify_core import hookspecs
from notify_core.errors import ConfigError, InvalidMessage, SendError, Sent
from notify_core.messages import Accepted, Message
from notify_core.notifier import Notifier
from notify_core.plugins import assemble
from notify_core.testing import calls, outcomes, sandbox
from notify_core.testing.cases import Asked, Case
from notify_core.testing.disguises import DISGUISES, Disguise
from notify_core.testing.privacy import SHORTEST, hidden
from notify_core.testing.rig import Rig, rigged
from notify_core.testing.script import ScriptedGateway
from notify_core.testing.subject import ACCOUNT, Subject
from notify_core.testing.troubles import TROUBLES, Trouble, garbled
from notify_core.testing.variations import ELSEWHERE, elsewhere, essence, numbered, said, varied
from notify_core.testing.watch import WallClock

__all__ = ["Asked", "Case", "TransportContract"]

_THREADS = 16
_NOWHERE = "http://127.0.0.1:1"
_OPERATIONS = frozenset({"send", "balance", "status", "inbound", "push", "change_password"})
_CREDENTIAL = re.compile(
    r"(?:^|[._])(?:password|passwd|pwd|secret|token|credentials?|(?:api|app|access|private)?_?key)$"
)


class TransportContract:
    """What a transport must prove. Subclass it under a name that begins with ``Test``, and supply its attributes."""

    transport: ClassVar[str] = ""
    """The transport's name: ``provider.dialect``."""
    module: ClassVar[str] = ""
    """The dotted name of its module, where it is not installed as an entry point."""
    settings: ClassVar[Mapping[str, Any]] = {}
    """The account's settings as in the YAML, without ``provider`` and ``base_url``."""
    cases: ClassVar[Sequence[Case]] = ()
    """What it does. Every operation that it has needs a case that succeeds; sending needs one that is refused too."""
    clock: ClassVar[datetime] = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
    """The time that ``http.now()`` gives: stamps in ``asked`` are made from it."""
    sandbox_account: ClassVar[Mapping[str, Any]] = {}
    """The account that ``POST /sandbox/accounts`` makes, where the hook ``sandbox`` needs one for ``settings``."""

    _subject: ClassVar[Subject]

    def __init_subclass__(cls) -> None:
        cls._subject = Subject(cls.transport, cls.module, cls.settings, cls.cases)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test of each row of the table, and of each trouble and disguise that a row can meet."""
        rows: dict[tuple[str, ...], Callable[[], list[Any]]] = {
            ("row",): self._all,
            ("sample",): self._one_of_each,
            ("case", "disguise"): self._disguised,
            ("case", "trouble"): self._troubled,
        }
        for names, made in rows.items():
            if set(names) <= set(metafunc.fixturenames):
                metafunc.parametrize(names, made())

    # --- the plugin and its settings ---------------------------------------------------------------------------------

    def test_every_hook_is_known(self) -> None:
        """The plugin implements hooks that are specified, and marks each of them."""
        assemble({self.transport: self._subject.plugin})
        known = {name for name, hook in vars(hookspecs).items() if hasattr(hook, "notify_spec")}
        functions = inspect.getmembers(self._subject.plugin, inspect.isfunction)
        unmarked = [name for name, function in functions if name in known and not hasattr(function, "notify_impl")]
        assert not unmarked, f"{unmarked} have the names of hooks and are ignored: mark them with @hookimpl"

    def test_it_can_do_something(self) -> None:
        """The plugin has settings and a capability, and says which kinds of message it sends."""
        hooks = self._subject.hooks
        assert "settings" in hooks, "implement the hook `settings`: the account's model"
        assert hooks & _OPERATIONS, "implement at least one of send, balance, status, inbound, push, change_password"
        assert ("carries" in hooks) == ("send" in hooks), (
            "`send` and `carries` belong together: carries says which kinds of message send takes"
        )

    def test_every_setting_is_documented(self) -> None:
        """Each setting says what it is for: errors, the generated reference and editors show it."""
        silent = [name for name, field in self._subject.fields() if not field.description]
        assert not silent, f"{silent} have no description: write a docstring below each field"

    def test_an_unknown_setting_is_refused(self) -> None:
        """A misspelt setting is a fault that names it, and shows no secret."""
        configuration = self._subject.configuration(_NOWHERE, no_such_setting="x")
        with pytest.raises(ConfigError) as caught:
            Notifier.from_mapping(configuration)
        assert f"accounts.{ACCOUNT}.no_such_setting" in str(caught.value), (
            f"the model of settings must refuse unknown keys (subclass AccountSettings); found: {caught.value}"
        )
        assert not self._subject.privacy.exposed(str(caught.value)), "the error for a bad setting shows a secret"

    def test_credentials_are_secret(self) -> None:
        """Every credential is a ``SecretStr`` that ``settings.secrets()`` gives to the core for redaction."""
        fields = self._subject.fields()
        bare = [name for name, field in fields if field.annotation is str and _CREDENTIAL.search(name)]
        assert not bare, f"{bare} look like credentials: declare them as SecretStr, or rename them"
        secrets = self._subject.account.secrets()
        missing = [secret for secret in hidden(self._subject.account) if secret not in secrets]
        assert not missing, "settings.secrets() leaves out a SecretStr of the model: give all of them"
        short = [secret for secret in secrets if 0 < len(secret) < SHORTEST]
        assert not short, f"give secrets of {SHORTEST} characters or more in `settings`: shorter ones cannot be traced"

    # --- the table ---------------------------------------------------------------------------------------------------

    def test_every_capability_has_a_case(self) -> None:
        """The table shows each operation that the plugin implements at work, and none that it does not."""
        shown = {case.call.hook for case in self.cases}
        asked = self._subject.hooks & _OPERATIONS
        assert shown <= asked, f"cases call hooks that the plugin does not implement: {sorted(shown - asked)}"
        done = {case.call.hook for case in self.cases if case.succeeds}
        assert asked <= done, f"give a case that succeeds for each of: {sorted(asked - done)}"
        refused = any(isinstance(case.outcome, SendError) for case in self.cases if case.call.hook == "send")
        assert refused or "send" not in asked, "give a case in which the gateway refuses to send: outcome=SendError(…)"
        invalid = any(isinstance(case.outcome, InvalidMessage) for case in self.cases)
        assert invalid or "check" not in self._subject.hooks, (
            "give a case that `check` refuses: outcome=InvalidMessage(…)"
        )

    def test_every_kind_of_message_is_sent(self) -> None:
        """The table shows a message of each kind that the plugin carries being accepted."""
        sent = {message.kind for _, message in self._sending}
        carried = set(self._subject.plugin.carries()) if "carries" in self._subject.hooks else set()
        assert carried <= sent, f"give a case that is accepted for each kind of message: {sorted(carried - sent)}"

    def test_a_submission_is_one_request(self) -> None:
        """Sending asks the gateway once: whatever is asked before it could fail, and whatever after could repeat it."""
        many = [case.label for case in self.cases if case.call.hook == "send" and len(case.requests) > 1]
        assert not many, f"cases that send by more than one request: {many}"

    def test_case(self, row: Case) -> None:
        """The transport asks what the table says, uses every reply, and the outcome is the one in the table."""
        with ScriptedGateway(*row.replies) as gateway, self._rig(gateway.url) as rig:
            found = rig.outcome(row.call)
        _fail_on(row.difference_of_requests(gateway.requests) or row.difference(found) or outcomes.malformed(found))
        assert rig.asked == len(gateway.requests), "a request went round the `http` that the hook was handed: use that"

    def test_a_reply_is_read_by_its_content(self, case: Case, disguise: Disguise) -> None:
        """A reply means the same under another Content-Type, without one, and after a byte order mark."""
        replies = [disguise.put_on(reply) for reply in case.replies]
        with ScriptedGateway(*replies) as gateway, self._rig(gateway.url) as rig:
            found = rig.outcome(case.call)
        _fail_on(case.difference(found), f"a reply {disguise.label}")

    # --- what goes wrong ---------------------------------------------------------------------------------------------

    def test_trouble(self, case: Case, trouble: Trouble) -> None:
        """What goes wrong in an exchange gets its verdict, causes no second request, and gives nothing away."""
        with trouble.gateway(case.replies) as gateway, self._rig(gateway.url, **trouble.settings) as rig:
            error = _failure(rig, case)
        assert error.sent is trouble.sent, f"expected sent={trouble.sent}, found {error!r}"
        assert len(gateway.requests) <= 1, f"{len(gateway.requests)} requests: a hook never asks again"
        if trouble.unreadable and case.call.hook in ("status", "inbound"):
            _fail_on(outcomes.lost(error, gateway.answered[-1].body))

    def test_an_unreadable_push_is_refused(self) -> None:
        """A push that means nothing raises ``UnreadableReply``, so that the receiver keeps it and asks for it again."""
        pushes = [case.call.request for case in self._samples if isinstance(case.call, calls.Push)]
        for push in [replace(good, body=body) for good in pushes for body in garbled(good.body)]:
            with self._rig(_NOWHERE) as rig:
                found = rig.outcome(calls.Push(push))
            _fail_on(outcomes.lost(found, push.body), f"a push of {push.body[:40]!r}")

    def test_a_push_is_answered(self) -> None:
        """The provider is told one word when its push is stored and another when it should push again."""
        if "push" not in self._subject.hooks:
            pytest.skip("the transport has no push")
        with self._rig(_NOWHERE) as rig:
            push = rig.path.push()
        assert push.stored != push.again, "Push.stored and Push.again are the same: the provider cannot tell"

    # --- time, threads, connections ----------------------------------------------------------------------------------

    def test_the_same_call_makes_the_same_request(self, sample: Case) -> None:
        """At the same time the same call makes the same bytes, whatever zone its times are written in."""
        first = self._requests(sample, self.clock)
        assert first == self._requests(sample, self.clock), (
            "two equal calls made different requests: what is random? (take a nonce from secrets or uuid4, fixed here)"
        )
        moved = replace(sample, call=elsewhere(sample.call))
        assert first == self._requests(moved, self.clock.astimezone(ELSEWHERE)), (
            "the same instant in another zone made another request: use time.astimezone(zone of the gateway)"
        )

    def test_time_comes_from_the_core(self, sample: Case) -> None:
        """The transport asks ``http.now()`` for the time, so that tests and replays can fix it."""
        with (
            ScriptedGateway(*sample.replies) as gateway,
            self._rig(gateway.url) as rig,
            WallClock(self._subject.package) as clock,
        ):
            rig.outcome(sample.call)
        assert not clock.readings, f"the wall clock is read in {clock.readings}: use http.now()"

    def test_threads_do_not_mix_messages_up(self) -> None:
        """Messages sent at once from many threads make the requests that they make alone, and get their own replies."""
        for case, message in self._sending:
            sends = [calls.Send(varied(message, number)) for number in range(_THREADS)]
            with ScriptedGateway(*[numbered(case)] * _THREADS * 2) as gateway, self._rig(gateway.url) as rig:
                alone = [_task_id(rig.outcome(send)) for send in sends]
                with _eager_switching(), ThreadPoolExecutor(_THREADS) as threads:
                    together = list(threads.map(lambda send: _task_id(rig.outcome(send)), sends))
            requests = [request.query.encode() + request.body for request in gateway.requests]
            assert len(set(requests[:_THREADS])) == _THREADS, "different messages made the same request"
            assert sorted(requests[:_THREADS]) == sorted(requests[_THREADS:]), "threads changed each other's requests"
            assert alone == together, "a thread got the reply to another thread's message"

    def test_connections_are_closed(self) -> None:
        """Once the notifier is closed, no connection is left to the garbage collector."""
        with _own_garbage(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            self._ask_everything()
            gc.collect()
        left = [str(warning.message) for warning in caught if issubclass(warning.category, ResourceWarning)]
        assert not left, f"left open: {left}: close what a hook opens"

    # --- the provider's side -----------------------------------------------------------------------------------------

    def test_its_sandbox_understands_it(self) -> None:
        """The provider's side that the plugin brings accepts what the transport sends, and decodes it."""
        if "sandbox" not in self._subject.hooks:
            pytest.skip("the transport brings no sandbox")
        for case, message in self._sending:
            with sandbox(transports={self.transport: self._subject.plugin}, clock=lambda: self.clock) as gateway:
                if self.sandbox_account:
                    gateway.account(**self.sandbox_account)
                with self._rig(gateway.url) as rig:
                    found, sent = rig.outcome(case.call), rig.path.worded(message)
            hint = "set sandbox_account to what makes the account of `settings`"
            assert isinstance(found, Accepted), f"the sandbox did not accept {case.label!r} ({found!r}): {hint}"
            received = [(len(each["to"]), each.get("text", each.get("subject"))) for each in gateway.received]
            assert received == [(len(sent.to), said(sent))], "the sandbox decoded another message than was sent"

    # --- what the tests stand on -------------------------------------------------------------------------------------

    @property
    def _samples(self) -> list[Case]:
        """The first case of each hook that succeeds."""
        found: dict[str, Case] = {}
        for case in self.cases:
            if case.succeeds:
                found.setdefault(case.call.hook, case)
        return list(found.values())

    @property
    def _asking(self) -> list[Case]:
        """The samples that ask the gateway for something."""
        return [case for case in self._samples if case.requests]

    @property
    def _sending(self) -> list[tuple[Case, Message]]:
        """The first case of each kind of message that is accepted, with its message."""
        found: dict[str, tuple[Case, Message]] = {}
        for case in self.cases:
            if isinstance(case.call, calls.Send) and isinstance(case.outcome, Accepted):
                found.setdefault(case.call.message.kind, (case, case.call.message))
        return list(found.values())

    def _all(self) -> list[Any]:
        return [pytest.param(case, id=case.label) for case in self.cases]

    def _one_of_each(self) -> list[Any]:
        return [pytest.param(case, id=case.call.hook) for case in self._samples]

    def _disguised(self) -> list[Any]:
        pairs = [(c, d) for c in self.cases for d in DISGUISES if c.replies and all(map(d.fits, c.replies))]
        return [pytest.param(case, disguise, id=f"{case.label}-{disguise.label}") for case, disguise in pairs]

    def _troubled(self) -> list[Any]:
        pairs = [(case, trouble) for case in self._asking for trouble in TROUBLES if trouble.spoils(case.replies[0])]
        met = [(c, t) for c, t in pairs if not t.once or c is self._asking[0]]
        return [pytest.param(case, trouble, id=f"{case.call.hook}-{trouble.label}") for case, trouble in met]

    def _rig(self, url: str, **settings: Any) -> AbstractContextManager[Rig]:
        return rigged(self._subject, url, self.clock, **settings)

    def _ask_everything(self) -> None:
        for case in self._asking:
            with ScriptedGateway(*case.replies) as gateway, self._rig(gateway.url) as rig:
                rig.outcome(case.call)

    def _requests(self, case: Case, clock: datetime) -> list[object]:
        """The requests of a case at a time, as far as they do not depend on the gateway's address."""
        with (
            ScriptedGateway(*case.replies) as gateway,
            rigged(self._subject, gateway.url, clock) as rig,
        ):
            rig.outcome(case.call)
        return [essence(request) for request in gateway.requests]


def _fail_on(problem: str, place: str = "") -> None:
    """Fail the test with the problem in words, if there is one: a traceback into this module helps nobody."""
    if problem:
        pytest.fail(f"{place}: {problem}" if place else problem, pytrace=False)


def _failure(rig: Rig, case: Case) -> SendError:
    """The error of a case that must fail: of a message by the door for applications, which says the state too."""
    if not isinstance(case.call, calls.Send):
        error = rig.outcome(case.call)
    else:
        result = rig.send(case.call.message)
        error = result.error
        doubt = isinstance(error, SendError) and error.sent is Sent.UNKNOWN
        assert result.in_doubt == doubt, f"the result contradicts its error: {result!r}"
    if not isinstance(error, SendError):
        pytest.fail(f"expected an error, found {error!r}: raise UnreadableReply for what means nothing", pytrace=False)
    return error


def _task_id(found: object) -> str:
    assert isinstance(found, Accepted), f"a message like the case's was not accepted: {found!r}"
    return found.task_id


@contextmanager
def _eager_switching() -> Iterator[None]:
    """Let threads take turns every few bytecodes, so that what they share shows."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


@contextmanager
def _own_garbage() -> Iterator[None]:
    """Keep what is there already, garbage of others included, from the collector: it finds what is made within."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()

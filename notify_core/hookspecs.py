"""The whole contract between the core and its plugins, on one page.

A transport is a module of plain functions marked ``@hookimpl``, published as an entry point of the group ``notify``
under ``provider.dialect`` (or named under ``transports:`` in the YAML). What it implements is what it can do. An
implementation may take fewer arguments than its specification has. ``settings`` is the account, validated by the model;
``http`` is the account's session. Every hook but the events speaks for one path at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from notify_core.events import Credit, FailedOver, InDoubt
    from notify_core.exchange import Endpoint, Gateway, Http
    from notify_core.messages import Accepted, Balance, Inbound, Message, Push, Report, Submission
    from notify_core.results import Attempt, Delivery, Result
    from notify_core.settings import AccountSettings

hookspec = pluggy.HookspecMarker("notify")
hookimpl = pluggy.HookimplMarker("notify")


@hookspec(firstresult=True)
def settings() -> type[AccountSettings]:  # type: ignore[empty-body]
    """The model of an account: one for all the transports of a provider. Everything about a setting derives from it."""


@hookspec(firstresult=True)
def carries() -> frozenset[str]:  # type: ignore[empty-body]
    """The kinds of message that the transport carries, such as ``{"sms"}``."""


@hookspec(firstresult=True)
def bind(settings: Any) -> object:
    """Called once for each path, when the configuration is read or, where no route uses the path, before its first use.

    Check and load what sending would otherwise do each time. Raise ``ValueError`` for what cannot work: it becomes a
    fault of the configuration. The return value is ignored.
    """


@hookspec(firstresult=True)
def check(settings: Any, message: Message) -> object:
    """Raise ``InvalidMessage`` for a message that this dialect cannot express; the path is then passed over.

    Called before anything is sent. The return value is ignored.
    """


@hookspec(firstresult=True)
def send(settings: Any, http: Http, submission: Submission) -> Accepted:  # type: ignore[empty-body]
    """Submit ``submission.message`` in one request and say what the gateway took; raise ``SendError`` where it did not.

    A wrapper may set ``submission.message`` to another message for the same recipients, or veto by raising before it
    yields. What it raises after the gateway answered is logged and changes nothing.
    """


@hookspec(firstresult=True)
def balance(settings: Any, http: Http) -> Balance:  # type: ignore[empty-body]
    """Ask what credit is left."""


@hookspec(firstresult=True)
def status(settings: Any, http: Http, task_id: str) -> list[Report]:  # type: ignore[empty-body]
    """Pull delivery reports; ``task_id`` restricts them to one submission, empty takes all that are waiting.

    Ask through ``http`` only: the core keeps what it answered, so that nothing that is handed out once is lost.
    """


@hookspec(firstresult=True)
def inbound(settings: Any, http: Http) -> list[Inbound]:  # type: ignore[empty-body]
    """Pull inbound messages. Ask through ``http`` only, as with ``status``."""


@hookspec(firstresult=True)
def push(settings: Any) -> Push:  # type: ignore[empty-body]
    """How to read what the provider posts to us, and the words that answer it."""


@hookspec(firstresult=True)
def change_password(settings: Any, http: Http, new_password: str) -> object:
    """Change the account's password at the provider. The return value is ignored."""


@hookspec
def sandbox(gateway: Gateway) -> Mapping[str, Endpoint]:  # type: ignore[empty-body]
    """The provider's side of the dialect for the local gateway: each address (``/sms.aspx``) and what answers it."""


@hookspec
def sent(result: Result) -> None:
    """A send came to its end, whatever the end was."""


@hookspec
def attempted(route: str, attempt: Attempt) -> None:
    """One submission of a send came to its end: accepted, refused or in doubt. A long list of recipients has many."""


@hookspec
def failed_over(event: FailedOver) -> None:
    """A message is about to leave by another path than the one before it in the route."""


@hookspec
def in_doubt(event: InDoubt) -> None:
    """A submission may or may not have been accepted; nobody sends it again unless the route says so."""


@hookspec
def reported(account: str, report: Report, delivery: Delivery | None) -> None:
    """A delivery report arrived, and ``delivery`` is what it is about, where that is known.

    With a store it is told by a worker at least once, in order for each recipient; one that raises is told again.
    """


@hookspec
def received(account: str, inbound: Inbound) -> None:
    """A message from a subscriber arrived. With a store it is told as reports are."""


@hookspec
def balance_low(event: Credit) -> None:
    """The credit of an account fell below what its settings call low. Told once until it recovers."""


@hookspec
def balance_recovered(event: Credit) -> None:
    """The credit of an account that was low is so no more."""

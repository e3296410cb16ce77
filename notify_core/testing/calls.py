"""What a case of the contract suite asks of a transport: one value per hook.

Import the module, not its names: ``calls.Send(message)`` reads as what it is, and ``calls.Balance()`` is not the
``Balance`` that it answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from notify_core import messages
from notify_core.exchange import Request
from notify_core.transports import Path


class Call(Protocol):
    """One operation of a path, ready to be made."""

    hook: ClassVar[str]
    """The hook that it exercises."""

    def make(self, path: Path) -> object:
        """Make it, and return what the core gets. Raises what the core raises."""


@dataclass(frozen=True, slots=True)
class Send:
    """One submission of ``message``, whose numbers are E.164. It comes to an ``Accepted``."""

    hook: ClassVar[str] = "send"
    message: messages.Message

    def make(self, path: Path) -> messages.Accepted:
        """Check and submit it in the words of the account."""
        worded = path.worded(self.message.addressed(""))
        path.check(worded)
        return path.submit(worded)


@dataclass(frozen=True, slots=True)
class Balance:
    """The credit that is left. It comes to a ``messages.Balance``."""

    hook: ClassVar[str] = "balance"

    def make(self, path: Path) -> messages.Balance:
        """Ask for it."""
        return path.balance()


@dataclass(frozen=True, slots=True)
class Status:
    """The delivery reports that are waiting, or those of one submission. It comes to a list of ``Report``."""

    hook: ClassVar[str] = "status"
    task_id: str = ""

    def make(self, path: Path) -> list[messages.Report]:
        """Pull them."""
        return path.reports(self.task_id)


@dataclass(frozen=True, slots=True)
class Inbound:
    """The messages from subscribers that are waiting. It comes to a list of ``messages.Inbound``."""

    hook: ClassVar[str] = "inbound"

    def make(self, path: Path) -> list[messages.Inbound]:
        """Pull them."""
        return path.inbound()


@dataclass(frozen=True, slots=True)
class Push:
    """What the provider posts to us. It comes to a list of ``Report`` and ``messages.Inbound``."""

    hook: ClassVar[str] = "push"
    request: Request

    @classmethod
    def body(cls, body: bytes, content_type: str = "") -> Push:
        """A push with this body; where it is posted to and by which method is the receiver's affair."""
        headers = {"content-type": content_type} if content_type else {}
        return cls(Request("POST", "/push", headers=headers, body=body))

    def make(self, path: Path) -> list[messages.Report | messages.Inbound]:
        """Decode it."""
        return path.push().decode(self.request)


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """A new password for the account. It comes to None."""

    hook: ClassVar[str] = "change_password"
    new_password: str = field(repr=False)

    def make(self, path: Path) -> None:
        """Change it."""
        path.change_password(self.new_password)

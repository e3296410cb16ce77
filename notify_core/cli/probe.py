"""Asking accounts and paths for their balance: what they answer, how long it takes, or what is wrong."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notify_core.cli import exits, terminal
from notify_core.cli.tables import Table
from notify_core.errors import ConfigError, NotifyError, SendError, Unsupported

if TYPE_CHECKING:
    from notify_core.messages import Balance
    from notify_core.notifier import Notifier


@dataclass(frozen=True, slots=True)
class Probe:
    """What an account or path answered within ``seconds``: its balance, or why there is none."""

    name: str
    seconds: float
    balance: Balance | None = None
    problem: NotifyError | None = None

    @property
    def failed(self) -> bool:
        """Whether the gateway should have answered, and did not, or could not be asked at all."""
        return isinstance(self.problem, SendError | ConfigError)

    def row(self) -> tuple[str, ...]:
        """The probe as a line of a table."""
        took = f"{self.seconds:.2f} s"
        if self.balance is not None:
            paid = {None: "", True: "prepaid", False: "postpaid"}[self.balance.prepaid]
            total = self.balance.sent_total
            return (self.name, f"{self.balance.units:,f}", paid, "" if total is None else f"{total:,}", took, "")
        if isinstance(self.problem, SendError):
            return (self.name, "", "", "", took, exits.advised(self.problem))
        return (self.name, "", "", "", "", str(self.problem))

    def document(self) -> dict[str, object]:
        """The probe as ``--json`` tells it."""
        facts = {fact: getattr(self.balance, fact, None) for fact in ("units", "prepaid", "sent_total")}
        error = self.problem and exits.document(self.problem)
        return {"name": self.name, **facts, "seconds": round(self.seconds, 6), "error": error}


def probe(notifier: Notifier, names: Iterable[str]) -> list[Probe]:
    """Ask each of these accounts or paths in turn. Raises ``InvalidMessage`` for a name that is unknown."""
    found = []
    for name in names:
        with terminal.busy(f"asking {name}"):
            found.append(_probe(notifier, name))
    return found


def table(heading: str, probes: Iterable[Probe]) -> Table:
    """What was answered, one a line; ``heading`` says what was asked."""
    columns = (heading, "credit", "paid", "sent so far", "took", "problem")
    return Table(columns, [each.row() for each in probes])


def _probe(notifier: Notifier, name: str) -> Probe:
    started = time.perf_counter()
    try:
        balance = notifier.balance(name)
    except (SendError, Unsupported, ConfigError) as error:
        return Probe(name, time.perf_counter() - started, problem=error)
    return Probe(name, time.perf_counter() - started, balance)

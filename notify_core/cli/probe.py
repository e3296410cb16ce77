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
    """What an account or path answered within ``seconds``: its balance, or why there is none.

    ``low`` says whether that is low by the account's settings, ``days`` how long it lasts, where a store knows it.
    """

    name: str
    seconds: float
    balance: Balance | None = None
    problem: NotifyError | None = None
    low: bool = False
    days: float | None = None

    @property
    def failed(self) -> bool:
        """Whether the gateway should have answered, and did not, or could not be asked at all."""
        return isinstance(self.problem, SendError | ConfigError)

    def row(self) -> tuple[str, ...]:
        """The probe as a line of a table."""
        took = f"{self.seconds:.2f} s"
        if self.balance is not None:
            paid = {None: "", True: "prepaid", False: "postpaid"}[self.balance.prepaid]
            total = "" if self.balance.sent_total is None else f"{self.balance.sent_total:,}"
            low, lasts = "low" if self.low else "", "" if self.days is None else f"{self.days:,.1f} days"
            return (self.name, f"{self.balance.units:,f}", low, lasts, paid, total, took, "")
        if isinstance(self.problem, SendError):
            return (self.name, *[""] * 5, took, exits.advised(self.problem))
        return (self.name, *[""] * 6, str(self.problem))

    def document(self) -> dict[str, object]:
        """The probe as ``--json`` tells it."""
        facts = {fact: getattr(self.balance, fact, None) for fact in ("units", "prepaid", "sent_total")}
        facts |= {"low": self.low, "days": self.days} if self.balance else {}
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
    columns = (heading, "credit", "", "lasts", "paid", "sent so far", "took", "problem")
    return Table(columns, [each.row() for each in probes])


def _probe(notifier: Notifier, name: str) -> Probe:
    started = time.perf_counter()
    try:
        balance = notifier.balance(name)
    except (SendError, Unsupported, ConfigError) as error:
        return Probe(name, time.perf_counter() - started, problem=error)
    purse = notifier.paths.able(name, "balance").purse
    return Probe(name, time.perf_counter() - started, balance, low=purse.runs_low, days=purse.days)

"""What an account has waiting: recipients without a report, reports and inbound messages that nobody has fetched."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Sent:
    """One recipient of an accepted submission, until a report tells what became of it."""

    mobile: str = field(repr=False)
    task_id: str


@dataclass(frozen=True, slots=True)
class Report:
    """A delivery report: ``status`` 10 (delivered) or 20 (failed), ``code`` the carrier's word, ``at`` as written."""

    mobile: str = field(repr=False)
    task_id: str
    status: int
    code: str
    at: str


@dataclass(frozen=True, slots=True)
class Inbound:
    """A subscriber's message to the sender's number with ``extension``; ``at`` as written."""

    mobile: str = field(repr=False)
    task_id: str
    text: str = field(repr=False)
    at: str
    extension: str


@dataclass(slots=True)
class Mailbox:
    """The three boxes of an account. What is taken out is gone (gateway.md, part 2, trap 2)."""

    sent: deque[Sent] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    reports: list[Report] = field(default_factory=list)
    inbound: list[Inbound] = field(default_factory=list)

    def remember(self, task_id: str, mobiles: Iterable[str]) -> None:
        """Note recipients for later reports; the oldest of more than 100,000 are forgotten."""
        self.sent.extend(Sent(mobile, task_id) for mobile in mobiles)

    def settle(self, meant: Callable[[Sent], bool], status: int, code: str, at: str) -> int:
        """Make a report for each recipient that is ``meant``; how many those were."""
        settled = [sent for sent in self.sent if meant(sent)]
        self.sent = deque((sent for sent in self.sent if not meant(sent)), self.sent.maxlen)
        self.reports += [Report(sent.mobile, sent.task_id, status, code, at) for sent in settled]
        return len(settled)

    def take_reports(self, most: int, task_id: str = "") -> list[Report]:
        """Hand out reports, the oldest first; ``task_id`` restricts them to one submission."""
        matching = [report for report in self.reports if task_id in ("", report.task_id)]
        taken = matching[:most]
        handed = set(map(id, taken))
        self.reports = [report for report in self.reports if id(report) not in handed]
        return taken

    def take_inbound(self) -> list[Inbound]:
        """Hand out all inbound messages."""
        taken, self.inbound = self.inbound, []
        return taken

"""Which delivery a report is about: by the gateway's task id and the number, or, for one in doubt, by what fits it.

A report that fits nothing yet is parked. It is looked at again, for its submission may be recorded after it came, and
a submission in doubt has no task id at all until its report names one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Row

from notify_core.errors import Sent
from notify_core.names import account_of
from notify_core.states import MOVES, State
from notify_core.store import notices, statements
from notify_core.store.database import reserve

PATIENCE = 60.0
"""Seconds for which a report stays parked before it may resolve a doubt: what it is about may be recorded by then."""
_BEFORE, _AFTER = 120.0, 3 * 86400.0
"""How long before its submission a report may be dated, for clocks differ, and how long after it one may come."""
_LOCK = 1852797027
"""PostgreSQL's advisory lock for whoever resolves doubts: what fits must not change meanwhile."""
LAPSED = "lapsed"
"""The code of submissions that are known only from reports: the worker that made them died before it recorded them."""


@dataclass(frozen=True, slots=True)
class Match:
    """A parked report (its id) with the delivery that it is about."""

    report: int
    account: str
    recipient: str
    state: State
    code: str
    delivery: int


def of_tasks(connection: Connection, account: str, tasks: Collection[str]) -> list[Match]:
    """The parked reports about these submissions whose deliveries are known, in the order in which they came."""
    return _matches(connection, statements.PARKED_OF_TASKS, {"account_name": account, "tasks": [*tasks]})


def lately(connection: Connection, since: float) -> list[Match]:
    """The same for all reports that were received since then."""
    return _matches(connection, statements.PARKED_SINCE, {"since": since})


def _matches(connection: Connection, statement: Any, facts: Mapping[str, Any]) -> list[Match]:
    """Where a gateway used a task id again, the latest submission that went to the number counts."""
    rows = [row for row in connection.execute(statement, facts) if row.delivery is not None]
    latest = {row.id: row for row in sorted(rows, key=attrgetter("id", "submission"))}
    return [
        Match(row.id, row.account, row.recipient, State(row.state), row.code, row.delivery) for row in latest.values()
    ]


def settle(connection: Connection, now: float, matches: Sequence[Match]) -> int:
    """Write down which delivery each report is about, and move those that may move: how many did.

    A report that would take its delivery backwards, or tells nothing new, changes nothing and is kept.
    """
    if not matches:
        return 0
    statements.ASSIGN.run(connection, [{"report": each.report, "delivery": each.delivery} for each in matches])
    deliveries = sorted({each.delivery for each in matches})
    states = {row.id: State(row.state) for row in connection.execute(statements.STATES, {"deliveries": deliveries})}
    moves: dict[int, Match] = {}
    for each in matches:
        if each.delivery in states and each.state in MOVES[states[each.delivery]]:
            states[each.delivery] = each.state
            moves[each.delivery] = each
    _move(connection, now, moves)
    return len(moves)


def _move(connection: Connection, now: float, moves: Mapping[int, Match]) -> None:
    by_state: dict[State, list[dict[str, Any]]] = defaultdict(list)
    for number, match in sorted(moves.items()):
        by_state[match.state].append({"delivery": number, "code": match.code, "now": now})
    for state, rows in by_state.items():
        statements.REPORT[state].run(connection, rows)


def hasten(connection: Connection, now: float, matches: Iterable[Match]) -> None:
    """Let the application be told now of reports that were parked."""
    notices.hasten(connection, now, [(each.report, each.account, each.recipient) for each in matches])


# --- doubt


@dataclass(frozen=True, slots=True)
class _Fit:
    """A parked report that a delivery in doubt fits by account, number and time.

    ``submission`` is the request that is in doubt, None where the worker died before it recorded one.
    """

    account: str
    recipient: str
    task_id: str
    delivery: int
    submission: int | None
    path: str
    started: float

    @property
    def place(self) -> tuple[str, str]:
        """What the gateway calls the submission that the report is about, with its account."""
        return (self.account, self.task_id)

    @property
    def unit(self) -> tuple[str, int]:
        """What the gateway took or not: the request, or where none is known the delivery by itself."""
        return ("delivery", self.delivery) if self.submission is None else ("submission", self.submission)


def resolve(connection: Connection, now: float) -> list[tuple[str, str]]:
    """Give submissions in doubt the task ids that reports name, where no other reading fits: (account, task id)."""
    fits = _fits(connection, now)
    if not fits:
        return []
    # Before the known task ids are read: what is recorded in between is then either on its way or known.
    busy = _on_their_way(connection, {fit.recipient for fit in fits})
    known = _known(connection, {fit.task_id for fit in fits})
    chosen = _unambiguous(
        fit
        for fit in fits
        if not busy & {(fit.account, fit.recipient), ("", fit.recipient)}
        and (fit.place not in known or _joins(fit, known))
    )
    _name(connection, chosen, known)
    return [fit.place for fit in chosen]


def _fits(connection: Connection, now: float) -> list[_Fit]:
    facts = {"before": now - PATIENCE, "early": _BEFORE, "late": _AFTER}
    rows = connection.execute(statements.FITS, facts).all()
    return [_fit(row) for row in rows if account_of(row.path) == row.account]


def _fit(row: Row[*tuple[Any, ...]]) -> _Fit:
    return _Fit(row.account, row.recipient, row.task_id, row.delivery, row.submission, row.path, row.started)


def _on_their_way(connection: Connection, recipients: Collection[str]) -> set[tuple[str, str]]:
    """Accounts and numbers to which something is being sent: its task id may be the one that nobody knows."""
    rows = connection.execute(statements.SENDING_TO, {"recipients": [*recipients]})
    return {(account_of(row.path), row.recipient) for row in rows}


_Known = dict[tuple[str, str], tuple[int, bool]]
"""By account and task id the submission that has it, and whether it is known only from a report."""


def _known(connection: Connection, tasks: Collection[str]) -> _Known:
    rows = connection.execute(statements.TASKS, {"tasks": [*tasks]})
    return {(row.account, row.task_id): (row.id, row.code == LAPSED) for row in rows}


def _joins(fit: _Fit, known: _Known) -> bool:
    """Whether the delivery may be one of a submission that is known only from the reports of its other recipients."""
    return fit.submission is None and known[fit.place][1]


def _unambiguous(fits: Iterable[_Fit]) -> list[_Fit]:
    """Those where the report fits one request only, the request no other task id, and the task id no other request."""
    fits = list(fits)
    fitting: dict[tuple[str, str, str], set[tuple[str, int]]] = defaultdict(set)
    tasks: dict[tuple[str, int], set[str]] = defaultdict(set)
    requests: dict[tuple[str, str], set[int | None]] = defaultdict(set)
    for fit in fits:
        fitting[*fit.place, fit.recipient].add(fit.unit)
        tasks[fit.unit].add(fit.task_id)
        requests[fit.place].add(fit.submission)
    return [
        fit
        for fit in fits
        if len(fitting[*fit.place, fit.recipient]) == len(tasks[fit.unit]) == len(requests[fit.place]) == 1
    ]


def _name(connection: Connection, chosen: Iterable[_Fit], known: _Known) -> None:
    """Let each request have its task id; where none is recorded, one is, which all that reports name so join."""
    recorded: dict[int, str] = {}
    made: dict[tuple[str, str], dict[str, Any]] = {}
    joining: list[dict[str, Any]] = []
    for fit in chosen:
        if fit.submission is not None:
            recorded[fit.submission] = fit.task_id
            continue
        if fit.place not in known:
            known[fit.place] = (reserve(connection, 1)[0], True)
            made[fit.place] = _submission(known[fit.place][0], fit)
        joining.append({"delivery": fit.delivery, "submission": known[fit.place][0]})
    named = [{"submission": number, "task": task} for number, task in sorted(recorded.items())]
    statements.NAME_SUBMISSIONS.run(connection, named)
    statements.ADD_SUBMISSIONS.run(connection, list(made.values()))
    statements.JOIN_SUBMISSIONS.run(connection, joining)


def _submission(number: int, fit: _Fit) -> dict[str, Any]:
    """The row of a request that nobody recorded."""
    facts = {"id": number, "path": fit.path, "account": fit.account, "task_id": fit.task_id, "recipients": 1}
    verdict = {"state": State.IN_DOUBT.value, "sent": Sent.UNKNOWN.value, "scope": "", "retry": "", "code": LAPSED}
    words = "known from its report: the worker that made it stopped before it was recorded"
    return {**facts, **verdict, "description": words, "raw": "", "started": fit.started, "ended": fit.started}


# --- all of it


def outstanding(connection: Connection, now: float, within: float) -> bool:
    """Whether ``match`` may find something: asked first, because it locks nothing."""
    return bool(lately(connection, now - within) or _fits(connection, now))


def match(connection: Connection, now: float, within: float) -> int:
    """Look at parked reports again, and resolve doubts by them: how many found their delivery.

    Only those that were received ``within`` so many seconds are looked at for submissions recorded meanwhile.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(statements.LOCK, {"lock": _LOCK})
    found = lately(connection, now - within)
    tasks: dict[str, set[str]] = defaultdict(set)
    for account, task in resolve(connection, now):
        tasks[account].add(task)
    found += [each for account, named in tasks.items() for each in of_tasks(connection, account, named)]
    settle(connection, now, found)
    hasten(connection, now, found)
    return len(found)

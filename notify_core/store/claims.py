"""What workers do: claim deliveries, hold them while they are sent, and record what became of them.

Nothing is called between a claim and its commit but the caller's plan. What a worker has, it has for as long as its
lease is extended; then it is in doubt, and nobody sends it again. A claim's token is on every delivery that it took, so
that an outcome which is recorded twice, or too late, changes nothing that is not its own.
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row

from notify_core.errors import SendError, StoreError
from notify_core.messages import Message
from notify_core.names import account_of
from notify_core.results import Attempt, Delivery, Result
from notify_core.settings import Limit
from notify_core.states import State, origins
from notify_core.store import balances, bodies, slots, statements
from notify_core.store.database import reserve
from notify_core.store.outbox import Enqueued, Entry, Way, enqueue, note, ring
from notify_core.store.slots import Ledger, Rule
from notify_core.times import moment, shown


class LeaseLost(StoreError):
    """The worker did not extend its lease in time: what it had is in doubt. Send nothing more of it; enroll again."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A process (or a part of one) that sends, as ``enroll`` made it known. ``lease`` is in seconds."""

    id: int
    name: str
    lease: float
    uncertain: dict[int, State] = field(default_factory=dict, repr=False)
    """Tokens of claims whose commit was not confirmed, and what becomes of what they took, if anything."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Deliveries of one way and priority; ``wait`` is the seconds until the first of them is due, 0.0 if one is."""

    way: Way
    priority: int
    wait: float


@dataclass(frozen=True, slots=True)
class Intent:
    """A path by which a message may leave, with those of the account's limits that count its text."""

    path: str
    limits: tuple[Limit, ...] = ()

    @property
    def account(self) -> str:
        """The account of the path."""
        return account_of(self.path)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The limits as rules of the account."""
        return tuple(Rule.of(self.account, limit) for limit in self.limits)


Plan = Callable[[Message], Sequence[Intent]]
"""Told a message (to the first of its recipients), says by which paths it may leave, one for each account, in order.

It is called inside the claim's transaction, once for each distinct content: it must be quick, and not use the store.
"""

Wait = Callable[[str], float]
"""Told a recipient, says for how many seconds it is quiet there: 0.0 where it is not. Called as a plan is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Deliveries that say the same and leave by the same path: what may go out as one submission, or in several.

    ``deliveries`` maps each recipient of ``message`` to its delivery. ``attempts`` is how often each was tried before.
    ``left`` is the seconds from the claim until the first of them expires: none may leave after that.
    """

    token: int
    message: Message
    path: str
    deliveries: Mapping[str, int] = field(repr=False)
    attempts: int
    left: float | None

    def outcomes(self, result: Result, again: Callable[[Delivery], float | None]) -> list[Outcome]:
        """What ``result`` means for these deliveries, for ``record``.

        ``again`` is asked about each one that surely was not sent: the seconds after which it is tried again, or None.
        """
        tried = _attempts_by_recipient(result)
        groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for delivery in result.deliveries:
            after = again(delivery) if delivery.state is State.REJECTED else None
            group = (delivery.state, after, delivery.error, tried.get(delivery.recipient, ()))
            groups[group].append(self.deliveries[delivery.recipient])
        return [
            Outcome(
                token=self.token,
                deliveries=numbers,
                state=state if after is None else State.QUEUED,
                attempts=tuple(result.attempts[number] for number in attempts),
                error=error,
                after=after or 0.0,
            )
            for (state, after, error, attempts), numbers in groups.items()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a claim took, and what it did to those that it passed over.

    ``waits`` (direct sending only) are the recipients who are over a limit of every account, with the seconds after
    which they could go, and ``held_over`` their deliveries; a worker's are back in the queue, counted in ``deferred``
    with those for whom it is quiet.
    """

    token: int
    parcels: tuple[Parcel, ...] = ()
    expired: tuple[int, ...] = ()
    suppressed: tuple[int, ...] = ()
    deferred: int = 0
    waits: Mapping[str, float] = field(default_factory=dict, repr=False)
    held_over: Mapping[str, int] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of deliveries of one claim.

    ``state`` is ACCEPTED, REJECTED or IN_DOUBT, or QUEUED to be tried again in ``after`` seconds. ``attempts`` are the
    requests that were made for them, in order; one that they share with others is the same object there. ``error`` says
    why they were not accepted.
    """

    token: int
    deliveries: Sequence[int]
    state: State
    attempts: tuple[Attempt, ...] = ()
    error: SendError | None = None
    after: float = 0.0


# --- workers


def enroll(connection: Connection, now: float, name: str, lease: float) -> Worker:
    """Make a worker known."""
    worker = Worker(reserve(connection, 1)[0], name, lease)
    row = {"id": worker.id, "name": name, "started": now, "lease": now + lease}
    connection.execute(statements.ADD_WORKER, row)
    return worker


def heartbeat(connection: Connection, now: float, worker: Worker) -> None:
    """Extend the worker's lease. Raises ``LeaseLost``."""
    facts = {"worker_id": worker.id, "until": now + worker.lease, "now": now}
    if connection.execute(statements.EXTEND, facts).rowcount == 0:
        raise LeaseLost(f"the lease of worker {worker.name} lapsed: what it had is in doubt; enroll again")


def tidy(connection: Connection, now: float, uncertain: Iterable[tuple[int, State]]) -> None:
    """Undo claims of which nobody knows whether they were made: nothing of them was sent."""
    for token, state in uncertain:
        deliveries = connection.scalars(statements.UNSENT[state], {"token": token, "now": now}).all()
        slots.give_back(connection, deliveries)
        ring(connection)


def _check_alive(connection: Connection, now: float, worker: Worker) -> None:
    """Extend the lease where half of it is gone: sparingly, because threads that extend it wait for each other."""
    until = connection.scalar(statements.LEASE, {"worker_id": worker.id})
    if until is None or until - now < worker.lease / 2:
        heartbeat(connection, now, worker)


def retire(connection: Connection, worker: Worker) -> None:
    """The worker is gone. What it still has lapses at once."""
    connection.execute(statements.RETIRE, {"worker_id": worker.id})


def lapse(connection: Connection, now: float, most: int) -> list[int]:
    """End what workers had whose lease is over, ``most`` at a time: their ids.

    They are in doubt, for their requests may have left; those that had no path yet surely have not.
    """
    rows = connection.execute(statements.LAPSED, {"now": now, "most": most}).all()
    if rows:
        begun = [row for row in rows if row.path]
        _keep_beginnings(connection, begun)
        _lapsed(connection, now, State.IN_DOUBT, begun)
        _lapsed(connection, now, State.REJECTED, [row for row in rows if not row.path])
    connection.execute(statements.BURY, {"now": now})
    return [row.id for row in rows]


def _keep_beginnings(connection: Connection, rows: Iterable[Row[*tuple[Any, ...]]]) -> None:
    """Keep for the timeline since when they were being sent, and by which path: the provider is asked about that."""
    begun: dict[float, list[tuple[int, str, State]]] = defaultdict(list)
    for row in rows:
        begun[row.changed].append((row.id, row.path, State.SENDING))
    for at, facts in begun.items():
        note(connection, at, facts, "", "")


_LAPSED_WORDS = {
    State.IN_DOUBT: "the process that had it stopped while it was being sent: nobody knows whether it left",
    State.REJECTED: "the process that had it stopped before it was sent",
}


def _lapsed(connection: Connection, now: float, state: State, rows: Sequence[Row[*tuple[Any, ...]]]) -> None:
    if not rows:
        return
    deliveries, words = [row.id for row in rows], _LAPSED_WORDS[state]
    facts = {"deliveries": deliveries, "why": "lapsed", "words": words, "now": now}
    connection.execute(statements.MOVE[state], facts)
    note(connection, now, [(row.id, row.path, state) for row in rows], "lapsed", words)
    slots.spend(connection, now, deliveries)


# --- claiming


def lanes(connection: Connection, now: float) -> list[Lane]:
    """What is queued, by way and priority: the most urgent first, those of one priority by who waits longest."""
    rows = connection.execute(statements.LANES).all()
    ordered = sorted(rows, key=lambda row: (-row.priority, row.due))
    return [Lane(Way.parse(row.way), row.priority, max(0.0, row.due - now)) for row in ordered]


def new_token() -> int:
    """The token of a claim: made here and not by the database, so that it is known when a commit's answer is lost."""
    return secrets.randbits(62)


def claim(
    connection: Connection,
    now: float,
    worker: Worker,
    token: int,
    lane: Lane,
    most: int,
    plan: Plan,
    wait: Wait | None = None,
) -> Claim:
    """Take at most ``most`` due deliveries of ``lane``. Those over a limit, or for whom it is quiet, wait."""
    _check_alive(connection, now, worker)
    facts = {"way": str(lane.way), "priority": lane.priority, "now": now, "most": most}
    taking = _Taking(connection, now, connection.execute(statements.DUE, facts).all(), plan, wait)
    parcels = taking.send(worker, token)
    deferred, failed = taking.defer()
    return Claim(
        token=token,
        parcels=parcels,
        expired=(*taking.expired, *failed),
        suppressed=taking.suppressed,
        deferred=deferred,
    )


def begin(
    connection: Connection, now: float, worker: Worker, token: int, entry: Entry, plan: Plan
) -> tuple[Enqueued, Claim]:
    """Enqueue a message and claim it at once, for direct sending. Nothing is claimed where its key was used before."""
    _check_alive(connection, now, worker)
    enqueued = enqueue(connection, now, [entry])[0]
    if not enqueued.new:
        return enqueued, Claim(token=token)
    rows = connection.execute(statements.WAITING_OF, {"message": enqueued.message_id}).all()
    taking = _Taking(connection, now, rows, plan)
    parcels = taking.send(worker, token)
    taking.mark([over.delivery for over in taking.over], worker, token, "")
    return enqueued, Claim(
        token=token,
        parcels=parcels,
        expired=taking.expired,
        suppressed=taking.suppressed,
        waits={over.recipient: over.wait for over in taking.over},
        held_over={over.recipient: over.delivery for over in taking.over},
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """Deliveries of equal content that were tried equally often, by recipient; ``ends`` has those that expire."""

    content: Row[*tuple[Any, ...]]
    attempts: int
    deliveries: dict[str, int] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)
    options: list[tuple[Intent, tuple[Rule, ...]]] = field(default_factory=list)
    samples: list[Message] = field(default_factory=list)

    def ask(self, plan: Plan) -> None:
        """By which paths it may leave."""
        self.samples.append(self._rebuilt([next(iter(self.deliveries))]))
        self.options.extend((intent, intent.rules) for intent in plan(self.samples[0]))

    def message(self, recipients: Iterable[str]) -> Message:
        to = tuple(recipients)
        return self.samples[0] if self.samples[0].to == to else self._rebuilt(to)

    def _rebuilt(self, recipients: Iterable[str]) -> Message:
        return bodies.rebuilt(self.content.kind, self.content.body, recipients, self.content.send_at)


@dataclass(frozen=True, slots=True)
class _Over:
    """A delivery that is over a limit of every account that it could leave by, or quiet: the seconds until its turn."""

    recipient: str
    delivery: int
    expires_at: float | None
    words: str
    wait: float
    code: str = "limit"


class _Taking:
    """One claim's work on the rows that it found, within its transaction."""

    def __init__(
        self,
        connection: Connection,
        now: float,
        rows: Sequence[Row[*tuple[Any, ...]]],
        plan: Plan,
        wait: Wait | None = None,
    ) -> None:
        self._connection = connection
        self._now = now
        self.over: list[_Over] = []
        self.expired = self._expire([row[0] for row in rows if row[4] is not None and row[4] <= now])
        self._groups = self._grouped(rows)
        for group in self._groups:
            group.ask(plan)
        if wait is not None:
            self._hush(wait)
        self.suppressed = self._suppress()
        self._assigned = [chosen for chosen in self._assign() if chosen[2]]

    def _grouped(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> list[_Group]:
        """Those that may still leave, by what they say.

        A second delivery of equal content to one recipient is a group of its own: a message names each once.
        """
        contents = self._contents({row[1] for row in rows})
        groups: dict[tuple[int, int], list[_Group]] = defaultdict(list)
        ended = set(self.expired)
        for number, message, recipient, attempts, expires_at in rows:
            if number in ended:
                continue
            content = contents[message]
            same = groups[content.id, attempts]
            for group in same:
                if recipient not in group.deliveries:
                    break
            else:
                same.append(group := _Group(content, attempts))
            group.deliveries[recipient] = number
            if expires_at is not None:
                group.ends[recipient] = expires_at
        return [group for same in groups.values() for group in same]

    def _contents(self, messages: Iterable[int]) -> dict[int, Row[*tuple[Any, ...]]]:
        """What the messages say, by id: the same row for all that say the same."""
        rows = self._connection.execute(statements.CONTENTS, {"messages": messages}).all()
        kinds: dict[tuple[Any, ...], Row[*tuple[Any, ...]]] = {}
        return {row.id: kinds.setdefault(tuple(row)[1:], row) for row in rows}

    def _expire(self, deliveries: Sequence[int]) -> tuple[int, ...]:
        return self._move(State.EXPIRED, deliveries, "expired", "its time passed before it could leave")

    def _suppress(self) -> tuple[int, ...]:
        """End those whose recipients opted out of an account that the message could leave by."""
        ended: list[int] = []
        asked: dict[str, list[_Group]] = defaultdict(list)
        for group in self._groups:
            for intent, _ in group.options if not group.content.transactional else ():
                asked[intent.account].append(group)
        for account, groups in asked.items():
            recipients = [recipient for group in groups for recipient in group.deliveries]
            facts = {"account_name": account, "recipients": recipients}
            out = self._connection.scalars(statements.OPTED_OUT, facts).all()
            found = (group.deliveries.pop(number, None) for group in groups for number in out)
            ended += [delivery for delivery in found if delivery is not None]
        return self._move(State.SUPPRESSED, ended, "opted out", "the recipient opted out")

    def _hush(self, wait: Wait) -> None:
        """Let those wait for whom it is quiet; what the provider is handed to send later is not heard now."""
        for group in self._groups:
            if group.content.send_at is None:
                for recipient in [each for each in group.deliveries if wait(each)]:
                    delivery, end, seconds = group.deliveries.pop(recipient), group.ends.get(recipient), wait(recipient)
                    words = "quiet hours where the recipient is"
                    self.over.append(_Over(recipient, delivery, end, words, seconds, "quiet hours"))

    def _move(self, state: State, deliveries: Sequence[int], code: str, words: str) -> tuple[int, ...]:
        if deliveries:
            facts = {"deliveries": deliveries, "why": code, "words": words, "now": self._now}
            self._connection.execute(statements.MOVE[state], facts)
        return tuple(deliveries)

    def _assign(self) -> list[tuple[_Group, str, dict[str, int]]]:
        """Give each delivery the first of its paths that has room: by group and path, what leaves."""
        wanted: dict[Rule, set[str]] = defaultdict(set)
        for group in self._groups:
            for rule in (rule for _, rules in group.options for rule in rules):
                wanted[rule].update(group.deliveries)
        ledger = Ledger(self._connection, self._now, wanted)
        found = [chosen for group in self._groups for chosen in self._assign_group(group, ledger)]
        ledger.close()
        return found

    def _assign_group(self, group: _Group, ledger: Ledger) -> Iterator[tuple[_Group, str, dict[str, int]]]:
        first, rules = group.options[0]
        if not rules:
            yield group, first.path, group.deliveries
            return
        chosen: dict[str, dict[str, int]] = defaultdict(dict)
        for recipient, delivery in group.deliveries.items():
            waits = []
            for intent, rules in group.options:
                wait = ledger.take(delivery, recipient, rules)
                if not wait:
                    chosen[intent.path][recipient] = delivery
                    break
                waits.append((wait, intent.account))
            else:
                wait, account = min(waits)
                words = f"over a limit of account {account!r}"
                self.over.append(_Over(recipient, delivery, group.ends.get(recipient), words, wait))
        for path, deliveries in chosen.items():
            yield group, path, deliveries

    def send(self, worker: Worker, token: int) -> tuple[Parcel, ...]:
        """Mark what leaves as being sent, and hand it out."""
        by_path: dict[str, list[int]] = defaultdict(list)
        for _, path, deliveries in self._assigned:
            by_path[path] += deliveries.values()
        for path, numbers in by_path.items():
            self.mark(numbers, worker, token, path)
        return tuple(self._parcel(token, *chosen) for chosen in self._assigned)

    def _parcel(self, token: int, group: _Group, path: str, deliveries: dict[str, int]) -> Parcel:
        ends = [end for recipient, end in group.ends.items() if recipient in deliveries]
        return Parcel(
            token=token,
            message=group.message(deliveries),
            path=path,
            deliveries=deliveries,
            attempts=group.attempts,
            left=min(ends) - self._now if ends else None,
        )

    def mark(self, deliveries: Sequence[int], worker: Worker, token: int, path: str) -> None:
        """Write down who sends these, and by which path."""
        if deliveries:
            facts = {"deliveries": deliveries, "worker_id": worker.id, "token": token, "by": path, "now": self._now}
            self._connection.execute(statements.SEND, facts)

    def defer(self) -> tuple[int, tuple[int, ...]]:
        """Let those over a limit wait for their turn; end those that expire before it: how many, and which."""
        rows = [self._deferral(over) for over in self.over]
        waiting = [row for row, ends in rows if not ends]
        statements.DEFER.run(self._connection, waiting)
        failed = [row for row, ends in rows if ends]
        for row in failed:
            self._move(State.EXPIRED, [row["delivery"]], row["why"], row["words"])
        return len(waiting), tuple(row["delivery"] for row in failed)

    def _deferral(self, over: _Over) -> tuple[dict[str, Any], bool]:
        turn = self._now + over.wait
        words = f"{over.words}: could go at {shown(moment(turn))}"
        ends = over.expires_at is not None and over.expires_at <= turn
        if ends:
            words += ", after it expires"
        return {"delivery": over.delivery, "until": turn, "why": over.code, "words": words, "now": self._now}, ends


def hold(
    connection: Connection, now: float, token: int, intent: Intent, deliveries: Mapping[str, int]
) -> dict[str, float]:
    """Take the slots of another account for deliveries that are being sent, and note its path: before the request.

    Returns those over a limit (by recipient, with the seconds until their turn), for whom nothing is taken or noted.
    Slots that they hold already are not taken again. Raises ``LeaseLost``.
    """
    rules = intent.rules
    ledger = Ledger(connection, now, dict.fromkeys(rules, deliveries), list(deliveries.values()))
    waits = {recipient: ledger.take(number, recipient, rules) for recipient, number in deliveries.items()}
    ledger.close()
    going = [deliveries[recipient] for recipient, wait in waits.items() if not wait]
    facts = {"deliveries": going, "token": token, "by": intent.path, "now": now}
    if len(connection.execute(statements.REROUTE, facts).all()) < len(going):
        raise LeaseLost("the lease lapsed in the middle of sending: what is not accepted yet is in doubt")
    return {recipient: wait for recipient, wait in waits.items() if wait}


def hand_back(connection: Connection, now: float, token: int, deliveries: Sequence[int]) -> None:
    """Put deliveries back into the queue that a claim took and that surely were not sent."""
    facts = {"deliveries": deliveries, "token": token, "now": now}
    slots.give_back(connection, connection.scalars(statements.HAND_BACK, facts).all())
    ring(connection)


# --- outcomes


def record(connection: Connection, now: float, outcomes: Sequence[Outcome]) -> list[int]:
    """Write down what became of deliveries. Returns those to which it was no news: they had moved on already.

    An outcome that comes after its delivery lapsed still counts where that is a legal move (accepted); another leaves
    it in doubt, and is kept for the timeline.
    """
    return _Recording(connection, now, outcomes).write()


class _Recording:
    """Outcomes on their way into the tables."""

    def __init__(self, connection: Connection, now: float, outcomes: Sequence[Outcome]) -> None:
        self._connection = connection
        self._now = now
        self._found = self._read([number for outcome in outcomes for number in outcome.deliveries])
        self._moves = [(outcome, self._movable(outcome)) for outcome in outcomes]
        self._evidence = [(outcome, found) for outcome, moved in self._moves if (found := self._late(outcome, moved))]
        telling = [outcome for outcome, numbers in (*self._moves, *self._evidence) if numbers]
        self._attempts = {id(attempt): attempt for outcome in telling for attempt in outcome.attempts}
        self._submissions = dict(zip(self._attempts, reserve(connection, len(self._attempts)), strict=True))

    def _read(self, deliveries: Sequence[int]) -> dict[int, tuple[int | None, str]]:
        rows = self._connection.execute(statements.CLAIMED, {"deliveries": deliveries}).all()
        return {number: (token, state) for number, token, state in rows}

    def _movable(self, outcome: Outcome) -> list[int]:
        legal = [(outcome.token, before.value) for before in origins(outcome.state)]
        return [number for number in outcome.deliveries if self._found.get(number) in legal]

    def _late(self, outcome: Outcome, moved: Sequence[int]) -> list[int]:
        """Those that lapsed before it was known that they surely were not sent."""
        if outcome.state in _LEFT or len(moved) == len(outcome.deliveries):
            return []
        lapsed = (outcome.token, State.IN_DOUBT.value)
        return [number for number in outcome.deliveries if self._found.get(number) == lapsed]

    def write(self) -> list[int]:
        self._move()
        statements.ADD_SUBMISSIONS.run(self._connection, list(map(self._submission, self._attempts.values())))
        statements.ADD_ATTEMPTS.run(self._connection, self._numbered(list(self._failures())))
        self._settle_slots()
        statements.ADD_TRAFFIC.run(self._connection, self._traffic())
        return [number for outcome, moved in self._moves for number in set(outcome.deliveries) - set(moved)]

    def _move(self) -> None:
        rows: dict[State, list[dict[str, Any]]] = defaultdict(list)
        for outcome, moved in self._moves:
            same = self._facts(outcome)
            if len(moved) < _ALIKE:
                rows[outcome.state] += [{"delivery": number, **same} for number in moved]
            else:
                self._connection.execute(statements.RECORD_ALIKE[outcome.state], {"deliveries": moved, **same})
        for state, facts in rows.items():
            statements.RECORD[state].run(self._connection, facts)

    def _facts(self, outcome: Outcome) -> dict[str, Any]:
        last, reason = outcome.attempts[-1] if outcome.attempts else None, _reason(outcome.error)
        return {
            "token": outcome.token,
            "tries": len(outcome.attempts),
            "by": last.path if last else None,
            "submission": self._submissions.get(id(last)),
            "why": reason["code"],
            "words": reason["description"],
            "now": self._now,
            "until": self._now + outcome.after,
        }

    def _traffic(self) -> list[dict[str, Any]]:
        """What was spent, by hour and path: in one order, so that two that count the same do not wait in a circle."""
        units: Counter[tuple[int, str]] = Counter()
        for attempt in self._attempts.values():
            if attempt.state is State.ACCEPTED:
                hour = int(attempt.at.timestamp()) // balances.HOUR
                units[hour, attempt.path] += attempt.segments * len(attempt.recipients)
        return [{"hour": hour, "path": path, "units": count} for (hour, path), count in sorted(units.items())]

    def _submission(self, attempt: Attempt) -> dict[str, Any]:
        error, started = attempt.error, attempt.at.timestamp()
        return {
            "id": self._submissions[id(attempt)],
            "path": attempt.path,
            "account": account_of(attempt.path),
            "task_id": bodies.storable(attempt.task_id),
            "state": attempt.state.value,
            "recipients": len(attempt.recipients),
            "started": started,
            "ended": started + attempt.seconds,
            "sent": error.sent.value if error else "",
            "scope": error.scope.value if error else "",
            "retry": error.retry.value if error else "",
            **_reason(error),
            "raw": bodies.storable(attempt.raw),
        }

    def _failures(self) -> Iterator[dict[str, Any]]:
        """What is kept of each delivery that was not accepted: its failed attempts, the last with its own error."""
        for outcome, numbers in (*self._moves, *self._evidence):
            if outcome.state is State.IN_DOUBT and not outcome.attempts:
                yield from (self._doubt(number, outcome.error) for number in numbers)
            for attempt in outcome.attempts:
                last = attempt is outcome.attempts[-1] and outcome.state is not State.ACCEPTED
                if last or attempt.state is not State.ACCEPTED:
                    error = outcome.error or attempt.error if last else attempt.error
                    for number in numbers:
                        yield self._failure(number, attempt, error)

    def _doubt(self, delivery: int, error: SendError | None) -> dict[str, Any]:
        """What is kept of a doubt without a request that is known, for the timeline: it may be resolved one day."""
        facts = {"delivery_id": delivery, "submission_id": None, "at": self._now, "path": ""}
        return {**facts, "state": State.IN_DOUBT.value, **_reason(error)}

    def _failure(self, delivery: int, attempt: Attempt, error: SendError | None) -> dict[str, Any]:
        state = State.REJECTED if attempt.state is State.ACCEPTED else attempt.state
        return {
            "delivery_id": delivery,
            "submission_id": self._submissions[id(attempt)],
            "at": attempt.at.timestamp() + attempt.seconds,
            "path": attempt.path,
            "state": state.value,
            **_reason(error),
        }

    def _numbered(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"id": number, **row} for number, row in zip(reserve(self._connection, len(rows)), rows, strict=True)]

    def _settle_slots(self) -> None:
        left = [number for outcome, moved in self._moves for number in moved if outcome.state in _LEFT]
        stayed = [number for outcome, moved in self._moves for number in moved if outcome.state not in _LEFT]
        if left:
            late = {each: waited for outcome, moved in self._moves if (waited := _in_vain(outcome)) for each in moved}
            slots.spend(self._connection, self._now, left, late)
        if stayed:
            slots.give_back(self._connection, stayed)


_LEFT = (State.ACCEPTED, State.IN_DOUBT)
_ALIKE = 20
"""Deliveries of one outcome from which on one statement for all of them costs less than a row for each."""


def _in_vain(outcome: Outcome) -> float:
    """The seconds that a gateway let us wait for an answer that did not come: it may take the message as late again."""
    return outcome.attempts[-1].seconds if outcome.state is State.IN_DOUBT and outcome.attempts else 0.0


def _reason(error: SendError | None) -> dict[str, str]:
    """Why something failed, in the words of the gateway."""
    if error is None:
        return {"code": "", "description": ""}
    return {"code": bodies.storable(error.code), "description": bodies.storable(error.description)}


def _attempts_by_recipient(result: Result) -> dict[str, tuple[int, ...]]:
    """By recipient, the numbers of the attempts that were made for it."""
    if len(result.attempts) == 1:
        return dict.fromkeys(result.attempts[0].recipients, (0,))
    tried: dict[str, tuple[int, ...]] = {}
    for number, attempt in enumerate(result.attempts):
        for recipient in attempt.recipients:
            tried[recipient] = (*tried.get(recipient, ()), number)
    return tried

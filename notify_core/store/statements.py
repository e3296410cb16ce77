"""Every statement of the store, each with its name; what they are for stands where they are used.

States are written into the SQL and not bound, because neither database can know otherwise that a partial index holds
all that a statement asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Delete,
    Double,
    Executable,
    FromClause,
    ScalarSelect,
    Select,
    Table,
    Text,
    Update,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    text,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.types import TypeEngine

from notify_core.states import FINAL, State, origins
from notify_core.store.among import among_ids, among_texts
from notify_core.store.bulk import Bulk, Values, inserting
from notify_core.store.schema import (
    DIRECT,
    attempts,
    balances,
    deliveries,
    holders,
    ids,
    ids_sequence,
    inbound,
    limit_holds,
    limit_slots,
    messages,
    notices,
    opt_outs,
    payloads,
    reports,
    submissions,
    traffic,
    workers,
)

_Id = BigInteger()
_ONE: ColumnElement[int] = literal_column("1")
"""PostgreSQL must know such a limit as it plans: for any number it would sort all that is queued."""
_d, _m, _s = deliveries.c, messages.c, submissions.c


def _named(state: State) -> ColumnElement[str]:
    return literal_column(f"'{state.value}'", Text)


def _is(state: State) -> ColumnElement[bool]:
    return _d.state == _named(state)


def _is_one_of(states: Iterable[State]) -> ColumnElement[bool]:
    return _d.state.in_([_named(state) for state in states])


# --- ids and time

NOW = select(func.extract("epoch", func.clock_timestamp()))
"""PostgreSQL's clock; not that of the transaction, which stands still."""

RESERVE: Mapping[str, Executable] = {
    "sqlite": update(ids).values(next=ids.c.next + bindparam("count")).returning(ids.c.next),
    "postgresql": select(ids_sequence.next_value()).select_from(func.generate_series(1, bindparam("count"))),
}
"""SQLite: the id after those reserved. PostgreSQL: each of them, for others may take some in between."""

LOCK = select(func.pg_advisory_xact_lock(bindparam("lock")))

# --- enqueueing

KEYED = select(_m.id, _m.key, _m.fingerprint, _m.created).where(among_texts(_m.key, "keys"))

ADD_MESSAGES = inserting(messages)
ADD_KEYED_MESSAGES = inserting(
    messages,
    conflict=lambda add: add.on_conflict_do_nothing(index_elements=[_m.key], index_where=text("key IS NOT NULL")),
)
"""One that another transaction is adding at the same time is waited for; whose key it is then, ``KEYED`` tells."""

ADD_DELIVERIES = inserting(
    deliveries, "id", "message_id", "recipient", "state", "way", "priority", "due", "expires_at", "changed"
)

DELIVERIES_OF = select(_d.message_id, _d.id).where(among_ids(_d.message_id, "messages")).order_by(_d.id)

RING = select(func.pg_notify(bindparam("channel"), ""))

# --- claiming

_first, _next = deliveries.alias("first"), deliveries.alias("next")


def _earliest(queue: FromClause, *conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    column = queue.c
    order = (column.way, column.priority, column.due, column.id)
    queued = column.state == _named(State.QUEUED)
    return select(column.id).where(queued, *conditions).order_by(*order).limit(_ONE).scalar_subquery()


_lane = select(_earliest(deliveries).label("id")).cte("lane", recursive=True)
_after = func.coalesce(
    _earliest(_next, _next.c.way == _first.c.way, _next.c.priority > _first.c.priority),
    _earliest(_next, _next.c.way > _first.c.way),
)
_lanes = _lane.union_all(select(_after).select_from(_lane.join(_first, _first.c.id == _lane.c.id)))
LANES = select(_d.way, _d.priority, _d.due).select_from(_lanes.join(deliveries, _d.id == _lanes.c.id))
"""Each way and priority that has something queued, with its earliest: one look into the index for each, however many
deliveries wait."""

_waiting = select(_d.id, _d.message_id, _d.recipient, _d.attempts, _d.expires_at)

DUE = (
    _waiting.where(
        _is(State.QUEUED),
        _d.way == bindparam("way"),
        _d.priority == bindparam("priority"),
        _d.due <= bindparam("now"),
    )
    .order_by(_d.due, _d.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
"""What a claim may take; PostgreSQL passes over what another claim is about to take."""

WAITING_OF = _waiting.where(_is(State.QUEUED), _d.message_id == bindparam("message")).order_by(_d.id).with_for_update()

CONTENTS = select(_m.id, _m.kind, _m.body, _m.send_at, _m.transactional).where(among_ids(_m.id, "messages"))

OPTED_OUT = select(opt_outs.c.recipient).where(
    opt_outs.c.account == bindparam("account_name"), among_texts(opt_outs.c.recipient, "recipients")
)

ADD_OPT_OUTS = inserting(opt_outs, conflict=lambda add: add.on_conflict_do_nothing())
REMOVE_OPT_OUTS = delete(opt_outs).where(
    opt_outs.c.account == bindparam("account_name"), among_texts(opt_outs.c.recipient, "recipients")
)
OPT_OUTS = (
    select(opt_outs)
    .where(
        or_(opt_outs.c.account == bindparam("account_name", type_=Text), bindparam("account_name", type_=Text) == "")
    )
    .order_by(opt_outs.c.account, opt_outs.c.since, opt_outs.c.recipient)
)

SEND = (
    update(deliveries)
    .values(
        state=_named(State.SENDING),
        worker=bindparam("worker_id"),
        claim=bindparam("token"),
        path=bindparam("by"),
        changed=bindparam("now"),
    )
    .where(among_ids(_d.id, "deliveries"), _is_one_of(origins(State.SENDING)))
)
"""The intent, which is on disk before the request leaves."""

REROUTE = (
    update(deliveries)
    .values(path=bindparam("by"), changed=bindparam("now"))
    .where(among_ids(_d.id, "deliveries"), _is(State.SENDING), _d.claim == bindparam("token"))
    .returning(_d.id)
)

DEFER = Bulk(
    {"delivery": _Id, "until": Double(), "why": Text(), "words": Text(), "now": Double()},
    lambda given: (
        update(deliveries)
        .values(due=given["until"], code=given["why"], description=given["words"], changed=given["now"])
        .where(_d.id == given["delivery"], _is(State.QUEUED))
    ),
)

# --- outcomes

_NOBODY: Mapping[str, Any] = {"worker": null(), "changed": bindparam("now")}


def _move(after: State) -> Update:
    """To ``after``, from wherever that is legal; those that it moved are returned."""
    return (
        update(deliveries)
        .values(state=_named(after), code=bindparam("why"), description=bindparam("words"), **_NOBODY)
        .where(among_ids(_d.id, "deliveries"), _is_one_of(origins(after)))
        .returning(_d.id)
    )


MOVE: Mapping[State, Update] = {state: _move(state) for state in State if origins(state)}


def _recorded(after: State, given: Values, which: ColumnElement[bool]) -> Update:
    """The same by the worker that has them, with the request that decided."""
    again = {"claim": null(), "due": given["until"]} if after is State.QUEUED else {}
    return (
        update(deliveries)
        .values(
            state=_named(after),
            worker=null(),
            attempts=_d.attempts + given["tries"],
            path=func.coalesce(given["by"], _d.path),
            submission_id=func.coalesce(given["submission"], _d.submission_id),
            code=given["why"],
            description=given["words"],
            changed=given["now"],
            **again,
        )
        .where(which, _d.claim == given["token"], _is_one_of(origins(after)))
    )


def _record(after: State) -> Bulk:
    """For deliveries with an outcome each."""
    return Bulk({"delivery": _Id, **_OUTCOME}, lambda given: _recorded(after, given, _d.id == given["delivery"]))


def _record_alike(after: State) -> Update:
    """For many deliveries with one outcome."""
    given = {name: bindparam(name, type_=kind) for name, kind in _OUTCOME.items()}
    return _recorded(after, given, among_ids(_d.id, "deliveries"))


_OUTCOME: Mapping[str, TypeEngine[Any]] = {
    "token": _Id,
    "tries": _Id,
    "by": Text(),
    "submission": _Id,
    "why": Text(),
    "words": Text(),
    "now": Double(),
    "until": Double(),
}

_OUTCOMES = (State.ACCEPTED, State.REJECTED, State.IN_DOUBT, State.QUEUED)
RECORD: Mapping[State, Bulk] = {state: _record(state) for state in _OUTCOMES}
RECORD_ALIKE: Mapping[State, Update] = {state: _record_alike(state) for state in _OUTCOMES}

HAND_BACK = (
    update(deliveries)
    .values(state=_named(State.QUEUED), claim=null(), **_NOBODY)
    .where(among_ids(_d.id, "deliveries"), _d.claim == bindparam("token"), _is_one_of(origins(State.QUEUED)))
    .returning(_d.id)
)


def _unsent(after: State) -> Update:
    """All that is being sent under one token, and surely is not."""
    return (
        update(deliveries)
        .values(state=_named(after), claim=null(), **_NOBODY)
        .where(_d.claim == bindparam("token"), _is(State.SENDING))
        .returning(_d.id)
    )


UNSENT: Mapping[State, Update] = {state: _unsent(state) for state in (State.QUEUED, State.REJECTED)}

CLAIMED = select(_d.id, _d.claim, _d.state).where(among_ids(_d.id, "deliveries"))

ADD_SUBMISSIONS = inserting(submissions)
ADD_ATTEMPTS = inserting(attempts)

# --- workers

ADD_WORKER = insert(workers)
EXTEND = (
    update(workers)
    .values(lease=bindparam("until"))
    .where(workers.c.id == bindparam("worker_id"), workers.c.lease >= bindparam("now"))
)
LEASE = select(workers.c.lease).where(workers.c.id == bindparam("worker_id"))
RETIRE = delete(workers).where(workers.c.id == bindparam("worker_id"))

_living = select(workers.c.id).where(workers.c.lease >= bindparam("now"))
LAPSED = (
    select(_d.id, _d.path, _d.worker, _d.changed)
    .where(_is(State.SENDING), _d.worker.not_in(_living))
    .order_by(_d.worker)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
BURY = delete(workers).where(
    workers.c.lease < bindparam("now"),
    ~exists().where(_is(State.SENDING), _d.worker == workers.c.id),
)

# --- what people and the clock do

STALE = (
    select(_d.id)
    .where(_is(State.QUEUED), _d.expires_at <= bindparam("now"))
    .order_by(_d.expires_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)

STATES = select(_d.id, _d.state).where(among_ids(_d.id, "deliveries")).order_by(_d.id).with_for_update()

HASTEN = (
    update(deliveries)
    .values(due=bindparam("until"), changed=bindparam("now"))
    .where(among_ids(_d.id, "deliveries"), _is(State.QUEUED))
)

# --- limits

LOCK_ACCOUNT = select(
    func.pg_advisory_xact_lock(literal_column("1852797025"), func.hashtext(bindparam("account_name")))
)
"""PostgreSQL: whoever takes slots of an account takes them alone. The number is this package's own (``notify`` in
ASCII would not fit); SQLite's writer is alone anyway."""

_slot, _hold = limit_slots.c, limit_holds.c

SLOTS = (
    select(_slot.subject, _slot.until, _slot.units)
    .where(
        _slot.rule == bindparam("rule_name"),
        among_texts(_slot.subject, "subjects"),
        _slot.until > bindparam("now_ms"),
    )
    .order_by(_slot.until)
)
HELD = (
    select(_hold.subject, func.count())
    .where(_hold.rule == bindparam("rule_name"), among_texts(_hold.subject, "subjects"))
    .group_by(_hold.subject)
)
HELD_BY = select(_hold.delivery_id, _hold.rule).where(among_ids(_hold.delivery_id, "deliveries"))
ADD_HOLDS = inserting(limit_holds)
DROP_HOLDS = delete(limit_holds).where(among_ids(_hold.delivery_id, "deliveries"))
SPEND_HOLDS = DROP_HOLDS.returning(_hold.delivery_id, _hold.rule, _hold.subject, _hold.span, _hold.step)
DROP_HOLDS_OF_ACCOUNT = DROP_HOLDS.where(_hold.account == bindparam("account_name"))

ADD_SLOTS = inserting(
    limit_slots,
    conflict=lambda add: add.on_conflict_do_update(
        index_elements=list(limit_slots.primary_key), set_={"units": _slot.units + add.excluded.units}
    ),
)

# --- reading

_OPEN = (State.QUEUED, State.SENDING, State.IN_DOUBT)
"""The states that have a partial index."""

_deliveries = (
    select(
        _d.id,
        _d.message_id,
        _d.recipient,
        _d.state,
        _d.way,
        _d.priority,
        _d.due,
        _d.expires_at,
        _d.attempts,
        _d.path,
        _s.task_id,
        _d.code,
        _d.description,
        _m.key,
        _m.created,
        _d.changed,
    )
    .select_from(deliveries)
    .join(messages, _m.id == _d.message_id)
    .outerjoin(submissions, _s.id == _d.submission_id)
)
THE_DELIVERY = _deliveries.where(_d.id == bindparam("delivery"))

_path = bindparam("wanted_path", type_=Text)
FILTERS: Mapping[str, ColumnElement[bool]] = {
    "wanted_recipient": _d.recipient == bindparam("wanted_recipient"),
    "wanted_way": _d.way == bindparam("wanted_way"),
    "wanted_path": or_(_d.path == _path, func.substr(_d.path, 1, func.length(_path) + 1) == _path + "."),
    "wanted_key": _d.message_id == select(_m.id).where(_m.key == bindparam("wanted_key")).scalar_subquery(),
    "wanted_message": _d.message_id == bindparam("wanted_message"),
    "wanted_task_id": _d.submission_id.in_(
        select(_s.id).where(_s.task_id == bindparam("wanted_task_id"), _s.task_id != literal_column("''"))
    ),
    # A delivery's id is greater than its message's: without that bound all that is older would be walked through.
    "wanted_since": and_(
        _m.created >= bindparam("wanted_since"),
        _d.id > select(func.min(_m.id)).where(_m.created >= bindparam("wanted_since")).scalar_subquery(),
    ),
    "wanted_until": _m.created < bindparam("wanted_until"),
    "wanted_below": _d.id < bindparam("wanted_below"),
    "wanted_ids": among_ids(_d.id, "wanted_ids"),
}


def filtered(states: Collection[State], restrictions: Iterable[str]) -> Select[*tuple[Any, ...]]:
    """The newest ``most`` deliveries that are in one of ``states`` (where any are given) and fit each restriction."""
    found = _deliveries.where(*(FILTERS[name] for name in restrictions))
    if len(states) == 1:
        # Few are open among many that are over. The sum keeps SQLite from walking through all of them in order of id.
        found = found.where(_is(*states)).order_by((_d.id + 0).desc() if {*states} <= {*_OPEN} else _d.id.desc())
    else:
        found = (found.where(_is_one_of(states)) if states else found).order_by(_d.id.desc())
    return found.limit(bindparam("most"))


MESSAGE = select(_m.kind, _m.body, _m.send_at).where(_m.id == bindparam("message"))

ATTEMPTS_OF = (
    select(attempts.c.at, attempts.c.state, attempts.c.path, _s.task_id, attempts.c.code, attempts.c.description)
    .select_from(attempts.outerjoin(submissions, _s.id == attempts.c.submission_id))
    .where(attempts.c.delivery_id == bindparam("delivery"))
    .order_by(attempts.c.id)
)
ACCEPTED_BY = (
    select(_s.ended.label("at"), _s.state, _s.path, _s.task_id, _s.code, _s.description)
    .select_from(deliveries.join(submissions, _s.id == _d.submission_id))
    .where(_d.id == bindparam("delivery"), _s.state == _named(State.ACCEPTED), _d.state != _named(State.REJECTED))
)
_reports = select(
    reports.c.received.label("at"),
    reports.c.state,
    literal_column("''", Text).label("path"),
    reports.c.task_id,
    reports.c.code,
    literal_column("''", Text).label("description"),
).order_by(reports.c.id)
REPORTS_OF = _reports.where(reports.c.delivery_id == bindparam("delivery"))
PARKED_REPORTS_ON = _reports.where(
    reports.c.recipient == bindparam("recipient"),
    reports.c.account == bindparam("account_name"),
    reports.c.delivery_id.is_(None),
)


def _counted(state: State) -> Select[*tuple[Any, ...]]:
    return select(_named(state).label("state"), func.count().label("total")).where(_is(state))


OPEN_COUNTS = union_all(*map(_counted, _OPEN))
"""Only of those states: the others would need every row."""

EARLIEST_DUE = select(func.min(_d.due)).select_from(_lanes.join(deliveries, _d.id == _lanes.c.id))
"""When the first of all that is queued was, or is, due."""

LIVING_WORKERS = (
    select(func.count())
    .select_from(workers)
    .where(workers.c.lease >= bindparam("now"), workers.c.name != literal_column(f"'{DIRECT}'"))
)

UNAPPLIED = (
    select(payloads.c.state, func.count().label("total"))
    .where(payloads.c.state != literal_column("'applied'"))
    .group_by(payloads.c.state)
)

_i, _since = inbound.c, inbound.alias("since").c
ARRIVED: Mapping[str, ColumnElement[bool]] = {
    "wanted_account": _i.account == bindparam("wanted_account"),
    # Without the bound of the id all that is older would be walked through.
    "wanted_since": and_(
        _i.received >= bindparam("wanted_since"),
        _i.id >= select(func.min(_since.id)).where(_since.received >= bindparam("wanted_since")).scalar_subquery(),
    ),
    "wanted_below": _i.id < bindparam("wanted_below"),
}


def arrived(restrictions: Iterable[str]) -> Select[*tuple[Any, ...]]:
    """The newest ``most`` messages from subscribers that fit each restriction."""
    columns = (_i.id, _i.account, _i.sender, _i.text, _i.extension, _i.task_id, _i.at, _i.received)
    found = select(*columns).where(*(ARRIVED[name] for name in restrictions))
    return found.order_by(_i.id.desc()).limit(bindparam("most"))


# --- the mailbox

_r, _p, _n = reports.c, payloads.c, notices.c

ADD_PAYLOAD = insert(payloads)
EXTEND_PAYLOAD = (
    update(payloads)
    .values(request=bindparam("request"), body=bindparam("body"), digest=bindparam("digest"))
    .where(_p.id == bindparam("payload"))
)
_unapplied = _p.state != literal_column("'applied'")
FORGET_PAYLOAD = delete(payloads).where(_p.id == bindparam("payload"), _unapplied)
UNREADABLE = (
    update(payloads)
    .values(state="unreadable", error=bindparam("words"))
    .where(_p.id == bindparam("payload"), _unapplied)
)
APPLIED = update(payloads).values(state="applied", error="").where(_p.id == bindparam("payload"))
PAYLOAD = select(payloads).where(_p.id == bindparam("payload"))
HOLD_PAYLOAD = select(_p.id, _p.account, _p.origin, _p.digest).where(_p.id == bindparam("payload")).with_for_update()
"""Whoever applies it does so alone."""

_kept = (
    select(
        _p.id,
        _p.account,
        _p.transport,
        _p.origin,
        _p.hook,
        _p.state,
        _p.error,
        _p.received,
        func.length(_p.body).label("size"),
    )
    .where(among_texts(_p.state, "states"), _p.id < bindparam("below"))
    .order_by(_p.id.desc())
    .limit(bindparam("most"))
)
PAYLOADS: Mapping[bool, Select[*tuple[Any, ...]]] = {True: _kept.where(_unapplied), False: _kept}
"""Only those that are not applied, or of all of them."""

WAITING_PAYLOADS = (
    select(_p.id)
    .where(_unapplied, _p.state == literal_column("'waiting'"), _p.received <= bindparam("before"))
    .order_by(_p.id)
    .limit(bindparam("most"))
)

ADD_REPORTS = inserting(reports, conflict=lambda add: add.on_conflict_do_nothing(index_elements=[_r.digest]))
ADD_INBOUND = inserting(inbound, conflict=lambda add: add.on_conflict_do_nothing(index_elements=[inbound.c.digest]))
THESE_REPORTS = select(_r.id).where(among_ids(_r.id, "items"))
THESE_INBOUND = select(inbound.c.id).where(among_ids(inbound.c.id, "items"))

_is_parked = _r.delivery_id.is_(None)
_parked = (
    select(
        _r.id,
        _r.account,
        _r.recipient,
        _r.state,
        _r.code,
        _s.id.label("submission"),
        # Not joined: SQLite would look through all that the recipient ever got.
        select(_d.id)
        .where(_d.submission_id == _s.id, _d.recipient == _r.recipient)
        .limit(_ONE)
        .scalar_subquery()
        .label("delivery"),
    )
    .select_from(reports)
    .join(
        submissions,
        # The concatenation keeps SQLite from beginning with the submissions, which are many.
        and_(_s.task_id == _r.task_id, _s.task_id != literal_column("''"), _s.account == _r.account + ""),
    )
    .where(_is_parked)
)
PARKED_OF_TASKS = _parked.where(_r.account == bindparam("account_name"), among_texts(_r.task_id, "tasks"))
PARKED_SINCE = _parked.where(_r.received >= bindparam("since"))
PARKED = (
    select(_r.id, _r.account, _r.recipient, _r.task_id, _r.state, _r.code, _r.at, _r.received)
    .where(
        _is_parked,
        or_(_r.account == bindparam("account_name", type_=Text), bindparam("account_name", type_=Text) == ""),
    )
    .order_by(_r.received.desc(), _r.id.desc())
    .limit(bindparam("most"))
)

ASSIGN = Bulk(
    {"report": _Id, "delivery": _Id},
    lambda given: update(reports).values(delivery_id=given["delivery"]).where(_r.id == given["report"], _is_parked),
)


def _reported(after: State) -> Bulk:
    """What a report says became of its delivery."""
    return Bulk(
        {"delivery": _Id, "code": Text(), "now": Double()},
        lambda given: (
            update(deliveries)
            .values(state=_named(after), code=given["code"], description=literal_column("''"), changed=given["now"])
            .where(_d.id == given["delivery"], _is_one_of(origins(after)))
        ),
    )


REPORT: Mapping[State, Bulk] = {
    state: _reported(state) for state in (State.ACCEPTED, State.DELIVERED, State.UNDELIVERED)
}

UNDECIDED = select(_d.recipient).where(
    among_texts(_d.recipient, "recipients"), _is_one_of((State.SENDING, State.IN_DOUBT))
)
SENDING_TO = select(_d.recipient, _d.path).where(among_texts(_d.recipient, "recipients"), _is(State.SENDING))

_dated = func.coalesce(_r.at, _r.received)
FITS = (
    select(
        _r.account,
        _r.recipient,
        _r.task_id,
        _d.id.label("delivery"),
        _s.id.label("submission"),
        _d.path,
        func.coalesce(_s.started, _d.due).label("started"),
    )
    .select_from(deliveries)
    .join(reports, and_(_r.recipient == _d.recipient, _is_parked))
    .outerjoin(submissions, and_(_s.id == _d.submission_id, _s.state == _named(State.IN_DOUBT)))
    .where(
        _is(State.IN_DOUBT),
        _r.task_id != "",
        _r.received + 0 <= bindparam("before"),  # the sum keeps SQLite from beginning with the reports, which are many
        func.coalesce(_s.task_id, "") == "",
        # The request was made between the time when it was due and that when it came into doubt. ``started`` is by the
        # clock of the worker's machine: where that is wrong, its report would seem to fit another doubt alone.
        _dated >= _d.due - bindparam("early", type_=Double),
        _dated <= _d.changed + bindparam("late", type_=Double),
    )
)
TASKS = select(_s.id, _s.account, _s.task_id, _s.code).where(
    among_texts(_s.task_id, "tasks"), _s.task_id != literal_column("''")
)
NAME_SUBMISSIONS = Bulk(
    {"submission": _Id, "task": Text()},
    lambda given: update(submissions).values(task_id=given["task"]).where(_s.id == given["submission"]),
)
JOIN_SUBMISSIONS = Bulk(
    {"submission": _Id, "delivery": _Id},
    lambda given: update(deliveries).values(submission_id=given["submission"]).where(_d.id == given["delivery"]),
)

# --- notices

ADD_NOTICES = inserting(notices, "id", "kind", "target", "account", "subject_id", "about_id", "body", "at", "due")
_earlier = notices.alias("earlier").c
DUE_NOTICES = (
    select(_n.id, _n.kind, _n.target, _n.account, _n.about_id, _n.body, _n.at, _n.tries, _n.heard)
    .where(
        _n.done.is_(None),
        among_texts(_n.target, "targets"),
        _n.due <= bindparam("now"),
        ~exists().where(
            _earlier.done.is_(None),
            _earlier.subject_id == _n.subject_id,
            _earlier.target == _n.target,
            _earlier.id < _n.id,
        ),
    )
    .order_by(_n.due, _n.id)
    .limit(bindparam("most"))
)
REPORTED = (
    select(_r.id.label("report"), _d.id, _d.message_id, _d.recipient, _d.state, _d.path, _s.task_id, _m.key)
    .select_from(reports)
    .join(deliveries, _d.id == _r.delivery_id)
    .join(messages, _m.id == _d.message_id)
    .outerjoin(submissions, _s.id == _d.submission_id)
    .where(among_ids(_r.id, "reports"))
)
HASTEN_NOTICES = (
    update(notices)
    .values(due=bindparam("now"))
    .where(
        _n.done.is_(None),
        among_ids(_n.subject_id, "subjects"),
        among_ids(_n.about_id, "reports"),
        _n.tries == 0,
        _n.due > bindparam("now"),
    )
)
TOLD = (
    update(notices)
    .values(done=bindparam("now"), body="", error="")
    .where(among_ids(_n.id, "notices"), _n.done.is_(None))
)
UNTOLD = (
    update(notices)
    .values(due=bindparam("until"), error=bindparam("words"), heard=bindparam("ears"), tries=_n.tries + 1)
    .where(_n.id == bindparam("notice"), _n.done.is_(None))
)
GIVE_UP = (
    update(notices)
    .values(done=bindparam("now"), error=bindparam("words"))
    .where(_n.id == bindparam("notice"), _n.done.is_(None))
)
REFUSED_NOTICES = (
    select(_n.id, _n.kind, _n.target, _n.account, _n.at, _n.due, _n.tries, _n.error, _n.done)
    .where(_n.error != "")
    .order_by(_n.at.desc(), _n.id.desc())
    .limit(bindparam("most"))
)
_untold = (
    select(_n.target, func.count().label("total"), func.min(_n.id).label("first"))
    .where(_n.done.is_(None))
    .group_by(_n.target)
    .subquery("untold")
)
NOTICES_UNTOLD = select(_untold.c.target, _untold.c.total, _n.at).select_from(
    _untold.join(notices, _n.id == _untold.c.first)
)
"""What waits to be told, by target, and when the first of it was noted."""
TELL_AGAIN = (
    update(notices)
    .values(done=None, due=bindparam("now"), tries=0)
    .where(among_ids(_n.id, "notices"), _n.error != "")
    .returning(_n.id)
)

# --- credit, and who alone may do what

ADD_BALANCE = inserting(balances, "account", "units", "at", "low", conflict=lambda add: add.on_conflict_do_nothing())
BALANCE = (
    select(balances.c.units, balances.c.at, balances.c.low)
    .where(balances.c.account == bindparam("account_name"))
    .with_for_update()
)
SET_BALANCE = (
    update(balances)
    .values(units=bindparam("amount"), at=bindparam("moment"), low=bindparam("is_low"), days=bindparam("left"))
    .where(balances.c.account == bindparam("account_name"))
)
BALANCES = select(balances).order_by(balances.c.account)

ADD_TRAFFIC = inserting(
    traffic,
    conflict=lambda add: add.on_conflict_do_update(
        index_elements=list(traffic.primary_key), set_={"units": traffic.c.units + add.excluded.units}
    ),
)
_account = bindparam("account_name", type_=Text)
SPENT = select(func.sum(traffic.c.units), func.min(traffic.c.hour)).where(
    traffic.c.hour >= bindparam("since"),
    or_(
        traffic.c.path == _account,
        and_(
            func.substr(traffic.c.path, 1, func.length(_account) + 1) == _account + ".",
            traffic.c.path.not_in(select(balances.c.account)),  # what such a path spends is credit of its own
        ),
    ),
)

SEIZE = (
    postgresql_insert(holders)
    .values(name=bindparam("held_name"), holder=bindparam("by_holder"), until=bindparam("until_then"))
    .on_conflict_do_update(
        index_elements=[holders.c.name],
        set_={"holder": bindparam("by_holder"), "until": bindparam("until_then")},
        where=or_(holders.c.until <= bindparam("now"), holders.c.holder == bindparam("by_holder")),
    )
    .returning(holders.c.name)
)
RELEASE = delete(holders).where(holders.c.name == bindparam("held_name"), holders.c.holder == bindparam("by_holder"))

# --- upkeep

_of_message = _d.message_id == _m.id
_PURGEABLE = (*FINAL, State.ACCEPTED)

_after_that = tuple_(bindparam("after", type_=Double), bindparam("after_id", type_=_Id))

OVER = (
    select(_m.id, _m.created)
    .where(
        _m.created < bindparam("before"),
        tuple_(_m.created, _m.id) > _after_that,
        ~exists().where(_of_message, or_(~_is_one_of(_PURGEABLE), _d.changed >= bindparam("before"))),
    )
    .order_by(_m.created, _m.id)
    .limit(bindparam("most"))
)
DELIVERIES_TO_PURGE = select(_d.id).where(among_ids(_d.message_id, "messages")).limit(bindparam("most"))
PURGE_ATTEMPTS = delete(attempts).where(among_ids(attempts.c.delivery_id, "deliveries"))
PURGE_REPORTS = delete(reports).where(among_ids(reports.c.delivery_id, "deliveries"))
PURGE_DELIVERIES = delete(deliveries).where(among_ids(_d.id, "deliveries"))
PURGE_MESSAGES = delete(messages).where(among_ids(_m.id, "messages"))


def _purge(table: Table, time: ColumnElement[float], *conditions: ColumnElement[bool]) -> Delete:
    """The oldest rows of ``table`` by ``time``, at most ``most`` of them."""
    old = select(table.c.id).where(time < bindparam("before"), *conditions).order_by(time, table.c.id)
    return delete(table).where(table.c.id.in_(old.limit(bindparam("most"))))


PURGE: Mapping[str, Delete] = {
    "submissions": _purge(submissions, _s.started, ~exists().where(_d.submission_id == _s.id)),
    "reports": _purge(reports, reports.c.received, reports.c.delivery_id.is_(None)),
    "inbound": _purge(inbound, inbound.c.received),
    "payloads": _purge(payloads, payloads.c.received, payloads.c.state != "waiting"),
    "notices": _purge(notices, notices.c.at),
}
_oldest_slots = (
    select(_slot.until)
    .where(_slot.until <= bindparam("now_ms"))
    .order_by(_slot.until)
    .limit(bindparam("most"))
    .subquery()
)
PURGE_TRAFFIC = delete(traffic).where(traffic.c.hour < bindparam("before_hour"))
PURGE_SLOTS = delete(limit_slots).where(_slot.until <= select(func.max(_oldest_slots.c.until)).scalar_subquery())

SAID = (
    select(_m.id, _m.unwiped)
    .where(
        _m.unwiped.is_not(None),
        tuple_(_m.unwiped, _m.id) > _after_that,
        ~exists().where(
            _of_message,
            ~_is_one_of(FINAL),
            or_(~_is(State.ACCEPTED), _d.changed >= bindparam("before")),
        ),
    )
    .order_by(_m.unwiped, _m.id)
    .limit(bindparam("most"))
)
WIPE = update(messages).values(body="", fingerprint="", unwiped=null()).where(among_ids(_m.id, "messages"))

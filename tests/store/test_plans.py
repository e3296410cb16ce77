"""How the databases mean to run the statements: by an index, however much history there is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import ClauseElement

from notify_core import State
from notify_core.store import Store, statements
from notify_core.store.bulk import Bulk
from tests.store.workshop import put

ONLY_POSTGRESQL = {"NOW", "LOCK", "LOCK_ACCOUNT", "RING"}
SMALL = ("notify_workers", "notify_opt_outs", "notify_ids", "notify_balances")
"""Tables that have as many rows as there are workers or accounts, or that are listed whole when they are asked for."""


def named() -> Iterator[tuple[str, object]]:
    """Every statement by its name, those for SQLite where the databases differ."""
    for name, found in vars(statements).items():
        if name.isupper() and not name.startswith("_") and name not in ONLY_POSTGRESQL | {"FILTERS", "ARRIVED"}:
            if isinstance(found, Mapping):
                yield from ((f"{name}[{key}]", each) for key, each in found.items() if key != "postgresql")
            elif isinstance(found, Bulk | ClauseElement):
                yield name, found


STATEMENTS = dict(named()) | {
    "filtered[in_doubt]": statements.filtered([State.IN_DOUBT], []),
    **{
        f"filtered[{name}]": statements.filtered([], [f"wanted_{name}"])
        for name in ("recipient", "message", "key", "task_id", "since", "below", "ids")
    },
    **{f"arrived[{name}]": statements.arrived([f"wanted_{name}"]) for name in ("since", "below")},
}


def plan(url: str, statement: object) -> list[str]:
    """The steps of a statement, in SQLite's words."""
    if isinstance(statement, Bulk):
        sql = statement._sqlite[0]
    else:
        assert isinstance(statement, ClauseElement)
        sql = str(statement.compile(dialect=sqlite.dialect()))
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", [1] * sql.count("?"))]
    connection.close()
    return steps


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_whole_table(sqlite_url: str, name: str) -> None:
    """No statement walks through all rows of a table that grows."""
    walks = [step for step in plan(sqlite_url, STATEMENTS[name]) if step.startswith("SCAN notify_")]
    assert [step for step in walks if " USING " not in step and not step.endswith(SMALL)] == []


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("DUE", "notify_deliveries_queue"),
        ("LANES", "notify_deliveries_queue"),
        ("STALE", "notify_deliveries_expiry"),
        ("LAPSED", "notify_deliveries_sending"),
        ("SAID", "notify_messages_unwiped"),
        ("NOTICES_UNTOLD", "notify_notices_due"),
        ("HELD", "notify_limit_holds_subject"),
        ("filtered[in_doubt]", "notify_deliveries_doubt"),
    ],
)
def test_partial_index(sqlite_url: str, name: str, index: str) -> None:
    """What is asked for all the time is found by an index of just those rows."""
    assert any(f"INDEX {index}" in step for step in plan(sqlite_url, STATEMENTS[name]))


def test_a_plan_made_for_an_empty_queue_serves_a_full_one(postgresql_url: str) -> None:
    """PostgreSQL keeps it until it analyzes the tables: it reads no more rows than it needs then either."""
    Store.create(postgresql_url)
    with Store(postgresql_url) as store, store._database.reading() as connection:
        for _ in range(20):  # after some, PostgreSQL keeps a plan
            connection.execute(statements.LANES).all()
        put(store, *range(2_000))
        connection.execute(statements.LANES).all()
        prepared = connection.exec_driver_sql("SELECT name, statement FROM pg_prepared_statements").all()
        (name,) = [name for name, statement in prepared if "RECURSIVE" in statement]
        plan = connection.exec_driver_sql(f'EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE "{name}"').scalar_one()
    assert most_rows(plan[0]["Plan"]) <= 3


def most_rows(step: dict[str, Any]) -> float:
    """The most rows that a step of a plan, or one within it, came to."""
    return max([float(step["Actual Rows"]), *map(most_rows, step.get("Plans", []))])

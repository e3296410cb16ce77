"""One statement for many rows, at the speed of the driver.

SQLite runs the statement for each row; the driver is given it as it is, because SQLAlchemy's own way with parameters
costs more than the insert. PostgreSQL runs it once, with all rows in one JSON text, which is cheaper to write than an
array for each column.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Executable,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
    true,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.types import TypeEngine

_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Values = Mapping[str, ColumnElement[Any]]
"""The values of the row that a statement is run for, by name."""


class Bulk:
    """A statement that is made from the values of a row, whose names and types are ``kinds``.

    ``for_row`` makes it for one row, ``for_rows`` (the same, where it is not given) for what has a row in each line.
    """

    def __init__(
        self,
        kinds: Mapping[str, TypeEngine[Any]],
        for_row: Callable[[Values], Any],
        for_rows: Callable[[Values], Any] | None = None,
    ) -> None:
        self._kinds = kinds
        self._for_row = for_row
        self._for_rows = for_rows or for_row

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it for each of ``rows``, which have (at least) the names of ``kinds``."""
        if not rows:
            return
        if connection.dialect.name == "sqlite":
            sql, values = self._sqlite
            connection.exec_driver_sql(sql, list(map(values, rows)))
        else:
            connection.execute(self._postgresql, {"rows": _json(rows)})

    @cached_property
    def _sqlite(self) -> tuple[str, Callable[[Mapping[str, Any]], tuple[Any, ...]]]:
        """The SQL, and what takes its parameters out of a row."""
        statement = self._for_row({name: bindparam(name, type_=kind) for name, kind in self._kinds.items()})
        compiled = statement.compile(dialect=sqlite.dialect())
        return str(compiled), itemgetter(*compiled.positiontup)

    @cached_property
    def _postgresql(self) -> Executable:
        columns = [column(name, kind) for name, kind in self._kinds.items()]
        rows = func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
        given = rows.table_valued(*columns, name="given").render_derived(with_types=True)
        statement: Executable = self._for_rows(dict(given.c.items()))
        return statement


def inserting(table: Table, *names: str, conflict: Callable[[Insert], Insert] = lambda plain: plain) -> Bulk:
    """Insert rows into these columns of ``table`` (all, where none are named); ``conflict`` adds an ON CONFLICT.

    PostgreSQL's form of that compiles for SQLite too, which took it over.
    """
    kinds = {name: table.c[name].type for name in names or table.c.keys()}
    return Bulk(
        kinds,
        lambda values: conflict(insert(table).values(dict(values))),
        lambda values: conflict(
            insert(table).from_select(list(kinds), select(*(values[name] for name in kinds)).where(true()))
        ),
    )

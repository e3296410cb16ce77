"""``column`` is one of many values, given as one parameter.

SQLite takes the values as a JSON text, PostgreSQL as an array. A list of parameters of varying length would be a new
statement each time, and SQLite has at most 32,766 of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Dialect, Text, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import Boolean, TypeDecorator, TypeEngine


class _Many(TypeDecorator[Iterable[Any]]):
    """A bound collection of ``item``s."""

    impl = Text
    cache_ok = True

    def __init__(self, item: type[TypeEngine[Any]]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(self.item()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Iterable[Any] | None, dialect: Dialect) -> Any:
        values = list(value or ())
        return values if dialect.name == "postgresql" else json.dumps(values)


class Among(ColumnElement[bool]):
    """The condition, made by ``among_ids`` and ``among_texts``."""

    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - SQLAlchemy's own name: what makes up the key of its cache
        ("column", InternalTraversal.dp_clauseelement),
        ("values", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, column: ColumnElement[Any], name: str, item: type[TypeEngine[Any]]) -> None:
        self.type = Boolean()
        self.column = column
        self.values = bindparam(name, type_=_Many(item))

    def self_group(self, against: object = None) -> Among:  # noqa: ARG002 - what the base class is called with
        """Itself: without this SQLAlchemy writes ``… = 1`` behind it, and SQLite then uses no index."""
        return self


def among_ids(column: ColumnElement[Any], name: str) -> Among:
    """Whether ``column`` is among the numbers that are bound as ``name``."""
    return Among(column, name, BigInteger)


def among_texts(column: ColumnElement[Any], name: str) -> Among:
    """Whether ``column`` is among the texts that are bound as ``name``."""
    return Among(column, name, Text)


Compile = Callable[..., str]


@compiles(Among, "sqlite")
def _on_sqlite(element: Among, compiler: SQLCompiler, **context: Any) -> str:
    column, values = compiler.process(element.column, **context), compiler.process(element.values, **context)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - both are compiled SQL


@compiles(Among, "postgresql")
def _on_postgresql(element: Among, compiler: SQLCompiler, **context: Any) -> str:
    column, values = compiler.process(element.column, **context), compiler.process(element.values, **context)
    return f"{column} = ANY ({values})"

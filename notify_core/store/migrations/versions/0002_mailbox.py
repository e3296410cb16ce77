"""Notices that can be told to several, parked reports found by number and age, and the pace of spending."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, Text, text

revision = "0002"
down_revision = "0001"

_Id = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """Make them anew: of version 0001 nothing wrote to these tables."""
    op.drop_table("notify_notices")
    op.drop_table("notify_balances")
    _create_notices()
    _create_credit()
    _index("notify_reports_unmatched", "notify_reports", "received", "id", where="delivery_id IS NULL")
    _index("notify_reports_nobodys", "notify_reports", "recipient", "account", where="delivery_id IS NULL")


def _create_notices() -> None:
    op.create_table(
        "notify_notices",
        Column("id", _Id, primary_key=True, autoincrement=False),
        _words("kind"),
        _words("target"),
        _words("account"),
        Column("subject_id", BigInteger, nullable=False),
        Column("about_id", BigInteger),
        _words("body"),
        Column("at", Double, nullable=False),
        Column("due", Double, nullable=False),
        Column("tries", BigInteger, nullable=False, server_default="0"),
        _words("heard", "[]"),
        _words("error", ""),
        Column("done", Double),
    )
    _index("notify_notices_due", "notify_notices", "target", "due", "id", where="done IS NULL")
    _index("notify_notices_subject", "notify_notices", "subject_id", "target", "id", where="done IS NULL")
    _index("notify_notices_at", "notify_notices", "at", "id")


def _create_credit() -> None:
    op.create_table(
        "notify_balances",
        Column("account", Text, primary_key=True),
        _words("units"),
        Column("at", Double, nullable=False),
        Column("low", Boolean, nullable=False),
        Column("days", Double),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notify_traffic",
        Column("hour", BigInteger, primary_key=True, autoincrement=False),
        Column("path", Text, primary_key=True),
        Column("units", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _words(name: str, default: str | None = None) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def _index(name: str, table: str, *columns: str, where: str | None = None) -> None:
    condition = None if where is None else text(where)
    op.create_index(name, table, list(columns), sqlite_where=condition, postgresql_where=condition)

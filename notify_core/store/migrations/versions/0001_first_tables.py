"""The first tables."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    Sequence,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.schema import CreateSequence

revision = "0001"
down_revision = None

_Id = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[int]:
    return Column("id", _Id, primary_key=True, autoincrement=False)


def _number(name: str, default: str | None = None) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=default)


def _words(name: str, default: str | None = None) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def _time(name: str) -> Column[float]:
    return Column(name, Double, nullable=False)


def _index(name: str, *columns: str, where: str | None = None, unique: bool = False) -> Index:
    condition = None if where is None else text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def upgrade() -> None:
    """Make them."""
    _create_ids()
    _create_outbox()
    _create_limits()
    _create_mailbox()
    _create_accounts()


def _create_ids() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(CreateSequence(Sequence("notify_ids_sequence")))
    else:
        op.create_table("notify_ids", Column("next", BigInteger, nullable=False))
        op.execute("INSERT INTO notify_ids (next) VALUES (1)")


def _create_outbox() -> None:
    op.create_table(
        "notify_messages",
        _id(),
        Column("key", Text),
        _words("fingerprint"),
        _words("kind"),
        _words("body"),
        Column("send_at", Double),
        Column("transactional", Boolean, nullable=False),
        Column("unwiped", Double),
        _time("created"),
        _index("notify_messages_key", "key", where="key IS NOT NULL", unique=True),
        _index("notify_messages_created", "created", "id"),
        _index("notify_messages_unwiped", "unwiped", "id", where="unwiped IS NOT NULL"),
    )
    op.create_table(
        "notify_deliveries",
        _id(),
        _number("message_id"),
        _words("recipient"),
        _words("state"),
        _words("way"),
        Column("priority", SmallInteger, nullable=False),
        _time("due"),
        Column("expires_at", Double),
        _number("attempts", "0"),
        _words("path", ""),
        Column("worker", BigInteger),
        Column("claim", BigInteger),
        Column("submission_id", BigInteger),
        _words("code", ""),
        _words("description", ""),
        _time("changed"),
        _index("notify_deliveries_queue", "way", "priority", "due", "id", where="state = 'queued'"),
        _index("notify_deliveries_expiry", "expires_at", where="state = 'queued' AND expires_at IS NOT NULL"),
        _index("notify_deliveries_sending", "worker", where="state = 'sending'"),
        _index("notify_deliveries_doubt", "recipient", where="state = 'in_doubt'"),
        _index("notify_deliveries_message", "message_id", "id"),
        _index("notify_deliveries_submission", "submission_id", "recipient", where="submission_id IS NOT NULL"),
        _index("notify_deliveries_recipient", "recipient", "id"),
    )
    op.create_table(
        "notify_submissions",
        _id(),
        _words("path"),
        _words("account"),
        _words("task_id"),
        _words("state"),
        _number("recipients"),
        _time("started"),
        _time("ended"),
        _words("sent"),
        _words("scope"),
        _words("retry"),
        _words("code"),
        _words("description"),
        _words("raw"),
        _index("notify_submissions_task", "task_id", "account", where="task_id <> ''"),
        _index("notify_submissions_started", "started", "id"),
    )
    op.create_table(
        "notify_attempts",
        _id(),
        _number("delivery_id"),
        Column("submission_id", BigInteger),
        _time("at"),
        _words("path"),
        _words("state"),
        _words("code"),
        _words("description"),
        _index("notify_attempts_delivery", "delivery_id", "id"),
    )
    op.create_table(
        "notify_workers",
        _id(),
        _words("name"),
        _time("started"),
        _time("lease"),
    )


def _create_limits() -> None:
    op.create_table(
        "notify_limit_holds",
        Column("delivery_id", BigInteger, primary_key=True, autoincrement=False),
        Column("rule", Text, primary_key=True),
        _words("subject"),
        _words("account"),
        _number("span"),
        _number("step"),
        _index("notify_limit_holds_subject", "rule", "subject"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notify_limit_slots",
        Column("rule", Text, primary_key=True),
        Column("subject", Text, primary_key=True),
        Column("until", BigInteger, primary_key=True, autoincrement=False),
        _number("units"),
        _index("notify_limit_slots_until", "until"),
        sqlite_with_rowid=False,
    )


def _create_mailbox() -> None:
    op.create_table(
        "notify_payloads",
        _id(),
        _words("account"),
        _words("transport"),
        _words("origin"),
        _words("hook"),
        _words("request"),
        Column("body", LargeBinary, nullable=False),
        _words("digest"),
        _words("state"),
        _words("error", ""),
        _time("received"),
        _index("notify_payloads_open", "id", where="state <> 'applied'"),
        _index("notify_payloads_received", "received", "id"),
    )
    op.create_table(
        "notify_reports",
        _id(),
        _number("payload_id"),
        _words("account"),
        _words("recipient"),
        _words("task_id"),
        _words("state"),
        _words("code"),
        Column("at", Double),
        _time("received"),
        _words("digest"),
        Column("delivery_id", BigInteger),
        _index("notify_reports_digest", "digest", unique=True),
        _index("notify_reports_delivery", "delivery_id", where="delivery_id IS NOT NULL"),
        _index("notify_reports_parked", "account", "task_id", where="delivery_id IS NULL"),
        _index("notify_reports_received", "received", "id"),
    )
    op.create_table(
        "notify_inbound",
        _id(),
        _number("payload_id"),
        _words("account"),
        _words("sender"),
        _words("text"),
        _words("extension"),
        _words("task_id"),
        Column("at", Double),
        _time("received"),
        _words("digest"),
        _index("notify_inbound_digest", "digest", unique=True),
        _index("notify_inbound_sender", "sender", "id"),
        _index("notify_inbound_received", "received", "id"),
    )
    op.create_table(
        "notify_notices",
        _id(),
        _words("kind"),
        _words("target"),
        _number("subject_id"),
        _words("body"),
        _time("due"),
        _number("tries", "0"),
        Column("done", Double),
        _index("notify_notices_due", "target", "due", "id", where="done IS NULL"),
        _index("notify_notices_subject", "subject_id", "id", where="done IS NULL"),
        _index("notify_notices_done", "done", "id", where="done IS NOT NULL"),
    )


def _create_accounts() -> None:
    op.create_table(
        "notify_opt_outs",
        Column("account", Text, primary_key=True),
        Column("recipient", Text, primary_key=True),
        _words("word"),
        _time("since"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notify_balances",
        Column("account", Text, primary_key=True),
        _words("units"),
        _time("at"),
        Column("low", Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notify_holders",
        Column("name", Text, primary_key=True),
        _words("holder"),
        _time("until"),
        sqlite_with_rowid=False,
    )

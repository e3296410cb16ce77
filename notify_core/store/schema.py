"""The tables of the store, as they are in the version of this code.

Times are seconds since 1970 as double precision, except those of the limits, which are whole milliseconds. Ids are
reserved before a row is written (``database.reserve``) and come from one counter, so that a number names one thing.
Every name begins with ``notify_``, because the store often lives in the application's own database. There are no
foreign keys: each would be looked up for every one of 100,000 rows, and nothing but this package writes here.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    SmallInteger,
    Table,
    Text,
    text,
)

HEAD = "0002"
"""The migration that brings a database to these tables."""
KNOWN = ("0001", HEAD)
"""Every migration that this code knows, oldest first."""
VERSIONS = "notify_alembic_version"
"""Where a database keeps the migration that it is at (not in Alembic's own table, which may be the application's)."""

version = Table(VERSIONS, MetaData(), Column("version_num", Text))
"""That table, which Alembic makes."""

metadata = MetaData()

ids_sequence = Sequence("notify_ids_sequence", metadata=metadata)
"""PostgreSQL: the counter of ids. Numbers of a transaction that is rolled back are lost, and nobody waits."""

ids = Table("notify_ids", metadata, Column("next", BigInteger, nullable=False), info={"dialect": "sqlite"})
"""SQLite: the counter of ids, one row."""

# Only INTEGER PRIMARY KEY names SQLite's own row id; BIGINT would be a second B-tree.
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


messages = Table(
    "notify_messages",
    metadata,
    _id(),
    Column("key", Text),
    _words("fingerprint"),  # of the body and the recipients, where there is a key; empty once the text is wiped
    _words("kind"),
    _words("body"),  # JSON, as bodies.py writes it; empty once wiped
    Column("send_at", Double),  # handed to the provider
    Column("transactional", Boolean, nullable=False),  # goes to those who opted out too
    Column("unwiped", Double),  # when it was enqueued, while its text is still to be wiped
    _time("created"),
    _index("notify_messages_key", "key", where="key IS NOT NULL", unique=True),
    _index("notify_messages_created", "created", "id"),
    _index("notify_messages_unwiped", "unwiped", "id", where="unwiped IS NOT NULL"),
)

deliveries = Table(
    "notify_deliveries",
    metadata,
    _id(),
    _number("message_id"),
    _words("recipient"),
    _words("state"),
    _words("way"),  # as outbox.Way spells it
    Column("priority", SmallInteger, nullable=False),
    _time("due"),
    Column("expires_at", Double),
    _number("attempts", "0"),  # requests that were made for it
    _words("path", ""),  # by which it is being, or was last, sent
    Column("worker", BigInteger),  # who has it, while sending
    Column("claim", BigInteger),  # the token of the claim under which it is, or was last, sending
    Column("submission_id", BigInteger),  # the last request that was made for it
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

submissions = Table(
    "notify_submissions",
    metadata,
    _id(),
    _words("path"),
    _words("account"),
    _words("task_id"),
    _words("state"),  # accepted, rejected or in_doubt
    _number("recipients"),
    _time("started"),
    _time("ended"),
    _words("sent"),  # the verdict of a failure, as errors.py has it; empty where it was accepted
    _words("scope"),
    _words("retry"),
    _words("code"),
    _words("description"),
    _words("raw"),  # the reply, redacted
    _index("notify_submissions_task", "task_id", "account", where="task_id <> ''"),
    _index("notify_submissions_started", "started", "id"),
)

attempts = Table(
    "notify_attempts",
    metadata,
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
"""What befell one delivery other than being accepted: refused, in doubt, lapsed, resolved by a person."""

DIRECT = "direct"
"""The name of a process among the workers that sends at once what it is given, and takes nothing from the queue."""

workers = Table(
    "notify_workers",
    metadata,
    _id(),
    _words("name"),
    _time("started"),
    _time("lease"),  # until when it surely lives
)

limit_holds = Table(
    "notify_limit_holds",
    metadata,
    Column("delivery_id", BigInteger, primary_key=True, autoincrement=False),
    Column("rule", Text, primary_key=True),
    _words("subject"),
    _words("account"),
    _number("span"),
    _number("step"),
    _index("notify_limit_holds_subject", "rule", "subject"),
    sqlite_with_rowid=False,
)
"""Slots of messages that are on their way: taken for as long as that lasts."""

limit_slots = Table(
    "notify_limit_slots",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("until", BigInteger, primary_key=True, autoincrement=False),
    _number("units"),
    _index("notify_limit_slots_until", "until"),
    sqlite_with_rowid=False,
)
"""Slots of messages that left, until they are free again."""

opt_outs = Table(
    "notify_opt_outs",
    metadata,
    Column("account", Text, primary_key=True),
    Column("recipient", Text, primary_key=True),
    _words("word"),
    _time("since"),
    sqlite_with_rowid=False,
)

payloads = Table(
    "notify_payloads",
    metadata,
    _id(),
    _words("account"),
    _words("transport"),
    _words("origin"),  # pull or push
    _words("hook"),  # status, inbound or push
    _words("request"),  # JSON: method, path, query and headers of a push; status and headers of a reply
    Column("body", LargeBinary, nullable=False),
    _words("digest"),
    _words("state"),  # waiting, applied or unreadable
    _words("error", ""),
    _time("received"),
    _index("notify_payloads_open", "id", where="state <> 'applied'"),
    _index("notify_payloads_received", "received", "id"),
)

reports = Table(
    "notify_reports",
    metadata,
    _id(),
    _number("payload_id"),
    _words("account"),
    _words("recipient"),
    _words("task_id"),
    _words("state"),
    _words("code"),
    Column("at", Double),  # by the gateway's clock
    _time("received"),
    _words("digest"),  # of all that the gateway said: the same again is no news
    Column("delivery_id", BigInteger),  # NULL: parked, nobody's yet
    _index("notify_reports_digest", "digest", unique=True),
    _index("notify_reports_delivery", "delivery_id", where="delivery_id IS NOT NULL"),
    _index("notify_reports_parked", "account", "task_id", where="delivery_id IS NULL"),
    _index("notify_reports_unmatched", "received", "id", where="delivery_id IS NULL"),
    _index("notify_reports_nobodys", "recipient", "account", where="delivery_id IS NULL"),
    _index("notify_reports_received", "received", "id"),
)

inbound = Table(
    "notify_inbound",
    metadata,
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

notices = Table(
    "notify_notices",
    metadata,
    _id(),
    _words("kind"),  # reported, received, balance_low …
    _words("target"),  # empty: the listeners of a worker; else the name of a webhook
    _words("account"),
    _number("subject_id"),  # notices of one subject are told in the order of their ids
    Column("about_id", BigInteger),  # the report or inbound message
    _words("body"),  # JSON; empty once it is told
    _time("at"),  # when it was noted
    _time("due"),
    _number("tries", "0"),
    _words("heard", "[]"),  # JSON: listeners who need not hear it again
    _words("error", ""),  # why it was not told at the last try
    Column("done", Double),  # told or given up
    _index("notify_notices_due", "target", "due", "id", where="done IS NULL"),
    _index("notify_notices_subject", "subject_id", "target", "id", where="done IS NULL"),
    _index("notify_notices_at", "at", "id"),
)

balances = Table(
    "notify_balances",
    metadata,
    Column("account", Text, primary_key=True),
    _words("units"),  # a decimal, as text: exact
    _time("at"),
    Column("low", Boolean, nullable=False),
    Column("days", Double),  # how long it lasts at the pace of recent traffic, where that is known
    sqlite_with_rowid=False,
)

traffic = Table(
    "notify_traffic",
    metadata,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),  # since 1970
    Column("path", Text, primary_key=True),
    _number("units"),  # segments times recipients
    sqlite_with_rowid=False,
)
"""What was accepted, by the hour: the pace at which credit is spent."""

holders = Table(
    "notify_holders",
    metadata,
    Column("name", Text, primary_key=True),
    _words("holder"),
    _time("until"),
    sqlite_with_rowid=False,
)
"""Who alone may do a thing for the time being, such as pulling the reports of one account."""

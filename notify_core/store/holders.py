"""Who alone may do a thing for the time being, such as pulling the reports of one account."""

from __future__ import annotations

from sqlalchemy import Connection

from notify_core.store import statements


def seize(connection: Connection, now: float, name: str, holder: str, seconds: float) -> bool:
    """Have ``name`` alone for so long, where nobody else has it; who has it already has it for longer."""
    facts = {"held_name": name, "by_holder": holder, "until_then": now + seconds, "now": now}
    return connection.execute(statements.SEIZE, facts).one_or_none() is not None


def release(connection: Connection, name: str, holder: str) -> None:
    """Let others have it, if ``holder`` does."""
    connection.execute(statements.RELEASE, {"held_name": name, "by_holder": holder})

"""What Alembic runs: the migrations, on the connection (and in the transaction) of ``versions.py``."""

from __future__ import annotations

from alembic import context

from notify_core.store.schema import VERSIONS, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSIONS,
    transactional_ddl=True,
)
context.run_migrations()

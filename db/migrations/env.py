"""Runs migrations inside one transaction, behind an advisory lock."""

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

import db.models  # noqa: F401 - fills the metadata
from db.base import metadata
from db.settings import DatabaseSettings

# Any constant will do; two processes that migrate at once meet here.
_MIGRATION_LOCK = 7_306_001

engine = create_engine(
    DatabaseSettings(database_url=context.config.attributes["url"]).database_url,
    poolclass=NullPool,
)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        context.run_migrations()

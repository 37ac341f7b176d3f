"""Idempotency keys: same key and same request, same answer."""

from sqlalchemy import TIMESTAMP, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUUID

from db.base import metadata

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("api_key_id", PgUUID(as_uuid=True), ForeignKey("api_keys.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("operation_id", PgUUID(as_uuid=True), ForeignKey("operations.id")),
    Column("status", Integer),
    Column("headers", JSONB),
    Column("body", LargeBinary),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_idempotency_keys_created_at", "created_at"),
)

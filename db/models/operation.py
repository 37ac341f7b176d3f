"""Operations: the durable record of every command, from its acceptance to its one end."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    TIMESTAMP,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUUID

from db.base import metadata

# queued is the only status that can be left; a trigger guards the ends.
STATUSES = ("queued", "succeeded", "failed", "dead")
ENDS = ("succeeded", "failed", "dead")
LINE = "line"
BULK = "bulk"
ANALYTICS = "analytics"

_known = ", ".join(f"'{status}'" for status in STATUSES)

operations = Table(
    "operations",
    metadata,
    Column("id", PgUUID(as_uuid=True), primary_key=True),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("queue", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("status", Text, nullable=False, server_default="queued"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("available_at", TIMESTAMP(timezone=True)),
    Column("result", JSONB),
    Column("error", JSONB),
    Column("product_id", PgUUID(as_uuid=True), ForeignKey("products.id")),
    Column("order_id", PgUUID(as_uuid=True), ForeignKey("orders.id")),
    Column("api_key_id", PgUUID(as_uuid=True), ForeignKey("api_keys.id")),
    Column("request_id", Text),
    Column("retry_of", PgUUID(as_uuid=True), ForeignKey("operations.id")),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=func.now()),
    Column("finished_at", TIMESTAMP(timezone=True)),
    CheckConstraint(f"status IN ({_known})", name="status_known"),
    CheckConstraint(f"queue IN ('{LINE}', '{BULK}', '{ANALYTICS}')", name="queue_known"),
    CheckConstraint("(status = 'queued') = (finished_at IS NULL)", name="one_end"),
    CheckConstraint("(status IN ('failed', 'dead')) = (error IS NOT NULL)", name="error_explains"),
    Index(
        "ix_operations_waiting",
        "queue",
        "seq",
        unique=True,
        postgresql_where=text("status = 'queued'"),
    ),
    # Operations that did not end at their first attempt: few, and looked for by every batch.
    Index(
        "ix_operations_tried",
        "queue",
        postgresql_where=text("status = 'queued' AND attempts > 0"),
    ),
    Index("ix_operations_dead", "id", postgresql_where=text("status = 'dead'")),
    Index("ix_operations_kind_id", "kind", "id"),
    # A dead operation is tried again once; if that dies too, it is the next one to retry.
    Index(
        "uq_operations_retry_of",
        "retry_of",
        unique=True,
        postgresql_where=text("retry_of IS NOT NULL"),
    ),
    postgresql_with={
        "fillfactor": "80",
        # Every row is rewritten once; a fifth of ten million is too many to sweep at once.
        "autovacuum_vacuum_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.05",
    },
)

# What the one worker that is on has taken of the line. A worker that dies leaves it behind, and
# so tells its successor which operations to suspect.
line_marker = Table(
    "line_marker",
    metadata,
    Column("one_row", Boolean, primary_key=True, server_default=text("true")),
    Column("token", PgUUID(as_uuid=True)),
    Column("operation_ids", ARRAY(PgUUID(as_uuid=True))),
    Column("taken_at", TIMESTAMP(timezone=True)),
    CheckConstraint("one_row", name="only_one"),
    postgresql_with={"fillfactor": "10"},
)


# What a worker reads of an operation, in the order of `Waiting`.
COLUMNS = ("id", "seq", "kind", "payload", "attempts", "product_id", "order_id", "api_key_id",
           "request_id", "created_at")  # fmt: skip


@dataclass(slots=True)
class Waiting:
    """An operation that stands in line, as its worker reads it."""

    id: UUID
    seq: int
    kind: str
    payload: dict[str, Any]
    attempts: int
    product_id: UUID | None
    order_id: UUID | None
    api_key_id: UUID | None
    request_id: str | None
    created_at: datetime
    held_back: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation as clients see it."""

    id: UUID
    seq: int
    kind: str
    status: str
    attempts: int
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    product_id: UUID | None
    order_id: UUID | None
    api_key_id: UUID | None
    request_id: str | None
    retry_of: UUID | None
    created_at: datetime
    finished_at: datetime | None
    progress: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether it has its one end."""
        return self.status in ENDS

"""What operators are told: one open alert per cause, kept as history when it is over."""

from typing import Final, Literal

from sqlalchemy import (
    TIMESTAMP,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import UUID as PgUUID

from db.base import metadata

OPERATION_DEAD: Final = "operation_dead"
INTEGRITY: Final = "integrity"
COMPONENT_AWAY: Final = "component_away"
OperatorAlertType = Literal["operation_dead", "integrity", "component_away"]

operator_alerts = Table(
    "operator_alerts",
    metadata,
    Column("id", PgUUID(as_uuid=True), primary_key=True),
    Column("type", Text, nullable=False),
    # An operation's id, a component's name, or what is not as it should be.
    Column("cause", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("product_id", PgUUID(as_uuid=True), ForeignKey("products.id")),
    Column("operation_id", PgUUID(as_uuid=True), ForeignKey("operations.id")),
    Column("raised_at", TIMESTAMP(timezone=True), nullable=False),
    # When somebody last saw that it is not over.
    Column("seen_at", TIMESTAMP(timezone=True), nullable=False),
    Column("resolved_at", TIMESTAMP(timezone=True)),
    CheckConstraint(
        f"type IN ('{OPERATION_DEAD}', '{INTEGRITY}', '{COMPONENT_AWAY}')", name="type_known"
    ),
    Index(
        "ix_operator_alerts_open",
        "type",
        "cause",
        unique=True,
        postgresql_where=text("resolved_at IS NULL"),
    ),
    Index("ix_operator_alerts_raised_at_id", "raised_at", "id"),
)

"""Stock alerts: one open at a time for a product, kept as history when it is over."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import UUID as PgUUID

from db.base import metadata
from db.models.stock import StockLevel

alerts = Table(
    "alerts",
    metadata,
    Column("id", PgUUID(as_uuid=True), primary_key=True),
    Column("product_id", PgUUID(as_uuid=True), ForeignKey("products.id"), nullable=False),
    Column("severity", Text, nullable=False),
    Column("stock", BigInteger, nullable=False),
    Column("threshold", Integer, nullable=False),
    Column("raised_at", TIMESTAMP(timezone=True), nullable=False),
    Column("raised_by", PgUUID(as_uuid=True), ForeignKey("operations.id"), nullable=False),
    Column("resolved_at", TIMESTAMP(timezone=True)),
    Column("resolved_by", PgUUID(as_uuid=True), ForeignKey("operations.id")),
    CheckConstraint("severity IN ('low_stock', 'out_of_stock')", name="severity_known"),
    CheckConstraint("(resolved_at IS NULL) = (resolved_by IS NULL)", name="resolved_by_someone"),
    Index(
        "ix_alerts_open", "product_id", unique=True, postgresql_where=text("resolved_at IS NULL")
    ),
    Index("ix_alerts_raised_at_id", "raised_at", "id"),
    postgresql_with={"fillfactor": "80"},
)

Severity = Literal["low_stock", "out_of_stock"]


@dataclass(slots=True)
class Alert:
    """A product whose stock is at or below its threshold."""

    id: UUID
    product_id: UUID
    severity: Severity
    stock: int
    threshold: int
    raised_at: datetime
    raised_by: UUID
    resolved_at: datetime | None = None
    resolved_by: UUID | None = None


def severity_of(level: StockLevel) -> Severity | None:
    """How serious a level is, or None.

    A product that never had stock is no concern before it is published: nobody can buy it.
    """
    if not level.ever_stocked and level.status != "published":
        return None
    if level.available == 0:
        return "out_of_stock"
    return "low_stock" if level.available <= level.threshold else None

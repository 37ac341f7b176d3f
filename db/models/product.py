"""Products and their categories: what the shop sells."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUUID

from db.base import metadata

categories = Table(
    "categories",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=func.now()),
)

products = Table(
    "products",
    metadata,
    Column("id", PgUUID(as_uuid=True), primary_key=True),
    Column("sku", Text, unique=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("price", Numeric(14, 2), nullable=False),
    Column("category_id", Text, ForeignKey("categories.id"), nullable=False),
    Column("images", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("low_stock_threshold", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("price >= 0", name="price_not_negative"),
    CheckConstraint("status IN ('draft', 'published')", name="status_known"),
    CheckConstraint("low_stock_threshold >= 0", name="threshold_not_negative"),
    CheckConstraint("version >= 1", name="version_positive"),
    Index("ix_products_category_id_id", "category_id", "id"),
    Index("ix_products_status_id", "status", "id"),
    # One for each way to sort a list, with the id that breaks ties.
    Index("ix_products_created_at_id", "created_at", "id"),
    Index("ix_products_name_id", "name", "id"),
    Index("ix_products_price_id", "price", "id"),
)


@dataclass(frozen=True, slots=True)
class Product:
    """A product as it stands; ``version`` grows by one with each change and is its ETag."""

    id: UUID
    sku: str | None
    name: str
    description: str
    price: Decimal
    category_id: str
    images: list[str]
    status: str
    low_stock_threshold: int
    version: int
    created_at: datetime
    updated_at: datetime

    def changes_from(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Those of the wanted values that differ from what is; empty means nothing to write."""
        return {name: value for name, value in wanted.items() if getattr(self, name) != value}

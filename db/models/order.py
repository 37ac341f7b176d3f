"""Orders, their items and their transitions: what customers asked for and how far it is."""

from dataclasses import dataclass, field
from datetime import datetime
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
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUUID

from db.base import metadata
from db.errors import Refusal

# The only place that says which step may follow which.
TRANSITIONS: dict[str, tuple[str, ...]] = {
    "queued": ("pending", "rejected"),
    "pending": ("confirmed", "cancelled"),
    "confirmed": ("processing", "cancelled"),
    "processing": ("shipped", "cancelled"),
    "shipped": ("delivered",),
    "delivered": (),
    "cancelled": (),
    "rejected": (),
}
STATUSES = tuple(TRANSITIONS)
# What a sale is: an order counts from its reservation until it is cancelled.
SOLD_STATUSES = ("pending", "confirmed", "processing", "shipped", "delivered")
# In these an order holds its units: reserved, and not out of the house yet.
HOLDING_STATUSES = ("pending", "confirmed", "processing")
# Why an order is rejected whose creation was given up, with no rule against it.
GIVEN_UP = "processing-failed"

_known = ", ".join(f"'{status}'" for status in STATUSES)

orders = Table(
    "orders",
    metadata,
    Column("id", PgUUID(as_uuid=True), primary_key=True),
    Column("status", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("shipping_address", Text, nullable=False),
    Column("total", Numeric(18, 2), nullable=False),
    Column("currency", Text, nullable=False),
    Column("reason", JSONB),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint(f"status IN ({_known})", name="status_known"),
    CheckConstraint("total >= 0", name="total_not_negative"),
    CheckConstraint("version >= 0", name="version_not_negative"),
    CheckConstraint("(status = 'rejected') = (reason IS NOT NULL)", name="rejected_with_reason"),
    Index("ix_orders_created_at", "created_at"),
    Index("ix_orders_status_id", "status", "id"),
    Index("ix_orders_customer_id_id", "customer_id", "id"),
    postgresql_with={"fillfactor": "80"},
)

order_items = Table(
    "order_items",
    metadata,
    Column("order_id", PgUUID(as_uuid=True), ForeignKey("orders.id"), primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("product_id", PgUUID(as_uuid=True), ForeignKey("products.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("unit_price", Numeric(14, 2), nullable=False),
    Column("line_total", Numeric(18, 2), nullable=False),
    CheckConstraint("quantity >= 1", name="quantity_positive"),
    CheckConstraint("line_total = quantity * unit_price", name="line_total_exact"),
    Index("ix_order_items_product_id", "product_id"),
)

order_transitions = Table(
    "order_transitions",
    metadata,
    Column("order_id", PgUUID(as_uuid=True), ForeignKey("orders.id"), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("from_status", Text, nullable=False),
    Column("to_status", Text, nullable=False),
    Column("operation_id", PgUUID(as_uuid=True), ForeignKey("operations.id"), nullable=False),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint(f"from_status IN ({_known}) AND to_status IN ({_known})", name="status_known"),
)


@dataclass(slots=True)
class Order:
    """An order as the line decides about it; ``items`` are units by product, ids in order."""

    id: UUID
    status: str
    version: int
    created_at: datetime
    items: dict[UUID, int] = field(default_factory=dict)
    reason: dict[str, Any] | None = None

    def create(self) -> bool:
        """Be created, also after that was given up before.

        Returns:
            False if it is created already.

        Raises:
            Refusal: ``invalid-transition``; a rule has rejected it, or it has gone on since.
        """
        self._take_up_again()
        return self.move("pending")

    def reject(self, reason: dict[str, Any]) -> bool:
        """Not be created; the last reason counts."""
        self._take_up_again()
        self.reason = reason
        return self.move("rejected")

    def _take_up_again(self) -> None:
        if self.reason is not None and self.reason["code"] == GIVEN_UP:
            self.status, self.reason = "queued", None

    def move(self, status: str) -> bool:
        """Go one step.

        Returns:
            False if the order is already there, which is a success that changes nothing.

        Raises:
            Refusal: ``invalid-transition``, with the steps that are allowed.
        """
        if status == self.status:
            return False
        allowed = TRANSITIONS[self.status]
        if status not in allowed:
            raise Refusal(
                "invalid-transition",
                f"An order that is {self.status} cannot become {status}.",
                orderId=str(self.id),
                orderStatus=self.status,
                allowedTransitions=list(allowed),
            )
        self.status = status
        self.version += 1
        return True

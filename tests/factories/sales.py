"""Sales for tests: straight into the tables, with the traces that the line leaves."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from uuid_utils.compat import uuid7

from db.models.order import SOLD_STATUSES
from db.queries import products
from db.session import Database

# A plain GROUP BY over all orders: it knows nothing of rollups, bounds or indexes.
_PLAIN = """
    SELECT (o.created_at AT TIME ZONE :timezone)::date, count(DISTINCT o.id),
           sum(i.quantity)::bigint, sum(i.line_total)
    FROM orders o JOIN order_items i ON i.order_id = o.id
    WHERE o.status NOT IN ('queued', 'cancelled', 'rejected')
    GROUP BY 1
"""
_PLAIN_PRODUCTS = """
    SELECT i.product_id, sum(i.quantity)::bigint, sum(i.line_total)
    FROM orders o JOIN order_items i ON i.order_id = o.id
    WHERE o.status NOT IN ('queued', 'cancelled', 'rejected')
      AND (o.created_at AT TIME ZONE :timezone)::date BETWEEN :first AND :last
    GROUP BY 1
"""
_TABLES = ("sales_changes", "sales_days", "product_sales_days", "product_sales_spans",
           "order_items", "orders")  # fmt: skip


class Shop:
    """A shop whose history is written at once, at any time of the past."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def _run(self, statement: str, **values: Any) -> Any:
        with self.database.transaction() as connection:
            result = connection.execute(text(statement), values)
            return result.all() if result.returns_rows else None

    def product(self, price: str = "9.50", name: str = "Mug", threshold: int = 5) -> UUID:
        """A new product without stock."""
        with self.database.transaction() as connection:
            return products.insert(
                connection,
                id=uuid7(),
                sku=None,
                name=name,
                description="",
                price=Decimal(price),
                category_id="kitchen",
                images=[],
                low_stock_threshold=threshold,
            ).id

    def sell(self, at: datetime, *items: tuple[UUID, int, str], status: str = "pending") -> UUID:
        """An order that was accepted at some time, of (product, quantity, unit price)."""
        order_id = uuid7()
        rows = [
            {
                "order_id": order_id,
                "line": line,
                "product_id": product_id,
                "quantity": quantity,
                "unit_price": Decimal(price),
                "line_total": quantity * Decimal(price),
            }
            for line, (product_id, quantity, price) in enumerate(items, 1)
        ]
        with self.database.transaction() as connection:
            connection.execute(
                text("""
                    INSERT INTO orders (id, status, version, customer_id, shipping_address, total,
                                        currency, reason, created_at, updated_at)
                    VALUES (:id, :status, 1, 'c', 'a', :total, 'USD', CAST(:reason AS jsonb),
                            :at, :at)
                """),
                {
                    "id": order_id,
                    "status": status,
                    "total": sum(row["line_total"] for row in rows),
                    "reason": "{}" if status == "rejected" else None,
                    "at": at,
                },
            )
            connection.execute(
                text("""
                    INSERT INTO order_items
                        (order_id, line, product_id, name, quantity, unit_price, line_total)
                    VALUES (:order_id, :line, :product_id, 'x', :quantity, :unit_price, :line_total)
                """),
                rows,
            )
            if status in SOLD_STATUSES:
                self._tell(connection, at)
        return order_id

    def move(self, order_id: UUID, status: str) -> None:
        """Set an order's status, as the line does it."""
        with self.database.transaction() as connection:
            before, at = connection.execute(
                text("SELECT status, created_at FROM orders WHERE id = :id FOR UPDATE"),
                {"id": order_id},
            ).one()
            connection.execute(
                text("UPDATE orders SET status = :status, reason = NULL WHERE id = :id"),
                {"status": status, "id": order_id},
            )
            if (before in SOLD_STATUSES) != (status in SOLD_STATUSES):
                self._tell(connection, at)

    @staticmethod
    def _tell(connection: Any, at: datetime) -> None:
        connection.execute(text("INSERT INTO sales_changes (accepted_at) VALUES (:at)"), {"at": at})

    def plain(self, timezone: str) -> dict[str, tuple[int, int, Decimal]]:
        """Orders, units and revenue by day, counted the simplest way."""
        rows = self._run(_PLAIN, timezone=timezone)
        return {row[0].isoformat(): (row[1], row[2], row[3]) for row in rows}

    def plain_products(
        self, timezone: str, first: str, last: str
    ) -> dict[str, tuple[int, Decimal]]:
        """Units and revenue by product, both days included, counted the simplest way."""
        rows = self._run(_PLAIN_PRODUCTS, timezone=timezone, first=first, last=last)
        return {str(row[0]): (row[1], row[2]) for row in rows}

    def forget(self) -> None:
        """Lose every order and every rollup."""
        for table in _TABLES:
            self._run(f"DELETE FROM {table}")

    def stock(self, product_id: UUID, *movements: tuple[datetime, int], reserved: int = 0) -> None:
        """Put units into the house or take them out, at any time of the past, in order."""
        operation_id = self._operation()
        with self.database.transaction() as connection:
            on_hand = version = 0
            for at, change in movements:
                on_hand, version = on_hand + change, version + 1
                connection.execute(
                    text("""
                        INSERT INTO stock_movements
                            (product_id, version, kind, on_hand_change, reserved_change, on_hand,
                             reserved, operation_id, created_at)
                        VALUES (:product_id, :version, 'adjustment', :change, 0, :on_hand, 0,
                                :operation_id, :at)
                    """),
                    {
                        "product_id": product_id,
                        "version": version,
                        "change": change,
                        "on_hand": on_hand,
                        "operation_id": operation_id,
                        "at": at,
                    },
                )
            connection.execute(
                text("""
                    UPDATE stock_levels SET on_hand = :on_hand, reserved = :reserved,
                        version = :version, ever_stocked = true
                    WHERE product_id = :product_id
                """),
                {
                    "product_id": product_id,
                    "on_hand": on_hand,
                    "reserved": reserved,
                    "version": version,
                },
            )

    def alert(self, product_id: UUID, severity: str, at: datetime, stock: int = 0) -> UUID:
        """An open alert."""
        alert_id = uuid7()
        self._run(
            """
            INSERT INTO alerts (id, product_id, severity, stock, threshold, raised_at, raised_by)
            VALUES (:id, :product_id, :severity, :stock, 5, :at, :operation_id)
            """,
            id=alert_id,
            product_id=product_id,
            severity=severity,
            stock=stock,
            at=at,
            operation_id=self._operation(),
        )
        return alert_id

    def _operation(self) -> UUID:
        operation_id = uuid7()
        self._run(
            """
            INSERT INTO operations (id, queue, kind, payload, status, finished_at)
            VALUES (:id, 'line', 'adjust-stock', '{}', 'succeeded', now())
            """,
            id=operation_id,
        )
        return operation_id

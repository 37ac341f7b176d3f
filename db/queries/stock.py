"""Stock levels and their ledger, as they are read."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

_LEVEL = text("""
    SELECT l.product_id, l.on_hand - l.reserved AS stock, l.on_hand, l.reserved,
           p.low_stock_threshold, l.version, l.updated_at
    FROM stock_levels l JOIN products p ON p.id = l.product_id
    WHERE l.product_id = :id
""")


def level(connection: Connection, product_id: UUID) -> dict[str, Any] | None:
    """The stock of a product as it stands."""
    row = connection.execute(_LEVEL, {"id": product_id}).mappings().one_or_none()
    return dict(row) if row else None


_LEVEL_AT = text("""
    SELECT p.id AS product_id, coalesce(m.on_hand - m.reserved, 0) AS stock,
           coalesce(m.on_hand, 0) AS on_hand, coalesce(m.reserved, 0) AS reserved,
           p.low_stock_threshold, coalesce(m.version, 0) AS version,
           coalesce(m.created_at, p.created_at) AS updated_at
    FROM products p
    LEFT JOIN LATERAL (
        SELECT * FROM stock_movements
        WHERE product_id = p.id AND created_at <= :at ORDER BY version DESC LIMIT 1
    ) m ON true
    WHERE p.id = :id
""")


def level_at(connection: Connection, product_id: UUID, at: datetime) -> dict[str, Any] | None:
    """The stock of a product as it was at a time, from the ledger."""
    row = connection.execute(_LEVEL_AT, {"id": product_id, "at": at}).mappings().one_or_none()
    return dict(row) if row else None


_MOVEMENTS = text("""
    SELECT product_id, version, kind, on_hand_change, reserved_change, on_hand, reserved,
           reason, reference, operation_id, created_at
    FROM stock_movements
    WHERE product_id = :id AND version < :before
    ORDER BY version DESC LIMIT :limit
""")


def movements(
    connection: Connection, product_id: UUID, *, limit: int, before: int | None
) -> list[dict[str, Any]]:
    """The ledger of a product, newest first.

    Args:
        connection: in the caller's transaction.
        product_id: whose.
        limit: how many at most.
        before: only those of a lower version.
    """
    wanted = {"id": product_id, "limit": limit, "before": 2**62 if before is None else before}
    return [dict(row) for row in connection.execute(_MOVEMENTS, wanted).mappings()]

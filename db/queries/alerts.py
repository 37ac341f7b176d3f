"""Alerts: the open ones, their history, and the products whose alert does not fit."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from db.queries.operator_alerts import STATUS, Wanted

# The same rule as `db.models.alert.severity_of`; a test holds the two together.
DESERVED = """
    CASE
        WHEN NOT l.ever_stocked AND p.status <> 'published' THEN NULL
        WHEN l.on_hand - l.reserved = 0 THEN 'out_of_stock'
        WHEN l.on_hand - l.reserved <= p.low_stock_threshold THEN 'low_stock'
    END
"""
_TO_REVIEW = text(f"""
    SELECT l.product_id
    FROM stock_levels l
    JOIN products p ON p.id = l.product_id
    LEFT JOIN alerts a ON a.product_id = l.product_id AND a.resolved_at IS NULL
    WHERE a.severity IS DISTINCT FROM ({DESERVED})
      AND NOT EXISTS (
          SELECT FROM operations o
          WHERE o.status = 'queued' AND o.queue = 'line' AND o.product_id = l.product_id)
    ORDER BY l.product_id
    LIMIT :limit
""")  # noqa: S608 - our own names


def products_to_review(connection: Connection, limit: int) -> list[UUID]:
    """Products whose open alert is not the one that their stock deserves, with nothing queued."""
    return list(connection.execute(_TO_REVIEW, {"limit": limit}).scalars())


def page(
    connection: Connection,
    *,
    limit: int,
    before: tuple[datetime, UUID] | None,
    wanted: Wanted = "open",
    product_id: UUID | None = None,
) -> list[dict[str, Any]]:
    """Stock alerts, newest first, with the products' names.

    Args:
        connection: in the caller's transaction.
        limit: how many at most.
        before: only those after this place in the list (``raised_at``, ``id``).
        wanted: which of them.
        product_id: only those of a product.
    """
    statement = text(f"""
        SELECT a.id, a.product_id, p.name, a.severity, a.stock, a.threshold, a.raised_at,
               a.raised_by, a.resolved_at, a.resolved_by
        FROM alerts a JOIN products p ON p.id = a.product_id
        WHERE {STATUS[wanted]}
        {"AND a.product_id = :product_id" if product_id else ""}
        {"AND (a.raised_at, a.id) < (:raised_at, :id)" if before else ""}
        ORDER BY a.raised_at DESC, a.id DESC LIMIT :limit
    """)  # noqa: S608 - our own names
    place = {"raised_at": before[0], "id": before[1]} if before else {}
    found = connection.execute(statement, {"limit": limit, "product_id": product_id, **place})
    return [dict(row) for row in found.mappings()]

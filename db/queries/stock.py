"""Stock levels and their ledger, as they are read."""

from collections.abc import Collection
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


_LEVELS = text("""
    SELECT l.product_id, p.sku, p.name, l.on_hand - l.reserved AS stock, l.on_hand, l.reserved,
           p.low_stock_threshold, l.version, l.updated_at
    FROM stock_levels l JOIN products p ON p.id = l.product_id
    WHERE l.product_id < :before
    ORDER BY l.product_id DESC LIMIT :limit
""")
_LAST = UUID(int=2**128 - 1)


def levels(connection: Connection, *, limit: int, before: UUID | None) -> list[dict[str, Any]]:
    """The stock of all products, the newest first.

    Args:
        connection: in the caller's transaction.
        limit: how many at most.
        before: only those of products older than this one; ids grow with time.
    """
    wanted = {"limit": limit, "before": before or _LAST}
    return [dict(row) for row in connection.execute(_LEVELS, wanted).mappings()]


_RESTORE = text("""
    INSERT INTO stock_levels (product_id, on_hand, reserved, version, ever_stocked, updated_at)
    SELECT p.id, coalesce(m.on_hand, 0), coalesce(m.reserved, 0),
           greatest(
               m.version, (SELECT max(position) FROM events WHERE stream = 'stock:' || p.id), 0
           ),
           EXISTS (SELECT FROM stock_movements WHERE product_id = p.id AND on_hand > 0),
           coalesce(m.created_at, p.created_at)
    FROM products p LEFT JOIN LATERAL (
        SELECT * FROM stock_movements WHERE product_id = p.id ORDER BY version DESC LIMIT 1
    ) m ON true
    WHERE p.id = ANY(:ids)
""")


def restore(connection: Connection, ids: Collection[UUID]) -> None:
    """Write levels that are gone, as the ledger ends; no number told of them is given again."""
    connection.execute(_RESTORE, {"ids": list(ids)})


_FILTERS = {
    "product_id": "m.product_id = :product_id",
    "kind": "m.kind = :kind",
    "since": "m.created_at >= :since",
    "until": "m.created_at < :until",
}


def movements(
    connection: Connection,
    product_id: UUID | None,
    *,
    limit: int,
    after: tuple[UUID, int] | None = None,
    kind: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[dict[str, Any]]:
    """The ledger, with who asked for each change.

    Args:
        connection: in the caller's transaction.
        product_id: whose, the newest first; None for all products, one after the other, the
            oldest first.
        limit: how many at most.
        after: only those that come after this product and version.
        kind: only these.
        since: only those made at this time or later.
        until: only those made before this time.
    """
    wanted: dict[str, Any] = {
        "product_id": product_id,
        "kind": kind,
        "since": since,
        "until": until,
    }
    clauses = [clause for name, clause in _FILTERS.items() if wanted[name] is not None]
    order = "m.product_id, m.version" if product_id is None else "m.version DESC"
    if after is not None:
        beyond = "(m.product_id, m.version) > (:after_product, :after_version)"
        clauses.append(beyond if product_id is None else "m.version < :after_version")
    where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
    statement = text(f"""
        SELECT m.product_id, m.version, m.kind, m.on_hand_change, m.reserved_change, m.on_hand,
               m.reserved, m.reason, m.reference, m.operation_id, o.request_id,
               k.name AS key_name, m.created_at
        FROM (
            SELECT * FROM stock_movements m {where} ORDER BY {order} LIMIT :limit
        ) m
        JOIN operations o ON o.id = m.operation_id LEFT JOIN api_keys k ON k.id = o.api_key_id
        ORDER BY {order}
    """)  # noqa: S608 - our own names
    wanted["limit"] = limit
    wanted["after_product"], wanted["after_version"] = after or (None, None)
    return [dict(row) for row in connection.execute(statement, wanted).mappings()]

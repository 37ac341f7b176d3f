"""Orders: drafted at the door, read with their items and their history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order that is to be written with its operation, queued; amounts are decimals in text."""

    id: UUID
    customer_id: str
    shipping_address: str
    currency: str
    total: str
    items: list[dict[str, Any]]


def draft(
    order_id: UUID,
    *,
    customer_id: str,
    shipping_address: str,
    currency: str,
    items: Sequence[tuple[UUID, str, int, Decimal]],
) -> NewOrder:
    """An order with its sums.

    Args:
        order_id: the order's.
        customer_id: the client's own.
        shipping_address: text.
        currency: of all its prices, ISO 4217.
        items: product, name, units and price of one, as they are at this moment.
    """
    rows = [
        {
            "line": line,
            "product_id": product_id,
            "name": name,
            "quantity": quantity,
            "unit_price": str(price),
            "line_total": str(quantity * price),
        }
        for line, (product_id, name, quantity, price) in enumerate(items, 1)
    ]
    total = sum((quantity * price for _, _, quantity, price in items), Decimal(0))
    return NewOrder(order_id, customer_id, shipping_address, currency, str(total), rows)


_ITEMS = """
    (SELECT jsonb_agg(jsonb_build_object(
            'product_id', i.product_id, 'name', i.name, 'quantity', i.quantity,
            'unit_price', i.unit_price::text, 'line_total', i.line_total::text) ORDER BY i.line)
     FROM order_items i WHERE i.order_id = o.id) AS items
"""
_TRANSITIONS = """
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'from_status', t.from_status, 'to_status', t.to_status,
            'operation_id', t.operation_id, 'request_id', by.request_id, 'key_name', k.name,
            'at', t.created_at) ORDER BY t.version), '[]')
     FROM order_transitions t JOIN operations by ON by.id = t.operation_id
     LEFT JOIN api_keys k ON k.id = by.api_key_id
     WHERE t.order_id = o.id) AS transitions
"""
_SELECT = f"""
    SELECT o.id, o.status, o.version, o.customer_id, o.shipping_address, o.total, o.currency,
           o.reason, o.created_at, o.updated_at, {_ITEMS}, {_TRANSITIONS}
    FROM orders o
"""  # noqa: S608 - our own names


def find(connection: Connection, order_id: UUID) -> dict[str, Any] | None:
    """One order with its items and transitions."""
    statement = text(_SELECT + "WHERE o.id = :id")
    row = connection.execute(statement, {"id": order_id}).mappings().one_or_none()
    return dict(row) if row else None


_FILTERS = {
    "status": "o.status = :status",
    "customer_id": "o.customer_id = :customer_id",
    "since": "o.created_at >= :since",
    "until": "o.created_at < :until",
    "before": "o.id < :before",
}


def page(
    connection: Connection,
    *,
    limit: int,
    before: UUID | None = None,
    status: str | None = None,
    customer_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[dict[str, Any]]:
    """Orders, newest first; ids grow with time.

    Args:
        connection: in the caller's transaction.
        limit: how many at most.
        before: only those older than this one.
        status: only these.
        customer_id: only this customer's.
        since: only those accepted at this time or later.
        until: only those accepted before this time.
    """
    wanted = {
        "before": before,
        "status": status,
        "customer_id": customer_id,
        "since": since,
        "until": until,
    }
    clauses = [clause for name, clause in _FILTERS.items() if wanted[name] is not None]
    where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
    statement = text(f"{_SELECT} {where} ORDER BY o.id DESC LIMIT :limit")
    return [dict(r) for r in connection.execute(statement, {**wanted, "limit": limit}).mappings()]

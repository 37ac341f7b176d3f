"""Exports: lists as tables for spreadsheets."""

from collections.abc import Callable, Iterator
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from flask import Response

from db.models.api_key import ApiKey
from db.models.product import Product
from db.queries import alerts as alert_queries
from db.queries import api_keys as key_queries
from db.queries import operations as operation_queries
from db.queries import operator_alerts as operator_alert_queries
from db.queries import orders as order_queries
from db.queries import products as product_queries
from db.queries import stock as stock_queries
from db.session import Database
from web.tables import PAGE, keyset, table

PRODUCT_COLUMNS = (
    "id", "sku", "name", "description", "price", "categoryId", "images", "status",
    "lowStockThreshold", "version", "createdAt", "updatedAt",
)  # fmt: skip
STOCK_COLUMNS = (
    "productId", "sku", "name", "stock", "onHand", "reserved", "lowStockThreshold", "version",
    "updatedAt",
)  # fmt: skip
MOVEMENT_COLUMNS = (
    "productId", "version", "kind", "onHandChange", "reservedChange", "onHand", "reserved",
    "reason", "reference", "operationId", "requestId", "keyName", "createdAt",
)  # fmt: skip
ORDER_COLUMNS = (
    "id", "status", "createdAt", "updatedAt", "customerId", "shippingAddress", "currency", "total",
    "line", "productId", "name", "quantity", "unitPrice", "lineTotal",
)  # fmt: skip
OPERATION_COLUMNS = (
    "id", "kind", "status", "attempts", "productId", "orderId", "retryOf", "requestId",
    "createdAt", "finishedAt", "result", "error", "retriedBy",
)  # fmt: skip
ALERT_COLUMNS = (
    "id", "productId", "name", "severity", "stock", "threshold", "raisedAt", "raisedBy",
    "resolvedAt", "resolvedBy",
)  # fmt: skip
SYSTEM_ALERT_COLUMNS = (
    "id", "type", "message", "productId", "operationId", "raisedAt", "resolvedAt", "resolvedBy",
    "component",
)  # fmt: skip
KEY_COLUMNS = (
    "id", "name", "hint", "scopes", "rate", "wsRate", "createdAt", "expiresAt", "revokedAt",
)  # fmt: skip


def products(database: Database, *, sort: str, **wanted: Any) -> Response:
    """Products in an order, one row each.

    Args:
        database: where to read.
        sort: a key of `db.queries.products.SORTS`.
        wanted: its other filters.
    """
    column = product_queries.SORTS[sort]

    def page(after: tuple[Any, UUID] | None) -> list[Product]:
        with database.transaction() as connection:
            return product_queries.page(connection, limit=PAGE, sort=sort, after=after, **wanted)

    found: Iterator[Product] = keyset(page, lambda one: (getattr(one, column), one.id))
    rows = (
        (
            one.id, one.sku, one.name, one.description, one.price, one.category_id, one.images,
            one.status, one.low_stock_threshold, one.version, one.created_at, one.updated_at,
        )
        for one in found
    )  # fmt: skip
    return table("products", PRODUCT_COLUMNS, rows)


def stock(database: Database) -> Response:
    """The stock of all products."""

    def page(before: UUID | None) -> list[dict[str, Any]]:
        with database.transaction() as connection:
            return stock_queries.levels(connection, limit=PAGE, before=before)

    found = keyset(page, lambda row: row["product_id"])
    return table("stock", STOCK_COLUMNS, (tuple(row.values()) for row in found))


def movements(database: Database, **wanted: Any) -> Response:
    """The ledger, or what is wanted of it."""

    def page(after: tuple[UUID, int] | None) -> list[dict[str, Any]]:
        with database.transaction() as connection:
            return stock_queries.movements(connection, **wanted, limit=PAGE, after=after)

    found = keyset(page, lambda row: (row["product_id"], row["version"]))
    return table("movements", MOVEMENT_COLUMNS, (tuple(row.values()) for row in found))


def orders(database: Database, **wanted: Any) -> Response:
    """Orders, a row for each item."""

    def page(before: UUID | None) -> list[dict[str, Any]]:
        with database.transaction() as connection:
            return order_queries.page(connection, limit=PAGE, before=before, **wanted)

    found = keyset(page, lambda order: order["id"])
    return table("orders", ORDER_COLUMNS, (row for order in found for row in _lines(order)))


def _lines(order: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    for line, item in enumerate(order["items"] or (), 1):
        yield (
            order["id"], order["status"], order["created_at"], order["updated_at"],
            order["customer_id"], order["shipping_address"], order["currency"], order["total"],
            line, item["product_id"], item["name"], item["quantity"], item["unit_price"],
            item["line_total"],
        )  # fmt: skip


def operations(database: Database, **wanted: Any) -> Response:
    """Operations, one row each."""

    def page(before: UUID | None) -> list[operation_queries.Listed]:
        with database.transaction() as connection:
            return operation_queries.page(connection, limit=PAGE, before=before, **wanted)

    found: Iterator[operation_queries.Listed] = keyset(page, lambda row: row.operation.id)
    rows = (
        (
            one.id, one.kind, one.status, one.attempts, one.product_id, one.order_id, one.retry_of,
            one.request_id, one.created_at, one.finished_at, one.result, one.error, retried_by,
        )
        for one, retried_by, _ in found
    )  # fmt: skip
    return table("operations", OPERATION_COLUMNS, rows)


def alerts(database: Database, **wanted: Any) -> Response:
    """The alerts of stock."""
    return _alerts(database, "alerts", ALERT_COLUMNS, alert_queries.page, wanted)


def system_alerts(database: Database, **wanted: Any) -> Response:
    """What operators were told."""
    columns, read = SYSTEM_ALERT_COLUMNS, operator_alert_queries.page
    return _alerts(database, "system-alerts", columns, read, wanted)


def keys(database: Database) -> Response:
    """API keys, without their secrets."""

    def page(before: UUID | None) -> list[ApiKey]:
        with database.transaction() as connection:
            return key_queries.page(connection, limit=PAGE, before=before)

    found: Iterator[ApiKey] = keyset(page, lambda key: key.id)
    rows = (
        (
            key.id, key.name, key.hint, list(key.scopes), key.rate, key.ws_rate, key.created_at,
            key.expires_at, key.revoked_at,
        )
        for key in found
    )  # fmt: skip
    return table("keys", KEY_COLUMNS, rows)


def _alerts(
    database: Database,
    name: str,
    columns: tuple[str, ...],
    read: Callable[..., list[dict[str, Any]]],
    wanted: dict[str, Any],
) -> Response:
    def page(before: tuple[datetime, UUID] | None) -> list[dict[str, Any]]:
        with database.transaction() as connection:
            return read(connection, limit=PAGE, before=before, **wanted)

    found = keyset(page, itemgetter("raised_at", "id"))
    return table(name, columns, (tuple(row.values()) for row in found))

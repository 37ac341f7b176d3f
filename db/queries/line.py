"""The line's reading and writing: each table once a batch."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, text

from db.models.alert import Alert
from db.models.operation import Waiting
from db.models.operator_alert import OPERATION_DEAD
from db.models.order import Order
from db.models.stock import Movement, StockLevel
from db.queries import operator_alerts, streams
from db.queries.rows import insert_rows, update_rows

# Whoever holds it is the one worker that applies the line.
_LINE_LOCK = 7_306_002
_SALES_GRAIN = timedelta(minutes=15)


@dataclass(slots=True)
class Outcome:
    """Everything that came of a batch, ready to be written.

    Events are ``(stream, position, name, data)``, where data is something that orjson writes.
    """

    levels: dict[UUID, StockLevel] = field(default_factory=dict)
    movements: list[tuple[UUID, Movement, UUID]] = field(default_factory=list)
    orders: dict[UUID, Order] = field(default_factory=dict)
    transitions: list[tuple[Order, str, UUID]] = field(default_factory=list)
    alerts: dict[UUID, Alert] = field(default_factory=dict)
    sold_at: set[datetime] = field(default_factory=set)
    events: list[tuple[str, int, str, Any]] = field(default_factory=list)
    ends: list[dict[str, Any]] = field(default_factory=list)
    held_back: list[dict[str, Any]] = field(default_factory=list)
    dead: list[tuple[UUID, str]] = field(default_factory=list)


def take_lock(connection: Connection) -> bool:
    """Whether this transaction is now the one that applies the line, until it ends."""
    statement = text("SELECT pg_try_advisory_xact_lock(:key)")
    return bool(connection.execute(statement, {"key": _LINE_LOCK}).scalar())


_WAITING = text("""
    SELECT id, seq, kind, payload, attempts, product_id, order_id, api_key_id, request_id,
           created_at, coalesce(available_at > now(), false) AS held_back
    FROM operations
    WHERE id = ANY(:ids) AND status = 'queued'
    ORDER BY seq
""")


def waiting(connection: Connection, ids: Collection[UUID]) -> list[Waiting]:
    """Those of these operations that still wait, in order of acceptance."""
    return [Waiting(*row) for row in connection.execute(_WAITING, {"ids": list(ids)})]


def count_attempts(connection: Connection, ids: Collection[UUID]) -> None:
    """One attempt more for each of these operations."""
    connection.execute(
        text(
            "UPDATE operations SET attempts = attempts + 1"
            " WHERE id = ANY(:ids) AND status = 'queued'"
        ),
        {"ids": list(ids)},
    )


_ORDERS = text("""
    SELECT id, status, version, created_at FROM orders
    WHERE id = ANY(:ids) ORDER BY id FOR UPDATE
""")
_ITEMS = text("""
    SELECT order_id, product_id, sum(quantity)::bigint FROM order_items
    WHERE order_id = ANY(:ids) GROUP BY order_id, product_id ORDER BY order_id, product_id
""")


def read_orders(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Order]:
    """The orders with their units by product, locked."""
    if not ids:
        return {}
    wanted = {"ids": list(ids)}
    orders = {row.id: Order(*row) for row in connection.execute(_ORDERS, wanted)}
    for order_id, product_id, quantity in connection.execute(_ITEMS, wanted):
        orders[order_id].items[product_id] = quantity
    return orders


_LEVELS = text("""
    SELECT l.product_id, l.on_hand, l.reserved, l.version, l.ever_stocked,
           p.name, p.status, p.low_stock_threshold
    FROM stock_levels l JOIN products p ON p.id = l.product_id
    WHERE l.product_id = ANY(:ids) ORDER BY l.product_id FOR UPDATE OF l
""")
_ALERTS = text("""
    SELECT id, product_id, severity, stock, threshold, raised_at, raised_by FROM alerts
    WHERE product_id = ANY(:ids) AND resolved_at IS NULL
""")
_HEADS = text("SELECT name, head FROM streams WHERE name = ANY(:names) ORDER BY name FOR UPDATE")


def read_levels(connection: Connection, ids: Collection[UUID]) -> dict[UUID, StockLevel]:
    """The stock levels of these products, locked, with what alerts need to know."""
    if not ids:
        return {}
    found = connection.execute(_LEVELS, {"ids": list(ids)})
    return {row.product_id: StockLevel(*row) for row in found}


def read_open_alerts(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Alert]:
    """The open alerts of these products."""
    if not ids:
        return {}
    return {row.product_id: Alert(*row) for row in connection.execute(_ALERTS, {"ids": list(ids)})}


def read_heads(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """The last numbers given in these streams, locked."""
    return {row.name: row.head for row in connection.execute(_HEADS, {"names": list(names)})}


_WRITE_ALERTS = text("""
    INSERT INTO alerts AS kept
    SELECT * FROM json_populate_recordset(NULL::alerts, :rows)
    ON CONFLICT (id) DO UPDATE SET
        severity = excluded.severity, stock = excluded.stock, threshold = excluded.threshold,
        resolved_at = excluded.resolved_at, resolved_by = excluded.resolved_by
""")


def write(connection: Connection, outcome: Outcome, heads: dict[str, int], now: datetime) -> None:
    """Write all that came of a batch, each table in one statement.

    Args:
        connection: the transaction that read what the batch decided about.
        outcome: what came of it.
        heads: the last numbers now given in the streams that tell about no single row.
        now: the batch's time.
    """
    _write_stock(connection, outcome, now)
    _write_orders(connection, outcome, now)
    _write_alerts(connection, list(outcome.alerts.values()))
    streams.write(connection, outcome.events, now)
    given = [{"name": name, "head": head} for name, head in heads.items()]
    update_rows(connection, "streams", "name", given)
    moments = {_quarter(moment) for moment in outcome.sold_at}
    insert_rows(connection, "sales_changes", [{"accepted_at": moment} for moment in moments])
    update_rows(connection, "operations", "id", outcome.ends)
    update_rows(connection, "operations", "id", outcome.held_back)
    for operation_id, message in outcome.dead:
        operator_alerts.raise_or_renew(
            connection, OPERATION_DEAD, str(operation_id), message, operation_id=operation_id
        )


def _write_stock(connection: Connection, outcome: Outcome, now: datetime) -> None:
    levels = [
        {
            "product_id": level.product_id,
            "on_hand": level.on_hand,
            "reserved": level.reserved,
            "version": level.version,
            "ever_stocked": level.ever_stocked,
            "updated_at": now,
        }
        for level in outcome.levels.values()
    ]
    update_rows(connection, "stock_levels", "product_id", levels)
    movements = [
        {
            "product_id": product_id,
            "version": movement.version,
            "kind": movement.kind,
            "on_hand_change": movement.on_hand_change,
            "reserved_change": movement.reserved_change,
            "on_hand": movement.on_hand,
            "reserved": movement.reserved,
            "reason": movement.reason,
            "reference": movement.reference,
            "operation_id": operation_id,
            "created_at": now,
        }
        for product_id, movement, operation_id in outcome.movements
    ]
    insert_rows(connection, "stock_movements", movements)


def _write_orders(connection: Connection, outcome: Outcome, now: datetime) -> None:
    orders = [
        {
            "id": order.id,
            "status": order.status,
            "version": order.version,
            "reason": order.reason,
            "updated_at": now,
        }
        for order in outcome.orders.values()
    ]
    update_rows(connection, "orders", "id", orders)
    transitions = [
        {
            "order_id": order.id,
            "version": order.version,
            "from_status": previous,
            "to_status": order.status,
            "operation_id": operation_id,
            "created_at": now,
        }
        for order, previous, operation_id in outcome.transitions
    ]
    insert_rows(connection, "order_transitions", transitions)


def _write_alerts(connection: Connection, changed: list[Alert]) -> None:
    # What is resolved goes first: a product has at most one open alert at any statement's end.
    for resolved in (True, False):
        rows = [alert for alert in changed if (alert.resolved_at is not None) is resolved]
        if rows:
            connection.execute(_WRITE_ALERTS, {"rows": _json(rows)})


def _quarter(moment: datetime) -> datetime:
    """Every time zone's days begin on a quarter of an hour, so that one row serves many orders."""
    return moment - (moment - datetime.min.replace(tzinfo=moment.tzinfo)) % _SALES_GRAIN


def _json(rows: Sequence[Any]) -> str:
    return orjson.dumps(rows).decode()

"""The line's reading and writing: one statement each, if it names no orders."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from db.models.alert import Alert
from db.models.operation import COLUMNS, Waiting
from db.models.operator_alert import OPERATION_DEAD
from db.models.order import Order
from db.models.stock import Movement, StockLevel
from db.queries import marker, operator_alerts, streams
from db.queries.prepared import execute
from db.queries.rows import Writes, array

_SALES_GRAIN = timedelta(minutes=15)


@dataclass(slots=True)
class Outcome:
    """Everything that came of a batch, ready to be written.

    Events are ``(stream, position, name, data)``, where data is JSON text. Of what is held back the
    id is kept, how many attempts were made, and how long it is to wait for the next.
    """

    levels: dict[UUID, StockLevel] = field(default_factory=dict)
    movements: list[tuple[UUID, Movement, UUID]] = field(default_factory=list)
    orders: dict[UUID, Order] = field(default_factory=dict)
    transitions: list[tuple[Order, str, UUID]] = field(default_factory=list)
    alerts: dict[UUID, Alert] = field(default_factory=dict)
    sold_at: set[datetime] = field(default_factory=set)
    events: list[tuple[str, int, str, Any]] = field(default_factory=list)
    ends: list[dict[str, Any]] = field(default_factory=list)
    held_back: list[tuple[UUID, int, timedelta]] = field(default_factory=list)
    dead: list[tuple[UUID, str]] = field(default_factory=list)
    cuts: list[tuple[str, int]] = field(default_factory=list)


# Whose turn it is was decided when they were taken; the clock has gone on since. What was tried
# before came along only to keep its place, unless nothing else was due: then it is the last.
_WAITING = text(f"""
    SELECT {", ".join(COLUMNS)},
           CASE WHEN bool_or(attempts = 0) OVER () THEN attempts > 0
                ELSE seq < max(seq) OVER () END AS held_back
    FROM operations
    WHERE id = ANY(:ids) AND status = 'queued'
    ORDER BY seq
""")  # noqa: S608 - our own names


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


_HOLD_BACK = text("""
    UPDATE operations
    SET attempts = given.attempts, available_at = clock_timestamp() + given.delay
    FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS int[]), CAST(:delays AS interval[]))
        AS given (id, attempts, delay)
    WHERE operations.id = given.id
""")


def _hold_back(connection: Connection, held_back: list[tuple[UUID, int, timedelta]]) -> None:
    """By the clock that is asked whether they may be taken."""
    ids, attempts, delays = zip(*held_back, strict=True)
    wanted = {"ids": list(ids), "attempts": list(attempts), "delays": list(delays)}
    connection.execute(_HOLD_BACK, wanted)


_ORDERS = """
    SELECT id, status, version, created_at, (
        SELECT json_object_agg(product_id, units) FROM (
            SELECT product_id, sum(quantity)::bigint AS units FROM order_items
            WHERE order_id = o.id GROUP BY product_id ORDER BY product_id
        ) AS items
    ), reason FROM orders o WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE OF o
"""


def read_orders(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Order]:
    """The orders with their units by product, locked.

    Not against those who only name them: what is accepted for an order waits for no worker.
    """
    if not ids:
        return {}
    found = execute(connection, _ORDERS, {"ids": array(ids)})
    return {
        order_id: Order(
            order_id,
            status,
            version,
            at,
            {UUID(name): units for name, units in (items or {}).items()},
            reason,
        )
        for order_id, status, version, at, items, reason in found
    }


# One query for what is locked, as each costs its way there and back. Only the line writes alerts,
# and nobody writes the items of an order that was accepted. Whoever is not alone may wait for
# nobody, and so locks nothing.
_LEVELS = f"""
    WITH levels AS (
        SELECT l.product_id, l.on_hand, l.reserved, l.version, l.ever_stocked,
               p.name, p.status, p.low_stock_threshold
        FROM stock_levels l JOIN products p ON p.id = l.product_id
        WHERE EXISTS ({marker.BEGUN}) AND l.product_id = ANY(%(products)s::uuid[] || ARRAY(
            SELECT product_id FROM order_items WHERE order_id = ANY(%(orders)s::uuid[])))
        ORDER BY l.product_id FOR UPDATE OF l
    ), heads AS (
        SELECT name, head FROM streams
        WHERE EXISTS ({marker.BEGUN}) AND name = ANY(%(streams)s::text[])
        ORDER BY name FOR UPDATE
    )
    SELECT EXISTS (SELECT FROM operations WHERE status = 'queued' AND queue = 'bulk'),
           heads.*, levels.*,
           a.id, a.product_id, a.severity, a.stock, a.threshold, a.raised_at, a.raised_by
    FROM levels LEFT JOIN alerts a ON a.product_id = levels.product_id AND a.resolved_at IS NULL
    FULL JOIN heads ON false
"""  # noqa: S608 - our own names


@dataclass(frozen=True, slots=True)
class Read:
    """What was read and locked.

    Attributes:
        levels: the stock of products, with what alerts need to know.
        alerts: their open ones.
        heads: the last numbers given in streams.
        bulks_wait: whether any bulk does.
    """

    levels: dict[UUID, StockLevel]
    alerts: dict[UUID, Alert]
    heads: dict[str, int]
    bulks_wait: bool


def read_levels(
    connection: Connection,
    products: Collection[UUID],
    orders: Collection[UUID],
    streams: Collection[str],
    *,
    begin: UUID | None = None,
) -> Read | None:
    """The stock of products, and of those of orders, and the heads of streams, locked.

    Args:
        connection: of a transaction that has begun to apply the line.
        products: which.
        orders: of whose items as well.
        streams: at least one.
        begin: begin first, as `marker.begin` does, with this token.

    Returns:
        None if the transaction has not begun to apply the line.
    """
    wanted = {"products": array(products), "orders": array(orders), "streams": array(streams)}
    before = None
    if begin is not None:
        before = marker.BEGIN
        wanted |= marker.begin_values(begin)
    rows = execute(connection, _LEVELS, wanted, before=before).all()
    if not rows:
        return None
    found = Read({}, {}, {}, rows[0][0])
    for row in rows:
        if row[1] is not None:
            found.heads[row[1]] = row[2]
            continue
        found.levels[row[3]] = StockLevel(*row[3:11])
        if row[11] is not None:
            found.alerts[row[3]] = Alert(*row[11:])
    return found


def write(connection: Connection, outcome: Outcome, heads: dict[str, int], now: datetime) -> None:
    """Write all that came of a batch, in one statement.

    Args:
        connection: the transaction that read what the batch decided about.
        outcome: what came of it.
        heads: the last numbers now given in the streams that tell about no single row.
        now: the batch's time.
    """
    for stream, through in outcome.cuts:
        streams.cut(connection, stream, through)
    writes = Writes()
    _write_stock(writes, outcome, now)
    if outcome.orders:
        _write_orders(writes, outcome, now)
    if outcome.alerts:
        _write_alerts(connection, writes, list(outcome.alerts.values()))
    streams.add(writes, outcome.events, now)
    writes.update("streams", ("name", "head"), list(heads.items()))
    moments = [(moment,) for moment in {_quarter(moment) for moment in outcome.sold_at}]
    writes.insert("sales_changes", ("accepted_at",), moments)
    if outcome.ends:
        columns = tuple(outcome.ends[0])
        writes.update("operations", columns, [tuple(row.values()) for row in outcome.ends])
    writes.send(connection)
    if outcome.held_back:
        _hold_back(connection, outcome.held_back)
    for operation_id, message in outcome.dead:
        operator_alerts.raise_or_renew(
            connection, OPERATION_DEAD, str(operation_id), message, operation_id=operation_id
        )


_LEVEL = ("product_id", "on_hand", "reserved", "version", "ever_stocked")
_MOVEMENT = ("product_id", "operation_id", "kind", "on_hand_change", "reserved_change", "on_hand",
             "reserved", "version", "reason", "reference")  # fmt: skip


def _write_stock(writes: Writes, outcome: Outcome, now: datetime) -> None:
    levels = [
        (level.product_id, level.on_hand, level.reserved, level.version, level.ever_stocked)
        for level in outcome.levels.values()
    ]
    writes.update("stock_levels", _LEVEL, levels, same={"updated_at": now})
    movements = [
        (
            product_id,
            operation_id,
            movement.kind,
            movement.on_hand_change,
            movement.reserved_change,
            movement.on_hand,
            movement.reserved,
            movement.version,
            movement.reason,
            movement.reference,
        )
        for product_id, movement, operation_id in outcome.movements
    ]
    writes.insert("stock_movements", _MOVEMENT, movements, same={"created_at": now})


_ORDER = ("id", "status", "version", "reason")
_TRANSITION = ("order_id", "version", "from_status", "to_status", "operation_id")


def _write_orders(writes: Writes, outcome: Outcome, now: datetime) -> None:
    orders = [
        (order.id, order.status, order.version, order.reason) for order in outcome.orders.values()
    ]
    writes.update("orders", _ORDER, orders, same={"updated_at": now})
    transitions = [
        (order.id, order.version, previous, order.status, operation_id)
        for order, previous, operation_id in outcome.transitions
    ]
    writes.insert("order_transitions", _TRANSITION, transitions, same={"created_at": now})


_ALERT = ("id", "product_id", "severity", "stock", "threshold", "raised_at", "raised_by",
          "resolved_at", "resolved_by")  # fmt: skip
_KEEP_ALERT = """
    ON CONFLICT (id) DO UPDATE SET
        severity = excluded.severity, stock = excluded.stock, threshold = excluded.threshold,
        resolved_at = excluded.resolved_at, resolved_by = excluded.resolved_by
"""


def _write_alerts(connection: Connection, writes: Writes, changed: list[Alert]) -> None:
    rows = [tuple(getattr(alert, name) for name in _ALERT) for alert in changed]
    resolved = [row for row in rows if row[-1] is not None]
    if 0 < len(resolved) < len(rows):
        # They go first: a product has at most one open alert at any statement's end.
        first = Writes()
        first.insert("alerts", _ALERT, resolved, more=_KEEP_ALERT)
        first.send(connection)
        rows = [row for row in rows if row[-1] is None]
    writes.insert("alerts", _ALERT, rows, more=_KEEP_ALERT)


def _quarter(moment: datetime) -> datetime:
    """Every time zone's days begin on a quarter of an hour, so that one row serves many orders."""
    return moment - (moment - datetime.min.replace(tzinfo=moment.tzinfo)) % _SALES_GRAIN

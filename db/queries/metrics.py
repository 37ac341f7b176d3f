"""Metrics: the stock as a whole, in a few sums, and how long the line is."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class StockTotals:
    """The stock of all products together; the value is at today's prices."""

    products: int
    on_hand: int
    reserved: int
    value: Decimal


_TOTALS = text("""
    SELECT count(*), coalesce(sum(l.on_hand), 0)::bigint, coalesce(sum(l.reserved), 0)::bigint,
           coalesce(sum(l.on_hand * p.price), 0)
    FROM products p LEFT JOIN stock_levels l ON l.product_id = p.id
""")


def stock_totals(connection: Connection) -> StockTotals:
    """How many products there are, and what is in the house of them."""
    return StockTotals(*connection.execute(_TOTALS).one())


def on_hand_change_since(connection: Connection, day: date) -> int:
    """By how many units the house has changed since a day began, from the ledger.

    Args:
        connection: its time zone says when the day began.
        day: the first day that counts.
    """
    found: int = connection.execute(
        text("""
            SELECT coalesce(sum(on_hand_change), 0)::bigint FROM stock_movements
            WHERE created_at >= CAST(:day AS date)::timestamptz
        """),
        {"day": day},
    ).scalar_one()
    return found


def open_alerts_by_severity(connection: Connection) -> dict[str, int]:
    """How many alerts are open of each severity."""
    found = connection.execute(
        text("SELECT severity, count(*) FROM alerts WHERE resolved_at IS NULL GROUP BY severity")
    )
    return {row[0]: row[1] for row in found}


_PULSE = text("""
    SELECT
        (SELECT coalesce(json_object_agg(name, extract(epoch FROM clock_timestamp() - at)), '{}')
         FROM heartbeats),
        (SELECT count(*) FROM
            (SELECT FROM operations WHERE status = 'queued' LIMIT :at_most) AS waiting),
        (SELECT extract(epoch FROM clock_timestamp() - min(oldest.created_at))::float
         FROM (VALUES ('line'), ('bulk'), ('analytics')) AS queues (name),
              LATERAL (SELECT o.created_at FROM operations o
                       WHERE o.status = 'queued' AND o.queue = queues.name
                       ORDER BY o.seq LIMIT 1) AS oldest),
        (SELECT count(*) FROM
            (SELECT FROM operations o
             WHERE status = 'dead'
               AND NOT EXISTS (SELECT FROM operations WHERE retry_of = o.id)
             LIMIT :at_most) AS dead)
""")


@dataclass(frozen=True, slots=True)
class Queue:
    """What has no good end yet.

    Attributes:
        depth: operations that wait.
        oldest_seconds: for how long the oldest of them has; None if there is none.
        dead: operations that were given up, and that nobody has tried again.
    """

    depth: int
    oldest_seconds: float | None
    dead: int


def pulse(connection: Connection, at_most: int) -> tuple[dict[str, float], Queue]:
    """What `heartbeat_ages` tells, and how many operations wait for their end, or were given up.

    Args:
        connection: in the caller's transaction.
        at_most: where counting stops, so that a long queue does not cost more and more.
    """
    ages, *waiting = connection.execute(_PULSE, {"at_most": at_most}).one()
    return ages, Queue(*waiting)

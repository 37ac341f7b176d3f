"""Rollups of sales: written by day, from the list of the days that changed.

As in `db.queries.sales`, a transaction counts the days of the time zone that `use_zone` set.
"""

from collections.abc import Collection
from datetime import date

from sqlalchemy import Connection, text

from db.queries.sales import ZONE, orders_by_day, orders_in

# Two rollups at once would write the same days.
_ROLLUP_LOCK = 7_306_003


def take_lock(connection: Connection) -> bool:
    """Whether this transaction is now the one that writes rollups, until it ends."""
    statement = text("SELECT pg_try_advisory_xact_lock(:key)")
    return bool(connection.execute(statement, {"key": _ROLLUP_LOCK}).scalar())


def rolled_days(connection: Connection, start: date, end: date) -> set[date]:
    """The days of a range that have a rollup, be it still right or not."""
    statement = text(
        f"SELECT day FROM sales_days WHERE timezone = {ZONE}"  # noqa: S608 - our own names
        " AND day BETWEEN :start AND :end"
    )
    return set(connection.execute(statement, {"start": start, "end": end}).scalars())


def changed_days(connection: Connection) -> dict[date, list[int]]:
    """The days whose sales have changed since they were rolled up, with the rows that say so."""
    found: dict[date, list[int]] = {}
    statement = text("SELECT accepted_at::date, id FROM sales_changes ORDER BY id")
    for day, change in connection.execute(statement):
        found.setdefault(day, []).append(change)
    return found


_FORGET = [
    f"DELETE FROM {table} WHERE timezone = {ZONE} AND day BETWEEN %(first_0)s AND %(last_0)s"  # noqa: S608
    for table in ("product_sales_days", "sales_days")
]
_ROLL_UP_PRODUCTS = f"""
    INSERT INTO product_sales_days (timezone, day, product_id, units, revenue)
    SELECT {ZONE}, o.day, i.product_id, sum(i.quantity), sum(i.line_total)
    FROM ({orders_in(1)}) o JOIN order_items i ON i.order_id = o.id
    GROUP BY o.day, i.product_id
"""  # noqa: S608
_ROLL_UP_DAYS = f"""
    INSERT INTO sales_days (timezone, day, orders, units, revenue)
    SELECT {ZONE}, day, sum(orders), sum(units), sum(revenue)
    FROM (
        SELECT %(first_0)s::date + n AS day, 0 AS orders, 0 AS units, 0 AS revenue
        FROM generate_series(0, %(last_0)s::date - %(first_0)s::date) AS n
        UNION ALL {orders_by_day(1)}
    ) AS with_empty_days
    GROUP BY day
"""  # noqa: S608


def roll_up(connection: Connection, start: date, end: date, changes: Collection[int]) -> None:
    """Write the rollups of a range of days anew and strike the changes that led to it.

    Their spans are gone then, until `sales_spans.complete`; the answers are exact without them.

    Args:
        connection: in a transaction that has read ``changes`` before; the counting statements
            come later and so see at least what those changes tell of.
        start: the first day.
        end: the last day.
        changes: rows of `sales_changes` that this makes good.
    """
    _forget_other_zones(connection)
    place = {"first_0": start, "last_0": end}
    for statement in (*_FORGET, _ROLL_UP_PRODUCTS, _ROLL_UP_DAYS):
        connection.exec_driver_sql(statement, place)
    connection.execute(
        text("DELETE FROM sales_changes WHERE id = ANY(:changes)"), {"changes": list(changes)}
    )


_FORGET_OTHER_ZONES = [
    text(f"DELETE FROM {table} WHERE timezone <> {ZONE}")  # noqa: S608
    for table in ("sales_days", "product_sales_days", "product_sales_spans")
]


def _forget_other_zones(connection: Connection) -> None:
    """Struck changes are not told to the rollups of a zone that the shop has left: drop those."""
    days, *products = _FORGET_OTHER_ZONES
    # The other tables are long; they hold no zone that the first does not.
    if connection.execute(days).rowcount:
        for statement in products:
            connection.execute(statement)

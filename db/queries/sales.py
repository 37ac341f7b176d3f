"""Sales: counted exactly from the orders, kept by day in the rollups.

A transaction counts the days of one time zone, which `use_zone` sets for it: the functions below
read the zone from there, the key of the rollups included, so that the two cannot disagree.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError

from db.models.order import SOLD_STATUSES
from db.queries import sales_spans
from db.queries.sales_spans import Piece

_SOLD = ", ".join(f"'{status}'" for status in SOLD_STATUSES)
_ZONE = "current_setting('TimeZone')"
# Two rollups at once would write the same days.
_ROLLUP_LOCK = 7_306_003


class UnknownZoneError(ValueError):
    """The database knows no time zone of this name."""


def use_zone(connection: Connection, timezone: str) -> None:
    """Have this transaction count the days of a time zone.

    ``AT TIME ZONE`` will not do: it takes ``CET`` for the abbreviation, which has no summer time,
    where the setting takes it for the zone, which has.

    Args:
        connection: its transaction forgets the zone when it ends.
        timezone: an IANA name.

    Raises:
        UnknownZoneError: PostgreSQL's own list of zones lacks it.
    """
    try:
        connection.execute(
            text("SELECT set_config('TimeZone', :timezone, true)"), {"timezone": timezone}
        )
    except DataError as error:
        raise UnknownZoneError(timezone) from error


def take_lock(connection: Connection) -> bool:
    """Whether this transaction is now the one that writes rollups, until it ends."""
    statement = text("SELECT pg_try_advisory_xact_lock(:key)")
    return bool(connection.execute(statement, {"key": _ROLLUP_LOCK}).scalar())


def clock(connection: Connection) -> tuple[datetime, date]:
    """When this transaction began, and which day that is; it sees all commits before."""
    row = connection.execute(text("SELECT now(), now()::date")).one()
    return row[0], row[1]


def first_order_day(connection: Connection) -> date | None:
    """The day on which the first order was accepted."""
    found: date | None = connection.execute(
        text("SELECT min(created_at)::date FROM orders")
    ).scalar()
    return found


def rolled_days(connection: Connection, start: date, end: date) -> set[date]:
    """The days of a range that have a rollup, be it still right or not."""
    statement = text(
        f"SELECT day FROM sales_days WHERE timezone = {_ZONE}"  # noqa: S608 - our own names
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


def span(first: date, last: date) -> list[date]:
    """Every day from the first to the last."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def ranges(days: Iterable[date]) -> list[tuple[date, date]]:
    """The days as ranges without a gap, so that a long history is one pass over the orders."""
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the sales of a range of days are read.

    Attributes:
        held: what the rollups answer for, day by day.
        pieces: the same days, by product.
        fresh: the ranges of days that must be counted from the orders.
    """

    held: list[dict[str, Any]]
    pieces: list[Piece]
    fresh: list[tuple[date, date]]

    def ranges(self) -> dict[str, Any]:
        """What must be counted, as the statements below take it."""
        found: dict[str, Any] = {}
        for n, (first, last) in enumerate(self.fresh):
            found |= {f"first_{n}": first, f"last_{n}": last}
        return found


# Many small ranges are counted faster as one.
_MANY = 30
_ROLLED = text(f"""
    SELECT day, orders, units, revenue FROM sales_days
    WHERE timezone = {_ZONE} AND day BETWEEN :start AND :end ORDER BY day
""")  # noqa: S608 - our own names
_STATE = text(f"""
    SELECT ARRAY(SELECT DISTINCT accepted_at::date FROM sales_changes), min(day), max(day)
    FROM sales_days WHERE timezone = {_ZONE}
""")  # noqa: S608


def sources(connection: Connection, start: date, end: date) -> Sources:
    """Where to read a range of days, both ends included, at this transaction's moment."""
    changed, oldest, newest = connection.execute(_STATE).one()
    rows = connection.execute(_ROLLED, {"start": start, "end": end}).mappings()
    rolled = {row["day"]: dict(row) for row in rows}
    held = rolled.keys() - set(changed)
    fresh = ranges(set(span(start, end)) - held)
    if len(fresh) > _MANY:
        fresh = [(fresh[0][0], fresh[-1][1])]
        held = {day for day in held if not fresh[0][0] <= day <= fresh[0][1]}
    pieces: list[Piece] = []
    if held:
        stale = [Piece(1, day, -1) for day in sorted(rolled.keys() - held)]
        pieces = [*sales_spans.cover(start, end, oldest, newest), *stale]
        if len(pieces) >= len(held) or not sales_spans.all_there(connection, pieces):
            pieces = [Piece(1, day) for day in sorted(held)]
    return Sources([row for day, row in rolled.items() if day in held], pieces, fresh)


# The index finds the orders around a range, and the date of each decides: an hour that a clock
# shows twice at midnight belongs to its day both times. No zone has turned its clock back by more
# than 7 hours since 1970.
_RANGE = """
    o.created_at >= CAST(:first_{n} AS date)::timestamptz - interval '12 hours'
    AND o.created_at < (CAST(:last_{n} AS date) + 1)::timestamptz + interval '12 hours'
    AND o.created_at::date BETWEEN CAST(:first_{n} AS date) AND CAST(:last_{n} AS date)
"""


def _orders(ranges_count: int) -> str:
    """The orders of so many ranges, written out: the planner must see how long they are."""
    conditions = " OR ".join(f"({_RANGE.format(n=n)})" for n in range(ranges_count))
    return f"""
        SELECT o.id, o.created_at::date AS day FROM orders o
        WHERE o.status IN ({_SOLD}) AND ({conditions or "false"})
    """  # noqa: S608 - our own names


def _orders_by_day(ranges_count: int) -> str:
    orders = _orders(ranges_count)
    return f"""
        SELECT o.day, count(*) AS orders, 0 AS units, 0 AS revenue FROM ({orders}) o GROUP BY o.day
        UNION ALL
        SELECT o.day, 0, sum(i.quantity), sum(i.line_total)
        FROM ({orders}) o JOIN order_items i ON i.order_id = o.id GROUP BY o.day
    """  # noqa: S608


def _by_product(ranges_count: int) -> str:
    return f"""
        SELECT product_id, sum(units)::bigint AS units, sum(revenue)::numeric(20, 2) AS revenue
        FROM (
            {sales_spans.SUMS}
            UNION ALL
            SELECT i.product_id, i.quantity, i.line_total
            FROM ({_orders(ranges_count)}) o JOIN order_items i ON i.order_id = o.id
        ) AS all_sources
        GROUP BY product_id HAVING sum(units) > 0
    """  # noqa: S608


def by_day(connection: Connection, where: Sources) -> list[dict[str, Any]]:
    """Orders, units and revenue of each day, in order; days without a sale may be missing."""
    if not where.fresh:
        return where.held
    statement = text(f"""
        SELECT day, sum(orders)::bigint AS orders, sum(units)::bigint AS units,
               sum(revenue)::numeric(20, 2) AS revenue
        FROM ({_orders_by_day(len(where.fresh))}) AS counted
        GROUP BY day
    """)  # noqa: S608
    counted = connection.execute(statement, where.ranges()).mappings()
    return sorted([*where.held, *map(dict, counted)], key=lambda row: row["day"])


def top_products(connection: Connection, where: Sources, limit: int) -> list[dict[str, Any]]:
    """The products with the most revenue, with their units and today's names."""
    statement = text(f"""
        SELECT s.product_id, p.name, s.units, s.revenue
        FROM (
            {_by_product(len(where.fresh))}
            ORDER BY revenue DESC, units DESC, product_id LIMIT :limit
        ) s JOIN products p ON p.id = s.product_id
        ORDER BY s.revenue DESC, s.units DESC, s.product_id
    """)  # noqa: S608
    found = connection.execute(statement, {"limit": limit, **_by_product_of(where)})
    return [dict(row) for row in found.mappings()]


def _by_product_of(where: Sources) -> dict[str, Any]:
    return {**sales_spans.parameters(where.pieces), **where.ranges()}


def unsold_products(connection: Connection, where: Sources, since: date) -> int:
    """How many products in the house were not sold on these days, though in stock before.

    A product is given the time in which it could have been sold: its first movement must be older.
    """
    statement = text(f"""
        SELECT count(*) FROM stock_levels l
        WHERE l.on_hand > 0
          AND EXISTS (
              SELECT FROM stock_movements m
              WHERE m.product_id = l.product_id AND m.version = 1
                AND m.created_at < CAST(:since AS date)::timestamptz)
          AND l.product_id NOT IN (
              SELECT product_id FROM ({_by_product(len(where.fresh))}) AS sold)
    """)  # noqa: S608
    wanted = {"since": since, **_by_product_of(where)}
    found: int = connection.execute(statement, wanted).scalar_one()
    return found


_FORGET = [
    text(f"DELETE FROM {table} WHERE timezone = {_ZONE} AND day BETWEEN :first_0 AND :last_0")  # noqa: S608
    for table in ("product_sales_days", "sales_days")
]
_ROLL_UP_PRODUCTS = text(f"""
    INSERT INTO product_sales_days (timezone, day, product_id, units, revenue)
    SELECT {_ZONE}, o.day, i.product_id, sum(i.quantity), sum(i.line_total)
    FROM ({_orders(1)}) o JOIN order_items i ON i.order_id = o.id
    GROUP BY o.day, i.product_id
""")  # noqa: S608
_ROLL_UP_DAYS = text(f"""
    INSERT INTO sales_days (timezone, day, orders, units, revenue)
    SELECT {_ZONE}, day, sum(orders), sum(units), sum(revenue)
    FROM (
        SELECT CAST(:first_0 AS date) + n AS day, 0 AS orders, 0 AS units, 0 AS revenue
        FROM generate_series(0, CAST(:last_0 AS date) - CAST(:first_0 AS date)) AS n
        UNION ALL {_orders_by_day(1)}
    ) AS with_empty_days
    GROUP BY day
""")  # noqa: S608


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
        connection.execute(statement, place)
    connection.execute(
        text("DELETE FROM sales_changes WHERE id = ANY(:changes)"), {"changes": list(changes)}
    )


_FORGET_OTHER_ZONES = [
    text(f"DELETE FROM {table} WHERE timezone <> {_ZONE}")  # noqa: S608
    for table in ("sales_days", "product_sales_days", "product_sales_spans")
]


def _forget_other_zones(connection: Connection) -> None:
    """Struck changes are not told to the rollups of a zone that the shop has left: drop those."""
    days, *products = _FORGET_OTHER_ZONES
    # The other tables are long; they hold no zone that the first does not.
    if connection.execute(days).rowcount:
        for statement in products:
            connection.execute(statement)

"""Sales: counted exactly from the orders, kept by day in the rollups.

A transaction counts the days of one time zone, which `use_zone` sets for it: the functions below
read the zone from there, the key of the rollups included, so that the two cannot disagree.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import DataError

from db.models.order import SOLD_STATUSES
from db.queries import sales_spans
from db.queries.prepared import execute
from db.queries.sales_spans import Piece

_SOLD = ", ".join(f"'{status}'" for status in SOLD_STATUSES)
ZONE = "current_setting('TimeZone')"


class UnknownZoneError(ValueError):
    """The database knows no time zone of this name."""


# The prepared statements below have the same good plan for every range.
_USE = """
    SELECT set_config('TimeZone', %(timezone)s, true),
           set_config('plan_cache_mode', 'force_generic_plan', true)
"""


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
        execute(connection, _USE, {"timezone": timezone})
    except DataError as error:
        raise UnknownZoneError(timezone) from error


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


def span(first: date, last: date) -> list[date]:
    """Every day from the first to the last."""
    return [date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1)]


def ranges(days: Iterable[date]) -> list[tuple[date, date]]:
    """The days as ranges without a gap, so that a long history is one pass over the orders."""
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


class DaySales(NamedTuple):
    """What was sold on a day, in orders, units, and the shop's currency."""

    day: date
    orders: int
    units: int
    revenue: Decimal


@dataclass(frozen=True, slots=True)
class State:
    """How far the rollups of this transaction's zone are, at its moment.

    Attributes:
        as_of: when the transaction began; it sees all commits before.
        today: which day that is.
        changed: the days whose sales have changed since they were rolled up.
        oldest: the first day that has a rollup; None without any.
        newest: the last day that has one.
    """

    as_of: datetime
    today: date
    changed: list[date]
    oldest: date | None
    newest: date | None


_STATE = f"""
    SELECT now(), now()::date, ARRAY(SELECT DISTINCT accepted_at::date FROM sales_changes),
           min(day), max(day)
    FROM sales_days WHERE timezone = {ZONE}
"""  # noqa: S608 - our own names


def state(connection: Connection, timezone: str) -> State:
    """What the rollups hold; the transaction counts the days of a time zone, as by `use_zone`.

    Raises:
        UnknownZoneError: as there.
    """
    try:
        return State(*execute(connection, _STATE, {"timezone": timezone}, before=_USE).one())
    except DataError as error:
        raise UnknownZoneError(timezone) from error


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the sales of a range of days are read.

    Attributes:
        held: what the rollups answer for, day by day.
        pieces: the same days, by product.
        fresh: the ranges of days that must be counted from the orders.
    """

    held: list[DaySales]
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
# As one row: hundreds of them cost more than what they hold.
_ROLLED = f"""
    SELECT array_agg(day), array_agg(orders), array_agg(units), array_agg(revenue),
           {sales_spans.COUNT}
    FROM (
        SELECT * FROM sales_days
        WHERE timezone = {ZONE} AND day BETWEEN %(start)s::date AND %(end)s::date ORDER BY day
    ) AS days
"""  # noqa: S608


def sources(connection: Connection, at: State, start: date, end: date) -> Sources:
    """Where to read a range of days, both ends included, at this transaction's moment."""
    if at.oldest is None or at.newest is None:
        return Sources([], [], [(start, end)])
    pieces = sales_spans.cover(start, end, at.oldest, at.newest)
    wanted = {"start": start, "end": end, **sales_spans.parameters(pieces)}
    *columns, spans = execute(connection, _ROLLED, wanted).one()
    rolled = list(map(DaySales._make, zip(*columns, strict=True))) if columns[0] else []
    held, fresh = _split(rolled, set(at.changed), start, end)
    if len(held) < len(rolled):
        pieces += [Piece(1, row.day, -1) for row in rolled if row.day not in held]
        rolled = [row for row in rolled if row.day in held]
    if len(pieces) >= len(held) or spans < sum(piece.size > 1 for piece in pieces):
        pieces = [Piece(1, day) for day in sorted(held)]
    return Sources(rolled, pieces, fresh)


def _split(
    rolled: list[DaySales], changed: set[date], start: date, end: date
) -> tuple[set[date], list[tuple[date, date]]]:
    """The days of a range that the rollups answer for, and the ranges that they do not."""
    held = {row.day for row in rolled} - changed
    if len(held) > (end - start).days:
        return held, []
    fresh = ranges(set(span(start, end)) - held)
    if len(fresh) > _MANY:
        fresh = [(fresh[0][0], fresh[-1][1])]
        held = {day for day in held if not fresh[0][0] <= day <= fresh[0][1]}
    return held, fresh


# The index finds the orders around a range, and the date of each decides: an hour that a clock
# shows twice at midnight belongs to its day both times. No zone has turned its clock back by more
# than 7 hours since 1970.
_RANGE = """
    o.created_at >= %(first_{n})s::date::timestamptz - interval '12 hours'
    AND o.created_at < (%(last_{n})s::date + 1)::timestamptz + interval '12 hours'
    AND o.created_at::date BETWEEN %(first_{n})s::date AND %(last_{n})s::date
"""


def orders_in(ranges_count: int) -> str:
    """SQL for the sold orders of so many ranges and their days.

    The ranges are written out, as places ``first_0``, ``last_0`` and so on: the planner must see
    how long they are.
    """
    conditions = " OR ".join(f"({_RANGE.format(n=n)})" for n in range(ranges_count))
    return f"""
        SELECT o.id, o.created_at::date AS day FROM orders o
        WHERE o.status IN ({_SOLD}) AND ({conditions or "false"})
    """  # noqa: S608 - our own names


def orders_by_day(ranges_count: int) -> str:
    """SQL for the orders, units and revenue by day of so many ranges, in parts to be summed."""
    orders = orders_in(ranges_count)
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
            FROM ({orders_in(ranges_count)}) o JOIN order_items i ON i.order_id = o.id
        ) AS all_sources
        GROUP BY product_id HAVING sum(units) > 0
    """  # noqa: S608


def by_day(connection: Connection, where: Sources) -> list[DaySales]:
    """Orders, units and revenue of each day, in order; days without a sale may be missing."""
    if not where.fresh:
        return where.held
    statement = f"""
        SELECT day, sum(orders)::bigint, sum(units)::bigint, sum(revenue)::numeric(20, 2)
        FROM ({orders_by_day(len(where.fresh))}) AS counted
        GROUP BY day
    """  # noqa: S608
    counted = [DaySales(*row) for row in connection.exec_driver_sql(statement, where.ranges())]
    return sorted([*where.held, *counted])


# While the planner knows little of the rollups it would rather read all of them.
_BY_INDEX = "SELECT set_config('enable_seqscan', 'off', true)"


def top_products(connection: Connection, where: Sources, limit: int) -> list[dict[str, Any]]:
    """The products with the most revenue, with their units and today's names."""
    wanted = {"limit": limit, **_by_product_of(where)}
    statement = _top(len(where.fresh))
    if where.fresh:
        # A plan for any ranges would be a bad one.
        found = connection.exec_driver_sql(statement, wanted)
    else:
        found = execute(connection, statement, wanted, before=_BY_INDEX)
    return [dict(row) for row in found.mappings()]


@lru_cache
def _top(ranges_count: int) -> str:
    return f"""
        SELECT s.product_id, p.name, s.units, s.revenue
        FROM (
            {_by_product(ranges_count)}
            ORDER BY revenue DESC, units DESC, product_id LIMIT %(limit)s
        ) s JOIN products p ON p.id = s.product_id
        ORDER BY s.revenue DESC, s.units DESC, s.product_id
    """  # noqa: S608


def _by_product_of(where: Sources) -> dict[str, Any]:
    return {**sales_spans.parameters(where.pieces), **where.ranges()}


def unsold_products(connection: Connection, where: Sources, since: date) -> int:
    """How many products in the house were not sold on these days, though in stock before.

    A product is given the time in which it could have been sold: it must have come earlier.
    """
    statement = f"""
        SELECT count(*) FROM stock_levels l
        WHERE l.on_hand > 0
          AND (
              SELECT m.created_at FROM stock_movements m
              WHERE m.product_id = l.product_id AND m.on_hand > 0
              ORDER BY m.version LIMIT 1) < %(since)s::date::timestamptz
          AND l.product_id NOT IN (
              SELECT product_id FROM ({_by_product(len(where.fresh))}) AS sold)
    """  # noqa: S608
    wanted = {"since": since, **_by_product_of(where)}
    found: int = connection.exec_driver_sql(statement, wanted).scalar_one()
    return found

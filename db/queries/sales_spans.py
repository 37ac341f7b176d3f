"""Sales by product over spans of days: a year is a few rows of each product, not hundreds.

A span is the sum of its days' rollups, and stands in `sales_spans` only while it is: the database
strikes it there when the rollup of one of its days is written or dropped.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, TextClause, text

# In days; of each size four make one of the next.
SIZES = (4, 16, 64, 256)
_TIMES = 4
_ZONE = "current_setting('TimeZone')"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a range of days.

    Attributes:
        size: how many days; 1 is a day by itself, not a span.
        first: its first day.
        sign: 1 if it is to be added, -1 if it is to be taken away.
    """

    size: int
    first: date
    sign: int = 1

    @property
    def last(self) -> date:
        """Its last day."""
        return self.first + timedelta(days=self.size - 1)


def cover(start: date, end: date, oldest: date, newest: date) -> list[Piece]:
    """The fewest pieces that together are a range of days, as far as there are rollups.

    Args:
        start: the first day of the range.
        end: its last day.
        oldest: the first day that has a rollup.
        newest: the last day that has one.
    """
    # Where there is nothing any more, the whole span is as good as a part of it.
    first = start if start > oldest else _largest_span(oldest)
    last = end if end < newest else _largest_span(newest) + timedelta(days=SIZES[-1] - 1)
    found = _cover(first.toordinal() - 1, last.toordinal() - 1)
    return [piece for piece in found if piece.first <= newest and piece.last >= oldest]


def _largest_span(day: date) -> date:
    """The first day of the largest span that a day lies in; they are counted from year 1."""
    return day - timedelta(days=(day.toordinal() - 1) % SIZES[-1])


@lru_cache(maxsize=1_024)
def _cover(first: int, last: int) -> tuple[Piece, ...]:
    """Any days, as numbers, both included, from the largest spans down."""
    return tuple(_within(SIZES[-1] * _TIMES, first, last)) if first <= last else ()


def _within(size: int, first: int, last: int) -> list[Piece]:
    """Days of any spans of this size, from spans of the next smaller one."""
    smaller = size // _TIMES
    found: list[Piece] = []
    for start in range(first - first % smaller, last + 1, smaller):
        found += _part(smaller, start, max(first, start), min(last, start + smaller - 1))
    return found


def _part(size: int, start: int, first: int, last: int) -> list[Piece]:
    """Days of one span: their smaller spans, or the whole without the others."""
    end = start + size - 1
    whole = Piece(size, date.fromordinal(start + 1))
    if (first, last) == (start, end):
        return [whole]
    added = _within(size, first, last)
    others = [
        *(_within(size, start, first - 1) if start < first else []),
        *(_within(size, last + 1, end) if last < end else []),
    ]
    if len(others) + 1 < len(added):
        return [whole, *(Piece(one.size, one.first, -one.sign) for one in others)]
    return added


def parameters(pieces: list[Piece]) -> dict[str, Any]:
    """The pieces as `SUMS` and `COUNT` take them."""
    return {
        "sizes": [piece.size for piece in pieces],
        "firsts": [piece.first for piece in pieces],
        "signs": [piece.sign for piece in pieces],
    }


_PIECES = """
    unnest(%(sizes)s::int[], %(firsts)s::date[], %(signs)s::int[]) AS piece (size, first, sign)
"""
# What the pieces hold of each product, one row a piece. `OFFSET 0` keeps the planner from joining
# them otherwise than by the index, one piece after the other: it would rather read all spans.
SUMS = f"""
    SELECT s.product_id, piece.sign * s.units AS units, piece.sign * s.revenue AS revenue
    FROM {_PIECES} CROSS JOIN LATERAL (
        SELECT product_id, units, revenue FROM product_sales_spans
        WHERE timezone = {_ZONE} AND size = piece.size AND first = piece.first OFFSET 0
    ) AS s
    UNION ALL
    SELECT s.product_id, piece.sign * s.units, piece.sign * s.revenue
    FROM {_PIECES} CROSS JOIN LATERAL (
        SELECT product_id, units, revenue FROM product_sales_days
        WHERE piece.size = 1 AND timezone = {_ZONE} AND day = piece.first OFFSET 0
    ) AS s
"""  # noqa: S608 - our own names


# How many of the pieces are spans, and there.
COUNT = f"""
    (SELECT count(*) FROM {_PIECES} JOIN sales_spans s
         ON s.timezone = {_ZONE} AND s.size = piece.size AND s.first = piece.first)
"""  # noqa: S608


_MISSING = text(f"""
    SELECT of.size, d.day - (d.day - DATE '0001-01-01') % of.size AS first
    FROM sales_days d, unnest(CAST(:sizes AS int[])) AS of (size) WHERE d.timezone = {_ZONE}
    EXCEPT SELECT size, first FROM sales_spans WHERE timezone = {_ZONE}
""")  # noqa: S608
_ADD = text(f"""
    INSERT INTO sales_spans (timezone, size, first)
    SELECT {_ZONE}, :size, unnest(CAST(:missing AS date[]))
""")


def _write(finer: str) -> TextClause:
    """The statement that sums up spans from what is finer; what is right already stays."""
    return text(f"""
        WITH sums AS (
            SELECT missing.first, f.product_id, sum(f.units) AS units, sum(f.revenue) AS revenue
            FROM unnest(CAST(:missing AS date[])) AS missing (first) JOIN ({finer}) f
                ON f.first >= missing.first AND f.first < missing.first + :size
            GROUP BY missing.first, f.product_id
        ), gone AS (
            DELETE FROM product_sales_spans s
            WHERE timezone = {_ZONE} AND size = :size AND first = ANY(CAST(:missing AS date[]))
              AND NOT EXISTS (
                  SELECT FROM sums WHERE sums.first = s.first AND sums.product_id = s.product_id)
        )
        INSERT INTO product_sales_spans AS kept (timezone, size, first, product_id, units, revenue)
        SELECT {_ZONE}, :size, first, product_id, units, revenue FROM sums
        ON CONFLICT (timezone, size, first, product_id)
        DO UPDATE SET units = excluded.units, revenue = excluded.revenue
        WHERE (kept.units, kept.revenue) IS DISTINCT FROM (excluded.units, excluded.revenue)
    """)  # noqa: S608


_FROM_DAYS = _write(f"""
    SELECT day AS first, product_id, units, revenue FROM product_sales_days
    WHERE timezone = {_ZONE}
""")  # noqa: S608
_FROM_SPANS = _write(f"""
    SELECT first, product_id, units, revenue FROM product_sales_spans
    WHERE timezone = {_ZONE} AND size = :finer
""")  # noqa: S608


def complete(connection: Connection) -> None:
    """Write the spans that are not there, of all days that have a rollup.

    Args:
        connection: the transaction that writes rollups, and no other does.
    """
    missing: dict[int, list[date]] = {}
    for size, first in connection.execute(_MISSING, {"sizes": list(SIZES)}):
        missing.setdefault(size, []).append(first)
    # The smaller ones first: the larger are their sums.
    for size, firsts in sorted(missing.items()):
        place = {"size": size, "missing": firsts}
        if size == SIZES[0]:
            connection.execute(_FROM_DAYS, place)
        else:
            connection.execute(_FROM_SPANS, {"finer": size // _TIMES, **place})
        connection.execute(_ADD, place)

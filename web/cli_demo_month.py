"""The demo's month, day by day: out of what the API keeps, and as the demo itself believes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from web.cli_demo_plan import DAYS

SOLD = ("pending", "confirmed", "processing", "shipped", "delivered")
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(slots=True)
class Day:
    """What was sold and received on a day; the zeroth is the day before the shop opened.

    Attributes:
        orders: how many were accepted that day and have not been rejected or cancelled since.
        revenue: what they come to.
        received: units that came into the house by hand.
    """

    orders: int = 0
    revenue: Decimal = Decimal(0)
    received: int = 0


@dataclass(slots=True)
class Month:
    """All days, from the zeroth."""

    days: list[Day] = field(default_factory=lambda: [Day() for _ in range(DAYS + 1)])

    def sold(self, day: int, total: Decimal) -> None:
        """An order of that day."""
        self.days[day].orders += 1
        self.days[day].revenue += total


def label(run: str, day: int) -> str:
    """How the things of a day are marked, in customers' names and in the ledger's references."""
    return f"{run} day {day:02}"


def month_of(run: str, orders: Iterable[dict[str, Any]], ledger: Iterable[dict[str, Any]]) -> Month:
    """The month as the API tells it.

    Args:
        run: whose things are counted.
        orders: as they are listed.
        ledger: movements as they are listed.
    """
    month = Month()
    for order in orders:
        day = _day_of(run, order["customerId"])
        if day is not None and order["status"] in SOLD:
            month.sold(day, Decimal(str(order["total"])))
    for row in ledger:
        day = _day_of(run, row["reference"] or "")
        if day is not None:
            month.days[day].received += max(row["onHandChange"], 0)
    return month


def _day_of(run: str, text: str) -> int | None:
    found = re.match(rf"{re.escape(run)} day ([0-9][0-9])\b", text)
    return int(found[1]) if found and int(found[1]) <= DAYS else None


def bars(values: Iterable[Decimal | int]) -> str:
    """A small chart in one line: the highest bar is the highest value, no bar is none."""
    found = list(values)
    most = max(found, default=0)
    return "".join(
        _BARS[min(int(value * len(_BARS) / most), len(_BARS) - 1)] if value else " "
        for value in found
    )

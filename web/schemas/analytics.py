"""Sales and stock metrics on the wire."""

import re
from datetime import date, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SkipValidation,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from typing_extensions import TypedDict

from web.schemas.base import Body, MoneyOut, NumberOut, Out, Time

GroupBy = Literal["day", "week", "month"]

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST, _LAST = date(1970, 1, 1), date(9990, 12, 31)
# Ten years with the three leap days that they can have.
_LONGEST_DAYS = 3653


def _day(value: Any) -> date:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise ValueError("is no day of the calendar") from None
        if _FIRST <= day <= _LAST:
            return day
        raise ValueError(f"must be between {_FIRST} and {_LAST}")
    raise ValueError("must be a date such as 2026-11-23")


@lru_cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(name: str) -> str:
    # No zone has a blank in its name: it was a plus sign.
    name = name.replace(" ", "+")
    if name not in _zones():
        raise ValueError("is no IANA time zone such as Europe/Berlin")
    return name


def check_range(start: date, end: date) -> None:
    """Whether these can be the first and the last day of a range.

    Raises:
        ValueError: they are in the wrong order, or more than ten years apart.
    """
    if end < start:
        raise ValueError(f"the range ends, on {end}, before it starts, on {start}")
    if (end - start).days >= _LONGEST_DAYS:
        raise ValueError("the range is longer than ten years")


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Zone = Annotated[
    str,
    AfterValidator(_zone),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_+/-]+$", "maxLength": 64}),
]


class SalesQuery(Body):
    """Which sales, and how they are put together."""

    start_date: Day | None = Field(
        default=None, description="First day; 29 days before `endDate` unless given."
    )
    end_date: Day | None = Field(default=None, description="Last day; today unless given.")
    group_by: GroupBy = "day"
    timezone: Zone | None = Field(
        default=None, description="Whose days, as an IANA name; the shop's unless given."
    )
    compare_to: Literal["previous"] | None = Field(
        default=None, description="Add as many days just before, and what has changed since."
    )

    @field_validator("end_date")
    @classmethod
    def _in_order(cls, end: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("start_date")
        if start is not None and end is not None:
            check_range(start, end)
        return end

    def range(self, today: date) -> tuple[date, date]:
        """The first and the last day that are asked for.

        Raises:
            ValueError: the one that is given does not go with the other's default.
        """
        end = self.end_date or today
        start = self.start_date or end - timedelta(days=29)
        check_range(start, end)
        return start, end


class SalesTotals(Out):
    """The sums of a range of days."""

    orders: int
    units: int
    revenue: MoneyOut
    average_order_value: MoneyOut | None = Field(
        description="Revenue by orders, rounded half to even to cents; null without orders."
    )


class SalesPeriod(TypedDict):
    """A day, week or month, as far as it lies within the range."""

    # A plain dictionary: there can be thousands of them.
    period: Annotated[
        str,
        Field(
            description="A day: `2026-11-23`. A week: its Monday, likewise, also if that lies"
            " before `startDate`. A month: `2026-11`."
        ),
    ]
    orders: int
    units: int
    revenue: MoneyOut
    complete: Annotated[
        bool,
        Field(
            description="Whether the whole day, week or month is over in that time zone; what was"
            " accepted in it can still be reserved or cancelled."
        ),
    ]


class TopProduct(Out):
    """What was sold of a product, under today's name."""

    product_id: UUID
    name: str
    units: int
    revenue: MoneyOut


class PreviousSales(Out):
    """The range of the same length just before."""

    start_date: date
    end_date: date
    totals: SalesTotals
    series: SkipValidation[list[SalesPeriod]]


class Change(Out):
    """How far a number is from the previous range's."""

    difference: NumberOut | None = Field(description="This less the previous one.")
    percent: NumberOut | None = Field(description="Of the previous one; null if that is 0 or null.")


class SalesChange(Out):
    """How far the totals are from those of the previous range."""

    orders: Change
    units: Change
    revenue: Change
    average_order_value: Change


class SalesOut(Out):
    """The sales of a range of days, both ends included."""

    start_date: date
    end_date: date
    group_by: GroupBy
    timezone: str
    currency: str
    totals: SalesTotals
    series: SkipValidation[list[SalesPeriod]]
    top_products: list[TopProduct]
    as_of: Time = Field(description="All that was committed before this moment is counted.")
    previous: PreviousSales | None = Field(
        default=None, description="Present with `compareTo=previous`."
    )
    change: SalesChange | None = Field(
        default=None, description="Present with `compareTo=previous`."
    )


class InventoryMetricsOut(Out):
    """The stock as a whole, in a few numbers."""

    total_products: int
    total_units: int = Field(description="Units in the house.")
    reserved_units: int = Field(description="Those of them that accepted orders hold.")
    stock_value: MoneyOut = Field(description="Units in the house at today's prices.")
    low_stock: int = Field(description="Products with an open alert of this severity.")
    out_of_stock: int = Field(description="Products with an open alert of this severity.")
    turnover30d: NumberOut | None = Field(
        alias="turnover30d",
        description="Units sold in the last 30 days by the average units in the house;"
        " null without a sale.",
    )
    days_of_cover: NumberOut | None = Field(
        description="Days that the units in the house last, sold as in the last 30 days;"
        " null without a sale."
    )
    dead_stock: int = Field(
        description="Products in the house, first stocked more than 90 days ago, of which none"
        " was sold in the last 90."
    )
    as_of: Time


class RollupsIn(Body):
    """Which days to compute again, both included."""

    start_date: Day
    end_date: Day

    @field_validator("end_date")
    @classmethod
    def _in_order(cls, end: date, info: ValidationInfo) -> date:
        start = info.data.get("start_date")
        if start is not None:
            check_range(start, end)
        return end

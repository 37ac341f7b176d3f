"""Analytics: what was sold, and what the stock does, exact at the moment of the answer."""

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from apiflask import APIBlueprint
from flask import Response
from sqlalchemy import Connection

from db.queries import metrics, sales
from db.queries.sales import DaySales
from web.answers import JsonResponse, json_response
from web.auth import needs
from web.errors import Invalid
from web.schemas.analytics import (
    Change,
    GroupBy,
    InventoryMetricsOut,
    PreviousSales,
    RollupsIn,
    SalesChange,
    SalesOut,
    SalesPeriod,
    SalesQuery,
    SalesTotals,
    TopProduct,
)
from web.schemas.base import answer, part
from web.schemas.operations import OperationOut
from web.services import services
from web.submit import submit
from workers.commands import RebuildRollups
from workers.settings import worker_settings

blueprint = APIBlueprint("analytics", __name__, tag="Analytics")

_TOP = 10
_CENT = Decimal("0.01")
_NOTHING = Decimal("0.00")
_UNSOLD = DaySales(date.min, 0, 0, _NOTHING)
_SOLD_DAYS = 30
_DEAD_DAYS = 90


@blueprint.get("/api/analytics/sales")
@needs("read")
@blueprint.input(SalesQuery, location="query", arg_name="query")
@blueprint.output(SalesOut)
def read_sales(query: SalesQuery) -> Response:
    """Sales by day, week or month.

    An order counts once its items are reserved, on the day on which it was accepted, until it is
    cancelled. Both dates are included; without them it is the last 30 days. Weeks start on Monday
    and are named by it; empty periods are there, as zeros. The answer is exact at every moment and
    in every time zone.
    """
    timezone = query.timezone or worker_settings().shop_timezone
    with services().database.snapshot() as connection:
        body = _sales(connection, query, timezone)
    # What was not asked for is not there; what is null on purpose is.
    return JsonResponse(answer(body, exclude_unset=True, has_parts=True))


def _sales(connection: Connection, query: SalesQuery, timezone: str) -> SalesOut:
    try:
        state = sales.state(connection, timezone)
        start, end = query.range(state.today)
    except sales.UnknownZoneError:
        raise Invalid(("?timezone", "is not known to the database")) from None
    except ValueError as fault:
        raise Invalid(("?startDate", str(fault))) from None
    where = sales.sources(connection, state, start, end)
    days = sales.by_day(connection, where)
    top = sales.top_products(connection, where, _TOP)
    totals = _totals(days)
    return SalesOut(
        start_date=start,
        end_date=end,
        group_by=query.group_by,
        timezone=timezone,
        currency=services().settings.shop_currency,
        totals=totals,
        series=part(_series(days, start, end, query.group_by, state.today)),
        top_products=[TopProduct(**row) for row in top],
        as_of=state.as_of,
        **(_compare(connection, state, totals, start, end, query) if query.compare_to else {}),
    )


def _compare(
    connection: Connection,
    state: sales.State,
    totals: SalesTotals,
    start: date,
    end: date,
    query: SalesQuery,
) -> dict[str, Any]:
    length = end - start + timedelta(days=1)
    first, last = start - length, end - length
    days = sales.by_day(connection, sales.sources(connection, state, first, last))
    previous = PreviousSales(
        start_date=first,
        end_date=last,
        totals=_totals(days),
        series=part(_series(days, first, last, query.group_by, state.today)),
    )
    change = SalesChange(
        **{
            name: change_between(getattr(previous.totals, name), getattr(totals, name))
            for name in SalesTotals.model_fields
        }
    )
    return {"previous": previous, "change": change}


def change_between(before: Decimal | int | None, now: Decimal | int | None) -> Change:
    """The difference, and its percentage of what was before, to two decimals."""
    if before is None or now is None:
        return Change(difference=None, percent=None)
    difference = Decimal(now - before)
    percent = (difference * 100 / before).quantize(_CENT, ROUND_HALF_EVEN) if before else None
    return Change(difference=difference, percent=percent)


def _totals(days: Collection[DaySales]) -> SalesTotals:
    orders = sum(day.orders for day in days)
    revenue = sum((day.revenue for day in days), _NOTHING)
    return SalesTotals(
        orders=orders,
        units=sum(day.units for day in days),
        revenue=revenue,
        average_order_value=(revenue / orders).quantize(_CENT, ROUND_HALF_EVEN) if orders else None,
    )


def _series(
    days: Iterable[DaySales], start: date, end: date, group_by: GroupBy, today: date
) -> list[SalesPeriod]:
    by_day = {one.day: one for one in days}
    sold = [(day, by_day.get(day, _UNSOLD)) for day in sales.span(start, end)]
    if group_by == "day":
        return [_period(day.isoformat(), one, day < today) for day, one in sold]
    series: dict[str, SalesPeriod] = {}
    for day, one in sold:
        name, last = _week_of(day) if group_by == "week" else _month_of(day)
        period = series.setdefault(name, _period(name, _UNSOLD, last < today))
        period["orders"] += one.orders
        period["units"] += one.units
        period["revenue"] += one.revenue
    return list(series.values())


def _period(name: str, sold: DaySales, complete: bool) -> SalesPeriod:
    _, orders, units, revenue = sold
    return {
        "period": name,
        "orders": orders,
        "units": units,
        "revenue": revenue,
        "complete": complete,
    }


def _week_of(day: date) -> tuple[str, date]:
    """The name and the last day of the week that a day belongs to."""
    monday = day - timedelta(days=day.weekday())
    return monday.isoformat(), monday + timedelta(days=6)


def _month_of(day: date) -> tuple[str, date]:
    """The name and the last day of the month that a day belongs to."""
    # The 28th and four days more are always in the next month.
    next_month = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return f"{day:%Y-%m}", next_month - timedelta(days=1)


@blueprint.get("/api/analytics/inventory/metrics")
@needs("read")
@blueprint.output(InventoryMetricsOut)
def read_metrics() -> Response:
    """The stock as a whole, in a few numbers.

    - `turnover30d`: units sold in the last 30 days (today included, in the shop's time zone, as
      in the sales) by the average units in the house, which is half the sum of those at the
      beginning of these days, from the ledger, and those now. This is the textbook's cost of
      sales by average inventory (APICS Dictionary, "inventory turnover"), in units, for 30 days.
    - `daysOfCover`: units in the house by units sold per day in these 30 days (APICS Dictionary,
      "days of supply").
    - `deadStock`: products in the house of which none was sold in the last 90 days, though they
      came into the house for the first time before them (APICS Dictionary, "inactive inventory").
    """
    with services().database.snapshot() as connection:
        body = _metrics(connection)
    return json_response(body)


def _metrics(connection: Connection) -> InventoryMetricsOut:
    state = sales.state(connection, worker_settings().shop_timezone)
    month = state.today - timedelta(days=_SOLD_DAYS - 1)
    quarter = state.today - timedelta(days=_DEAD_DAYS - 1)
    stock = metrics.stock_totals(connection)
    alerts = metrics.open_alerts_by_severity(connection)
    lately = sales.sources(connection, state, month, state.today)
    sold = sum(day.units for day in sales.by_day(connection, lately))
    at_first = stock.on_hand - metrics.on_hand_change_since(connection, month)
    where = sales.sources(connection, state, quarter, state.today)
    unsold = sales.unsold_products(connection, where, quarter)
    return InventoryMetricsOut(
        total_products=stock.products,
        total_units=stock.on_hand,
        reserved_units=stock.reserved,
        stock_value=stock.value,
        low_stock=alerts.get("low_stock", 0),
        out_of_stock=alerts.get("out_of_stock", 0),
        turnover30d=turnover(sold, at_first, stock.on_hand),
        days_of_cover=days_of_cover(stock.on_hand, sold),
        dead_stock=unsold,
        as_of=state.as_of,
    )


def turnover(sold: int, at_first: int, at_last: int) -> Decimal | None:
    """How often the average stock was sold: units sold by half of first and last together.

    Source: APICS Dictionary, "inventory turnover", in units in place of cost. To four decimals;
    None without a sale, or without any stock to sell from.
    """
    if not sold or not at_first + at_last:
        return None
    return (Decimal(2 * sold) / (at_first + at_last)).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)


def days_of_cover(on_hand: int, sold: int) -> Decimal | None:
    """How many days the stock lasts: units on hand by units sold per day in the last 30 days.

    Source: APICS Dictionary, "days of supply". To one decimal; None without a sale.
    """
    if not sold:
        return None
    return (Decimal(on_hand * _SOLD_DAYS) / sold).quantize(Decimal("0.1"), ROUND_HALF_EVEN)


@blueprint.post("/api/analytics/rollups")
@needs("write")
@blueprint.input(RollupsIn, arg_name="body")
@blueprint.output(OperationOut, status_code=202)
def rebuild_rollups(body: RollupsIn) -> Response:
    """Compute the sales of a range of days again.

    Queues an operation; at most ten years. The sales read the same before, meanwhile and after.
    """
    command = RebuildRollups(start_date=body.start_date, end_date=body.end_date)
    return submit(command)

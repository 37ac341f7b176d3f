"""The sales: exact at every moment, in every time zone, whatever the rollups hold."""

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.queries import sales, sales_rollups
from tasks.analytics import rebuild, refresh
from tests.factories.sales import Shop
from workers.commands import ChangeOrderStatus, CreateOrder, RebuildRollups
from workers.dispatch import record

SALES = "/api/analytics/sales"
# Ordinary clocks, clocks that show midnight twice or not at all, odd offsets.
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "America/Santiago",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
)


@pytest.fixture
def shop(database: Any) -> Shop:
    return Shop(database)


def _refresh(database: Any, timezone: str = "UTC") -> None:
    """Bring the rollups up to date, step by step."""
    days = 1
    while days:
        with database.transaction() as connection:
            days = refresh(connection, timezone)


def _read(client: Any, **query: str) -> dict[str, Any]:
    found = client.get(SALES, query_string=query)
    assert found.status_code == 200, found.text
    body: dict[str, Any] = found.json
    return body


def _days(body: dict[str, Any]) -> dict[str, tuple[int, int, Decimal]]:
    """The series as the plain count has it: no rows for days without a sale."""
    return {
        row["period"]: (row["orders"], row["units"], Decimal(str(row["revenue"])))
        for row in body["series"]
        if row["orders"]
    }


def _products(body: dict[str, Any]) -> dict[str, tuple[int, Decimal]]:
    return {
        row["productId"]: (row["units"], Decimal(str(row["revenue"])))
        for row in body["topProducts"]
    }


def _within(plain: dict[str, Any], start: str, end: str) -> dict[str, Any]:
    return {day: sums for day, sums in plain.items() if start <= day <= end}


def _at(moment: str, zone: str = "UTC", fold: int = 0) -> datetime:
    """A moment that a clock of the zone shows; ``fold=1`` for the second time."""
    local = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return local.astimezone(UTC)


def test_counts_what_is_reserved_until_it_is_cancelled(
    client: Any, shop: Shop, database: Any
) -> None:
    mug, pot = shop.product(), shop.product(name="Pot")
    for status in ("pending", "confirmed", "processing", "shipped", "delivered"):
        shop.sell(_at("2026-05-04T10:00"), (mug, 2, "9.50"), (pot, 1, "0.01"), status=status)
    for status in ("queued", "rejected", "cancelled"):
        shop.sell(_at("2026-05-04T10:00"), (mug, 100, "9.50"), status=status)
    for _ in range(2):
        body = _read(client, startDate="2026-05-04", endDate="2026-05-04")
        assert body["totals"] == {
            "orders": 5,
            "units": 15,
            "revenue": 95.05,
            "averageOrderValue": 19.01,
        }
        _refresh(database)


@pytest.mark.parametrize("zone", ZONES)
def test_equals_a_plain_group_by(client: Any, shop: Shop, database: Any, zone: str) -> None:
    """With rollups of the zone, with those of another, with none, and with stale ones."""
    mug = shop.product()
    # Every 45 minutes around both changes of the clock in all of these zones.
    starts = ["2025-03-08", "2025-03-29", "2025-04-05", "2025-09-06", "2025-10-04", "2025-10-25",
              "2025-11-01"]  # fmt: skip
    made = []
    for day in starts:
        begin = _at(f"{day}T00:00") - timedelta(hours=12)
        made += [
            shop.sell(begin + timedelta(minutes=45 * n), (mug, 1 + n % 3, "1.13"))
            for n in range(100)
        ]
    query = {"startDate": "2025-03-01", "endDate": "2025-11-30", "timezone": zone}
    plain = _within(shop.plain(zone), "2025-03-01", "2025-11-30")
    assert _days(_read(client, **query)) == plain
    _refresh(database, zone)
    assert _days(_read(client, **query)) == plain
    for order_id in made[::7]:
        shop.move(order_id, "cancelled")
    plain = _within(shop.plain(zone), "2025-03-01", "2025-11-30")
    assert _days(_read(client, **query)) == plain
    _refresh(database, zone)
    assert _days(_read(client, **query)) == plain
    # Also any single day by itself, whose bounds then lie on the change of the clock.
    for day in sorted(plain):
        assert _days(_read(client, startDate=day, endDate=day, timezone=zone)) == {day: plain[day]}


def test_an_hour_shown_twice_at_midnight_belongs_to_its_day_both_times(
    client: Any, shop: Shop, database: Any
) -> None:
    """Havana's clock went back from 1:00 to 0:00 on 2 November 2025."""
    mug = shop.product()
    for fold in (0, 1):
        shop.sell(_at("2025-11-02T00:30", "America/Havana", fold), (mug, 1, "1.00"))
    query = {"timezone": "America/Havana"}
    for _ in range(2):
        first = _read(client, startDate="2025-11-01", endDate="2025-11-01", **query)
        second = _read(client, startDate="2025-11-02", endDate="2025-11-02", **query)
        assert (first["totals"]["orders"], second["totals"]["orders"]) == (0, 2)
        with database.transaction() as connection:
            sales.use_zone(connection, "America/Havana")
            # Day by day, so that each has its own bounds.
            for day in (date(2025, 11, 1), date(2025, 11, 2)):
                sales_rollups.roll_up(connection, day, day, [])


def test_a_day_that_a_zone_left_out_is_empty(client: Any, shop: Shop) -> None:
    """Samoa went from 29 to 31 December 2011."""
    mug = shop.product()
    shop.sell(_at("2011-12-29T23:30", "Pacific/Apia"), (mug, 1, "1.00"))
    shop.sell(_at("2011-12-31T00:30", "Pacific/Apia"), (mug, 1, "1.00"))
    body = _read(client, startDate="2011-12-29", endDate="2011-12-31", timezone="Pacific/Apia")
    assert [row["orders"] for row in body["series"]] == [1, 0, 1]


def test_a_zone_named_like_an_abbreviation_has_its_summer_time(client: Any, shop: Shop) -> None:
    mug = shop.product()
    shop.sell(_at("2026-07-01T22:30"), (mug, 1, "1.00"))
    body = _read(client, startDate="2026-07-01", endDate="2026-07-02", timezone="CET")
    assert [row["orders"] for row in body["series"]] == [0, 1]


def test_a_zone_with_a_plus_sign_that_became_a_blank(client: Any) -> None:
    asked = "startDate=2026-07-01&endDate=2026-07-02&timezone=Etc/GMT+5"
    assert client.get(f"/api/analytics/sales?{asked}").status_code == 200


def test_rollups_of_a_zone_that_the_shop_left_and_came_back_to_are_not_stale(
    client: Any, shop: Shop, database: Any
) -> None:
    mug = shop.product()
    kept = shop.sell(_at("2026-05-04T12:00"), (mug, 1, "1.00"))
    _refresh(database, "UTC")
    shop.move(kept, "cancelled")
    _refresh(database, "Europe/Berlin")
    query = {"startDate": "2026-05-04", "endDate": "2026-05-04"}
    assert _read(client, **query)["totals"]["orders"] == 0
    _refresh(database, "UTC")
    assert _read(client, **query)["totals"]["orders"] == 0


def test_the_last_thirty_days_unless_told_otherwise(client: Any, shop: Shop) -> None:
    mug = shop.product()
    now = datetime.now(UTC)
    shop.sell(now, (mug, 1, "1.00"))
    shop.sell(now - timedelta(days=29), (mug, 1, "1.00"))
    shop.sell(now - timedelta(days=30), (mug, 1, "1.00"))
    body = _read(client)
    today = date.fromisoformat(body["asOf"][:10])
    assert body["endDate"] == today.isoformat()
    assert body["startDate"] == (today - timedelta(days=29)).isoformat()
    assert (body["groupBy"], body["timezone"], body["currency"]) == ("day", "UTC", "USD")
    assert body["totals"]["orders"] == 2
    assert len(body["series"]) == 30
    assert [row["complete"] for row in body["series"]] == [True] * 29 + [False]
    assert "previous" not in body
    assert "change" not in body


def test_without_orders_all_is_zero_and_no_average(client: Any) -> None:
    body = _read(client, startDate="2026-01-01", endDate="2026-01-03")
    assert body["totals"] == {"orders": 0, "units": 0, "revenue": 0, "averageOrderValue": None}
    assert body["topProducts"] == []
    zero = {"orders": 0, "units": 0, "revenue": 0, "complete": True}
    assert body["series"] == [{"period": f"2026-01-0{day}", **zero} for day in (1, 2, 3)]


def test_weeks_are_named_by_their_monday(client: Any, shop: Shop) -> None:
    mug = shop.product()
    # Sunday the 3rd lies before the range, Monday the 4th in the week of the 4th.
    for day in ("2026-05-03", "2026-05-06", "2026-05-10", "2026-05-11", "2026-05-12"):
        shop.sell(_at(f"{day}T12:00"), (mug, 1, "1.00"))
    body = _read(client, startDate="2026-05-06", endDate="2026-05-11", groupBy="week")
    found = [(row["period"], row["orders"], row["complete"]) for row in body["series"]]
    assert found == [("2026-05-04", 2, True), ("2026-05-11", 1, True)]


def test_months_are_named_by_year_and_month(client: Any, shop: Shop) -> None:
    mug = shop.product()
    for day in ("2023-12-31", "2024-02-29", "2024-02-01"):
        shop.sell(_at(f"{day}T12:00"), (mug, 1, "1.00"))
    body = _read(client, startDate="2023-12-15", endDate="2024-02-29", groupBy="month")
    found = [(row["period"], row["orders"]) for row in body["series"]]
    assert found == [("2023-12", 1), ("2024-01", 0), ("2024-02", 2)]


@pytest.mark.parametrize("group_by", ["day", "week", "month"])
def test_the_period_that_runs_is_not_complete(client: Any, group_by: str) -> None:
    first = _read(client, groupBy=group_by)
    today = date.fromisoformat(first["endDate"])
    body = _read(client, groupBy=group_by, endDate=(today + timedelta(days=40)).isoformat())
    over = [row["period"] for row in body["series"] if row["complete"]]
    assert all(period <= today.isoformat() for period in over)
    assert not first["series"][-1]["complete"]


def test_the_day_is_over_when_it_is_over_in_its_zone(client: Any) -> None:
    """There is no moment at which both ends of the date line have the same day."""
    early = _read(client, timezone="Pacific/Kiritimati")
    late = _read(client, timezone="Pacific/Pago_Pago")
    assert early["endDate"] > late["endDate"]


def test_average_order_value_is_rounded_half_to_even(client: Any, shop: Shop) -> None:
    mug = shop.product()
    for day, prices in (("2026-05-04", ("0.02", "0.03")), ("2026-05-05", ("0.03", "0.04"))):
        for price in prices:
            shop.sell(_at(f"{day}T12:00"), (mug, 1, price))
    first = _read(client, startDate="2026-05-04", endDate="2026-05-04")
    second = _read(client, startDate="2026-05-05", endDate="2026-05-05")
    assert first["totals"]["averageOrderValue"] == 0.02
    assert second["totals"]["averageOrderValue"] == 0.04


def test_top_products_by_revenue(client: Any, shop: Shop, database: Any) -> None:
    made = [shop.product(name=f"P{n}") for n in range(12)]
    for n, product_id in enumerate(made):
        # Half of it will be rolled up, half counted.
        shop.sell(_at("2026-05-04T12:00"), (product_id, 1, f"{n}.10"))
    _refresh(database)
    for n, product_id in enumerate(made):
        shop.sell(_at("2026-05-05T12:00"), (product_id, 2, f"{n}.20"))
    body = _read(client, startDate="2026-05-04", endDate="2026-05-05")
    assert [row["name"] for row in body["topProducts"]] == [f"P{n}" for n in range(11, 1, -1)]
    assert body["topProducts"][0] == {
        "productId": str(made[11]),
        "name": "P11",
        "units": 3,
        "revenue": 33.5,
    }


def test_compared_to_the_range_before(client: Any, shop: Shop) -> None:
    mug = shop.product()
    for day, price in (("2026-05-01", "9.00"), ("2026-05-03", "4.00"), ("2026-05-04", "2.00")):
        shop.sell(_at(f"{day}T12:00"), (mug, 1, price))
    body = _read(client, startDate="2026-05-03", endDate="2026-05-04", compareTo="previous")
    previous = body["previous"]
    assert (previous["startDate"], previous["endDate"]) == ("2026-05-01", "2026-05-02")
    assert previous["totals"]["revenue"] == 9
    assert [row["orders"] for row in previous["series"]] == [1, 0]
    assert body["change"] == {
        "orders": {"difference": 1, "percent": 100},
        "units": {"difference": 1, "percent": 100},
        "revenue": {"difference": -3, "percent": -33.33},
        "averageOrderValue": {"difference": -6, "percent": -66.67},
    }


def test_compared_to_nothing(client: Any, shop: Shop) -> None:
    shop.sell(_at("2026-05-03T12:00"), (shop.product(), 1, "3.00"))
    body = _read(client, startDate="2026-05-03", endDate="2026-05-03", compareTo="previous")
    assert body["change"]["revenue"] == {"difference": 3, "percent": None}
    assert body["change"]["averageOrderValue"] == {"difference": None, "percent": None}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"startDate": "2026-02-30"}, "?startDate"),
        ({"startDate": "1700000000"}, "?startDate"),
        ({"startDate": "2026-02-03T00:00:00"}, "?startDate"),
        ({"startDate": "\u0662026-01-01"}, "?startDate"),
        ({"startDate": "0001-01-01"}, "?startDate"),
        ({"startDate": ""}, "?startDate"),
        ({"endDate": "2026-13-01"}, "?endDate"),
        ({"endDate": "9999-12-31"}, "?endDate"),
        ({"endDate": "2026-01-01\x00"}, "?endDate"),
        ({"startDate": "2026-01-02", "endDate": "2026-01-01"}, "?endDate"),
        ({"startDate": "2010-01-01", "endDate": "2020-01-02"}, "?endDate"),
        ({"startDate": "2999-01-01"}, "?startDate"),
        ({"startDate": "1990-01-01"}, "?startDate"),
        ({"groupBy": "year"}, "?groupBy"),
        ({"timezone": "Mars/Olympus"}, "?timezone"),
        ({"timezone": "localtime"}, "?timezone"),
        ({"timezone": "UTC+3"}, "?timezone"),
        ({"timezone": "../etc/passwd\x00"}, "?timezone"),
        ({"compareTo": "next"}, "?compareTo"),
        ({"from": "2026-01-01"}, "?from"),
    ],
)
def test_refused(client: Any, query: dict[str, str], pointer: str) -> None:
    found = client.get(SALES, query_string=query)
    assert found.status_code == 422
    assert pointer in [error["pointer"] for error in found.json["errors"]]


def test_ten_years_are_not_more_than_ten_years(client: Any) -> None:
    body = _read(client, startDate="2020-01-01", endDate="2029-12-31", groupBy="month")
    assert len(body["series"]) == 120
    body = _read(
        client, startDate="9980-12-31", endDate="9990-12-31", groupBy="week", compareTo="previous"
    )
    assert not body["series"][0]["complete"]


def test_the_line_tells_what_it_sold(
    client: Any, shop: Shop, database: Any, apply_line: Any
) -> None:
    """Through the worker: reserved, rolled up, cancelled, each at once in the answer."""
    mug = shop.product()
    shop.stock(mug, (datetime.now(UTC), 10))
    order_id = shop.sell(datetime.now(UTC), (mug, 4, "2.50"), status="queued")
    assert _read(client)["totals"]["orders"] == 0
    _refresh(database)
    with database.transaction() as connection:
        record(connection, CreateOrder(order_id=order_id))
    apply_line()
    assert _read(client)["totals"]["revenue"] == 10
    _refresh(database)
    with database.transaction() as connection:
        record(connection, ChangeOrderStatus(order_id=order_id, status="cancelled"))
    apply_line()
    assert _read(client)["totals"]["orders"] == 0


def test_every_answer_is_one_moment(
    client_with: Any, make_key: Any, shop: Shop, database: Any
) -> None:
    """While orders come and go and rollups are written, the parts of an answer agree."""
    mug, pot = shop.product(), shop.product(name="Pot")
    done = threading.Event()
    faults: list[BaseException] = []

    def live() -> None:
        try:
            now = datetime.now(UTC)
            for n in range(60):
                moment = now - timedelta(days=n % 20)
                order_id = shop.sell(moment, (mug, 1 + n % 3, "1.13"), (pot, 2, "0.07"))
                if n % 3 == 0:
                    shop.move(order_id, "cancelled")
                if n % 5 == 0:
                    _refresh(database)
        except BaseException as fault:
            faults.append(fault)
        finally:
            done.set()

    client = client_with(make_key())
    thread = threading.Thread(target=live)
    thread.start()
    while True:
        last = done.is_set()
        body = _read(client)
        totals, tops = body["totals"], body["topProducts"]
        for part in (body["series"], tops):
            assert sum(row["units"] for row in part) == totals["units"]
            cents = sum(round(row["revenue"] * 100) for row in part)
            assert cents == round(totals["revenue"] * 100)
        if last:
            break
    thread.join()
    assert not faults
    assert body["totals"]["orders"] == 40


_MINUTES = st.one_of(
    st.integers(min_value=0, max_value=12 * 24 * 60),
    st.integers(min_value=0, max_value=390 * 24 * 60),
)
_DAYS = st.one_of(st.integers(0, 12), st.integers(0, 390))
_SOLD = st.tuples(
    st.just("sell"),
    _MINUTES,
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 50), st.decimals("0.00", "99.99", places=2)),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(["queued", "pending", "shipped", "rejected"]),
)
_STEPS = st.one_of(
    _SOLD,
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("reserve"), st.integers(0, 30)),
    st.tuples(st.just("refresh"), st.sampled_from(ZONES)),
    st.tuples(st.just("rebuild"), _DAYS, _DAYS),
    st.tuples(st.just("roll up as before spans"), _DAYS, st.integers(0, 12)),
)


def _play(shop: Shop, database: Any, products: list[Any], steps: list[Any]) -> None:
    begin = datetime(2025, 10, 26, tzinfo=UTC)
    made: list[Any] = []
    for step in steps:
        match step:
            case ("sell", minute, items, status):
                lines = [(products[which], count, str(price)) for which, count, price in items]
                made.append(shop.sell(begin + timedelta(minutes=minute), *lines, status=status))
            case ("cancel", which) if which < len(made):
                shop.move(made[which], "cancelled")
            case ("reserve", which) if which < len(made):
                shop.move(made[which], "confirmed")
            case ("refresh", zone):
                _refresh(database, zone)
            case ("rebuild", first, length):
                day = begin.date() + timedelta(days=first)
                with database.transaction() as connection:
                    rebuild(connection, RebuildRollups(day, day + timedelta(days=length)))
            case ("roll up as before spans", first, length):
                day = begin.date() + timedelta(days=first)
                with database.transaction() as connection:
                    sales_rollups.roll_up(connection, day, day + timedelta(days=length), [])


def test_many_scattered_changes(client: Any, shop: Shop, database: Any) -> None:
    """Every second day has changed since it was rolled up."""
    mug = shop.product()
    made = [
        shop.sell(_at("2026-01-01T12:00") + timedelta(days=n), (mug, 1, "1.00")) for n in range(80)
    ]
    _refresh(database)
    for order_id in made[::2]:
        shop.move(order_id, "cancelled")
    query = {"startDate": "2025-12-25", "endDate": "2026-03-25"}
    body = _read(client, **query)
    assert _days(body) == _within(shop.plain("UTC"), *query.values())
    assert body["topProducts"][0]["units"] == 40


def test_a_year_is_read_from_spans_of_days(client: Any, shop: Shop, database: Any) -> None:
    """Also while days in the middle of it have changed since, or were rolled up without spans."""
    made, now = [shop.product(name=f"P{n}") for n in range(3)], datetime.now(UTC)
    orders = [
        shop.sell(now - timedelta(days=n), (made[n % 3], 1 + n % 7, "1.13"))
        for n in range(0, 500, 3)
    ]
    _refresh(database)
    start, end = (now - timedelta(days=364)).date(), now.date()
    query = {"startDate": start.isoformat(), "endDate": end.isoformat()}

    def check(most: int) -> None:
        with database.snapshot() as connection:
            where = sales.sources(connection, sales.state(connection, "UTC"), start, end)
            assert len(where.pieces) <= most
        body = _read(client, **query)
        assert _days(body) == _within(shop.plain("UTC"), *query.values())
        assert _products(body) == shop.plain_products("UTC", *query.values())

    check(8)
    for order_id in orders[10:20]:
        shop.move(order_id, "cancelled")
    check(18)
    with database.transaction() as connection:
        sales_rollups.roll_up(connection, end - timedelta(days=40), end - timedelta(days=35), [])
    check(365)
    _refresh(database)
    check(8)


def test_spans_of_a_spoilt_day_are_mended_with_it(client: Any, shop: Shop, database: Any) -> None:
    mug, now = shop.product(), datetime.now(UTC)
    for n in range(40):
        shop.sell(now - timedelta(days=n), (mug, 1, "1.00"))
    _refresh(database)
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE product_sales_spans SET units = units + 1")
        command = RebuildRollups((now - timedelta(days=60)).date(), now.date())
        rebuild(connection, command)
    assert _read(client)["topProducts"][0]["units"] == 30


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(_STEPS, max_size=20), zone=st.sampled_from(ZONES), data=st.data())
def test_any_history(
    client: Any, shop: Shop, database: Any, steps: list[Any], zone: str, data: Any
) -> None:
    """Whatever happened, and whatever was rolled up in between, each zone has the plain count."""
    shop.forget()
    products = [shop.product(name=f"P{n}") for n in range(3)]
    _play(shop, database, products, steps)
    first = date(2025, 10, 24) + timedelta(days=data.draw(_DAYS))
    last = first + timedelta(days=data.draw(_DAYS))
    query = {"startDate": first.isoformat(), "endDate": last.isoformat()}
    for timezone in {zone, "UTC"}:
        body = _read(client, timezone=timezone, **query)
        assert _days(body) == _within(shop.plain(timezone), *query.values())
        assert _products(body) == shop.plain_products(timezone, *query.values())
        for part in (body["series"], body["topProducts"]):
            assert sum(row["units"] for row in part) == body["totals"]["units"]
            assert sum(Decimal(str(row["revenue"])) for row in part) == Decimal(
                str(body["totals"]["revenue"])
            )
        assert sum(row["orders"] for row in body["series"]) == body["totals"]["orders"]


def test_needs_a_key_that_may_read(client_with: Any, make_key: Any) -> None:
    assert client_with(None).get(SALES).status_code == 401
    assert client_with(make_key(scopes=["read"])).get(SALES).status_code == 200

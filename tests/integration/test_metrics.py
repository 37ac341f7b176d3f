"""The stock metrics and the list of open alerts: each number against its formula."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.factories.sales import Shop
from web.analytics import days_of_cover, turnover

METRICS = "/api/analytics/inventory/metrics"
ALERTS = "/api/inventory/alerts"


@pytest.fixture
def shop(database: Any) -> Shop:
    return Shop(database)


def _ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def _read(client: Any) -> dict[str, Any]:
    found = client.get(METRICS)
    assert found.status_code == 200, found.text
    body: dict[str, Any] = found.json
    return body


def test_an_empty_shop(client: Any) -> None:
    body = _read(client)
    assert body.pop("asOf").endswith("Z")
    assert body == {
        "totalProducts": 0,
        "totalUnits": 0,
        "reservedUnits": 0,
        "stockValue": 0,
        "lowStock": 0,
        "outOfStock": 0,
        "turnover30d": None,
        "daysOfCover": None,
        "deadStock": 0,
    }


def test_sums(client: Any, shop: Shop) -> None:
    mug, pot = shop.product(price="9.99"), shop.product(price="0.01", name="Pot")
    shop.product(name="Never stocked")
    shop.stock(mug, (_ago(1), 10), reserved=4)
    shop.stock(pot, (_ago(1), 3))
    body = _read(client)
    assert (body["totalProducts"], body["totalUnits"], body["reservedUnits"]) == (3, 13, 4)
    assert body["stockValue"] == 99.93


def test_turnover_is_units_sold_by_half_of_first_and_last(client: Any, shop: Shop) -> None:
    mug = shop.product()
    # 100 when the 30 days began, 60 now: 80 on average.
    shop.stock(mug, (_ago(60), 120), (_ago(40), -20), (_ago(20), -50), (_ago(10), 10))
    shop.sell(_ago(31), (mug, 1000, "1.00"))
    shop.sell(_ago(20), (mug, 50, "1.00"), status="shipped")
    shop.sell(_ago(5), (mug, 10, "1.00"))
    shop.sell(_ago(5), (mug, 500, "1.00"), status="cancelled")
    body = _read(client)
    assert body["turnover30d"] == 0.75
    # 60 units in the house, 2 a day.
    assert body["daysOfCover"] == 30


def test_without_a_sale_there_is_no_pace(client: Any, shop: Shop) -> None:
    mug = shop.product()
    shop.stock(mug, (_ago(60), 120))
    shop.sell(_ago(31), (mug, 5, "1.00"))
    body = _read(client)
    assert (body["turnover30d"], body["daysOfCover"]) == (None, None)


def test_formulas() -> None:
    assert turnover(0, 10, 10) is None
    assert turnover(5, 0, 0) is None
    assert turnover(1, 1, 2) == Decimal("0.6667")
    assert days_of_cover(0, 3) == 0
    assert days_of_cover(10, 0) is None
    assert days_of_cover(1, 7) == Decimal("4.3")


def test_dead_stock_had_ninety_days_and_was_not_sold(client: Any, shop: Shop) -> None:
    names = ("dead", "fresh", "sold", "sold out", "sold before", "cancelled")
    made = {name: shop.product(name=name) for name in names}
    for name, product_id in made.items():
        shop.stock(product_id, (_ago(5 if name == "fresh" else 120), 10))
    gone = shop.product(name="gone")
    shop.stock(gone, (_ago(120), 10), (_ago(100), -10))
    shop.stock(shop.product(name="counted as none"), (_ago(120), 0), (_ago(5), 10))
    shop.sell(_ago(80), (made["sold"], 1, "1.00"))
    shop.sell(_ago(1), (made["sold out"], 1, "1.00"))
    shop.sell(_ago(95), (made["sold before"], 1, "1.00"))
    shop.sell(_ago(10), (made["cancelled"], 1, "1.00"), status="cancelled")
    # dead, sold before, cancelled
    assert _read(client)["deadStock"] == 3


def test_alerts_are_counted_and_listed(client: Any, shop: Shop) -> None:
    low = [shop.product(name=f"low {n}") for n in range(3)]
    out = shop.product(name="out")
    made = [
        shop.alert(product_id, "low_stock", _ago(10 - n), stock=n)
        for n, product_id in enumerate(low)
    ]
    made.append(shop.alert(out, "out_of_stock", _ago(1)))
    body = _read(client)
    assert (body["lowStock"], body["outOfStock"]) == (3, 1)
    pages, cursor = [], {}
    while True:
        page = client.get(ALERTS, query_string={"limit": "3", **cursor}).json
        pages.append(page["items"])
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert [len(page) for page in pages] == [3, 1]
    items = [item for page in pages for item in page]
    assert [item["id"] for item in items] == [str(alert_id) for alert_id in reversed(made)]
    assert items[-1].pop("raisedAt").endswith("Z")
    assert items[-1].pop("raisedBy")
    assert items[-1] == {
        "id": str(made[0]),
        "productId": str(low[0]),
        "name": "low 0",
        "severity": "low_stock",
        "stock": 0,
        "threshold": 5,
        "resolvedAt": None,
        "resolvedBy": None,
    }


def test_alerts_raised_at_the_same_moment_are_listed_once(client: Any, shop: Shop) -> None:
    moment = _ago(1)
    made = {str(shop.alert(shop.product(), "low_stock", moment)) for _ in range(5)}
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        page = client.get(ALERTS, query_string=query).json
        seen += [item["id"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]
    assert len(seen) == 5
    assert set(seen) == made


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"cursor": "x"},
        {"cursor": "WzEsMl0"},
        {"status": "past"},
        {"productId": "x"},
    ],
)
def test_bad_pages_of_alerts_are_refused(client: Any, query: dict[str, str]) -> None:
    assert client.get(ALERTS, query_string=query).status_code == 422


@pytest.mark.parametrize("path", [METRICS, ALERTS])
def test_needs_a_key_that_may_read(client_with: Any, make_key: Any, path: str) -> None:
    assert client_with(None).get(path).status_code == 401
    assert client_with(make_key(scopes=["read"])).get(path).status_code == 200

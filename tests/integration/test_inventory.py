"""Stock over HTTP: what it says, what an adjustment may be, what is raised when it runs low."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from db.session import Database
from tasks.alerts import sweep_alerts
from tests.integration.test_conventions import check_problem

ALERTS = "/api/inventory/alerts"


@pytest.fixture
def adjust(client: Any, apply_line: Callable[[], None]) -> Callable[..., dict[str, Any]]:
    """Adjust a product's stock, and give the operation's end."""

    def do(product_id: str, change: int, **fields: Any) -> dict[str, Any]:
        kind = "increment" if change > 0 else "decrement"
        body = {"productId": product_id, "quantity": abs(change), "type": kind, **fields}
        accepted = client.post("/api/inventory/adjust", json=body)
        assert accepted.status_code == 202, accepted.text
        apply_line()
        found: dict[str, Any] = client.get(accepted.headers["Location"]).json
        return found

    return do


def test_stock_is_what_is_in_the_house_less_what_orders_hold(
    client: Any, product: Callable[..., str], adjust: Any
) -> None:
    mug = product(lowStockThreshold=2)
    adjust(mug, 10)
    order = {"items": [{"productId": mug, "quantity": 4}], "customerId": "c"}
    client.post("/api/pms/orders", json={**order, "shippingAddress": "a"})
    adjust(mug, 1)
    found = client.get(f"/api/inventory/stock/{mug}").json
    assert found.pop("updatedAt").endswith("Z")
    assert found == {
        "productId": mug,
        "stock": 7,
        "onHand": 11,
        "reserved": 4,
        "lowStockThreshold": 2,
        "version": 3,
    }
    refused = adjust(mug, -8)
    assert (refused["status"], refused["error"]["available"]) == ("failed", 7)


@pytest.mark.parametrize("quantity", [0, -1, 1_000_000_001, 1.5, "1", None])
def test_a_quantity_is_a_whole_number_within_bounds(
    client: Any, product: Callable[..., str], quantity: Any
) -> None:
    body = {"productId": product(), "quantity": quantity, "type": "increment"}
    problem = check_problem(client.post("/api/inventory/adjust", json=body), 422)
    assert [one["pointer"] for one in problem["errors"]] == ["/quantity"]


def test_an_adjustment_says_why_and_what_it_expects(
    client: Any, product: Callable[..., str], adjust: Any
) -> None:
    mug = product()
    most = 1_000_000_000
    assert adjust(mug, most, reason="delivery", reference="DN-1", expectedStock=0)["result"]
    refused = adjust(mug, 1, expectedStock=0)
    assert refused["error"]["type"] == "/docs/problems/stock-changed"
    assert (refused["error"]["expected"], refused["error"]["stock"]) == (0, most)
    (row,) = client.get(f"/api/inventory/movements?productId={mug}").json["items"]
    assert (row["onHandChange"], row["reservedChange"]) == (most, 0)
    assert (row["onHand"], row["reserved"]) == (most, 0)
    assert (row["reason"], row["reference"]) == ("delivery", "DN-1")


def told(database: Database, product_id: str) -> list[tuple[str, int, int]]:
    """Each alert of a product that everybody was told, in order."""
    with database.transaction() as connection:
        rows = connection.execute(
            text("""
                SELECT data FROM events WHERE name = 'system_alert' AND stream = 'system'
                  AND data ->> 'productId' = :id ORDER BY position
            """),
            {"id": product_id},
        ).scalars()
        found = list(rows)
    assert all(one["message"] for one in found)
    return [(one["type"], one["stock"], one["threshold"]) for one in found]


def test_one_alert_follows_the_stock_and_each_change_of_it_is_told(
    client: Any, product: Callable[..., str], adjust: Any, database: Database
) -> None:
    mug = product(name="Mug")
    adjust(mug, 6)
    assert client.get(ALERTS).json["items"] == []
    adjust(mug, -1)
    (low,) = client.get(ALERTS).json["items"]
    expected = {"productId": mug, "name": "Mug", "severity": "low_stock", "stock": 5}
    assert {name: low[name] for name in expected} == expected
    assert (low["threshold"], low["raisedAt"][-1]) == (5, "Z")
    adjust(mug, -1)
    adjust(mug, -4)
    (out,) = client.get(ALERTS).json["items"]
    assert (out["id"], out["severity"], out["stock"]) == (low["id"], "out_of_stock", 0)
    adjust(mug, 9)
    assert client.get(ALERTS).json["items"] == []
    assert told(database, mug) == [
        ("low_stock", 5, 5),
        ("out_of_stock", 0, 5),
        ("stock_recovered", 9, 5),
    ]


def test_what_never_had_stock_raises_none_before_it_is_published(
    client: Any,
    product: Callable[..., str],
    apply_line: Callable[[], None],
) -> None:
    mug = product()
    client.patch(f"/api/pms/products/{mug}", json={"lowStockThreshold": 7})
    apply_line()
    assert client.get(ALERTS).json["items"] == []
    client.put(f"/api/pms/products/{mug}/publish", json={"status": "published"})
    apply_line()
    (alert,) = client.get(ALERTS).json["items"]
    assert (alert["productId"], alert["severity"]) == (mug, "out_of_stock")


def test_what_was_missed_is_found_by_the_clock(
    client: Any,
    product: Callable[..., str],
    adjust: Any,
    apply_line: Callable[[], None],
    database: Database,
) -> None:
    mug = product()
    adjust(mug, 3)
    with database.transaction() as connection:
        assert connection.execute(text("DELETE FROM alerts")).rowcount == 1
    sweep_alerts()
    apply_line()
    (alert,) = client.get(ALERTS).json["items"]
    assert (alert["productId"], alert["severity"]) == (mug, "low_stock")

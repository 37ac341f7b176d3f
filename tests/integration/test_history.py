"""What was: the ledger and who asked for it, stock as of a time, lists as tables."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.session import Database
from tests.integration.test_conventions import check_problem
from web import tables
from web.tables import harmless, restored
from workers.operators import tell_dead

MOVEMENTS = "/api/inventory/movements"
CSV = {"Accept": "text/csv"}


def rows(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200, response.text
    assert response.content_type == "text/csv; charset=utf-8; header=present"
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


@pytest.fixture
def shop(client: Any, product: Callable[..., str], apply_line: Callable[[], None]) -> list[str]:
    """Two products with some history, and an order that is confirmed."""
    mug, cup = product(sku="MUG", name="=Mug", stock=10), product(sku="CUP", stock=3)
    request_id = {"X-Request-ID": "broken-1"}
    body = {"productId": mug, "quantity": 2, "type": "decrement", "reason": "broken"}
    client.post("/api/inventory/adjust", json=body, headers=request_id)
    client.post("/api/inventory/counts", json={"productId": cup, "counted": 5, "reason": "count"})
    items = [{"productId": mug, "quantity": 1}, {"productId": cup, "quantity": 2}]
    order = client.post(
        "/api/pms/orders",
        json={"items": items, "customerId": "@c", "shippingAddress": "a"},
        headers={"X-Request-ID": "order-1"},
    ).json["orderId"]
    client.patch(f"/api/pms/orders/{order}/status", json={"status": "confirmed"})
    apply_line()
    return [mug, cup, order]


def test_each_movement_names_who_asked_for_it(client: Any, shop: list[str]) -> None:
    items = client.get(f"{MOVEMENTS}?productId={shop[0]}").json["items"]
    assert [one["kind"] for one in items] == ["reservation", "adjustment", "adjustment"]
    assert [one["requestId"] for one in items[:2]] == ["order-1", "broken-1"]
    assert {one["keyName"] for one in items} == {"test"}
    operation = client.get(f"/api/operations/{items[1]['operationId']}").json
    assert operation["requestId"] == "broken-1"


def test_each_transition_names_who_asked_for_it(client: Any, shop: list[str]) -> None:
    first, second = client.get(f"/api/pms/orders/{shop[2]}").json["transitions"]
    assert (first["from"], first["to"], second["to"]) == ("queued", "pending", "confirmed")
    assert (first["requestId"], first["keyName"]) == ("order-1", "test")
    assert first["at"] <= second["at"]


def test_movements_by_kind_and_time_page_by_page(client: Any, shop: list[str]) -> None:
    mug = shop[0]
    found = client.get(f"{MOVEMENTS}?productId={mug}&kind=adjustment").json["items"]
    assert [one["onHandChange"] for one in found] == [-2, 10]
    at = found[0]["createdAt"]
    later = client.get(f"{MOVEMENTS}?productId={mug}&from={at}").json["items"]
    before = client.get(f"{MOVEMENTS}?productId={mug}&to={at}").json["items"]
    assert len(later) + len(before) == 3
    check_problem(client.get(f"{MOVEMENTS}?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"), 422)
    check_problem(client.get(f"{MOVEMENTS}?kind=theft"), 422)


@pytest.mark.parametrize("query", ["", "&productId={0}"])
def test_pages_of_the_ledger_leave_nothing_out(client: Any, shop: list[str], query: str) -> None:
    query = query.format(*shop)
    whole = client.get(f"{MOVEMENTS}?limit=100{query}").json["items"]
    seen, cursor = [], ""
    while True:
        page = client.get(f"{MOVEMENTS}?limit=2{query}{cursor}").json
        seen += page["items"]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == whole
    assert len(seen) == (3 if query else 6)


def test_a_cursor_is_refused_with_another_product(client: Any, shop: list[str]) -> None:
    mug, cup, _ = shop
    for query in ("", f"&productId={cup}"):
        cursor = client.get(f"{MOVEMENTS}?limit=1{query}").json["nextCursor"]
        (of, other) = (cup, mug) if query else (mug, cup)
        assert client.get(f"{MOVEMENTS}?productId={of}&cursor={cursor}").status_code == 200
        refused = client.get(f"{MOVEMENTS}?productId={other}&cursor={cursor}")
        check_problem(refused, 422)
        assert [one["pointer"] for one in refused.json["errors"]] == ["?cursor"]


def test_stock_as_of_a_time_is_what_the_ledger_says(client: Any, shop: list[str]) -> None:
    path = f"/api/inventory/stock/{shop[0]}"
    ledger = client.get(f"{MOVEMENTS}?productId={shop[0]}").json["items"]
    for movement in ledger:
        then = client.get(f"{path}?at={movement['createdAt']}").json
        assert then["version"] >= movement["version"]
    before = client.get(f"{path}?at=2020-01-01T00:00:00Z").json
    assert [before[name] for name in ("stock", "onHand", "reserved", "version")] == [0] * 4
    made = client.get(f"/api/products/{shop[0]}").json
    assert before["updatedAt"] == made["createdAt"]
    assert before["lowStockThreshold"] == made["lowStockThreshold"]
    assert client.get(f"{path}?at=2100-01-01T00:00:00Z").json["stock"] == 7


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stock_movements SET reason = 'other'",
        "DELETE FROM stock_movements",
        "TRUNCATE stock_movements CASCADE",
    ],
)
def test_the_database_itself_keeps_the_ledger(
    database: Database, shop: list[str], statement: str
) -> None:
    with pytest.raises(DBAPIError, match="append-only"), database.transaction() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize("more", [{}, {"reason": None}, {"reason": ""}, {"reason": "x" * 501}])
def test_a_count_needs_a_reason(client: Any, shop: list[str], more: dict[str, Any]) -> None:
    body = {"productId": shop[0], "counted": 5, **more}
    found = client.post("/api/inventory/counts", json=body)
    assert found.status_code == 422
    assert [one["pointer"] for one in found.json["errors"]] == ["/reason"]


def test_a_count_with_another_stock_than_expected(
    client: Any, shop: list[str], apply_line: Callable[[], None]
) -> None:
    mug = shop[0]
    wrong = client.post(
        "/api/inventory/counts",
        json={"productId": mug, "counted": 5, "expectedStock": 9, "reason": "yearly"},
    ).json
    below = client.post(
        "/api/inventory/counts", json={"productId": mug, "counted": 0, "reason": "yearly"}
    ).json
    right = client.post(
        "/api/inventory/counts",
        json={"productId": mug, "counted": 5, "expectedStock": 7, "reason": "yearly"},
    ).json
    apply_line()
    ends = [client.get(f"/api/operations/{one['id']}").json for one in (wrong, below, right)]
    assert [one["status"] for one in ends] == ["failed", "failed", "succeeded"]
    assert ends[0]["error"]["type"].endswith("/stock-changed")
    assert (ends[0]["error"]["expected"], ends[0]["error"]["stock"]) == (9, 7)
    assert ends[1]["error"]["type"].endswith("/count-below-reserved")
    newest = client.get(f"{MOVEMENTS}?productId={mug}&limit=1").json["items"][0]
    assert (newest["kind"], newest["onHandChange"], newest["reason"]) == ("count", -3, "yearly")


def test_the_stock_of_all_products(client: Any, shop: list[str]) -> None:
    items = client.get("/api/inventory/stock").json["items"]
    assert [(one["sku"], one["stock"], one["reserved"]) for one in items] == [
        ("CUP", 3, 2),
        ("MUG", 7, 1),
    ]
    page = client.get("/api/inventory/stock?limit=1").json
    rest = client.get(f"/api/inventory/stock?cursor={page['nextCursor']}").json
    assert page["items"] + rest["items"] == items


def test_lists_as_tables(client: Any, shop: list[str]) -> None:
    mug, _, order = shop
    products = rows(client.get("/api/products?sort=name", headers=CSV))
    assert [one["name"] for one in products] == ["'=Mug", "Mug"]
    assert (products[0]["id"], products[0]["price"]) == (mug, "9.50")
    stock = rows(client.get("/api/inventory/stock", headers=CSV))
    assert [(one["sku"], one["stock"]) for one in stock] == [("CUP", "3"), ("MUG", "7")]
    ledger = rows(client.get(f"{MOVEMENTS}?productId={mug}", headers=CSV))
    assert [one["onHandChange"] for one in ledger] == ["0", "-2", "10"]
    assert ledger[1]["requestId"] == "broken-1"
    assert len(rows(client.get(MOVEMENTS, headers=CSV))) == 6
    orders = rows(client.get("/api/pms/orders", headers=CSV))
    assert [(one["id"], one["line"], one["quantity"]) for one in orders] == [
        (order, "1", "1"),
        (order, "2", "2"),
    ]
    assert orders[0]["customerId"] == "'@c"
    assert (orders[0]["unitPrice"], orders[0]["total"]) == ("9.50", "28.50")
    assert rows(client.get("/api/pms/orders?status=delivered", headers=CSV)) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/operations", "kind"),
        ("/api/operations?kind=adjust-stock&status=succeeded", "kind"),
        ("/api/inventory/alerts?status=all", "severity"),
        ("/api/system/alerts?status=all", "message"),
    ],
)
def test_what_happened_as_tables(
    client: Any,
    shop: list[str],
    product: Callable[..., str],
    apply_line: Callable[[], None],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    name: str,
) -> None:
    for _ in range(3):
        product(stock=1)
    apply_line()
    operations = client.get("/api/operations?limit=3").json["items"]
    with database.transaction() as connection:
        for one in operations:
            tell_dead(connection, UUID(one["id"]), one["kind"])
    for module in ("web.tables", "web.exports"):
        monkeypatch.setattr(f"{module}.PAGE", 2)
    items = client.get(f"{path}{'&' if '?' in path else '?'}limit=100").json["items"]
    found = rows(client.get(path, headers=CSV))
    assert len(found) >= 2
    assert [(one["id"], one[name]) for one in found] == [(one["id"], one[name]) for one in items]


def test_keys_as_a_table_without_their_secrets(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("web.tables", "web.exports"):
        monkeypatch.setattr(f"{module}.PAGE", 2)
    made = {"name": "=till", "scopes": ["read", "write"], "rate": "5/minute"}
    secrets = [client.post("/api/keys", json=made).json["secret"] for _ in range(4)]
    items = client.get("/api/keys?limit=100").json["items"]
    answer = client.get("/api/keys?limit=1", headers=CSV)
    found = rows(answer)
    assert [one["id"] for one in found] == [one["id"] for one in items]
    assert list(found[0]) == list(items[0])
    assert (found[0]["name"], found[0]["scopes"]) == ("'=till", '["read","write"]')
    assert (found[0]["hint"], found[0]["revokedAt"]) == (items[0]["hint"], "")
    assert not any(secret in answer.text for secret in secrets)


def test_orders_of_a_time_the_wrong_way_round(client: Any) -> None:
    times = "from=2026-11-30T00:00:00Z&to=2026-11-01T00:00:00Z"
    answer = client.get(f"/api/pms/orders?{times}")
    check_problem(answer, 422)
    assert answer.json["errors"][0]["pointer"] == "?to"


def test_a_table_is_read_in_pages_and_whole(
    client: Any, product: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("web.tables", "web.exports"):
        monkeypatch.setattr(f"{module}.PAGE", 2)
    made = [product(sku=f"S-{number}", name="same") for number in range(5)]
    for sort in ("name", "-name", "price", "-createdAt"):
        found = rows(client.get(f"/api/products?sort={sort}&limit=1", headers=CSV))
        assert sorted(one["id"] for one in found) == sorted(made)
    assert len(rows(client.get("/api/inventory/stock", headers=CSV))) == 5


def test_json_unless_csv_is_wanted_more(client: Any, shop: list[str]) -> None:
    for accept in ("*/*", "application/json", "text/html", "text/csv;q=0.5, application/json"):
        found = client.get("/api/products", headers={"Accept": accept})
        assert found.content_type == "application/json"
    check_problem(client.get("/api/products?sort=colour", headers=CSV), 422)
    nobody = "01900000-0000-7000-8000-000000000000"
    check_problem(client.get(f"{MOVEMENTS}?productId={nobody}", headers=CSV), 404)


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "\uff1d1", "it's", "", "'"],
)
def test_formulas_are_made_harmless_and_come_back(cell: str) -> None:
    told = harmless(cell)
    assert not told.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))
    assert restored(told) == cell


@given(st.text(alphabet="=+-@';\t\r\n,\" a\uff1d", max_size=12))
@settings(max_examples=500)
def test_no_cell_begins_with_a_formula_wherever_it_is_split(cell: str) -> None:
    """Where decimals have a comma, spreadsheets split at semicolons, and know no quotes then."""
    told = harmless(cell)
    for piece in re.split("[;\t\r\n]", told):
        assert not piece.startswith(("=", "+", "-", "@", "\uff1d"))
    assert restored(told) == cell


def test_memory_stays_flat_while_a_table_is_sent() -> None:
    """Nothing is kept of what is sent: pieces come as they are read."""
    read = 0

    def page(after: int | None) -> list[int]:
        nonlocal read
        read += 1
        first = 0 if after is None else after + 1
        return list(range(first, first + tables.PAGE)) if read < 100 else []

    pieces = tables._written(("n",), ((number,) for number in tables.keyset(page, lambda n: n)))
    next(pieces)
    assert read <= 2
    assert sum(len(piece) for piece in pieces) > 200_000

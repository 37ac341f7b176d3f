"""Reads ask the database once where once will do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event

from db.session import Database

# What needs more than one query, and why.
MORE = {
    "analytics.read_sales": "rollups, what they do not hold yet, and the products sold best",
    "analytics.read_metrics": "levels, prices and what was sold lie in tables of their own",
    "refused.list_refused": "the bulk first, then its rows",
    "refused.retry_refused": "likewise",
    "integrity.check_integrity": "one for each kind of difference",
}


@contextmanager
def queries(database: Database) -> Iterator[list[str]]:
    """The statements that are sent meanwhile, without those that begin or end a transaction."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


@pytest.fixture
def paths(
    app: Any, client: Any, product: Callable[..., str], apply_line: Callable[[], None]
) -> dict[str, str]:
    """Each guarded GET route with a path that is found, by endpoint."""
    product_id = product(stock=5)
    item = {"productId": product_id, "quantity": 1}
    order = client.post(
        "/api/pms/orders",
        json={"items": [item, item], "customerId": "c", "shippingAddress": "a"},
    ).json
    apply_line()
    known = {
        "product_id": product_id,
        "order_id": order["orderId"],
        "operation_id": order["id"],
    }
    found = {}
    for rule in app.url_map.iter_rules():
        scope = getattr(app.view_functions[rule.endpoint], "scope", None)
        if "GET" in (rule.methods or ()) and scope is not None:
            with app.test_request_context():
                adapter = app.create_url_adapter(None) or app.url_map.bind("localhost")
            values = {name: known.get(name, str(uuid4())) for name in rule.arguments}
            path = adapter.build(rule.endpoint, values)
            found[rule.endpoint] = (
                f"{path}?productId={product_id}" if rule.endpoint == "inventory.movements" else path
            )
    return found


def test_a_read_is_one_query(database: Database, client: Any, paths: dict[str, str]) -> None:
    assert len(paths) > 10
    counts = {}
    for endpoint, path in paths.items():
        client.get(path)  # the key is known from then on
        with queries(database) as seen:
            client.get(path)
        counts[endpoint] = len(seen)
    assert {name: count for name, count in counts.items() if count > 1 and name not in MORE} == {}


@pytest.mark.parametrize("method", ["adjust", "order", "step"])
def test_a_submission_is_one_statement_beside_the_prices(
    database: Database, client: Any, product: Callable[..., str], method: str
) -> None:
    product_id = product(stock=5)
    order = {
        "items": [{"productId": product_id, "quantity": 1}],
        "customerId": "c",
        "shippingAddress": "a",
    }
    order_id = client.post("/api/pms/orders", json=order).json["orderId"]
    adjustment = {"productId": product_id, "quantity": 1, "type": "increment"}
    key = {"Idempotency-Key": str(uuid4())}
    with queries(database) as seen:
        if method == "adjust":
            answer = client.post("/api/inventory/adjust", json=adjustment, headers=key)
        elif method == "order":
            answer = client.post("/api/pms/orders", json=order, headers=key)
        else:
            path = f"/api/pms/orders/{order_id}/status"
            answer = client.patch(path, json={"status": "confirmed"}, headers=key)
    assert answer.status_code == 202, answer.text
    # Once a connection it is prepared besides.
    asked = [one for one in seen if not one.startswith("PREPARE")]
    assert len(asked) == (2 if method == "order" else 1)

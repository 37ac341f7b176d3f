"""Orders over HTTP: readable from their acceptance, all items or none, one step at a time."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from db.queries import line
from db.session import Database
from tests.integration.test_conventions import check_problem

ORDERS = "/api/pms/orders"


@pytest.fixture
def submit(client: Any) -> Callable[..., Any]:
    """Order so many of each product; the answer."""

    def order(items: dict[str, int], customer: str = "customer-1", **options: Any) -> Any:
        body = {
            "items": [{"productId": one, "quantity": count} for one, count in items.items()],
            "customerId": customer,
            "shippingAddress": "1 Main Street",
        }
        found = client.post(ORDERS, json=body, **options)
        assert found.status_code == 202, found.text
        return found

    return order


@pytest.fixture
def step(client: Any, apply_line: Callable[[], None]) -> Callable[..., dict[str, Any]]:
    """Tell an order its next status, and give the operation's end."""

    def go(order_id: str, status: str) -> dict[str, Any]:
        accepted = client.patch(f"{ORDERS}/{order_id}/status", json={"status": status})
        assert accepted.status_code == 202, accepted.text
        apply_line()
        found: dict[str, Any] = client.get(accepted.headers["Location"]).json
        return found

    return go


def stock(client: Any, product_id: str) -> tuple[int, int, int]:
    """What is in the house, what orders hold, what can be sold."""
    found = client.get(f"/api/inventory/stock/{product_id}").json
    return found["onHand"], found["reserved"], found["stock"]


def test_an_order_can_be_read_from_its_acceptance_and_keeps_its_prices(
    client: Any, product: Callable[..., str], submit: Any, apply_line: Callable[[], None]
) -> None:
    mug = product(stock=5, name="Mug", price=9.5)
    accepted = submit({mug: 2}).json
    assert (accepted["kind"], accepted["resource"]["type"]) == ("create-order", "order")
    path = f"{ORDERS}/{accepted['orderId']}"
    client.patch(f"/api/pms/products/{mug}", json={"name": "Cup", "price": 99})
    queued = client.get(path).json
    expected = {
        "id": accepted["orderId"],
        "status": "queued",
        "items": [
            {"productId": mug, "name": "Mug", "quantity": 2, "unitPrice": 9.5, "lineTotal": 19}
        ],
        "total": 19,
        "currency": "USD",
        "customerId": "customer-1",
        "shippingAddress": "1 Main Street",
        "reason": None,
        "transitions": [],
        "createdAt": queued["createdAt"],
        "updatedAt": queued["updatedAt"],
    }
    assert {name: queued[name] for name in expected} == expected
    apply_line()
    pending = client.get(path).json
    assert (pending["status"], pending["items"]) == ("pending", expected["items"])
    assert [one["operationId"] for one in pending["transitions"]] == [accepted["id"]]
    assert stock(client, mug) == (5, 2, 3)


def test_all_items_are_reserved_or_none(
    client: Any, product: Callable[..., str], submit: Any, apply_line: Callable[[], None]
) -> None:
    mug, cup = product(stock=5), product(stock=1)
    accepted = submit({mug: 2, cup: 2}).json
    apply_line()
    rejected = client.get(f"{ORDERS}/{accepted['orderId']}").json
    assert (rejected["status"], rejected["reason"]["code"]) == ("rejected", "insufficient-stock")
    assert client.get(f"/api/operations/{accepted['id']}").json["status"] == "failed"
    assert (stock(client, mug), stock(client, cup)) == ((5, 0, 5), (1, 0, 1))


def test_one_step_at_a_time_until_it_is_delivered(
    client: Any, product: Callable[..., str], submit: Any, step: Any
) -> None:
    mug = product(stock=5)
    order_id = submit({mug: 2}).json["orderId"]
    ends = [step(order_id, "confirmed")]
    early = step(order_id, "shipped")
    assert (early["status"], early["error"]["allowedTransitions"]) == (
        "failed",
        ["processing", "cancelled"],
    )
    ends.append(step(order_id, "processing"))
    assert step(order_id, "processing")["status"] == "succeeded"
    assert stock(client, mug) == (5, 2, 3)
    ends.append(step(order_id, "shipped"))
    assert stock(client, mug) == (3, 0, 3)
    assert step(order_id, "cancelled")["error"]["allowedTransitions"] == ["delivered"]
    ends.append(step(order_id, "delivered"))
    found = client.get(f"{ORDERS}/{order_id}").json
    assert found["status"] == "delivered"
    assert [(one["from"], one["to"]) for one in found["transitions"]][1:] == [
        ("pending", "confirmed"),
        ("confirmed", "processing"),
        ("processing", "shipped"),
        ("shipped", "delivered"),
    ]
    assert [one["operationId"] for one in found["transitions"]][1:] == [one["id"] for one in ends]


@pytest.mark.parametrize("steps", [(), ("confirmed",), ("confirmed", "processing")])
def test_cancelling_gives_the_units_back(
    client: Any, product: Callable[..., str], submit: Any, step: Any, steps: tuple[str, ...]
) -> None:
    mug = product(stock=5)
    order_id = submit({mug: 2}).json["orderId"]
    for status in (*steps, "cancelled"):
        assert step(order_id, status)["status"] == "succeeded"
    assert stock(client, mug) == (5, 0, 5)


def test_orders_by_status_customer_and_time(
    client: Any, product: Callable[..., str], submit: Any, step: Any
) -> None:
    mug = product(stock=5)
    first, second, third = (
        submit({mug: count}, customer).json["orderId"]
        for count, customer in ((1, "ann"), (2, "bob"), (9, "ann"))
    )
    step(first, "confirmed")
    at = client.get(f"{ORDERS}/{second}").json["createdAt"]

    def listed(**query: str) -> list[str]:
        return [one["id"] for one in client.get(ORDERS, query_string=query).json["items"]]

    assert listed() == [third, second, first]
    assert listed(status="rejected") == [third]
    assert listed(customerId="ann") == [third, first]
    assert listed(customerId="ann", status="confirmed") == [first]
    # Orders that are accepted together have one time.
    assert second in listed(**{"from": at})
    assert second not in listed(to=at)
    check_problem(client.get(f"{ORDERS}?status=lost"), 422)


def test_the_shops_currency_is_told(
    client: Any,
    app: Any,
    product: Callable[..., str],
    submit: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app.extensions["pms"].settings, "shop_currency", "EUR")
    order_id = submit({product(): 1}).json["orderId"]
    assert client.get(f"{ORDERS}/{order_id}").json["currency"] == "EUR"
    assert client.get("/api/analytics/sales").json["currency"] == "EUR"


def test_every_read_key_sees_the_whole_shop(
    client_with: Any, make_key: Callable[..., str], product: Callable[..., str], submit: Any
) -> None:
    accepted = submit({product(): 1}).json
    reader = client_with(make_key(scopes=["read"]))
    assert reader.get(f"{ORDERS}/{accepted['orderId']}").status_code == 200
    assert reader.get(f"/api/operations/{accepted['id']}").status_code == 200
    assert accepted["id"] in [one["id"] for one in reader.get("/api/operations").json["items"]]


@pytest.mark.parametrize("what", ["order", "status", "count", "publish"])
def test_every_writing_method_takes_an_idempotency_key(
    client: Any, product: Callable[..., str], submit: Any, what: str
) -> None:
    mug = product(stock=5)
    item = {"productId": mug, "quantity": 1}
    order = {"items": [item], "customerId": "c", "shippingAddress": "a"}
    order_id = submit({mug: 1}).json["orderId"]
    method, path, body = {
        "order": ("POST", ORDERS, order),
        "status": ("PATCH", f"{ORDERS}/{order_id}/status", {"status": "confirmed"}),
        "count": (
            "POST",
            "/api/inventory/counts",
            {"productId": mug, "counted": 4, "reason": "count"},
        ),
        "publish": ("PUT", f"/api/pms/products/{mug}/publish", {"status": "published"}),
    }[what]
    headers = {"Idempotency-Key": what}
    first, again = (client.open(method, path, json=body, headers=headers) for _ in range(2))
    assert (first.status_code, first.json) == (again.status_code, again.json)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_step_is_accepted_while_a_worker_has_the_order(
    client: Any,
    submit: Callable[..., Any],
    product: Callable[..., str],
    apply_line: Callable[[], None],
    database: Database,
) -> None:
    order_id = submit({product(stock=1): 1}).json["orderId"]
    apply_line()
    with database.transaction() as connection:
        assert line.read_orders(connection, [UUID(order_id)])
        path = f"{ORDERS}/{order_id}/status"
        assert client.patch(path, json={"status": "confirmed"}).status_code == 202

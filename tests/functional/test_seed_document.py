"""The API document that the product was asked for, walked line by line, name for name."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.functional.node import Script, prepare
from tests.functional.service import Api, Service, wait_until

# The document's own JavaScript, with the address, the key and the ids put in and the type
# annotations left out.
SEED_JAVASCRIPT = """
import { io } from 'socket.io-client';
const print = (name, data) => console.log(JSON.stringify([name, data]));
const socket = io(process.env.URL, {
  path: '/socket.io',
  auth: { token: process.env.KEY }
});
socket.on('inventory_update', (data) => print('inventory_update', data));
socket.on('order_status', (data) => print('order_status', data));
socket.on('system_alert', (data) => print('system_alert', data));
socket.on('operation_update', (data) => print('operation_update', data));
socket.on('product_update', (data) => print('product_update', data));
socket.on('connect_error', (error) => print('connect_error', error.message));
socket.on('request_error', (data) => print('request_error', data));
socket.on('connect', () => {
  print('connect', socket.io.engine.transport.name);
  if (process.env.PRODUCT) {
    socket.emit('subscribe_inventory', process.env.PRODUCT);
    socket.emit('subscribe_product', process.env.PRODUCT, (ack) => print('subscribed', ack));
  }
  if (process.env.ORDER) {
    socket.emit('subscribe_order', process.env.ORDER, (ack) => print('order_ack', ack));
  }
});
"""


@pytest.fixture
def script(tmp_path: Path, service: Service) -> Iterator[Callable[..., Script]]:
    running: list[Script] = []

    def start(key: str, transports: str, source: str = SEED_JAVASCRIPT, **env: str) -> Script:
        folder = tmp_path / str(len(running))
        folder.mkdir()
        prepare(folder)
        values = {"URL": service.url, "KEY": key, "TRANSPORTS": transports, **env}
        running.append(Script(folder, source, values))
        return running[-1]

    yield start
    for one in running:
        one.stop()


def end_of(api: Api, accepted: Any) -> dict[str, Any]:
    """Wait for an accepted operation's end."""
    assert accepted.status_code == 202, accepted.text
    path = accepted.headers["Location"]
    found: dict[str, Any] = wait_until(
        lambda: (now := api.get(path).json())["status"] != "queued" and now
    )
    return found


def test_products_api(api: Api) -> None:
    created = api.post(
        "/api/pms/products",
        json={
            "name": "Teapot",
            "description": "Short and stout.",
            "price": 19.99,
            "categoryId": "kitchen",
            "images": ["https://shop.example/teapot.png"],
        },
    )
    assert created.status_code == 201
    product = created.json()
    assert product["status"] == "draft"
    path = f"/api/pms/products/{product['id']}"

    published = api.put(path + "/publish", json={"status": "published"})
    assert (published.status_code, published.json()["status"]) == (200, "published")

    updated = api.patch(path, json={"name": "Tea pot", "price": 21})
    assert updated.status_code == 200
    seen = api.get(f"/api/products/{product['id']}").json()
    assert (seen["name"], seen["price"], seen["status"]) == ("Tea pot", 21, "published")


def test_inventory_api(api: Api, new_product: Callable[..., str]) -> None:
    product_id = new_product()
    assert api.get(f"/api/inventory/stock/{product_id}").json()["stock"] == 0

    adjust = {"productId": product_id, "quantity": 8, "type": "increment"}
    assert end_of(api, api.post("/api/inventory/adjust", json=adjust))["status"] == "succeeded"
    adjust = {"productId": product_id, "quantity": 5, "type": "decrement"}
    assert end_of(api, api.post("/api/inventory/adjust", json=adjust))["status"] == "succeeded"
    assert api.get(f"/api/inventory/stock/{product_id}").json()["stock"] == 3

    alerts = api.get("/api/inventory/alerts").json()["items"]
    (alert,) = [one for one in alerts if one["productId"] == product_id]
    assert (alert["severity"], alert["stock"]) == ("low_stock", 3)


def test_orders_api(api: Api, new_product: Callable[..., str]) -> None:
    product_id = new_product(stock=10)
    created = api.post(
        "/api/pms/orders",
        json={
            "items": [{"productId": product_id, "quantity": 2}],
            "customerId": "customer-1",
            "shippingAddress": "1 Main Street",
        },
    )
    order_id = created.json()["orderId"]
    assert api.get(f"/api/pms/orders/{order_id}").status_code == 200
    # Never waiting for an end: the order of acceptance is the order of effect.
    steps = ("confirmed", "processing", "shipped", "delivered")
    last = [
        api.patch(f"/api/pms/orders/{order_id}/status", json={"status": step}) for step in steps
    ][-1]
    assert end_of(api, last)["status"] == "succeeded"
    order = api.get(f"/api/pms/orders/{order_id}").json()
    assert order["status"] == "delivered"
    assert [one["to"] for one in order["transitions"]] == ["pending", *steps]
    stock = api.get(f"/api/inventory/stock/{product_id}").json()
    assert (stock["onHand"], stock["reserved"], stock["stock"]) == (8, 0, 8)


@pytest.mark.parametrize("group", ["day", "week", "month"])
def test_analytics_api(api: Api, new_product: Callable[..., str], group: str) -> None:
    product_id = new_product(stock=3, price=12.34)
    order = {
        "items": [{"productId": product_id, "quantity": 2}],
        "customerId": "customer-2",
        "shippingAddress": "1 Main Street",
    }
    assert end_of(api, api.post("/api/pms/orders", json=order))["status"] == "succeeded"
    today = datetime.now(UTC).date().isoformat()
    sales = api.get(
        "/api/analytics/sales", params={"startDate": today, "endDate": today, "groupBy": group}
    ).json()
    assert sales["totals"]["orders"] >= 1
    assert sales["totals"]["revenue"] >= 24.68
    assert len(sales["series"]) == 1
    metrics = api.get("/api/analytics/inventory/metrics").json()
    assert metrics["totalProducts"] >= 1


def test_health_api(api: Api) -> None:
    health = api.get("/health").json()
    assert health["status"] == "ok"
    datetime.fromisoformat(health["timestamp"])
    checks = health["checks"]
    assert checks["database"]["healthy"] is True
    assert checks["database"]["latency"] >= 0
    assert checks["memory"]["healthy"] is True
    assert isinstance(checks["memory"]["usage"], dict)
    assert checks["websocket"]["healthy"] is True
    assert checks["websocket"]["connections"] >= 0
    assert checks["uptime"] >= 0


@pytest.mark.parametrize("transports", ["websocket", "polling", "polling,websocket"])
def test_the_documents_javascript_sees_every_event(
    api: Api,
    admin_key: str,
    new_product: Callable[..., str],
    script: Callable[..., Script],
    transports: str,
) -> None:
    product_id = new_product(stock=10)
    created = api.post(
        "/api/pms/orders",
        json={
            "items": [{"productId": product_id, "quantity": 1}],
            "customerId": "customer-3",
            "shippingAddress": "1 Main Street",
        },
    )
    end_of(api, created)
    order_id = created.json()["orderId"]
    client = script(admin_key, transports, PRODUCT=product_id, ORDER=order_id)
    wait_until(lambda: client.seen("subscribed") and client.seen("order_ack"))
    # With both, the upgrade may come before or after the connection is told.
    assert client.seen("connect")[0] in transports.split(",")
    assert client.seen("subscribed")[0]["ok"] is True

    decrement = {"productId": product_id, "quantity": 6, "type": "decrement"}
    submitted = api.post("/api/inventory/adjust", json=decrement).json()
    api.patch(f"/api/pms/orders/{order_id}/status", json={"status": "confirmed"})
    api.put(f"/api/pms/products/{product_id}/publish", json={"status": "published"})

    (stock,) = wait_until(lambda: client.seen("inventory_update"))
    assert (stock["productId"], stock["stock"]) == (product_id, 3)
    (status,) = wait_until(lambda: client.seen("order_status"))
    assert (status["orderId"], status["status"]) == (order_id, "confirmed")
    wait_until(lambda: [a for a in client.seen("system_alert") if a.get("productId") == product_id])
    alert = next(a for a in client.seen("system_alert") if a.get("productId") == product_id)
    assert alert["type"] == "low_stock"
    assert alert["message"]
    wait_until(lambda: [u for u in client.seen("product_update") if u["status"] == "published"])
    wait_until(
        lambda: [u for u in client.seen("operation_update") if u["operationId"] == submitted["id"]]
    )


@pytest.mark.parametrize("transports", ["websocket", "polling"])
def test_a_bad_token_is_told_so(script: Callable[..., Script], transports: str) -> None:
    client = script("pms_wrong", transports)
    assert wait_until(lambda: client.seen("connect_error"))[0] == "unauthorized"


def test_an_unknown_product_is_told_so_without_an_acknowledgement(
    admin_key: str, script: Callable[..., Script]
) -> None:
    client = script(admin_key, "websocket", PRODUCT=str(uuid4()))
    (error, *_) = wait_until(lambda: client.seen("request_error"))
    assert error["event"] == "subscribe_inventory"

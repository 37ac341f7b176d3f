"""The promise in numbers: order of acceptance, and never more sold than there is."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.functional.service import Api, Service, wait_until


def test_300_operations_each_sent_after_the_202_before(
    api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product()
    expected = 0
    for number in range(300):
        # Every decrement takes all that the increments before it brought: in any other order
        # one of them would be refused.
        if number % 3 == 2:
            body = {"productId": product_id, "quantity": expected, "type": "decrement"}
            expected = 0
        else:
            body = {"productId": product_id, "quantity": number + 1, "type": "increment"}
            expected += number + 1
        accepted = api.post("/api/inventory/adjust", json=body)
        assert accepted.status_code == 202, accepted.text
    last = accepted.json()["id"]
    wait_until(lambda: api.get(f"/api/operations/{last}").json()["status"] == "succeeded", 30)
    stock = api.get(f"/api/inventory/stock/{product_id}").json()
    assert (stock["stock"], stock["version"]) == (expected, 300)
    rows, cursor = [], None
    while True:
        params = {"productId": product_id, "limit": 100, **({"cursor": cursor} if cursor else {})}
        page = api.get("/api/inventory/movements", params=params).json()
        rows += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert [row["version"] for row in rows] == list(range(300, 0, -1))
    assert sum(row["onHandChange"] for row in rows) == expected


def test_300_at_once_against_a_stock_of_100(
    service: Service, admin_key: str, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(stock=100)

    def take(number: int) -> str:
        with Api(service.url, admin_key) as mine:
            if number % 2:
                body = {"productId": product_id, "quantity": 1, "type": "decrement"}
                accepted = mine.post("/api/inventory/adjust", json=body)
            else:
                body = {
                    "items": [{"productId": product_id, "quantity": 1}],
                    "customerId": f"customer-{number}",
                    "shippingAddress": "1 Main Street",
                }
                accepted = mine.post("/api/pms/orders", json=body)
            assert accepted.status_code == 202, accepted.text
            return str(accepted.json()["id"])

    with ThreadPoolExecutor(20) as pool:
        ids = list(pool.map(take, range(300)))

    def ends() -> list[str] | None:
        found = [api.get(f"/api/operations/{one}").json()["status"] for one in ids]
        return None if "queued" in found else found

    found = wait_until(ends, 60)
    assert (found.count("succeeded"), found.count("failed")) == (100, 200)
    assert api.get(f"/api/inventory/stock/{product_id}").json()["stock"] == 0

"""Many at the same moment: idempotency keys, orders that cross, waiting requests."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.functional.service import Api, Service, wait_until


@pytest.fixture
def at_once(service: Service, admin_key: str) -> Callable[..., list[object]]:
    """Call a function of a client and a number many times at once."""

    def run(call: Callable[[Api, int], object], times: int) -> list[object]:
        def one(number: int) -> object:
            with Api(service.url, admin_key) as mine:
                return call(mine, number)

        with ThreadPoolExecutor(50) as pool:
            return list(pool.map(one, range(times)))

    return run


def insist(mine: Api, path: str, body: dict[str, object]) -> int:
    """Submit and wait; a busy service may say so before it has accepted, never after."""
    while True:
        answer = mine.post(path, json=body, headers={"Prefer": "wait=30"})
        if answer.status_code != 503:
            return answer.status_code


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "wait=10"}])
def test_one_idempotency_key_50_times_at_once_makes_one(
    api: Api,
    new_product: Callable[..., str],
    at_once: Callable[..., list[tuple[int, str]]],
    prefer: dict[str, str],
) -> None:
    product_id = new_product()
    headers = {"Idempotency-Key": str(uuid4()), **prefer}
    body = {"productId": product_id, "quantity": 1, "type": "increment"}

    def call(mine: Api, _: int) -> tuple[int, str]:
        answer = mine.post("/api/inventory/adjust", json=body, headers=headers)
        return answer.status_code, answer.json()["id"]

    answers = at_once(call, 50)
    assert {status for status, _ in answers} == {200 if prefer else 202}
    (operation_id,) = {one for _, one in answers}
    wait_until(lambda: api.get(f"/api/operations/{operation_id}").json()["status"] != "queued")
    assert api.get(f"/api/inventory/stock/{product_id}").json()["stock"] == 1


def test_one_key_makes_one_product(api: Api, at_once: Callable[..., list[tuple[int, str]]]) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    body = {"name": "Once", "description": "", "price": 1, "categoryId": "once", "images": []}

    def call(mine: Api, _: int) -> tuple[int, str]:
        answer = mine.post("/api/pms/products", json=body, headers=headers)
        return answer.status_code, answer.json()["id"]

    answers = at_once(call, 30)
    assert {status for status, _ in answers} == {201}
    assert len({one for _, one in answers}) == 1


def test_orders_over_the_same_products_in_opposite_order(
    api: Api, new_product: Callable[..., str], at_once: Callable[..., list[int]]
) -> None:
    one, other = new_product(stock=60), new_product(stock=60)

    def call(mine: Api, number: int) -> int:
        picked = (one, other) if number % 2 else (other, one)
        body = {
            "items": [{"productId": product_id, "quantity": 1} for product_id in picked],
            "customerId": "c",
            "shippingAddress": "a",
        }
        return insist(mine, "/api/pms/orders", body)

    answers = at_once(call, 80)
    assert (answers.count(201), answers.count(409)) == (60, 20)
    for product_id in (one, other):
        stock = api.get(f"/api/inventory/stock/{product_id}").json()
        assert (stock["onHand"], stock["reserved"], stock["stock"]) == (60, 60, 0)


def test_whoever_waits_is_never_told_that_nothing_was_done(
    api: Api, new_product: Callable[..., str], at_once: Callable[..., list[int]]
) -> None:
    product_id = new_product()

    def call(mine: Api, _: int) -> int:
        body = {"productId": product_id, "quantity": 1, "type": "increment"}
        return insist(mine, "/api/inventory/adjust", body)

    answers = at_once(call, 200)
    assert set(answers) == {200}
    assert api.get(f"/api/inventory/stock/{product_id}").json()["stock"] == 200


def test_an_illegal_step_is_refused_with_the_legal_ones(
    api: Api, new_product: Callable[..., str]
) -> None:
    body = {
        "items": [{"productId": new_product(stock=1), "quantity": 1}],
        "customerId": "c",
        "shippingAddress": "a",
    }
    order_id = api.post("/api/pms/orders", json=body, headers={"Prefer": "wait=10"}).json()[
        "orderId"
    ]
    refused = api.patch(
        f"/api/pms/orders/{order_id}/status",
        json={"status": "delivered"},
        headers={"Prefer": "wait=10"},
    )
    assert refused.status_code == 409
    problem = refused.json()
    assert problem["type"] == "/docs/problems/invalid-transition"
    assert problem["allowedTransitions"] == ["confirmed", "cancelled"]
    assert problem["operationId"]

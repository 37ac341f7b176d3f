"""Everybody at the same moment: scarce stock, one key, orders that cross.

The functional tests have these with an answer for each request; here all begin at once, choose at
random, and PostgreSQL itself says how often it met a deadlock.
"""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
import requests

from tests.faults.check import ask_database, check_all
from tests.faults.report import Fault
from tests.functional.service import Api, Service, is_healthy, wait_until

pytestmark = pytest.mark.long

WAIT = {"Prefer": "wait=30"}
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@pytest.fixture
def at_once(service: Service, admin_key: str) -> Callable[..., list[requests.Response]]:
    """Have so many clients, each on a connection that stands already, ask in the same moment."""
    wait_until(lambda: is_healthy(service), 30)

    def run(ask: Callable[[Api, int], requests.Response], times: int) -> list[requests.Response]:
        start = Barrier(times)

        def one(number: int) -> requests.Response:
            with Api(service.url, admin_key) as mine:
                mine.get("/health")
                start.wait(60)
                return insist(lambda: ask(mine, number))

        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(one, range(times)))

    return run


def insist(ask: Callable[[], requests.Response]) -> requests.Response:
    """Ask again when nothing was done, as a client has to."""
    while (answer := ask()).status_code == 503:
        assert answer.headers["Retry-After"]
    return answer


def test_200_decrements_of_a_stock_of_100(
    service: Service,
    api: Api,
    new_product: Callable[..., str],
    at_once: Callable[..., list[requests.Response]],
    fault: Fault,
) -> None:
    """200 decrements at once of a stock of 100"""
    fault.happened(200)
    product_id = new_product(stock=100)
    body = {"productId": product_id, "quantity": 1, "type": "decrement"}

    def take(mine: Api, number: int) -> requests.Response:
        headers = {**WAIT, "Idempotency-Key": f"{product_id}-{number}"}
        return mine.post("/api/inventory/adjust", json=body, headers=headers)

    answers = at_once(take, 200)
    assert Counter(answer.status_code for answer in answers) == {200: 100, 409: 100}
    refused = {answer.json()["type"] for answer in answers if answer.status_code == 409}
    assert refused == {"/docs/problems/insufficient-stock"}
    assert api.get(f"/api/inventory/stock/{product_id}").json()["stock"] == 0
    fault.tell("the slowest", max(answer.elapsed.total_seconds() for answer in answers))
    check_all(fault, service)


def test_one_idempotency_key_50_times(
    service: Service,
    new_product: Callable[..., str],
    at_once: Callable[..., list[requests.Response]],
    fault: Fault,
) -> None:
    """One idempotency key 50 times at once"""
    fault.happened(50)
    product_id = new_product()
    headers = {**WAIT, "Idempotency-Key": str(uuid4())}
    body = {"productId": product_id, "quantity": 1, "type": "increment"}

    answers = at_once(
        lambda mine, _: mine.post("/api/inventory/adjust", json=body, headers=headers), 50
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    made = "SELECT count(*) FROM operations WHERE product_id = :product"
    assert ask_database(service, made, product=product_id) == 1
    check_all(fault, service)


def test_orders_that_cross_and_are_taken_back(
    service: Service,
    api: Api,
    new_product: Callable[..., str],
    at_once: Callable[..., list[requests.Response]],
    fault: Fault,
    rng: random.Random,
) -> None:
    """120 orders over the same products in crossing orders, some taken back"""
    fault.happened(120)
    before = ask_database(service, _DEADLOCKS)
    products = [new_product(stock=60) for _ in range(6)]
    # A product among others, each time in another order, changed meanwhile.
    picks = [rng.sample(products, rng.randrange(2, 7)) for _ in range(120)]
    taken_back = {number for number in range(120) if rng.random() < 0.3}

    def order(mine: Api, number: int) -> requests.Response:
        items = [{"productId": one, "quantity": 1} for one in picks[number]]
        body = {"items": items, "customerId": "c", "shippingAddress": "a"}
        patch = {"lowStockThreshold": number}
        insist(lambda: mine.patch(f"/api/pms/products/{picks[number][0]}", json=patch))
        made = insist(lambda: mine.post("/api/pms/orders", json=body, headers=WAIT))
        if made.status_code != 201 or number not in taken_back:
            return made
        path = f"/api/pms/orders/{made.json()['orderId']}/status"
        return insist(lambda: mine.patch(path, json={"status": "cancelled"}, headers=WAIT))

    answers = at_once(order, 120)
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {200, 201, 409}
    kept = [pick for answer, pick in zip(answers, picks, strict=True) if answer.status_code == 201]
    reserved = Counter(product for pick in kept for product in pick)
    for product_id in products:
        stock = api.get(f"/api/inventory/stock/{product_id}").json()
        assert (stock["onHand"], stock["reserved"]) == (60, reserved[product_id])
    fault.tell("orders kept, of 120", statuses[201], None, "")
    fault.tell("deadlocks", ask_database(service, _DEADLOCKS) - before, 0, "")
    check_all(fault, service)

"""Socket clients under faults: hints that do not come, clients that go and come back."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import create_engine, text

from db.settings import DatabaseSettings
from tests.factories.bodies import product_body
from tests.faults.check import ask_database, check_all
from tests.faults.load import Load
from tests.faults.report import Fault
from tests.faults.watcher import Watcher
from tests.functional.service import ADMIN_KEY, Api, Service, is_healthy, wait_until
from tests.running import run_service

pytestmark = pytest.mark.long

KILLS = 10
# Each order of ten products is told by ten events of stock, one of the order, one of its end.
ITEMS, ORDERS_A_SECOND, POSTERS = 10, 50, 4


@pytest.fixture
def reader_key(api: Api) -> str:
    """A key of its own, so that its sockets hear no other key's operations."""
    body = {"name": "reader", "scopes": ["read"], "rate": "1000000/minute"}
    return str(api.post("/api/keys", json=body).json()["secret"])


@contextmanager
def orders_posted(service: Service, products: list[str]) -> Iterator[list[str]]:
    """Orders of all these products, so many a second; gives the accepted operations."""
    accepted: list[str] = []
    done = Event()
    items = [{"productId": product, "quantity": 1} for product in products]
    body = {"items": items, "customerId": "c", "shippingAddress": "a"}

    def post(first: int) -> None:
        with Api(service.url, ADMIN_KEY) as api:
            for number in count(first, POSTERS):
                if done.wait(max(0.0, began + number / ORDERS_A_SECOND - time.monotonic())):
                    return
                answer = api.post("/api/pms/orders", json=body)
                assert answer.status_code == 202, answer.text
                accepted.append(answer.json()["id"])

    began = time.monotonic()
    with ThreadPoolExecutor(POSTERS) as pool:
        posters = [pool.submit(post, first) for first in range(POSTERS)]
        try:
            yield accepted
        finally:
            done.set()
        for poster in posters:
            poster.result()


def delays(watcher: Watcher) -> list[tuple[float, float]]:
    """When each of its events was committed, and how many seconds later it was told."""
    url = DatabaseSettings(database_url=watcher.service.env["DATABASE_URL"]).database_url
    engine = create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(
            text(
                "SELECT position, extract(epoch FROM created_at)::float FROM events"
                " WHERE stream = 'stock:' || :product"
            ),
            {"product": watcher.product_id},
        )
        moments = {row[0]: row[1] for row in found}
    engine.dispose()
    return [(moments[position], heard - moments[position]) for position, heard in watcher.heard]


def test_subscriptions_to_redis_are_killed(
    service: Service,
    new_product: Callable[..., str],
    reader_key: str,
    fault: Fault,
    rng: random.Random,
) -> None:
    """Subscribers' pub/sub connections killed every 3 s at 500 events a second"""
    wait_until(lambda: is_healthy(service), 30)
    products = [new_product(stock=10_000) for _ in range(ITEMS)]
    watchers = [Watcher(service, reader_key, product) for product in products]
    kills: list[float] = []
    began = time.monotonic()
    with (
        orders_posted(service, products) as accepted,
        Redis.from_url(service.env["REDIS_URL"]) as redis,
    ):
        for _ in range(KILLS):
            time.sleep(rng.uniform(2.8, 3.2))
            kills.append(time.time())
            redis.client_kill_filter(_type="pubsub")
            fault.happened()
        time.sleep(3)
    events = len(accepted) * (ITEMS + 2) / (time.monotonic() - began)
    check_all(fault, service, watchers=watchers)
    told = [one for watcher in watchers for one in delays(watcher)]
    everything = sorted(late for _, late in told)
    # Of each product, what was told latest after each kill.
    latest = sorted(
        max((late for at, late in delays(watcher) if kill - 0.5 <= at < kill + 2.5), default=0.0)
        for watcher in watchers
        for kill in kills
    )
    fault.tell("events a second", events, None, "")
    fault.tell("all events p99", everything[int(len(everything) * 0.99)])
    fault.recovers("repair p99", latest[int(len(latest) * 0.99)], 2)
    assert events >= 450


def test_clients_go_and_come_back(
    service: Service,
    api: Api,
    load: Callable[..., Load],
    watch: Callable[..., Watcher],
    fault: Fault,
) -> None:
    """Clients away for 1 s and for 30 s"""
    clients = load(2, pause=0.01)
    short, long = watch(clients.product_id), watch(clients.product_id)
    long.leave()
    fault.happened()
    left = time.monotonic()
    while time.monotonic() - left < 30:
        short.leave()
        fault.happened()
        time.sleep(1)
        short.come_back()
        time.sleep(2)
    behind = len(clients.accepted)
    began = time.monotonic()
    long.come_back()
    fault.recovers("recovered after 30 s", time.monotonic() - began, 5)
    wait_until(clients.more(50), 30)
    clients.stop()
    clients.wait_for_ends(api, 30)
    fault.tell("events missed meanwhile", behind, None, "")
    check_all(fault, service, clients, watchers=[short, long])


def test_a_client_is_away_for_longer_than_events_are_kept(
    servers: object, tmp_path: Path, fault: Fault
) -> None:
    """Client away for longer than events are kept"""
    with run_service("away", 4, tmp_path) as service, Api(service.url, ADMIN_KEY) as api:
        product_id = api.post("/api/pms/products", json=product_body()).json()["id"]

        def adjust() -> None:
            body = {"productId": product_id, "quantity": 1, "type": "increment"}
            api.post("/api/inventory/adjust", json=body, headers={"Prefer": "wait=20"})

        for _ in range(3):
            adjust()
        watcher = Watcher(service, ADMIN_KEY, product_id)
        adjust()
        wait_until(lambda: watcher.reached(4))
        watcher.leave()
        fault.happened()
        for _ in range(20):
            adjust()
        remove_events_up_to(service, product_id, 15)
        watcher.come_back()
        (refused,) = watcher.refused
        assert refused["recovered"] is False
        assert (refused["snapshot"]["stock"], refused["snapshot"]["position"]) == (24, 24)
        adjust()
        wait_until(lambda: watcher.reached(25))
        # Nothing of what it cannot be told whole, and everything from the snapshot on.
        assert [position for position, _ in watcher.heard] == [4, 25]
        watcher.close()
        fault.checked = True


def remove_events_up_to(service: Service, product_id: str, position: int) -> None:
    """As the clock's clean-up does once they are old, in a transaction of its own."""
    url = DatabaseSettings(database_url=service.env["DATABASE_URL"]).database_url
    engine = create_engine(url)
    with engine.begin() as connection:
        values: dict[str, Any] = {"stream": f"stock:{product_id}", "position": position}
        connection.execute(
            text("DELETE FROM events WHERE stream = :stream AND position <= :position"), values
        )
    engine.dispose()
    assert ask_database(service, "SELECT min(position) FROM events WHERE stream LIKE 'stock:%'")

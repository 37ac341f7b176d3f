"""Redis and PostgreSQL fail under posting clients: killed, frozen, emptied, restarted."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import pytest
import requests
from redis import Redis
from redis.exceptions import RedisError

from tests.faults.check import check_all, count_ended
from tests.faults.load import Load
from tests.faults.processes import empty_redis, frozen, supervised
from tests.faults.report import Fault
from tests.faults.watcher import Watcher
from tests.functional.service import Api, Service, is_healthy, wait_until
from tests.servers import TestServers

pytestmark = pytest.mark.long

Watch = Callable[..., Watcher]
FROZEN_SECONDS = 60.0
_ORDER = {"customerId": "c", "shippingAddress": "a"}


def percentile(seconds: list[float], share: float) -> float:
    """What this share of them does not exceed."""
    return sorted(seconds)[int(len(seconds) * share)]


def answers_ping(service: Service) -> bool:
    """Whether Redis serves."""
    try:
        with Redis.from_url(service.env["REDIS_URL"], socket_timeout=1) as redis:
            return bool(redis.ping())
    except RedisError:
        return False


def status_of(api: Api, operation_id: str) -> str:
    return str(api.get(f"/api/operations/{operation_id}").json()["status"])


def seconds_until_consumed(load: Load, api: Api) -> float:
    """How long it takes from now until what is accepted from now on has its end."""
    began, first = time.monotonic(), len(load.accepted)
    wait_until(lambda: len(load.accepted) > first)
    wait_until(lambda: status_of(api, load.accepted[first]) != "queued", 60)
    return time.monotonic() - began


@pytest.mark.parametrize("away", [0.2, 2.0, 5.0, 12.0])
def test_redis_is_killed_with_tasks_in_flight(
    service: Service,
    servers: TestServers,
    api: Api,
    load: Callable[..., Load],
    watch: Watch,
    fault: Fault,
    rng: random.Random,
    away: float,
) -> None:
    """Redis killed with tasks in flight, restarted after {away:g} s"""
    clients = load()
    watcher = watch(clients.product_id)
    with supervised(service):
        wait_until(clients.more(rng.randrange(10, 200)))
        os.kill(servers.valkey.pid, signal.SIGKILL)
        fault.happened()
        time.sleep(away)
        servers.valkey.restart()
        wait_until(lambda: answers_ping(service))
        fault.recovers("consuming again", seconds_until_consumed(clients, api), 5)
        wait_until(clients.more(100))
        clients.stop()
        fault.tell("all done after the last 202", clients.wait_for_ends(api, 30), 30)
        wait_until(lambda: is_healthy(service), 30)
    fault.tell("202 p99", clients.p99())
    assert set(clients.statuses) == {202}
    check_all(fault, service, clients, watchers=[watcher])


class Reader:
    """Reads and posts beside the load: what has to work without Redis."""

    def __init__(self, api: Api, product_id: str, order_id: str) -> None:
        self._api = api
        self._paths = (
            f"/api/products/{product_id}",
            f"/api/inventory/stock/{product_id}",
            f"/api/pms/orders/{order_id}",
            "/api/products",
        )
        self.seconds: list[float] = []
        self.statuses: set[int] = set()

    def read_until(self, done: Event) -> None:
        """Read, one path after the other."""
        while not done.is_set():
            for path in self._paths:
                began = time.monotonic()
                self.statuses.add(self._api.get(path).status_code)
                self.seconds.append(time.monotonic() - began)
            done.wait(0.1)


@contextmanager
def reading(api: Api, product_id: str) -> Iterator[Reader]:
    """A client reads meanwhile."""
    body = {"items": [{"productId": product_id, "quantity": 1}], **_ORDER}
    made = api.post("/api/pms/orders", json=body, headers={"Prefer": "wait=20"})
    assert made.status_code == 201, made.text
    reader, done = Reader(api, product_id, made.json()["orderId"]), Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(reader.read_until, done)
        try:
            yield reader
        finally:
            done.set()
        running.result()


def answers_to_a_small_rate(service: Service, api: Api) -> list[int]:
    """What a key that may ask five times an hour is answered, asking eight times."""
    body = {"name": "small", "scopes": ["read"], "rate": "5/hour"}
    with Api(service.url, api.post("/api/keys", json=body).json()["secret"]) as small:
        return [small.get("/api/products").status_code for _ in range(8)]


def test_redis_is_frozen(
    service: Service,
    servers: TestServers,
    api: Api,
    admin_key: str,
    new_product: Callable[..., str],
    load: Callable[..., Load],
    watch: Watch,
    fault: Fault,
) -> None:
    """Redis frozen for 60 s"""
    product_id = new_product(stock=5)
    clients = load()
    watcher = watch(clients.product_id)
    with supervised(service), Api(service.url, admin_key) as other:
        with reading(other, product_id) as reader:
            os.kill(servers.valkey.pid, signal.SIGSTOP)
            fault.happened()
            began, before = time.monotonic(), len(clients.latencies)
            try:
                wait_until(lambda: health_of(service) == (200, "degraded"))
                fault.tell("health says so", time.monotonic() - began, 1)
                assert answers_to_a_small_rate(service, api) == [200] * 5 + [429] * 3
                while time.monotonic() - began < FROZEN_SECONDS:
                    assert health_of(service) == (200, "degraded")
                    time.sleep(0.2)
            finally:
                os.kill(servers.valkey.pid, signal.SIGCONT)
            meanwhile = clients.latencies[before:]
        clients.stop()
        fault.recovers("all done after the thaw", clients.wait_for_ends(api, 60), 30)
        wait_until(lambda: is_healthy(service), 30)
    fault.tell("202 meanwhile", len(meanwhile), None, "")
    fault.tell("202 p99", percentile(meanwhile, 0.99) * 1000, 250, "ms")
    fault.tell("202 slowest", max(meanwhile) * 1000, None, "ms")
    fault.tell("reads p99", percentile(reader.seconds, 0.99) * 1000, 250, "ms")
    assert reader.statuses == {200}
    assert set(clients.statuses) == {202}
    check_all(fault, service, clients, watchers=[watcher])


def health_of(service: Service) -> tuple[int, str]:
    answer = requests.get(service.url + "/health", timeout=5)
    return answer.status_code, answer.json()["status"]


@contextmanager
def no_worker(service: Service, how: str) -> Iterator[None]:
    """Nobody applies anything, until the end."""
    if how == "frozen":
        with frozen(service.processes["worker"].pid):
            yield
        return
    service.stop("worker")
    yield
    service.start("worker")


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_redis_is_emptied_with_5000_operations_queued(
    service: Service,
    api: Api,
    load: Callable[..., Load],
    watch: Watch,
    fault: Fault,
    how: str,
) -> None:
    """Redis emptied with 5,000 operations queued and the worker {how}"""
    with no_worker(service, how):
        clients = load(8)
        watcher = watch(clients.product_id)
        wait_until(lambda: len(clients.accepted) >= 5000, 120)
        # Nobody who posts wakes a worker from here on.
        clients.stop()
        queued = len(clients.accepted) - count_ended(clients)
        assert empty_redis(service)
        fault.happened()
        began = time.monotonic()
    with supervised(service):
        wait_until(lambda: count_ended(clients) > len(clients.accepted) - queued, 60)
        fault.recovers("the first again", time.monotonic() - began, 15)
        clients.wait_for_ends(api, 60)
    fault.tell("the last", time.monotonic() - began)
    assert queued >= 5000
    assert set(clients.statuses) == {202}
    check_all(fault, service, clients, watchers=[watcher])


def test_postgresql_is_restarted_under_load(
    service: Service,
    servers: TestServers,
    api: Api,
    load: Callable[..., Load],
    watch: Watch,
    fault: Fault,
    rng: random.Random,
) -> None:
    """PostgreSQL killed or stopped under load, and restarted"""
    clients = load(6)
    watcher = watch(clients.product_id)
    with supervised(service):
        for _ in range(5):
            wait_until(clients.more(rng.randrange(20, 300)), 30)
            os.kill(servers.postgres.pid, rng.choice([signal.SIGKILL, signal.SIGINT]))
            wait_until(lambda: not servers.postgres.alive)
            time.sleep(rng.choice([0.0, 0.5, 2.0]))
            servers.postgres.restart()
            fault.happened()
            began = time.monotonic()
            wait_until(clients.more(1), 30)
            fault.recovers("accepting again", time.monotonic() - began, 10)
        wait_until(clients.more(100), 30)
        clients.stop()
        fault.tell("all done after the last 202", clients.wait_for_ends(api, 30), 30)
        wait_until(lambda: is_healthy(service), 30)
    fault.tell("the slowest request", clients.slowest, 12)
    fault.tell("503 in between", clients.statuses[503], None, "")
    assert set(clients.statuses) == {202, 503}
    check_all(fault, service, clients, watchers=[watcher])

"""The connection pool is asked for ten times what it has: who gets none is told so, soon."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from db.settings import DatabaseSettings
from tests.factories.bodies import product_body
from tests.faults.check import check_all
from tests.faults.report import Fault
from tests.functional.service import ADMIN_KEY, Api, Service, is_healthy, wait_until
from tests.running import run_service

pytestmark = pytest.mark.long

POOL = 2


@pytest.fixture
def small_service(servers: object, tmp_path: Path) -> Iterator[Service]:
    """A service whose web process has few connections."""
    settings = {"DATABASE_POOL_SIZE": str(POOL)}
    with run_service("small", 3, tmp_path, settings) as found:
        yield found


@contextmanager
def health_asked(service: Service) -> Iterator[list[float]]:
    """Ask ``/health`` without a pause; gives how long each answer took."""
    seconds: list[float] = []
    done = threading.Event()

    def ask() -> None:
        with Api(service.url, None) as anybody:
            while not done.is_set():
                began = time.monotonic()
                assert anybody.get("/health").status_code == 200
                seconds.append(time.monotonic() - began)
                done.wait(0.005)

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            yield seconds
        finally:
            done.set()
        asking.result()


@contextmanager
def locked(service: Service, product_id: str) -> Iterator[None]:
    """Somebody else holds a product."""
    url = DatabaseSettings(database_url=service.env["DATABASE_URL"]).database_url
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT FROM products WHERE id = '{product_id}' FOR UPDATE")
        yield
    engine.dispose()


class Crowd:
    """Many clients that change one product, and one that asks for other things meanwhile."""

    def __init__(self, service: Service, product_id: str) -> None:
        self._service = service
        self._product_id = product_id
        self.changed: list[int] = []
        self.others: list[tuple[int, float]] = []
        self.done = threading.Event()

    def change(self, number: int) -> None:
        """Change the product again and again."""
        with Api(self._service.url, ADMIN_KEY) as api:
            while not self.done.is_set():
                answer = api.patch(
                    f"/api/pms/products/{self._product_id}", json={"description": f"{number}"}
                )
                self.changed.append(answer.status_code)

    def ask(self, _: int) -> None:
        """Ask for things of the database again and again."""
        adjustment = {"productId": self._product_id, "quantity": 1, "type": "increment"}
        with Api(self._service.url, ADMIN_KEY) as api:
            while not self.done.is_set():
                for call in (
                    lambda: api.get("/api/operations"),
                    lambda: api.post("/api/inventory/adjust", json=adjustment),
                ):
                    began = time.monotonic()
                    answer = call()
                    self.others.append((answer.status_code, time.monotonic() - began))
                    if answer.status_code == 503:
                        assert answer.headers["Retry-After"]


def test_the_pool_is_asked_for_ten_times_what_it_has(small_service: Service, fault: Fault) -> None:
    """Connection pool asked for ten times what it has"""
    service = small_service
    with Api(service.url, ADMIN_KEY) as api:
        product_id = api.post("/api/pms/products", json=product_body()).json()["id"]
        with health_asked(service) as before:
            time.sleep(5)
        crowd = Crowd(service, product_id)
        with ThreadPoolExecutor(POOL * 10 + 2) as pool:
            with health_asked(service) as meanwhile, locked(service, product_id):
                running = [pool.submit(crowd.change, number) for number in range(POOL * 10)]
                wait_until(lambda: 503 in crowd.changed)
                crowd.others.clear()
                running += [pool.submit(crowd.ask, number) for number in range(2)]
                time.sleep(6)
                crowded = list(crowd.others)
            wait_until(lambda: 200 in crowd.changed)
            crowd.done.set()
        for one in running:
            one.result()
        wait_until(lambda: is_healthy(service), 30)
        wait_until(lambda: api.get("/api/operations").status_code == 200)
    refused = [seconds for status, seconds in crowded if status == 503]
    fault.happened(len(refused))
    fault.recovers("the slowest refusal", max(refused), 2)
    fault.tell("/health before, the slowest", max(before) * 1000, None, "ms")
    fault.tell(
        "/health meanwhile, the slowest", max(meanwhile) * 1000, 100 + max(before) * 1000, "ms"
    )
    fault.tell("/health meanwhile, answers", len(meanwhile), None, "")
    assert {status for status, _ in crowded} == {503}
    assert set(crowd.changed) == {200, 503}
    check_all(fault, service)

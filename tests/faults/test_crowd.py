"""Two thousand clients lose their web process and all come again at once."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults.check import ask_database, check_all
from tests.faults.crowd import Crowd
from tests.faults.load import Load
from tests.faults.report import Fault
from tests.functional.service import Api, Service, is_healthy, wait_until

pytestmark = pytest.mark.long

CLIENTS = 2_000


@pytest.fixture
def secrets(api: Api) -> list[str]:
    """Keys enough for all: the places of a killed process stay taken for some seconds."""
    body = {"name": "reader", "scopes": ["read"], "rate": "1000000/minute"}
    return [api.post("/api/keys", json=body).json()["secret"] for _ in range(CLIENTS // 25)]


@pytest.fixture
def crowd(service: Service, secrets: list[str], loads: list[Load]) -> Iterator[Crowd]:
    """All of them, subscribed."""
    found = Crowd(service.url, secrets, [one.product_id for one in loads], CLIENTS)
    wait_until(lambda: found.subscribed(1) == CLIENTS, 60)
    yield found
    found.close()


@pytest.fixture
def loads(load: Callable[..., Load]) -> list[Load]:
    """What they watch changes now and then."""
    return [load(1, pause=0.5) for _ in range(4)]


def test_a_crowd_comes_again(
    service: Service, api: Api, loads: list[Load], crowd: Crowd, fault: Fault
) -> None:
    """2,000 clients reconnect at once"""
    for round_ in (2, 3):
        service.processes["web"].kill()
        service.processes["web"].wait()
        service.start("web")
        fault.happened()
        began = time.monotonic()
        wait_until(lambda round_=round_: crowd.subscribed(round_) == CLIENTS, 60)
        heads = {
            one.product_id: ask_database(
                service,
                "SELECT version FROM stock_levels WHERE product_id = :product",
                product=one.product_id,
            )
            for one in loads
        }
        wait_until(lambda heads=heads: crowd.reached(heads), 30)
        fault.recovers("all current, counted from the start", time.monotonic() - began, 15)
    for one in loads:
        one.stop()
    for one in loads:
        one.wait_for_ends(api, 30)
    wait_until(lambda: is_healthy(service), 30)
    wait_until(lambda: crowd.reached({one.product_id: len(one.accepted) for one in loads}), 30)
    assert crowd.wrong() == []
    check_all(fault, service, *loads)

"""Operations that raise, loop, eat memory or kill their process: they die, and nobody else."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest

from tests.faults.check import ask_database, check_all
from tests.faults.load import Load
from tests.faults.poisoned_worker import LONG_DAY, POISONED_DAY, POISONS
from tests.faults.report import Fault
from tests.faults.standstill import stand_stills
from tests.functional.service import Api, Service, is_healthy, wait_until

pytestmark = pytest.mark.long

# Shorter pauses are what a busy machine makes of any line.
_PAUSE = 0.5


@contextmanager
def poisoned(service: Service) -> Iterator[None]:
    """The worker does what operations ask for; a good one comes after it. A load runs beside."""
    service.stop("worker")
    service.instead["worker"] = "tests.faults.poisoned_worker"
    began = time.time()
    service.start("worker")
    # Health would still take the signs of the one before: only what is applied shows this one.
    applied = "SELECT count(*) FROM operations WHERE finished_at > to_timestamp(:began)"
    wait_until(lambda: ask_database(service, applied, began=began), 30)
    wait_until(lambda: is_healthy(service), 30)
    try:
        yield
    finally:
        del service.instead["worker"]
        service.stop("worker")
        service.start("worker")


def adjust(api: Api, product_id: str, reference: str | None = None, units: int = 1) -> str:
    """Submit an increment; gives its operation."""
    body = {"productId": product_id, "quantity": units, "type": "increment"}
    if reference is not None:
        body["reference"] = reference
    answer = api.post("/api/inventory/adjust", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def read(api: Api, operation_id: str) -> dict[str, Any]:
    """An operation as it stands."""
    found: dict[str, Any] = api.get(f"/api/operations/{operation_id}").json()
    return found


def wait_for_end(api: Api, operation_id: str, seconds: float = 60) -> dict[str, Any]:
    """An operation with its end."""

    def ended() -> dict[str, Any] | None:
        found = read(api, operation_id)
        return found if found["status"] != "queued" else None

    found: dict[str, Any] = wait_until(ended, seconds)
    return found


def check_given_up(service: Service, api: Api, operation_id: str) -> None:
    """Operators see it: in the list of the dead, and as an alert."""
    listed = api.get("/api/operations", params={"status": "dead"}).json()["items"]
    assert operation_id in [one["id"] for one in listed]
    alerts = ask_database(
        service,
        """SELECT count(*) FROM events WHERE stream = 'system' AND name = 'system_alert'
           AND data ->> 'type' = 'operation_dead' AND data ->> 'operationId' = :id""",
        id=operation_id,
    )
    assert alerts == 1


@pytest.mark.parametrize("poison", POISONS)
def test_a_poisonous_operation_dies_alone(
    service: Service,
    api: Api,
    new_product: Callable[..., str],
    load: Callable[..., Load],
    fault: Fault,
    poison: str,
) -> None:
    """An operation that {poison}"""
    product_id = new_product()
    clients = load()
    with poisoned(service):
        # One that can be tried again alone, and one with all others of its kind.
        times = 2 if poison == "raises" else 1
        dead = [lives_and_dies(service, api, product_id, poison, fault) for _ in range(times)]
    for operation_id in dead:
        check_given_up(service, api, operation_id)
    if times == 2:
        check_retries(api, product_id, dead)
    clients.stop()
    clients.wait_for_ends(api, 30)
    assert set(clients.statuses) == {202}
    check_all(fault, service, clients)


def lives_and_dies(service: Service, api: Api, product_id: str, poison: str, fault: Fault) -> str:
    """A poisonous operation among good ones, its end and theirs; gives its id."""
    began = time.time()
    before = [adjust(api, product_id) for _ in range(3)]
    dying = adjust(api, product_id, poison, units=1000)
    after = [adjust(api, product_id) for _ in range(3)]
    end = wait_for_end(api, dying)
    assert (end["status"], end["attempts"]) == ("dead", 3)
    for neighbour in before + after:
        assert wait_for_end(api, neighbour)["status"] == "succeeded"
    pauses = [pause for pause in stand_stills(service, began, [dying]) if pause > _PAUSE]
    fault.happened()
    fault.tell("given up after", time.time() - began)
    fault.tell("the line stood still at once", max(pauses, default=0.0))
    fault.recovers("the line stood still in all", sum(pauses), 30)
    return dying


def check_retries(api: Api, product_id: str, dead: list[str]) -> None:
    """An admin has one of the dead tried again, then all of their kind: each once."""

    def stock() -> int:
        return int(api.get(f"/api/inventory/stock/{product_id}").json()["stock"])

    before = stock()
    single = api.post(f"/api/operations/{dead[0]}/retry", headers={"Prefer": "wait=20"})
    assert (single.status_code, single.json()["retryOf"]) == (200, dead[0]), single.text
    again = api.post(f"/api/operations/{dead[0]}/retry")
    assert (again.status_code, again.json()["type"]) == (409, "/docs/problems/already-retried")
    retried = api.post("/api/operations/retry", json={"kind": "adjust-stock"}).json()["items"]
    assert dead[1] in [one["retryOf"] for one in retried]
    assert dead[0] not in [one["retryOf"] for one in retried]
    for one in retried:
        assert wait_for_end(api, one["id"])["status"] == "succeeded"
    assert read(api, dead[1])["status"] == "dead"
    assert stock() == before + 2000


@pytest.mark.parametrize("poison", [name for name in POISONS if name != "raises"])
def test_a_poisonous_row_of_a_bulk_dies_alone(
    service: Service,
    api: Api,
    new_product: Callable[..., str],
    load: Callable[..., Load],
    fault: Fault,
    poison: str,
) -> None:
    """A row of a bulk that {poison}"""
    products = [new_product() for _ in range(60)]
    rows = [{"productId": one, "quantity": 1, "type": "increment"} for one in products]
    rows[41]["reference"] = poison
    clients = load(pause=0.05)
    with poisoned(service):
        began = time.time()
        answer = api.post("/api/inventory/adjustments", json=rows)
        assert answer.status_code == 202, answer.text
        end = wait_for_end(api, answer.json()["id"], 90)
        took = time.time() - began
        pauses = [one for one in stand_stills(service, began, [end["id"]]) if one > _PAUSE]
    assert (end["status"], end["progress"]) == ("succeeded", {"done": 60, "total": 60})
    assert (end["result"]["applied"], end["result"]["refused"]) == (59, 1)
    (refused,) = end["result"]["refusedRows"]
    assert (refused["row"], refused["productId"]) == (41, products[41])
    assert refused["problem"]["type"].endswith("/processing-failed")
    fault.happened()
    fault.recovers("given up after", took, 60)
    fault.recovers("the line stood still in all", sum(pauses), 30)
    clients.stop()
    clients.wait_for_ends(api, 30)
    assert set(clients.statuses) == {202}
    ledger = [
        len(api.get("/api/inventory/movements", params={"productId": one}).json()["items"])
        for one in products
    ]
    assert ledger == [int(n != 41) for n in range(60)]
    check_all(fault, service, clients)


def recompute(api: Api, day: date) -> str:
    """Have the sales of a day computed again; gives the operation."""
    body = {"startDate": day.isoformat(), "endDate": day.isoformat()}
    answer = api.post("/api/analytics/rollups", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_a_poisonous_recomputation_dies_alone(
    service: Service, api: Api, load: Callable[..., Load], fault: Fault
) -> None:
    """A recomputation of sales that exits"""
    clients = load(pause=0.05)
    with poisoned(service):
        began = time.time()
        dying = recompute(api, POISONED_DAY)
        behind = [recompute(api, date(2026, 5, 1)) for _ in range(3)]
        for neighbour in behind:
            assert wait_for_end(api, neighbour)["status"] == "succeeded"
        fault.recovers("those behind it done", time.time() - began, 30)
        end = wait_for_end(api, dying)
        took = time.time() - began
    assert (end["status"], end["attempts"]) == ("dead", 3)
    check_given_up(service, api, dying)
    fault.happened()
    fault.recovers("given up after", took, 60)
    clients.stop()
    clients.wait_for_ends(api, 30)
    assert set(clients.statuses) == {202}
    check_all(fault, service, clients)


def test_a_long_recomputation_outlives_its_workers(
    service: Service, api: Api, load: Callable[..., Load], fault: Fault
) -> None:
    """Worker restarted, and again, under a long recomputation of sales"""
    clients = load(pause=0.05)
    with poisoned(service):
        long = recompute(api, LONG_DAY)
        for _ in range(3):
            wait_until(lambda: read(api, long)["attempts"] == 1, 30)
            service.stop("worker")
            assert read(api, long)["attempts"] == 0
            service.start("worker")
            fault.happened()
        began = time.time()
        end = wait_for_end(api, long)
        fault.recovers("done after all", time.time() - began, 60)
    assert (end["status"], end["attempts"]) == ("succeeded", 1)
    clients.stop()
    clients.wait_for_ends(api, 30)
    assert set(clients.statuses) == {202}
    check_all(fault, service, clients)

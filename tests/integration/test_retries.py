"""What was given up and is tried again does what was asked, whatever it was."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from db.session import Database
from tasks import analytics
from tests.integration.test_line import check_consistency
from tests.integration.test_orders import stock
from workers.commands import CheckAlerts, Command, RepairStock
from workers.dispatch import record
from workers.registry import HANDLERS

ORDERS = "/api/pms/orders"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The kinds of operations that raise; none at first."""
    kinds: set[str] = set()

    def breaking(kind: str, good: Any) -> Callable[..., Any]:
        def handler(*values: Any) -> Any:
            if kind in kinds:
                raise RuntimeError("a bug")
            return good(*values)

        return handler

    for command, good in list(HANDLERS.items()):
        monkeypatch.setitem(HANDLERS, command, breaking(command.kind, good))
    monkeypatch.setattr(analytics, "rebuild", breaking("rebuild-rollups", analytics.rebuild))
    return kinds


@pytest.fixture
def work(database: Database, apply_line: Callable[[], None]) -> Callable[[], None]:
    """Do what waits until nothing does, without the pauses between attempts."""

    def until_done() -> None:
        left = 1
        while left:
            apply_line()
            analytics.run_rebuilds()
            with database.transaction() as connection:
                left = connection.execute(
                    text("UPDATE operations SET available_at = NULL WHERE status = 'queued'")
                ).rowcount

    return until_done


@pytest.fixture
def order(client: Any) -> Callable[..., dict[str, Any]]:
    """Order so many of a product; gives the operation."""

    def ask(product_id: str, quantity: int) -> dict[str, Any]:
        body = {
            "items": [{"productId": product_id, "quantity": quantity}],
            "customerId": "c",
            "shippingAddress": "a",
        }
        answer = client.post(ORDERS, json=body)
        assert answer.status_code == 202, answer.text
        accepted: dict[str, Any] = answer.json
        return accepted

    return ask


@pytest.fixture
def retry(client: Any, work: Callable[[], None]) -> Callable[[str], dict[str, Any]]:
    """Try a dead operation again; gives the new one with its end."""

    def again(operation_id: str) -> dict[str, Any]:
        answer = client.post(f"/api/operations/{operation_id}/retry")
        assert answer.status_code == 202, answer.text
        work()
        return end(client, answer.json["id"])

    return again


def end(client: Any, operation_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/operations/{operation_id}").json
    return found


def road(client: Any, order_id: str) -> list[tuple[str, str]]:
    found = client.get(f"{ORDERS}/{order_id}").json
    steps = [(one["from"], one["to"]) for one in found["transitions"]]
    assert found["status"] == steps[-1][1]
    return steps


def told(database: Database, order_id: str) -> list[tuple[int, str, str]]:
    """The order's events: position, status before, status."""
    with database.transaction() as connection:
        rows = connection.execute(
            text("""SELECT position, data ->> 'previousStatus', data ->> 'status' FROM events
                    WHERE stream = 'order:' || :id ORDER BY position"""),
            {"id": order_id},
        )
        return [tuple(row) for row in rows]


def test_the_order_of_a_creation_that_was_given_up_is_made_after_all(
    client: Any,
    database: Database,
    product: Any,
    broken: set[str],
    order: Any,
    work: Any,
    retry: Any,
) -> None:
    mug = product(stock=5)
    broken.add("create-order")
    asked = order(mug, 2)
    work()
    given_up = client.get(f"{ORDERS}/{asked['orderId']}").json
    assert (given_up["status"], given_up["reason"]["code"]) == ("rejected", "processing-failed")
    broken.clear()
    again = retry(asked["id"])
    assert (again["status"], again["orderId"], again["error"]) == (
        "succeeded",
        asked["orderId"],
        None,
    )
    made = client.get(f"{ORDERS}/{asked['orderId']}").json
    assert (made["status"], made["reason"]) == ("pending", None)
    assert road(client, asked["orderId"]) == [("queued", "rejected"), ("rejected", "pending")]
    assert [one["operationId"] for one in made["transitions"]] == [asked["id"], again["id"]]
    assert told(database, asked["orderId"]) == [
        (1, "queued", "rejected"),
        (2, "rejected", "pending"),
    ]
    assert stock(client, mug) == (5, 2, 3)
    sales = client.get("/api/analytics/sales").json["totals"]
    assert (sales["orders"], sales["units"]) == (1, 2)
    client.patch(f"{ORDERS}/{asked['orderId']}/status", json={"status": "confirmed"})
    work()
    assert road(client, asked["orderId"])[-1] == ("pending", "confirmed")
    assert client.get("/api/inventory/integrity").json["differences"] == []
    check_consistency(database)


def test_the_orders_of_all_creations_that_were_given_up_are_made_after_all(
    client: Any, database: Database, product: Any, broken: set[str], order: Any, work: Any
) -> None:
    mug = product(stock=5)
    broken.add("create-order")
    asked = [order(mug, 2) for _ in range(3)]
    work()
    broken.clear()
    answer = client.post("/api/operations/retry", json={"kind": "create-order"})
    assert [one["retryOf"] for one in answer.json["items"]] == [one["id"] for one in asked]
    work()
    ends = [end(client, one["id"])["status"] for one in answer.json["items"]]
    assert ends == ["succeeded", "succeeded", "failed"]
    assert stock(client, mug) == (5, 4, 1)
    last = client.get(f"{ORDERS}/{asked[-1]['orderId']}").json
    assert (last["status"], last["reason"]["code"]) == ("rejected", "insufficient-stock")
    assert told(database, asked[-1]["orderId"]) == [
        (1, "queued", "rejected"),
        (2, "rejected", "rejected"),
    ]
    check_consistency(database)


def test_a_creation_that_is_given_up_again_can_be_tried_again(
    client: Any,
    database: Database,
    product: Any,
    broken: set[str],
    order: Any,
    work: Any,
    retry: Any,
) -> None:
    mug = product(stock=5)
    broken.add("create-order")
    asked = order(mug, 2)
    work()
    again = retry(asked["id"])
    assert again["status"] == "dead"
    broken.clear()
    assert retry(again["id"])["status"] == "succeeded"
    assert road(client, asked["orderId"])[-1] == ("rejected", "pending")
    assert stock(client, mug) == (5, 2, 3)
    check_consistency(database)


def test_an_order_that_was_given_up_takes_no_step_of_its_own(
    client: Any, product: Any, broken: set[str], order: Any, work: Any
) -> None:
    broken.add("create-order")
    asked = order(product(stock=5), 2)
    work()
    answer = client.patch(f"{ORDERS}/{asked['orderId']}/status", json={"status": "confirmed"})
    work()
    error = end(client, answer.json["id"])["error"]
    assert (error["type"], error["allowedTransitions"]) == (
        "/docs/problems/invalid-transition",
        [],
    )


def test_a_step_that_was_given_up_is_taken_after_all(
    client: Any,
    database: Database,
    product: Any,
    broken: set[str],
    order: Any,
    work: Any,
    retry: Any,
) -> None:
    mug = product(stock=5)
    order_id = order(mug, 2)["orderId"]
    work()
    broken.add("change-order-status")
    asked = client.patch(f"{ORDERS}/{order_id}/status", json={"status": "cancelled"}).json
    work()
    assert stock(client, mug) == (5, 2, 3)
    broken.clear()
    assert retry(asked["id"])["status"] == "succeeded"
    assert road(client, order_id)[-1] == ("pending", "cancelled")
    assert stock(client, mug) == (5, 0, 5)
    check_consistency(database)


def test_a_count_that_was_given_up_is_made_after_all(
    client: Any, product: Any, broken: set[str], work: Any, retry: Any
) -> None:
    mug = product(stock=5)
    broken.add("count-stock")
    body = {"productId": mug, "counted": 3, "reason": "stock-take"}
    asked = client.post("/api/inventory/counts", json=body).json
    work()
    broken.clear()
    assert retry(asked["id"])["status"] == "succeeded"
    assert stock(client, mug) == (3, 0, 3)


def test_a_recomputation_that_was_given_up_is_made_after_all(
    client: Any, broken: set[str], work: Any, retry: Any
) -> None:
    broken.add("rebuild-rollups")
    body = {"startDate": "2026-05-01", "endDate": "2026-05-02"}
    asked = client.post("/api/analytics/rollups", json=body).json
    work()
    broken.clear()
    again = retry(asked["id"])
    assert (again["status"], again["result"]["days"]) == ("succeeded", 2)


@pytest.mark.parametrize("command", [CheckAlerts, RepairStock])
def test_what_the_product_itself_asked_for_is_done_after_all(
    client: Any,
    database: Database,
    product: Any,
    broken: set[str],
    work: Any,
    retry: Any,
    command: Callable[..., Command],
) -> None:
    mug = product(stock=5)
    asked = command(product_id=mug)
    broken.add(asked.kind)
    with database.transaction() as connection:
        operation = record(connection, asked)
    work()
    assert end(client, str(operation.id))["status"] == "dead"
    broken.clear()
    again = retry(str(operation.id))
    assert (again["status"], again["result"]["stock"]) == ("succeeded", 5)

"""Nobody waits behind those that wait for a bulk, except for the same products and orders."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from db.queries import line
from db.session import Database, line_database
from tests.integration.test_bulk import operation, row, send
from tests.integration.test_bulk_order import adjust, small_steps  # noqa: F401
from tests.integration.test_line import check_consistency
from workers import batch
from workers.app import app as celery
from workers.commands import AdjustStock
from workers.drain import drain
from workers.registry import HANDLERS
from workers.runner import apply_bulk, apply_next

celery.loader.import_default_modules()

Product = Callable[..., str]
# Fewer than there are operations that wait for a bulk.
AT_ONCE = 3


@pytest.fixture
def unlucky(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adjustments of 13 units fail at their first attempt, and are due again at once."""
    good = HANDLERS[AdjustStock]

    def handler(command: AdjustStock, turn: Any) -> Any:
        if command.quantity == 13 and turn.operation.attempts == 0:
            raise RuntimeError("unlucky")
        return good(command, turn)

    monkeypatch.setitem(HANDLERS, AdjustStock, handler)
    monkeypatch.setattr(batch, "retry_delay", lambda attempts: timedelta(0))


def order(client: Any, *items: str) -> dict[str, Any]:
    body = {
        "items": [{"productId": one, "quantity": 1} for one in items],
        "customerId": "c",
        "shippingAddress": "a",
    }
    found = client.post("/api/pms/orders", json=body)
    assert found.status_code == 202, found.text
    return found.json  # type: ignore[no-any-return]


def step(times: int = 1) -> None:
    """As a worker does that is called away soon."""
    for _ in range(times):
        apply_next(line_database(), AT_ONCE)
        apply_bulk(line_database())


def finish() -> None:
    """As workers do that are woken again while anything is left."""
    while drain(line_database()):
        pass


def status(client: Any, *asked: dict[str, Any]) -> list[str]:
    return [operation(client, one)["status"] for one in asked]


def test_orders_that_wait_for_a_bulk_hold_up_no_other_products(
    client: Any, product: Product, database: Any
) -> None:
    mug, cup, pot, jar = product(), product(), product(), product()
    bulk = send(client, [row(mug, 1)] * 60)
    step()
    orders = [order(client, mug, cup), *(order(client, mug) for _ in range(4 * AT_ONCE))]
    behind = adjust(client, cup, 5)
    sale = order(client, jar, cup)
    free = [adjust(client, pot, 1), adjust(client, pot, 2)]
    held = adjust(client, jar, 3)
    step(2)
    assert status(client, *free) == ["succeeded"] * 2
    assert set(status(client, bulk, *orders, behind, sale, held)) == {"queued"}
    finish()
    # The cups came after the first order, and before the second.
    assert Counter(status(client, *orders)) == {"failed": 1, "succeeded": 4 * AT_ONCE}
    assert status(client, bulk, behind, held) == ["succeeded"] * 3
    assert status(client, sale) == ["failed"]
    check_consistency(database)


@pytest.mark.usefixtures("unlucky")
def test_what_is_tried_again_waits_for_no_bulk_of_other_products(
    client: Any, product: Product
) -> None:
    mug, cup, pot = product(), product(), product()
    bulk = send(client, [row(mug, 1)] * 60)
    step()
    held = [order(client, mug), *(adjust(client, mug, 1) for _ in range(AT_ONCE))]
    tried = adjust(client, cup, 13)
    step()
    behind = adjust(client, pot, 1)
    step(4)
    assert status(client, tried, behind) == ["succeeded"] * 2
    assert set(status(client, bulk, *held)) == {"queued"}
    finish()
    assert set(status(client, bulk, *held)) == {"succeeded"}


def test_what_was_taken_with_a_death_and_waits_for_a_bulk_holds_up_nobody(
    client: Any, product: Product, database: Database
) -> None:
    mug, cup, pot = product(), product(), product()
    bulk = send(client, [row(mug, 1)] * 60)
    step()
    held, tried = order(client, mug), adjust(client, cup, 1)
    with database.transaction() as connection:
        # A worker has died with both.
        line.count_attempts(connection, [UUID(one["id"]) for one in (held, tried)])
        connection.exec_driver_sql("UPDATE operations SET available_at = NULL")
    behind = adjust(client, pot, 1)
    step(4)
    assert status(client, tried, behind) == ["succeeded"] * 2
    assert set(status(client, bulk, held)) == {"queued"}
    finish()
    assert set(status(client, bulk, held)) == {"succeeded"}


class Plain:
    """The same done one after the other."""

    def __init__(self, products: int) -> None:
        self.ledgers: list[list[tuple[int, int]]] = [[] for _ in range(products)]

    def add(self, product: int, change: int) -> None:
        if self._available(product) + change >= 0:
            self.ledgers[product].append((change, 0))

    def order(self, items: list[int]) -> None:
        if all(self._available(one) >= 1 for one in items):
            for one in items:
                self.ledgers[one].append((0, 1))

    def _available(self, product: int) -> int:
        return sum(change - reserved for change, reserved in self.ledgers[product])


def both(client: Any, product: str) -> list[tuple[int, int]]:
    found = client.get(f"/api/inventory/movements?productId={product}&limit=100").json["items"]
    return [(one["onHandChange"], one["reservedChange"]) for one in reversed(found)]


@pytest.mark.usefixtures("unlucky")
@pytest.mark.parametrize("seed", range(8))
def test_products_and_orders_see_all_in_the_order_of_acceptance(
    client: Any, product: Product, seed: int, database: Any
) -> None:
    dice = random.Random(seed)
    products = [product() for _ in range(5)]
    plain = Plain(len(products))
    for _ in range(30):
        some = dice.sample(range(len(products)), dice.randint(1, 3))
        what = dice.choice(["order", "order", "order", "adjust", "adjust", "bulk"])
        if what == "order":
            order(client, *(products[one] for one in some))
            plain.order(some)
        elif what == "adjust":
            change = dice.choice([13, 2, 1, -1, -2])
            kind = "increment" if change > 0 else "decrement"
            adjust(client, products[some[0]], abs(change), kind)
            plain.add(some[0], change)
        else:
            changes = [(dice.choice(some), dice.choice([2, 1, -1])) for _ in range(20)]
            kinds = {True: "increment", False: "decrement"}
            send(client, [row(products[n], abs(one), kinds[one > 0]) for n, one in changes])
            for n, one in changes:
                plain.add(n, one)
        step(dice.choice([0, 0, 0, 1, 2]))
    finish()
    assert [both(client, one) for one in products] == plain.ledgers
    assert client.get("/api/operations?status=queued").json["items"] == []
    check_consistency(database)

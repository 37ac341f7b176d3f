"""The line on a real database: order, exactly once, batches of any size, bugs among neighbours."""

import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from db.queries import operations, orders, products, stock
from db.session import Database, line_database
from tests.factories.clocks import wrong_by
from tests.factories.shop import new_key, new_products
from workers import batch
from workers.app import app as celery
from workers.commands import AdjustStock, Command, CreateOrder
from workers.dispatch import record
from workers.drain import drain
from workers.registry import HANDLERS
from workers.runner import apply_next

celery.loader.import_default_modules()


@pytest.fixture
def key_id(database: Database) -> UUID:
    return new_key(database).id


@pytest.fixture
def make_products(database: Database) -> Callable[[int], list[UUID]]:
    return lambda count: new_products(database, count)


def submit(database: Database, key_id: UUID, *commands: Command) -> list[UUID]:
    with database.transaction() as connection:
        return [record(connection, command, api_key_id=key_id).id for command in commands]


def order(database: Database, key_id: UUID, *items: tuple[UUID, int]) -> UUID:
    with database.transaction() as connection:
        order_id = uuid7()
        known = products.prices(connection, [product for product, _ in items])
        draft = orders.draft(
            order_id,
            customer_id="c",
            shipping_address="a",
            currency="USD",
            items=[(p, known[p].name, quantity, known[p].price) for p, quantity in items],
        )
        record(connection, CreateOrder(order_id), api_key_id=key_id, order=draft)
    return order_id


def apply_all(limit: int) -> None:
    while apply_next(line_database(), limit):
        pass


def check_consistency(database: Database) -> None:
    """What must be true after anything: ends, ledger, balances, streams."""
    with database.transaction() as connection:
        assert (
            connection.execute(
                text("SELECT count(*) FROM operations WHERE status = 'queued'")
            ).scalar()
            == 0
        )
        wrong = connection.execute(
            text("""
                SELECT l.product_id FROM stock_levels l
                LEFT JOIN (SELECT product_id, sum(on_hand_change) h, sum(reserved_change) r,
                                  count(*) n FROM stock_movements GROUP BY 1) m USING (product_id)
                WHERE (l.on_hand, l.reserved, l.version)
                      <> (coalesce(m.h, 0), coalesce(m.r, 0), coalesce(m.n, 0))
            """)
        ).all()
        assert wrong == []
        gaps = connection.execute(
            text("""
                SELECT stream FROM events GROUP BY stream
                HAVING max(position) <> count(*) OR min(position) <> 1
            """)
        ).all()
        assert gaps == []


def test_an_adjustment_leaves_level_ledger_event_and_end(
    database: Database, key_id: UUID, make_products: Callable[[int], list[UUID]]
) -> None:
    (product,) = make_products(1)
    (operation_id,) = submit(database, key_id, AdjustStock(product, 7, "increment", "delivery"))
    assert apply_next(line_database()) == 1
    with database.transaction() as connection:
        level = stock.level(connection, product)
        operation = operations.find(connection, operation_id)
        (movement,) = stock.movements(connection, product, limit=10)
    assert level is not None
    assert operation is not None
    assert (level["stock"], level["version"]) == (7, 1)
    assert (operation.status, operation.attempts) == ("succeeded", 1)
    assert (movement["on_hand_change"], movement["reason"]) == (7, "delivery")
    assert movement["operation_id"] == operation_id
    check_consistency(database)


def test_operations_take_effect_in_the_order_of_acceptance(
    database: Database, key_id: UUID, make_products: Callable[[int], list[UUID]]
) -> None:
    (product,) = make_products(1)
    for _ in range(100):
        submit(database, key_id, AdjustStock(product, 1, "increment"))
        submit(database, key_id, AdjustStock(product, 1, "decrement"))
    apply_all(limit=7)
    with database.transaction() as connection:
        refused = connection.execute(
            text("SELECT count(*) FROM operations WHERE status <> 'succeeded'")
        ).scalar()
    assert refused == 0
    check_consistency(database)


@pytest.fixture
def buggy_adjustments() -> Iterator[None]:
    """Adjustments of exactly 8 raise, after having moved the stock."""
    good = HANDLERS[AdjustStock]

    def handler(command: AdjustStock, turn: Any) -> dict[str, Any]:
        result = good(command, turn)
        if command.quantity == 8:
            raise RuntimeError("a bug")
        return result

    HANDLERS[AdjustStock] = handler
    yield
    HANDLERS[AdjustStock] = good


def wait_for_line(database: Database, limit: int) -> None:
    """Apply until all has ended; what a bug holds back comes due by itself."""
    while True:
        apply_all(limit)
        with database.transaction() as connection:
            left = connection.execute(
                text("SELECT count(*) FROM operations WHERE status = 'queued'")
            ).scalar()
            if left == 0:
                return
            # No clock to wait for: what is held back is made due.
            connection.execute(
                text("UPDATE operations SET available_at = NULL WHERE status = 'queued'")
            )


@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.usefixtures("buggy_adjustments")
def test_a_workers_wrong_clock_does_not_say_how_long_one_is_held_back(
    database: Database,
    key_id: UUID,
    make_products: Callable[[int], list[UUID]],
    monkeypatch: pytest.MonkeyPatch,
    hours: int,
) -> None:
    monkeypatch.setattr(batch, "datetime", wrong_by(hours))
    (mug,) = make_products(1)
    submit(database, key_id, AdjustStock(mug, 8, "increment"))
    apply_next(line_database())
    with database.transaction() as connection:
        held_back = connection.execute(
            text("SELECT extract(epoch FROM available_at - now())::float FROM operations")
        ).scalar_one()
    assert abs(held_back) < 60


@pytest.mark.usefixtures("buggy_adjustments")
def test_later_operations_wait_for_an_earlier_one_that_is_tried_again(
    database: Database, key_id: UUID, make_products: Callable[[int], list[UUID]]
) -> None:
    mug, cup = make_products(2)
    bad, waits, free = submit(
        database,
        key_id,
        AdjustStock(mug, 8, "increment"),
        AdjustStock(mug, 1, "increment"),
        AdjustStock(cup, 1, "increment"),
    )
    apply_next(line_database())
    assert statuses(database, bad, waits, free) == ["queued", "queued", "succeeded"]
    wait_for_line(database, 500)
    assert statuses(database, bad, waits, free) == ["dead", "succeeded", "succeeded"]
    with database.transaction() as connection:
        dead = operations.find(connection, bad)
    assert dead is not None
    assert dead.attempts == 3
    assert "a bug" in (dead.error or {})["detail"]


def statuses(database: Database, *ids: UUID) -> list[str]:
    with database.transaction() as connection:
        found = {one.id: one.status for one in operations.find_all(connection, ids)}
    return [found[one] for one in ids]


def test_many_workers_at_once_apply_each_operation_once(
    database: Database, key_id: UUID, make_products: Callable[[int], list[UUID]]
) -> None:
    shop = make_products(3)
    submit(
        database,
        key_id,
        *[AdjustStock(shop[number % 3], 1, "increment") for number in range(600)],
    )
    workers = [threading.Thread(target=lambda: drain(line_database())) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    drain(line_database())
    check_consistency(database)
    with database.transaction() as connection:
        levels = [(stock.level(connection, product) or {})["stock"] for product in shop]
    assert levels == [200, 200, 200]


def test_a_dead_order_is_rejected(
    database: Database, key_id: UUID, make_products: Callable[[int], list[UUID]]
) -> None:
    (product,) = make_products(1)
    good = HANDLERS[CreateOrder]

    def handler(command: Any, turn: Any) -> dict[str, Any]:
        raise RuntimeError("a bug")

    HANDLERS[CreateOrder] = handler
    try:
        order_id = order(database, key_id, (product, 1))
        wait_for_line(database, 500)
    finally:
        HANDLERS[CreateOrder] = good
    with database.transaction() as connection:
        found = orders.find(connection, order_id)
    assert found is not None
    assert (found["status"], found["reason"]["code"]) == ("rejected", "processing-failed")
    check_consistency(database)

"""The rules in motion, without any server: a book, a turn, a handler."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from db.errors import Refusal
from db.models.alert import Alert
from db.models.operation import Waiting
from db.models.order import Order
from db.models.stock import StockLevel
from tasks.alerts import check_alerts
from tasks.inventory import adjust_stock, count_stock
from tasks.orders import change_order_status, create_order, reject_order
from workers.book import Book, Turn
from workers.commands import AdjustStock, ChangeOrderStatus, CheckAlerts, CountStock, CreateOrder

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
MUG, CUP, ORDER = UUID(int=1), UUID(int=2), UUID(int=9)


def book(**levels: int) -> Book:
    """A book with a mug and a cup, and an order of 3 mugs and 2 cups."""
    stock = {
        product: StockLevel(product, on_hand, 0, 0, True, name, "published", 0)
        for product, name, on_hand in (
            (MUG, "Mug", levels.get("mug", 10)),
            (CUP, "Cup", levels.get("cup", 10)),
        )
    }
    order = Order(ORDER, "queued", 0, NOW, {MUG: 3, CUP: 2})
    return Book(NOW, stock, {ORDER: order}, {}, {"system": 0})


def turn(of: Book) -> Turn:
    operation = Waiting(
        UUID(int=77), 1, "test", {}, 0, None, None, None, None, NOW, held_back=False
    )
    return Turn(of, operation)


def names(of: Book) -> list[str]:
    return [name for _, _, name, _ in of.outcome.events]


def test_a_turn_that_is_not_kept_leaves_no_trace() -> None:
    untouched, tried = book(), book()
    adjust_stock(AdjustStock(MUG, 4, "decrement"), turn(tried))
    assert tried == untouched


def test_an_adjustment_is_kept_with_its_movement_and_event() -> None:
    found = book()
    mine = turn(found)
    result = adjust_stock(AdjustStock(MUG, 4, "decrement", "broken"), mine)
    mine.keep()
    assert (result["stock"], result["onHandChange"], result["version"]) == (6, -4, 1)
    assert found.levels[MUG].on_hand == 6
    assert [m.on_hand_change for _, m, _ in found.outcome.movements] == [-4]
    assert [(s, p) for s, p, _, _ in found.outcome.events] == [(f"stock:{MUG}", 1)]


def test_a_dry_run_says_what_would_happen_and_writes_nothing() -> None:
    found = book()
    mine = turn(found)
    result = adjust_stock(AdjustStock(MUG, 4, "decrement", dry_run=True), mine)
    mine.keep()
    assert (result["stock"], result["dryRun"]) == (6, True)
    assert found.outcome.movements == []
    assert found.outcome.levels == {}
    assert found.outcome.events == []
    assert found.levels[MUG].on_hand == 10


def test_a_count_stands_in_the_ledger_as_the_difference() -> None:
    found = book()
    mine = turn(found)
    count_stock(CountStock(MUG, 7, "stock-take"), mine)
    mine.keep()
    (_, movement, _) = found.outcome.movements[0]
    assert (movement.kind, movement.on_hand_change, movement.reason) == ("count", -3, "stock-take")


def test_an_order_reserves_all_or_nothing() -> None:
    found = book(cup=1)
    with pytest.raises(Refusal) as refused:
        create_order(CreateOrder(ORDER), turn(found))
    assert refused.value.facts["productId"] == str(CUP)
    assert found == book(cup=1)

    problem = {"type": "/docs/problems/insufficient-stock", "detail": "no"}
    mine = turn(found)
    reject_order(CreateOrder(ORDER), mine, problem)
    mine.keep()
    assert found.orders[ORDER].status == "rejected"
    assert found.orders[ORDER].reason == {"code": "insufficient-stock", **problem}
    assert found.levels == book(cup=1).levels


def walk(found: Book, *steps: str) -> None:
    mine = turn(found)
    create_order(CreateOrder(ORDER), mine)
    mine.keep()
    for step in steps:
        mine = turn(found)
        command: Any = ChangeOrderStatus(ORDER, step)  # type: ignore[arg-type]
        change_order_status(command, mine)
        mine.keep()


def test_shipping_takes_the_units_out_of_the_house() -> None:
    found = book()
    walk(found, "confirmed", "processing")
    assert (found.levels[MUG].on_hand, found.levels[MUG].reserved) == (10, 3)
    walk_on = turn(found)
    change_order_status(ChangeOrderStatus(ORDER, "shipped"), walk_on)
    walk_on.keep()
    assert (found.levels[MUG].on_hand, found.levels[MUG].reserved) == (7, 0)
    assert (found.levels[CUP].on_hand, found.levels[CUP].reserved) == (8, 0)


@pytest.mark.parametrize("steps", [(), ("confirmed",), ("confirmed", "processing")])
def test_cancelling_gives_the_units_back(steps: tuple[str, ...]) -> None:
    found = book()
    walk(found, *steps, "cancelled")
    assert (found.levels[MUG].on_hand, found.levels[MUG].reserved) == (10, 0)
    assert found.outcome.sold_at == {NOW}


def test_the_same_status_again_changes_nothing() -> None:
    found = book()
    walk(found, "confirmed")
    before = len(found.outcome.events)
    mine = turn(found)
    result = change_order_status(ChangeOrderStatus(ORDER, "confirmed"), mine)
    mine.keep()
    assert result["status"] == "confirmed"
    assert len(found.outcome.events) == before


def test_an_alert_is_raised_once_changed_and_resolved_by_what_caused_it() -> None:
    found = book()
    found.levels[MUG].threshold = 5

    def adjust(quantity: int, type_: Any) -> None:
        mine = turn(found)
        adjust_stock(AdjustStock(MUG, quantity, type_), mine)
        mine.keep()

    adjust(4, "decrement")
    assert "system_alert" not in names(found)
    adjust(1, "decrement")
    adjust(1, "decrement")
    assert names(found).count("system_alert") == 1
    adjust(4, "decrement")
    assert names(found).count("system_alert") == 2
    assert found.alerts[MUG].severity == "out_of_stock"
    adjust(6, "increment")
    assert names(found).count("system_alert") == 3
    (only,) = found.outcome.alerts.values()
    assert only.resolved_at == NOW
    adjust(6, "decrement")
    assert len(found.outcome.alerts) == 2


def test_a_new_threshold_is_looked_at() -> None:
    found = book()
    found.levels[MUG].threshold = 20
    mine = turn(found)
    check_alerts(CheckAlerts(MUG), mine)
    mine.keep()
    alert: Alert = found.alerts[MUG]
    assert (alert.severity, alert.stock, alert.threshold) == ("low_stock", 10, 20)

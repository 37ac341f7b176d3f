"""Orders: what each step does to the stock."""

from typing import Any

from db.models.order import Order
from tasks.alerts import review
from workers.book import Turn
from workers.commands import ChangeOrderStatus, CreateOrder
from workers.registry import handles, on_failure_of


@handles(CreateOrder)
def create_order(command: CreateOrder, turn: Turn) -> dict[str, Any]:
    """Reserve every item, or nothing at all."""
    order = turn.order(command.order_id)
    previous = order.status
    if not order.create():
        return _result(order)
    turn.stepped(order, previous)
    for product_id, quantity in order.items.items():
        level = turn.stock(product_id)
        turn.moved(level, level.reserve(quantity, str(order.id)))
        review(level, turn)
    turn.sales_changed(order)
    return _result(order)


@on_failure_of(CreateOrder)
def reject_order(command: CreateOrder, turn: Turn, problem: dict[str, Any]) -> None:
    """An order whose items could not be reserved is rejected, and says why."""
    order = turn.order(command.order_id)
    previous = order.status
    if order.reject({"code": problem["type"].rpartition("/")[2], **problem}):
        turn.stepped(order, previous)


@handles(ChangeOrderStatus)
def change_order_status(command: ChangeOrderStatus, turn: Turn) -> dict[str, Any]:
    """Take one step; shipping empties shelves, cancelling gives units back."""
    order = turn.order(command.order_id)
    if not _step(order, command.status, turn):
        return _result(order)
    if command.status == "shipped":
        for product_id, quantity in order.items.items():
            level = turn.stock(product_id)
            turn.moved(level, level.ship(quantity, str(order.id)))
    elif command.status == "cancelled":
        for product_id, quantity in order.items.items():
            level = turn.stock(product_id)
            turn.moved(level, level.release(quantity, str(order.id)))
            review(level, turn)
        turn.sales_changed(order)
    return _result(order)


def _step(order: Order, status: str, turn: Turn) -> bool:
    previous = order.status
    if not order.move(status):
        return False
    turn.stepped(order, previous)
    return True


def _result(order: Order) -> dict[str, Any]:
    return {"orderId": str(order.id), "status": order.status}

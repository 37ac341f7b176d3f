"""Stock by hand: adjustments and counts."""

from typing import Any

from db.models.stock import Movement, StockLevel
from tasks.alerts import review
from workers.book import Turn
from workers.commands import AdjustStock, CountStock
from workers.registry import handles


@handles(AdjustStock)
def adjust_stock(command: AdjustStock, turn: Turn) -> dict[str, Any]:
    """Add units, or take out what can be sold; a dry run decides and leaves nothing."""
    level = turn.stock(command.product_id)
    level.expect(command.expected_stock)
    change = command.quantity if command.type == "increment" else -command.quantity
    movement = level.adjust(change, command.reason, command.reference)
    if command.dry_run:
        return {**_result(level, movement), "dryRun": True}
    turn.moved(level, movement)
    review(level, turn)
    return _result(level, movement)


@handles(CountStock)
def count_stock(command: CountStock, turn: Turn) -> dict[str, Any]:
    """Set what is on hand to what was counted; the difference stands in the ledger."""
    level = turn.stock(command.product_id)
    level.expect(command.expected_stock)
    movement = level.count(command.counted, command.reason)
    turn.moved(level, movement)
    review(level, turn)
    return _result(level, movement)


def _result(level: StockLevel, movement: Movement) -> dict[str, Any]:
    return {
        "productId": str(level.product_id),
        "stock": level.available,
        "onHand": level.on_hand,
        "reserved": level.reserved,
        "version": level.version,
        "onHandChange": movement.on_hand_change,
    }

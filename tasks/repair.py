"""Repair: what the database holds twice, and differently, is made one again."""

from typing import Any

from tasks.alerts import review
from workers.book import Turn
from workers.commands import RepairStock, RepairStream
from workers.registry import handles


@handles(RepairStock)
def repair_stock(command: RepairStock, turn: Turn) -> dict[str, Any]:
    """Set a level to what the ledger and the orders say; a row of the ledger keeps the trace."""
    level = turn.stock(command.product_id)
    drift = turn.drift(command.product_id)
    if drift is not None:
        turn.moved(level, level.repair(drift))
    review(level, turn)
    return {
        "productId": str(level.product_id),
        "stock": level.available,
        "onHand": level.on_hand,
        "reserved": level.reserved,
        "version": level.version,
        "found": drift.reason if drift else None,
    }


@handles(RepairStream)
def repair_stream(command: RepairStream, turn: Turn) -> dict[str, Any]:
    """Let go of what lies before a gap: a client that missed it gets the state as it is."""
    turn.cut(command.stream, command.through)
    return {"stream": command.stream, "through": command.through}

"""Repairs: what they have to know, and nobody else, is read for them, as it takes its time."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from operator import attrgetter
from uuid import UUID

from sqlalchemy import Connection

from db.models.operation import Waiting
from db.models.stock import LedgerSums
from db.models.stream import SYSTEM
from db.queries import gaps, ledger, line, stock
from workers.book import Book
from workers.commands import RepairStock, RepairStream, decode
from workers.events import Event, OrderMoved, ProductChanged, StockAdjusted

_KINDS = {RepairStock.kind, RepairStream.kind}
_TOLD: dict[str, type[Event]] = {
    "stock": StockAdjusted,
    "order": OrderMoved,
    "product": ProductChanged,
}


def read_for_repairs(connection: Connection, taken: Sequence[Waiting], book: Book) -> None:
    """Put into a book what these of its operations need that repair something.

    Args:
        connection: the line with all locked that the operations name.
        taken: all operations.
        book: what was read for all of them.
    """
    known: dict[UUID, LedgerSums] = {}
    for command in _repairs(taken):
        if isinstance(command, RepairStream):
            _read_last(connection, command.stream, book)
            continue
        sums = command.ledger or LedgerSums()
        earlier = known.get(command.product_id, sums)
        known[command.product_id] = max(earlier, sums, key=attrgetter("version"))
    gone = known.keys() - book.levels.keys()
    if gone:
        _restore(connection, gone, book)
    book.drifts = ledger.drifts(connection, known)
    for product_id in gone:
        _keep_trace(product_id, book)


def _repairs(taken: Sequence[Waiting]) -> list[RepairStock | RepairStream]:
    """What is to be repaired in this batch; who is held back only keeps its place in line."""
    found: list[RepairStock | RepairStream] = []
    for operation in taken:
        if operation.kind not in _KINDS or operation.held_back:
            continue
        try:
            command = decode(operation.kind, operation.payload)
        except ValueError:
            # It cannot be read in its turn either.
            continue
        assert isinstance(command, RepairStock | RepairStream)
        found.append(command)
    return found


def _restore(connection: Connection, products: Collection[UUID], book: Book) -> None:
    stock.restore(connection, products)
    read = line.read_levels(connection, products, (), [SYSTEM])
    assert read is not None
    book.levels |= read.levels
    book.alerts |= read.alerts


def _keep_trace(product_id: UUID, book: Book) -> None:
    """A level that was gone is repaired even if it is what it should be by now."""
    level, drift = book.levels[product_id], book.drifts[product_id]
    reason = (
        f"the level was gone; the ledger says {level.on_hand + drift.on_hand} on hand, orders hold"
        f" {level.reserved + drift.reserved}"
    )
    book.drifts[product_id] = replace(drift, is_whole=False, reason=reason)


def _read_last(connection: Connection, stream: str, book: Book) -> None:
    told = gaps.last_told(connection, stream)
    if told is None:
        return
    event = _TOLD[stream.partition(":")[0]]
    values = {name: told[name] for name in event.model_fields}
    book.lasts[stream] = (told["version"], event(**values))

"""Repairs: what they have to know, and nobody else, is read for them, as it takes its time."""

from collections.abc import Sequence
from operator import attrgetter
from uuid import UUID

from sqlalchemy import Connection

from db.models.operation import Waiting
from db.models.stock import LedgerSums
from db.queries import gaps, ledger
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
    book.drifts = ledger.drifts(connection, known)


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


def _read_last(connection: Connection, stream: str, book: Book) -> None:
    told = gaps.last_told(connection, stream)
    if told is None:
        return
    event = _TOLD[stream.partition(":")[0]]
    values = {name: told[name] for name in event.model_fields}
    book.lasts[stream] = (told["version"], event(**values))

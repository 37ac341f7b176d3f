"""Bulks: rows of one operation, applied in turns between the single operations of the line.

A turn is a transaction of the line of its own: the next rows of a bulk whose turn it is (see
`workers.bulk_order`), and before them those of products that single operations wait for. Nobody
else has to wait: a single operation is held only while an earlier bulk has rows of one of its
products (`Batch.ahead`).
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from db.models.bulk import MOST_ATOMIC_ROWS, Bulk, BulkRow
from db.models.operation import Waiting
from db.queries import bulk_order, bulks, line
from workers.batch import begun_book
from workers.bulk_turn import BulkTurn
from workers.commands import AdjustMany, decode
from workers.ends import MAX_ATTEMPTS
from workers.passed import memory

# How long a turn may take: so short that nobody notices it who waits for the next one, and longer
# while nobody does.
_SHORT_TURN, _LONG_TURN = 0.01, 0.04
# Single operations that came so lately will come again.
_LATELY_SECONDS = 1.0
_LEAST, _MOST = 50, 1_000
# Rows that were in hand when something went wrong are taken in turns of so many, then singly.
_CAREFUL = 32


class Pace:
    """How many rows a turn of this process takes, by what the last ones took."""

    def __init__(self) -> None:
        self._rows_a_second = 10_000.0
        self._single_at = float("-inf")

    @property
    def rows(self) -> int:
        """How many the next turn takes."""
        alone = time.monotonic() - self._single_at > _LATELY_SECONDS
        fitting = self._rows_a_second * (_LONG_TURN if alone else _SHORT_TURN)
        return int(min(max(fitting, _LEAST), _MOST))

    def single(self) -> None:
        """A single operation was applied."""
        self._single_at = time.monotonic()

    def took(self, rows: int, seconds: float) -> None:
        """A turn is over, with all that belongs to it."""
        if rows and seconds > 0:
            self._rows_a_second = (self._rows_a_second + rows / seconds) / 2


pace = Pace()


def take_turn(connection: Connection, operation: Waiting) -> BulkTurn | None:
    """Decide and write the next rows of a bulk.

    Returns:
        None if it has to wait for single operations that were accepted before it.
    """
    command = decode(operation.kind, operation.payload)
    assert isinstance(command, AdjustMany)
    before = bulk_order.products_before(connection, operation.seq)
    if before is None:
        return None
    bulk = bulks.read(connection, command.bulk_id)
    rows = _choose(connection, operation, bulk, command, pace.rows)
    if not rows:
        return _end_without_rows(connection, operation, bulk, command)
    free = [row for row in rows if row.product_id not in before]
    if not free or (command.atomic and len(free) < len(rows)):
        return None
    turn = _begin(connection, operation, command, bulk, free)
    turn.decide(free)
    if before:
        # What is left out for now must be found again.
        skipped = [row.row for row in rows if row.product_id in before]
        bulk.next_row = min([bulk.next_row, *skipped])
    turn.keep(connection)
    line.write(connection, turn.book.outcome, turn.book.given, turn.book.now)
    if operation.attempts and not bulks.suspects(connection, bulk.id, 1):
        bulks.set_attempts(connection, operation.id, 0)
    return turn


def _end_without_rows(
    connection: Connection, operation: Waiting, bulk: Bulk, command: AdjustMany
) -> BulkTurn:
    """What should not be: nothing waits, and it has not ended. It must not stop the others."""
    turn = BulkTurn(operation, command, bulk, begun_book(connection, [operation]))
    turn.give_up(connection, "its rows are missing")
    line.write(connection, turn.book.outcome, turn.book.given, turn.book.now)
    return turn


def _choose(
    connection: Connection, operation: Waiting, bulk: Bulk, command: AdjustMany, most: int
) -> list[BulkRow]:
    """The rows of the next turn, in their order; of each product always its first ones."""
    if command.atomic:
        return bulks.next_rows(connection, bulk, MOST_ATOMIC_ROWS)
    if operation.attempts:
        few = _CAREFUL if operation.attempts == 1 else 1
        found = bulks.suspects(connection, bulk.id, few)
        if found:
            return found
    chosen = {} if command.dry_run else _wanted(connection, bulk, most)
    filling = bulks.next_rows(connection, bulk, max(_LEAST, most - len(chosen)))
    if filling:
        bulk.next_row = filling[-1].row + 1
    chosen.update((row.row, row) for row in filling)
    return [chosen[number] for number in sorted(chosen)]


def _wanted(connection: Connection, bulk: Bulk, most: int) -> dict[int, BulkRow]:
    return {row.row: row for row in bulks.wanted_rows(connection, bulk.id, most)}


def _begin(
    connection: Connection,
    operation: Waiting,
    command: AdjustMany,
    bulk: Bulk,
    rows: Sequence[BulkRow],
) -> BulkTurn:
    products = {row.product_id for row in rows}
    turn = BulkTurn(operation, command, bulk, begun_book(connection, [operation], products))
    if command.dry_run and not command.atomic:
        turn.go_on_from(memory.take(connection, bulk))
    return turn


def committed(turn: BulkTurn) -> None:
    """A turn's transaction is committed: only now may anything be remembered of it."""
    if turn.passed is not None:
        memory.keep(turn.bulk, turn.passed)


def blame(connection: Connection, operation: Waiting, reason: str) -> BulkTurn:
    """A turn has failed, or its worker died: find the row that did it, in ever smaller turns."""
    command = decode(operation.kind, operation.payload)
    assert isinstance(command, AdjustMany)
    bulk = bulks.read(connection, command.bulk_id)
    turn = BulkTurn(operation, command, bulk, begun_book(connection, [operation]))
    attempts = operation.attempts + 1
    in_hand = bulks.suspects(connection, bulk.id, 1)
    if command.atomic:
        if attempts >= MAX_ATTEMPTS:
            turn.give_up(connection, reason)
        else:
            bulks.set_attempts(connection, operation.id, attempts)
    elif not in_hand:
        # At least those that were in hand, whosever pace that was.
        rows = _choose(connection, replace(operation, attempts=0), bulk, command, _MOST)
        bulks.suspect(connection, bulk.id, [row.row for row in rows])
        bulks.set_attempts(connection, operation.id, 1)
    elif attempts < MAX_ATTEMPTS:
        bulks.set_attempts(connection, operation.id, attempts)
    else:
        turn.give_up_row(connection, in_hand[0], reason)
        bulks.set_attempts(
            connection, operation.id, int(bool(bulks.suspects(connection, bulk.id, 1)))
        )
    line.write(connection, turn.book.outcome, turn.book.given, turn.book.now)
    return turn

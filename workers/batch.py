"""A batch: operations decided one by one over what was read once, before it is written once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from traceback import clear_frames
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection

from db.errors import Refusal
from db.models.operation import Waiting
from db.models.order import GIVEN_UP
from db.models.stream import SYSTEM, operations_stream
from db.queries import line
from workers.book import Book, Turn
from workers.commands import Command, decode
from workers.ends import (
    MAX_ATTEMPTS,
    Ending,
    EndStatus,
    dead_problem,
    problem_of,
    retry_delay,
)
from workers.operators import dead_alert
from workers.registry import FAREWELLS, HANDLERS
from workers.repairs import read_for_repairs

log = structlog.get_logger(__name__)


@dataclass
class Batch:
    """One transaction's worth of the line.

    Attributes:
        taken: the operations, in order of acceptance.
        book: what they read and what came of it.
        ahead: products of which an earlier bulk has rows that wait, and that bulk's place in line.
        blocked: products and orders that wait for an earlier operation.
    """

    taken: Sequence[Waiting]
    book: Book
    ahead: Mapping[UUID, int] = field(default_factory=dict)
    blocked: set[UUID] = field(default_factory=set)

    @property
    def count(self) -> int:
        """How many operations were ended or held back."""
        return len(self.book.outcome.ends) + len(self.book.outcome.held_back)

    def decide(self) -> None:
        """Give each operation its turn."""
        for operation in self.taken:
            touched = self._touched(operation)
            if operation.held_back or self._has_to_wait(operation, touched):
                self.blocked |= touched
                continue
            try:
                command = decode(operation.kind, operation.payload)
                self._apply(operation, command)
            except Exception as bug:
                # If it ate all the memory there is, that is held by its frames.
                clear_frames(bug.__traceback__)
                log.exception(
                    "operation_raised",
                    operation_id=str(operation.id),
                    request_id=operation.request_id,
                )
                self.count_attempt(operation, touched, repr(bug))

    def _has_to_wait(self, operation: Waiting, touched: set[UUID]) -> bool:
        if self.blocked and self.blocked & touched:
            return True
        return bool(self.ahead) and any(
            self.ahead.get(name, operation.seq) < operation.seq for name in touched
        )

    def _touched(self, operation: Waiting) -> set[UUID]:
        touched = {operation.product_id, operation.order_id} - {None}
        if operation.order_id is not None:
            touched |= self.book.orders[operation.order_id].items.keys()
        return touched  # type: ignore[return-value]

    def _apply(self, operation: Waiting, command: Command) -> None:
        turn = Turn(self.book, operation)
        try:
            result = HANDLERS[type(command)](command, turn)
        except Refusal as refusal:
            self._refuse(operation, command, refusal)
            return
        turn.keep()
        self._end(operation, "succeeded", result=result)

    def _refuse(self, operation: Waiting, command: Command, refusal: Refusal) -> None:
        """A rule's no is an end; what it leaves behind, such as a rejected order, gets a turn."""
        problem = problem_of(refusal.code, refusal.detail, 409, **refusal.facts)
        self._bid_farewell(operation, command, problem)
        self._end(operation, "failed", error=problem)

    def _bid_farewell(self, operation: Waiting, command: Command, problem: dict[str, Any]) -> None:
        farewell = FAREWELLS.get(type(command))
        if farewell is not None:
            turn = Turn(self.book, operation)
            farewell(command, turn, problem)
            turn.keep()

    def count_attempt(self, operation: Waiting, touched: set[UUID], reason: str) -> None:
        """An operation could not be applied: hold it back for a while, or give it up.

        Args:
            operation: which.
            touched: what waits with it.
            reason: why, in case it is given up.
        """
        attempts = operation.attempts + 1
        if attempts >= MAX_ATTEMPTS:
            self._bury(operation, reason)
            return
        self.blocked |= touched
        held_back = (operation.id, attempts, retry_delay(attempts))
        self.book.outcome.held_back.append(held_back)

    def _bury(self, operation: Waiting, reason: str) -> None:
        problem = dead_problem(reason)
        left = problem_of(GIVEN_UP, problem["detail"], 500)
        try:
            self._bid_farewell(operation, decode(operation.kind, operation.payload), left)
        except Exception:
            # Its payload, or the farewell itself, may be what is broken: it must come to its end.
            log.exception("farewell_failed", operation_id=str(operation.id))
        self._end(operation, "dead", error=problem)
        alert = dead_alert(operation.id, operation.kind)
        self.book.append_next(SYSTEM, alert)
        self.book.outcome.dead.append((operation.id, alert.message))

    def _end(
        self,
        operation: Waiting,
        status: EndStatus,
        *,
        result: dict[str, Any] | None = None,
        error: dict[str, Any] | None = None,
    ) -> None:
        attempts = operation.attempts + 1
        now = self.book.now
        end = Ending(status, attempts, result, error, now)
        self.book.outcome.ends.append(end.as_row(operation.id))
        if operation.api_key_id is not None:
            stream = operations_stream(operation.api_key_id)
            self.book.append_next(stream, end.as_event(operation))


def read_book(connection: Connection, taken: Sequence[Waiting], *, begin: UUID) -> Book | None:
    """Begin to apply the line; read and lock all that these operations name.

    Args:
        connection: of a transaction that has done nothing yet.
        taken: the operations.
        begin: with this token; it costs no way there and back of its own.

    Returns:
        None if another is on.
    """
    book = _read(connection, taken, begin=begin)
    if book is not None:
        read_for_repairs(connection, taken, book)
    return book


def begun_book(
    connection: Connection, taken: Sequence[Waiting], products: Collection[UUID] = ()
) -> Book:
    """The same in a transaction that has begun to apply the line already, and repairs nothing.

    A ledger that could not be read in time must not stop whoever counts that attempt.

    Args:
        connection: of that transaction.
        taken: the operations.
        products: further ones to be read.
    """
    book = _read(connection, taken, products)
    assert book is not None
    return book


def _read(
    connection: Connection,
    taken: Sequence[Waiting],
    products: Collection[UUID] = (),
    *,
    begin: UUID | None = None,
) -> Book | None:
    order_ids = {operation.order_id for operation in taken if operation.order_id is not None}
    product_ids = {operation.product_id for operation in taken if operation.product_id is not None}
    product_ids.update(products)
    key_ids = {operation.api_key_id for operation in taken if operation.api_key_id is not None}
    streams = [SYSTEM, *map(operations_stream, key_ids)]
    read = line.read_levels(connection, product_ids, order_ids, streams, begin=begin)
    if read is None:
        return None
    orders = line.read_orders(connection, order_ids)
    now = datetime.now(UTC)
    return Book(now, read.levels, orders, read.alerts, read.heads, bulks_wait=read.bulks_wait)

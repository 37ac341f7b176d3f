"""The line: takes what is next, reads once, decides in order, writes once, commits."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection

from db.errors import Refusal, is_passing
from db.models.operation import Waiting
from db.models.stream import SYSTEM, operations_stream
from db.queries import line
from db.queries.installation import beat_heart
from db.session import Database, line_database
from workers.app import app
from workers.book import Book, Turn
from workers.broadcast import broadcast
from workers.commands import Command, decode
from workers.dispatch import DRAIN, wake
from workers.ends import (
    MAX_ATTEMPTS,
    Ending,
    EndStatus,
    dead_alert,
    dead_problem,
    problem_of,
    retry_delay,
)
from workers.registry import FAREWELLS, HANDLERS

log = structlog.get_logger(__name__)

BATCH = 500
# Long enough to be worth the way here, short enough that the hard limit never meets a good batch.
DRAIN_SECONDS = 5.0
# Sent messages are cheap to repeat; the sign of life need not be renewed with every batch.
_HEARTBEAT_SECONDS = 1.0


@dataclass
class Batch:
    """One transaction's worth of the line.

    Attributes:
        taken: the operations, in order of acceptance.
        book: what they read and what came of it.
        blocked: products and orders that wait for an earlier operation.
    """

    taken: Sequence[Waiting]
    book: Book
    blocked: set[UUID] = field(default_factory=set)

    def decide(self) -> None:
        """Give each operation its turn."""
        for operation in self.taken:
            touched = self._touched(operation)
            if operation.held_back or (self.blocked and self.blocked & touched):
                self.blocked |= touched
                continue
            try:
                command = decode(operation.kind, operation.payload)
                self._apply(operation, command)
            except Exception as bug:
                log.exception("operation_raised", operation_id=str(operation.id))
                self.count_attempt(operation, touched, repr(bug))

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
        """An operation could not be applied: hold it back for a while, or give it up."""
        attempts = operation.attempts + 1
        if attempts >= MAX_ATTEMPTS:
            self._bury(operation, reason)
            return
        self.blocked |= touched
        later = self.book.now + retry_delay(attempts)
        self.book.outcome.held_back.append(
            {"id": operation.id, "attempts": attempts, "available_at": later}
        )

    def _bury(self, operation: Waiting, reason: str) -> None:
        problem = dead_problem(reason)
        try:
            command = decode(operation.kind, operation.payload)
        except Exception:
            # Its own payload may be what is broken; there is nothing to tidy up then.
            log.warning("payload_unreadable", operation_id=str(operation.id))
        else:
            left = problem_of("processing-failed", problem["detail"], 500)
            self._bid_farewell(operation, command, left)
        self._end(operation, "dead", error=problem)
        self.book.append_next(SYSTEM, dead_alert(operation.id, operation.kind))

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


def read_book(connection: Connection, taken: Sequence[Waiting]) -> Book:
    """Read and lock, in one query each, all that these operations name."""
    order_ids = {operation.order_id for operation in taken if operation.order_id is not None}
    orders = line.read_orders(connection, order_ids)
    product_ids = {operation.product_id for operation in taken if operation.product_id is not None}
    for order in orders.values():
        product_ids |= order.items.keys()
    key_ids = {operation.api_key_id for operation in taken if operation.api_key_id is not None}
    return Book(
        now=datetime.now(UTC),
        levels=line.read_levels(connection, product_ids),
        orders=orders,
        alerts=line.read_open_alerts(connection, product_ids),
        heads=line.read_heads(connection, [SYSTEM, *map(operations_stream, key_ids)]),
    )


def apply_next(database: Database, limit: int = BATCH) -> int:
    """Apply the next operations of the line in one transaction.

    Returns:
        How many were ended or held back; 0 means that there is nothing to do, or that
        another worker is on.
    """
    with database.transaction() as connection:
        if not line.take_lock(connection):
            return 0
        taken = line.waiting(connection, limit)
        if not taken:
            return 0
        batch = Batch(taken, read_book(connection, taken))
        batch.decide()
        outcome = batch.book.outcome
        line.write(connection, outcome, batch.book.given, batch.book.now)
    broadcast(outcome.events)
    _log_ends(batch)
    return len(outcome.ends) + len(outcome.held_back)


def _log_ends(batch: Batch) -> None:
    known = {operation.id: operation for operation in batch.taken}
    for end in batch.book.outcome.ends:
        operation = known[end["id"]]
        log.info(
            "operation_ended",
            operation_id=str(operation.id),
            kind=operation.kind,
            status=end["status"],
            request_id=operation.request_id,
            seconds=round((batch.book.now - operation.created_at).total_seconds(), 4),
        )


def _isolate(database: Database, error: Exception) -> None:
    """A batch could not be written: take its operations singly, to find the one at fault."""
    log.error("batch_failed", error=repr(error))
    for _ in range(BATCH):
        try:
            if apply_next(database, limit=1) == 0:
                return
        except Exception as cause:
            if is_passing(cause):
                raise
            _blame_first(database, cause)


def _blame_first(database: Database, error: Exception) -> None:
    """Count an attempt on the first of the line without applying it."""
    with database.transaction() as connection:
        if not line.take_lock(connection):
            return
        taken = [one for one in line.waiting(connection, 1) if not one.held_back]
        if not taken:
            return
        batch = Batch(taken, read_book(connection, taken))
        batch.count_attempt(taken[0], set(), repr(error))
        line.write(connection, batch.book.outcome, batch.book.given, batch.book.now)
    broadcast(batch.book.outcome.events)


def drain(database: Database) -> bool:
    """Apply the line until it is empty or the time is up.

    Returns:
        Whether more may be waiting.
    """
    deadline = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < deadline:
        try:
            if apply_next(database) == 0:
                return False
        except Exception as error:
            if is_passing(error):
                raise
            _isolate(database, error)
    return True


@app.task(name=DRAIN)
def drain_line() -> None:
    """Celery: apply what is waiting, and leave a sign of life."""
    database = line_database()
    more = drain(database)
    _signs_of_life(database)
    if more:
        wake()


class _SignsOfLife:
    """Leaves at most one sign of life a second: it says that a worker consumes and commits."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, database: Database) -> None:
        now = time.monotonic()
        if now - self._last >= _HEARTBEAT_SECONDS:
            with database.transaction() as connection:
                beat_heart(connection, "worker")
            self._last = now


_signs_of_life = _SignsOfLife()

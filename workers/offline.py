"""Operations outside the line: one at a time under a lock, ended with their work."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from db.errors import Refusal
from db.models.operation import Operation
from db.models.stream import operations_stream
from db.queries import operations
from db.queries.operations import Due
from db.queries.rows import update_rows
from db.session import Database
from workers.attempts import Attempts, is_innocent, number_of
from workers.broadcast import broadcast
from workers.commands import Command, decode
from workers.ends import (
    MAX_ATTEMPTS,
    Ending,
    dead_problem,
    problem_code,
    problem_of,
    retry_delay,
)
from workers.operators import tell_dead
from workers.tell import Told, tell

log = structlog.get_logger(__name__)

Work = Callable[[Connection, Any], dict[str, Any]]


def run_next(
    database: Database, queue: str, work: Work, alone: Callable[[Connection], bool]
) -> bool:
    """Do the next operation of a queue and end it, in one transaction.

    The attempt is counted before, so that one that kills its worker is found out. A worker that
    dies or freezes loses its session and with it the lock: the operation is free again, and
    nothing that was begun under that lock can be committed any more.

    Args:
        database: where.
        queue: which operations.
        work: does what the command asks, in the transaction it is given.
        alone: takes a lock for the transaction. If another has it nothing is done, so that long
            work never keeps more than one pool child from the line.

    Returns:
        False if none was waiting, or another worker is on.
    """
    with Attempts(database) as attempts, database.transaction() as connection:
        if not alone(connection):
            return False
        due = operations.next_due(connection, queue)
        if due is None:
            return False
        number = number_of(due)
        if number > MAX_ATTEMPTS:
            reason = "broken off each time: its worker died, froze or lost its connection"
            told = _give_up(connection, due.operation, MAX_ATTEMPTS, reason)
        else:
            attempts.begin(due.operation.id, number)
            told = _attempt(connection, due, number, work)
    broadcast(told)
    return True


def _attempt(connection: Connection, due: Due, number: int, work: Work) -> Told:
    operation = due.operation
    try:
        with connection.begin_nested():
            command: Command = decode(operation.kind, due.payload)
            result = work(connection, command)
        return _end(connection, operation, "succeeded", number, result=result)
    except Refusal as refusal:
        error = problem_of(refusal.code, refusal.detail, 409, **refusal.facts)
        return _end(connection, operation, "failed", number, error=error)
    except Exception as bug:
        if is_innocent(bug):
            raise
        log.exception(
            "operation_raised",
            operation_id=str(operation.id),
            request_id=operation.request_id,
        )
        return _fail(connection, operation, number, repr(bug))


def _fail(connection: Connection, operation: Operation, number: int, reason: str) -> Told:
    """Hold it back for a while, or give it up."""
    if number >= MAX_ATTEMPTS:
        return _give_up(connection, operation, number, reason)
    operations.begin_attempt(connection, operation.id, number, retry_delay(number))
    return []


def _give_up(connection: Connection, operation: Operation, number: int, reason: str) -> Told:
    told = _end(connection, operation, "dead", number, error=dead_problem(reason))
    return told + tell_dead(connection, operation.id, operation.kind)


def _end(
    connection: Connection,
    operation: Operation,
    status: Any,
    attempts: int,
    *,
    result: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
) -> Told:
    end = Ending(status, attempts, result, error, datetime.now(UTC))
    update_rows(connection, "operations", [end.as_row(operation.id)])
    log.info(
        "operation_ended",
        operation_id=str(operation.id),
        kind=operation.kind,
        status=status,
        problem=problem_code(error),
        request_id=operation.request_id,
    )
    if operation.api_key_id is None:
        return []
    return tell(connection, operations_stream(operation.api_key_id), end.as_event(operation))

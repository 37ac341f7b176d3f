"""Operations outside the line: claimed by a lock on their row, ended with their work."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from db.errors import Refusal, is_passing
from db.models.operation import Operation
from db.models.stream import operations_stream
from db.queries import operations
from db.queries.rows import update_rows
from db.session import Database
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

    A worker that dies takes the lock with it, and the operation is free again.

    Args:
        database: where.
        queue: which operations.
        work: does what the command asks, in the transaction it is given.
        alone: takes a lock for the transaction. If another has it nothing is done, so that long
            work never keeps more than one pool child from the line.

    Returns:
        False if none was waiting, or another worker is on.
    """
    with database.transaction() as connection:
        if not alone(connection):
            return False
        claimed = operations.claim(connection, queue)
        if claimed is None:
            return False
        operation, payload = claimed
        try:
            with connection.begin_nested():
                command: Command = decode(operation.kind, payload)
                result = work(connection, command)
            told = _end(connection, operation, "succeeded", result=result)
        except Refusal as refusal:
            error = problem_of(refusal.code, refusal.detail, 409, **refusal.facts)
            told = _end(connection, operation, "failed", error=error)
        except Exception as bug:
            if is_passing(bug):
                raise
            log.exception(
                "operation_raised",
                operation_id=str(operation.id),
                request_id=operation.request_id,
            )
            told = _count_attempt(connection, operation, repr(bug))
    broadcast(told)
    return True


def _count_attempt(connection: Connection, operation: Operation, reason: str) -> Told:
    attempts = operation.attempts + 1
    if attempts < MAX_ATTEMPTS:
        later = datetime.now(UTC) + retry_delay(attempts)
        held_back = {"id": operation.id, "attempts": attempts, "available_at": later}
        update_rows(connection, "operations", [held_back])
        return []
    told = _end(connection, operation, "dead", error=dead_problem(reason))
    return told + tell_dead(connection, operation.id, operation.kind)


def _end(
    connection: Connection,
    operation: Operation,
    status: Any,
    *,
    result: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
) -> Told:
    end = Ending(status, operation.attempts + 1, result, error, datetime.now(UTC))
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

"""Operations that are accepted together with rows of their own, written in one transaction."""

from collections.abc import Callable
from uuid import UUID

from flask import Response
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from db.errors import broken_constraint
from db.models.operation import Operation
from db.queries import idempotency, operations
from web.auth import current_key
from web.errors import Problem, unavailable
from web.facts import request_id
from web.idempotency import Claim
from web.outbox import outbox
from web.services import services
from web.submit import respond, seconds_to_wait
from workers.commands import COMMANDS, Command
from workers.crash import may_crash
from workers.dispatch import record
from workers.operators import tell_retried
from workers.tell import Told


def accept_with(
    prepare: Callable[[Connection], Command],
    claim: Claim,
    *,
    retry_of: UUID | None = None,
    finally_do: Callable[[Connection], None] = lambda _: None,
) -> tuple[Operation, bool]:
    """Record the operation of a command that needs rows of its own.

    Args:
        prepare: writes the rows, in the transaction that records the operation after them, and
            gives the command; what it raises leaves nothing.
        claim: to the request's idempotency key.
        retry_of: the operation that this one tries again.
        finally_do: the last thing before the commit; not done if an earlier request had made it.

    Returns:
        The operation, and whether an earlier request had made it.
    """
    with services().database.transaction() as connection:
        found = claim.wait(connection)
        if found is not None:
            return _remembered(connection, found), True
        command = prepare(connection)
        if claim.take(connection) is not None:
            # Only a process that does not wait as this one does can have come by.
            raise unavailable("The same was taken in meanwhile: send it again for its answer.")
        operation = record(
            connection,
            command,
            api_key_id=current_key().id,
            request_id=request_id(),
            retry_of=retry_of,
        )
        if claim.key is not None:
            idempotency.remember_operation(
                connection,
                api_key_id=current_key().id,
                key=claim.key,
                operation_id=operation.id,
            )
        # With how far it is, which is kept with the rows.
        operation = operations.find(connection, operation.id) or operation
        finally_do(connection)
    may_crash("accepted")
    services().waker.ask(COMMANDS[operation.kind].queue)
    return operation, False


def try_again(operation_id: UUID, prepare: Callable[[Connection], Command]) -> Response:
    """Accept another try of an operation, the only one, and answer with it.

    Args:
        operation_id: what is tried again.
        prepare: gives the command, as for `accept_with`.

    Raises:
        Problem: 409, it was tried again already.
    """
    told: Told = []

    def tell(connection: Connection) -> None:
        told.extend(tell_retried(connection, [operation_id]))

    try:
        operation, replayed = accept_with(prepare, Claim(), retry_of=operation_id, finally_do=tell)
    except IntegrityError as error:
        if broken_constraint(error) != "uq_operations_retry_of":
            raise
        detail = "It was tried again already; look for the operation with its retryOf."
        raise Problem(409, "already-retried", detail) from None
    outbox.tell(told)
    return finish(operation, replayed)


def finish(operation: Operation, replayed: bool) -> Response:
    """Answer with an accepted operation, or with its end if the client waits for it."""
    seconds = seconds_to_wait()
    if seconds is None:
        response = respond(operation, None, 0)
    else:
        # An end that came before this is found by the next poll.
        with services().waiters.register(operation.id) as waiter:
            response = respond(operation, waiter, seconds)
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _remembered(connection: Connection, found: idempotency.Remembered) -> Operation:
    operation = None
    if found.operation_id is not None:
        operation = operations.find(connection, found.operation_id)
    if operation is None:
        raise Problem(422, "idempotency-key-reused", "The key was used with another request.")
    return operation

"""Submitting an operation: durable before the answer, woken after it, waited for on demand."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import orjson
from flask import Response, request
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from db.errors import is_passing
from db.models.operation import Operation
from db.queries import operations
from db.queries.orders import NewOrder
from web.acceptance import Prices, Submission
from web.answers import json_response
from web.auth import current_key
from web.errors import PROBLEM_JSON, Problem
from web.facts import request_id
from web.idempotency import Claim
from web.schemas.operations import OperationOut
from web.services import services
from web.waiters import Waiter
from workers.commands import AdjustMany, Command, CreateOrder
from workers.dispatch import new_operation, record

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?\s*(?:$|[,;])", re.IGNORECASE)
_LONGEST_WAIT = 30


def submit(
    command: Command,
    *,
    unknown: Problem | None = None,
    retry_of: UUID | None = None,
    products: frozenset[UUID] = frozenset(),
    order: Callable[[Prices], NewOrder] | None = None,
) -> Response:
    """Make the operation of a command durable and answer.

    Args:
        command: what is asked.
        unknown: see `Submission`.
        retry_of: the dead operation that this one tries again.
        products: likewise.
        order: likewise.

    Returns:
        ``202``, or with ``Prefer: wait`` the operation's end.
    """
    claim = Claim()
    operation = new_operation(
        command,
        api_key_id=current_key().id,
        request_id=request_id(),
        retry_of=retry_of,
        key=claim.key,
        fingerprint=claim.fingerprint,
    )
    submission = Submission(operation, unknown, products, order)
    seconds = seconds_to_wait()
    waiter, process = None, services()
    with ExitStack() as stack:
        if seconds is not None:
            # Before the commit, so that the end of a new operation cannot be missed.
            waiter = stack.enter_context(process.waiters.register(operation.id))
        found = process.acceptance.accept(submission)
        if not found.replayed:
            process.waker.ask(command.queue)
        elif seconds is not None:
            waiter = stack.enter_context(process.waiters.register(found.operation.id))
        response = respond(found.operation, waiter, seconds or 0)
    if found.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def record_for_key(
    connection: Connection, command: Command, retry_of: UUID | None = None
) -> Operation:
    """Record a command in the name of this request's key, in a transaction that does more."""
    return record(
        connection,
        command,
        api_key_id=current_key().id,
        request_id=request_id(),
        retry_of=retry_of,
    )


def respond(operation: Operation, waiter: Waiter | None, seconds: int) -> Response:
    """The operation as it is accepted, or its end if that comes in so many seconds."""
    if waiter is None:
        return accepted(operation)
    if not operation.ended:
        if waiter.wait(seconds):
            operation = _ended(operation, waiter)
        elif operation.kind == AdjustMany.kind:
            # It is some way further than when it was accepted.
            operation = _read(operation)
    response = _end(operation) if operation.ended else accepted(operation)
    response.headers["Preference-Applied"] = f"wait={seconds}"
    return response


def seconds_to_wait() -> int | None:
    """Of ``Prefer: wait=N`` (RFC 7240, section 4.3); a preference that is no number is ignored."""
    # WSGI has joined those that came more than once.
    found = _WAIT.search(request.environ.get("HTTP_PREFER", ""))
    return min(int(found[1]), _LONGEST_WAIT) if found else None


def _ended(operation: Operation, waiter: Waiter) -> Operation:
    """The operation with its end: as the event told it, or as the database has it.

    Of a bulk the event tells neither the rows nor how far it is, and so the database is asked.
    """
    told = waiter.told
    if told is not None and operation.kind != AdjustMany.kind:
        return replace(
            operation,
            status=told["status"],
            attempts=told["attempts"],
            result=told.get("result"),
            error=told.get("error"),
            finished_at=datetime.fromisoformat(told["finishedAt"]),
        )
    return _read(operation)


def _read(operation: Operation) -> Operation:
    """The operation as it stands; as it was accepted if the database is away just now."""
    try:
        with services().database.statement() as connection:
            return operations.find(connection, operation.id) or operation
    except SQLAlchemyError as error:
        # It is accepted, and that is what the client has to hear.
        if not is_passing(error):
            raise
        return operation


def accepted(operation: Operation) -> Response:
    """``202`` with the operation as it stands and where to find it."""
    return _with_location(operation, 202)


def _end(operation: Operation) -> Response:
    if operation.error is None:
        status = 201 if operation.kind == CreateOrder.kind else 200
        return _with_location(operation, status)
    status = operation.error["status"]
    body = {
        **operation.error,
        "instance": request.path,
        "requestId": request_id(),
        "operationId": str(operation.id),
    }
    response = Response(orjson.dumps(body), status, content_type=PROBLEM_JSON)
    response.headers["Location"] = location(operation)
    return response


def _with_location(operation: Operation, status: int) -> Response:
    headers = [("Location", location(operation))]
    return json_response(OperationOut.of(operation), status, headers)


def location(operation: Operation) -> str:
    """Where an operation can be read."""
    return f"/api/operations/{operation.id}"

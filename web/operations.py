"""Operations: how far what was submitted is, and another try for what was given up."""

from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from pydantic.alias_generators import to_camel
from sqlalchemy import Connection

from db.queries import operations
from web import exports
from web.answers import json_response
from web.auth import needs
from web.errors import Problem, not_found
from web.idempotency import answer_once
from web.outbox import outbox
from web.pages import cut, decode_cursor
from web.prepared import try_again
from web.refused import again, kept_command
from web.schemas.base import answer
from web.schemas.operations import (
    LeftOut,
    OperationDetail,
    OperationListed,
    OperationOut,
    OperationPage,
    OperationsQuery,
    RetriedOut,
    RetryIn,
)
from web.services import services
from web.submit import record_for_key
from web.tables import wants_csv
from workers.commands import COMMANDS, AdjustMany, Command
from workers.operators import tell_retried
from workers.tell import Told

blueprint = APIBlueprint("operations", __name__, tag="Operations")

_MOST_RETRIED = 500


@blueprint.get("/api/operations/<id:operation_id>")
@needs("read")
@blueprint.output(OperationDetail)
def read_operation(operation_id: UUID) -> Response:
    """An operation as it stands."""
    with services().database.statement() as connection:
        found = operations.find_whole(connection, operation_id)
    if found is None:
        raise not_found("operation")
    listed, kept = found
    body = OperationDetail(**_fields_of(listed), payload=_on_the_wire(kept))
    return json_response(body)


def _fields_of(listed: operations.Listed) -> dict[str, Any]:
    operation, retried_by, product_name = listed
    return {
        **dict(OperationOut.of(operation)),
        "retried_by": retried_by,
        "product_name": product_name,
    }


def _on_the_wire(kept: dict[str, Any]) -> dict[str, Any]:
    return {
        to_camel(name): _on_the_wire(value) if isinstance(value, dict) else value
        for name, value in kept.items()
    }


@blueprint.get("/api/operations")
@needs("read")
@blueprint.input(OperationsQuery, location="query", arg_name="query")
@blueprint.output(OperationPage)
def list_operations(query: OperationsQuery) -> Response:
    """Operations, newest first; as CSV with `Accept: text/csv`."""
    place = decode_cursor(query.cursor, UUID)
    wanted = {"status": query.status, "kind": query.kind}
    if wants_csv():
        return exports.operations(services().database, **wanted)
    with services().database.statement() as connection:
        rows = operations.page(
            connection, limit=query.limit + 1, before=place[0] if place else None, **wanted
        )
    page = cut(rows, query.limit, lambda row: [str(row.operation.id)])
    items = [OperationListed(**_fields_of(one)) for one in page["items"]]
    body = OperationPage(items=items, next_cursor=page["next_cursor"])
    return json_response(body)


@blueprint.post("/api/operations/<id:operation_id>/retry")
@needs("admin")
@blueprint.output(OperationOut, status_code=202)
def retry_operation(operation_id: UUID) -> Response:
    """Try a dead operation again.

    Makes a new operation at the end of the line, with `retryOf`; the dead one stays dead. One
    that is not dead, or was retried already, is refused (`not-dead`, `already-retried`). A retry
    of the creation of an order makes that same order.
    """

    def prepare(connection: Connection) -> Command:
        found = operations.find(connection, operation_id)
        if found is None:
            raise not_found("operation")
        if found.status != "dead":
            detail = f"The operation is {found.status}; only dead ones are tried again."
            raise Problem(409, "not-dead", detail)
        return _command_of(connection, operation_id)

    return try_again(operation_id, prepare)


@blueprint.post("/api/operations/retry")
@needs("admin")
@blueprint.input(RetryIn, arg_name="body")
@blueprint.output(RetriedOut, status_code=202)
def retry_operations(body: RetryIn) -> Response:
    """Try the dead operations of a kind again, those not retried yet, up to 500 at once.

    One that cannot be tried again holds up no other.
    """

    told: Told = []

    def make(connection: Connection) -> Response:
        made, tried, left_out = [], list[UUID](), []
        for dead in operations.dead_of_kind(connection, body.kind, _MOST_RETRIED):
            try:
                command = _command_of(connection, dead)
            except Problem as problem:
                left_out.append(LeftOut(id=dead, detail=problem.detail))
                continue
            made.append(OperationOut.of(record_for_key(connection, command, dead)))
            tried.append(dead)
        told.extend(tell_retried(connection, tried))
        body_out = RetriedOut(items=made, left_out=left_out)
        return Response(answer(body_out), status=202, content_type="application/json")

    response, is_new = answer_once(make)
    if is_new:
        services().waker.ask(COMMANDS[body.kind].queue)
        outbox.tell(told)
    return response


def _command_of(connection: Connection, operation_id: UUID) -> Command:
    kept = operations.command_of(connection, operation_id)
    assert kept is not None
    command = kept_command(*kept)
    return again(connection, command) if isinstance(command, AdjustMany) else command

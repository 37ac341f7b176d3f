"""Operations: how far what was submitted is, and another try for what was given up."""

from uuid import UUID

from apiflask import APIBlueprint
from flask import Response

from db.queries import operations
from web.auth import needs
from web.errors import not_found
from web.pages import cut, decode_cursor
from web.schemas.base import answer
from web.schemas.operations import OperationOut, OperationPage, OperationsQuery
from web.services import services

blueprint = APIBlueprint("operations", __name__, tag="Operations")


@blueprint.get("/api/operations/<id:operation_id>")
@needs("read")
@blueprint.output(OperationOut)
def read_operation(operation_id: UUID) -> Response:
    """An operation as it stands."""
    with services().database.transaction() as connection:
        found = operations.find(connection, operation_id)
    if found is None:
        raise not_found("operation")
    return Response(answer(OperationOut.of(found)), content_type="application/json")


@blueprint.get("/api/operations")
@needs("read")
@blueprint.input(OperationsQuery, location="query", arg_name="query")
@blueprint.output(OperationPage)
def list_operations(query: OperationsQuery) -> Response:
    """Operations, newest first."""
    place = decode_cursor(query.cursor, UUID)
    with services().database.transaction() as connection:
        rows = operations.page(
            connection,
            limit=query.limit + 1,
            before=place[0] if place else None,
            status=query.status,
            kind=query.kind,
        )
    page = cut(rows, query.limit, lambda operation: [str(operation.id)])
    items = [OperationOut.of(operation) for operation in page["items"]]
    body = OperationPage(items=items, next_cursor=page["next_cursor"])
    return Response(answer(body), content_type="application/json")

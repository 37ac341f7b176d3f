"""Refused rows of bulks: listed, downloaded, tried again."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from db.models.bulk import RefusedRow
from db.queries import bulks, operations
from web.answers import json_response
from web.auth import needs
from web.errors import Problem, not_found
from web.pages import cut, decode_cursor
from web.prepared import try_again
from web.schemas.base import PageQuery
from web.schemas.bulk import COLUMNS, RefusedPage
from web.schemas.operations import OperationOut
from web.services import services
from web.tables import PAGE, keyset, table, wants_csv
from workers.commands import AdjustMany, Command, decode

blueprint = APIBlueprint("refused", __name__, tag="Operations")


@blueprint.post("/api/operations/<id:operation_id>/retry-refused")
@needs("write")
@blueprint.output(OperationOut, status_code=202)
def retry_refused(operation_id: UUID) -> Response:
    """Try the refused rows of a bulk again, and only them.

    Makes a new operation at the end of the line, with `retryOf`; the rows keep their numbers. A
    bulk that has not ended, that refused nothing, that was all or nothing, or whose rows were
    tried again already, is refused (`nothing-to-retry`, `already-retried`).
    """
    return try_again(
        operation_id, lambda connection: again(connection, _bulk_of(connection, operation_id))
    )


def kept_command(kind: str, payload: dict[str, Any]) -> Command:
    """The command that an operation keeps.

    Raises:
        Problem: another version of the service wrote it, in a form that this one does not know.
    """
    try:
        return decode(kind, payload)
    except (KeyError, ValueError):
        detail = "What the operation keeps cannot be read any more."
        raise Problem(409, "unreadable-operation", detail) from None


def again(connection: Connection, old: AdjustMany) -> AdjustMany:
    """The command that tries the refused rows of a bulk again, with the rows.

    Raises:
        Problem: there are none.
    """
    new = replace(old, bulk_id=uuid7())
    count = bulks.copy_refused(connection, old.bulk_id, new.bulk_id)
    if count == 0:
        raise Problem(409, "nothing-to-retry", "No row of this operation was refused.")
    bulks.insert(connection, new.bulk_id, count)
    return new


@blueprint.get("/api/operations/<id:operation_id>/refused")
@needs("read")
@blueprint.input(PageQuery, location="query", arg_name="query")
@blueprint.output(RefusedPage)
def list_refused(operation_id: UUID, query: PageQuery) -> Response:
    """The rows of a bulk that were refused, in their order, each with its problem.

    With `Accept: text/csv` all of them at once, in a form that can be mended and sent again.
    """
    place = decode_cursor(query.cursor, int)
    database = services().database

    def page(after: int | None, limit: int) -> list[RefusedRow]:
        with database.transaction() as connection:
            return bulks.refused(
                connection, bulk_id, after=-1 if after is None else after, limit=limit
            )

    with database.transaction() as connection:
        bulk_id = _bulk_of(connection, operation_id, ended=False).bulk_id
    if wants_csv():
        rows = keyset(lambda after: page(after, PAGE), lambda row: row.row)
        return table("refused", list(COLUMNS), map(_cells, rows))
    found = page(place[0] if place else None, query.limit + 1)
    body = RefusedPage.model_validate(cut(found, query.limit, lambda row: [row.row]))
    return json_response(body)


def _cells(row: RefusedRow) -> list[Any]:
    return [
        row.product_id,
        row.sku,
        row.quantity,
        row.type,
        row.reason,
        row.reference,
        row.row,
        row.problem["type"].rpartition("/")[2],
        row.problem["detail"],
    ]


def _bulk_of(connection: Connection, operation_id: UUID, ended: bool = True) -> AdjustMany:
    """The command of a bulk.

    Raises:
        Problem: there is no such operation, or it is no bulk, or (if wanted) it has not ended, or
            what it keeps cannot be read.
    """
    found = operations.find(connection, operation_id)
    kept = operations.command_of(connection, operation_id)
    if found is None or kept is None:
        raise not_found("operation")
    if found.kind != AdjustMany.kind:
        if not ended:
            raise not_found("bulk")
        raise Problem(409, "nothing-to-retry", "The operation has no rows: it is no bulk.")
    if ended and not found.ended:
        raise Problem(409, "nothing-to-retry", "The operation has not ended yet.")
    command = kept_command(*kept)
    assert isinstance(command, AdjustMany)
    if ended and command.atomic:
        detail = "The operation was all or nothing: mend its rows and send all of them again."
        raise Problem(409, "nothing-to-retry", detail)
    return command

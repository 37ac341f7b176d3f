"""Bulks: many adjustments as one operation, taken in row by row."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from operator import itemgetter
from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from db.models.bulk import MOST_ATOMIC_ROWS, MOST_ROWS
from db.queries import bulks
from web.auth import needs
from web.bulk_rows import Row, rows_of_csv, rows_of_json, whole
from web.errors import Invalid, unavailable
from web.idempotency import Claim
from web.prepared import accept_with, finish
from web.schemas.bulk import COLUMNS, NEEDED, BulkQuery, BulkRowIn
from web.schemas.operations import OperationOut
from web.schemas.parsing import named
from web.services import services
from web.upload import Upload, received
from workers.commands import AdjustMany

blueprint = APIBlueprint("bulk", __name__, tag="Inventory")

# Rows that are read, checked and written at once, in a few milliseconds; others may have their
# turn in between, and need several.
_SLICE = 100
_MOST_ERRORS = 100
# Bulks that a process takes in at once, each on a connection; others wait so many seconds.
_places = threading.BoundedSemaphore(2)
_PLACE_SECONDS = 20.0
_row = TypeAdapter(BulkRowIn)


@blueprint.post("/api/inventory/adjustments")
@needs("write")
@blueprint.input(BulkQuery, location="query", arg_name="query")
@blueprint.output(OperationOut, status_code=202)
def adjust_many(query: BulkQuery) -> Response:
    """Adjust the stock of many products.

    Up to 100,000 rows, as a JSON array or as CSV with a heading, become one operation. A row
    that cannot be read is named, and nothing is kept (`422`). The rows are applied in turns
    between other operations, of each product in their order; `progress` tells how far it is, and
    the operation has `succeeded` once every row has its verdict: its `result` counts them and
    shows the first refused ones, `GET /api/operations/{id}/refused` lists them all. With
    `atomic=true` all are applied or none (`bulk-refused`). With `dryRun=true` the `result` says
    what would happen.
    """
    claim = Claim()
    with received(services().settings.max_bulk_bytes) as upload, _place():
        claim.stands_for(upload.fingerprint)

        def prepare(connection: Connection) -> AdjustMany:
            bulk_id = uuid7()
            total = _write(connection, bulk_id, upload, query.atomic)
            bulks.insert(connection, bulk_id, total)
            return AdjustMany(
                bulk_id=bulk_id,
                atomic=query.atomic,
                dry_run=query.dry_run,
                form="csv" if upload.is_csv else "json",
            )

        operation, replayed = accept_with(prepare, claim)
    return finish(operation, replayed)


@contextmanager
def _place() -> Iterator[None]:
    if not _places.acquire(timeout=_PLACE_SECONDS):
        raise unavailable("Too many bulks are being taken in; nothing was done.")
    try:
        yield
    finally:
        _places.release()


def _write(connection: Connection, bulk_id: UUID, upload: Upload, atomic: bool) -> int:
    """Check and write the rows, slice by slice.

    Returns:
        How many there are.

    Raises:
        Problem: some cannot be read, or name no product, or there are too many or none.
    """
    rows = rows_of_csv(upload.file, COLUMNS, NEEDED) if upload.is_csv else rows_of_json(upload.file)
    most = MOST_ATOMIC_ROWS if atomic else MOST_ROWS
    total = 0
    faults: list[tuple[str, str]] = []
    while piece := list(islice(rows, _SLICE)):
        total += len(piece)
        if total > most:
            raise Invalid(("", f"there must be at most {most:,} rows"))
        good, found = _checked(connection, bulk_id, piece, upload.is_csv)
        faults += found
        if len(faults) >= _MOST_ERRORS:
            break
        if not faults:
            bulks.insert_some(connection, good)
        # Others may have their turn.
        time.sleep(0)
    if faults:
        raise Invalid(*faults[:_MOST_ERRORS])
    if total == 0:
        raise Invalid(("", "there must be at least one row"))
    return total


def _checked(
    connection: Connection, bulk_id: UUID, piece: list[Row], is_csv: bool
) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Rows as they are kept, and what is wrong with the others."""
    parsed: list[tuple[int, str, BulkRowIn]] = []
    faults: list[tuple[int, tuple[str, str]]] = []
    for number, pointer, fields in piece:
        if is_csv and "quantity" in fields:
            fields["quantity"] = whole(fields["quantity"])
        try:
            parsed.append((number, pointer, _row.validate_python(fields)))
        except ValidationError as error:
            faults += [(number, fault) for fault in _faults(error, pointer, is_csv)]
    ids = {row.product_id for _, _, row in parsed if row.product_id is not None}
    skus = {row.sku for _, _, row in parsed if row.sku is not None}
    known, by_sku = bulks.products_of(connection, ids, skus)
    good = []
    for number, pointer, row in parsed:
        product_id, fault = _product(row, known, by_sku)
        if fault:
            field, detail = fault
            faults.append((number, _fault(pointer, field, detail, is_csv)))
            continue
        good.append(
            {
                "bulk_id": bulk_id,
                "row": number,
                "product_id": product_id,
                "change": row.quantity if row.type == "increment" else -row.quantity,
                "reason": row.reason,
                "reference": row.reference,
                "state": "waiting",
                "suspect": False,
            }
        )
    # By the rows, also where one was found wrong only once its product was looked for.
    return good, [fault for _, fault in sorted(faults, key=itemgetter(0))]


def _product(
    row: BulkRowIn, known: set[UUID], by_sku: dict[str, UUID]
) -> tuple[UUID | None, tuple[str, str] | None]:
    """The product of a row, or which field is wrong with it, and why."""
    if row.product_id is None and row.sku is None:
        return None, ("productId", "or sku must be given")
    if row.product_id is not None and row.product_id not in known:
        return None, ("productId", "there is no such product")
    if row.sku is not None and row.sku not in by_sku:
        return None, ("sku", "there is no such product")
    if row.product_id is None:
        return by_sku[row.sku or ""], None
    if row.sku is not None and by_sku[row.sku] != row.product_id:
        return None, ("sku", "is another product's than productId")
    return row.product_id, None


def _faults(error: ValidationError, pointer: str, is_csv: bool) -> list[tuple[str, str]]:
    faults = []
    for problem in error.errors(include_url=False, include_input=False):
        field, detail = named(problem, "")
        faults.append(_fault(pointer, field, detail, is_csv))
    return faults


def _fault(pointer: str, field: str, detail: str, is_csv: bool) -> tuple[str, str]:
    if is_csv:
        return pointer, f"{field}: {detail}"
    return f"{pointer}/{field}" if field else pointer, detail

"""Integrity: is all that the database holds twice the same both times, and mending what is not."""

import time
from collections import Counter
from dataclasses import asdict
from typing import get_args
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from sqlalchemy import Connection

from db.models.stock import LedgerSums
from db.queries import gaps, integrity, ledger, sales
from db.queries.integrity import START, Difference, Phase, Place
from web.answers import json_response
from web.auth import needs
from web.errors import Invalid
from web.idempotency import Claim
from web.inventory import submit_for_product
from web.pages import decode_cursor, encode_cursor
from web.prepared import accept_with, finish
from web.schemas.integrity import (
    Checked,
    DifferenceOut,
    IntegrityOut,
    IntegrityQuery,
    RepairIn,
    StreamRepairIn,
)
from web.schemas.operations import OperationOut
from web.services import services
from workers.commands import Command, RepairStock, RepairStream
from workers.settings import worker_settings

blueprint = APIBlueprint("integrity", __name__, tag="Inventory")

# An answer stops after this, at the end of a piece, and says where to go on.
_SECONDS = 4.0
_MOST_DIFFERENCES = 1_000


@blueprint.get("/api/inventory/integrity")
@needs("read")
@blueprint.input(IntegrityQuery, location="query", arg_name="query")
@blueprint.output(IntegrityOut)
def check_integrity(query: IntegrityQuery) -> Response:
    """Compare levels, ledger, reservations, alerts and streams: every difference by name.

    There are none, unless something went wrong that should not. Each product is compared with
    its own ledger, orders, alert and streams at one moment. A large shop is compared in several
    answers: go on with `nextCursor` until it is null. The same is done every night, and a
    difference is then told as a `system_alert` of type `integrity`.

    - `level`: the level against the last row of its ledger
    - `ledger`: its changes against its balances, row by row
    - `reservations`: what is reserved against what open orders hold
    - `alert`: the open alert against the one that the stock deserves
    - `stream`: the events against the numbers that were given, without a gap
    """
    place: Place | None = _place(query.cursor)
    differences: list[Difference] = []
    checked: Counter[str] = Counter()
    deadline = time.monotonic() + _SECONDS
    with services().database.snapshot() as connection:
        as_of, _ = sales.clock(connection)
        while place is not None:
            piece = integrity.compare(connection, place, worker_settings().event_retention_days)
            differences += piece.differences
            checked.update(piece.checked)
            place = piece.rest
            if time.monotonic() > deadline or len(differences) > _MOST_DIFFERENCES:
                break
    body = IntegrityOut(
        ok=not differences,
        differences=[DifferenceOut(**asdict(one)) for one in differences],
        checked=Checked(**{name: checked[name] for name in Checked.model_fields}),
        next_cursor=encode_cursor([place.phase, place.after]) if place else None,
        as_of=as_of,
    )
    return json_response(body)


def _phase(value: str) -> Phase:
    if value not in get_args(Phase):
        raise ValueError(value)
    return value  # type: ignore[return-value]


def _place(cursor: str | None) -> Place:
    found = decode_cursor(cursor, _phase, str)
    if found is None:
        return START
    try:
        return Place(found[0], integrity.checked_after(found[0], found[1]))
    except ValueError:
        raise Invalid(("?cursor", "is no cursor of this list")) from None


@blueprint.post("/api/inventory/integrity/repairs")
@needs("admin")
@blueprint.input(RepairIn, arg_name="body")
@blueprint.output(OperationOut, status_code=202)
def repair_stock(body: RepairIn) -> Response:
    """Set a product's level and alert to what its ledger and its orders say.

    Queues an operation. The ledger is the truth about what is on hand, open orders are about
    what is reserved; a row of the kind `repair` keeps what was found, and makes the ledger add
    up. Where nothing is wrong, nothing changes. It is refused if orders hold more than there is
    (`repair-impossible`).
    """
    return submit_for_product(
        RepairStock(product_id=body.product_id, ledger=_add_up(body.product_id))
    )


def _add_up(product_id: UUID) -> LedgerSums:
    """Read the ledger here, part by part: the line stands still while it reads."""
    sums, is_all = LedgerSums(), False
    while not is_all:
        with services().database.statement() as connection:
            sums, is_all = ledger.add_up(connection, product_id, sums)
    return sums


@blueprint.post("/api/inventory/integrity/streams")
@needs("admin")
@blueprint.input(StreamRepairIn, arg_name="body")
@blueprint.output(OperationOut, status_code=202)
def repair_stream(body: StreamRepairIn) -> Response:
    """Let go of a stream's events up to its last gap.

    Queues an operation. What is missing cannot be told any more: a client whose cursor lies
    before the gap gets `recovered: false` and the state as it is. If the last events are missing,
    all others go as well, and the last one is told again. A stream without a gap is refused.
    """

    def prepare(connection: Connection) -> Command:
        days = worker_settings().event_retention_days
        through = gaps.last_gap(connection, body.stream, days)
        if through is None:
            raise Invalid(("/stream", "there is no such stream, or it has no gap"))
        return RepairStream(stream=body.stream, through=through)

    operation, replayed = accept_with(prepare, Claim())
    return finish(operation, replayed)

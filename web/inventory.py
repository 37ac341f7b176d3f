"""Stock: reading it, and submitting what changes it."""

from uuid import UUID

from apiflask import APIBlueprint
from flask import Response

from db.queries import stock
from web import exports
from web.answers import json_response
from web.auth import needs
from web.errors import Invalid, not_found
from web.pages import cut, decode_cursor
from web.schemas.base import PageQuery
from web.schemas.inventory import (
    AdjustmentIn,
    AdjustmentQuery,
    CountIn,
    MovementPage,
    MovementsQuery,
    StockOut,
    StockPage,
    StockQuery,
)
from web.schemas.operations import OperationOut
from web.services import services
from web.submit import submit
from web.tables import wants_csv
from workers.commands import AdjustStock, Command, CountStock

blueprint = APIBlueprint("inventory", __name__, tag="Inventory")


@blueprint.get("/api/inventory/stock")
@needs("read")
@blueprint.input(PageQuery, location="query", arg_name="query")
@blueprint.output(StockPage)
def list_stock(query: PageQuery) -> Response:
    """The stock of all products, the newest product first; as CSV with `Accept: text/csv`."""
    place = decode_cursor(query.cursor, UUID)
    if wants_csv():
        return exports.stock(services().database)
    with services().database.statement() as connection:
        rows = stock.levels(connection, limit=query.limit + 1, before=place[0] if place else None)
    page = cut(rows, query.limit, lambda row: [str(row["product_id"])])
    return json_response(StockPage.model_validate(page))


@blueprint.get("/api/inventory/stock/<id:product_id>")
@needs("read")
@blueprint.input(StockQuery, location="query", arg_name="query")
@blueprint.output(StockOut)
def check_stock(product_id: UUID, query: StockQuery) -> Response:
    """The stock of a product.

    `stock` is what can be sold: `onHand` less `reserved`.

    With `at` the counts are answered as of that time, from the ledger: those after the last
    change made then or before. `version` and `updatedAt` are of that change. Before the first one
    all counts and `version` are 0, also at a time when there was no such product yet, and
    `updatedAt` is when the product was created, which may then be later than `at`.
    `lowStockThreshold` is always the present one.
    """
    with services().database.statement() as connection:
        if query.at is None:
            found = stock.level(connection, product_id)
        else:
            found = stock.level_at(connection, product_id, query.at)
    if found is None:
        raise not_found("product")
    return json_response(StockOut.model_validate(found))


@blueprint.post("/api/inventory/adjust")
@needs("write")
@blueprint.input(AdjustmentQuery, location="query", arg_name="query")
@blueprint.input(AdjustmentIn, arg_name="body")
@blueprint.output(OperationOut, status_code=202)
def adjust(body: AdjustmentIn, query: AdjustmentQuery) -> Response:
    """Adjust the stock of a product.

    Queues an operation. It is refused whole if less can be sold than is taken out
    (`insufficient-stock`), or if the stock is not `expectedStock` at its turn
    (`stock-changed`). With `dryRun=true` its `result` says what would happen.
    """
    command = AdjustStock(
        product_id=body.product_id,
        quantity=body.quantity,
        type=body.type,
        reason=body.reason,
        reference=body.reference,
        expected_stock=body.expected_stock,
        dry_run=query.dry_run,
    )
    return submit_for_product(command)


@blueprint.post("/api/inventory/counts")
@needs("write")
@blueprint.input(CountIn, arg_name="body")
@blueprint.output(OperationOut, status_code=202)
def count(body: CountIn) -> Response:
    """Set what is on hand of a product to what was counted.

    Queues an operation. It is refused below what orders hold (`count-below-reserved`).
    """
    command = CountStock(
        product_id=body.product_id,
        counted=body.counted,
        reason=body.reason,
        expected_stock=body.expected_stock,
    )
    return submit_for_product(command)


@blueprint.get("/api/inventory/movements")
@needs("read")
@blueprint.input(MovementsQuery, location="query", arg_name="query")
@blueprint.output(MovementPage)
def movements(query: MovementsQuery) -> Response:
    """The ledger: every change of the stock, with who asked for it; as CSV with
    `Accept: text/csv`.
    """
    place = decode_cursor(query.cursor, UUID, int)
    if place and query.product_id not in (None, place[0]):
        raise Invalid(("?cursor", "is no cursor of this product's list"))
    if query.from_ is not None and query.to is not None and query.from_ > query.to:
        raise Invalid(("?to", "must not be before from"))
    wanted = {
        "product_id": query.product_id,
        "kind": query.kind,
        "since": query.from_,
        "until": query.to,
    }
    with services().database.statement() as connection:
        rows = stock.movements(
            connection, **wanted, limit=query.limit + 1, after=tuple(place) if place else None
        )
        if not rows and query.product_id and stock.level(connection, query.product_id) is None:
            raise not_found("product")
    if wants_csv():
        return exports.movements(services().database, **wanted)
    page = cut(rows, query.limit, lambda row: [str(row["product_id"]), row["version"]])
    return json_response(MovementPage.model_validate(page))


def submit_for_product(command: Command) -> Response:
    unknown = Invalid(("/productId", "there is no such product"))
    return submit(command, unknown=unknown)

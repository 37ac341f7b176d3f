"""Orders: accepting them, taking them a step on, reading them."""

from decimal import Decimal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from uuid_utils.compat import uuid7

from db.queries import orders
from db.queries.orders import NewOrder
from web import exports
from web.acceptance import Prices
from web.answers import json_response
from web.auth import needs
from web.errors import Invalid, not_found
from web.pages import cut, decode_cursor
from web.schemas.operations import OperationOut
from web.schemas.orders import OrderIn, OrderOut, OrderPage, OrdersQuery, OrderStatusIn
from web.services import services
from web.submit import submit
from web.tables import wants_csv
from workers.commands import ChangeOrderStatus, CreateOrder

blueprint = APIBlueprint("orders", __name__, tag="Orders")

# A JSON number carries this exactly, to the cent.
_MAX_TOTAL = Decimal(10) ** 13


@blueprint.post("/api/pms/orders")
@needs("write")
@blueprint.input(OrderIn, arg_name="body")
@blueprint.output(OperationOut, status_code=202)
def create_order(body: OrderIn) -> Response:
    """Accept an order.

    The order can be read at once, as `queued`. Then all its items are reserved and it is
    `pending`, or none is and it is `rejected`, with the reason. One whose operation was given up
    (`processing-failed`) is `pending` after all once a retry of that operation succeeds. Names and
    prices are those of the moment of acceptance.
    """

    command = CreateOrder(order_id=uuid7())

    def order(prices: Prices) -> NewOrder:
        return orders.draft(
            command.order_id,
            customer_id=body.customer_id,
            shipping_address=body.shipping_address,
            currency=services().settings.shop_currency,
            items=_priced(prices, body),
        )

    named = frozenset(item.product_id for item in body.items)
    return submit(command, unknown=not_found("order"), products=named, order=order)


def _priced(known: Prices, body: OrderIn) -> list[tuple[UUID, str, int, Decimal]]:
    """The items with the names and prices of now.

    Raises:
        Invalid: a product is not there, or the total is beyond all measure.
    """
    unknown = [
        (f"/items/{line}/productId", "there is no such product")
        for line, item in enumerate(body.items)
        if item.product_id not in known
    ]
    if unknown:
        raise Invalid(*unknown)
    priced = [
        (item.product_id, known[item.product_id].name, item.quantity, known[item.product_id].price)
        for item in body.items
    ]
    if sum(quantity * price for _, _, quantity, price in priced) >= _MAX_TOTAL:
        raise Invalid(("/items", f"the total must be less than {_MAX_TOTAL}"))
    return priced


@blueprint.patch("/api/pms/orders/<id:order_id>/status")
@needs("write")
@blueprint.input(OrderStatusIn, arg_name="body")
@blueprint.output(OperationOut, status_code=202)
def change_status(order_id: UUID, body: OrderStatusIn) -> Response:
    """Take an order one step on.

    `pending → confirmed → processing → shipped → delivered`, or `cancelled` before it is
    shipped. The same status again is a success that changes nothing; anything else is refused
    (`invalid-transition`, with `allowedTransitions`).
    """

    command = ChangeOrderStatus(order_id=order_id, status=body.status)
    return submit(command, unknown=not_found("order"))


@blueprint.get("/api/pms/orders/<id:order_id>")
@needs("read")
@blueprint.output(OrderOut)
def read_order(order_id: UUID) -> Response:
    """An order with its items and transitions."""
    with services().database.statement() as connection:
        found = orders.find(connection, order_id)
    if found is None:
        raise not_found("order")
    return json_response(OrderOut.model_validate(found))


@blueprint.get("/api/pms/orders")
@needs("read")
@blueprint.input(OrdersQuery, location="query", arg_name="query")
@blueprint.output(OrderPage)
def list_orders(query: OrdersQuery) -> Response:
    """Orders, newest first; as CSV, a row for each item, with `Accept: text/csv`."""
    place = decode_cursor(query.cursor, UUID)
    if query.from_ is not None and query.to is not None and query.from_ > query.to:
        raise Invalid(("?to", "must not be before from"))
    wanted = {
        "status": query.status,
        "customer_id": query.customer_id,
        "since": query.from_,
        "until": query.to,
    }
    if wants_csv():
        return exports.orders(services().database, **wanted)
    with services().database.statement() as connection:
        rows = orders.page(
            connection,
            limit=query.limit + 1,
            before=place[0] if place else None,
            **wanted,
        )
    page = cut(rows, query.limit, lambda row: [str(row["id"])])
    return json_response(OrderPage.model_validate(page))

"""Products: written at once, read from the cache."""

import hashlib
from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

import orjson
from apiflask import APIBlueprint
from flask import Response, request
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from db.errors import broken_constraint
from db.models.product import Product
from db.models.stream import product_stream
from db.queries import products, streams
from web import exports
from web.answers import JsonResponse, json_response
from web.auth import needs
from web.cache import Cached
from web.errors import Problem, not_found
from web.facts import request_id
from web.idempotency import answer_once
from web.outbox import Told, outbox
from web.product_pages import page_of, place_of
from web.schemas.base import answer
from web.schemas.products import (
    CHANGED,
    CREATED,
    LISTED,
    PUBLISHED,
    READ,
    ProductIn,
    ProductOut,
    ProductPage,
    ProductPatch,
    ProductsQuery,
    PublishIn,
)
from web.services import services
from web.tables import wants_csv
from workers.commands import CheckAlerts
from workers.dispatch import record
from workers.events import ProductChanged

blueprint = APIBlueprint("products", __name__, tag="Products")

# What decides, beside the stock, whether a product deserves an alert.
_ALERTING = {"low_stock_threshold", "status"}


@blueprint.post("/api/pms/products")
@needs("write")
@blueprint.input(ProductIn, arg_name="body")
@blueprint.output(ProductOut, status_code=201)
@blueprint.doc(responses=CREATED)
def create_product(body: ProductIn) -> Response:
    """Create a product.

    It begins as a draft. Its category comes to exist with it, if it is the first of it. A SKU
    that another product has is refused (`409`, `sku-taken`).
    """
    values = body.model_dump()

    def create(connection: Connection) -> tuple[Product, Collection[str]]:
        return products.insert(connection, id=uuid7(), **values), values

    return _write(create, status=201)


@blueprint.patch("/api/pms/products/<id:product_id>")
@needs("write")
@blueprint.input(ProductPatch, arg_name="body")
@blueprint.output(ProductOut)
@blueprint.doc(responses=CHANGED)
def update_product(product_id: UUID, body: ProductPatch) -> Response:
    """Change a product.

    Fields that are not given stay as they are; `null` takes the SKU away. With `If-Match` only
    the version with that `ETag` is changed (else `412`). The version grows only if something
    really changes.
    """
    return _change(product_id, body.model_dump(exclude_unset=True))


@blueprint.put("/api/pms/products/<id:product_id>/publish")
@needs("write")
@blueprint.input(PublishIn, arg_name="body")
@blueprint.output(ProductOut)
@blueprint.doc(responses=PUBLISHED)
def publish_product(product_id: UUID, body: PublishIn) -> Response:
    """Publish a product.

    Once more on a published one changes nothing. `If-Match` holds as for a change.
    """
    return _change(product_id, {"status": body.status})


@blueprint.get("/api/products")
@needs("read")
@blueprint.input(ProductsQuery, location="query", arg_name="query")
@blueprint.output(ProductPage)
@blueprint.doc(responses=LISTED)
def list_products(query: ProductsQuery) -> Response:
    """Products in the order asked for, newest first unless told otherwise.

    Answered from a cache that every write empties; `X-Cache` says `hit` or `miss`. A `cursor`
    goes on in the same `sort` only. As CSV, all of them, with `Accept: text/csv`.
    """
    after = place_of(query)
    if wants_csv():
        return exports.products(
            services().database,
            sort=query.sort,
            status=query.status,
            category_id=query.category_id,
            part=query.q,
        )
    name = hashlib.sha256(answer(query)).hexdigest()
    found = services().cache.listing(name, lambda connection: page_of(connection, query, after))
    return JsonResponse(found.body, 200, [_x_cache(found)])


@blueprint.get("/api/products/<id:product_id>")
@needs("read")
@blueprint.output(ProductOut)
@blueprint.doc(responses=READ)
def read_product(product_id: UUID) -> Response:
    """A product as it stands.

    Answered from a cache that every write outdates; `X-Cache` says `hit` or `miss`. With
    `If-None-Match` of the current `ETag` the answer is an empty `304`.
    """
    found = services().cache.product(product_id)
    if found is None:
        raise not_found("product")
    _require_match(found.version)
    headers = [
        ("ETag", _etag(found.version)),
        # A browser may keep it, but has to ask each time whether it is still current.
        ("Cache-Control", "private, no-cache"),
        _x_cache(found),
    ]
    if "If-None-Match" in request.headers and request.if_none_match.contains_weak(
        str(found.version)
    ):
        return Response(status=304, headers=headers)
    return JsonResponse(found.body, 200, headers)


def _change(product_id: UUID, wanted: dict[str, Any]) -> Response:
    def change(connection: Connection) -> tuple[Product, Collection[str]]:
        product = products.lock(connection, product_id)
        if product is None:
            raise not_found("product")
        _require_match(product.version)
        changes = product.changes_from(wanted)
        if changes:
            product = products.update(connection, product_id, changes)
        return product, changes

    return _write(change)


def _write(
    write: Callable[[Connection], tuple[Product, Collection[str]]], status: int = 200
) -> Response:
    """Write a product once per idempotency key, tell of it, and outdate what is cached.

    Args:
        write: gives the product as it stands then, and the names of what changed.
        status: of the answer.
    """
    told: list[Told] = []
    review = False

    def make(connection: Connection) -> Response:
        nonlocal review
        try:
            product, changed = write(connection)
        except IntegrityError as error:
            raise _refusal(error) from None
        if changed:
            told.append(_event(product))
            streams.write(connection, told, product.updated_at)
        if product.version > 1 and not _ALERTING.isdisjoint(changed):
            review = True
            record(connection, CheckAlerts(product_id=product.id), request_id=request_id())
        return _response(product, status)

    response, _ = answer_once(make)
    # Also after a replay: the process that made the answer may have died just before this.
    written = _body_of(response)
    services().cache.changed(UUID(written["id"]), written["version"])
    if told:
        outbox.tell(told)
    if review:
        services().waker.ask()
    return response


def _event(product: Product) -> Told:
    event = ProductChanged(
        product_id=product.id,
        status=product.status,
        version=product.version,
        updated_at=product.updated_at,
    )
    return product_stream(product.id), product.version, event.name, event.as_json()


def _refusal(error: IntegrityError) -> Exception:
    if broken_constraint(error) != "uq_products_sku":
        return error
    detail = "Another product has this SKU."
    errors = [{"pointer": "/sku", "detail": "is another product's"}]
    return Problem(409, "sku-taken", detail, errors=errors)


def _require_match(version: int) -> None:
    """Go on only if the request's conditions hold (RFC 9110, section 13.2.2).

    Raises:
        Problem: 412.
    """
    etag = str(version)
    lost = "If-Match" in request.headers and not request.if_match.contains(etag)
    if request.method not in ("GET", "HEAD"):
        lost = lost or request.if_none_match.contains_weak(etag)
    if lost:
        detail = f"The product's version is {version}, which the request's condition excludes."
        headers = {"ETag": _etag(version)}
        raise Problem(412, "precondition-failed", detail, headers=headers, version=version)


def _response(product: Product, status: int) -> Response:
    headers = [("ETag", _etag(product.version))]
    if status == 201:
        headers.append(("Location", f"/api/products/{product.id}"))
    return json_response(ProductOut.model_validate(product), status, headers)


def _body_of(response: Response) -> Any:
    return orjson.loads(response.get_data())


def _x_cache(found: Cached) -> tuple[str, str]:
    return "X-Cache", "hit" if found.hit else "miss"


def _etag(version: int) -> str:
    return f'"{version}"'

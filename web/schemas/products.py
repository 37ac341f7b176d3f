"""Products on the wire."""

from typing import Any, Literal
from uuid import UUID

from pydantic import MISSING, Field

from web.schemas.base import (
    CURSOR,
    Body,
    LongText,
    Money,
    MoneyOut,
    Out,
    PageQuery,
    ShortText,
    Time,
    text_type,
    whole_type,
)

Sku = text_type(100, 1)
Threshold = whole_type(0, 1_000_000_000)
MOST_IMAGES, LONGEST_IMAGE = 50, 2_000
ImageUrl = text_type(LONGEST_IMAGE, 1)
ProductStatus = Literal["draft", "published"]
Sort = Literal["name", "-name", "price", "-price", "createdAt", "-createdAt"]


class ProductIn(Body):
    """A new product; it begins as a draft."""

    name: ShortText
    description: LongText
    price: Money
    category_id: ShortText
    images: list[ImageUrl] = Field(max_length=MOST_IMAGES)  # type: ignore[valid-type]
    sku: Sku | None = Field(default=None, description="Unique, if there is one")
    low_stock_threshold: Threshold = Field(
        default=5, description="At this stock and below an alert is raised"
    )


class ProductPatch(Body):
    """What is to change; all else stays as it is, and only the SKU can be taken away."""

    name: ShortText | MISSING = MISSING  # type: ignore[valid-type]
    description: LongText | MISSING = MISSING  # type: ignore[valid-type]
    price: Money | MISSING = MISSING  # type: ignore[valid-type]
    category_id: ShortText | MISSING = MISSING  # type: ignore[valid-type]
    images: list[ImageUrl] | MISSING = Field(  # type: ignore[valid-type]
        default=MISSING, max_length=MOST_IMAGES
    )
    sku: Sku | MISSING | None = MISSING  # type: ignore[valid-type]
    low_stock_threshold: Threshold | MISSING = MISSING  # type: ignore[valid-type]


class PublishIn(Body):
    """The one step that a product goes."""

    status: Literal["published"]


class ProductOut(Out):
    """A product as it stands; its stock is told elsewhere."""

    id: UUID
    sku: str | None
    name: str
    description: str
    price: MoneyOut
    category_id: str
    images: list[str]
    status: ProductStatus
    low_stock_threshold: int
    version: int = Field(description="Grows by one with each change; it is the ETag")
    created_at: Time
    updated_at: Time


class ProductsQuery(PageQuery):
    """Which products, in which order."""

    status: ProductStatus | None = None
    category_id: ShortText | None = None
    q: text_type(200) | None = Field(  # type: ignore[valid-type]
        default=None, description="Part of the name or of the SKU, in any case"
    )
    sort: Sort = "-createdAt"
    # A cursor carries the name that it continues after.
    cursor: str | None = Field(
        default=None,
        max_length=2_000,
        pattern=CURSOR,
        description="`nextCursor` of the page before, which had the same `sort`",
    )


class ProductPage(Out):
    """Products in the order asked for."""

    items: list[ProductOut]
    next_cursor: str | None


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": schema}},
    }


def _header(description: str, **schema: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string", **schema}}


_ETAG = {"ETag": _header("The product's version, in quotes")}
_CACHE = {"X-Cache": _header("Where the answer came from", enum=["hit", "miss"])}
_PLACE = {"Location": _header("Where the product can be read", format="uri-reference")}

# What the routes answer beyond what is true of all of them.
CREATED: dict[int | str, Any] = {
    201: {"headers": _ETAG | _PLACE},
    409: _problem("Another product has this SKU"),
}
CHANGED: dict[int | str, Any] = {
    200: {"headers": _ETAG},
    409: _problem("Another product has this SKU"),
    412: _problem("The product has another version than `If-Match` names"),
}
PUBLISHED = {status: answer for status, answer in CHANGED.items() if status != 409}
READ: dict[int | str, Any] = {
    200: {"headers": _ETAG | _CACHE},
    304: {"description": "Still as `If-None-Match` names it", "headers": _ETAG | _CACHE},
    412: CHANGED[412],
}
LISTED: dict[int | str, Any] = {200: {"headers": _CACHE}}

"""Bulks on the wire: many adjustments at once, and those of them that were refused."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from web.schemas.base import Body, Id, Out, QueryFlag, text_type, whole_type
from web.schemas.operations import Failure
from web.schemas.products import Sku


class BulkRowIn(Body):
    """Units to add to the stock of a product, named by its id or its SKU, or to take out of it."""

    product_id: Id | None = None
    sku: Sku | None = None
    quantity: whole_type(1, 1_000_000_000)  # type: ignore[valid-type]
    type: Literal["increment", "decrement"]
    reason: text_type(500) | None = Field(  # type: ignore[valid-type]
        default=None, description="Why, for the ledger"
    )
    reference: text_type(200) | None = Field(  # type: ignore[valid-type]
        default=None, description="The client's own reference"
    )


class BulkQuery(Body):
    """How to adjust."""

    atomic: QueryFlag = Field(
        default=False, description="All rows or none, in one turn; at most 1,000 of them"
    )
    dry_run: QueryFlag = Field(default=False, description="Say what would happen, and do nothing")


class RefusedOut(Out):
    """A row that was refused."""

    row: int = Field(
        description="Its number: in JSON its place, from 0; in CSV its row, the heading being 1"
    )
    product_id: UUID
    sku: str | None
    quantity: int
    type: Literal["increment", "decrement"]
    reason: str | None
    reference: str | None
    problem: Failure


class RefusedPage(Out):
    """The refused rows of a bulk, in their order."""

    items: list[RefusedOut]
    next_cursor: str | None


# The columns of a bulk in CSV, and the fields that they fill. Those of the list of refused rows
# beyond them are passed over, so that the list can be mended and sent again.
COLUMNS = {
    "productId": "productId",
    "sku": "sku",
    "quantity": "quantity",
    "type": "type",
    "reason": "reason",
    "reference": "reference",
    "row": "",
    "code": "",
    "detail": "",
}
NEEDED = (("productId", "sku"), ("quantity",), ("type",))

"""Stock on the wire."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from web.schemas.base import (
    Body,
    Id,
    Out,
    PageQuery,
    QueryFlag,
    QueryTime,
    Time,
    text_type,
    whole_type,
)

_Reason = text_type(500)
_Reference = text_type(200)
_Stock = whole_type(0, 10**12)


class AdjustmentIn(Body):
    """Units to add to a product's stock or to take out of it."""

    product_id: Id
    quantity: whole_type(1, 1_000_000_000)  # type: ignore[valid-type]
    type: Literal["increment", "decrement"]
    reason: _Reason | None = Field(default=None, description="Why, for the ledger")
    reference: _Reference | None = Field(default=None, description="The client's own reference")
    expected_stock: _Stock | None = Field(
        default=None, description="Refuse (`stock-changed`) unless this is the stock at its turn"
    )


class AdjustmentQuery(Body):
    """How to adjust."""

    dry_run: QueryFlag = Field(default=False, description="Say what would happen, and do nothing")


class CountIn(Body):
    """What was counted of a product."""

    product_id: Id
    counted: _Stock
    reason: text_type(500, 1) = Field(  # type: ignore[valid-type]
        description="Why it was counted, for the ledger"
    )
    expected_stock: _Stock | None = Field(
        default=None, description="Refuse (`stock-changed`) unless this is the stock at its turn"
    )


class StockQuery(Body):
    """When."""

    at: QueryTime | None = Field(default=None, description="As of this time; now unless given")


class StockOut(Out):
    """What is in the house of a product, and what can be sold of it."""

    product_id: UUID
    stock: int = Field(description="What can be sold: `onHand` less `reserved`")
    on_hand: int = Field(description="Units in the house")
    reserved: int = Field(description="Units that accepted orders hold")
    low_stock_threshold: int
    version: int = Field(description="Grows by one with each change")
    updated_at: Time


class StockItemOut(StockOut):
    """A product and what is in the house of it."""

    sku: str | None
    name: str


class StockPage(Out):
    """The stock of all products, the newest product first."""

    items: list[StockItemOut]
    next_cursor: str | None


MovementKind = Literal["adjustment", "count", "reservation", "release", "shipment", "repair"]


class MovementsQuery(PageQuery):
    """Which rows of the ledger; ``to`` is excluded."""

    product_id: Id | None = Field(
        default=None,
        description="Newest first; without it all products, one after the other, oldest first",
    )
    kind: MovementKind | None = None
    from_: QueryTime | None = Field(
        default=None, alias="from", description="Made at this time or later"
    )
    to: QueryTime | None = Field(default=None, description="Made before this time")


class MovementOut(Out):
    """A row of the ledger, with both balances after it."""

    product_id: UUID
    version: int
    kind: MovementKind
    on_hand_change: int
    reserved_change: int
    on_hand: int
    reserved: int
    reason: str | None
    reference: str | None
    operation_id: UUID
    request_id: str | None = Field(description="Of the request that asked for it")
    key_name: str | None = Field(description="The name of the API key that asked for it")
    created_at: Time


class MovementPage(Out):
    """Rows of the ledger."""

    items: list[MovementOut]
    next_cursor: str | None

"""Stock on the wire."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from web.schemas.base import Body, Id, Out, PageQuery, QueryFlag, QueryTime, Time, Whole, text_type

_Reason = text_type(500)
_Reference = text_type(200)


class AdjustmentIn(Body):
    """Units to add to a product's stock or to take out of it."""

    product_id: Id
    quantity: Whole = Field(ge=1, le=1_000_000_000)
    type: Literal["increment", "decrement"]
    reason: _Reason | None = None
    reference: _Reference | None = None
    expected_stock: Whole | None = Field(default=None, ge=0, le=10**12)


class AdjustmentQuery(Body):
    """How to adjust."""

    dry_run: QueryFlag = False


class CountIn(Body):
    """What was counted of a product."""

    product_id: Id
    counted: Whole = Field(ge=0, le=1_000_000_000)
    reason: _Reason | None = None
    expected_stock: Whole | None = Field(default=None, ge=0, le=10**12)


class StockQuery(Body):
    """When."""

    at: QueryTime | None = None


class StockOut(Out):
    """What is in the house of a product, and what can be sold of it."""

    product_id: UUID
    stock: int
    on_hand: int
    reserved: int
    low_stock_threshold: int
    version: int
    updated_at: Time


class MovementsQuery(PageQuery):
    """Which rows of the ledger."""

    product_id: Id


class MovementOut(Out):
    """A row of the ledger, with both balances after it."""

    product_id: UUID
    version: int
    kind: str
    on_hand_change: int
    reserved_change: int
    on_hand: int
    reserved: int
    reason: str | None
    reference: str | None
    operation_id: UUID
    created_at: Time


class MovementPage(Out):
    """The ledger of a product, newest first."""

    items: list[MovementOut]
    next_cursor: str | None

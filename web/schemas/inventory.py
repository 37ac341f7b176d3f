"""Stock on the wire."""

from typing import Literal
from uuid import UUID

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
    reason: _Reason | None = None
    reference: _Reference | None = None
    expected_stock: _Stock | None = None


class AdjustmentQuery(Body):
    """How to adjust."""

    dry_run: QueryFlag = False


class CountIn(Body):
    """What was counted of a product."""

    product_id: Id
    counted: whole_type(0, 1_000_000_000)  # type: ignore[valid-type]
    reason: _Reason | None = None
    expected_stock: _Stock | None = None


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

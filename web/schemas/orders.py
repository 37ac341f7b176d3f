"""Orders on the wire."""

from typing import Any, Literal
from uuid import UUID

from pydantic import Field, computed_field

from db.models.order import STATUSES, TRANSITIONS
from web.schemas.base import (
    Body,
    Id,
    MoneyOut,
    Out,
    PageQuery,
    QueryTime,
    ShortText,
    Time,
    text_type,
    whole_type,
)

OrderStatus = Literal[STATUSES]  # type: ignore[valid-type]


class OrderItemIn(Body):
    """So many units of a product."""

    product_id: Id
    quantity: whole_type(1, 1_000_000_000)  # type: ignore[valid-type]


class OrderIn(Body):
    """What a customer wants, and where it goes."""

    items: list[OrderItemIn] = Field(min_length=1, max_length=200)
    customer_id: ShortText
    shipping_address: text_type(2_000, 1)  # type: ignore[valid-type]


class OrderStatusIn(Body):
    """The next step."""

    status: Literal["confirmed", "processing", "shipped", "delivered", "cancelled"]


class OrderItemOut(Out):
    """An item, with the name and the price of the moment when the order was accepted."""

    product_id: UUID
    name: str
    quantity: int
    unit_price: MoneyOut
    line_total: MoneyOut


class TransitionOut(Out):
    """A step that the order has gone."""

    from_status: OrderStatus = Field(alias="from")
    to_status: OrderStatus = Field(alias="to")
    operation_id: UUID
    request_id: str | None = Field(description="Of the request that asked for it")
    key_name: str | None = Field(description="The name of the API key that asked for it")
    at: Time


class OrderOut(Out):
    """An order as it stands."""

    id: UUID
    status: OrderStatus
    items: list[OrderItemOut]
    total: MoneyOut
    currency: str
    customer_id: str
    shipping_address: str
    reason: dict[str, Any] | None
    transitions: list[TransitionOut]
    version: int
    created_at: Time
    updated_at: Time

    @computed_field(description="The steps that it can be told to go")  # type: ignore[prop-decorator]
    @property
    def allowed_transitions(self) -> list[OrderStatus]:
        """A queued order's next step is the service's own."""
        return [] if self.status == "queued" else list(TRANSITIONS[self.status])


class OrdersQuery(PageQuery):
    """Which orders; times are those of acceptance, ``to`` excluded."""

    status: OrderStatus | None = None
    customer_id: ShortText | None = None
    from_: QueryTime | None = Field(
        default=None, alias="from", description="Accepted at this time or later"
    )
    to: QueryTime | None = Field(default=None, description="Accepted before this time")


class OrderPage(Out):
    """Orders, newest first."""

    items: list[OrderOut]
    next_cursor: str | None

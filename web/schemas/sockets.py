"""Socket messages on the wire: what clients send, what they are answered."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictStr
from pydantic.alias_generators import to_camel


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class StreamTopic(_Message):
    """A whole stream: the system's, or that of the key's own operations."""

    # The member that a plain string stands for.
    named: ClassVar[str | None] = None

    since: StrictStr | None = Field(
        default=None, max_length=100, description="a cursor; what was missed since is sent first"
    )


class ProductTopic(StreamTopic):
    """A product: its stock or its data. A plain string means the same as `{productId}`."""

    named: ClassVar[str | None] = "productId"
    product_id: StrictStr = Field(max_length=200)


class OrderTopic(StreamTopic):
    """An order. A plain string means the same as `{orderId}`."""

    named: ClassVar[str | None] = "orderId"
    order_id: StrictStr = Field(max_length=200)


class OperationTopic(StreamTopic):
    """An operation. A plain string means the same as `{operationId}`."""

    named: ClassVar[str | None] = "operationId"
    operation_id: StrictStr = Field(max_length=200)


# What can be subscribed to: every `subscribe_…` and `unsubscribe_…` that there is.
TOPICS: dict[str, tuple[str, type[StreamTopic]]] = {
    "inventory": ("A product's stock: `inventory_update`", ProductTopic),
    "order": ("An order: `order_status`", OrderTopic),
    "product": ("A product's data: `product_update`", ProductTopic),
    "operation": ("An operation, whoever submitted it: `operation_update`", OperationTopic),
    "operations": ("All operations of one's own key: `operation_update`", StreamTopic),
    "system": ("What everybody should know: `system_alert`", StreamTopic),
}


class SubscribedAck(_Answer):
    """Acknowledges a subscription: no event lies between the snapshot and the next one."""

    ok: Literal[True] = True
    snapshot: dict[str, Any] = Field(description="the REST resource, with its `position`")
    cursor: str = Field(description="the place in the stream that belongs to the snapshot")
    position: int
    recovered: bool | None = Field(
        default=None,
        description="with `since` only: whether all that was missed has been sent",
    )


class UnsubscribedAck(_Answer):
    """Acknowledges the end of a subscription; who never had it is out all the same."""

    ok: Literal[True] = True


ErrorCode = Literal[
    "invalid",
    "unknown-event",
    "unknown-product",
    "unknown-order",
    "unknown-operation",
    "forbidden",
    "rate-limited",
    "too-many-subscriptions",
    "not-recovered",
    "unavailable",
    "internal",
]


class ErrorAck(_Answer):
    """Acknowledges a message that was refused; the connection stays."""

    error: ErrorCode
    detail: str | None = None
    retry_after: int | None = Field(default=None, description="seconds")


class RequestError(ErrorAck):
    """The same without an acknowledgement, as the event `request_error`."""

    event: str | None = Field(description="the message that was refused; null if unreadable")


class EventPlace(BaseModel):
    """What every event carries beside its data."""

    cursor: str
    position: int

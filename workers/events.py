"""Events: what clients are told. Each class is one socket event, and the schema of its data."""

from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar, Literal
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Event(BaseModel):
    """A fact, committed with its change under the next number of its stream."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )
    name: ClassVar[str]

    def as_json(self) -> str:
        """Its data as JSON, written once for the database and for all clients."""
        aliases = _aliases(type(self))
        told = {aliases[name]: value for name, value in self.__dict__.items() if value is not None}
        return orjson.dumps(told, default=_nested, option=orjson.OPT_UTC_Z).decode()


@lru_cache
def _aliases(event: type[Event]) -> dict[str, str]:
    return {name: field.alias or name for name, field in event.model_fields.items()}


def _nested(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    raise TypeError(f"events cannot tell of {type(value).__name__}")


class StockAdjusted(Event):
    """A product's stock has changed, once."""

    name: ClassVar = "inventory_update"
    product_id: UUID
    stock: int
    on_hand: int
    reserved: int
    version: int
    reason: str
    operation_id: UUID


class OrderMoved(Event):
    """An order has gone one step."""

    name: ClassVar = "order_status"
    order_id: UUID
    status: str
    previous_status: str
    operation_id: UUID
    reason: dict[str, Any] | None = None


class ProductChanged(Event):
    """A product was created, edited or published."""

    name: ClassVar = "product_update"
    product_id: UUID
    status: str
    version: int
    updated_at: datetime


class Progress(BaseModel):
    """How far an operation of many rows is."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    done: int
    total: int


class OperationUpdated(Event):
    """An operation has its one end, or one of many rows, still `queued`, is further."""

    name: ClassVar = "operation_update"
    operation_id: UUID
    kind: str
    status: Literal["queued", "succeeded", "failed", "dead"]
    attempts: int
    progress: Progress | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    order_id: UUID | None = None
    product_id: UUID | None = None
    finished_at: datetime | None = None
    request_id: str | None


Component = Literal["database", "redis", "workers", "beat"]


class SystemAlerted(Event):
    """Something that everybody should know.

    The last three types are for operators: each is told once per cause, and once more, with
    `resolved`, when it is over.
    """

    name: ClassVar = "system_alert"
    type: Literal[
        "low_stock",
        "out_of_stock",
        "stock_recovered",
        "operation_dead",
        "integrity",
        "component_away",
    ]
    message: str
    product_id: UUID | None = None
    stock: int | None = None
    threshold: int | None = None
    operation_id: UUID | None = None
    component: Component | None = None
    resolved: Literal[True] | None = None


EVENTS: dict[str, type[Event]] = {
    event.name: event
    for event in (StockAdjusted, OrderMoved, ProductChanged, OperationUpdated, SystemAlerted)
}

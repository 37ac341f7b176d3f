"""Alerts on the wire: those of stock, and what operators are told."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from db.models.operator_alert import OperatorAlertType
from web.schemas.base import Id, Out, PageQuery, Time
from workers.events import Component


class SystemAlertsQuery(PageQuery):
    """Which page of what operators were told."""

    status: Literal["open", "resolved", "all"] = Field(
        default="open", description="Those that last, those that are over, or both"
    )


class AlertsQuery(SystemAlertsQuery):
    """Which page of the stock alerts."""

    product_id: Id | None = Field(default=None, description="Only those of this product")


class AlertOut(Out):
    """A product whose stock is at or below its threshold, or was."""

    id: UUID
    product_id: UUID
    name: str
    severity: Literal["low_stock", "out_of_stock"]
    stock: int = Field(description="When it was last looked at; of a past one: that ended it")
    threshold: int
    raised_at: Time
    raised_by: UUID = Field(description="The operation that caused it")
    resolved_at: Time | None
    resolved_by: UUID | None = Field(description="The operation that ended it")


class AlertPage(Out):
    """Stock alerts, newest first."""

    items: list[AlertOut]
    next_cursor: str | None


class SystemAlertOut(Out):
    """What operators were told: an operation that was given up, a difference, an absence."""

    id: UUID
    type: OperatorAlertType
    message: str
    component: Component | None
    product_id: UUID | None
    operation_id: UUID | None
    raised_at: Time
    resolved_at: Time | None
    resolved_by: UUID | None = Field(description="The operation that tries the dead one again")


class SystemAlertPage(Out):
    """What operators were told, newest first."""

    items: list[SystemAlertOut]
    next_cursor: str | None

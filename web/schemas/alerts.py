"""Stock alerts on the wire."""

from typing import Literal
from uuid import UUID

from web.schemas.base import Out, PageQuery, Time


class AlertsQuery(PageQuery):
    """Which page of the open alerts."""


class AlertOut(Out):
    """A product whose stock is at or below its threshold."""

    id: UUID
    product_id: UUID
    name: str
    severity: Literal["low_stock", "out_of_stock"]
    stock: int
    threshold: int
    raised_at: Time


class AlertPage(Out):
    """Open alerts, newest first."""

    items: list[AlertOut]
    next_cursor: str | None

"""The things of a shop, each with its table and with the rules that concern it alone."""

from db.models import (
    alert,
    api_key,
    bulk,
    idempotency,
    installation,
    operation,
    operator_alert,
    order,
    product,
    sales,
    schedule,
    stock,
    stream,
)

__all__ = [
    "alert",
    "api_key",
    "bulk",
    "idempotency",
    "installation",
    "operation",
    "operator_alert",
    "order",
    "product",
    "sales",
    "schedule",
    "stock",
    "stream",
]

"""Stock alerts: raised and resolved in the transaction that caused it; the clock finds the rest."""

from typing import Any

from uuid_utils.compat import uuid7

from db.models.alert import Alert, severity_of
from db.models.stock import StockLevel
from db.queries.alerts import products_to_review
from db.session import jobs_database
from tasks.integrity import look_again
from workers.book import Turn
from workers.broadcast import broadcast
from workers.clock import on_tick
from workers.commands import CheckAlerts
from workers.dispatch import record, wake
from workers.events import SystemAlerted
from workers.operators import tell_back
from workers.registry import handles

_SWEEP_LIMIT = 500


def review(level: StockLevel, turn: Turn) -> None:
    """Bring the product's alert in line with its level: raise, change or resolve it, and tell."""
    severity = severity_of(level)
    alert = turn.open_alert(level.product_id)
    if alert is None:
        if severity is None:
            return
        alert = Alert(
            id=uuid7(),
            product_id=level.product_id,
            severity=severity,
            stock=level.available,
            threshold=level.threshold,
            raised_at=turn.now,
            raised_by=turn.operation.id,
        )
        turn.raise_alert(alert)
        turn.alerted(_event(level, severity))
        return
    if severity is None:
        alert.resolved_at, alert.resolved_by = turn.now, turn.operation.id
        turn.alerted(_event(level, "stock_recovered"))
    elif severity != alert.severity:
        alert.severity = severity
        turn.alerted(_event(level, severity))
    alert.stock, alert.threshold = level.available, level.threshold


_MESSAGES = {
    "low_stock": "{name} is low: {stock} left, threshold {threshold}.",
    "out_of_stock": "{name} is out of stock.",
    "stock_recovered": "{name} is back: {stock} in stock.",
}


def _event(level: StockLevel, kind: Any) -> SystemAlerted:
    message = _MESSAGES[kind].format(
        name=level.name, stock=level.available, threshold=level.threshold
    )
    return SystemAlerted(
        type=kind,
        message=message,
        product_id=level.product_id,
        stock=level.available,
        threshold=level.threshold,
    )


@handles(CheckAlerts)
def check_alerts(command: CheckAlerts, turn: Turn) -> dict[str, Any]:
    """Look again: the threshold or the status of the product has changed, not its stock."""
    level = turn.stock(command.product_id)
    review(level, turn)
    return {"productId": str(level.product_id), "stock": level.available}


# The web tells when a component is back; this long after nobody has seen it away any more, none
# of the web processes that knew of it is left.
_FORGOTTEN_SECONDS = 30.0


@on_tick("alerts.sweep")
def sweep_alerts() -> int:
    """Find what no transaction could: alerts that do not fit, and such as nobody resolved.

    Products whose alert does not fit their stock are looked at by the line.

    Returns:
        How many were found.
    """
    with jobs_database().transaction() as connection:
        found = products_to_review(connection, _SWEEP_LIMIT)
        for product_id in found:
            record(connection, CheckAlerts(product_id=product_id))
        told = tell_back(connection, None, _FORGOTTEN_SECONDS)
    broadcast(told)
    look_again(jobs_database())
    if found:
        wake()
    return len(found)

"""What operators are told: once per cause, and again when it is over.

Both are a `system_alert` of the same `type`; the one that ends it says `resolved: true`.
"""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from db.models.operator_alert import (
    COMPONENT_AWAY,
    INTEGRITY,
    OPERATION_DEAD,
    OperatorAlertType,
)
from db.models.stream import SYSTEM
from db.queries import operator_alerts, products
from db.queries.operator_alerts import Over
from workers.events import Component, SystemAlerted
from workers.tell import Told, tell, tell_all

_IS_AWAY: dict[Component, str] = {
    "database": "The database is away: nothing is accepted.",
    "redis": "Redis is away: operations are accepted and wait.",
    "workers": "No worker is at work: operations are accepted and wait.",
    "beat": "The clock is away: what is stranded stays so, and rollups age.",
}
_IS_BACK: dict[Component, str] = {
    "database": "The database is back",
    "redis": "Redis is back",
    "workers": "Workers are at work again",
    "beat": "The clock is back",
}


def dead_alert(operation_id: UUID, kind: str) -> SystemAlerted:
    """What is told of an operation that was given up."""
    message = f"Operation {operation_id} ({kind}) was given up."
    return SystemAlerted(type=OPERATION_DEAD, message=message, operation_id=operation_id)


def tell_dead(connection: Connection, operation_id: UUID, kind: str) -> Told:
    """An operation was given up, outside of the line."""
    return _raise(connection, str(operation_id), dead_alert(operation_id, kind))


def tell_retried(connection: Connection, operation_ids: Sequence[UUID]) -> Told:
    """Somebody tries operations again that were given up.

    Every batch of the line waits for this to be committed: whatever else there is to do is done
    before.
    """

    def message(over: Over) -> str:
        return f"Operation {over.cause} is tried again."

    return _resolve(connection, OPERATION_DEAD, [str(one) for one in operation_ids], message)


def tell_away(connection: Connection, component: Component, since: float, seen: float) -> Told:
    """A component is away, or still is.

    Args:
        connection: in the caller's transaction.
        component: which.
        since: how many seconds ago it went.
        seen: how many seconds ago it was last seen to be away.
    """
    alert = SystemAlerted(type=COMPONENT_AWAY, message=_IS_AWAY[component], component=component)
    return _raise(connection, component, alert, since=since, seen=seen)


def tell_back(connection: Connection, component: Component | None, unseen: float) -> Told:
    """A component is back, or all are, unless somebody saw it away in the last few seconds."""

    def message(over: Over) -> str:
        return f"{_IS_BACK[over.cause]}, after {over.seconds:.0f} s."  # type: ignore[index]

    causes = None if component is None else [component]
    return _resolve(connection, COMPONENT_AWAY, causes, message, unseen=unseen)


def tell_difference(
    connection: Connection, cause: str, message: str, product_id: UUID | None
) -> Told:
    """Something in the database is not as it should be, or still is not."""
    alert = SystemAlerted(type=INTEGRITY, message=message, product_id=product_id)
    return _raise(connection, cause, alert)


def tell_whole(connection: Connection, cause: str | None, before: float | None = None) -> Told:
    """A difference is there no more, or none is that was last seen before a moment."""

    def message(over: Over) -> str:
        known = products.prices(connection, [over.product_id]) if over.product_id else {}
        names = [product.name for product in known.values()]
        return f"Mended: {names[0] if names else over.cause}."

    causes = None if cause is None else [cause]
    return _resolve(connection, INTEGRITY, causes, message, before=before)


def _raise(connection: Connection, cause: str, alert: SystemAlerted, **when: float) -> Told:
    kind: Any = alert.type
    is_new = operator_alerts.raise_or_renew(
        connection,
        kind,
        cause,
        alert.message,
        product_id=alert.product_id,
        operation_id=alert.operation_id,
        **when,
    )
    return tell(connection, SYSTEM, alert) if is_new else []


def _resolve(
    connection: Connection,
    kind: OperatorAlertType,
    causes: Sequence[str] | None,
    message: Callable[[Over], str],
    unseen: float = 0.0,
    before: float | None = None,
) -> Told:
    alerts = [
        SystemAlerted(
            type=kind,
            message=message(over),
            product_id=over.product_id,
            operation_id=over.operation_id,
            component=over.cause if kind == COMPONENT_AWAY else None,  # type: ignore[arg-type]
            resolved=True,
        )
        for over in operator_alerts.resolve(connection, kind, causes, unseen=unseen, before=before)
    ]
    return tell_all(connection, SYSTEM, alerts)

"""Operators' alerts: raised once per cause, renewed while it lasts, resolved once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, text
from uuid_utils.compat import uuid7

from db.models.operator_alert import OperatorAlertType

Wanted = Literal["open", "resolved", "all"]
STATUS: dict[Wanted, str] = {
    "open": "a.resolved_at IS NULL",
    "resolved": "a.resolved_at IS NOT NULL",
    "all": "true",
}


@dataclass(frozen=True, slots=True)
class Over:
    """An alert that has just been resolved; it was open for so many seconds."""

    cause: str
    product_id: UUID | None
    operation_id: UUID | None
    seconds: float


_RAISE = text("""
    INSERT INTO operator_alerts AS kept
        (id, type, cause, message, product_id, operation_id, raised_at, seen_at)
    VALUES (:id, :type, :cause, :message, :product_id, :operation_id,
            clock_timestamp() - make_interval(secs => :since),
            clock_timestamp() - make_interval(secs => :seen))
    ON CONFLICT (type, cause) WHERE resolved_at IS NULL
    DO UPDATE SET seen_at = greatest(kept.seen_at, excluded.seen_at)
    RETURNING id
""")


def raise_or_renew(
    connection: Connection,
    kind: OperatorAlertType,
    cause: str,
    message: str,
    *,
    product_id: UUID | None = None,
    operation_id: UUID | None = None,
    since: float = 0.0,
    seen: float = 0.0,
) -> bool:
    """Open the alert of a cause, or note that it lasts.

    Args:
        connection: in the caller's transaction.
        kind: of alert.
        cause: what there can be one open alert of.
        message: a sentence for a person.
        product_id: the product that it is about.
        operation_id: the operation that it is about.
        since: how many seconds ago it began.
        seen: how many seconds ago it was last seen.

    Returns:
        Whether it is new.
    """
    alert_id = uuid7()
    found = connection.execute(
        _RAISE,
        {
            "id": alert_id,
            "type": kind,
            "cause": cause,
            "message": message,
            "product_id": product_id,
            "operation_id": operation_id,
            "since": since,
            "seen": seen,
        },
    ).scalar_one()
    return bool(found == alert_id)


_RESOLVE = text("""
    UPDATE operator_alerts SET resolved_at = clock_timestamp()
    WHERE resolved_at IS NULL AND type = :type
      AND (CAST(:causes AS text[]) IS NULL OR cause = ANY(:causes))
      AND seen_at <= clock_timestamp() - make_interval(secs => :unseen)
      AND (CAST(:before AS float) IS NULL OR seen_at < to_timestamp(:before))
    RETURNING cause, product_id, operation_id,
              extract(epoch FROM greatest(seen_at, raised_at) - raised_at)::float
""")


def resolve(
    connection: Connection,
    kind: OperatorAlertType,
    causes: Sequence[str] | None,
    *,
    unseen: float = 0.0,
    before: float | None = None,
) -> list[Over]:
    """Resolve the open alerts of some causes, or all that have not been seen for a while.

    Args:
        connection: in the caller's transaction.
        kind: of alert.
        causes: whose; None for all of the kind.
        unseen: only if nobody has seen it lasting for so many seconds.
        before: only if it was last seen before this moment of `schedules.now`.
    """
    named = None if causes is None else list(causes)
    wanted = {"type": kind, "causes": named, "unseen": unseen, "before": before}
    return [Over(*row) for row in connection.execute(_RESOLVE, wanted)]


def open_causes(connection: Connection, kind: OperatorAlertType) -> dict[str, UUID | None]:
    """The causes of the open alerts of a kind, with the products that they are about."""
    found = connection.execute(
        text(
            "SELECT cause, product_id FROM operator_alerts"
            " WHERE resolved_at IS NULL AND type = :type"
        ),
        {"type": kind},
    )
    return {row[0]: row[1] for row in found}


def page(
    connection: Connection, *, limit: int, before: tuple[datetime, UUID] | None, wanted: Wanted
) -> list[dict[str, Any]]:
    """Operators' alerts, newest first.

    One about a dead operation is resolved by the operation that tries it again.

    Args:
        connection: in the caller's transaction.
        limit: how many at most.
        before: only those after this place in the list (``raised_at``, ``id``).
        wanted: which of them.
    """
    statement = text(f"""
        SELECT a.id, a.type, a.message, a.product_id, a.operation_id, a.raised_at, a.resolved_at,
               r.id AS resolved_by,
               CASE WHEN a.type = 'component_away' THEN a.cause END AS component
        FROM operator_alerts a
        LEFT JOIN operations r ON a.type = 'operation_dead' AND r.retry_of = a.operation_id
        WHERE {STATUS[wanted]}
        {"AND (a.raised_at, a.id) < (:raised_at, :id)" if before else ""}
        ORDER BY a.raised_at DESC, a.id DESC LIMIT :limit
    """)  # noqa: S608 - our own names
    place = {"raised_at": before[0], "id": before[1]} if before else {}
    found = connection.execute(statement, {"limit": limit, **place})
    return [dict(row) for row in found.mappings()]

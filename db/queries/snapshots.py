"""What sockets and waiters ask: how operations stand in their streams, which keys still live."""

from collections.abc import Collection
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from db.models.operation import Operation
from db.queries.operations import PROGRESS

_COLUMNS = ", ".join(f"o.{field.name}" for field in fields(Operation) if field.name != "progress")
_OPERATION = text(f"""
    SELECT s.head, {_COLUMNS}, {PROGRESS}
    FROM operations o LEFT JOIN streams s ON s.name = 'operations:' || o.api_key_id
    WHERE o.id = :id
""")  # noqa: S608 - our own names


def operation_in_stream(
    connection: Connection, operation_id: UUID
) -> tuple[Operation, int | None] | None:
    """An operation and the head of its key's stream, of the same moment.

    Returns:
        None if there is no such operation; its head is None if no stream tells its end.
    """
    row = connection.execute(_OPERATION, {"id": operation_id}).one_or_none()
    return (Operation(*row[1:]), row[0]) if row else None


def events_of_operation(
    connection: Connection, stream: str, operation_id: str, *, after: int, upto: int, limit: int
) -> list[tuple[str, int, str, dict[str, Any]]]:
    """The last events that tell of an operation in this part of its stream, in order."""
    found = connection.execute(
        text("""
            SELECT stream, position, name, data FROM events
            WHERE stream = :stream AND position > :after AND position <= :upto
              AND data ->> 'operationId' = :id
            ORDER BY position DESC LIMIT :limit
        """),
        {"stream": stream, "after": after, "upto": upto, "id": operation_id, "limit": limit},
    )
    return [(row[0], row[1], row[2], row[3]) for row in found][::-1]


def ended_operations(connection: Connection, ids: Collection[UUID]) -> list[UUID]:
    """Those of these operations that have their end."""
    found = connection.execute(
        text("SELECT id FROM operations WHERE id = ANY(:ids) AND status <> 'queued'"),
        {"ids": list(ids)},
    )
    return list(found.scalars())


def live_keys(connection: Connection, ids: Collection[UUID]) -> dict[UUID, bytes]:
    """Those of these API keys that are neither revoked nor expired, with their secrets' hashes."""
    found = connection.execute(
        text("""
            SELECT id, secret_hash FROM api_keys
            WHERE id = ANY(:ids) AND revoked_at IS NULL
              AND coalesce(expires_at > now(), true)
        """),
        {"ids": list(ids)},
    )
    return {row[0]: bytes(row[1]) for row in found}

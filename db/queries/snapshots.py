"""What sockets and waiters ask: how operations stand in their streams, which keys still live."""

from collections.abc import Collection
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from db.models.operation import Operation

_OPERATION = text(f"""
    SELECT s.head, {", ".join(f"o.{field.name}" for field in fields(Operation))}
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


def end_of_operation(
    connection: Connection, stream: str, operation_id: str, *, after: int, upto: int
) -> tuple[str, int, str, dict[str, Any]] | None:
    """The event that told an operation's end, if it lies in this part of its stream."""
    row = connection.execute(
        text("""
            SELECT stream, position, name, data FROM events
            WHERE stream = :stream AND position > :after AND position <= :upto
              AND data ->> 'operationId' = :id
            ORDER BY position LIMIT 1
        """),
        {"stream": stream, "after": after, "upto": upto, "id": operation_id},
    ).one_or_none()
    return (row[0], row[1], row[2], row[3]) if row else None


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

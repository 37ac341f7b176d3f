"""Idempotency keys: taking one, and finding what it led to."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a request with this key led to: an operation, or a stored answer."""

    fingerprint: bytes
    operation_id: UUID | None
    status: int | None
    headers: dict[str, str] | None
    body: bytes | None


_TAKE = text("""
    INSERT INTO idempotency_keys AS kept (api_key_id, key, fingerprint)
    VALUES (:api_key_id, :key, :fingerprint)
    ON CONFLICT (api_key_id, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, operation_id = NULL, status = NULL, headers = NULL,
        body = NULL, created_at = now()
    WHERE kept.created_at < now() - make_interval(secs => :ttl)
    RETURNING true
""")
_READ = text("""
    SELECT fingerprint, operation_id, status, headers, body FROM idempotency_keys
    WHERE api_key_id = :api_key_id AND key = :key
""")
# Apart from the row, whose taking would hold up the shared insert in which the key is misused.
_WAIT = text("SELECT pg_advisory_xact_lock(hashtextextended(:api_key_id || ' ' || :key, 0))")
_READ_LIVE = text(f"{_READ.text} AND created_at >= now() - make_interval(secs => :ttl)")
_READ_ALL = text("""
    SELECT api_key_id, key, fingerprint, operation_id, status, headers, body
    FROM idempotency_keys
    JOIN unnest(CAST(:ids AS uuid[]), CAST(:keys AS text[])) AS wanted(api_key_id, key)
        USING (api_key_id, key)
""")


def take(
    connection: Connection, *, api_key_id: UUID, key: str, fingerprint: bytes, ttl: int
) -> Remembered | None:
    """Take a key for this transaction.

    A second request with the same key waits here for the first one to commit or to give up.

    Args:
        connection: the transaction that does what the request asks.
        api_key_id: whose key it is.
        key: the client's.
        fingerprint: what tells this request from others.
        ttl: seconds after which a key is free again.

    Returns:
        What an earlier request with this key led to, or None: the key is now this one's.
    """
    place = {"api_key_id": api_key_id, "key": key}
    taken = connection.execute(_TAKE, {**place, "fingerprint": fingerprint, "ttl": ttl})
    if taken.one_or_none():
        return None
    return _remembered(connection.execute(_READ, place).one())


def wait(connection: Connection, *, api_key_id: UUID, key: str, ttl: int) -> Remembered | None:
    """Wait for those who came here with the same key before, for what takes long until its `take`.

    Args:
        connection: the transaction that does what the request asks.
        api_key_id: whose key it is.
        key: the client's.
        ttl: seconds after which a key is free again.

    Returns:
        What an earlier request with this key led to, or None: the key may still be taken.
    """
    place = {"api_key_id": api_key_id, "key": key}
    connection.execute(_WAIT, {**place, "api_key_id": str(api_key_id)})
    row = connection.execute(_READ_LIVE, {**place, "ttl": ttl}).one_or_none()
    return _remembered(row) if row else None


def _remembered(row: Any) -> Remembered:
    body = None if row.body is None else bytes(row.body)
    return Remembered(bytes(row.fingerprint), row.operation_id, row.status, row.headers, body)


def of_operations(
    connection: Connection, claims: Collection[tuple[UUID, str]]
) -> dict[tuple[UUID, str], Remembered]:
    """What keys stand for that could not be taken.

    Args:
        connection: the transaction that tried to take them.
        claims: API keys' ids with their idempotency keys.
    """
    ids, keys = zip(*claims, strict=True)
    found = connection.execute(_READ_ALL, {"ids": list(ids), "keys": list(keys)})
    return {(row.api_key_id, row.key): _remembered(row) for row in found}


def remember_operation(
    connection: Connection, *, api_key_id: UUID, key: str, operation_id: UUID
) -> None:
    """The taken key stands for this operation."""
    connection.execute(
        text(
            "UPDATE idempotency_keys SET operation_id = :operation_id"
            " WHERE api_key_id = :api_key_id AND key = :key"
        ),
        {"api_key_id": api_key_id, "key": key, "operation_id": operation_id},
    )


def remember_answer(
    connection: Connection,
    *,
    api_key_id: UUID,
    key: str,
    status: int,
    headers: dict[str, Any],
    body: bytes,
) -> None:
    """The taken key stands for this answer."""
    connection.execute(
        text(
            "UPDATE idempotency_keys SET status = :status, headers = CAST(:headers AS jsonb),"
            " body = :body WHERE api_key_id = :api_key_id AND key = :key"
        ),
        {
            "api_key_id": api_key_id,
            "key": key,
            "status": status,
            "headers": orjson.dumps(headers).decode(),
            "body": body,
        },
    )

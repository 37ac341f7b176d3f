"""API keys: finding them by their secret, and managing them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from db.models.api_key import ApiKey
from db.models.stream import operations_stream
from db.queries import streams

_COLUMNS = """id, name, hint, secret_hash, scopes, rate, ws_rate, created_at, expires_at,
    revoked_at"""


def _key(row: Any) -> ApiKey:
    values = dict(row._mapping)
    return ApiKey(**values | {"scopes": tuple(values["scopes"]), "secret_hash": bytes(row[3])})


_FIND = text(f"SELECT {_COLUMNS} FROM api_keys WHERE secret_hash = :hash")  # noqa: S608


def find_by_hash(connection: Connection, secret_hash: bytes) -> ApiKey | None:
    """The key with this secret's hash, live or not."""
    row = connection.execute(_FIND, {"hash": secret_hash}).one_or_none()
    return _key(row) if row else None


def find(connection: Connection, key_id: UUID) -> ApiKey | None:
    """The key with this id, live or not."""
    statement = text(f"SELECT {_COLUMNS} FROM api_keys WHERE id = :id")  # noqa: S608
    row = connection.execute(statement, {"id": key_id}).one_or_none()
    return _key(row) if row else None


_IS_LIVE_ADMIN = """'admin' = ANY(scopes)
    AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"""


def is_spent(connection: Connection, secret_hash: bytes) -> bool:
    """Whether this is, or was, the secret of a key, and yet of no live admin key."""
    statement = text(f"""
        SELECT EXISTS (
            SELECT FROM api_keys WHERE :hash = ANY(retired_hashes)
                OR (secret_hash = :hash AND NOT ({_IS_LIVE_ADMIN}))
        )
    """)  # noqa: S608 - our own names
    return bool(connection.execute(statement, {"hash": secret_hash}).scalar())


def live_admins(connection: Connection, name: str, besides: UUID) -> list[UUID]:
    """The live admin keys of this name but one."""
    statement = text(f"""
        SELECT id FROM api_keys WHERE name = :name AND id <> :besides AND {_IS_LIVE_ADMIN}
        ORDER BY id
    """)  # noqa: S608 - our own names
    found = connection.execute(statement, {"name": name, "besides": besides})
    return list(found.scalars())


def page(connection: Connection, *, limit: int, before: UUID | None = None) -> list[ApiKey]:
    """Keys, newest first, revoked ones included."""
    statement = text(
        f"SELECT {_COLUMNS} FROM api_keys"  # noqa: S608 - our own names
        f" {'WHERE id < :before' if before else ''} ORDER BY id DESC LIMIT :limit"
    )
    return [_key(row) for row in connection.execute(statement, {"limit": limit, "before": before})]


_INSERT = text(f"""
    INSERT INTO api_keys (id, name, hint, secret_hash, scopes, rate, ws_rate, expires_at)
    SELECT :id, :name, :hint, :secret_hash, :scopes, :rate, :ws_rate,
           CAST(:expires_at AS timestamptz)
    WHERE NOT EXISTS (SELECT FROM api_keys WHERE :secret_hash = ANY(retired_hashes))
    ON CONFLICT (secret_hash) DO NOTHING
    RETURNING {_COLUMNS}
""")  # noqa: S608 - our own names


def insert(connection: Connection, **values: Any) -> ApiKey | None:
    """Write a key and begin the stream of its operations; None if the secret is, or was, one."""
    row = connection.execute(_INSERT, values).one_or_none()
    if row is None:
        return None
    key = _key(row)
    streams.create(connection, operations_stream(key.id))
    return key


def replace_secret(
    connection: Connection, key_id: UUID, *, secret_hash: bytes, hint: str
) -> ApiKey | None:
    """Give a live key a new secret; None if there is no such live key."""
    statement = text(f"""
        UPDATE api_keys SET secret_hash = :hash, hint = :hint,
            retired_hashes = array_append(retired_hashes, secret_hash)
        WHERE id = :id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
        RETURNING {_COLUMNS}
    """)  # noqa: S608 - our own names
    found = connection.execute(statement, {"id": key_id, "hash": secret_hash, "hint": hint})
    row = found.one_or_none()
    return _key(row) if row else None


def revoke(connection: Connection, key_id: UUID, now: datetime) -> ApiKey | None:
    """End a key for good; again on a revoked one changes nothing; None if there is none."""
    statement = text(f"""
        UPDATE api_keys SET revoked_at = coalesce(revoked_at, :now)
        WHERE id = :id RETURNING {_COLUMNS}
    """)  # noqa: S608 - our own names
    row = connection.execute(statement, {"id": key_id, "now": now}).one_or_none()
    return _key(row) if row else None

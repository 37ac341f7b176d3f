"""API keys: who may come in, and how far."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, TIMESTAMP, CheckConstraint, Column, LargeBinary, Table, Text, func
from sqlalchemy.dialects.postgresql import UUID as PgUUID

from db.base import metadata

SCOPES = ("read", "write", "admin")

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", PgUUID(as_uuid=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    # Of secrets that were given by an operator, and rotated: they open nothing any more.
    Column("retired_hashes", ARRAY(LargeBinary), nullable=False, server_default="{}"),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("rate", Text),
    Column("ws_rate", Text),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=func.now()),
    Column("expires_at", TIMESTAMP(timezone=True)),
    Column("revoked_at", TIMESTAMP(timezone=True)),
    CheckConstraint(
        "scopes <@ ARRAY['read', 'write', 'admin'] AND cardinality(scopes) > 0", name="scopes_known"
    ),
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. Admin keys may do everything; write keys may read."""

    id: UUID
    name: str
    hint: str
    secret_hash: bytes
    scopes: tuple[str, ...]
    rate: str | None
    ws_rate: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def may(self, scope: str) -> bool:
        """Whether the key's scopes include this one."""
        held = set(self.scopes)
        return scope in held or "admin" in held or (scope == "read" and "write" in held)

    def is_live(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def hash_secret(secret: str) -> bytes:
    """SHA-256 of a key's secret.

    Secrets carry 256 random bits, so that a fast hash is as safe as a slow one.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()

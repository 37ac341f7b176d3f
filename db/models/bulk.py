"""Bulks: many adjustments that one operation holds, row by row, until each has its verdict."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUUID

from db.base import metadata

MOST_ROWS = 100_000
MOST_ATOMIC_ROWS = 1_000

bulks = Table(
    "bulks",
    metadata,
    Column("id", PgUUID(as_uuid=True), primary_key=True),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("refused", Integer, nullable=False, server_default="0"),
    Column("given_up", Integer, nullable=False, server_default="0"),
    Column("next_row", Integer, nullable=False, server_default="0"),
    Column("told_at", TIMESTAMP(timezone=True)),
    CheckConstraint(
        "total >= 1 AND done BETWEEN 0 AND total AND refused BETWEEN 0 AND done", name="counts"
    ),
    # The counts grow with every turn: room on the page spares the index.
    postgresql_with={"fillfactor": "20"},
)

# Rows that were applied are removed: the ledger has them. In a dry run, which has no ledger,
# they stay as passed until its end. Products are never removed, and whoever writes rows has
# looked them up: no foreign key has to find each of them once more.
bulk_rows = Table(
    "bulk_rows",
    metadata,
    Column("bulk_id", PgUUID(as_uuid=True), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("product_id", PgUUID(as_uuid=True), nullable=False),
    Column("change", BigInteger, nullable=False),
    Column("reason", Text),
    Column("reference", Text),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("suspect", Boolean, nullable=False, server_default=text("false")),
    Column("problem", JSONB),
    CheckConstraint("change <> 0", name="changes_something"),
    CheckConstraint("state IN ('waiting', 'passed', 'refused')", name="state_known"),
    CheckConstraint("(state = 'refused') = (problem IS NOT NULL)", name="refused_with_reason"),
    Index(
        "ix_bulk_rows_waiting",
        "bulk_id",
        "product_id",
        "row",
        postgresql_where=text("state = 'waiting'"),
    ),
    Index("ix_bulk_rows_suspect", "bulk_id", "row", postgresql_where=text("suspect")),
)


@dataclass(slots=True)
class Bulk:
    """How far a bulk is.

    Attributes:
        id: its own, which its operation's payload names.
        total: its rows.
        done: those that have their verdict.
        refused: those of them that a rule, or a fault, kept from being applied.
        given_up: those of them that the machinery gave up.
        next_row: no row before this one waits.
        told_at: when its progress was told last.
    """

    id: UUID
    total: int
    done: int
    refused: int
    given_up: int
    next_row: int
    told_at: datetime | None


@dataclass(frozen=True, slots=True)
class BulkRow:
    """A row that waits for its verdict."""

    row: int
    product_id: UUID
    change: int
    reason: str | None
    reference: str | None


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that was refused, and the problem that says why."""

    row: int
    product_id: UUID
    sku: str | None
    change: int
    reason: str | None
    reference: str | None
    problem: dict[str, Any]

    @property
    def quantity(self) -> int:
        """Units, unsigned."""
        return abs(self.change)

    @property
    def type(self) -> str:
        """Which way."""
        return "increment" if self.change > 0 else "decrement"

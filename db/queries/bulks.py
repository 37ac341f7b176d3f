"""Bulks: writing their rows at the door, taking them in turns, keeping their verdicts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, text

from db.models.bulk import Bulk, BulkRow, RefusedRow
from db.queries.bulk_order import NEXT_SINGLES
from db.queries.rows import insert_rows


def insert(connection: Connection, bulk_id: UUID, total: int) -> None:
    """Write a bulk whose rows are written; its operation comes last."""
    connection.execute(
        text("INSERT INTO bulks (id, total) VALUES (:id, :total)"), {"id": bulk_id, "total": total}
    )


def insert_some(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write some rows of a bulk to be: bulk_id, row, product_id, change, reason, reference."""
    insert_rows(connection, "bulk_rows", rows)


_PRODUCTS = text("""
    SELECT id, sku FROM products WHERE id = ANY(:ids)
    UNION SELECT id, sku FROM products WHERE sku = ANY(:skus)
""")


def products_of(
    connection: Connection, ids: Collection[UUID], skus: Collection[str]
) -> tuple[set[UUID], dict[str, UUID]]:
    """Which of these ids there are, and the products that have these SKUs."""
    found = connection.execute(_PRODUCTS, {"ids": list(ids), "skus": list(skus)}).all()
    return {row[0] for row in found}, {row[1]: row[0] for row in found if row[1] is not None}


def copy_refused(connection: Connection, old: UUID, new: UUID) -> int:
    """Have the refused rows of a bulk wait once more, in another one; says how many there are."""
    return connection.execute(
        text("""
            INSERT INTO bulk_rows (bulk_id, row, product_id, change, reason, reference)
            SELECT :new, row, product_id, change, reason, reference FROM bulk_rows
            WHERE bulk_id = :old AND state = 'refused'
        """),
        {"old": old, "new": new},
    ).rowcount


_REFUSED = text("""
    SELECT r.row, r.product_id, p.sku, r.change, r.reason, r.reference, r.problem
    FROM bulk_rows r JOIN products p ON p.id = r.product_id
    WHERE r.bulk_id = :id AND r.row > :after AND r.state = 'refused' ORDER BY r.row LIMIT :limit
""")


def refused(connection: Connection, bulk_id: UUID, *, after: int, limit: int) -> list[RefusedRow]:
    """Refused rows, in their order."""
    wanted = {"id": bulk_id, "after": after, "limit": limit}
    return [RefusedRow(*row) for row in connection.execute(_REFUSED, wanted)]


# The turns of a worker

_READ = text("""
    SELECT id, total, done, refused, given_up, next_row, told_at FROM bulks
    WHERE id = :id FOR UPDATE
""")
_ROW = "r.row, r.product_id, r.change, r.reason, r.reference"
# The primary key gives them in their order. The planner would rather take the index of those that
# wait, and sort all of them for each turn: with the blank it does not recognize it.
_NEXT = text(f"""
    SELECT {_ROW} FROM bulk_rows r
    WHERE bulk_id = :id AND row >= :next AND state || '' = 'waiting' ORDER BY row LIMIT :limit
""")  # noqa: S608 - our own names
_SUSPECTS = text(f"""
    SELECT {_ROW} FROM bulk_rows r WHERE bulk_id = :id AND suspect ORDER BY row LIMIT :limit
""")  # noqa: S608 - our own names
_NAMED = text("""
    WITH singles AS (
        SELECT product_id, order_id FROM operations
        WHERE status = 'queued' AND queue = 'line' ORDER BY seq LIMIT :singles
    )
    SELECT product_id FROM singles WHERE product_id IS NOT NULL
    UNION SELECT i.product_id FROM singles JOIN order_items i USING (order_id)
""")
_WANTED = text(f"""
    SELECT {_ROW}
    FROM unnest(CAST(:products AS uuid[])) AS named (product_id)
    CROSS JOIN LATERAL (
        SELECT * FROM bulk_rows
        WHERE bulk_id = :id AND product_id = named.product_id AND state = 'waiting'
        ORDER BY row LIMIT :limit
    ) r
    ORDER BY r.row LIMIT :limit
""")  # noqa: S608 - our own names


def read(connection: Connection, bulk_id: UUID) -> Bulk:
    """How far it is, locked."""
    return Bulk(*connection.execute(_READ, {"id": bulk_id}).one())


def next_rows(connection: Connection, bulk: Bulk, limit: int) -> list[BulkRow]:
    """The first rows that wait."""
    wanted = {"id": bulk.id, "next": bulk.next_row, "limit": limit}
    return [BulkRow(*row) for row in connection.execute(_NEXT, wanted)]


def suspects(connection: Connection, bulk_id: UUID, limit: int) -> list[BulkRow]:
    """The first of the rows that were in hand when something went wrong."""
    return [BulkRow(*row) for row in connection.execute(_SUSPECTS, {"id": bulk_id, "limit": limit})]


def wanted_rows(connection: Connection, bulk_id: UUID, limit: int) -> list[BulkRow]:
    """Rows of products that single operations wait for: no single has to wait for the others."""
    products = list(connection.execute(_NAMED, {"singles": NEXT_SINGLES}).scalars())
    if not products:
        return []
    wanted = {"id": bulk_id, "products": products, "limit": limit}
    return [BulkRow(*row) for row in connection.execute(_WANTED, wanted)]


_PASSED = text("""
    SELECT product_id, sum(change)::bigint FROM bulk_rows
    WHERE bulk_id = :id AND state = 'passed' GROUP BY product_id
""")


def passed(connection: Connection, bulk_id: UUID) -> dict[UUID, int]:
    """What a dry run would have changed so far, by product: it goes through all of its rows."""
    return {row[0]: row[1] for row in connection.execute(_PASSED, {"id": bulk_id})}


@dataclass(slots=True)
class Verdicts:
    """What one turn has decided.

    Attributes:
        applied: rows, by their numbers.
        refused: rows with their problems.
    """

    applied: list[int]
    refused: dict[int, dict[str, Any]]

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.applied) + len(self.refused)


_DROP = text("DELETE FROM bulk_rows WHERE bulk_id = :id AND row = ANY(:rows)")
_PASS = text("""
    UPDATE bulk_rows SET state = 'passed', suspect = false WHERE bulk_id = :id AND row = ANY(:rows)
""")
_REFUSE = text("""
    UPDATE bulk_rows AS kept SET state = 'refused', suspect = false, problem = given.problem
    FROM json_to_recordset(:rows) AS given(row int, problem jsonb)
    WHERE kept.bulk_id = :id AND kept.row = given.row
""")
_UPDATE = text("""
    UPDATE bulks SET done = :done, refused = :refused, given_up = :given_up, next_row = :next_row,
                     told_at = :told_at
    WHERE id = :id
""")


def settle(connection: Connection, bulk: Bulk, verdicts: Verdicts, *, dry_run: bool) -> None:
    """Keep the verdicts of a turn, and how far the bulk is now."""
    if verdicts.applied:
        wanted = {"id": bulk.id, "rows": verdicts.applied}
        connection.execute(_PASS if dry_run else _DROP, wanted)
    if verdicts.refused:
        rows = [{"row": row, "problem": problem} for row, problem in verdicts.refused.items()]
        connection.execute(_REFUSE, {"id": bulk.id, "rows": orjson.dumps(rows).decode()})
    update(connection, bulk)


def update(connection: Connection, bulk: Bulk) -> None:
    """Keep how far it is."""
    connection.execute(
        _UPDATE,
        {
            "id": bulk.id,
            "done": bulk.done,
            "refused": bulk.refused,
            "given_up": bulk.given_up,
            "next_row": bulk.next_row,
            "told_at": bulk.told_at,
        },
    )


def forget_passed(connection: Connection, bulk_id: UUID) -> None:
    """A dry run has ended: only what it refuses remains."""
    connection.execute(
        text("DELETE FROM bulk_rows WHERE bulk_id = :id AND state = 'passed'"), {"id": bulk_id}
    )


def suspect(connection: Connection, bulk_id: UUID, rows: Collection[int]) -> None:
    """Suspect these rows: they will be taken in ever smaller turns."""
    connection.execute(
        text("UPDATE bulk_rows SET suspect = true WHERE bulk_id = :id AND row = ANY(:rows)"),
        {"id": bulk_id, "rows": list(rows)},
    )


def refuse_all(connection: Connection, bulk: Bulk, problem: dict[str, Any]) -> None:
    """Refuse every row that waits."""
    count = connection.execute(
        text("""
            UPDATE bulk_rows SET state = 'refused', suspect = false, problem = CAST(:p AS jsonb)
            WHERE bulk_id = :id AND state = 'waiting'
        """),
        {"id": bulk.id, "p": orjson.dumps(problem).decode()},
    ).rowcount
    bulk.done += count
    bulk.refused += count
    update(connection, bulk)


def set_attempts(connection: Connection, operation_id: UUID, attempts: int) -> None:
    """How often the rows in hand have failed."""
    connection.execute(
        text("UPDATE operations SET attempts = :attempts WHERE id = :id AND status = 'queued'"),
        {"id": operation_id, "attempts": attempts},
    )


def due_for_telling(bulk: Bulk, now: datetime, seconds: float) -> bool:
    """Whether its progress was told long enough ago."""
    return bulk.told_at is None or (now - bulk.told_at).total_seconds() >= seconds

"""Operations: finding them again."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from db.models.operation import Operation

_COLUMNS = """id, seq, kind, status, attempts, result, error, product_id, order_id, api_key_id,
    request_id, retry_of, created_at, finished_at"""
#: The last field of `Operation`, which only a bulk has.
PROGRESS = """CASE WHEN kind = 'adjust-many' THEN (
        SELECT jsonb_build_object('done', done, 'total', total) FROM bulks
        WHERE bulks.id = (payload ->> 'bulk_id')::uuid) END AS progress"""
_RETRIED_BY = "(SELECT id FROM operations again WHERE again.retry_of = operations.id) AS retried_by"
_ABOUT = "(SELECT name FROM products WHERE products.id = operations.product_id) AS product_name"


class Listed(NamedTuple):
    """An operation and what others know of it.

    Attributes:
        operation: as it stands.
        retried_by: the one that tries it again.
        product_name: how the product that it is about is called.
    """

    operation: Operation
    retried_by: UUID | None
    product_name: str | None


def find(connection: Connection, operation_id: UUID) -> Operation | None:
    """One operation as it stands."""
    found = find_all(connection, [operation_id])
    return found[0] if found else None


_FIND = text(f"SELECT {_COLUMNS}, {PROGRESS} FROM operations WHERE id = ANY(:ids)")  # noqa: S608


def find_all(connection: Connection, ids: Collection[UUID]) -> list[Operation]:
    """These operations as they stand, in no order."""
    return [Operation(*row) for row in connection.execute(_FIND, {"ids": list(ids)})]


def page(
    connection: Connection,
    *,
    limit: int,
    before: UUID | None,
    status: str | None,
    kind: str | None,
) -> list[Listed]:
    """Operations, newest first.

    Args:
        connection: in the caller's transaction.
        limit: how many at most.
        before: only those older than this one; ids grow with time.
        status: only these.
        kind: only these.
    """
    wanted = {"limit": limit, "before": before, "status": status, "kind": kind}
    clauses = {
        "before": "id < :before",
        "status": "status = :status",
        "kind": "kind = :kind",
    }
    where = " AND ".join(clause for name, clause in clauses.items() if wanted[name] is not None)
    statement = text(
        f"SELECT {_COLUMNS}, {PROGRESS}, {_RETRIED_BY}, {_ABOUT} FROM operations"  # noqa: S608 - our own names
        f" {'WHERE ' + where if where else ''} ORDER BY id DESC LIMIT :limit"
    )
    return [
        Listed(Operation(*row[:-2]), *row[-2:]) for row in connection.execute(statement, wanted)
    ]


_FIND_WHOLE = text(f"""
    SELECT {_COLUMNS}, {PROGRESS}, {_RETRIED_BY}, {_ABOUT}, payload
    FROM operations WHERE id = :id
""")  # noqa: S608 - our own names


def find_whole(connection: Connection, operation_id: UUID) -> tuple[Listed, dict[str, Any]] | None:
    """One operation as it stands, and what it was asked to do."""
    row = connection.execute(_FIND_WHOLE, {"id": operation_id}).one_or_none()
    return (Listed(Operation(*row[:-3]), *row[-3:-1]), row[-1]) if row else None


def command_of(connection: Connection, operation_id: UUID) -> tuple[str, dict[str, Any]] | None:
    """The kind and the payload that an operation keeps."""
    row = connection.execute(
        text("SELECT kind, payload FROM operations WHERE id = :id"), {"id": operation_id}
    ).one_or_none()
    return (row[0], row[1]) if row else None


def oldest_waiting_seconds(connection: Connection, queue: str) -> float | None:
    """How long the oldest operation of a queue that may be taken now has been waiting."""
    found: float | None = connection.execute(
        text("""
            SELECT extract(epoch FROM clock_timestamp() - created_at)::float
            FROM operations
            WHERE status = 'queued' AND queue = :queue AND coalesce(available_at, now()) <= now()
            ORDER BY seq LIMIT 1
        """),
        {"queue": queue},
    ).scalar()
    return found


@dataclass(frozen=True, slots=True)
class Due:
    """An operation outside the line whose turn it is.

    Attributes:
        operation: as it stands.
        payload: what it keeps of its command.
        available_at: when this attempt was due; None if there was none before.
        server_start: when the database server was started.
    """

    operation: Operation
    payload: dict[str, Any]
    available_at: datetime | None
    server_start: datetime


_NEXT = text(f"""
    SELECT {_COLUMNS}, payload, available_at, pg_postmaster_start_time() FROM operations
    WHERE status = 'queued' AND queue = :queue
      AND coalesce(available_at, '-infinity') <= clock_timestamp()
    ORDER BY seq LIMIT 1
""")  # noqa: S608 - our own names


def next_due(connection: Connection, queue: str) -> Due | None:
    """The next operation of a queue; the caller sees to it that nobody else takes it."""
    row = connection.execute(_NEXT, {"queue": queue}).one_or_none()
    return Due(Operation(*row[:-3]), *row[-3:]) if row else None


_BEGIN_ATTEMPT = text("""
    UPDATE operations SET attempts = :attempt, available_at = clock_timestamp() + :delay
    WHERE id = :id AND status = 'queued'
""")


def begin_attempt(
    connection: Connection, operation_id: UUID, attempt: int, delay: timedelta
) -> None:
    """Count an attempt before it is made; if nothing more comes of it, the next is due then."""
    wanted = {"id": operation_id, "attempt": attempt, "delay": delay}
    connection.execute(_BEGIN_ATTEMPT, wanted)


_TAKE_BACK_ATTEMPT = text("""
    UPDATE operations SET attempts = attempts - 1, available_at = NULL
    WHERE id = :id AND status = 'queued' AND attempts = :attempt
""")


def take_back_attempt(connection: Connection, operation_id: UUID, attempt: int) -> None:
    """It was none, unless it has ended well after all, or the next one has begun."""
    connection.execute(_TAKE_BACK_ATTEMPT, {"id": operation_id, "attempt": attempt})


def dead_of_kind(connection: Connection, kind: str, limit: int) -> list[UUID]:
    """Dead operations of a kind that nobody has tried again, in order of acceptance, locked."""
    untried = "NOT EXISTS (SELECT FROM operations WHERE retry_of = o.id)"
    locked = connection.execute(
        text(f"""
            SELECT id FROM operations o WHERE status = 'dead' AND kind = :kind AND {untried}
            ORDER BY seq LIMIT :limit FOR UPDATE
        """),  # noqa: S608 - our own text
        {"kind": kind, "limit": limit},
    )
    # Who was waited for may just have tried them again, which the statement that waited cannot see.
    found = connection.execute(
        text(f"SELECT id FROM operations o WHERE id = ANY(:ids) AND {untried} ORDER BY seq"),  # noqa: S608
        {"ids": list(locked.scalars())},
    )
    return list(found.scalars())

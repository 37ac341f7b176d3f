"""The marker: which operations the worker that is on has taken, should it die with them."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

# Skipping what is locked: who applies holds the row, and nobody shall wait for a frozen one.
_FREE = "free AS (SELECT one_row FROM line_marker WHERE token IS NULL FOR UPDATE SKIP LOCKED)"
_TAKE = text(f"""
    WITH {_FREE}
    UPDATE line_marker
    SET token = :token, operation_ids = next.ids, taken_at = clock_timestamp()
    FROM (
        SELECT array_agg(id ORDER BY seq) AS ids
        FROM (
            SELECT id, seq FROM operations
            WHERE status = 'queued' AND queue = 'line' ORDER BY seq LIMIT :limit
        ) AS first_in_line
    ) AS next, free
    WHERE line_marker.one_row = free.one_row AND next.ids IS NOT NULL AND NOT EXISTS (
        SELECT FROM operations WHERE status = 'queued' AND queue = 'line' AND attempts > 0)
    RETURNING operation_ids
""")  # noqa: S608 - our own names


def take_fresh(connection: Connection, token: UUID, limit: int) -> list[UUID]:
    """Take what is next in line, if nobody has the marker and every operation is a first attempt.

    Args:
        connection: one that commits each statement; losing this commit loses only a suspicion.
        token: tells this taking from all others.
        limit: how many at most.
    """
    row = connection.execute(_TAKE, {"token": token, "limit": limit}).one_or_none()
    return list(row[0]) if row else []


@dataclass(frozen=True, slots=True)
class Marker:
    """What stands in the marker.

    Attributes:
        token: whose; None if nobody is on.
        age: seconds since it was taken.
        server_restarted: the database server has started since: its end, not the worker's or an
            operation's, may be why the marker was left.
        waiting: whether anything waits in line.
    """

    token: UUID | None
    age: float
    server_restarted: bool
    waiting: bool


_READ = text("""
    SELECT token,
           coalesce(extract(epoch FROM clock_timestamp() - taken_at)::float, 0),
           coalesce(pg_postmaster_start_time() > taken_at, false),
           EXISTS (SELECT FROM operations WHERE status = 'queued' AND queue = 'line')
    FROM line_marker
""")


def read(connection: Connection) -> Marker:
    """Who is on, and whether anything waits."""
    return Marker(*connection.execute(_READ).one())


_CANDIDATES = text("""
    SELECT id, attempts, coalesce(available_at > now(), false) FROM operations
    WHERE status = 'queued' AND queue = 'line' ORDER BY seq LIMIT :limit
""")


def candidates(connection: Connection, limit: int) -> list[tuple[UUID, int, bool]]:
    """What is next in line: id, attempts so far, and whether it is held back for now."""
    return [(row[0], row[1], row[2]) for row in connection.execute(_CANDIDATES, {"limit": limit})]


def take(connection: Connection, token: UUID, ids: Collection[UUID]) -> bool:
    """Take just these, if nobody has the marker."""
    statement = text(f"""
        WITH {_FREE}
        UPDATE line_marker
        SET token = :token, operation_ids = :ids, taken_at = clock_timestamp()
        FROM free WHERE line_marker.one_row = free.one_row
    """)  # noqa: S608 - our own names
    return connection.execute(statement, {"token": token, "ids": list(ids)}).rowcount == 1


def release(connection: Connection, token: UUID) -> list[UUID] | None:
    """Give the marker up.

    Returns:
        What had been taken, or None if the marker has passed to somebody else.
    """
    row = connection.execute(
        text("UPDATE line_marker SET token = NULL WHERE token = :token RETURNING operation_ids"),
        {"token": token},
    ).one_or_none()
    return list(row[0]) if row else None

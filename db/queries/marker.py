"""The marker: which operations the worker that is on has taken, should it die with them."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from db.models.operation import COLUMNS, Waiting
from db.queries.prepared import execute

# Whoever holds it is the one worker that applies the line.
_LINE_LOCK = 7_306_002

# Skipping what is locked: who applies holds the row, and nobody shall wait for a frozen one. The
# row is locked as it is now, not as it was when the statement began; had another worker been on in
# between, what was read of the operations would be old, and so its moment is compared.
_FREE = """
    was AS MATERIALIZED (SELECT taken_at FROM line_marker WHERE token IS NULL),
    free AS (
        SELECT now.one_row FROM line_marker now, was
        WHERE now.token IS NULL AND now.taken_at IS NOT DISTINCT FROM was.taken_at
        FOR UPDATE OF now SKIP LOCKED
    )
"""
_TAKE = f"""
    WITH next AS MATERIALIZED (
        SELECT {", ".join(COLUMNS)}, false AS held_back FROM operations
        WHERE status = 'queued' AND queue = 'line' ORDER BY seq LIMIT %(limit)s
    ), {_FREE}, taken AS (
        UPDATE line_marker
        SET token = %(token)s, taken_at = clock_timestamp(),
            operation_ids = (SELECT array_agg(id ORDER BY seq) FROM next)
        FROM free
        WHERE line_marker.one_row = free.one_row AND EXISTS (SELECT FROM next) AND NOT EXISTS (
            SELECT FROM operations WHERE status = 'queued' AND queue = 'line' AND attempts > 0)
        RETURNING token
    )
    SELECT next.* FROM next, taken ORDER BY next.seq
"""  # noqa: S608 - our own names


def take_fresh(connection: Connection, token: UUID, limit: int) -> list[Waiting]:
    """Take what is next in line, if nobody has the marker and every operation is a first attempt.

    Nobody else applies them, so they stay as they are read here until the marker is given up.

    Args:
        connection: one that commits each statement; losing this commit loses only a suspicion.
        token: tells this taking from all others.
        limit: how many at most.
    """
    found = execute(connection, _TAKE, {"token": token, "limit": limit}).all()
    return [Waiting(*row) for row in found]


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


_RELEASE = text("UPDATE line_marker SET token = NULL WHERE token = :token RETURNING true")


def release(connection: Connection, token: UUID) -> bool:
    """Give the marker up; False if it has passed to somebody else."""
    return connection.execute(_RELEASE, {"token": token}).one_or_none() is not None


@dataclass(frozen=True, slots=True)
class Begun:
    """A transaction of the line has begun.

    Attributes:
        operation_ids: what had been taken.
        bulks_wait: whether any bulk does.
    """

    operation_ids: list[UUID]
    bulks_wait: bool


# The lock is tried first. Who has it is alone in locking the marker's row for long.
_BEGIN = """
    WITH alone AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(CAST(%(lock)s AS bigint)) AS is_so)
    UPDATE line_marker SET token = NULL FROM alone WHERE token = %(token)s AND alone.is_so
    RETURNING operation_ids,
              EXISTS (SELECT FROM operations WHERE status = 'queued' AND queue = 'bulk')
"""


def begin(connection: Connection, token: UUID) -> Begun | None:
    """Become the one that applies the line, until this transaction ends, and give the marker up.

    It must be the transaction's first statement: what the next ones read is then what the last
    one that was on has left.

    Returns:
        None if another is on, or the marker has passed to somebody else.
    """
    row = execute(connection, _BEGIN, {"token": token, "lock": _LINE_LOCK}).one_or_none()
    return Begun(list(row[0]), row[1]) if row else None

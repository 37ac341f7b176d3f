"""The marker: which operations the worker that is on has taken, should it die with them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from db.models.operation import COLUMNS, Waiting
from db.queries.prepared import COMMIT, execute
from db.queries.rows import array

# Between taking and applying lie milliseconds: who has not begun after this has died, or froze.
PATIENCE_SECONDS = 1.0
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
# Who walks along the line has passed those that have to wait. Each place is named, as what commits
# late may stand further ahead. So written, it is a look into a hash, row by row in line order.
_NOT_PASSED = "seq NOT IN (SELECT unnest(CAST(%(passed)s AS bigint[])))"
# What an earlier bulk holds up is left out, or some hundred of such would hold up all others. It
# names one product: whatever comes later on that waits for the same rows.
_TAKE = f"""
    WITH bulk AS MATERIALIZED (
        SELECT seq, CAST(payload ->> 'bulk_id' AS uuid) AS id FROM operations
        WHERE status = 'queued' AND queue = 'bulk' AND NOT CAST(payload ->> 'dry_run' AS boolean)
    ), next AS MATERIALIZED (
        SELECT {", ".join(COLUMNS)}, false AS held_back FROM operations o
        WHERE status = 'queued' AND queue = 'line' AND {_NOT_PASSED}
          AND NOT (order_id IS NULL AND EXISTS (
              SELECT FROM bulk JOIN bulk_rows r ON r.bulk_id = bulk.id
              WHERE bulk.seq < o.seq AND r.product_id = o.product_id AND r.state = 'waiting'))
        ORDER BY seq LIMIT %(limit)s
    ), {_FREE}, taken AS (
        UPDATE line_marker
        SET token = %(token)s, taken_at = clock_timestamp(),
            operation_ids = (SELECT array_agg(id ORDER BY seq) FROM next)
        FROM free
        WHERE line_marker.one_row = free.one_row AND EXISTS (SELECT FROM next) AND NOT EXISTS (
            SELECT FROM operations WHERE status = 'queued' AND queue = 'line' AND attempts > 0)
        RETURNING token
    )
    SELECT EXISTS (SELECT FROM next),
           EXISTS (SELECT FROM operations WHERE status = 'queued' AND queue = 'bulk'),
           coalesce((SELECT clock_timestamp() - taken_at > %(patience)s * interval '1 s'
                     FROM line_marker WHERE token IS NOT NULL), EXISTS (SELECT FROM next)),
           found.*
    FROM (VALUES (true)) AS one LEFT JOIN (SELECT next.* FROM next, taken) AS found ON true
    ORDER BY found.seq
"""  # noqa: S608 - our own names


@dataclass(frozen=True, slots=True)
class Waits:
    """What waits at a moment: single operations of the line, tried before or not, and bulks."""

    singles: bool
    bulks: bool


def take_fresh(
    connection: Connection, token: UUID, limit: int, passed: Collection[int] = ()
) -> tuple[list[Waiting], Waits, bool]:
    """Take what is next in line, if nobody has the marker and every operation is a first attempt.

    Nobody else applies them, so they stay as they are read here until the marker is given up.

    Args:
        connection: one that commits each statement; losing this commit loses only a suspicion.
        token: tells this taking from all others.
        limit: how many at most.
        passed: the places in line of those that are left out.

    Returns:
        What was taken; what waits, apart from those; and, if nothing was taken, whether there is
        something to do about it: the marker was left, or what waits was tried before.
    """
    wanted = {
        "token": token,
        "limit": limit,
        "passed": array(passed),
        "patience": PATIENCE_SECONDS,
    }
    found = execute(connection, _TAKE, wanted).all()
    singles, bulks, is_left = found[0][:3]
    taken = [Waiting(*row[3:]) for row in found if row[3] is not None]
    return taken, Waits(singles, bulks), is_left


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


# Nobody is taken behind the first that was tried before and is due; after a death hundreds are.
_CANDIDATES = f"""
    SELECT id, attempts, coalesce(available_at > now(), false) FROM operations
    WHERE status = 'queued' AND queue = 'line' AND seq <= coalesce((
        SELECT seq FROM operations
        WHERE status = 'queued' AND queue = 'line' AND {_NOT_PASSED} AND attempts > 0
          AND coalesce(available_at <= now(), true)
        ORDER BY seq LIMIT 1), 9223372036854775807)
      AND {_NOT_PASSED}
    ORDER BY seq LIMIT %(limit)s
"""  # noqa: S608 - our own names


def candidates(
    connection: Connection, limit: int, passed: Collection[int] = ()
) -> list[tuple[UUID, int, bool]]:
    """What is next in line, up to the first that was tried before and is due: id, attempts so far,
    and whether it is held back for now.

    Args:
        connection: any.
        limit: how many at most.
        passed: the places in line of those that are left out.
    """
    wanted = {"limit": limit, "passed": array(passed)}
    found = connection.exec_driver_sql(_CANDIDATES, wanted)
    return [(row[0], row[1], row[2]) for row in found]


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


# The lock is tried first. Who has it is alone in locking the marker's row for long.
BEGIN = """
    WITH alone AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(CAST(%(lock)s AS bigint)) AS is_so)
    UPDATE line_marker SET token = NULL FROM alone WHERE token = %(token)s AND alone.is_so
    RETURNING operation_ids
"""
# What a later statement of the same transaction sees, if that has been done.
BEGUN = """
    SELECT FROM line_marker WHERE token IS NULL AND xmin = pg_current_xact_id_if_assigned()::xid
"""


def begin_values(token: UUID) -> dict[str, Any]:
    """What `BEGIN` has places for."""
    return {"token": token, "lock": _LINE_LOCK}


def begin(connection: Connection, token: UUID) -> list[UUID] | None:
    """Become the one that applies the line, until this transaction ends, and give the marker up.

    It must be the transaction's first statement: what the next ones read is then what the last
    one that was on has left.

    Returns:
        What had been taken; None if another is on, or the marker has passed to somebody else.
    """
    row = execute(connection, BEGIN, begin_values(token)).one_or_none()
    return list(row[0]) if row else None


_WAITS = """
    SELECT EXISTS (SELECT FROM operations WHERE status = 'queued' AND queue = 'line'),
           EXISTS (SELECT FROM operations WHERE status = 'queued' AND queue = 'bulk')
"""


def commit_and_look(connection: Connection) -> Waits:
    """End the transaction well, and see what waits after it.

    Whoever finds the line taken goes away again; so, who had it looks once more after giving it up.
    """
    return Waits(*execute(connection, _WAITS, {}, before=COMMIT).one())

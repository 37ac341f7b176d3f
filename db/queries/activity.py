"""Activity: what is going on right now, in a few counts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

# Operations looked at; more of them than this, and the window is shorter than asked for.
_MOST = 20_000
# An operation that has ended within the window may have been accepted that long before it: workers
# may have been away.
_LEAD = timedelta(hours=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def orders_by_status(connection: Connection) -> dict[str, int]:
    """How many orders stand where; a status that none has is left out."""
    found = connection.execute(text("SELECT status, count(*) FROM orders GROUP BY status"))
    return {row[0]: row[1] for row in found}


@dataclass(frozen=True, slots=True)
class Second:
    """The operations that ended within one second.

    Attributes:
        at: its beginning.
        ended: how many.
        refused: how many of them by a rule's no.
        dead: how many of them were given up.
        p95: 95 in 100 of them took so many milliseconds, from acceptance to end, or less.
    """

    at: datetime
    ended: int
    refused: int
    dead: int
    p95: float


@dataclass(frozen=True, slots=True)
class Latency:
    """From acceptance to end, in milliseconds."""

    p50: float
    p95: float
    p99: float


_RECENT = """
    WITH newest AS (
        SELECT id, status, created_at, finished_at FROM operations
        WHERE id >= :first ORDER BY id DESC LIMIT :most
    ), recent AS (
        SELECT status, finished_at,
               extract(epoch FROM finished_at - created_at)::float * 1000 AS latency
        FROM newest WHERE finished_at >= :since
    )
"""
_SECONDS = text(
    _RECENT  # noqa: S608 - our own text
    + """
    SELECT date_trunc('second', finished_at) AS at, count(*),
           count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'dead'),
           percentile_disc(0.95) WITHIN GROUP (ORDER BY latency)
    FROM recent GROUP BY at ORDER BY at
    """
)
_LATENCY = text(
    _RECENT  # noqa: S608 - our own text
    + """
    SELECT percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY latency) FROM recent
    """
)


_FARTHEST = text("""
    SELECT id FROM operations WHERE id >= :first ORDER BY id DESC OFFSET :most - 1 LIMIT 1
""")


def window(connection: Connection, since: datetime) -> datetime:
    """The moment from which what has ended is counted: a later one than asked for, if much has.

    Args:
        connection: in the caller's transaction.
        since: the first moment that is asked for.
    """
    farthest = {name: _bounds(since)[name] for name in ("first", "most")}
    oldest: UUID | None = connection.execute(_FARTHEST, farthest).scalar()
    return since if oldest is None else max(since, _moment(oldest))


def ended_by_second(connection: Connection, since: datetime) -> list[Second]:
    """The operations that have ended, by the second; a second without any is left out.

    Args:
        connection: in the caller's transaction.
        since: the first moment that counts.
    """
    return [Second(*row) for row in connection.execute(_SECONDS, _bounds(since))]


def latency(connection: Connection, since: datetime) -> Latency | None:
    """How long the operations that have ended since took; None if there are none."""
    found = connection.execute(_LATENCY, _bounds(since)).scalar_one()
    return None if found is None else Latency(*found)


def _bounds(since: datetime) -> dict[str, object]:
    return {"first": _first_id(since - _LEAD), "since": since, "most": _MOST}


def _first_id(moment: datetime) -> UUID:
    """The least identifier of a moment (RFC 9562, section 5.7): it begins with the milliseconds."""
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    return UUID(int=milliseconds << 80)


def _moment(identifier: UUID) -> datetime:
    return _EPOCH + timedelta(milliseconds=identifier.int >> 80)

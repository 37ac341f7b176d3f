"""Ticks of the clock: each is taken up once, and those in between are stood for by the next."""

from typing import Any

import orjson
from sqlalchemy import Connection, text

# One of a time to come was taken up before the clock was set back, and would stand in the way until
# then.
_CLAIM = text("""
    INSERT INTO schedules AS kept (name, tick, claimed_at, runs, missed)
    VALUES (:name, to_timestamp(:tick), clock_timestamp(), 1, 0)
    ON CONFLICT (name) DO UPDATE SET
        tick = excluded.tick, claimed_at = excluded.claimed_at, finished_at = NULL,
        runs = kept.runs + (excluded.tick <> kept.tick)::int,
        missed = kept.missed + greatest(
            0, round(extract(epoch FROM excluded.tick - kept.tick) / :period)::bigint - 1),
        rest = CASE WHEN excluded.tick = kept.tick THEN kept.rest END
    WHERE kept.tick < excluded.tick
       OR kept.tick > clock_timestamp() + make_interval(secs => :period)
       OR (kept.tick = excluded.tick AND CASE WHEN kept.finished_at IS NULL
           THEN kept.claimed_at < clock_timestamp() - make_interval(secs => :lease)
           ELSE kept.rest IS NOT NULL END)
""")


def now(connection: Connection) -> float:
    """The database's clock, by which ticks are due and alerts seen, in seconds since 1970."""
    found: float = connection.execute(
        text("SELECT extract(epoch FROM clock_timestamp())::float")
    ).scalar_one()
    return found


def claim(connection: Connection, name: str, tick: float, period: float, lease: float) -> bool:
    """Take up a tick, if nobody has, or if whoever did has left something.

    Args:
        connection: commits before the work begins.
        name: of the schedule.
        tick: seconds since 1970 at which it was due.
        period: seconds between two ticks; those since the last one are counted as missed.
        lease: seconds after which a tick that was taken up and not finished is free again.
    """
    wanted = {"name": name, "tick": tick, "period": period, "lease": lease}
    return connection.execute(_CLAIM, wanted).rowcount == 1


def finish(connection: Connection, name: str, tick: float) -> None:
    """The work of a tick is done."""
    connection.execute(
        text(
            "UPDATE schedules SET finished_at = clock_timestamp()"
            " WHERE name = :name AND tick = to_timestamp(:tick)"
        ),
        {"name": name, "tick": tick},
    )


def settled(connection: Connection, lease: float) -> dict[str, float]:
    """The last tick of each schedule, in seconds since 1970, that needs no other taking up."""
    found = connection.execute(
        text("""
            SELECT name, extract(epoch FROM tick)::float FROM schedules
            WHERE CASE WHEN finished_at IS NULL
                  THEN claimed_at >= clock_timestamp() - make_interval(secs => :lease)
                  ELSE rest IS NULL END
        """),
        {"lease": lease},
    )
    return {row[0]: row[1] for row in found}


def rest(connection: Connection, name: str) -> dict[str, Any] | None:
    """What the last run of this tick has left; None to begin."""
    found: dict[str, Any] | None = connection.execute(
        text("SELECT rest FROM schedules WHERE name = :name"), {"name": name}
    ).scalar_one_or_none()
    return found


_KEEP_REST = text("""
    UPDATE schedules SET rest = CAST(:rest AS jsonb)
    WHERE name = :name AND rest IS NOT DISTINCT FROM CAST(:was AS jsonb)
""")


def keep_rest(
    connection: Connection, name: str, was: dict[str, Any] | None, rest: dict[str, Any] | None
) -> None:
    """Keep what this run leaves, for the clock to send its tick again as soon as it has finished.

    Args:
        connection: in the caller's transaction.
        name: of the schedule.
        was: what the run before had left; if that has changed, another has gone on meanwhile, and
            what this one leaves is done already.
        rest: None if it is done.
    """
    before, after = (orjson.dumps(one).decode() if one else None for one in (was, rest))
    connection.execute(_KEEP_REST, {"name": name, "was": before, "rest": after})


def seconds_since_taken_up(connection: Connection, name: str) -> float | None:
    """How long ago a tick of this schedule was last taken up; None if none ever was."""
    found: float | None = connection.execute(
        text(
            "SELECT extract(epoch FROM clock_timestamp() - claimed_at)::float"
            " FROM schedules WHERE name = :name"
        ),
        {"name": name},
    ).scalar_one_or_none()
    return found

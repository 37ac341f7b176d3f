"""How long the line stood still: nothing ended while something waited."""

from sqlalchemy import create_engine, text

from db.settings import DatabaseSettings
from tests.functional.service import Service

_LIVES = text("""
    SELECT extract(epoch FROM created_at)::float,
           extract(epoch FROM coalesce(finished_at, now()))::float
    FROM operations WHERE queue = 'line' AND created_at >= to_timestamp(:since)
      AND id <> ALL(CAST(:apart AS uuid[]))
    ORDER BY created_at
""")


def stand_stills(service: Service, since: float, apart: list[str]) -> list[float]:
    """The times in which no operation ended while others waited, in seconds, longest first.

    Args:
        service: whose operations.
        since: seconds since 1970.
        apart: operations that do not count, as they are what holds the others up.
    """
    url = DatabaseSettings(database_url=service.env["DATABASE_URL"]).database_url
    engine = create_engine(url)
    with engine.connect() as connection:
        lives = connection.execute(_LIVES, {"since": since, "apart": apart}).all()
    engine.dispose()
    accepted, ends = (sorted(moments) for moments in zip(*lives, strict=True))
    # As many ended as were accepted before this one: from its acceptance on, something waits.
    before = [0.0, *ends]
    found = [end - max(*since) for end, *since in zip(ends, before, accepted, strict=False)]
    return sorted((seconds for seconds in found if seconds > 0), reverse=True)

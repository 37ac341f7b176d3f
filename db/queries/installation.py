"""The installation's epoch and the signs of life of its processes."""

from uuid import UUID

from sqlalchemy import Connection, text

_BEAT = text("""
    INSERT INTO heartbeats (name, at) VALUES (:name, clock_timestamp())
    ON CONFLICT (name) DO UPDATE SET at = excluded.at
""")


def beat_heart(connection: Connection, name: str) -> None:
    """Leave a sign of life: ``worker`` or ``beat`` was alive at this moment."""
    connection.execute(_BEAT, {"name": name})


def heartbeat_ages(connection: Connection) -> dict[str, float]:
    """Seconds since each sign of life, by the database's clock."""
    found = connection.execute(
        text("SELECT name, extract(epoch FROM clock_timestamp() - at)::float FROM heartbeats")
    )
    return {row[0]: row[1] for row in found}


def epoch(connection: Connection) -> UUID:
    """What tells this installation's streams from those of a restored copy."""
    found: UUID = connection.execute(text("SELECT epoch FROM installation")).scalar_one()
    return found


_NAME = text("""
    SELECT concat_ws('/', epoch, (SELECT system_identifier FROM pg_control_system()),
                     (SELECT oid FROM pg_database WHERE datname = current_database()))
    FROM installation
""")


def name(connection: Connection) -> str:
    """What tells this installation from others, and from a copy unless that is of the disk."""
    found: str = connection.execute(_NAME).scalar_one()
    return found

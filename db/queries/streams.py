"""Streams: their heads, and the events after a place."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from db.queries.rows import Writes


def create(connection: Connection, name: str) -> None:
    """Begin a stream that tells about no single row."""
    connection.execute(text("INSERT INTO streams (name, head) VALUES (:name, 0)"), {"name": name})


def take_next(connection: Connection, name: str, count: int = 1) -> int:
    """The last of a stream's next numbers; its row stays locked until the caller commits."""
    statement = text("UPDATE streams SET head = head + :count WHERE name = :name RETURNING head")
    position: int = connection.execute(statement, {"name": name, "count": count}).scalar_one()
    return position


_EVENT = ("stream", "position", "name", "data")


def add(writes: Writes, events: Sequence[tuple[str, int, str, str]], now: datetime) -> None:
    """Have events written, ``(stream, position, name, data)``, under the numbers given to them.

    Their data is JSON text.
    """
    writes.insert("events", _EVENT, events, same={"created_at": now})


def write(
    connection: Connection, events: Sequence[tuple[str, int, str, str]], now: datetime
) -> None:
    """Write such events alone."""
    writes = Writes()
    add(writes, events, now)
    writes.send(connection)


def cut(connection: Connection, stream: str, through: int) -> None:
    """Remove a stream's events up to a number; cursors before it can no longer be served."""
    connection.execute(
        text("DELETE FROM events WHERE stream = :stream AND position <= :through"),
        {"stream": stream, "through": through},
    )


_HEADS = text("""
    SELECT 'stock:' || product_id, version FROM stock_levels WHERE product_id = ANY(:stock)
    UNION ALL
    SELECT 'order:' || id, version FROM orders WHERE id = ANY(:order)
    UNION ALL
    SELECT 'product:' || id, version FROM products WHERE id = ANY(:product)
    UNION ALL
    SELECT name, head FROM streams WHERE name = ANY(:named)
    UNION ALL
    SELECT '', hashtextextended(
        concat_ws('/', pg_postmaster_start_time(), 'events'::regclass::oid,
                  (SELECT oid FROM pg_database WHERE datname = current_database())), 0)
""")


def heads(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """The last number given in each of these streams, in one query; unknown ones are missing."""
    return heads_and_past(connection, names)[0]


def heads_and_past(connection: Connection, names: Collection[str]) -> tuple[dict[str, int], int]:
    """The same, and a number that stands for the past of these tables.

    It is another one when the server was started anew, or the database or its tables were made
    anew: what they hold may be a restored backup.
    """
    wanted: dict[str, list[Any]] = {"stock": [], "order": [], "product": [], "named": []}
    for name in names:
        kind, _, key = name.partition(":")
        if kind in ("stock", "order", "product"):
            wanted[kind].append(UUID(key))
        else:
            wanted["named"].append(name)
    found = {row[0]: row[1] for row in connection.execute(_HEADS, wanted)}
    return found, found.pop("")


_AFTER = text("""
    SELECT e.stream, e.position, e.name, e.data
    FROM unnest(CAST(:streams AS text[]), CAST(:positions AS bigint[])) AS seen (stream, position)
    CROSS JOIN LATERAL (
        SELECT * FROM events
        WHERE stream = seen.stream AND position > seen.position
        ORDER BY position LIMIT :limit
    ) e
    ORDER BY e.stream, e.position
""")


def events_after(
    connection: Connection, places: dict[str, int], limit: int = 1000
) -> list[tuple[str, int, str, dict[str, Any]]]:
    """What was told in these streams after a number each, in order, in one query.

    Args:
        connection: in the caller's transaction.
        places: the last number already seen in each stream.
        limit: how many events of each stream at most.
    """
    if not places:
        return []
    wanted = {"streams": list(places), "positions": list(places.values()), "limit": limit}
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(_AFTER, wanted)]

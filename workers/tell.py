"""Writing events outside of a batch of the line."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from db.queries import streams
from workers.events import Event

Told = list[tuple[str, int, str, Any]]


def tell(connection: Connection, stream: str, event: Event) -> Told:
    """Write an event under the next number of a stream that tells about no single row.

    The stream's row stays locked until the caller commits, which makes the order of the numbers
    that of the commits.

    Returns:
        What is to be broadcast after the commit.
    """
    return tell_all(connection, stream, [event])


def tell_all(connection: Connection, stream: str, events: Sequence[Event]) -> Told:
    """The same with several, in their order."""
    if not events:
        return []
    first = streams.take_next(connection, stream, len(events)) - len(events) + 1
    told: Told = [
        (stream, position, event.name, event.as_json())
        for position, event in enumerate(events, first)
    ]
    streams.write(connection, told, datetime.now(UTC))
    return told

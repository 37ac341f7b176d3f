"""Removing what is old."""

from sqlalchemy import Connection, text


def remove_old_events(connection: Connection, days: int) -> int:
    """Remove events older than this many days.

    A client whose cursor lies before what is left is told so, and gets a snapshot.
    """
    return connection.execute(
        text("DELETE FROM events WHERE created_at < now() - make_interval(days => :days)"),
        {"days": days},
    ).rowcount


def remove_old_idempotency_keys(connection: Connection, seconds: int) -> int:
    """Forget idempotency keys older than this many seconds."""
    return connection.execute(
        text(
            "DELETE FROM idempotency_keys"
            " WHERE created_at < now() - make_interval(secs => :seconds)"
        ),
        {"seconds": seconds},
    ).rowcount

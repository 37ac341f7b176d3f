"""Gaps: whether all events of a stream are there, up to the last number that was given in it."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

# A row that changed before this may have lost its events in the course of time.
LATELY = "now() - make_interval(days => :days) + interval '1 hour'"

# How many events of a stream there are, from which number to which.
Span = tuple[int, int, int]

_SPANS = text("""
    SELECT stream, count(*), min(position), max(position) FROM events
    WHERE stream = ANY(:names) GROUP BY stream
""")


def spans(connection: Connection, names: list[str]) -> dict[str, Span]:
    """How many events there are of each stream, from which number to which."""
    return {
        row[0]: (row[1], row[2], row[3]) for row in connection.execute(_SPANS, {"names": names})
    }


def gap(span: Span | None, head: int, lately: bool) -> str | None:
    """What is missing of a stream; its oldest events are removed in the course of time.

    Args:
        span: which of its events are there.
        head: the last number that was given in it.
        lately: whether that was so lately that its event has to be there.
    """
    if span is None:
        return f"no event is there, and the last has the number {head}" if head and lately else None
    count, first, last = span
    if last != head:
        return f"the last event has the number {last}, and should have {head}"
    if count != last - first + 1:
        return f"{last - first + 1 - count} events are missing between {first} and {last}"
    return None


_ROWS = {"stock": ("stock_levels", "product_id"), "order": ("orders", "id"),
         "product": ("products", "id")}  # fmt: skip
_HEADS = {
    kind: f"SELECT version, updated_at > {LATELY} FROM {table} WHERE {column} = :id"  # noqa: S608
    for kind, (table, column) in _ROWS.items()
}
_NAMED = "SELECT head, false FROM streams WHERE name = :name"
_LAST_GAP = text("""
    SELECT max(before) FROM (
        SELECT position, lag(position) OVER (ORDER BY position) AS before
        FROM events WHERE stream = :stream) AS told
    WHERE before < position - 1
""")


def last_gap(connection: Connection, stream: str, retention_days: int) -> int | None:
    """The number up to which a stream has to be let go, to be without a gap.

    Args:
        connection: in the caller's transaction.
        stream: which.
        retention_days: for how long events are kept.

    Returns:
        None if there is no such stream, or if it has no gap.
    """
    kind, _, key = stream.partition(":")
    wanted: dict[str, Any] = {"days": retention_days, "name": stream}
    if kind in _HEADS:
        wanted = {"days": retention_days, "id": UUID(key)}
    row = connection.execute(text(_HEADS.get(kind, _NAMED)), wanted).one_or_none()
    span = spans(connection, [stream]).get(stream)
    if row is None or gap(span, *row) is None:
        return None
    head: int = row[0]
    last = span[2] if span is not None else 0
    if last != head:
        # Nobody can be told how it came to this: all of it is over.
        return max(last, head)
    found: int | None = connection.execute(_LAST_GAP, {"stream": stream}).scalar()
    return found


_LASTS = {
    "stock": """
        SELECT m.product_id, m.on_hand - m.reserved AS stock, m.on_hand, m.reserved, m.version,
               m.kind AS reason, m.operation_id
        FROM stock_levels l JOIN stock_movements m USING (product_id, version)
        WHERE l.product_id = :id
    """,
    "order": """
        SELECT o.version, o.id AS order_id, o.status, t.from_status AS previous_status,
               t.operation_id, o.reason
        FROM orders o CROSS JOIN LATERAL (
            SELECT * FROM order_transitions WHERE order_id = o.id ORDER BY version DESC LIMIT 1) t
        WHERE o.id = :id
    """,
    "product": """
        SELECT id AS product_id, status, version, updated_at FROM products WHERE id = :id
    """,
}


def last_told(connection: Connection, stream: str) -> dict[str, Any] | None:
    """What a stream's last event told, by the row that it tells about; its number is `version`.

    Returns:
        None if there is no such row.
    """
    kind, _, key = stream.partition(":")
    if kind not in _LASTS:
        return None
    row = connection.execute(text(_LASTS[kind]), {"id": UUID(key)}).mappings().one_or_none()
    return dict(row) if row else None

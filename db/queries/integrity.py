"""Integrity: levels against the ledger, reservations, alerts and streams, piece by piece.

Each piece is a range of ids, read by a few statements of one snapshot: a product is compared
with its own ledger, orders and streams at one moment, and neither the memory nor the time of a
piece grows with the shop.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, text

from db.queries import gaps
from db.queries.alerts import DESERVED
from db.queries.gaps import LATELY
from db.queries.ledger import Ledger, ledgers, reservations

Check = Literal["level", "ledger", "reservations", "alert", "stream"]
Phase = Literal["products", "streams", "orders"]
PHASES: tuple[Phase, ...] = ("products", "streams", "orders")

_PRODUCTS, _ORDERS, _STREAMS = 500, 2_000, 50
# Rows of the ledger or of streams that one piece may read; more only if one product has more.
_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as the rest of the database says that it must be.

    Attributes:
        check: what was compared.
        detail: what is wrong, in a sentence.
        product_id: the product, if it is about one.
        name: the product's.
        stream: the stream, if one has a gap.
    """

    check: Check
    detail: str
    product_id: UUID | None = None
    name: str | None = None
    stream: str | None = None

    @property
    def cause(self) -> str:
        """What it is about, as alerts name it."""
        return self.stream or str(self.product_id)


@dataclass(frozen=True, slots=True)
class Place:
    """How far a comparison is: the phase, and the last id or name of it that was compared."""

    phase: Phase
    after: str


START = Place("products", "")


def checked_after(phase: Phase, after: str) -> str:
    """A place that a client sent back, if it can be one.

    Raises:
        ValueError: it is none.
    """
    if "\x00" in after:
        raise ValueError(after)
    return after if phase == "streams" or not after else str(UUID(after))


@dataclass(slots=True)
class Piece:
    """What one piece of the comparison found; ``rest`` is None if it was the last."""

    rest: Place | None
    differences: list[Difference] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)


def compare(connection: Connection, place: Place, retention_days: int) -> Piece:
    """Compare the next piece.

    Args:
        connection: a snapshot.
        place: where to begin.
        retention_days: for how long events are kept.
    """
    piece = {"products": _products, "streams": _streams, "orders": _orders}[place.phase]
    return piece(connection, place.after, retention_days)


def _next(phase: Phase, rows: Collection[Any], last: object) -> Place | None:
    """After the last rows of a phase comes the next phase."""
    if rows:
        return Place(phase, str(last))
    following = PHASES.index(phase) + 1
    return Place(PHASES[following], "") if following < len(PHASES) else None


_LEVELS = f"""
    SELECT p.id AS product_id, p.name, l.product_id IS NOT NULL AS has_level, l.on_hand, l.reserved,
           coalesce(
               l.version, (SELECT max(version) FROM stock_movements WHERE product_id = p.id), 0
           ) AS version,
           p.version AS product_version, a.severity AS alert, ({DESERVED}) AS deserved,
           l.updated_at > {LATELY} AS moved_lately,
           p.updated_at > {LATELY} AS edited_lately,
           EXISTS (SELECT FROM operations o WHERE o.status = 'queued' AND o.queue = 'line'
                   AND o.product_id = p.id) AS waits
    FROM products p LEFT JOIN stock_levels l ON l.product_id = p.id
    LEFT JOIN alerts a ON a.product_id = p.id AND a.resolved_at IS NULL
"""  # noqa: S608 - our own names
_NEXT_LEVELS = text(f"""
    {_LEVELS} WHERE CAST(:after AS text) = '' OR p.id > CAST(nullif(:after, '') AS uuid)
    ORDER BY p.id LIMIT :limit
""")
_THESE_LEVELS = text(f"{_LEVELS} WHERE p.id = ANY(:ids) ORDER BY p.id")


def _products(connection: Connection, after: str, days: int) -> Piece:
    wanted = {"after": after, "limit": _PRODUCTS, "days": days}
    rows = _cut(list(connection.execute(_NEXT_LEVELS, wanted)), lambda row: row.version)
    piece = Piece(_next("products", rows, rows[-1].product_id if rows else ""))
    piece.checked["products"] = len(rows)
    piece.checked["movements"] = sum(row.version for row in rows)
    piece.differences.extend(_compare_products(connection, rows))
    return piece


def compare_products(
    connection: Connection, ids: Collection[UUID], retention_days: int
) -> list[Difference]:
    """Compare some products; one at a time if they moved often."""
    wanted = {"ids": list(ids), "days": retention_days}
    return list(_compare_products(connection, connection.execute(_THESE_LEVELS, wanted).all()))


def _compare_products(connection: Connection, rows: Iterable[Any]) -> Iterator[Difference]:
    found = {row.product_id: row for row in rows}
    kept = ledgers(connection, found)
    held = reservations(connection, found)
    spans = gaps.spans(
        connection,
        [f"{kind}:{product_id}" for product_id in found for kind in ("stock", "product")],
    )
    for product_id, row in found.items():
        about = {"product_id": product_id, "name": row.name}
        for check, detail in _about_product(row, kept[product_id], held.get(product_id, 0)):
            yield Difference(check, detail, **about)
        stock, data = f"stock:{product_id}", f"product:{product_id}"
        for stream, head, lately in (
            (stock, row.version, row.moved_lately),
            (data, row.product_version, row.edited_lately),
        ):
            gap = gaps.gap(spans.get(stream), head, lately)
            # Where a stream of no level should end, nobody knows.
            if gap and (row.has_level or stream != stock):
                yield Difference("stream", gap, **about, stream=stream)


def _about_product(row: Any, ledger: Ledger, held: int) -> Iterator[tuple[Check, str]]:
    if not row.has_level:
        yield (
            "level",
            (
                f"the level is gone; the ledger ends with {ledger.on_hand} on hand,"
                f" {ledger.reserved} reserved, version {ledger.version}"
            ),
        )
        return
    level = (row.on_hand, row.reserved, row.version)
    last = (ledger.on_hand, ledger.reserved, ledger.version)
    if level != last:
        yield (
            "level",
            (
                f"{row.on_hand} on hand, {row.reserved} reserved, version {row.version}; the ledger"
                f" ends with {ledger.on_hand} on hand, {ledger.reserved} reserved, version"
                f" {ledger.version}"
            ),
        )
    sums = ledger.sums
    if (sums.on_hand, sums.reserved) != last[:2]:
        yield (
            "ledger",
            (
                f"the changes add up to {sums.on_hand} on hand, {sums.reserved}"
                f" reserved; the last row says {ledger.on_hand} and {ledger.reserved}"
            ),
        )
    elif sums.broken_at is not None:
        yield "ledger", f"row {sums.broken_at} does not follow from the row before"
    if held != row.reserved:
        yield "reservations", f"{row.reserved} reserved; orders hold {held}"
    # What is still in line may be just what mends it.
    if row.alert != row.deserved and not row.waits:
        yield (
            "alert",
            f"the alert is {row.alert or 'none'}; the stock deserves {row.deserved or 'none'}",
        )


_HEADS = text("""
    SELECT name, head FROM streams WHERE name > :after ORDER BY name LIMIT :limit
""")


def _streams(connection: Connection, after: str, days: int) -> Piece:
    """Those that tell about no single row: of the system, and of each API key's operations."""
    found = connection.execute(_HEADS, {"after": after, "limit": _STREAMS})
    rows = _cut(list(found), lambda row: row.head)
    piece = Piece(_next("streams", rows, rows[-1].name if rows else ""))
    piece.checked["streams"] = len(rows)
    spans = gaps.spans(connection, [row.name for row in rows])
    for row in rows:
        gap = gaps.gap(spans.get(row.name), row.head, lately=False)
        if gap:
            piece.differences.append(Difference("stream", gap, stream=row.name))
    return piece


_NEXT_ORDERS = text(f"""
    SELECT id, version, updated_at > {LATELY} AS lately
    FROM orders WHERE CAST(:after AS text) = '' OR id > CAST(nullif(:after, '') AS uuid)
    ORDER BY id LIMIT :limit
""")  # noqa: S608 - our own names


def _orders(connection: Connection, after: str, days: int) -> Piece:
    wanted = {"after": after, "limit": _ORDERS, "days": days}
    rows = list(connection.execute(_NEXT_ORDERS, wanted))
    piece = Piece(_next("orders", rows, rows[-1].id if rows else ""))
    piece.checked["orders"] = len(rows)
    spans = gaps.spans(connection, [f"order:{row.id}" for row in rows])
    for row in rows:
        stream = f"order:{row.id}"
        gap = gaps.gap(spans.get(stream), row.version, row.lately)
        if gap:
            piece.differences.append(Difference("stream", gap, stream=stream))
    return piece


def _cut(rows: list[Any], size: Any) -> list[Any]:
    """As many of the rows as one piece may read, at least one."""
    total = 0
    for n, row in enumerate(rows):
        total += size(row)
        if n and total > _ROWS:
            return rows[:n]
    return rows

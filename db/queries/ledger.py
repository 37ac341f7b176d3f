"""The ledger as evidence: how it ends, what it adds up to, and what orders hold."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from db.models.order import HOLDING_STATUSES
from db.models.stock import Drift

# Rows that one statement reads.
_ROWS = 100_000


@dataclass(slots=True)
class Ledger:
    """What the ledger says of a product.

    Attributes:
        version: of the last row.
        on_hand: the balance after the last row.
        reserved: the balance after the last row.
        on_hand_sum: of all changes.
        reserved_sum: of all changes.
        broken_at: the last row that does not follow from the one before, unless a repair has
            come after it.
    """

    version: int = 0
    on_hand: int = 0
    reserved: int = 0
    on_hand_sum: int = 0
    reserved_sum: int = 0
    broken_at: int | None = None


_LAST = text("""
    SELECT m.product_id, m.version, m.on_hand, m.reserved
    FROM unnest(CAST(:ids AS uuid[])) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT product_id, version, on_hand, reserved FROM stock_movements
        WHERE product_id = wanted.id ORDER BY version DESC LIMIT 1) m
""")
_SUMS = text("""
    SELECT product_id, sum(on_hand_change)::bigint, sum(reserved_change)::bigint,
           max(version) FILTER (WHERE kind = 'repair') AS repaired_at,
           max(version) FILTER (
               WHERE kind <> 'repair'
                 AND (version - 1, on_hand - on_hand_change, reserved - reserved_change)
                     <> (before, on_hand_before, reserved_before)) AS broken_at
    FROM (
        SELECT *, lag(version, 1, 0::bigint) OVER one AS before,
               lag(on_hand, 1, 0::bigint) OVER one AS on_hand_before,
               lag(reserved, 1, 0::bigint) OVER one AS reserved_before
        FROM stock_movements
        WHERE product_id = ANY(:ids) AND version BETWEEN :first - 1 AND :last
        WINDOW one AS (PARTITION BY product_id ORDER BY version)
    ) AS followed
    WHERE version >= :first
    GROUP BY product_id
""")


def ledgers(connection: Connection, versions: Mapping[UUID, int]) -> dict[UUID, Ledger]:
    """What the ledger says of these products.

    Args:
        connection: a snapshot, or the line with the levels locked.
        versions: of each product's level, which tells how long its ledger is.
    """
    found = {product_id: Ledger() for product_id in versions}
    for product_id, *end in connection.execute(_LAST, {"ids": list(versions)}):
        ledger = found[product_id]
        ledger.version, ledger.on_hand, ledger.reserved = end
    last = max((ledger.version for ledger in found.values()), default=0)
    repaired: dict[UUID, int] = {}
    # A product that moved a million times is read in parts; many that moved little, at once.
    for first in range(1, last + 1, _ROWS):
        piece = {"ids": list(versions), "first": first, "last": first + _ROWS - 1}
        for product_id, on_hand, reserved, repair, broken in connection.execute(_SUMS, piece):
            ledger = found[product_id]
            ledger.on_hand_sum += on_hand
            ledger.reserved_sum += reserved
            repaired[product_id] = repair or repaired.get(product_id, 0)
            ledger.broken_at = broken or ledger.broken_at
            if (ledger.broken_at or 0) < repaired[product_id]:
                ledger.broken_at = None
    return found


_HOLDING = ", ".join(f"'{status}'" for status in HOLDING_STATUSES)
_RESERVATIONS = text(f"""
    SELECT i.product_id, sum(i.quantity)::bigint
    FROM order_items i JOIN orders o ON o.id = i.order_id
    WHERE i.product_id = ANY(:ids) AND o.status IN ({_HOLDING})
    GROUP BY i.product_id
""")  # noqa: S608 - our own names


def reservations(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, int]:
    """How many units of each of these products orders hold; none is missing."""
    return {row[0]: row[1] for row in connection.execute(_RESERVATIONS, {"ids": list(ids)})}


_LEVELS = text(
    "SELECT product_id, on_hand, reserved, version FROM stock_levels WHERE product_id = ANY(:ids)"
)


def drifts(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Drift]:
    """How far the levels of these products are from what the ledger and the orders say.

    The ledger's last balance is the truth about what is on hand, and the orders are about what
    is reserved.
    """
    return {drift.product_id: drift for drift in _drifts(connection, ids)} if ids else {}


def _drifts(connection: Connection, ids: Collection[UUID]) -> Iterator[Drift]:
    levels = connection.execute(_LEVELS, {"ids": list(ids)}).all()
    kept = ledgers(connection, {row.product_id: row.version for row in levels})
    held = reservations(connection, ids)
    for row in levels:
        ledger, reserved = kept[row.product_id], held.get(row.product_id, 0)
        yield Drift(
            product_id=row.product_id,
            on_hand=ledger.on_hand - row.on_hand,
            reserved=reserved - row.reserved,
            version=max(0, ledger.version - row.version),
            on_hand_change=ledger.on_hand - ledger.on_hand_sum,
            reserved_change=reserved - ledger.reserved_sum,
            is_whole=(row.on_hand, row.reserved, row.version)
            == (ledger.on_hand, reserved, ledger.version)
            and (ledger.on_hand_sum, ledger.reserved_sum) == (ledger.on_hand, reserved)
            and ledger.broken_at is None,
            reason=f"the level said {row.on_hand} on hand, {row.reserved} reserved; the ledger"
            f" says {ledger.on_hand} on hand, orders hold {reserved}",
        )

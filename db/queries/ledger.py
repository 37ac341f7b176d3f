"""The ledger as evidence: how it ends, what it adds up to, and what orders hold."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import Connection, text

from db.models.order import HOLDING_STATUSES
from db.models.stock import Drift, LedgerSums

# Rows of each product that one statement reads.
_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the ledger says of a product.

    Attributes:
        version: of the last row.
        on_hand: the balance after the last row.
        reserved: the balance after the last row.
        sums: of all rows.
    """

    version: int = 0
    on_hand: int = 0
    reserved: int = 0
    sums: LedgerSums = field(default_factory=LedgerSums)


_LAST = text("""
    SELECT m.product_id, m.version, m.on_hand, m.reserved
    FROM unnest(CAST(:ids AS uuid[])) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT product_id, version, on_hand, reserved FROM stock_movements
        WHERE product_id = wanted.id ORDER BY version DESC LIMIT 1) m
""")
# The row that was read last is read again, as the next one has to follow from it. The numbers
# bound what is read, whatever the planner thinks of it.
_ADDED = text("""
    SELECT known.id, added.*
    FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS bigint[]), CAST(:lasts AS bigint[]))
         AS known (id, version, last)
    CROSS JOIN LATERAL (
        SELECT min(version) AS first FROM stock_movements
        WHERE product_id = known.id AND stock_movements.version > known.version
    ) AS next
    CROSS JOIN LATERAL (
        SELECT coalesce(max(version), known.last), coalesce(sum(on_hand_change), 0)::bigint,
               coalesce(sum(reserved_change), 0)::bigint,
               max(version) FILTER (WHERE kind = 'repair'),
               max(version) FILTER (
                   WHERE kind <> 'repair'
                     AND (version - 1, on_hand - on_hand_change, reserved - reserved_change)
                         <> (before, on_hand_before, reserved_before))
        FROM (
            SELECT *, lag(version, 1, 0::bigint) OVER one AS before,
                   lag(on_hand, 1, 0::bigint) OVER one AS on_hand_before,
                   lag(reserved, 1, 0::bigint) OVER one AS reserved_before
            FROM stock_movements m
            WHERE product_id = known.id
              AND m.version BETWEEN known.version AND least(known.last, next.first + :rows - 1)
            WINDOW one AS (ORDER BY version)
        ) AS followed
        WHERE followed.version > known.version
    ) AS added
""")
_NOTHING = Ledger()


def ledgers(
    connection: Connection, ids: Collection[UUID], known: Mapping[UUID, LedgerSums] | None = None
) -> dict[UUID, Ledger]:
    """What the ledger says of these products.

    Args:
        connection: a snapshot, or the line with the levels locked.
        ids: which.
        known: what some of their ledgers are known to add up to; only newer rows are read.
    """
    ends = _ends(connection, ids)
    sums = {}
    for product_id, end in ends.items():
        before = (known or {}).get(product_id, end.sums)
        # What ends earlier than it did is not what was read.
        sums[product_id] = before if before.version <= end.version else end.sums
    # A product that moved a million times is read in parts; many that moved little, at once.
    while behind := {one: sum for one, sum in sums.items() if sum.version < ends[one].version}:
        sums |= _add(connection, behind, ends)
    return {one: replace(end, sums=sums[one]) for one, end in ends.items()}


def add_up(connection: Connection, product_id: UUID, known: LedgerSums) -> tuple[LedgerSums, bool]:
    """Add the next rows of one product's ledger to what is known of it.

    Returns:
        The sums, and whether that were all rows for now.
    """
    ends = _ends(connection, [product_id])
    if known.version < ends[product_id].version:
        known = _add(connection, {product_id: known}, ends)[product_id]
    return known, known.version >= ends[product_id].version


def _ends(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Ledger]:
    found = dict.fromkeys(ids, _NOTHING)
    for product_id, *end in connection.execute(_LAST, {"ids": list(ids)}):
        found[product_id] = Ledger(*end)
    return found


def _add(
    connection: Connection, known: Mapping[UUID, LedgerSums], ends: Mapping[UUID, Ledger]
) -> dict[UUID, LedgerSums]:
    wanted = {
        "ids": list(known),
        "versions": [sums.version for sums in known.values()],
        "lasts": [ends[product_id].version for product_id in known],
        "rows": _ROWS,
    }
    return {
        product_id: _sum(known[product_id], *added)
        for product_id, *added in connection.execute(_ADDED, wanted)
    }


def _sum(
    known: LedgerSums,
    version: int,
    on_hand: int,
    reserved: int,
    repaired_at: int | None,
    broken_at: int | None,
) -> LedgerSums:
    broken_at = broken_at or known.broken_at
    if broken_at is not None and broken_at < (repaired_at or 0):
        broken_at = None
    return LedgerSums(version, known.on_hand + on_hand, known.reserved + reserved, broken_at)


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


def drifts(connection: Connection, known: Mapping[UUID, LedgerSums]) -> dict[UUID, Drift]:
    """How far the levels of products are from what the ledger and the orders say.

    The ledger's last balance is the truth about what is on hand, and the orders are about what
    is reserved.

    Args:
        connection: the line with the levels locked.
        known: which products, and what their ledgers are known to add up to.
    """
    return {drift.product_id: drift for drift in _drifts(connection, known)} if known else {}


def _drifts(connection: Connection, known: Mapping[UUID, LedgerSums]) -> Iterator[Drift]:
    levels = connection.execute(_LEVELS, {"ids": list(known)}).all()
    kept = ledgers(connection, [row.product_id for row in levels], known)
    held = reservations(connection, known)
    for row in levels:
        ledger, reserved = kept[row.product_id], held.get(row.product_id, 0)
        sums = ledger.sums
        yield Drift(
            product_id=row.product_id,
            on_hand=ledger.on_hand - row.on_hand,
            reserved=reserved - row.reserved,
            version=max(0, ledger.version - row.version),
            on_hand_change=ledger.on_hand - sums.on_hand,
            reserved_change=reserved - sums.reserved,
            is_whole=(row.on_hand, row.reserved, row.version)
            == (ledger.on_hand, reserved, ledger.version)
            and (sums.on_hand, sums.reserved) == (ledger.on_hand, reserved)
            and sums.broken_at is None,
            reason=f"the level said {row.on_hand} on hand, {row.reserved} reserved; the ledger"
            f" says {ledger.on_hand} on hand, orders hold {reserved}",
        )

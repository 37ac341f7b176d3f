"""Stock levels and the ledger of their movements: how much is in the house, and why."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import UUID as PgUUID

from db.base import metadata
from db.errors import Refusal

MAX_ON_HAND = 1_000_000_000_000

stock_levels = Table(
    "stock_levels",
    metadata,
    Column("product_id", PgUUID(as_uuid=True), ForeignKey("products.id"), primary_key=True),
    Column("on_hand", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("ever_stocked", Boolean, nullable=False),
    Column("updated_at", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint(f"on_hand BETWEEN 0 AND {MAX_ON_HAND}", name="on_hand_in_range"),
    CheckConstraint("reserved BETWEEN 0 AND on_hand", name="reserved_in_range"),
    # Rows are rewritten often: room on the page lets PostgreSQL do it without new index entries.
    postgresql_with={"fillfactor": "70", "autovacuum_vacuum_scale_factor": "0.05"},
)

stock_movements = Table(
    "stock_movements",
    metadata,
    # No foreign keys: the line counts the levels and operations that it writes together with these
    # rows, products have levels as long as they are there, and operations stay.
    Column("product_id", PgUUID(as_uuid=True), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("on_hand_change", BigInteger, nullable=False),
    Column("reserved_change", BigInteger, nullable=False),
    Column("on_hand", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("reason", Text),
    Column("reference", Text),
    Column("operation_id", PgUUID(as_uuid=True), nullable=False),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint(
        "kind IN ('adjustment', 'count', 'reservation', 'release', 'shipment', 'repair')",
        name="kind_known",
    ),
    CheckConstraint("on_hand >= 0 AND reserved BETWEEN 0 AND on_hand", name="balances_in_range"),
    Index("ix_stock_movements_created_at", "created_at", postgresql_using="brin"),
)


@dataclass(frozen=True, slots=True)
class Movement:
    """One signed row of the ledger, with both balances after it."""

    kind: str
    on_hand_change: int
    reserved_change: int
    on_hand: int
    reserved: int
    version: int
    reason: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerSums:
    """What a ledger adds up to as far as it was read; its rows, and so their sums, never change.

    Attributes:
        version: of the last row that was read.
        on_hand: of all changes.
        reserved: of all changes.
        broken_at: the last row that does not follow from the one before, unless a repair has
            come after it.
    """

    version: int = 0
    on_hand: int = 0
    reserved: int = 0
    broken_at: int | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a level is from what the ledger and the orders say.

    Attributes:
        product_id: whose.
        on_hand: units to add to the level's.
        reserved: units to add to the level's.
        version: numbers of the ledger that the level does not know.
        on_hand_change: what makes the ledger's changes add up.
        reserved_change: what makes the ledger's changes add up.
        is_whole: whether there is nothing to mend.
        reason: what was found, for the ledger.
    """

    product_id: UUID
    on_hand: int
    reserved: int
    version: int
    on_hand_change: int
    reserved_change: int
    is_whole: bool
    reason: str


@dataclass(slots=True)
class StockLevel:
    """What is in the house of one product, and what accepted orders hold of it."""

    product_id: UUID
    on_hand: int
    reserved: int
    version: int
    ever_stocked: bool
    name: str
    status: str
    threshold: int

    def __copy__(self) -> "StockLevel":
        # Every operation's turn makes one; the standard library's way takes five times as long.
        return StockLevel(
            self.product_id,
            self.on_hand,
            self.reserved,
            self.version,
            self.ever_stocked,
            self.name,
            self.status,
            self.threshold,
        )

    @property
    def available(self) -> int:
        """What can be sold: on hand less reserved."""
        return self.on_hand - self.reserved

    def expect(self, available: int | None) -> None:
        """Refuse unless the stock is what the client saw.

        Raises:
            Refusal: ``stock-changed``.
        """
        if available is not None and available != self.available:
            raise Refusal(
                "stock-changed",
                f"The stock is {self.available}, not {available} as expected.",
                expected=available,
                stock=self.available,
            )

    def adjust(
        self, change: int, reason: str | None = None, reference: str | None = None
    ) -> Movement:
        """Add units to the house, or take out what can be sold.

        Args:
            change: units, signed.
            reason: why, for the ledger.
            reference: the client's own reference, for the ledger.

        Raises:
            Refusal: ``insufficient-stock`` or ``stock-limit``.
        """
        if self.available + change < 0:
            raise insufficient_stock(self, -change)
        if self.on_hand + change > MAX_ON_HAND:
            raise Refusal(
                "stock-limit",
                f"No more than {MAX_ON_HAND:,} units of a product can be kept.",
                onHand=self.on_hand,
                limit=MAX_ON_HAND,
            )
        return self._move("adjustment", change, 0, reason, reference)

    def count(self, counted: int, reason: str | None = None) -> Movement:
        """Set what is on hand to what was counted.

        Raises:
            Refusal: ``count-below-reserved``.
        """
        if counted < self.reserved:
            raise Refusal(
                "count-below-reserved",
                f"{_units(self.reserved)} reserved for orders, more than the {counted:,} counted.",
                reserved=self.reserved,
                counted=counted,
            )
        return self._move("count", counted - self.on_hand, 0, reason)

    def reserve(self, quantity: int, reference: str) -> Movement:
        """Hold units for an order.

        Raises:
            Refusal: ``insufficient-stock``.
        """
        if quantity > self.available:
            raise insufficient_stock(self, quantity)
        return self._move("reservation", 0, quantity, reference=reference)

    def release(self, quantity: int, reference: str) -> Movement:
        """Give back what an order held."""
        return self._move("release", 0, -quantity, reference=reference)

    def ship(self, quantity: int, reference: str) -> Movement:
        """Take what an order held out of the house."""
        return self._move("shipment", -quantity, -quantity, reference=reference)

    def repair(self, drift: Drift) -> Movement:
        """Set the level to what the ledger and the orders say; the ledger keeps why.

        Raises:
            Refusal: ``repair-impossible``: orders hold more than there is.
        """
        on_hand, reserved = self.on_hand + drift.on_hand, self.reserved + drift.reserved
        if reserved > on_hand:
            raise Refusal(
                "repair-impossible",
                f"{_units(reserved)} held by orders, and the ledger has {on_hand:,} on hand:"
                f" take {reserved - on_hand:,} or more into the house, and repair then.",
                onHand=on_hand,
                reserved=reserved,
            )
        self.on_hand, self.reserved = on_hand, reserved
        self.version += drift.version + 1
        self.ever_stocked = self.ever_stocked or on_hand > 0
        return Movement(
            "repair",
            drift.on_hand_change,
            drift.reserved_change,
            on_hand,
            reserved,
            self.version,
            drift.reason,
        )

    def _move(
        self,
        kind: str,
        on_hand_change: int,
        reserved_change: int,
        reason: str | None = None,
        reference: str | None = None,
    ) -> Movement:
        on_hand = self.on_hand + on_hand_change
        reserved = self.reserved + reserved_change
        if not 0 <= reserved <= on_hand:
            raise ValueError(f"{kind} would leave {reserved} reserved of {on_hand} on hand")
        self.on_hand, self.reserved = on_hand, reserved
        self.version += 1
        self.ever_stocked = self.ever_stocked or on_hand > 0
        return Movement(
            kind,
            on_hand_change,
            reserved_change,
            on_hand,
            reserved,
            self.version,
            reason,
            reference,
        )


def insufficient_stock(level: StockLevel, requested: int) -> Refusal:
    """The refusal of more units than can be sold."""
    return Refusal(
        "insufficient-stock",
        f"{_units(requested, 'was', 'were')} asked for and {level.available:,} can be sold.",
        productId=str(level.product_id),
        available=level.available,
        requested=requested,
    )


def _units(count: int, one: str = "is", many: str = "are") -> str:
    return f"{count:,} unit {one}" if count == 1 else f"{count:,} units {many}"

"""The reference: what a shop must be after what it accepted, in the plainest Python.

It knows nothing of the product's code: it applies what was asked, in order of acceptance.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

STEPS = {
    "pending": ("confirmed", "cancelled"),
    "confirmed": ("processing", "cancelled"),
    "processing": ("shipped", "cancelled"),
    "shipped": ("delivered",),
}
# An order of so many units of a product has a bug as its handler.
POISONOUS_UNITS = 13
ATTEMPTS = 3


@dataclass(eq=False)
class Asked:
    """One accepted operation; what does not belong to its kind stays empty.

    Attributes:
        kind: adjust, count, order or step.
        key: its idempotency key.
        product: what is adjusted or counted.
        units: signed, or what was counted.
        expected: the stock that the client saw.
        dry: decides, and leaves nothing.
        raises: attempts that end in a bug of its handler.
        unwritable: the database refuses to keep it.
        order: the key of the operation that made the order.
        items: of the order, products with units.
        status: what the order shall become.
        id: of the operation, as soon as the client knows.
    """

    kind: str
    key: str
    product: str = ""
    units: int = 0
    expected: int | None = None
    dry: bool = False
    raises: int = 0
    unwritable: bool = False
    order: str = ""
    items: tuple[tuple[str, int], ...] = ()
    status: str = ""
    id: str = ""

    @property
    def doomed(self) -> bool:
        """Whether it cannot be applied, ever."""
        return self.unwritable or self.raises >= ATTEMPTS

    def wanted(self) -> dict[str, int]:
        """Units by product."""
        found: dict[str, int] = defaultdict(int)
        for product, units in self.items:
            found[product] += units
        return found


class No(Exception):  # noqa: N818 - an answer
    """A rule's no, by its code."""


@dataclass
class Shelf:
    """What is there of a product, and how it came to be."""

    on_hand: int = 0
    reserved: int = 0
    ever: bool = False
    ledger: list[tuple[str, int, int, str]] = field(default_factory=list)

    @property
    def stock(self) -> int:
        return self.on_hand - self.reserved

    def move(self, kind: str, on_hand: int, reserved: int, by: str) -> None:
        """Change, and keep a row of it."""
        self.on_hand += on_hand
        self.reserved += reserved
        self.ever = self.ever or self.on_hand > 0
        self.ledger.append((kind, on_hand, reserved, by))

    def severity(self, threshold: int, published: bool) -> str | None:
        """Which alert must be open."""
        if not self.ever and not published:
            return None
        if self.stock == 0:
            return "out_of_stock"
        return "low_stock" if self.stock <= threshold else None


class Shop:
    """Shelves, orders and ends after all that was applied.

    Attributes:
        ends: status and problem code of each operation.
        orders: the statuses that each order has gone through.
    """

    def __init__(self) -> None:
        self.shelves: dict[str, Shelf] = defaultdict(Shelf)
        self.orders: dict[str, list[str]] = defaultdict(lambda: ["queued"])
        self.ends: dict[str, tuple[str, str | None]] = {}
        self._items: dict[str, dict[str, int]] = {}

    def apply(self, asked: Iterable[Asked], dead: set[str]) -> "Shop":
        """Apply operations; those that were given up leave nothing but a rejected order."""
        apply: dict[str, Any] = {
            "adjust": self._adjust,
            "count": self._count,
            "order": self._order,
            "step": self._step,
        }
        for one in asked:
            if one.id in dead:
                self._refuse(one, "dead", "operation-dead")
                continue
            try:
                apply[one.kind](one)
                self.ends[one.id] = ("succeeded", None)
            except No as no:
                self._refuse(one, "failed", str(no))
        return self

    def _refuse(self, one: Asked, status: str, code: str) -> None:
        self.ends[one.id] = (status, code)
        if one.kind == "order":
            self.orders[one.key].append("rejected")
            self._items[one.key] = {}

    def _adjust(self, one: Asked) -> None:
        shelf = self.shelves[one.product]
        if one.expected not in (None, shelf.stock):
            raise No("stock-changed")
        if shelf.stock + one.units < 0:
            raise No("insufficient-stock")
        if not one.dry:
            shelf.move("adjustment", one.units, 0, one.id)

    def _count(self, one: Asked) -> None:
        shelf = self.shelves[one.product]
        if one.expected not in (None, shelf.stock):
            raise No("stock-changed")
        if one.units < shelf.reserved:
            raise No("count-below-reserved")
        shelf.move("count", one.units - shelf.on_hand, 0, one.id)

    def _order(self, one: Asked) -> None:
        if any(self.shelves[product].stock < units for product, units in one.wanted().items()):
            raise No("insufficient-stock")
        self._items[one.key] = one.wanted()
        self.orders[one.key].append("pending")
        for product, units in one.wanted().items():
            self.shelves[product].move("reservation", 0, units, one.id)

    def _step(self, one: Asked) -> None:
        road = self.orders[one.order]
        if road[-1] == one.status:
            return
        if one.status not in STEPS.get(road[-1], ()):
            raise No("invalid-transition")
        road.append(one.status)
        for product, units in self._items[one.order].items():
            if one.status == "shipped":
                self.shelves[product].move("shipment", -units, -units, one.id)
            elif one.status == "cancelled":
                self.shelves[product].move("release", 0, -units, one.id)

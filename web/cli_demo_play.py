"""The demo's play: does what the plan says, through the public API, and keeps its own books."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from web.cli_client import Api
from web.cli_demo_month import SOLD, Month, label
from web.cli_demo_plan import SEASONAL, Adjust, Buy, Move, Plan, PlannedProduct, Reprice, Step
from web.cli_demo_witness import Witness
from web.cli_errors import CommandError
from web.cli_feed import Topic

MAX_SUBSCRIPTIONS = 500
_END_SECONDS = 60.0
# The buyer notices what is low in the evening, and the goods come this many days later.
_DELIVERY_DAYS, _DELIVERY_UNITS = 2, 25


@dataclass
class Shelf:
    """What the demo believes of a product."""

    id: str
    plan: PlannedProduct
    price: Decimal
    on_hand: int = 0
    reserved: int = 0
    ordered: bool = False

    @property
    def stock(self) -> int:
        """What can be sold."""
        return self.on_hand - self.reserved


@dataclass
class Sale:
    """What the demo believes of an order."""

    id: str
    items: tuple[tuple[int, int], ...]
    total: Decimal
    day: int = 0
    status: str = "queued"

    @property
    def units(self) -> int:
        """Of all products together."""
        return sum(quantity for _, quantity in self.items)


@dataclass
class Books:
    """What the demo believes of the shop, from what it did and how that ended."""

    shelves: list[Shelf] = field(default_factory=list)
    sales: dict[int, Sale] = field(default_factory=dict)
    submitted: dict[str, Step] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    day: int = 0
    received: Counter[int] = field(default_factory=Counter)

    def month(self) -> Month:
        """What was sold and received, day by day."""
        month = Month()
        for sale in self.sales.values():
            if sale.status in SOLD:
                month.sold(sale.day, sale.total)
        for day, units in self.received.items():
            month.days[day].received = units
        return month

    def settle(self, step: Step, end: dict[str, Any]) -> None:
        """Write down how an operation ended."""
        code = str((end.get("error") or {}).get("type", "")).rpartition("/")[2] or None
        if code is not None:
            self.refusals[code] += 1
        if code not in self._possible(step):
            self.surprises.append(f"{step}: {end['status']} {code or ''}")
        if isinstance(step, Buy):
            self._settle_order(self.sales[step.number], "rejected" if code else "pending")
        elif code is None and isinstance(step, Adjust):
            self.shelves[step.product].on_hand += step.change
            self.received[self.day] += max(step.change, 0)
        elif code is None and isinstance(step, Move):
            self._settle_order(self.sales[step.number], step.status)

    def _possible(self, step: Step) -> tuple[str | None, ...]:
        """How a step may end: not every shortage is planned."""
        if isinstance(step, Reprice) or step.refusal is not None:
            return (None if isinstance(step, Reprice) else step.refusal,)
        if isinstance(step, Move):
            over = self.sales[step.number].status in ("rejected", "cancelled")
            return ("invalid-transition" if over else None,)
        return (None, "insufficient-stock")

    def _settle_order(self, sale: Sale, status: str) -> None:
        sale.status = status
        for product, quantity in sale.items:
            shelf = self.shelves[product]
            if status == "pending":
                shelf.reserved += quantity
            elif status in ("shipped", "cancelled"):
                shelf.reserved -= quantity
                shelf.on_hand -= quantity if status == "shipped" else 0


class Play:
    """Plays a plan.

    Args:
        api: the service, with a key of the demo's own.
        witness: hears the events.
        plan: what to do.
        run: tells this play's things from another's.
        advance: is told what is being done, how many steps of it were, and how many are new.
        day_seconds: how long a day takes at least.
    """

    def __init__(
        self,
        api: Api,
        witness: Witness,
        plan: Plan,
        *,
        run: str,
        advance: Callable[[str, int, int], None],
        day_seconds: float,
    ) -> None:
        self.books = Books()
        self._api = api
        self._witness = witness
        self._plan = plan
        self._run = run
        self._advance = advance
        self._day_seconds = day_seconds
        self._label = ""

    def play(self) -> Books:
        """Play it all.

        Raises:
            CommandError: the service does not do what it must.
        """
        self._open_shop()
        deliveries: list[list[Step]] = [[] for _ in range(len(self._plan.days) + _DELIVERY_DAYS)]
        for day, steps in enumerate(self._plan.days):
            until = time.monotonic() + self._day_seconds
            self._begin(day + 1)
            self._do([*deliveries[day], *steps])
            self._reorder(deliveries[day + _DELIVERY_DAYS])
            time.sleep(max(0.0, until - time.monotonic()))
        return self.books

    def _open_shop(self) -> None:
        self._begin(0)
        for number, product in enumerate(self._plan.products):
            made = self._api.send(
                "POST",
                "/api/pms/products",
                {
                    "name": product.name,
                    "description": product.description,
                    "price": float(product.price),
                    "categoryId": product.category,
                    "images": [],
                    "sku": f"{self._run}-{number + 1:03}",
                    "lowStockThreshold": product.threshold,
                },
            ).body
            self.books.shelves.append(Shelf(made["id"], product, product.price))
            self._witness.follow(Topic("inventory", made["id"]))
            self._advance("opening the shop", 1, 0)
        self._do([Adjust(number, product.stock, "first delivery")
                  for number, product in enumerate(self._plan.products)])  # fmt: skip
        for shelf in self.books.shelves:
            if shelf.plan.published:
                path = f"/api/pms/products/{shelf.id}/publish"
                self._api.send("PUT", path, {"status": "published"})
            self._advance("opening the shop", 1, 0)

    def _begin(self, day: int) -> None:
        self.books.day, self._label = day, label(self._run, day)

    def _do(self, steps: list[Step]) -> None:
        """A day's work: submit it in order, then see how it ended.

        Orders of the day have not ended when the next step is due: an operation that was
        accepted later takes effect later, so nobody need wait in between.
        """
        submitted: dict[str, Step] = {}
        for step in steps:
            operation = self._submit(step)
            if operation is not None:
                submitted[operation["id"]] = step
            self._advance(self._label, 1, 0)
        self.books.submitted.update(submitted)
        if not self._witness.wait_for_ends(submitted.keys(), _END_SECONDS):
            missing = next(one for one in submitted if one not in self._witness.ends)
            raise CommandError(
                f"no event told the end of operation {missing} within {_END_SECONDS:.0f} s; "
                "`pms status` says whether workers are alive"
            )
        for operation_id, step in submitted.items():
            self.books.settle(step, self._witness.ends[operation_id])

    def _submit(self, step: Step) -> dict[str, Any] | None:
        """The operation; None if there is nothing to be submitted."""
        match step:
            case Adjust():
                return self._adjust(step)
            case Buy():
                return self._buy(step)
            case Move():
                return self._move(step)
            case Reprice():
                shelf = self.books.shelves[step.product]
                self._api.send(
                    "PATCH", f"/api/pms/products/{shelf.id}", {"price": float(step.price)}
                )
                shelf.price = step.price
                return None

    def _adjust(self, step: Adjust) -> dict[str, Any]:
        body: dict[str, Any] = {
            "productId": self.books.shelves[step.product].id,
            "quantity": abs(step.change),
            "type": "increment" if step.change > 0 else "decrement",
            "reason": step.reason,
            "reference": self._label,
        }
        if step.expected_stock is not None:
            body["expectedStock"] = step.expected_stock
        return self._accepted("POST", "/api/inventory/adjust", body)

    def _buy(self, step: Buy) -> dict[str, Any]:
        shelves = self.books.shelves
        body = {
            "items": [
                {"productId": shelves[product].id, "quantity": quantity}
                for product, quantity in step.items
            ],
            "customerId": f"{self._label} {step.customer}",
            "shippingAddress": f"{step.customer}, {step.address}",
        }
        operation = self._accepted("POST", "/api/pms/orders", body)
        total = sum((shelves[product].price * n for product, n in step.items), Decimal(0))
        self.books.sales[step.number] = Sale(
            operation["orderId"], step.items, total, self.books.day
        )
        if len(shelves) + len(self.books.sales) <= MAX_SUBSCRIPTIONS:
            self._witness.follow(Topic("order", operation["orderId"]))
        return operation

    def _move(self, step: Move) -> dict[str, Any] | None:
        sale = self.books.sales[step.number]
        if step.refusal is None and sale.status in ("rejected", "cancelled"):
            return None
        return self._accepted("PATCH", f"/api/pms/orders/{sale.id}/status", {"status": step.status})

    def _accepted(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        operation: dict[str, Any] = self._api.send(method, path, body).body
        return operation

    def _reorder(self, deliveries: list[Step]) -> None:
        """The buyer's evening: what is low comes again in a few days."""
        arrived = {step.product for step in deliveries if isinstance(step, Adjust)}
        for number, shelf in enumerate(self.books.shelves[:-SEASONAL]):
            if shelf.stock > shelf.plan.threshold:
                shelf.ordered = False
            elif not shelf.ordered and number not in arrived:
                shelf.ordered = True
                deliveries.append(Adjust(number, _DELIVERY_UNITS, "delivery"))
                self._advance(self._label, 0, 1)

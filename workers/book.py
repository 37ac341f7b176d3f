"""What one batch of the line has read, and what came of it; each operation gets its turn at it."""

from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from db.models.alert import Alert
from db.models.operation import Waiting
from db.models.order import Order
from db.models.stock import Drift, Movement, StockLevel
from db.models.stream import SYSTEM, order_stream, stock_stream
from db.queries.line import Outcome
from workers.events import Event, OrderMoved, StockAdjusted, SystemAlerted


@dataclass(slots=True)
class Book:
    """The levels, orders, open alerts and stream heads that a batch names, and its outcome.

    For repairs also how far levels are from their ledgers, and the last events of streams.
    """

    now: datetime
    levels: dict[UUID, StockLevel]
    orders: dict[UUID, Order]
    alerts: dict[UUID, Alert]
    heads: dict[str, int]
    drifts: dict[UUID, Drift] = field(default_factory=dict)
    lasts: dict[str, tuple[int, Event]] = field(default_factory=dict)
    bulks_wait: bool = False
    outcome: Outcome = field(default_factory=Outcome)
    given: dict[str, int] = field(default_factory=dict)

    def append(self, stream: str, position: int, event: Event) -> None:
        """Write an event under a number of its stream."""
        self.outcome.events.append((stream, position, event.name, event.as_json()))

    def append_next(self, stream: str, event: Event) -> None:
        """Write an event under the next number of a stream that tells about no single row."""
        self.heads[stream] = self.given[stream] = position = self.heads[stream] + 1
        self.append(stream, position, event)


class Turn:
    """One operation's turn: copies of what it touches, kept only if the whole of it succeeds."""

    __slots__ = ("_alerts", "_book", "_cuts", "_events", "_levels", "_movements", "_orders",
                 "_retold", "_sold_at", "_steps", "now", "operation")  # fmt: skip

    def __init__(self, book: Book, operation: Waiting) -> None:
        self.now = book.now
        self.operation = operation
        self._book = book
        self._levels: dict[UUID, StockLevel] = {}
        self._orders: dict[UUID, Order] = {}
        self._alerts: dict[UUID, list[Alert]] = {}
        self._events: list[tuple[str, int | None, Event]] = []
        self._movements: list[tuple[UUID, Movement]] = []
        self._steps: list[tuple[Order, str]] = []
        self._sold_at: list[datetime] = []
        self._cuts: list[tuple[str, int]] = []
        self._retold: list[str] = []

    def stock(self, product_id: UUID) -> StockLevel:
        """The stock level of a product, to be read and changed."""
        level = self._levels.get(product_id)
        if level is None:
            level = self._levels[product_id] = copy(self._book.levels[product_id])
        return level

    def order(self, order_id: UUID) -> Order:
        """An order, to be read and changed."""
        order = self._orders.get(order_id)
        if order is None:
            order = self._orders[order_id] = copy(self._book.orders[order_id])
        return order

    def open_alert(self, product_id: UUID) -> Alert | None:
        """The open alert of a product, to be read and changed, if there is one."""
        history = self._alerts.get(product_id)
        if history is not None:
            return history[-1] if history[-1].resolved_at is None else None
        found = self._book.alerts.get(product_id)
        if found is None or found.resolved_at is not None:
            return None
        self._alerts[product_id] = [copy(found)]
        return self._alerts[product_id][-1]

    def drift(self, product_id: UUID) -> Drift | None:
        """How far a product's level is from the ledger and the orders; None if it is mended."""
        found = self._book.drifts.get(product_id)
        return None if found is None or found.is_whole else found

    def cut(self, stream: str, through: int) -> None:
        """Let go of a stream's events up to a number; the last of all is told again, by its row."""
        self._cuts.append((stream, through))
        last, event = self._book.lasts.get(stream, (through + 1, None))
        if event is not None and last <= through:
            self._events.append((stream, last, event))
            self._retold.append(stream)

    def raise_alert(self, alert: Alert) -> None:
        """Open an alert; the caller has seen that none is open."""
        self._alerts.setdefault(alert.product_id, []).append(alert)

    def moved(self, level: StockLevel, movement: Movement) -> None:
        """A stock level has changed: a row of the ledger, and an event."""
        self._movements.append((level.product_id, movement))
        event = StockAdjusted(
            product_id=level.product_id,
            stock=movement.on_hand - movement.reserved,
            on_hand=movement.on_hand,
            reserved=movement.reserved,
            version=movement.version,
            reason=movement.kind,
            operation_id=self.operation.id,
        )
        self._events.append((stock_stream(level.product_id), movement.version, event))

    def stepped(self, order: Order, previous: str) -> None:
        """An order has gone a step: a row of its history, and an event."""
        self._steps.append((copy(order), previous))
        event = OrderMoved(
            order_id=order.id,
            status=order.status,
            previous_status=previous,
            operation_id=self.operation.id,
            reason=order.reason,
        )
        self._events.append((order_stream(order.id), order.version, event))

    def sales_changed(self, order: Order) -> None:
        """What was sold on the day of this order is no longer what the rollups hold."""
        self._sold_at.append(order.created_at)

    def alerted(self, alert: SystemAlerted) -> None:
        """Tell everybody."""
        self._events.append((SYSTEM, None, alert))

    def keep(self) -> None:
        """The operation has succeeded: what it did becomes the batch's."""
        book, outcome = self._book, self._book.outcome
        for product_id, movement in self._movements:
            book.levels[product_id] = self._levels[product_id]
            outcome.levels[product_id] = self._levels[product_id]
            outcome.movements.append((product_id, movement, self.operation.id))
            if movement.kind == "repair":
                del book.drifts[product_id]
        for order, previous in self._steps:
            book.orders[order.id] = outcome.orders[order.id] = self._orders[order.id]
            outcome.transitions.append((order, previous, self.operation.id))
        for product_id, history in self._alerts.items():
            book.alerts[product_id] = history[-1]
            outcome.alerts.update((alert.id, alert) for alert in history)
        outcome.sold_at.update(self._sold_at)
        outcome.cuts += self._cuts
        for stream in self._retold:
            del book.lasts[stream]
        for stream, position, event in self._events:
            if position is None:
                book.append_next(stream, event)
            else:
                book.append(stream, position, event)

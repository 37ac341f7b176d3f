"""Commands: what can be asked of the line, as small frozen requests."""

from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Literal
from uuid import UUID

import orjson
from pydantic import TypeAdapter

from db.models.operation import ANALYTICS, BULK, LINE
from db.models.stock import LedgerSums


@dataclass(frozen=True, slots=True)
class AdjustStock:
    """Add units to a product's stock or take them out, by hand."""

    kind: ClassVar = "adjust-stock"
    queue: ClassVar = LINE
    product_id: UUID
    quantity: int
    type: Literal["increment", "decrement"]
    reason: str | None = None
    reference: str | None = None
    expected_stock: int | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class AdjustMany:
    """Adjust the stock of many products, row by row, in turns between single operations.

    Attributes:
        bulk_id: whose rows.
        atomic: all of them or none, in one turn.
        dry_run: only say what would happen.
        form: what the rows came as, which says how they are counted; older bulks do not know.
    """

    kind: ClassVar = "adjust-many"
    queue: ClassVar = BULK
    bulk_id: UUID
    atomic: bool = False
    dry_run: bool = False
    form: Literal["json", "csv"] | None = None


@dataclass(frozen=True, slots=True)
class CountStock:
    """Set what is on hand to what was counted."""

    kind: ClassVar = "count-stock"
    queue: ClassVar = LINE
    product_id: UUID
    counted: int
    # Those that were accepted before it was required may have none.
    reason: str | None = None
    expected_stock: int | None = None


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """Reserve all items of an accepted order, or none."""

    kind: ClassVar = "create-order"
    queue: ClassVar = LINE
    order_id: UUID


@dataclass(frozen=True, slots=True)
class ChangeOrderStatus:
    """Take an order one step on."""

    kind: ClassVar = "change-order-status"
    queue: ClassVar = LINE
    order_id: UUID
    status: Literal["confirmed", "processing", "shipped", "delivered", "cancelled"]


@dataclass(frozen=True, slots=True)
class CheckAlerts:
    """Look again whether a product deserves an alert: its threshold or status has changed."""

    kind: ClassVar = "check-alerts"
    queue: ClassVar = LINE
    product_id: UUID


@dataclass(frozen=True, slots=True)
class RepairStock:
    """Set a product's level and alert to what the ledger and the orders say.

    Attributes:
        product_id: whose.
        ledger: what its ledger added up to when this was asked for, so that the line has to read
            only what is newer; older repairs do not know.
    """

    kind: ClassVar = "repair-stock"
    queue: ClassVar = LINE
    product_id: UUID
    ledger: LedgerSums | None = None


@dataclass(frozen=True, slots=True)
class RepairStream:
    """Let go of the events of a stream up to a gap: who has missed them gets the state instead.

    If that is all of them, and a row holds what the last one told, that one is told again.
    """

    kind: ClassVar = "repair-stream"
    queue: ClassVar = LINE
    stream: str
    through: int


@dataclass(frozen=True, slots=True)
class RebuildRollups:
    """Compute the sales of a range of days again, both days included."""

    kind: ClassVar = "rebuild-rollups"
    queue: ClassVar = ANALYTICS
    start_date: date
    end_date: date


Command = (
    AdjustStock
    | AdjustMany
    | CountStock
    | CreateOrder
    | ChangeOrderStatus
    | CheckAlerts
    | RepairStock
    | RepairStream
    | RebuildRollups
)

COMMANDS: dict[str, type[Command]] = {
    command.kind: command
    for command in (
        AdjustStock,
        AdjustMany,
        CountStock,
        CreateOrder,
        ChangeOrderStatus,
        CheckAlerts,
        RepairStock,
        RepairStream,
        RebuildRollups,
    )
}
_adapters: dict[str, TypeAdapter[Any]] = {
    kind: TypeAdapter(command) for kind, command in COMMANDS.items()
}


def encode(command: Command) -> orjson.Fragment:
    """The command as the JSON that its operation keeps."""
    return orjson.Fragment(orjson.dumps(command))


def decode(kind: str, payload: dict[str, Any]) -> Command:
    """The command that an operation keeps.

    Raises:
        KeyError: no command is of this kind.
        pydantic.ValidationError: the payload is not one of it.
    """
    command: Command = _adapters[kind].validate_python(payload)
    return command

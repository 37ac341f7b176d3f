"""Events: what is written by hand for speed is what their schemas say."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from workers.events import (
    EVENTS,
    Event,
    OperationUpdated,
    OrderMoved,
    ProductChanged,
    Progress,
    StockAdjusted,
    SystemAlerted,
)

ONE, TWO = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 11, 24, 8, 30, 0, 120, tzinfo=UTC)
ENDED: dict[str, Any] = {
    "operation_id": ONE,
    "kind": "adjust-stock",
    "status": "succeeded",
    "attempts": 1,
    "finished_at": NOW,
    "request_id": 'a "quoted" name\n',
}
TOLD = [
    StockAdjusted(
        product_id=ONE, stock=3, on_hand=5, reserved=2, version=9, reason="count", operation_id=TWO
    ),
    OrderMoved(order_id=ONE, status="pending", previous_status="queued", operation_id=TWO),
    OrderMoved(
        order_id=ONE,
        status="rejected",
        previous_status="queued",
        operation_id=TWO,
        reason={"code": "insufficient-stock", "available": 0},
    ),
    ProductChanged(product_id=ONE, status="draft", version=1, updated_at=NOW.replace(second=7)),
    OperationUpdated(**ENDED, product_id=TWO, result={"stock": 4, "none": None, "tea": "Tée 🍵"}),
    OperationUpdated(**ENDED, order_id=TWO, progress=Progress(done=1, total=2)),
    SystemAlerted(type="low_stock", message="Mug is low.", product_id=ONE, stock=1, threshold=3),
]


@pytest.mark.parametrize("event", TOLD, ids=lambda event: event.name)
def test_the_wire_is_what_the_schema_writes(event: Event) -> None:
    written = event.as_json()
    assert json.loads(written) == json.loads(
        event.model_dump_json(by_alias=True, exclude_none=True)
    )
    assert type(event).model_validate_json(written) == event


def test_every_event_is_tried() -> None:
    assert {type(event) for event in TOLD} == set(EVENTS.values())

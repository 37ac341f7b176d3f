"""An order's own rules."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from db.errors import Refusal
from db.models.order import STATUSES, TRANSITIONS, Order

LEGAL = {
    ("queued", "pending"),
    ("queued", "rejected"),
    ("pending", "confirmed"),
    ("confirmed", "processing"),
    ("processing", "shipped"),
    ("shipped", "delivered"),
    ("pending", "cancelled"),
    ("confirmed", "cancelled"),
    ("processing", "cancelled"),
}


@pytest.mark.parametrize("current", STATUSES)
@pytest.mark.parametrize("wanted", STATUSES)
def test_one_legal_step_at_a_time(current: str, wanted: str) -> None:
    order = Order(UUID(int=1), current, 7, datetime.now(UTC))
    if wanted == current:
        assert order.move(wanted) is False
        assert order.version == 7
    elif (current, wanted) in LEGAL:
        assert order.move(wanted) is True
        assert (order.status, order.version) == (wanted, 8)
    else:
        with pytest.raises(Refusal) as refused:
            order.move(wanted)
        assert refused.value.code == "invalid-transition"
        assert refused.value.facts["allowedTransitions"] == list(TRANSITIONS[current])
        assert (order.status, order.version) == (current, 7)

"""An order's own rules."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from db.errors import Refusal
from db.models.order import GIVEN_UP, STATUSES, TRANSITIONS, Order

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


def rejected(code: str) -> Order:
    return Order(UUID(int=1), "rejected", 1, datetime.now(UTC), reason={"code": code})


def test_a_creation_that_was_given_up_can_succeed_after_all() -> None:
    order = rejected(GIVEN_UP)
    assert order.create() is True
    assert (order.status, order.version, order.reason) == ("pending", 2, None)
    assert order.create() is False
    assert order.version == 2


def test_of_a_creation_that_was_given_up_the_last_reason_counts() -> None:
    order = rejected(GIVEN_UP)
    assert order.reject({"code": "insufficient-stock"}) is True
    assert (order.status, order.version) == ("rejected", 2)
    assert order.reason == {"code": "insufficient-stock"}


def test_what_a_rule_has_rejected_stays_so() -> None:
    order = rejected("insufficient-stock")
    with pytest.raises(Refusal):
        order.create()
    assert (order.status, order.reason) == ("rejected", {"code": "insufficient-stock"})

"""A stock level's own rules."""

from typing import Any
from uuid import UUID

import pytest

from db.errors import Refusal
from db.models.alert import severity_of
from db.models.stock import MAX_ON_HAND, StockLevel

PRODUCT = UUID(int=1)


def level(on_hand: int = 10, reserved: int = 0, **more: Any) -> StockLevel:
    fields: dict[str, Any] = {
        "version": 3,
        "ever_stocked": True,
        "name": "Mug",
        "status": "published",
        "threshold": 5,
        **more,
    }
    return StockLevel(PRODUCT, on_hand, reserved, **fields)


def test_what_is_reserved_cannot_be_sold() -> None:
    assert level(10, 4).available == 6


@pytest.mark.parametrize("change", [1, 500, -1, -6])
def test_an_adjustment_moves_what_is_on_hand(change: int) -> None:
    stock = level(10, 4)
    movement = stock.adjust(change, "found", "ref")
    assert (stock.on_hand, stock.reserved, stock.version) == (10 + change, 4, 4)
    assert (movement.on_hand_change, movement.reserved_change) == (change, 0)
    assert (movement.on_hand, movement.reserved, movement.version) == (10 + change, 4, 4)
    assert (movement.kind, movement.reason, movement.reference) == ("adjustment", "found", "ref")


def test_a_decrement_below_what_can_be_sold_is_refused_whole() -> None:
    stock = level(10, 4)
    with pytest.raises(Refusal) as refused:
        stock.adjust(-7)
    assert refused.value.code == "insufficient-stock"
    assert refused.value.facts["available"] == 6
    assert refused.value.facts["requested"] == 7
    assert stock == level(10, 4)


def test_more_than_the_house_holds_is_refused() -> None:
    stock = level(MAX_ON_HAND)
    with pytest.raises(Refusal) as refused:
        stock.adjust(1)
    assert refused.value.code == "stock-limit"


def test_an_expectation_that_fails_is_refused() -> None:
    level(10, 4).expect(None)
    level(10, 4).expect(6)
    with pytest.raises(Refusal) as refused:
        level(10, 4).expect(10)
    assert refused.value.code == "stock-changed"
    assert refused.value.facts["stock"] == 6


def test_a_count_sets_what_is_on_hand_but_never_below_what_is_reserved() -> None:
    stock = level(10, 4)
    assert stock.count(4).on_hand_change == -6
    assert stock.on_hand == 4
    with pytest.raises(Refusal) as refused:
        stock.count(3)
    assert refused.value.code == "count-below-reserved"


@pytest.mark.parametrize(
    ("asked", "said"),
    [(1, "1 unit was asked for and 0 can be sold."), (1200, "1,200 units were asked for and")],
)
def test_a_refusal_counts_as_people_do(asked: int, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        level(0).reserve(asked, "order")


def test_an_order_reserves_then_ships_or_gives_back() -> None:
    stock = level(10)
    stock.reserve(4, "order")
    assert (stock.on_hand, stock.reserved, stock.available) == (10, 4, 6)
    stock.release(1, "order")
    assert (stock.on_hand, stock.reserved) == (10, 3)
    stock.ship(3, "order")
    assert (stock.on_hand, stock.reserved, stock.version) == (7, 0, 6)
    with pytest.raises(Refusal):
        stock.reserve(8, "order")


def test_giving_back_more_than_was_held_is_a_bug_and_no_refusal() -> None:
    with pytest.raises(ValueError, match="reserved"):
        level(10, 1).release(2, "order")


@pytest.mark.parametrize(
    ("on_hand", "reserved", "more", "severity"),
    [
        (10, 0, {}, None),
        (6, 0, {}, None),
        (5, 0, {}, "low_stock"),
        (10, 9, {}, "low_stock"),
        (10, 10, {}, "out_of_stock"),
        (0, 0, {}, "out_of_stock"),
        (0, 0, {"ever_stocked": False}, "out_of_stock"),
        (0, 0, {"ever_stocked": False, "status": "draft"}, None),
        (0, 0, {"status": "draft"}, "out_of_stock"),
        (1, 0, {"threshold": 0}, None),
    ],
)
def test_how_serious_a_level_is(
    on_hand: int, reserved: int, more: dict[str, Any], severity: str | None
) -> None:
    assert severity_of(level(on_hand, reserved, **more)) == severity

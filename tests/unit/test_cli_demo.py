"""The demo by itself: its plan is the same for the same seed, its witness misses nothing."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from web.cli_demo_month import Day, bars, month_of
from web.cli_demo_plan import DAYS, Adjust, Buy, Move, make_plan
from web.cli_demo_witness import Story


def test_the_same_seed_makes_the_same_month() -> None:
    assert make_plan(3, 50, 80) == make_plan(3, 50, 80)
    assert make_plan(3, 50, 80) != make_plan(4, 50, 80)


@pytest.mark.parametrize(("products", "orders"), [(10, 1), (100, 250), (400, 1000)])
def test_a_plan_has_what_was_asked_for(products: int, orders: int) -> None:
    plan = make_plan(1, products, orders)
    steps = [step for day in plan.days for step in day]
    assert len(plan.days) == DAYS
    assert len({product.name for product in plan.products}) == products
    assert all(product.price > 0 and product.stock > 0 for product in plan.products)
    assert sorted(step.number for step in steps if isinstance(step, Buy)) == list(range(orders))
    assert {step.refusal for step in steps if isinstance(step, Adjust)} == {
        None,
        "insufficient-stock",
        "stock-changed",
    }


def test_orders_go_their_way_in_order() -> None:
    plan = make_plan(1, 100, 250)
    way = ["confirmed", "processing", "shipped", "delivered"]
    bought: set[int] = set()
    reached: Counter[int] = Counter()
    for step in (step for day in plan.days for step in day):
        if isinstance(step, Buy):
            bought.add(step.number)
        elif isinstance(step, Move):
            assert step.number in bought
            if step.refusal is None and step.status != "cancelled":
                assert step.status == way[reached[step.number]]
                reached[step.number] += 1


@pytest.mark.parametrize(
    ("story", "whole"),
    [
        (Story(begin=3), True),
        (Story(begin=3, positions=[4, 5]), True),
        (Story(begin=3, positions=[4, 6]), False),
        (Story(begin=3, positions=[4, 4]), False),
        (Story(begin=3, positions=[5]), False),
        (Story(begin=3, positions=[4], lost=True), False),
    ],
)
def test_a_gap_or_a_repeat_is_noticed(story: Story, whole: bool) -> None:
    assert story.whole is whole


def test_the_month_is_found_again_in_names_and_references() -> None:
    def order(customer: str, status: str, total: float) -> dict[str, Any]:
        return {"customerId": customer, "status": status, "total": total}

    orders = [
        order("demo-1 day 03 Ada", "delivered", 9.99),
        order("demo-1 day 03 Ben", "cancelled", 5.0),
        order("demo-12 day 03 Eve", "delivered", 7.0),
        order("demo-1 day 99 Eve", "delivered", 7.0),
    ]
    ledger = [
        {"reference": "demo-1 day 03", "onHandChange": 25},
        {"reference": "demo-1 day 03", "onHandChange": -4},
        {"reference": None, "onHandChange": -1},
    ]
    month = month_of("demo-1", orders, ledger)
    assert month.days.pop(3) == Day(1, Decimal("9.99"), 25)
    assert set(map(repr, month.days)) == {repr(Day())}


def test_bars_show_how_values_compare() -> None:
    assert bars([0, 1, 4, 8]) == " ▂▅█"
    assert bars([]) == ""

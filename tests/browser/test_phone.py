"""On a phone: nothing that has the focus is under the bars, and tables are whole."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.functional.service import Api

PHONE = {"width": 390, "height": 844}
# What has the focus, if a bar lies over it: of all that is not itself in a bar.
COVERED = """() => {
    const focused = document.activeElement;
    if (!focused || focused === document.body || focused.closest('.top, .rail, .skip')) return null;
    const box = focused.getBoundingClientRect();
    const found = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return found?.closest('.top, .rail') ? `${focused.textContent} at ${box.y}` : null;
}"""


@pytest.fixture
def moved(api: Api, new_product: Callable[..., str]) -> str:
    """A product that has moved often enough to fill a phone."""
    product_id = new_product(stock=1000, name="Often moved")
    for number in range(14):
        body = {
            "productId": product_id,
            "quantity": 1,
            "type": "decrement",
            "reason": f"Broken on the way {number}",
        }
        api.post("/api/inventory/adjust", json=body, headers={"Prefer": "wait=20"})
    return product_id


def test_what_has_the_focus_is_not_under_a_bar(window: Callable[..., Page], moved: str) -> None:
    page = window(f"#/products/{moved}", viewport=PHONE)
    expect(page.locator(".movements tbody tr")).to_have_count(15)
    for key, steps in (("Tab", 60), ("Shift+Tab", 50)):
        for _ in range(steps):
            page.keyboard.press(key)
            assert page.evaluate(COVERED) is None


def test_the_movements_fit_a_phone(window: Callable[..., Page], moved: str) -> None:
    page = window(f"#/products/{moved}", viewport=PHONE)
    table = page.get_by_role("region", name="Table of movements")
    expect(table.locator("tbody tr")).to_have_count(15)
    hidden = table.evaluate("element => element.scrollWidth - element.clientWidth")
    assert hidden <= 0
    expect(table.get_by_text("Broken on the way 13").locator("visible=true")).to_be_visible()

"""Amounts are typed as the reader writes them, and never taken for others."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.functional.service import Api

_READ = """async (given) => {
    const main = document.querySelector('script[type=module]').src;
    const { readDecimal } = await import(new URL('core/decimal.js', main));
    return given.map(readDecimal);
}"""
READ = {
    "en-GB": {"12.50": 12.5, "12": 12, ".5": 0.5, "1,234.50": 1234.5, "1 234": 1234},
    "de-DE": {"12,50": 12.5, "12": 12, "1.234,50": 1234.5, "1 234,5": 1234.5},
    "fr-FR": {"12,50": 12.5, "1\u202f234,50": 1234.5},
    "de-CH": {"12.50": 12.5, "1\u2019234.50": 1234.5},
    "ar-EG": {"\u0661\u0662\u066b\u0665": 12.5, "12\u066b5": 12.5},
}
REFUSED = {
    "en-GB": ["12,50", "1,250", "1,25.50", "1.2.3", "-5", "abc", "1e3", ""],
    "de-DE": ["12.50", "1.250", "1,2,3", "12,50 €"],
}


@pytest.mark.parametrize("locale", READ)
def test_an_amount_is_read_as_the_reader_writes_it(
    windows: Any, admin_key: str, locale: str
) -> None:
    page: Page = windows.open(admin_key, "#/orders", locale=locale)
    assert page.evaluate(_READ, list(READ[locale])) == list(READ[locale].values())
    refused = REFUSED.get(locale, [])
    assert page.evaluate(_READ, refused) == [None] * len(refused)


def test_a_price_with_a_decimal_comma_stays_what_it_is(
    windows: Any, admin_key: str, api: Api
) -> None:
    page: Page = windows.open(admin_key, "#/products/new", locale="de-DE")
    expect(page.get_by_role("heading", name="New product")).to_be_visible()
    page.get_by_label("Name").fill("Comma Cup")
    page.get_by_label("Category").fill("kitchen")
    price = page.get_by_label("Price")
    price.press_sequentially("12.50")
    page.get_by_role("button", name="Create product").click()
    expect(page.locator(".field-error")).to_have_text("Write it like 1250,5")
    price.fill("")
    price.press_sequentially("12,50")
    page.get_by_role("button", name="Create product").click()
    expect(page.get_by_role("heading", name="Comma Cup")).to_be_visible()
    made = api.get(f"/api/products/{page.url.rpartition('/')[2]}").json()
    assert made["price"] == 12.5
    # As it is written, it is read again: nothing has changed.
    page.get_by_role("button", name="Edit").click()
    expect(price).to_have_value("12,5")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert api.get(f"/api/products/{made['id']}").json()["version"] == made["version"]

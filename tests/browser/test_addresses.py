"""Addresses that anybody may have written: what they name that is not there is said so."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

Window = Callable[..., Page]


@pytest.mark.parametrize("place", ["products", "orders", "operations"])
def test_an_identifier_is_no_way_to_another_call(
    window: Window, new_product: Callable[..., str], place: str
) -> None:
    product_id = new_product(name="Not to be read")
    page = window("#/alerts")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    what = place.removesuffix("s")
    others = ["%00", "%2E%2E", ".", "..%2Fkeys", f"..%2F..%2Fproducts%2F{product_id}", "abc"]
    for other in others:
        page.goto(f"/#/{place}/{other}")
        expect(page.get_by_role("heading", name=f"No such {what}")).to_be_visible()
        page.goto("/#/alerts")
        expect(page.get_by_role("heading", name="Alerts")).to_be_visible()
    wrong = ("/keys", product_id, f"/{place}/")
    odd = [url for url in asked if "/keys" in url or url.endswith(wrong)]
    assert not odd, odd


def test_a_page_that_breaks_leads_back(
    windows: Any, window: Window, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("TypeError")
    product_id = new_product(name="Half answered")
    page = window("#/alerts")
    page.route(f"**/api/products/{product_id}", lambda route: route.fulfill(json={"name": "Half"}))
    page.goto(f"/#/products/{product_id}")
    expect(page.get_by_role("heading", name="This page broke")).to_be_visible()
    page.get_by_role("link", name="Back to the overview").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

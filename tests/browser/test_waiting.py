"""A key that has used up its rate: the screen says so, in a sentence, and for how long."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.browser.test_products import adjust, stock_of

Window = Callable[..., Page]
BUSY = {
    "type": "/docs/problems/too-many-requests",
    "title": "Too many requests",
    "status": 429,
    "detail": "60 per 1 minute",
}
# Longer than what is waited for without a word.
SECONDS = 40


def refuse(route: Route) -> None:
    route.fulfill(
        status=429,
        content_type="application/problem+json",
        headers={"Retry-After": str(SECONDS)},
        body=json.dumps(BUSY),
    )


def test_an_adjustment_says_when_it_can_be_tried_again(
    windows: Any, window: Window, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("429")
    page = window(f"#/products/{new_product(stock=5, name='Asked too often')}")
    expect(stock_of(page)).to_contain_text("5")
    page.route("**/api/inventory/adjust", refuse)
    adjust(page, "Add", 1)
    step = page.locator("li.step")
    expect(step).to_contain_text(
        re.compile(r"The rate of requests is used up: try again after \d+:\d\d")
    )
    expect(step).not_to_contain_text("per 1 minute")
    again = step.get_by_role("button", name="Try again")
    expect(again).to_be_disabled()
    page.unroute("**/api/inventory/adjust")
    page.clock.set_fixed_time((time.time() + SECONDS + 1) * 1000)
    again.click()
    expect(stock_of(page)).to_contain_text("6")


def test_a_page_that_has_to_wait_says_why(windows: Any, window: Window) -> None:
    windows.allowed.append("429")
    page = window("#/keys")
    page.route("**/api/analytics/**", refuse)
    page.goto("/#/")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_text("Waiting: this key may ask again in")).to_have_count(1)
    expect(page.get_by_role("alert").first).to_contain_text("try again after")

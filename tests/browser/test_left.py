"""Who has left a page, or signed out, while something that was asked there is under way."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_products import adjust, stock_of
from tests.browser.test_typed import is_asked
from tests.functional.service import Service

Window = Callable[..., Page]


@pytest.fixture
def workers_away(service: Service) -> Iterator[Callable[[], None]]:
    """No worker is there; called, they are back."""
    stopped = True

    def back() -> None:
        nonlocal stopped
        if stopped:
            service.start("worker")
        stopped = False

    service.stop("worker")
    yield back
    back()


def leave(page: Page) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Orders").click()
    expect(page.get_by_role("heading", name="Orders")).to_be_visible()


def test_who_has_left_is_told_of_a_refusal(
    window: Window,
    new_product: Callable[..., str],
    request: pytest.FixtureRequest,
) -> None:
    product_id = new_product(stock=2, name="Left behind")
    page = window(f"#/products/{product_id}")
    expect(stock_of(page)).to_contain_text("2")
    back: Callable[[], None] = request.getfixturevalue("workers_away")
    adjust(page, "Take out", 3)
    expect(page.locator(".step")).to_have_attribute("data-phase", "pending")
    leave(page)
    back()
    notice = page.locator(".notice", has_text="The adjustment of Left behind")
    expect(notice).to_be_visible()
    notice.get_by_role("link", name="Show").click()
    expect(page.locator(".page-head .badge")).to_have_text("Refused")


def test_who_has_left_is_told_that_no_answer_came_and_asks_for_the_same_again(
    windows: Any, window: Window, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    page = window(f"#/products/{new_product(stock=2, name='Left unheard')}")
    expect(stock_of(page)).to_contain_text("2")
    held: list[Route] = []
    keys: list[str | None] = []
    gone = False

    def lose(route: Route) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        if gone:
            route.abort()
        else:
            held.append(route)

    page.route("**/api/inventory/adjust", lose)
    with page.expect_request("**/api/inventory/adjust"):
        adjust(page, "Add", 3)
    leave(page)
    gone = True
    for route in held:
        route.fetch()
        route.abort()
    notice = page.locator(".notice", has_text="not known whether this was accepted")
    expect(notice).to_contain_text("The adjustment of Left unheard")
    notice.get_by_role("link", name="Show").click()
    expect(page.get_by_role("heading", name="Left unheard")).to_be_visible()
    step = page.locator(".step")
    expect(step).to_contain_text("No answer")
    assert is_asked(page)
    page.unroute("**/api/inventory/adjust")
    with page.expect_request("**/api/inventory/adjust") as again:
        step.get_by_role("button", name="Try again").click()
    expect(step).to_have_attribute("data-phase", "succeeded")
    expect(step).to_contain_text("5 can be sold now")
    assert {*keys, again.value.headers["idempotency-key"]} == {keys[0]}
    # What is over is not shown to who comes back.
    leave(page)
    page.go_back()
    expect(page.get_by_role("heading", name="Left unheard")).to_be_visible()
    expect(step).to_have_count(0)


def test_nothing_is_looked_for_after_signing_out(
    window: Window, new_product: Callable[..., str], request: pytest.FixtureRequest
) -> None:
    page = window(f"#/products/{new_product(stock=2, name='Signed out')}")
    expect(stock_of(page)).to_contain_text("2")
    request.getfixturevalue("workers_away")
    page.clock.install()
    adjust(page, "Add", 1)
    expect(page.locator(".step")).to_have_attribute("data-phase", "pending")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.clock.run_for(20_000)
    assert page.evaluate("document.title")
    assert asked == []

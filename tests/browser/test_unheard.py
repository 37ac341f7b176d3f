"""What may have been done and nobody heard of: never said to be refused, and done once."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.browser.test_orders import fill_order
from tests.browser.test_products import adjust, stock_of
from tests.browser.test_typed import is_asked
from tests.browser.test_upload import choose, press_upload
from tests.functional.service import Api, wait_until

Window = Callable[..., Page]
NOT_KNOWN = "not known whether this was accepted"
LOOK = "Look whether it was done before you do it again"


def lose(route: Route) -> None:
    route.abort()


def wait_two_hours(page: Page) -> None:
    page.clock.set_fixed_time(time.time() + 7200)


def in_its_place(status: int) -> Callable[[Route], None]:
    """What a balancer says of a service that did what was asked, and could not say so any more."""

    def answer(route: Route) -> None:
        route.fetch()
        route.fulfill(status=status, content_type="text/html", body="<h1>Bad Gateway</h1>")

    return answer


def test_what_a_balancer_says_of_an_adjustment_is_no_refusal(
    windows: Any, window: Window, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("502")
    page = window(f"#/products/{new_product(stock=2, name='Behind a balancer')}")
    expect(stock_of(page)).to_contain_text("2")
    page.route("**/api/inventory/adjust", in_its_place(502))
    adjust(page, "Add", 5)
    step = page.locator(".step")
    expect(step).to_have_attribute("data-phase", "unheard")
    expect(step).to_contain_text(NOT_KNOWN)
    expect(page.get_by_label("Quantity")).to_have_value("")
    expect(stock_of(page)).to_contain_text("7")
    page.unroute("**/api/inventory/adjust")
    step.get_by_role("button", name="Try again").click()
    expect(step).to_have_attribute("data-phase", "succeeded")
    expect(step).to_contain_text("7 can be sold now")


def test_of_an_upload_that_a_balancer_gave_up_nobody_says_that_nothing_was_kept(
    windows: Any, window: Window, api: Api, new_product: Callable[..., str], tmp_path: Path
) -> None:
    windows.allowed.append("504")
    product_id = new_product(sku="BALANCED-1")
    file = tmp_path / "balanced.csv"
    file.write_text("sku,quantity,type\nBALANCED-1,3,increment\n")
    page = window("#/operations/upload")
    page.route("**/api/inventory/adjustments*", in_its_place(504))
    choose(page, file)
    press_upload(page)
    expect(page.get_by_role("alert")).to_contain_text(NOT_KNOWN)
    expect(page.get_by_role("alert")).not_to_contain_text("Nothing was kept")
    page.unroute("**/api/inventory/adjustments*")
    press_upload(page)
    expect(page.locator(".page-head .badge")).to_have_text("Done")
    assert api.get(f"/api/inventory/stock/{product_id}").json()["stock"] == 3


def test_a_refusal_after_a_lost_answer_says_nothing_of_the_first_try(
    windows: Any, window: Window, new_product: Callable[..., str]
) -> None:
    windows.allowed += ["net::ERR_FAILED", "403"]
    page = window(f"#/products/{new_product(stock=2, name='Lost, then refused')}")
    expect(stock_of(page)).to_contain_text("2")
    tries: list[Route] = []

    def lose_then_refuse(route: Route) -> None:
        tries.append(route)
        if len(tries) == 1:
            route.fetch()
            route.abort()
            return
        body = {"type": "/docs/problems/forbidden", "title": "Forbidden", "status": 403}
        route.fulfill(status=403, content_type="application/problem+json", body=json.dumps(body))

    page.route("**/api/inventory/adjust", lose_then_refuse)
    adjust(page, "Add", 5)
    step = page.locator(".step")
    expect(step).to_have_attribute("data-phase", "unheard")
    expect(page.get_by_label("Quantity")).to_have_value("")
    expect(stock_of(page)).to_contain_text("7")
    page.unroute("**/api/inventory/adjust")
    step.get_by_role("button", name="Try again").click()
    expect(step).to_contain_text("7 can be sold now")


def test_an_adjustment_that_nobody_heard_of_can_be_put_away(
    windows: Any, window: Window, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    page = window(f"#/products/{new_product(stock=2, name='Put away')}")
    expect(stock_of(page)).to_contain_text("2")
    page.route("**/api/inventory/adjust", lose)
    adjust(page, "Add", 5)
    step = page.locator(".step")
    expect(step).to_contain_text(NOT_KNOWN)
    assert is_asked(page)
    step.get_by_role("button", name="Put away").click()
    expect(step).to_have_count(0)
    assert not is_asked(page)


def test_what_the_service_may_have_forgotten_is_not_said_to_happen_once(
    windows: Any, window: Window, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    page = window(f"#/products/{new_product(stock=2, name='Long ago')}")
    expect(stock_of(page)).to_contain_text("2")
    page.route("**/api/inventory/adjust", lose)
    adjust(page, "Add", 5)
    step = page.locator(".step")
    expect(step).to_contain_text("it happens only once")
    wait_two_hours(page)
    expect(step).to_contain_text(LOOK)
    expect(step).not_to_contain_text("only once")
    expect(step.get_by_role("button", name="Try again")).to_have_count(0)
    step.get_by_role("button", name="Put away").click()
    expect(step).to_have_count(0)


def test_an_order_asked_again_long_after_is_a_new_one_for_who_has_looked(
    windows: Any, window: Window, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    new_product(stock=9, name="Late Lamp")
    page = window("#/orders/new")
    fill_order(page, "Late Lamp", "c-late")
    page.route("**/api/pms/orders", lose)
    place = page.get_by_role("button", name="Place order")
    with page.expect_request("**/api/pms/orders") as first:
        place.click()
    # The page itself may say that nothing was heard for so long.
    told = page.get_by_role("form", name="Order").get_by_role("alert")
    expect(told).to_contain_text("it happens only once")
    page.unroute("**/api/pms/orders")
    wait_two_hours(page)
    place.click()
    expect(told).to_contain_text(LOOK)
    expect(told).not_to_contain_text("only once")
    with page.expect_request("**/api/pms/orders") as again:
        place.click()
    expect(page.get_by_role("heading", name="Order of c-late")).to_be_visible()
    keys = [one.value.headers["idempotency-key"] for one in (first, again)]
    assert keys[0] != keys[1]


def test_only_a_file_whose_upload_nobody_heard_of_is_asked_for(
    windows: Any, window: Window, tmp_path: Path
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    file = tmp_path / "chosen.csv"
    file.write_text("sku,quantity,type\nNOBODY-1,1,increment\n")
    page = window("#/operations/upload")
    choose(page, file)
    expect(page.get_by_text("chosen.csv")).to_be_visible()
    page.get_by_role("button", name="Put down").click()
    expect(page.get_by_text("Choose a file")).to_be_visible()
    choose(page, file)
    expect(page.get_by_text("chosen.csv")).to_be_visible()
    assert not is_asked(page)
    expect(page.get_by_text("Choose a file")).to_be_visible()
    page.route("**/api/inventory/adjustments*", lose)
    choose(page, file)
    press_upload(page)
    expect(page.get_by_role("alert")).to_contain_text(NOT_KNOWN)
    assert is_asked(page)
    page.get_by_role("button", name="Put down").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert not is_asked(page)


def test_what_was_accepted_already_is_said_to_be_so(
    windows: Any, window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    product_id = new_product(stock=9, name="Already Bowl")
    page = window("#/orders/new")
    fill_order(page, "Already Bowl", "c-already")

    def lose_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/api/pms/orders", lose_answer)
    place = page.get_by_role("button", name="Place order")
    place.click()
    expect(page.get_by_role("alert")).to_contain_text(NOT_KNOWN)
    page.unroute("**/api/pms/orders")
    place.click()
    expect(page.get_by_role("heading", name="Order of c-already")).to_be_visible()
    expect(page.locator(".notice")).to_contain_text("nothing was made this time")
    # And once more is a new one.
    page.goto("/#/orders/new")
    expect(page.get_by_role("heading", name="New order")).to_be_visible()
    fill_order(page, "Already Bowl", "c-already")
    place.click()
    expect(page.get_by_role("heading", name="Order of c-already")).to_be_visible()
    expect(page.locator(".notice").last).to_have_text("The order is accepted.")
    wait_until(lambda: api.get(f"/api/inventory/stock/{product_id}").json()["stock"] == 7)


def test_an_order_that_was_given_up_is_another_when_it_is_typed_again(
    windows: Any, window: Window, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    new_product(stock=9, name="Given up Bowl")
    page = window("#/orders/new")
    place = page.get_by_role("button", name="Place order")
    keys: list[str | None] = []

    def keep(route: Route) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        route.abort()

    page.route("**/api/pms/orders", keep)
    for _ in range(2):
        fill_order(page, "Given up Bowl", "c-given-up")
        place.click()
        expect(page.get_by_role("alert")).to_contain_text(NOT_KNOWN)
        page.get_by_role("link", name="Cancel").click()
        expect(page.get_by_role("heading", name="Orders")).to_be_visible()
        page.goto("/#/orders/new")
        expect(page.get_by_role("heading", name="New order")).to_be_visible()
    assert len(set(keys)) == 2

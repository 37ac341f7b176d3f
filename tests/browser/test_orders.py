"""Orders on the screen: placed, walked to the customer, or given back."""

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.functional.service import Api, Service, wait_until

Window = Callable[..., Page]
WAY = [
    ("Confirm", "Confirmed"),
    ("Begin processing", "Processing"),
    ("Ship", "Shipped"),
    ("Mark as delivered", "Delivered"),
]


def badge(page: Page) -> Any:
    return page.locator(".page-head .badge")


def test_an_order_is_walked_from_creation_to_delivery(
    window: Window, new_product: Callable[..., str]
) -> None:
    new_product(stock=5, name="Ordered Lamp", price=12.5)
    page = window("#/orders/new")
    page.get_by_placeholder("Find by name or SKU").fill("ordered lamp")
    page.get_by_role("button", name="Add Ordered Lamp").click()
    page.get_by_label("Units of Ordered Lamp").fill("2")
    expect(page.locator(".order-total")).to_contain_text("25.00")
    page.get_by_label("Customer").fill("Ada")
    page.get_by_label("Ships to").fill("1 Main Street")
    page.get_by_role("button", name="Place order").click()
    expect(page.get_by_role("heading", name="Order of Ada")).to_be_visible()
    expect(badge(page)).to_have_text("Pending")
    for action, status in WAY:
        steps = page.locator(".order-steps button.primary")
        expect(steps).to_have_text(action)
        steps.click()
        expect(badge(page)).to_have_text(status)
    expect(page.locator(".order-steps button")).to_have_count(0)
    expect(page.get_by_role("list", name="The way of this order").locator(".past")).to_have_count(5)


def test_a_step_of_somebody_else_is_seen(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    order = {
        "items": [{"productId": new_product(stock=1, name="Followed"), "quantity": 1}],
        "customerId": "Grace",
        "shippingAddress": "2 Main Street",
    }
    order_id = api.post("/api/pms/orders", json=order, headers={"Prefer": "wait=20"}).json()[
        "orderId"
    ]
    page = window(f"#/orders/{order_id}")
    expect(badge(page)).to_have_text("Pending")
    api.patch(f"/api/pms/orders/{order_id}/status", json={"status": "confirmed"})
    expect(badge(page)).to_have_text("Confirmed")
    page.get_by_role("button", name="Cancel order").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel order").click()
    expect(badge(page)).to_have_text("Cancelled")


def test_an_order_that_cannot_be_filled_says_so(
    window: Window, new_product: Callable[..., str]
) -> None:
    new_product(stock=1, name="Rare Vase")
    page = window("#/orders/new")
    page.get_by_placeholder("Find by name or SKU").fill("rare vase")
    page.get_by_role("button", name="Add Rare Vase").click()
    page.get_by_label("Units of Rare Vase").fill("2")
    page.get_by_label("Customer").fill("Linus")
    page.get_by_label("Ships to").fill("3 Main Street")
    page.get_by_role("button", name="Place order").click()
    expect(badge(page)).to_have_text("Rejected")
    expect(page.get_by_role("note")).to_be_visible()


def test_an_address_with_filters_that_are_none_shows_the_list(window: Window) -> None:
    page = window("#/orders?time=abc&status=bogus&begin=x&customerId=Nobody")
    expect(page.get_by_text("No order is like that")).to_be_visible()
    page.goto("/#/orders?time=between&begin=x&end=2026-11-01&customerId=Nobody")
    expect(page.get_by_text("No order is like that")).to_be_visible()
    expect(page.get_by_role("heading", name="This page broke")).to_have_count(0)


def test_days_the_wrong_way_round_are_named(window: Window) -> None:
    page = window("#/orders?time=between&begin=2026-11-30&end=2026-11-01")
    expect(page.get_by_text("The last day lies before the first")).to_be_visible()
    page.get_by_role("button", name="Clear the filters").click()
    expect(page.get_by_role("heading", name="Orders")).to_be_visible()
    expect(page.get_by_text("The last day lies before the first")).to_have_count(0)


def test_new_orders_come_in_by_themselves(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(stock=1, name="Surprise")
    page = window("#/orders?customerId=Barbara")
    expect(page.get_by_text("No order is like that")).to_be_visible()
    order = {
        "items": [{"productId": product_id, "quantity": 1}],
        "customerId": "Barbara",
        "shippingAddress": "4 Main Street",
    }
    assert api.post("/api/pms/orders", json=order).status_code == 202
    expect(page.get_by_role("link", name="Surprise")).to_be_visible()
    expect(page.locator(".row .badge")).to_have_text("Pending")


def fill_order(page: Page, name: str, customer: str) -> None:
    page.get_by_placeholder("Find by name or SKU").fill(name)
    page.get_by_role("button", name=f"Add {name}").click()
    page.get_by_label("Customer").fill(customer)
    page.get_by_label("Ships to").fill("5 Main Street")


def test_an_order_is_accepted_at_once_and_takes_nobody_away_from_other_work(
    window: Window, api: Api, service: Service, new_product: Callable[..., str]
) -> None:
    new_product(stock=2, name="Patient Chair")
    page = window("#/orders/new")
    fill_order(page, "Patient Chair", "Hedy")
    service.stop("worker")
    try:
        page.get_by_role("button", name="Place order").click()
        expect(page.get_by_role("heading", name="Order of Hedy")).to_be_visible()
        expect(badge(page)).to_have_text("Queued")
        expect(page.get_by_text("its items are reserved then")).to_be_visible()
        order_id = page.url.rpartition("/")[2]
        page.goto("/#/products/new")
        page.get_by_label("Name", exact=True).fill("Half typed")
    finally:
        service.start("worker")
    wait_until(lambda: api.get(f"/api/pms/orders/{order_id}").json()["status"] == "pending", 60)
    expect(page.get_by_label("Name", exact=True)).to_have_value("Half typed")
    page.go_back()
    expect(badge(page)).to_have_text("Pending")


def test_a_late_answer_takes_nobody_away_from_other_work(
    window: Window, new_product: Callable[..., str]
) -> None:
    new_product(stock=2, name="Slow Stool")
    page = window("#/orders/new")
    fill_order(page, "Slow Stool", "Radia")
    held: list[Route] = []
    page.route("**/api/pms/orders", lambda route: held.append(route))
    page.get_by_role("button", name="Place order").click()
    expect(page.get_by_role("button", name="Sending…")).to_be_disabled()
    page.get_by_role("link", name="Products").click()
    page.get_by_role("link", name="New product").click()
    page.get_by_label("Name", exact=True).fill("Half typed")
    held.pop().continue_()
    notice = page.locator(".notice", has_text="The order is accepted.")
    expect(notice).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Half typed")
    notice.get_by_role("link", name="Show").click()
    expect(page.get_by_role("heading", name="Order of Radia")).to_be_visible()


def test_the_keyboard_goes_on_where_a_step_was(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    order = {
        "items": [{"productId": new_product(stock=1, name="By keyboard"), "quantity": 1}],
        "customerId": "Katherine",
        "shippingAddress": "6 Main Street",
    }
    made = api.post("/api/pms/orders", json=order, headers={"Prefer": "wait=20"})
    page = window(f"#/orders/{made.json()['orderId']}")
    for action, status in WAY[:2]:
        page.get_by_role("button", name=action).focus()
        page.keyboard.press("Enter")
        expect(badge(page)).to_have_text(status)
        expect(page.get_by_role("heading", name="Order of Katherine")).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.locator(".order-steps button").first).to_be_focused()


def test_adding_a_product_can_be_seen_where_it_was_pressed(
    window: Window, new_product: Callable[..., str]
) -> None:
    new_product(stock=2, name="Seen Shelf")
    page = window("#/orders/new", viewport={"width": 390, "height": 844})
    page.get_by_placeholder("Find by name or SKU").fill("seen shelf")
    add = page.get_by_role("button", name="Add Seen Shelf")
    add.click()
    found = page.locator(".finder li", has_text="Seen Shelf")
    expect(found).to_contain_text("1 in the order")
    add.click()
    expect(found).to_contain_text("2 in the order")
    expect(page.get_by_text("Seen Shelf: 2 in the order")).to_be_attached()
    page.get_by_role("button", name="See the order (1)").click()
    heading = page.get_by_role("heading", name="Order", exact=True)
    expect(heading).to_be_focused()
    expect(heading).to_be_in_viewport()


def test_a_step_that_came_too_late_is_said_to_be_refused(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    order = {
        "items": [{"productId": new_product(stock=1, name="Contested"), "quantity": 1}],
        "customerId": "Radia",
        "shippingAddress": "6 Main Street",
    }
    waits = {"Prefer": "wait=20"}
    placed = api.post("/api/pms/orders", json=order, headers=waits).json()
    status = f"/api/pms/orders/{placed['orderId']}/status"

    def go_on(to: str) -> None:
        assert api.patch(status, json={"status": to}, headers=waits).status_code == 200

    for one in ("confirmed", "processing"):
        go_on(one)
    page = window(f"#/orders/{placed['orderId']}")

    def overtake(route: Route) -> None:
        go_on("shipped")
        route.continue_()

    page.route(f"**{status}", overtake)
    page.get_by_role("button", name="Cancel order").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel order").click()
    told = page.locator(".step-state")
    expect(badge(page)).to_have_text("Shipped")
    expect(told).to_contain_text("Cancel order")
    expect(told).to_contain_text("Refused")
    expect(told).to_contain_text("An order that is shipped cannot become cancelled.")
    # Until the next one from here.
    page.unroute(f"**{status}")
    page.get_by_role("button", name="Mark as delivered").click()
    expect(badge(page)).to_have_text("Delivered")
    expect(told).not_to_contain_text("Refused")


def test_a_step_that_was_refused_and_made_all_the_same_is_not_said_to_be_refused(
    windows: Any, window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("503")
    order = {
        "items": [{"productId": new_product(stock=1, name="Made elsewhere"), "quantity": 1}],
        "customerId": "Edith",
        "shippingAddress": "7 Main Street",
    }
    waits = {"Prefer": "wait=20"}
    placed = api.post("/api/pms/orders", json=order, headers=waits).json()
    status = f"/api/pms/orders/{placed['orderId']}/status"
    page = window(f"#/orders/{placed['orderId']}")

    def refuse(route: Route) -> None:
        body = {"type": "/docs/problems/unavailable", "title": "Unavailable", "status": 503}
        route.fulfill(status=503, content_type="application/problem+json", body=json.dumps(body))

    page.route(f"**{status}", refuse)
    page.get_by_role("button", name="Confirm").click()
    told = page.locator(".step-state")
    expect(told).to_contain_text("Not accepted")
    for to, shown in (("confirmed", "Confirmed"), ("processing", "Processing")):
        assert api.patch(status, json={"status": to}, headers=waits).status_code == 200
        expect(badge(page)).to_have_text(shown)
        expect(told).to_have_count(0)


def test_what_is_said_of_a_step_is_over_with_it(
    windows: Any, window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    """A lost answer beside the button of the step after would have one go too far."""
    windows.allowed.append("net::ERR_FAILED")
    order = {
        "items": [{"productId": new_product(stock=1, name="Unheard"), "quantity": 1}],
        "customerId": "Joan",
        "shippingAddress": "3 Main Street",
    }
    placed = api.post("/api/pms/orders", json=order, headers={"Prefer": "wait=20"}).json()
    page = window(f"#/orders/{placed['orderId']}")

    def lose_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/api/pms/orders/*/status", lose_answer)
    page.get_by_role("button", name="Confirm").click()
    expect(badge(page)).to_have_text("Confirmed")
    expect(page.get_by_role("button", name="Begin processing")).to_be_enabled()
    expect(page.locator(".step-state")).to_have_count(0)

"""Lists on the screen: what is in sight of them is never old without saying so."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.functional.service import Api

Window = Callable[..., Page]
# More than are read at once.
ORDERS = 60


def test_what_others_change_of_products_is_seen_in_the_list(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(name="Listed One", price=5, categoryId="listed")
    page = window("#/products?categoryId=listed")
    row = page.locator(".row", has_text="Listed One")
    expect(row).to_contain_text("5.00")
    change = {"price": 6, "name": "Listed One, renamed"}
    assert api.patch(f"/api/pms/products/{product_id}", json=change).status_code == 200
    new_product(name="Listed Two", categoryId="listed")
    expect(page.locator(".row", has_text="renamed")).to_contain_text("6.00")
    expect(page.locator(".row", has_text="Listed Two")).to_be_visible()
    expect(page.locator(".fresh")).to_contain_text("Read ")


def test_rows_far_down_are_read_again_too(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(stock=2 * ORDERS, name="Often ordered")
    ids = []
    for number in range(ORDERS):
        order = {
            "items": [{"productId": product_id, "quantity": 1}],
            "customerId": "Far down",
            "shippingAddress": f"{number} Long Street",
        }
        found = api.post("/api/pms/orders", json=order)
        assert found.status_code == 202, found.text
        ids.append(found.json()["orderId"])
    page = window("#/orders?customerId=Far+down", viewport={"width": 1440, "height": 700})
    oldest = page.locator(".row", has=page.locator(f'a[href="#/orders/{ids[0]}"]'))
    while not oldest.count():
        page.mouse.wheel(0, 1500)
        page.evaluate("new Promise(requestAnimationFrame)")
    expect(oldest.locator(".badge")).to_have_text("Pending")
    step = {"status": "confirmed"}
    assert api.patch(f"/api/pms/orders/{ids[0]}/status", json=step).status_code == 202
    expect(oldest.locator(".badge")).to_have_text("Confirmed")
    expect(page.locator(".list-end")).to_have_text(f"All {ORDERS} shown")


def test_who_goes_back_is_where_they_were(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    for number in range(130):
        new_product(name=f"Walked {number:03}", categoryId="walked")
    page = window("#/products?categoryId=walked&sort=name", viewport={"width": 1440, "height": 700})
    row = page.locator(".row", has_text="Walked 120")
    while not row.count():
        page.mouse.wheel(0, 900)
        page.evaluate("new Promise(requestAnimationFrame)")
    row.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    assert before > 2000
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Walked 120")).to_be_visible()
    assert page.evaluate("scrollY") == 0
    page.go_back()
    expect(row).to_be_in_viewport()
    assert page.evaluate("scrollY") == before
    # What was shown before is read again: nothing of it stays old.
    product_id = str(row.get_by_role("link").get_attribute("href")).rpartition("/")[2]
    assert api.patch(f"/api/pms/products/{product_id}", json={"price": 77}).status_code == 200
    expect(row).to_contain_text("77.00")
    page.get_by_role("link", name="Products", exact=True).click()
    page.go_forward()
    page.goto("/#/products")
    expect(page.get_by_role("heading", name="Products")).to_be_visible()
    assert page.evaluate("scrollY") == 0


def test_a_key_made_elsewhere_comes_in(window: Window, api: Api) -> None:
    page = window("#/keys")
    expect(page.locator(".row").first).to_be_visible()
    body = {"name": "Made elsewhere", "scopes": ["read"]}
    assert api.post("/api/keys", json=body).status_code == 201
    expect(page.locator(".row", has_text="Made elsewhere")).to_be_visible()


def test_a_list_says_that_the_key_has_to_wait(
    windows: Any, window: Window, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("429")
    new_product(name="Waited for")
    page = window("#/orders")
    busy = {"type": "/docs/problems/too-many-requests", "title": "Too many requests", "status": 429}
    page.route(
        "**/api/products?*",
        lambda route: route.fulfill(
            status=429,
            content_type="application/problem+json",
            headers={"Retry-After": "12"},
            body=json.dumps(busy),
        ),
    )
    page.goto("/#/products")
    told = page.get_by_text("Waiting: this key may ask again in")
    expect(told).to_have_count(1)
    page.unroute("**/api/products?*")
    expect(page.get_by_role("table", name="Products").locator(".row").first).to_be_visible()
    expect(told).to_have_count(0)


@pytest.mark.parametrize("place", ["products", "orders", "operations"])
@pytest.mark.parametrize("name", ["%00", "..%2Fkeys", "..%2F..%2Fproducts"])
def test_an_address_with_a_name_that_is_none_says_so(
    windows: Any, window: Window, place: str, name: str
) -> None:
    windows.allowed += ["404", "422", "400"]
    page = window("#/alerts")
    page.goto(f"/#/{place}/{name}")
    expect(page.get_by_role("heading", name=f"No such {place[:-1]}")).to_be_visible()


def test_counts_of_all_orders_stand_beside_no_other_filter(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    order = {
        "items": [{"productId": new_product(name="Counted", stock=3), "quantity": 1}],
        "customerId": "c-counted",
        "shippingAddress": "Here",
    }
    assert api.post("/api/pms/orders", json=order, headers={"Prefer": "wait=20"}).status_code == 201
    page = window("#/orders")
    counts = page.get_by_role("group", name="Status").locator(".count")
    expect(counts.first).to_be_visible()
    page.goto("/#/orders?customerId=nobody-at-all")
    expect(page.get_by_text("No order is like that")).to_be_visible()
    expect(counts).to_have_count(0)


def test_names_that_have_to_be_exact_can_be_chosen(
    window: Window, new_product: Callable[..., str]
) -> None:
    new_product(name="Chosen", categoryId="Garden & Terrace")
    page = window("#/products")
    field = page.get_by_placeholder("Category, exactly")
    known = page.locator("datalist option[value='Garden & Terrace']")
    expect(known).to_have_count(1)
    assert field.get_attribute("list") == "known-categories"
    # They stay known when the list has none of them.
    field.fill("Gard")
    expect(page.get_by_text("No product is like that")).to_be_visible()
    expect(known).to_have_count(1)
    field.fill("Garden & Terrace")
    expect(page.locator(".row", has_text="Chosen")).to_be_visible()

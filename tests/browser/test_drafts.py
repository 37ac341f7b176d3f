"""What is typed and not sent yet is not lost by looking away, nor by one key too many."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from tests.functional.service import Api

Window = Callable[..., Page]


def look_at(page: Page, place: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name=place).click()
    expect(page.get_by_role("heading", name=place, exact=True)).to_be_visible()


def go_to_new_product(page: Page) -> None:
    page.goto("/#/products/new")
    # Until the next frame the page before is still there, which has other fields.
    expect(page.get_by_role("heading", name="New product")).to_be_visible()


def test_leaving_an_edit_asks_before_it_is_lost(
    windows: Any, window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("412")
    product_id = new_product(name="Edited long")
    page = window(f"#/products/{product_id}")
    page.get_by_role("button", name="Edit").click()
    edit = page.get_by_role("dialog", name="Edit product")
    page.keyboard.press("Escape")
    expect(edit).to_have_count(0)
    page.get_by_role("button", name="Edit").click()
    edit.get_by_label("Name").fill("Edited by me")
    asked = page.get_by_role("dialog", name="Discard what you typed?")
    # Also the second time, which a browser would take for itself.
    for _ in range(2):
        page.keyboard.press("Escape")
        expect(asked).to_be_visible()
        page.keyboard.press("Escape")
        expect(asked).to_have_count(0)
        expect(edit.get_by_label("Name")).to_have_value("Edited by me")
    assert api.patch(f"/api/pms/products/{product_id}", json={"price": 6}).status_code == 200
    edit.get_by_role("button", name="Save").click()
    expect(edit.get_by_role("alert")).to_contain_text("Somebody changed this product")
    edit.get_by_role("button", name="Close").click()
    asked.get_by_role("button", name="Go on editing").click()
    expect(edit.get_by_role("button", name="Save mine on top")).to_be_visible()
    edit.get_by_role("button", name="Close").click()
    asked.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert api.get(f"/api/products/{product_id}").json()["name"] == "Edited long"


def test_the_keyboard_goes_on_in_the_fields_of_an_edit(
    windows: Any, window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("412")
    product_id = new_product(name="Edited by keyboard")
    page = window(f"#/products/{product_id}")
    page.get_by_role("button", name="Edit").click()
    edit = page.get_by_role("dialog", name="Edit product")
    name, description = edit.get_by_label("Name"), edit.get_by_label("Description")
    description.fill("Mine")
    assert api.patch(f"/api/pms/products/{product_id}", json={"price": 6}).status_code == 200
    for way, kept in (("Back to my fields", "Mine"), ("Start from theirs", "Holds coffee.")):
        edit.get_by_role("button", name="Save").focus()
        page.keyboard.press("Enter")
        edit.get_by_role("button", name=way).focus()
        page.keyboard.press("Enter")
        expect(name).to_be_focused()
        expect(description).to_have_value(kept)


def test_a_new_product_waits_while_one_looks_away(windows: Any, admin_key: str) -> None:
    page: Page = windows.open(admin_key, "#/products/new")
    page.get_by_label("Name").fill("Half typed")
    page.get_by_label("Price").fill("3")
    look_at(page, "Orders")
    go_to_new_product(page)
    expect(page.get_by_label("Name")).to_have_value("Half typed")
    expect(page.get_by_label("Price")).to_have_value("3")
    # Sent, it is done with.
    page.get_by_label("Category").fill("kitchen")
    page.get_by_role("button", name="Create product").click()
    expect(page.get_by_role("heading", name="Half typed")).to_be_visible()
    go_to_new_product(page)
    expect(page.get_by_label("Name")).to_have_value("")
    # And so it is when it is given up, or left to somebody else.
    page.get_by_label("Name").fill("Given up")
    page.get_by_role("link", name="Cancel").click()
    go_to_new_product(page)
    expect(page.get_by_label("Name")).to_have_value("")
    page.get_by_label("Name").fill("Not for others")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("API key").fill(admin_key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Name")).to_have_value("")


def test_a_new_order_waits_and_its_wish_stays_the_same(
    windows: Any, window: Window, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    new_product(stock=9, name="Drafted bowl")
    page = window("#/orders/new")
    page.get_by_placeholder("Find by name or SKU").fill("Drafted bowl")
    page.get_by_role("button", name="Add Drafted bowl").click()
    page.get_by_label("Customer").fill("c-draft")
    page.get_by_label("Ships to").fill("Street 1")
    keys: list[str | None] = []

    def lose(route: Any) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        route.abort()

    page.route("**/api/pms/orders", lose)
    page.get_by_role("button", name="Place order").click()
    expect(page.get_by_role("alert")).to_contain_text("not known whether this was accepted")
    page.unroute("**/api/pms/orders")
    look_at(page, "Products")
    page.goto("/#/orders/new")
    expect(page.get_by_label("Units of Drafted bowl")).to_have_value("1")
    expect(page.get_by_label("Customer")).to_have_value("c-draft")
    with page.expect_request("**/api/pms/orders") as again:
        page.get_by_role("button", name="Place order").click()
    expect(page.get_by_role("heading", name="Order of c-draft")).to_be_visible()
    assert {*keys, again.value.headers["idempotency-key"]} == {keys[0]}

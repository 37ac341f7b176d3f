"""What is typed into the forms of a product is kept until it is done with."""

import contextlib
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Dialog, Error, Page, expect

from tests.browser.test_drafts import look_at
from tests.browser.test_products import adjust, stock_of
from tests.functional.service import Api

Window = Callable[..., Page]


def is_asked(page: Page) -> bool:
    """Whether one who loads the page anew is asked first, and stays."""
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    with contextlib.suppress(Error):
        page.reload(timeout=3000)
    page.remove_listener("dialog", stay)
    return asked == ["beforeunload"]


def test_a_refused_adjustment_is_there_to_be_mended(
    window: Window, new_product: Callable[..., str]
) -> None:
    product_id = new_product(stock=4, name="Mended Mug")
    page = window(f"#/products/{product_id}")
    expect(stock_of(page)).to_contain_text("4")
    quantity, reason = page.get_by_label("Quantity"), page.get_by_label("Reason")
    reason.fill("broken")
    adjust(page, "Take out", 5)
    expect(page.locator(".step")).to_have_attribute("data-phase", "failed")
    expect(quantity).to_have_value("5")
    expect(reason).to_have_value("broken")
    quantity.fill("3")
    page.locator("form.adjust button.primary").click()
    expect(page.locator(".step").first).to_have_attribute("data-phase", "succeeded")
    expect(quantity).to_have_value("")
    expect(reason).to_have_value("")
    # And so is one that is not sent yet.
    quantity.fill("1")
    reason.fill("lost")
    look_at(page, "Orders")
    page.go_back()
    expect(page.get_by_role("heading", name="Mended Mug")).to_be_visible()
    expect(quantity).to_have_value("1")
    expect(reason).to_have_value("lost")


def test_what_to_do_alone_is_no_reason_to_ask(
    window: Window, new_product: Callable[..., str]
) -> None:
    page = window(f"#/products/{new_product(stock=4, name='Taken Tin')}")
    adjust(page, "Take out", 1)
    expect(page.locator(".step")).to_have_attribute("data-phase", "succeeded")
    page.get_by_label("Quantity").fill("2")
    assert is_asked(page)
    page.get_by_label("Quantity").fill("")
    assert not is_asked(page)
    expect(page.get_by_role("heading", name="Taken Tin")).to_be_visible()


def type_into_edit(page: Page, description: str) -> None:
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_role("dialog").get_by_label("Description").fill(description)


def test_an_edit_is_kept_when_the_browser_goes_back(
    window: Window, new_product: Callable[..., str]
) -> None:
    product_id = new_product(name="Kept Kettle")
    page = window("#/products")
    page.goto(f"/#/products/{product_id}")
    expect(page.get_by_role("heading", name="Kept Kettle")).to_be_visible()
    type_into_edit(page, "Half a sentence")
    page.go_back()
    notice = page.locator(".notice", has_text="Your edit of Kept Kettle is kept")
    notice.get_by_role("link", name="Show").click()
    page.get_by_role("button", name="Go on editing").click()
    dialog = page.get_by_role("dialog", name="Edit product")
    expect(dialog.get_by_label("Description")).to_have_value("Half a sentence")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("Half a sentence")).to_be_visible()
    expect(page.get_by_role("button", name="Edit", exact=True)).to_be_visible()
    expect(page.locator(".notice", has_text="is kept")).to_have_count(0)


def test_who_loads_the_page_anew_is_asked_while_something_is_typed(window: Window) -> None:
    page = window("#/products/new")
    page.get_by_label("Name").fill("Nearly gone")
    assert is_asked(page)
    expect(page.get_by_label("Name")).to_have_value("Nearly gone")
    page.get_by_label("Name").fill("")
    page.reload()
    expect(page.get_by_role("heading", name="New product")).to_be_visible()


def test_a_secret_is_not_lost_without_a_question(window: Window) -> None:
    page = window("#/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill("Not lost")
    page.get_by_role("button", name="Make key").click()
    secret = page.get_by_test_id("secret")
    expect(secret).to_be_visible()
    assert is_asked(page)
    expect(secret).to_be_visible()
    page.get_by_role("button", name="I have kept it").click()
    page.reload()
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()


def test_a_key_that_ends_takes_nothing_with_it(windows: Any, api: Api) -> None:
    windows.allowed.append("401")
    body = {"name": "Ended while typing", "scopes": ["write"]}
    first = api.post("/api/keys", json=body).json()
    page: Page = windows.open(first["secret"], "#/products/new")
    page.get_by_label("Name").fill("Half typed")
    assert api.delete(f"/api/keys/{first['id']}").status_code == 204
    expect(page.get_by_text("This key is no longer valid")).to_be_visible()
    page.get_by_label("API key").fill(api.post("/api/keys", json=body).json()["secret"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Name")).to_have_value("Half typed")


def test_what_was_typed_with_a_key_is_not_for_another(
    windows: Any, api: Api, admin_key: str
) -> None:
    windows.allowed.append("401")
    first = api.post("/api/keys", json={"name": "Not the same", "scopes": ["write"]}).json()
    page: Page = windows.open(first["secret"], "#/products/new")
    page.get_by_label("Name").fill("Not for others")
    assert api.delete(f"/api/keys/{first['id']}").status_code == 204
    expect(page.get_by_text("This key is no longer valid")).to_be_visible()
    page.get_by_label("API key").fill(admin_key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="New product")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("")

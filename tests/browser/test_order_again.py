"""An order that is put together: it can be mended after a refusal, and shows what it will cost."""

from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from tests.functional.service import Api

Window = Callable[..., Page]


def begin(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_placeholder("Find by name or SKU").fill(name)
        page.get_by_role("button", name=f"Add {name}").click()
    page.get_by_label("Customer").fill("Rosalind")
    page.get_by_label("Ships to").fill("7 Main Street")


def test_a_rejected_order_names_what_is_short_and_can_be_mended(
    window: Window, new_product: Callable[..., str]
) -> None:
    new_product(stock=9, name="Plenty Plate")
    new_product(stock=1, name="Scarce Scale")
    page = window("#/orders/new")
    begin(page, "Plenty Plate", "Scarce Scale")
    units = page.get_by_label("Units of Scarce Scale")
    units.fill("3")
    expect(page.locator(".order-items li", has_text="Scarce")).to_contain_text("Only 1 can be sold")
    page.get_by_role("button", name="Place order").click()
    note = page.get_by_role("note")
    expect(note).to_contain_text("Scarce Scale: 3 asked for, and only 1 could be sold.")
    # What somebody has begun meanwhile is not thrown away without a question.
    rejected = page.url
    page.goto("/#/orders/new")
    expect(page.get_by_role("heading", name="New order")).to_be_visible()
    page.get_by_label("Customer").fill("Somebody else")
    page.goto(rejected)
    note.get_by_role("button", name="Order again").click()
    page.get_by_role("dialog").get_by_role("button", name="Replace it").click()
    expect(page.get_by_role("heading", name="New order")).to_be_visible()
    expect(page.get_by_label("Units of Plenty Plate")).to_have_value("1")
    expect(page.get_by_label("Customer")).to_have_value("Rosalind")
    expect(page.get_by_label("Ships to")).to_have_value("7 Main Street")
    units.fill("1")
    page.get_by_role("button", name="Place order").click()
    expect(page.get_by_role("heading", name="Order of Rosalind")).to_be_visible()
    expect(page.locator(".page-head .badge")).to_have_text("Pending")


def test_an_order_is_shown_at_the_price_at_which_it_is_placed(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(stock=5, name="Dear Desk", price=10)
    page = window("#/orders/new")
    begin(page, "Dear Desk")
    page.get_by_label("Units of Dear Desk").fill("2")
    expect(page.locator(".order-total")).to_contain_text("20.00")
    assert api.patch(f"/api/pms/products/{product_id}", json={"price": 25}).status_code == 200
    line = page.locator(".order-items li")
    expect(line).to_contain_text("The price has changed: it was US$10.00")
    expect(page.locator(".order-total")).to_contain_text("50.00")
    expect(page.get_by_label("Units of Dear Desk")).to_have_value("2")
    # Also while one looks away.
    page.get_by_role("link", name="Products", exact=True).click()
    expect(page.get_by_role("heading", name="Products")).to_be_visible()
    assert api.patch(f"/api/pms/products/{product_id}", json={"price": 30}).status_code == 200
    page.goto("/#/orders/new")
    expect(page.locator(".order-total")).to_contain_text("60.00")
    page.get_by_role("button", name="Place order").click()
    expect(page.get_by_role("table")).to_contain_text("60.00")


def test_an_order_that_is_placed_is_not_begun_any_more(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    """Not even if its prices were read anew while the answer was under way."""
    product_id = new_product(stock=5, name="Slow Sofa", price=10)
    page = window("#/orders/new")
    begin(page, "Slow Sofa")
    held: list[Route] = []
    page.route("**/api/pms/orders", lambda route: held.append(route))
    page.get_by_role("button", name="Place order").click()
    assert api.patch(f"/api/pms/products/{product_id}", json={"price": 25}).status_code == 200
    expect(page.locator(".changed-price")).to_be_visible()
    held[0].continue_()
    expect(page.get_by_role("heading", name="Order of Rosalind")).to_be_visible()
    page.goto("/#/orders/new")
    expect(page.get_by_role("heading", name="New order")).to_be_visible()
    expect(page.get_by_label("Customer")).to_have_value("")
    expect(page.locator(".order-items li")).to_have_count(0)


def test_a_name_without_blanks_makes_no_page_wider(
    window: Window, new_product: Callable[..., str]
) -> None:
    name = "Long" + "x" * 180
    new_product(stock=1, name=name)
    page = window("#/orders/new", viewport={"width": 390, "height": 844})
    page.get_by_placeholder("Find by name or SKU").fill(name)
    page.get_by_role("button", name=f"Add {name}").click()
    expect(page.locator(".order-items li")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

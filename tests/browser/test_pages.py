"""Every page: whole, readable by everybody, and pictured in both themes and three widths."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.functional.service import Api

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
# WCAG 2.2 at level AA, and what is known as good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = {360: 800, 768: 1024, 1440: 900}
# Colours differ by theme, what is shown by width.
JUDGED = {("light", 360), ("light", 1440), ("dark", 1440)}
NAMES = ["Walnut Tray", "Linen Throw", "Brass Bookend", "Oak Side Table", "Felt Pen Tray"]


@pytest.fixture(scope="module")
def shop(service: Any, admin_key: str) -> dict[str, str]:
    """A small lively shop; gives the addresses of its pages, by their names."""
    api = Api(service.url, admin_key)
    waits = {"Prefer": "wait=20"}

    def adjust(product_id: str, quantity: int, kind: str) -> Any:
        body = {"productId": product_id, "quantity": quantity, "type": kind, "reason": "delivery"}
        return api.post("/api/inventory/adjust", json=body, headers=waits)

    ids = []
    for number, name in enumerate(NAMES):
        body = {
            "name": name,
            "description": f"{name}, made to last.",
            "price": 12.5 + 10 * number,
            "categoryId": "home",
            "images": ["/images/1.jpg"],
            "sku": f"PICTURED-{number}",
        }
        ids.append(api.post("/api/pms/products", json=body).json()["id"])
        api.put(f"/api/pms/products/{ids[-1]}/publish", json={"status": "published"})
        adjust(ids[-1], 4 * number + 3, "increment")
    refused = adjust(ids[0], 99, "decrement").json()["operationId"]
    order_id = ""
    for number in range(6):
        order = {
            "items": [{"productId": one, "quantity": 1} for one in ids[2 : 4 + number % 2]],
            "customerId": f"Customer {number}",
            "shippingAddress": f"{number} Main Street",
        }
        made = api.post("/api/pms/orders", json=order, headers=waits).json()
        order_id = made.get("orderId", order_id)
    for status in ("confirmed", "processing"):
        step = {"status": status}
        api.patch(f"/api/pms/orders/{order_id}/status", json=step, headers=waits)
    rows = [{"productId": one, "quantity": 90, "type": "decrement"} for one in ids]
    bulk = api.post("/api/inventory/adjustments", json=rows, headers=waits).json()["id"]
    return {
        "overview": "#/",
        "products": "#/products",
        "product": f"#/products/{ids[4]}",
        "product-new": "#/products/new",
        "orders": "#/orders",
        "order": f"#/orders/{order_id}",
        "order-new": "#/orders/new",
        "operations": "#/operations",
        "operation": f"#/operations/{refused}",
        "bulk": f"#/operations/{bulk}",
        "upload": "#/operations/upload",
        "alerts": "#/alerts",
        "service-alerts": "#/alerts?about=system",
        "keys": "#/keys",
        "nothing": "#/nothing/here",
    }


def settle(page: Page) -> None:
    """Until nothing is on its way any more."""
    page.locator("main h1").first.wait_for()
    expect(page.locator(".skeleton")).to_have_count(0)
    page.evaluate("document.fonts.ready")


def judge(page: Page) -> None:
    """Nothing that axe calls serious or critical; nothing wider than the window."""
    page.evaluate(AXE)
    found = page.evaluate(
        "tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", RULES
    )
    serious = [
        (one["id"], [node["html"][:200] for node in one["nodes"]][:5])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert not serious, serious
    wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wider <= 0, f"{wider} pixels stick out"


def look(page: Page, name: str, pictures: Path) -> None:
    """Judge and picture a page in both themes and all widths."""
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
            settle(page)
            page.screenshot(path=pictures / f"{name}-{theme}-{width}.png", full_page=True)
            if (theme, width) in JUDGED:
                judge(page)


PAGES = [
    "overview",
    "products",
    "product",
    "product-new",
    "orders",
    "order",
    "order-new",
    "operations",
    "operation",
    "bulk",
    "upload",
    "alerts",
    "service-alerts",
    "keys",
    "nothing",
]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_good_to_use(
    window: Callable[..., Page], shop: dict[str, str], name: str, pictures: Path
) -> None:
    page = window(shop[name])
    settle(page)
    expect(page.locator(".trouble[role=alert]")).to_have_count(0)
    look(page, name, pictures)


def test_signing_in_is_good_to_use(windows: Any, pictures: Path) -> None:
    look(windows.open(), "sign-in", pictures)


def test_dialogs_are_good_to_use(
    window: Callable[..., Page], shop: dict[str, str], pictures: Path
) -> None:
    page = window(shop["product"])
    page.get_by_role("button", name="Edit").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    look(page, "dialog", pictures)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Edit")).to_be_focused()


def test_it_can_be_used_by_keyboard_alone(window: Callable[..., Page], shop: Any) -> None:
    page = window(shop["products"])
    # A page that is opened, unlike one that is gone to, leaves the focus where it is.
    page.reload()
    settle(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Products")).to_be_focused()
    search = page.get_by_placeholder("Search by name or SKU")
    while not search.evaluate("element => element === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.type("PICTURED-4")
    expect(page.locator(".row")).to_have_count(1)
    first = page.locator(".row a").first
    while not first.evaluate("element => element === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=NAMES[4])).to_be_focused()


def test_the_theme_can_be_chosen(window: Callable[..., Page]) -> None:
    page = window("#/", color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="Change to light").click()
    page.get_by_role("button", name="Change to dark").click()
    assert page.evaluate(paper) != light
    page.reload()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    page.get_by_role("button", name="Change to as the system").click()
    assert page.evaluate(paper) == light


def test_an_address_that_is_none_leads_back(window: Callable[..., Page]) -> None:
    page = window("#/")
    for place in ("nowhere", "%E0%A4%A"):
        page.goto(f"/#/{place}")
        page.reload()
        expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
    page.get_by_role("link", name="Back to the overview").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


DOCUMENTS = {
    "docs-start": "/docs",
    "docs-api": "/docs/api",
    "docs-sockets": "/docs/sockets",
    "docs-problems": "/docs/problems",
    "docs-problem": "/docs/problems/insufficient-stock",
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_good_to_use(windows: Any, name: str, pictures: Path) -> None:
    page = windows.open()
    page.goto(DOCUMENTS[name])
    if name == "docs-api":
        page.locator(".opblock").first.wait_for()
    look(page, name, pictures)


def test_a_call_that_is_tried_fits_a_phone(windows: Any, pictures: Path) -> None:
    page = windows.open(viewport={"width": 390, "height": 844})
    page.goto("/docs/api")
    call = page.locator(".opblock", has_text="/health").first
    call.locator("button.opblock-summary-control").click()
    call.get_by_role("button", name="Execute").click()
    call.locator(".live-responses-table").wait_for()
    # One with a body to fill in.
    call = page.locator(".opblock-post", has_text="/api/pms/orders").first
    call.locator("button.opblock-summary-control").click()
    call.locator("textarea").wait_for()
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.screenshot(path=pictures / f"docs-api-tried-{theme}.png", full_page=True)
        judge(page)


def test_the_documents_are_linked(window: Callable[..., Page]) -> None:
    page = window("#/")
    page.get_by_role("link", name="Documents").click()
    expect(page.get_by_role("heading", name="Quick start")).to_be_visible()


def test_the_documents_have_the_theme_that_was_chosen(window: Callable[..., Page]) -> None:
    page = window("#/", color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    page.get_by_role("button", name="Change to light").click()
    page.get_by_role("button", name="Change to dark").click()
    for path in ("/docs", "/docs/problems"):
        page.goto(path)
        assert page.evaluate(paper) == "rgb(28, 32, 34)"
    page.goto("/docs/api")
    expect(page.locator("html.dark-mode")).to_have_count(1)


def test_figures_are_the_readers_and_words_the_pages(
    window: Callable[..., Page], shop: dict[str, str]
) -> None:
    page = window(shop["product"], locale="de-DE")
    expect(page.get_by_role("region", name="Details")).to_contain_text("52,50")
    expect(page.locator("time").first).to_contain_text("ago")


def test_the_documents_lead_back_to_the_dashboard(window: Callable[..., Page]) -> None:
    page = window("#/orders")
    page.get_by_role("link", name="Documents").click()
    page.get_by_role("link", name="Problems", exact=True).click()
    page.get_by_role("link", name="Dashboard", exact=True).click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_sales_end_with_the_shops_today(windows: Any, window: Callable[..., Page]) -> None:
    # A page that did not come over the network may open no socket.
    windows.allowed.append("LOCAL_NETWORK_ACCESS")
    page = window("#/operations")
    # Far ahead of the zone of whoever looks, the shop has begun its next day.
    page.clock.set_fixed_time("2026-01-31T23:00:00Z")
    page.route("**/", send_elsewhere)
    page.reload()
    with page.expect_request("**/api/analytics/sales?*") as asked:
        page.goto("/#/")
    assert "endDate=2026-02-01" in asked.value.url


def send_elsewhere(route: Any) -> None:
    """The page as that of a shop on the other side of the date line."""
    answer = route.fetch()
    assert 'data-timezone="UTC"' in answer.text()
    text = answer.text().replace('data-timezone="UTC"', 'data-timezone="Pacific/Kiritimati"')
    route.fulfill(response=answer, body=text)


@pytest.mark.parametrize("name", ["product", "bulk", "order"])
def test_the_parts_of_a_page_are_told_apart(
    window: Callable[..., Page], shop: dict[str, str], name: str
) -> None:
    page = window(shop[name])
    settle(page)
    expect(page.locator("main table").first).to_be_visible()
    page.evaluate(AXE)
    found = page.evaluate(
        "axe.run(document, {runOnly: {type: 'rule', values: ['landmark-unique']}})"
    )
    assert not found["violations"]

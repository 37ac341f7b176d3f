"""Figures on the screen: in the unit that fits, and never taken for something that they are not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.functional.service import Api

Window = Callable[..., Page]
DURATIONS = {
    4.25: "4.3 ms",
    999.6: "1 sec",
    59_940: "59.9 secs",
    59_960: "1 min 0 secs",
    90_000: "1 min 30 secs",
    119_600: "2 mins 0 secs",
    3_599_600: "1 hr 0 mins",
    7_199_000: "2 hrs 0 mins",
    86_399_000: "1 day 0 hrs",
    172_700_000: "2 days 0 hrs",
}
METRICS = "**/api/analytics/inventory/metrics"


def test_a_duration_never_has_a_rest_of_a_whole_unit(window: Window) -> None:
    page = window("#/orders")
    told = page.evaluate(
        """async (given) => {
            const main = document.querySelector('script[type=module]').src;
            const { duration } = await import(new URL('core/format.js', main));
            return given.map(duration);
        }""",
        list(DURATIONS),
    )
    assert told == list(DURATIONS.values())


def test_a_duration_has_the_units_of_the_reader(windows: Any, admin_key: str) -> None:
    page: Page = windows.open(admin_key, "#/orders", locale="de-DE")
    told = page.evaluate(
        """async (given) => {
            const main = document.querySelector('script[type=module]').src;
            const { duration } = await import(new URL('core/format.js', main));
            return given.map(duration);
        }""",
        [4.25, 59_940, 90_000, 86_399_000],
    )
    assert told == ["4,3 ms", "59,9 Sek.", "1 Min., 30 Sek.", "1 Tg., 0 Std."]


def test_tiles_on_their_way_and_tiles_without_an_answer_look_like_it(
    windows: Any, window: Window
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    page = window("#/orders")
    page.route(METRICS, lambda route: route.abort())
    page.goto("/#/")
    tiles = page.locator(".tiles")
    expect(tiles.locator(".tile .skeleton")).to_have_count(4)
    expect(tiles.get_by_role("alert")).to_contain_text("did not answer")
    expect(tiles.locator(".tile .skeleton")).to_have_count(0)
    page.unroute(METRICS)
    tiles.get_by_role("button", name="Try again").click()
    expect(tiles.get_by_role("alert")).to_have_count(0)
    expect(tiles.locator(".tile").first).to_contain_text("product")


def is_whole(place: Locator) -> bool:
    """Whether nothing of it is cut off or stands out of it."""
    return bool(place.evaluate("one => one.scrollWidth <= one.clientWidth"))


def test_large_amounts_stay_within_their_places(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(name="Crown jewels", price=9_999_999.99, stock=900_000)
    order = {
        "items": [{"productId": product_id, "quantity": 400_000}],
        "customerId": "c-crown",
        "shippingAddress": "The Tower",
    }
    waits = {"Prefer": "wait=20"}
    made = api.post("/api/pms/orders", json=order, headers=waits).json()
    for status in ("confirmed", "processing", "shipped", "delivered"):
        step = {"status": status}
        path = f"/api/pms/orders/{made['orderId']}/status"
        assert api.patch(path, json=step, headers=waits).status_code == 200
    page = window("#/orders")
    for width in (390, 768, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto("/#/orders?customerId=c-crown")
        total = page.locator(".row .money").first
        expect(total).to_contain_text("4tn")
        expect(total.locator("[title*='999,996,000']")).to_have_count(1)
        assert is_whole(total)
        page.goto("/#/")
        expect(page.get_by_role("region", name="Sales").locator("dd").first).to_contain_text("tn")
        expect(page.locator(".tile").first).to_contain_text("tn")
        for one in [*page.locator(".tile").all(), *page.locator(".figures > div").all()]:
            assert is_whole(one), (width, one.inner_text())
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_numbers_are_written_as_the_reader_writes_them(
    windows: Any, admin_key: str, api: Api, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("412")
    page: Page = windows.open(admin_key, "#/orders", locale="ar-EG")
    told = page.evaluate(
        """async () => {
            const main = document.querySelector('script[type=module]').src;
            const { duration } = await import(new URL('core/format.js', main));
            return duration(90000);
        }"""
    )
    assert told.isascii() is False
    assert not any(letter in told for letter in "0123456789")
    # A status without an order has no count, rather than a 0 in other digits.
    counts = page.get_by_role("group", name="Status").locator(".count")
    assert "0" not in counts.all_inner_texts()
    product_id = new_product(name="Priced", price=5)
    page = windows.open(admin_key, f"#/products/{product_id}")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Price").fill("7.5")
    assert api.patch(f"/api/pms/products/{product_id}", json={"price": 6}).status_code == 200
    page.get_by_role("button", name="Save").click()
    price = page.get_by_role("dialog").get_by_role("row", name="Price")
    expect(price).to_contain_text("US$5.00")
    expect(price).to_contain_text("US$6.00")
    expect(price).to_contain_text("US$7.50")


@pytest.mark.parametrize("width", [390, 1000, 1440])
def test_the_names_of_open_alerts_are_whole(
    window: Callable[..., Page], new_product: Callable[..., str], width: int
) -> None:
    name = f"Speckled Cooking Pot with a Lid of Walnut {width}"
    new_product(stock=2, name=name, lowStockThreshold=5)
    page = window("#/", viewport={"width": width, "height": 900})
    link = page.get_by_role("region", name="Open alerts").get_by_role("link", name=name)
    expect(link).to_be_visible()
    assert link.evaluate("element => element.scrollWidth - element.clientWidth") <= 0
    expect(page.get_by_role("region", name="Open alerts")).to_contain_text("2 left")


def test_a_process_short_of_memory_is_told(window: Window) -> None:
    page = window("#/alerts")
    expect(page.locator(".health-line")).to_contain_text("All parts well")

    def full(route: Route) -> None:
        answer = route.fetch()
        report = answer.json()
        report["status"] = "degraded"
        report["checks"]["memory"]["healthy"] = False
        route.fulfill(response=answer, json=report)

    page.route("**/health", full)
    expect(page.locator(".health-line")).to_contain_text("Memory short")
    expect(page.locator(".banner")).to_contain_text("A web process has nearly used up")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Overview").click()
    health = page.get_by_role("region", name="Health")
    expect(health.get_by_role("alert")).to_contain_text("Memory is short.")


def test_the_health_is_asked_for_though_the_rate_is_nearly_used_up(window: Window) -> None:
    page = window("#/alerts")

    def nearly_used_up(route: Route) -> None:
        answer = route.fetch()
        left = {"ratelimit-remaining": "3"}
        route.fulfill(response=answer, headers={**answer.headers, **left})

    page.route("**/api/**", nearly_used_up)
    with page.expect_response("**/api/inventory/alerts?*"):
        page.reload()
    for _ in range(2):
        # A fifth as often would be every 25 s.
        with page.expect_request("**/health", timeout=15_000):
            pass


def test_an_alert_that_is_over_says_since_when(
    window: Window, new_product: Callable[..., str]
) -> None:
    page = window(f"#/products/{new_product(stock=9, name='Long over')}")
    now = datetime.now(UTC)
    alert = {"id": "1", "severity": "low_stock", "stock": 3, "threshold": 5}
    alert |= {"raisedAt": (now - timedelta(hours=3)).isoformat(), "resolvedAt": now.isoformat()}
    found = {"items": [alert], "nextCursor": None}
    page.route("**/api/inventory/alerts?*", lambda route: route.fulfill(json=found))
    page.reload()
    row = page.get_by_role("listitem").filter(has_text="over after")
    expect(row).to_contain_text("3 hrs")
    expect(row).to_contain_text("just now")

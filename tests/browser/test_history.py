"""A product's history as a chart: also of what happened all at once, and as far back as it says."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, Route, expect

from tests.functional.service import Api

Window = Callable[..., Page]
ROWS = 120


def moved_at_once(api: Api, product_id: str) -> None:
    """So many movements of one unit in one commit."""
    row = {"productId": product_id, "quantity": 1, "type": "increment"}
    found = api.post("/api/inventory/adjustments", json=[row] * ROWS, headers={"Prefer": "wait=20"})
    assert found.status_code == 200, found.text


def tip_at(page: Page, share: float) -> str:
    """What the chart says about a place, as a share of its width."""
    plot = page.get_by_role("region", name="History").locator(".u-over")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
    return page.locator(".tip").inner_text()


def test_what_happened_at_one_moment_is_drawn(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(name="All at once")
    moved_at_once(api, product_id)
    page = window(f"#/products/{product_id}")
    drawn = page.get_by_test_id("drawn")
    expect(drawn).to_have_text("The newest 100 movements")
    before, after = tip_at(page, 0.02), tip_at(page, 0.98)
    assert before.split("\n")[0] != after.split("\n")[0], "the axis stands still"
    # The level before the oldest movement that is drawn, and the one that holds.
    assert f"Can be sold{ROWS - 100}" in before.replace("\n", "")
    assert f"Can be sold{ROWS}" in after.replace("\n", "")


def test_one_chooses_how_far_back(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(name="Far back")
    moved_at_once(api, product_id)
    page = window(f"#/products/{product_id}")
    history = page.get_by_role("region", name="History")
    history.get_by_role("button", name="Week").click()
    expect(page.get_by_test_id("drawn")).to_have_text(f"{ROWS} movements in the last 7 days")
    assert "Can be sold0" in tip_at(page, 0.02).replace("\n", "")
    assert f"Can be sold{ROWS}" in tip_at(page, 0.99).replace("\n", "")
    history.get_by_role("button", name="Newest").click()
    expect(page.get_by_test_id("drawn")).to_have_text(f"All {ROWS} movements")


_KEEP_WHAT_IS_DRAWN = """() => {
    const { fillText, clearRect } = CanvasRenderingContext2D.prototype;
    window.drawn = [];
    Object.assign(CanvasRenderingContext2D.prototype, {
        fillText(text, ...place) {
            window.drawn.push(text);
            fillText.call(this, text, ...place);
        },
        clearRect(...place) {
            window.drawn = [];
            clearRect.call(this, ...place);
        },
    });
}"""
_DAY = re.compile(r"\d+ [A-Z]\w+")
_TIME = re.compile(r"\d\d:\d\d")


@pytest.mark.parametrize(("hours", "has_times"), [(30, True), (42, True), (60, False), (80, False)])
def test_the_axis_names_each_day_once(
    window: Window, api: Api, new_product: Callable[..., str], hours: int, has_times: bool
) -> None:
    product_id = new_product(name="Over days")
    moved_at_once(api, product_id)
    page = window("#/orders")
    page.evaluate(_KEEP_WHAT_IS_DRAWN)
    step = timedelta(hours=hours) / 100

    def spread(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        for place, item in enumerate(body["items"]):
            item["createdAt"] = (datetime.now(UTC) - step * place).isoformat()
        route.fulfill(response=answer, json=body)

    page.route("**/api/inventory/movements?*", spread)
    page.goto(f"/#/products/{product_id}")
    expect(page.get_by_test_id("drawn")).to_have_text("The newest 100 movements")
    page.wait_for_function("window.drawn.length > 2")
    drawn: list[str] = page.evaluate("window.drawn")
    days = [one for one in drawn if _DAY.fullmatch(one)]
    assert days, drawn
    assert len(days) == len(set(days)), drawn
    assert any(_TIME.fullmatch(one) for one in drawn) == has_times, drawn

"""A product's history as a chart: also of what happened all at once, and as far back as it says."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

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

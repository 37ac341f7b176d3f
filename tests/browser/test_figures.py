"""Figures on the screen: in the unit that fits, and never taken for something that they are not."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

Window = Callable[..., Page]
DURATIONS = {
    4.25: "4.3 ms",
    999.6: "1 s",
    59_940: "59.9 s",
    59_960: "1 min 0 s",
    90_000: "1 min 30 s",
    119_600: "2 min 0 s",
    3_599_600: "1 h 0 min",
    7_199_000: "2 h 0 min",
    86_399_000: "1 d 0 h",
    172_700_000: "2 d 0 h",
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

"""Sales on the overview: whole weeks and months, each beside the one that it is compared with."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Request, expect

Window = Callable[..., Page]

# A Wednesday, early in a month.
_TODAY = "2026-11-04"
_ASKED = {
    "Day": [("2026-10-06", "2026-11-04"), ("2026-09-06", "2026-10-05")],
    "Week": [("2026-08-17", "2026-11-04"), ("2026-05-25", "2026-08-16")],
    "Month": [("2025-12-01", "2026-11-04"), ("2024-12-01", "2025-11-30")],
}


def _range(request: Request) -> tuple[str, str]:
    query = parse_qs(urlsplit(request.url).query)
    return query["startDate"][0], query["endDate"][0]


def _asks(by: str, *, compared: bool) -> Callable[[Request], bool]:
    def matches(request: Request) -> bool:
        is_of_it = "/analytics/sales?" in request.url and f"groupBy={by.lower()}" in request.url
        return is_of_it and ("compareTo" in request.url) == compared

    return matches


@pytest.mark.parametrize("by", list(_ASKED))
def test_each_bar_has_a_whole_one_beside_it(window: Window, by: str) -> None:
    page = window("#/orders")
    page.clock.set_fixed_time(f"{_TODAY}T12:00:00Z")
    with (
        page.expect_request(_asks(by, compared=True)) as now,
        page.expect_request(_asks(by, compared=False)) as before,
    ):
        page.goto("/#/")
        page.get_by_role("region", name="Sales").get_by_role("button", name=by).click()
    assert [_range(now.value), _range(before.value)] == _ASKED[by]


def test_a_week_that_is_not_over_says_so(window: Window) -> None:
    page = window("#/orders")
    page.route("**/api/analytics/sales?*", _with_sales)
    page.goto("/#/")
    sales = page.get_by_role("region", name="Sales")
    sales.get_by_role("button", name="Week").click()
    sales.get_by_text("Show the numbers").click()
    rows = sales.get_by_role("region", name="Numbers").locator("tbody tr")
    expect(rows.last.locator("th")).to_contain_text("so far")
    expect(rows.last.locator("td").nth(2)).to_contain_text("Week of")
    expect(rows.first.locator("th")).not_to_contain_text("so far")
    # Where there is room, it is the amount to the cent.
    expect(rows.first.locator("td").first).to_have_text("US$162,679.18")
    expect(rows.first.locator("td").nth(1)).to_have_text("3")
    expect(rows.first.locator("th")).not_to_contain_text("order")
    heads = sales.get_by_role("region", name="Numbers").locator("thead th")
    expect(heads).to_have_text(
        ["Period", "Revenue", "Orders", "Compared with", "Its revenue", "Its orders"]
    )


def _with_sales(route: Any) -> None:
    answer = route.fetch()
    body = answer.json()
    for one in body["series"]:
        one["revenue"], one["orders"] = 162679.18, 3
    body["totals"]["orders"] = 3
    route.fulfill(response=answer, json=body)

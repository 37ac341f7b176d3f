"""Uploads on the screen: a file that changes, an answer that is lost, faults as people count."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.browser.test_drafts import look_at
from tests.browser.test_products import unknown_at_first
from tests.functional.service import Api

Window = Callable[..., Page]


def choose(page: Page, file: Path) -> None:
    page.locator("input[type=file]").set_input_files(file)


def press_upload(page: Page) -> None:
    page.get_by_role("button", name="Upload", exact=True).click()


def test_an_upload_without_an_answer_may_have_been_kept(
    windows: Any, window: Window, new_product: Callable[..., str], tmp_path: Path
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    new_product(sku="UNHEARD-1")
    file = tmp_path / "unheard.csv"
    file.write_text("sku,quantity,type\nUNHEARD-1,1,increment\n")
    page = window("#/operations/upload")
    keys: list[str | None] = []

    def lose_answer(route: Route) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        route.fetch()
        route.abort()

    page.route("**/api/inventory/adjustments*", lose_answer)
    choose(page, file)
    press_upload(page)
    expect(page.get_by_role("alert")).to_contain_text("not known whether this was accepted")
    expect(page.get_by_role("alert")).not_to_contain_text("Nothing was kept")
    page.unroute("**/api/inventory/adjustments*")
    with page.expect_request("**/api/inventory/adjustments*") as again:
        press_upload(page)
    expect(page.locator(".page-head .badge")).to_have_text("Done")
    assert {*keys, again.value.headers["idempotency-key"]} == {keys[0]}


def test_of_an_upload_that_may_be_kept_nobody_says_that_nothing_was(
    windows: Any, window: Window, new_product: Callable[..., str], tmp_path: Path
) -> None:
    windows.allowed.append("503")
    new_product(sku="PERHAPS-1")
    file = tmp_path / "perhaps.csv"
    file.write_text("sku,quantity,type\nPERHAPS-1,1,increment\n")
    page = window("#/operations/upload")
    page.route("**/api/inventory/adjustments*", unknown_at_first())
    choose(page, file)
    told = page.get_by_role("alert")
    for _ in range(2):
        press_upload(page)
        expect(page.get_by_role("button", name="Uploading")).to_be_visible()
        expect(told).to_contain_text("not known whether this was accepted")
        expect(told).not_to_contain_text("Nothing was kept")
    page.unroute("**/api/inventory/adjustments*")
    press_upload(page)
    expect(page.locator(".page-head .badge")).to_have_text("Done")


def test_an_upload_that_was_left_unheard_is_the_same_wish(
    windows: Any, window: Window, api: Api, new_product: Callable[..., str], tmp_path: Path
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    product_id = new_product(sku="LEFT-1")
    file = tmp_path / "left.csv"
    file.write_text("sku,quantity,type\nLEFT-1,3,increment\n")
    page = window("#/operations/upload")
    keys: list[str | None] = []
    held: list[Route] = []

    def lose(route: Route) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        if held:
            route.abort()
        else:
            held.append(route)

    page.route("**/api/inventory/adjustments*", lose)
    choose(page, file)
    with page.expect_request("**/api/inventory/adjustments*"):
        press_upload(page)
    look_at(page, "Operations")
    held[0].fetch()
    held[0].abort()
    notice = page.locator(".notice", has_text="The upload")
    expect(notice).to_contain_text("not known whether this was accepted")
    notice.get_by_role("link", name="Show").click()
    expect(page.get_by_role("heading", name="Upload stock")).to_be_visible()
    expect(page.get_by_text("left.csv")).to_be_visible()
    # Also who chooses it anew.
    choose(page, file)
    page.unroute("**/api/inventory/adjustments*")
    with page.expect_request("**/api/inventory/adjustments*") as again:
        press_upload(page)
    expect(page.locator(".page-head .badge")).to_have_text("Done")
    assert {*keys, again.value.headers["idempotency-key"]} == {keys[0]}
    assert api.get(f"/api/inventory/stock/{product_id}").json()["stock"] == 3
    # What is done with is not there any more.
    page.goto("/#/operations/upload")
    expect(page.get_by_text("Choose a file")).to_be_visible()


def test_a_file_that_was_mended_is_chosen_again(
    windows: Any, window: Window, new_product: Callable[..., str], tmp_path: Path
) -> None:
    windows.allowed.append("422")
    new_product(sku="MENDED-1")
    file = tmp_path / "mended.csv"
    file.write_text("sku,quantity,type\nMENDED-1,none,increment\n")
    page = window("#/operations/upload")
    choose(page, file)
    press_upload(page)
    expect(page.get_by_role("alert")).to_contain_text("Nothing was kept")
    file.write_text("sku,quantity,type\nMENDED-1,12345,increment\n")
    os.utime(file, (1, 1))
    press_upload(page)
    expect(page.get_by_role("alert")).to_contain_text("choose it again")
    expect(page.get_by_role("button", name="Upload", exact=True)).to_be_disabled()
    assert page.locator("input[type=file]").input_value() == ""
    choose(page, file)
    expect(page.get_by_role("alert")).to_have_count(0)
    press_upload(page)
    expect(page.locator(".page-head .badge")).to_have_text("Done")


def test_faults_of_an_array_stand_by_the_rows_as_people_count(
    windows: Any, window: Window, new_product: Callable[..., str], tmp_path: Path
) -> None:
    windows.allowed.append("422")
    good = {"productId": new_product(name="In order"), "quantity": 1, "type": "increment"}
    file = tmp_path / "faults.json"
    file.write_text(json.dumps([good, {**good, "sku": "NOBODY-1"}, {**good, "quantity": 0}]))
    page = window("#/operations/upload")
    choose(page, file)
    press_upload(page)
    faults = page.locator(".faults li b")
    expect(faults).to_have_text(["Row 2, SKU:", "Row 3, quantity:"])
    file.write_text(json.dumps([good, 5]))
    choose(page, file)
    press_upload(page)
    expect(page.get_by_role("alert")).to_contain_text("Row 2: must be an object")

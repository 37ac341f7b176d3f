"""Uploads on the screen: a file that changes, an answer that is lost, faults as people count."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Route, expect

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

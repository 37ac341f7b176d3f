"""Operations on the screen: the stream, one of them, and many at once from a file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.functional.service import Api, Service, given_up

Window = Callable[..., Page]


def test_the_stream_shows_what_comes_and_how_it_ends(
    windows: Any, api: Api, key_with: Callable[[str], str], new_product: Callable[..., str]
) -> None:
    product_id = new_product(name="Streamed")
    # Another key's operations are told to nobody else: the list finds them all the same.
    page: Page = windows.open(key_with("read"), "#/operations?status=failed&kind=adjust-stock")
    body = {"productId": product_id, "quantity": 7, "type": "decrement"}
    answer = api.post("/api/inventory/adjust", json=body, headers={"Prefer": "wait=20"})
    operation_id = answer.json()["operationId"]
    row = page.locator(f'.row:has(a[href="#/operations/{operation_id}"])')
    expect(row).to_contain_text("Refused")
    row.get_by_role("link", name="Adjust stock").click()
    expect(page.get_by_role("heading", name="Adjust stock")).to_be_visible()
    expect(page.get_by_role("note")).to_contain_text("stock")
    expect(page.get_by_role("region", name="What was asked")).to_contain_text('"quantity": 7')
    expect(page.get_by_role("region", name="What happened")).to_contain_text(
        answer.headers["X-Request-ID"]
    )


def test_operations_say_what_they_are_about(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    waits = {"Prefer": "wait=20"}
    product_id = new_product(name="Teapot", stock=5)
    single = {"productId": product_id, "quantity": 1, "type": "increment"}
    adjusted = api.post("/api/inventory/adjust", json=single, headers=waits).json()["id"]
    rows = [single, single, single]
    many = api.post("/api/inventory/adjustments", json=rows, headers=waits).json()["id"]
    order = {
        "items": [{"productId": product_id, "quantity": 1}],
        "customerId": "c-about",
        "shippingAddress": "Here",
    }
    created = api.post("/api/pms/orders", json=order, headers=waits).json()
    page = window("#/operations")

    def row(operation_id: str) -> Locator:
        return page.locator(f'.row:has(.main a[href="#/operations/{operation_id}"])')

    def about(operation_id: str) -> Locator:
        return row(operation_id).locator('[data-name="About"]')

    expect(about(adjusted)).to_have_text("Teapot")
    expect(about(many)).to_have_text("3 rows")
    expect(about(created["id"])).to_have_text(f"Order {created['orderId'][-8:]}")
    for width in (390, 768):
        page.set_viewport_size({"width": width, "height": 900})
        expect(about(adjusted)).to_be_hidden()
        expect(row(adjusted).get_by_text("Teapot ·")).to_be_visible()
    page.set_viewport_size({"width": 1440, "height": 900})
    about(adjusted).get_by_role("link", name="Teapot").click()
    expect(page.get_by_role("heading", name="Teapot")).to_be_visible()
    page.goto(f"/#/operations/{adjusted}")
    expect(page.get_by_role("heading", name="Adjust stock")).to_be_visible()
    what = page.get_by_role("region", name="What happened")
    expect(what.get_by_role("link", name="Teapot")).to_be_visible()


def test_a_file_is_uploaded_followed_and_its_refused_rows_taken_away(
    window: Window, new_product: Callable[..., str], tmp_path: Path
) -> None:
    new_product(sku="BULK-1", name="Bulk one")
    file = tmp_path / "delivery.csv"
    rows = ["BULK-1,1,increment"] * 40_000 + ["BULK-1,9999999,decrement"]
    file.write_text("\n".join(["sku,quantity,type", *rows]))
    page = window("#/operations/upload")
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text("delivery.csv")).to_be_visible()
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuemax", "40001")
    page.locator(".page-head .badge", has_text="Running").wait_for()
    expect(page.locator(".page-head .badge")).to_have_text("Done, 1 refused")
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40001")
    expect(page.get_by_role("region", name="Refused rows").first).to_contain_text("BULK-1")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download as CSV").click()
    taken = Path(waiting.value.path()).read_text()
    assert "insufficient-stock" in taken
    assert taken.count("BULK-1") == 1
    name = page.url.rpartition("/")[2]
    page.get_by_role("link", name="Operations").last.click()
    row = page.locator(f'.row:has(a[href="#/operations/{name}"])')
    expect(row.locator(".badge")).to_have_text("Done, 1 refused")


def test_all_refused_rows_can_be_read(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(name="Refused often")
    rows = [{"productId": product_id, "quantity": 5, "type": "decrement"}] * 120
    sent = api.post("/api/inventory/adjustments", json=rows, headers={"Prefer": "wait=30"})
    page = window(f"#/operations/{sent.json()['id']}")
    table = page.get_by_role("region", name="Table of refused rows").locator("tbody tr")
    for count in (50, 100):
        expect(table).to_have_count(count)
        page.get_by_role("button", name="Show more").click()
    expect(table).to_have_count(120)
    expect(table.first.locator("td").first).to_have_text("1")


def test_what_is_wrong_with_a_file_is_said_by_the_row(
    windows: Any, window: Window, tmp_path: Path
) -> None:
    windows.allowed.append("422")
    file = tmp_path / "wrong.csv"
    file.write_text("sku,quantity,type\nNOT-THERE,1,increment\n")
    page = window("#/operations/upload")
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("there is no such product")
    expect(page.get_by_role("alert")).to_contain_text("Nothing was kept")


def test_rows_of_an_array_are_counted_as_people_count(
    windows: Any, window: Window, api: Api, new_product: Callable[..., str], tmp_path: Path
) -> None:
    product_id = new_product(name="Counted")
    row = {"productId": product_id, "quantity": 1, "type": "increment"}
    rows = [row, {**row, "quantity": 9, "type": "decrement"}]
    made = api.post("/api/inventory/adjustments", json=rows, headers={"Prefer": "wait=20"})
    page = window(f"#/operations/{made.json()['id']}")
    table = page.get_by_role("region", name="Refused rows").last
    expect(table.locator("tbody tr td").first).to_have_text("2")
    expect(page.get_by_text("row 1 is the first of the array")).to_be_visible()
    windows.allowed.append("422")
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps([row, {**row, "quantity": 0}]))
    page.goto("/#/operations/upload")
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Row 2, quantity: must be at least 1")


def test_what_was_given_up_is_tried_again(
    windows: Any,
    window: Window,
    api: Api,
    service: Service,
    key_with: Callable[[str], str],
    new_product: Callable[..., str],
) -> None:
    product_id = new_product(stock=3, name="Given up")
    body = {"productId": product_id, "quantity": 4, "type": "increment"}
    ended = api.post("/api/inventory/adjust", json=body, headers={"Prefer": "wait=20"})
    dead = given_up(service, ended.json()["id"])
    looking: Page = windows.open(key_with("read"), f"#/operations/{dead}")
    expect(looking.locator(".page-head .badge")).to_have_text("Given up")
    expect(looking.get_by_role("button", name="Try again")).to_have_count(0)
    page = window("#/operations?status=dead")
    row = page.locator(f'.row:has(a[href="#/operations/{dead}"])')
    expect(row).to_contain_text("Given up")
    row.get_by_role("link", name="Adjust stock").click()
    expect(page.get_by_role("note")).to_contain_text("For a test.")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".page-head .badge")).to_have_text("Done")
    what = page.get_by_role("region", name="What happened")
    expect(what.get_by_role("link", name=dead[-8:])).to_be_visible()
    stock = api.get(f"/api/inventory/stock/{product_id}").json()
    assert stock["stock"] == 11
    # The dead one stays, says what it was tried again as, and can be tried again no second time.
    new = page.url[-8:]
    what.get_by_role("link", name=dead[-8:]).click()
    expect(page.locator(".page-head .badge")).to_have_text("Given up")
    expect(what).to_contain_text("Tried again as")
    expect(what.get_by_role("link", name=new)).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)


def test_what_was_only_tried_does_not_look_done(
    window: Window, api: Api, new_product: Callable[..., str], tmp_path: Path
) -> None:
    product_id = new_product(sku="TRIED-1", name="Tried", stock=5)
    file = tmp_path / "try.csv"
    file.write_text("sku,quantity,type\nTRIED-1,1,increment\nTRIED-1,99,decrement\n")
    page = window("#/operations/upload")
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_label("Only try").check()
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator(".page-head .badge")).to_have_text("Only tried")
    expect(page.locator(".page-head")).to_contain_text("changes nothing")
    expect(page.get_by_role("region", name="Progress")).to_contain_text(
        "1 would be applied, 1 would be refused"
    )
    expect(page.get_by_role("region", name="Rows that would be refused").first).to_be_visible()
    expect(page.get_by_role("button", name="Retry the refused rows")).to_have_count(0)
    expect(page.get_by_role("link", name="Upload for real")).to_be_visible()
    assert api.get(f"/api/inventory/stock/{product_id}").json()["stock"] == 5
    tried = page.url.rpartition("/")[2]
    page.get_by_role("link", name="Operations").last.click()
    row = page.locator(f'.row:has(a[href="#/operations/{tried}"])')
    expect(row.locator(".badge")).to_have_text("Only tried")


def test_what_was_tried_again_elsewhere_is_not_offered(
    windows: Any, window: Window, api: Api, service: Service, new_product: Callable[..., str]
) -> None:
    windows.allowed += ["409", "net::ERR_FAILED"]
    body = {"productId": new_product(name="Twice"), "quantity": 1, "type": "increment"}
    ended = api.post("/api/inventory/adjust", json=body, headers={"Prefer": "wait=20"}).json()
    dead = given_up(service, ended["id"])
    address = f"**/api/operations/{dead}"
    stale = window(f"#/operations/{dead}")
    expect(stale.get_by_role("button", name="Try again")).to_be_visible()
    stale.route(address, lambda route: route.abort())
    listed = window("#/operations?status=dead&kind=adjust-stock")
    row = listed.locator(f'.row:has(a[href="#/operations/{dead}"])')
    expect(row).not_to_contain_text("Tried again")
    again = api.post(f"/api/operations/{dead}/retry").json()["id"]
    # The list says which ones need nobody any more, and asks about none when none is left.
    expect(row).to_contain_text("Tried again")
    assert api.post("/api/operations/retry", json={"kind": "adjust-stock"}).status_code == 202
    expect(listed.get_by_role("button", name="Retry all: Adjust stock")).to_have_count(0)
    # Another window that does not know yet is told so in plain words, and where it is.
    stale.get_by_role("button", name="Try again").click()
    expect(stale.locator(".notice", has_text="tried it again already")).to_be_visible()
    stale.unroute(address)
    what = stale.get_by_role("region", name="What happened")
    expect(what.get_by_role("link", name=again[-8:])).to_be_visible()
    expect(stale.get_by_role("button", name="Try again")).to_have_count(0)


def test_each_kind_that_was_given_up_can_be_tried_again_as_a_whole(
    window: Window, api: Api, service: Service, new_product: Callable[..., str]
) -> None:
    product_id = new_product(name="Two kinds")
    waits = {"Prefer": "wait=20"}
    adjusted = {"productId": product_id, "quantity": 1, "type": "increment"}
    counted = {"productId": product_id, "counted": 7, "reason": "counted"}
    for path, body in (("adjust", adjusted), ("counts", counted)):
        ended = api.post(f"/api/inventory/{path}", json=body, headers=waits)
        assert ended.status_code == 200, ended.text
        given_up(service, ended.json()["id"])
    page = window("#/operations?status=dead")
    rail = page.get_by_role("navigation", name="Main").get_by_role("link", name="Operations")
    expect(rail).to_contain_text("given up")
    for kind in ("Adjust stock", "Count stock"):
        button = page.get_by_role("button", name=f"Retry all: {kind}")
        button.click()
        page.get_by_role("dialog").get_by_role("button", name="Try again").click()
        expect(page.locator(".notice", has_text="tried again").first).to_be_visible()
        expect(button).to_have_count(0)


def test_an_address_with_filters_that_are_none_shows_the_list(
    window: Window, new_product: Callable[..., str]
) -> None:
    new_product(stock=1)
    page = window("#/operations?status=lost&kind=adjust-everything")
    expect(page.get_by_role("table", name="Operations").locator(".row").first).to_be_visible()
    expect(page.get_by_role("button", name="All", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    kind = page.get_by_role("combobox", name="Kind")
    assert "repair-stock" in kind.locator("option").evaluate_all("all => all.map(one => one.value)")
    for address in ("products?status=sold&sort=colour", "alerts?status=loud&about=weather"):
        page.goto(f"/#/{address}")
        expect(page.get_by_role("button", name="Try again")).to_have_count(0)
        expect(page.locator(".skeleton")).to_have_count(0)
        expect(page.locator('.filters [aria-pressed="true"]').first).to_be_visible()
        expect(page.locator("main [role=alert]")).to_have_count(0)

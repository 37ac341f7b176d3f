"""Keys and alerts on the screen."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.functional.service import Api, Service

Window = Callable[..., Page]


def test_a_key_is_made_rotated_and_revoked_and_its_secret_shown_once(
    window: Window, service: Service
) -> None:
    page = window("#/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill("Till 7")
    page.get_by_label("Write").check()
    page.get_by_role("button", name="Make key").click()
    secret = page.get_by_test_id("secret").inner_text()
    assert Api(service.url, secret).get("/api/products").status_code == 200
    page.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_test_id("secret")).to_have_count(0)
    assert secret not in page.content()
    page.get_by_role("button", name="Rotate Till 7").click()
    page.get_by_role("button", name="Give a new secret").click()
    renewed = page.get_by_test_id("secret").inner_text()
    assert renewed != secret
    assert Api(service.url, renewed).get("/api/products").status_code == 200
    page.get_by_role("button", name="I have kept it").click()
    page.get_by_role("button", name="Revoke Till 7").click()
    page.get_by_role("button", name="Revoke key").click()
    row = page.locator(".row", has_text="Till 7")
    expect(row).to_contain_text("Revoked")
    assert Api(service.url, renewed).get("/api/products").status_code == 401


def test_the_own_key_is_rotated_without_a_new_sign_in(
    windows: object, key_with: Callable[[str], str]
) -> None:
    page: Page = windows.open(key_with("admin"), "#/keys")  # type: ignore[attr-defined]
    row = page.locator(".row", has_text="yours")
    row.get_by_role("button", name="Rotate").click()
    page.get_by_role("button", name="Give a new secret").click()
    expect(page.get_by_test_id("secret")).to_contain_text("pms_")
    page.get_by_role("button", name="I have kept it").click()
    page.goto("/#/orders")
    expect(page.get_by_role("heading", name="Orders")).to_be_visible()
    expect(page.locator(".connection")).to_contain_text("Live")


def test_a_read_with_the_old_secret_takes_nothing_of_the_new_one(
    windows: Any, key_with: Callable[[str], str]
) -> None:
    windows.allowed.append("401")
    page: Page = windows.open(key_with("admin"), "#/keys")
    held: list[Route] = []

    def hold_one(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    # The list, which is read again every few seconds.
    with page.expect_request("**/api/keys?*"):
        page.route("**/api/keys?*", hold_one)
    page.locator(".row", has_text="yours").get_by_role("button", name="Rotate").click()
    page.get_by_role("button", name="Give a new secret").click()
    expect(page.get_by_test_id("secret")).to_contain_text("pms_")
    with page.expect_response(lambda answer: answer.status == 401):
        held[0].continue_()
    page.get_by_role("button", name="I have kept it").click()
    page.goto("/#/orders")
    expect(page.get_by_role("heading", name="Orders")).to_be_visible()
    expect(page.locator(".connection")).to_contain_text("Live")


def test_a_secret_stays_until_it_is_kept_though_one_signs_out_elsewhere(
    windows: Any, key_with: Callable[[str], str]
) -> None:
    page: Page = windows.open(key_with("admin"), "#/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill("Shown over it")
    page.get_by_role("button", name="Make key").click()
    expect(page.get_by_test_id("secret")).to_contain_text("pms_")
    other = page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("signed out in another tab")).to_be_visible()
    expect(page.get_by_test_id("secret")).to_contain_text("pms_")
    page.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_test_id("secret")).to_have_count(0)


def test_a_new_secret_signs_nobody_in_who_was_signed_out_meanwhile(
    windows: Any, key_with: Callable[[str], str]
) -> None:
    page: Page = windows.open(key_with("admin"), "#/keys")
    other = page.context.new_page()
    other.goto("/")
    expect(other.get_by_role("heading", name="Overview")).to_be_visible()
    held: list[Route] = []
    page.route("**/rotate", lambda route: held.append(route))
    with page.expect_request("**/rotate"):
        page.locator(".row", has_text="yours").get_by_role("button", name="Rotate").click()
        page.get_by_role("button", name="Give a new secret").click()
    other.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("signed out in another tab")).to_be_visible()
    held[0].continue_()
    expect(page.get_by_test_id("secret")).to_contain_text("pms_")
    assert page.evaluate("Object.values(sessionStorage).join('')") == ""


def test_a_new_secret_that_got_lost_is_said_to_be(
    windows: Any, key_with: Callable[[str], str]
) -> None:
    windows.allowed += ["401", "net::ERR_FAILED", "WebSocket"]
    page: Page = windows.open(key_with("admin"), "#/keys")
    lost: list[Route] = []

    def lose_answer(route: Route) -> None:
        lost.append(route)
        if len(lost) > 1:
            route.continue_()
        else:
            route.fetch()
            route.abort()

    page.route("**/rotate", lose_answer)
    page.locator(".row", has_text="yours").get_by_role("button", name="Rotate").click()
    page.get_by_role("button", name="Give a new secret").click()
    expect(page.get_by_role("alert")).to_contain_text("its new secret got lost on the way")


def test_a_new_secret_of_which_nothing_was_heard_is_said_to_be_lost(
    windows: Any, key_with: Callable[[str], str]
) -> None:
    windows.allowed += ["401", "net::ERR_FAILED", "WebSocket"]
    page: Page = windows.open(key_with("admin"), "#/keys")

    def lose_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/rotate", lose_answer)
    page.locator(".row", has_text="yours").get_by_role("button", name="Rotate").click()
    # The list tells of it no sooner.
    page.route("**/api/keys?*", lambda route: route.abort())
    page.get_by_role("button", name="Give a new secret").click()
    expect(page.get_by_label("API key")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("its new secret got lost on the way")


def test_an_alert_comes_and_goes_by_itself(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(stock=9, name="Runs low")
    page = window("#/alerts")
    link = page.get_by_role("link", name="Runs low")
    expect(link).to_have_count(0)
    body = {"productId": product_id, "quantity": 8, "type": "decrement"}
    assert api.post("/api/inventory/adjust", json=body).status_code == 202
    expect(link).to_be_visible()
    assert api.post("/api/inventory/adjust", json={**body, "type": "increment"}).status_code == 202
    expect(link).to_have_count(0)
    page.get_by_role("button", name="Past").click()
    expect(link).to_be_visible()
    # And the product itself keeps what was.
    link.click()
    past = page.get_by_role("region", name="Alerts")
    expect(past).to_contain_text("None is open.")
    expect(past).to_contain_text("Past")
    expect(past).to_contain_text("over a")


@pytest.fixture
def no_alerts(api: Api) -> None:
    """None is open: other tests leave more than the rail counts."""

    def open_ones() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = api.get("/api/inventory/alerts?limit=100").json()["items"]
        return found

    while items := open_ones():
        rows = [
            {"productId": one["productId"], "quantity": 1_000, "type": "increment"} for one in items
        ]
        waits = {"Prefer": "wait=20"}
        ended = api.post("/api/inventory/adjustments", json=rows, headers=waits)
        assert ended.status_code == 200, ended.text


@pytest.mark.usefixtures("no_alerts")
def test_the_rail_counts_the_open_alerts(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    page = window("#/orders")
    rail = page.get_by_role("navigation", name="Main")
    product_id = new_product(stock=9, name="Counted low")
    body = {"productId": product_id, "quantity": 8, "type": "decrement"}
    assert api.post("/api/inventory/adjust", json=body).status_code == 202
    expect(rail.get_by_role("link", name="Alerts 1 open", exact=True)).to_be_visible()
    assert api.post("/api/inventory/adjust", json={**body, "type": "increment"}).status_code == 202
    expect(rail.get_by_role("link", name="Alerts", exact=True)).to_be_visible()


@pytest.mark.usefixtures("no_alerts")
def test_an_open_alert_says_how_many_are_left_now(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(stock=9, name="Goes on falling")

    def take(units: int) -> None:
        body = {"productId": product_id, "quantity": units, "type": "decrement"}
        waits = {"Prefer": "wait=20"}
        assert api.post("/api/inventory/adjust", json=body, headers=waits).status_code == 200

    take(6)
    product, listed, overview = window(f"#/products/{product_id}"), window("#/alerts"), window()
    of_it = product.get_by_role("region", name="Alerts")
    row = listed.locator(".row", has_text="Goes on falling")
    open_ones = overview.get_by_role("region", name="Open alerts")
    line = open_ones.locator("li", has_text="Goes on falling")
    expect(of_it).to_contain_text("3 left")
    expect(row.locator('[data-name="Left"]')).to_contain_text("3")
    expect(line).to_contain_text("3 left")
    take(1)
    expect(of_it).to_contain_text("2 left")
    expect(row.locator('[data-name="Left"]')).to_contain_text("2")
    expect(line).to_contain_text("2 left")
    changed = api.patch(f"/api/pms/products/{product_id}", json={"lowStockThreshold": 8})
    assert changed.status_code == 200
    expect(of_it).to_contain_text("2 left, threshold 8")
    expect(listed.locator(".fresh")).to_contain_text("Read")
    expect(overview.locator(".page-head")).to_contain_text("Stock as of")


def make_key(page: Page, name: str) -> None:
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make key").click()


def test_a_secret_stays_until_it_is_kept(window: Window) -> None:
    page = window("#/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill("Pressed twice")
    page.keyboard.press("Enter")
    secret = page.get_by_test_id("secret")
    expect(secret).to_be_visible()
    expect(page.get_by_role("button", name="Copy")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("Escape")
    expect(secret).to_be_visible()
    assert page.evaluate("document.querySelector('dialog').matches(':modal')")
    page.get_by_role("button", name="I have kept it").click()
    expect(secret).to_have_count(0)


def test_a_secret_comes_to_whoever_has_gone_to_another_page(window: Window) -> None:
    page = window("#/keys")
    waiting: list[Route] = []
    page.route(
        "**/api/keys",
        lambda route: waiting.append(route) if route.request.method == "POST" else route.fallback(),
    )
    make_key(page, "Left alone")
    expect(page.get_by_role("button", name="Making")).to_be_disabled()
    page.evaluate("location.hash = '#/products'")
    expect(page.get_by_role("heading", name="Products")).to_be_visible()
    waiting[0].continue_()
    expect(page.get_by_role("heading", name="The secret of Left alone")).to_be_visible()
    expect(page.get_by_test_id("secret")).to_contain_text("pms_")
    page.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("heading", name="Products")).to_be_visible()


def test_copied_is_said_only_of_what_was(window: Window) -> None:
    page = window("#/keys")
    # As on a shop's own network without https.
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.evaluate("addEventListener('copy', () => (window.taken = `${getSelection()}`))")
    make_key(page, "Without a clipboard")
    secret = page.get_by_test_id("secret").inner_text()
    copy = page.get_by_role("dialog").get_by_role("button", name="Copy")
    copy.click()
    expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    assert page.evaluate("window.taken") == secret
    expect(copy).to_be_focused()
    page.evaluate("document.execCommand = () => false")
    copy.click()
    expect(page.get_by_text("Not copied")).to_be_visible()


def test_a_lost_answer_makes_no_second_key(windows: Any, window: Window, api: Api) -> None:
    windows.allowed.append("net::ERR_FAILED")
    page = window("#/keys")

    def lose_answer(route: Route) -> None:
        if route.request.method != "POST":
            return route.fallback()
        route.fetch()
        return route.abort()

    page.route("**/api/keys", lose_answer)
    make_key(page, "Unheard key")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("No answer")
    # It is there, and said to be.
    expect(page.locator(".row", has_text="Unheard key")).to_have_count(1)
    page.unroute("**/api/keys")
    # Also for who has looked at another page.
    page.goto("/#/orders")
    expect(page.get_by_role("heading", name="Orders")).to_be_visible()
    page.goto("/#/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_role("button", name="Make key").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("got lost")
    # And so may the next one; it is said where one looks.
    page.route("**/rotate", lambda route: route.abort())
    dialog.get_by_role("button", name="Rotate").click()
    expect(dialog.get_by_role("alert")).to_contain_text("not known whether this was accepted")
    page.unroute("**/rotate")
    lost: list[Route] = []

    def lose_first(route: Route) -> None:
        lost.append(route)
        if len(lost) > 1:
            return route.continue_()
        route.fetch()
        return route.abort()

    page.route("**/rotate", lose_first)
    with page.expect_response("**/rotate"):
        dialog.get_by_role("button", name="Rotate").click()
    expect(dialog.get_by_role("alert")).to_have_count(0)
    dialog.get_by_role("button", name="Rotate").click()
    expect(page.get_by_test_id("secret")).to_contain_text("pms_")
    page.get_by_role("button", name="I have kept it").click()
    made = [one["name"] for one in api.get("/api/keys").json()["items"]]
    assert made.count("Unheard key") == 1


def test_a_rotation_without_an_answer_is_not_promised_to_happen_once(
    windows: Any, window: Window, api: Api
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    assert api.post("/api/keys", json={"name": "Unrotated", "scopes": ["read"]}).status_code == 201
    page = window("#/keys")
    page.route("**/rotate", lambda route: route.abort())
    page.get_by_role("button", name="Rotate Unrotated").click()
    page.get_by_role("button", name="Give a new secret").click()
    notice = page.locator(".notice", has_text="not known whether this was accepted")
    expect(notice).to_contain_text("Look whether it was done")
    expect(notice).not_to_contain_text("only once")


def test_the_keyboard_goes_on_at_the_heading_after_revoking(
    window: Window, key_with: Callable[[str], str]
) -> None:
    key_with("write")
    page = window("#/keys")
    page.get_by_role("button", name="Revoke write key").first.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Revoke key").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".row", has_text="write key").first).to_contain_text("Revoked")
    expect(page.get_by_role("heading", name="Keys")).to_be_focused()


def test_what_is_not_valid_is_said_in_words(windows: Any, window: Window) -> None:
    windows.allowed.append("422")
    page = window("#/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill("Too fast")
    page.get_by_label("Rate").fill("often")
    page.get_by_label("Ends").fill("2020-01-01T10:00")
    page.get_by_role("button", name="Make key").click()
    told = page.get_by_role("dialog").get_by_role("alert")
    expect(told).to_contain_text("Rate: ")
    expect(told).to_contain_text("Expires at: ")
    expect(told).not_to_contain_text("/rate")
    page.keyboard.press("Escape")
    page.goto(f"/#/products?categoryId={'x' * 201}")
    expect(page.get_by_role("alert")).to_contain_text("Category: ")
    expect(page.get_by_role("alert")).not_to_contain_text("?category")


def test_keys_stand_straight_and_ones_own_is_marked_on_a_phone_too(
    window: Window, api: Api
) -> None:
    revoked = api.post("/api/keys", json={"name": "No buttons", "scopes": ["read"]}).json()
    assert api.delete(f"/api/keys/{revoked['id']}").status_code == 204
    page = window("#/keys")
    expect(page.locator(".row", has_text="No buttons").first).to_contain_text("Revoked")
    places = page.evaluate(
        "[...document.querySelectorAll('.row-head, .row')].map("
        "row => [...row.children].map(cell => cell.getBoundingClientRect().left))"
    )
    assert all(one == places[0] for one in places), places
    page.set_viewport_size({"width": 390, "height": 844})
    mine = page.locator(".row", has_text="yours").locator(".fine").first
    # What is cut off is at its end.
    assert mine.inner_text().startswith("yours")


def test_a_key_says_when_it_ends(window: Window, api: Api) -> None:
    for name, days in (("ends soon", 2), ("ends later", 40)):
        end = (datetime.now(UTC) + timedelta(days=days, hours=1)).isoformat()
        made = api.post("/api/keys", json={"name": name, "scopes": ["read"], "expiresAt": end})
        assert made.status_code == 201
    page = window("#/keys", viewport={"width": 390, "height": 844})
    soon = page.locator(".row", has_text="ends soon").locator(".badge")
    expect(soon).to_have_text("Active, ends in 2 days")
    expect(soon).to_have_class("badge warn")
    later = page.locator(".row", has_text="ends later").locator(".badge")
    expect(later).to_have_text("Active, ends next mo")
    expect(later).to_have_class("badge done")
    assert soon.evaluate("one => one.getBoundingClientRect().right <= innerWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_draft_that_never_had_stock_is_not_out_of_it(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(name="Not begun")
    page = window("#/products?q=Not+begun")
    figure = page.locator(".row .stock")
    expect(figure).to_have_text("0")
    expect(figure).not_to_contain_class("bad")
    waits = {"Prefer": "wait=20"}
    for kind in ("increment", "decrement"):
        body = {"productId": product_id, "quantity": 1, "type": kind}
        assert api.post("/api/inventory/adjust", json=body, headers=waits).status_code == 200
    expect(figure).to_have_text("0 (out of stock)")

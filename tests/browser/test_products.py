"""Products on the screen: made, found, edited without losing anybody's change, adjusted live."""

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.functional.service import Api

Window = Callable[..., Page]


def stock_of(page: Page) -> Any:
    return page.get_by_test_id("stock")


def adjust(page: Page, what: str, quantity: int) -> None:
    page.get_by_role("button", name=what).first.click()
    page.get_by_label("Quantity").fill(str(quantity))
    page.locator("form.adjust button.primary").click()


def unknown_at_first() -> Callable[[Route], None]:
    """What the service says of a change while its database stands still: the first try is done."""
    tries: list[Route] = []

    def answer(route: Route) -> None:
        tries.append(route)
        said: dict[str, Any] = {"detail": "The database is away; nothing was done."}
        if len(tries) == 1:
            route.fetch()
            said = {"detail": "It is not known whether this was done.", "outcome": "unknown"}
        body = {"type": "/docs/problems/unavailable", "title": "Unavailable", "status": 503, **said}
        route.fulfill(status=503, content_type="application/problem+json", body=json.dumps(body))

    return answer


def test_a_product_is_made_published_and_found(window: Window) -> None:
    page = window("#/products/new")
    page.get_by_label("Name").fill("Cherry Ladle")
    page.get_by_label("Price").fill("24.50")
    page.get_by_label("Category").fill("kitchen")
    page.get_by_label("Description").fill("Carries four mugs.")
    page.get_by_role("button", name="Create product").click()
    expect(page.get_by_role("heading", name="Cherry Ladle")).to_be_visible()
    expect(page.locator(".page-head").get_by_text("Draft")).to_be_visible()
    page.get_by_role("button", name="Publish").click()
    expect(page.locator(".page-head").get_by_text("Published", exact=True)).to_be_visible()
    page.goto("/#/products")
    page.get_by_placeholder("Search by name or SKU").fill("cherry l")
    # What is typed counts once typing has paused.
    page.wait_for_url("**q=cherry*")
    expect(page.get_by_role("link", name="Cherry Ladle")).to_be_visible()
    expect(page.locator(".row")).to_have_count(1)
    page.get_by_role("button", name="Draft").click()
    expect(page.get_by_text("No product is like that")).to_be_visible()
    page.get_by_placeholder("Category").fill("half a wo")
    # At once: what is being typed goes with the rest.
    page.get_by_role("button", name="Clear the filters").click()
    expect(page.get_by_placeholder("Category")).to_have_value("")
    expect(page.get_by_placeholder("Search by name or SKU")).to_have_value("")
    expect(page.get_by_role("link", name="Cherry Ladle")).to_be_visible()


def test_what_is_wrong_is_said_beside_its_field(
    windows: Any, window: Window, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("409")
    new_product(sku="TAKEN-1")
    page = window("#/products/new")
    page.get_by_label("Name").fill("Second")
    page.get_by_label("Price").fill("1")
    page.get_by_label("SKU").fill("TAKEN-1")
    page.get_by_label("Category").fill("kitchen")
    page.get_by_role("button", name="Create product").click()
    expect(page.get_by_role("alert")).to_contain_text("SKU")
    expect(page.get_by_label("Name")).to_have_value("Second")


def test_an_adjustment_in_one_window_is_seen_in_another(
    windows: Any, window: Window, key_with: Callable[[str], str], new_product: Callable[..., str]
) -> None:
    product_id = new_product(stock=10, name="Shared")
    mine = window(f"#/products/{product_id}")
    theirs = windows.open(key_with("read"), f"#/products/{product_id}")
    for page in (mine, theirs):
        expect(stock_of(page)).to_contain_text("10")
    adjust(mine, "Add", 5)
    expect(mine.locator(".step")).to_have_attribute("data-phase", "succeeded")
    expect(mine.locator(".step")).to_contain_text("15 can be sold now")
    for page in (mine, theirs):
        expect(stock_of(page)).to_contain_text("15")
        expect(page.get_by_role("region", name="Movements").locator("tbody tr")).to_have_count(2)


def test_a_refusal_says_why(window: Window, new_product: Callable[..., str]) -> None:
    page = window(f"#/products/{new_product(stock=2, name='Scarce')}")
    expect(stock_of(page)).to_contain_text("2")
    adjust(page, "Take out", 3)
    expect(page.locator(".step")).to_have_attribute("data-phase", "failed")
    expect(page.locator(".step")).to_contain_text("Only 2 units can be taken out.")
    expect(stock_of(page)).to_contain_text("2")


def test_a_count_needs_a_reason(window: Window, api: Api, new_product: Callable[..., str]) -> None:
    product_id = new_product(stock=2, name="To be counted")
    page = window(f"#/products/{product_id}")
    expect(stock_of(page)).to_contain_text("2")
    page.get_by_role("button", name="Set counted").first.click()
    page.get_by_label("Counted in the house").fill("7")
    reason = page.get_by_label("Reason", exact=True)
    send = page.locator("form.adjust button.primary")
    for blank in ("", "  "):
        reason.fill(blank)
        send.click()
        assert reason.evaluate("field => field.matches(':invalid')")
    expect(page.locator(".step")).to_have_count(0)
    reason.fill("yearly count")
    send.click()
    expect(page.locator(".step")).to_have_attribute("data-phase", "succeeded")
    expect(stock_of(page)).to_contain_text("7")
    (newest, *_) = api.get(f"/api/inventory/movements?productId={product_id}").json()["items"]
    assert (newest["kind"], newest["reason"]) == ("count", "yearly count")


def test_trying_again_after_a_lost_answer_does_it_once(
    windows: Any, window: Window, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    page = window(f"#/products/{new_product(stock=2, name='Unheard')}")
    expect(stock_of(page)).to_contain_text("2")

    def lose_answer(route: Any) -> None:
        route.fetch()
        route.abort()

    page.route("**/api/inventory/adjust", lose_answer)
    adjust(page, "Add", 5)
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    # It may have been accepted, as this one was: who is told otherwise does it a second time.
    expect(page.locator(".step")).to_contain_text("No answer")
    expect(page.locator(".step")).to_contain_text("not known whether this was accepted")
    expect(page.locator(".step")).not_to_contain_text("Not accepted")
    expect(stock_of(page)).to_contain_text("7")
    page.unroute("**/api/inventory/adjust")
    again.click()
    expect(page.locator(".step")).to_have_attribute("data-phase", "succeeded")
    expect(page.locator(".step")).to_contain_text("7 can be sold now")


def test_what_may_have_been_done_is_not_said_to_be_refused(
    windows: Any, window: Window, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("503")
    page = window(f"#/products/{new_product(stock=2, name='Perhaps')}")
    expect(stock_of(page)).to_contain_text("2")
    page.route("**/api/inventory/adjust", unknown_at_first())
    adjust(page, "Add", 5)
    step = page.locator(".step")
    again = step.get_by_role("button", name="Try again")
    expect(step).to_contain_text("not known whether this was accepted")
    # Also once the service is sure of a later try, which says nothing of the first.
    again.click()
    expect(step).to_have_attribute("data-phase", "sending")
    expect(step).to_have_attribute("data-phase", "unheard")
    expect(step).to_contain_text("not known whether this was accepted")
    expect(step).not_to_contain_text("Not accepted")
    expect(page.get_by_label("Quantity")).to_have_value("")
    page.unroute("**/api/inventory/adjust")
    again.click()
    expect(step).to_have_attribute("data-phase", "succeeded")
    expect(step).to_contain_text("7 can be sold now")
    expect(stock_of(page)).to_contain_text("7")


def test_it_is_pending_while_no_worker_is_there(
    window: Window, service: Any, new_product: Callable[..., str]
) -> None:
    page = window(f"#/products/{new_product(stock=1, name='Waiting')}")
    expect(stock_of(page)).to_contain_text("1")
    service.stop("worker")
    try:
        adjust(page, "Add", 1)
        expect(page.locator(".step")).to_have_attribute("data-phase", "pending")
        expect(stock_of(page)).to_contain_text("1")
    finally:
        service.start("worker")
    expect(page.locator(".step")).to_have_attribute("data-phase", "succeeded")
    expect(stock_of(page)).to_contain_text("2")


def test_nobody_loses_a_change(
    windows: Any, window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("412")
    product_id = new_product(name="Contested", price=5)
    page = window(f"#/products/{product_id}")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Name").fill("Contested by me")
    changed = api.patch(f"/api/pms/products/{product_id}", json={"price": 6})
    assert changed.status_code == 200
    page.get_by_role("button", name="Save").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("alert")).to_contain_text("Somebody changed this product")
    expect(dialog.get_by_role("alert")).to_be_focused()
    expect(dialog.get_by_role("row", name="Price")).to_contain_text("6")
    dialog.get_by_role("button", name="Save mine on top").click()
    expect(page.get_by_role("heading", name="Contested by me")).to_be_visible()
    found = api.get(f"/api/products/{product_id}").json()
    assert (found["name"], found["price"]) == ("Contested by me", 6)


def test_the_stock_says_when_it_was_changed_last(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(name="Long still")
    page = window(f"#/products/{product_id}")
    changed = page.get_by_role("region", name="Stock").get_by_text("changed ").locator("time")
    expect(changed).not_to_have_attribute("datetime", "")
    body = {"productId": product_id, "quantity": 4, "type": "increment"}
    done = api.post("/api/inventory/adjust", json=body, headers={"Prefer": "wait=20"})
    assert done.status_code == 200
    at = api.get(f"/api/inventory/stock/{product_id}").json()["updatedAt"]
    expect(changed).to_have_attribute("datetime", at)


def test_an_edit_in_one_window_is_seen_in_another(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(name="Before")
    page = window(f"#/products/{product_id}")
    expect(page.get_by_role("heading", name="Before")).to_be_visible()
    # The page follows the product once its own snapshot is there.
    expect(stock_of(page)).to_contain_text("0")
    assert api.patch(f"/api/pms/products/{product_id}", json={"name": "After"}).status_code == 200
    expect(page.get_by_role("heading", name="After")).to_be_visible()


def test_a_save_whose_answer_was_lost_is_no_conflict(
    windows: Any, window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    product_id = new_product(name="Mine alone", price=5)
    page = window(f"#/products/{product_id}")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Price").fill("6")

    def lose_answer(route: Any) -> None:
        route.fetch()
        route.abort()

    page.route(f"**/api/pms/products/{product_id}", lose_answer)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("No answer")
    page.unroute(f"**/api/pms/products/{product_id}")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".notice", has_text="Saved.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert api.get(f"/api/products/{product_id}").json()["version"] == 2


def test_a_conflict_that_cannot_be_read_is_said(
    windows: Any, window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    windows.allowed += ["412", "net::ERR_FAILED"]
    product_id = new_product(name="Contested too", price=5)
    page = window(f"#/products/{product_id}")
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Name").fill("Mine")
    page.route(f"**/api/products/{product_id}", lambda route: route.abort())
    assert api.patch(f"/api/pms/products/{product_id}", json={"price": 6}).status_code == 200
    page.get_by_role("button", name="Save").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("alert")).to_contain_text("could not be read just now")
    expect(dialog.get_by_label("Name")).to_have_value("Mine")
    page.unroute(f"**/api/products/{product_id}")
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_role("button", name="Save mine on top").click()
    expect(page.get_by_role("heading", name="Mine")).to_be_visible()


def test_a_conflict_leads_back_to_what_was_typed(
    windows: Any, window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    windows.allowed += ["412", "409"]
    new_product(sku="TAKEN-2")
    product_id = new_product(name="Two troubles", price=5)
    page = window(f"#/products/{product_id}")
    page.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("SKU").fill("TAKEN-2")
    dialog.get_by_label("Description").fill("Long thought about")
    assert api.patch(f"/api/pms/products/{product_id}", json={"price": 6}).status_code == 200
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_role("button", name="Save mine on top").click()
    expect(dialog.get_by_role("alert").first).to_contain_text("another product")
    dialog.get_by_role("button", name="Back to my fields").click()
    expect(dialog.get_by_label("Description")).to_have_value("Long thought about")
    dialog.get_by_label("SKU").fill("FREE-2")
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_role("button", name="Save mine on top").click()
    expect(dialog).to_have_count(0)
    found = api.get(f"/api/products/{product_id}").json()
    assert (found["sku"], found["price"]) == ("FREE-2", 6)
    assert found["description"] == "Long thought about"


def test_the_keyboard_goes_on_at_the_heading_after_publishing(
    window: Window, new_product: Callable[..., str]
) -> None:
    page = window(f"#/products/{new_product(name='Published by keyboard')}")
    page.get_by_role("button", name="Publish").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".page-head").get_by_text("Published", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Published by keyboard")).to_be_focused()


def test_publishing_again_after_no_answer_is_the_same_wish(
    windows: Any, window: Window, new_product: Callable[..., str]
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    page = window(f"#/products/{new_product(name='Published once')}")
    keys: list[str | None] = []

    def lose(route: Route) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        route.abort()

    page.route("**/publish", lose)
    publish = page.get_by_role("button", name="Publish")
    publish.click()
    expect(page.get_by_text("it is not known whether this was accepted")).to_be_visible()
    expect(publish).to_be_enabled()
    page.unroute("**/publish")
    with page.expect_request("**/publish") as again:
        publish.click()
    expect(page.locator(".page-head").get_by_text("Published", exact=True)).to_be_visible()
    assert {*keys, again.value.headers["idempotency-key"]} == {keys[0]}
    assert keys[0]


def test_a_new_threshold_marks_the_stock_at_once(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(stock=50, name="Threshold raised")
    product, listed = window(f"#/products/{product_id}"), window("#/products?q=Threshold+raised")
    figure = product.get_by_test_id("stock").locator(".stock")
    other = listed.locator(".row", has_text="Threshold raised").locator(".stock")
    for one in (figure, other):
        expect(one).to_have_text("50")
    changed = api.patch(f"/api/pms/products/{product_id}", json={"lowStockThreshold": 100})
    assert changed.status_code == 200
    for one in (figure, other):
        expect(one).to_contain_text("(low)")

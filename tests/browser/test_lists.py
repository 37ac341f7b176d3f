"""Lists on the screen: what is in sight of them is never old without saying so."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.functional.service import Api

Window = Callable[..., Page]
# More than are read at once.
ORDERS = 60


def test_what_others_change_of_products_is_seen_in_the_list(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(name="Listed One", price=5, categoryId="listed")
    page = window("#/products?categoryId=listed")
    row = page.locator(".row", has_text="Listed One")
    expect(row).to_contain_text("5.00")
    change = {"price": 6, "name": "Listed One, renamed"}
    assert api.patch(f"/api/pms/products/{product_id}", json=change).status_code == 200
    new_product(name="Listed Two", categoryId="listed")
    expect(page.locator(".row", has_text="renamed")).to_contain_text("6.00")
    expect(page.locator(".row", has_text="Listed Two")).to_be_visible()
    expect(page.locator(".fresh")).to_contain_text("Read ")


def test_rows_far_down_are_read_again_too(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(stock=2 * ORDERS, name="Often ordered")
    ids = []
    for number in range(ORDERS):
        order = {
            "items": [{"productId": product_id, "quantity": 1}],
            "customerId": "Far down",
            "shippingAddress": f"{number} Long Street",
        }
        found = api.post("/api/pms/orders", json=order)
        assert found.status_code == 202, found.text
        ids.append(found.json()["orderId"])
    page = window("#/orders?customerId=Far+down", viewport={"width": 1440, "height": 700})
    oldest = page.locator(".row", has=page.locator(f'a[href="#/orders/{ids[0]}"]'))
    while not oldest.count():
        page.mouse.wheel(0, 1500)
        page.evaluate("new Promise(requestAnimationFrame)")
    expect(oldest.locator(".badge")).to_have_text("Pending")
    step = {"status": "confirmed"}
    assert api.patch(f"/api/pms/orders/{ids[0]}/status", json=step).status_code == 202
    expect(oldest.locator(".badge")).to_have_text("Confirmed")
    expect(page.locator(".list-end")).to_have_text(f"All {ORDERS} shown")


def test_a_key_made_elsewhere_comes_in(window: Window, api: Api) -> None:
    page = window("#/keys")
    expect(page.locator(".row").first).to_be_visible()
    body = {"name": "Made elsewhere", "scopes": ["read"]}
    assert api.post("/api/keys", json=body).status_code == 201
    expect(page.locator(".row", has_text="Made elsewhere")).to_be_visible()

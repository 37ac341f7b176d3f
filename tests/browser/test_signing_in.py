"""Signing in: a key opens the door as far as its scopes, and is forgotten with the last tab."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Route, expect

from tests.browser.test_pages import look
from tests.functional.service import Api, wait_until


def test_an_unknown_key_is_refused_and_kept_nowhere(windows: Any) -> None:
    windows.allowed.append("401")
    page: Page = windows.open()
    page.get_by_label("API key").fill("pms_not_a_key_of_this_shop")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not known")
    assert page.evaluate("Object.values(sessionStorage).join('') + document.cookie") == ""


def test_a_key_with_letters_that_no_key_has_is_refused_at_once(windows: Any) -> None:
    page: Page = windows.open()
    for secret in ("ключ", "pms_\u200b1234", "pms_“1234”"):
        page.get_by_label("API key").fill(secret)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("This key is not known")
        page.reload()


def test_a_key_lasts_as_long_as_the_tab(windows: Any, admin_key: str) -> None:
    page: Page = windows.open(admin_key)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert page.evaluate("JSON.stringify(localStorage)") == "{}"
    page.reload()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("Object.values(sessionStorage).join('')") == ""
    page.reload()
    expect(page.get_by_label("API key")).to_be_visible()


def test_a_row_opened_in_a_new_tab_asks_for_no_key(
    windows: Any, admin_key: str, new_product: Callable[..., str]
) -> None:
    new_product(stock=3, name="Opened beside")
    page: Page = windows.open(admin_key, "#/products")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Opened beside").first.click(modifiers=["ControlOrMeta"])
    beside = opened.value
    expect(beside.get_by_role("heading", name="Opened beside")).to_be_visible()
    # Who signs out has left all of them, and no tab brings the key back.
    page.get_by_role("button", name="Sign out").click()
    expect(beside.get_by_role("alert")).to_contain_text("signed out in another tab")
    for left in (page, beside):
        left.reload()
        expect(left.get_by_label("API key")).to_be_visible()


def test_a_tab_that_was_signed_out_takes_no_key_of_another(
    windows: Any, admin_key: str, key_with: Callable[[str], str]
) -> None:
    page: Page = windows.open(admin_key)
    other = page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("alert")).to_contain_text("signed out in another tab")
    page.get_by_label("API key").fill(key_with("read"))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    other.reload()
    expect(other.get_by_label("API key")).to_be_visible()
    # Only a new tab does.
    fresh = page.context.new_page()
    fresh.goto("/")
    expect(fresh.get_by_role("heading", name="Overview")).to_be_visible()
    expect(fresh.get_by_role("link", name="Keys")).to_have_count(0)


def test_a_tab_that_showed_the_documents_brings_no_key_back(windows: Any, admin_key: str) -> None:
    page: Page = windows.open(admin_key)
    other = page.context.new_page()
    other.goto("/")
    expect(other.get_by_role("heading", name="Overview")).to_be_visible()
    other.get_by_role("link", name="Documents").click()
    expect(other.get_by_role("heading", name="Quick start")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    other.go_back()
    expect(other.get_by_role("alert")).to_contain_text("signed out in another tab")
    fresh = page.context.new_page()
    fresh.goto("/")
    expect(fresh.get_by_label("API key")).to_be_visible()
    # Whoever signs in with it again stays so, and so do new tabs.
    page.get_by_label("API key").fill(admin_key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    beside = page.context.new_page()
    beside.goto("/")
    expect(beside.get_by_role("heading", name="Overview")).to_be_visible()


def test_a_key_that_may_only_read_is_offered_nothing_else(
    windows: Any, key_with: Callable[[str], str], new_product: Callable[..., str]
) -> None:
    product_id = new_product(stock=3, name="Looked at")
    page: Page = windows.open(key_with("read"), f"#/products/{product_id}")
    expect(page.get_by_role("heading", name="Looked at")).to_be_visible()
    expect(page.get_by_text("This key may look, not adjust.")).to_be_visible()
    expect(page.get_by_role("button", name="Edit")).to_have_count(0)
    expect(page.get_by_role("link", name="Keys")).to_have_count(0)
    # Nor is it behind an address that is typed.
    for place in ("keys", "products/new", "orders/new", "operations/upload"):
        page.goto(f"/#/{place}")
        expect(page.get_by_role("heading", name="Not with this key")).to_be_visible()
        expect(page.locator("main button")).to_have_count(0)


def test_a_revoked_key_is_signed_out(windows: Any, api: Api) -> None:
    windows.allowed += ["401", "WebSocket"]
    made = api.post("/api/keys", json={"name": "leaving", "scopes": ["read"]}).json()
    page: Page = windows.open(made["secret"])
    assert api.delete(f"/api/keys/{made['id']}").status_code == 204
    expect(page.get_by_role("alert")).to_contain_text("no longer valid")


def test_a_reload_while_the_service_is_away_signs_nobody_out(
    windows: Any, admin_key: str, pictures: Path
) -> None:
    windows.allowed.append("503")
    page: Page = windows.open(admin_key)
    away = {"type": "/docs/problems/unavailable", "title": "Unavailable", "status": 503}
    page.route(
        "**/api/keys/current",
        lambda route: route.fulfill(
            status=503,
            content_type="application/problem+json",
            body=json.dumps({**away, "detail": "The database is away."}),
        ),
    )
    page.reload()
    expect(page.get_by_role("heading", name="The service is away")).to_be_visible()
    expect(page.get_by_text("The database is away.")).to_be_visible()
    expect(page.get_by_label("API key")).to_have_count(0)
    look(page, "resuming", pictures)
    page.unroute("**/api/keys/current")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_a_try_that_hung_takes_nobody_out_of_the_shell(windows: Any, admin_key: str) -> None:
    windows.allowed.append("net::ERR_FAILED")
    page: Page = windows.open(admin_key)
    how = "lose"
    held: list[Route] = []
    lost: list[Route] = []

    def answer(route: Route) -> None:
        if how == "hold":
            held.append(route)
        elif how == "answer":
            route.continue_()
        else:
            lost.append(route)
            route.abort()

    page.route("**/api/keys/current", answer)
    page.reload()
    again = page.get_by_role("button", name="Try again now")
    expect(again).to_be_visible()
    how = "hold"
    # By itself, a while later.
    wait_until(lambda: page.evaluate("true") and held)
    how = "answer"
    again.click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    how = "lose"
    before = len(lost)
    held[0].abort()
    wait_until(lambda: page.evaluate("true") and len(lost) == before + 2)
    page.evaluate("new Promise((go) => setTimeout(go, 200))")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_a_try_that_failed_is_not_made_again_once_another_is_in(
    windows: Any, admin_key: str
) -> None:
    windows.allowed.append("net::ERR_FAILED")
    page: Page = windows.open(admin_key)
    hold = False
    held: list[Route] = []
    lost: list[Route] = []

    def answer(route: Route) -> None:
        if hold:
            held.append(route)
        else:
            lost.append(route)
            route.abort()

    page.route("**/api/keys/current", answer)
    page.reload()
    again = page.get_by_role("button", name="Try again now")
    expect(again).to_be_visible()
    hold = True
    again.click()
    wait_until(lambda: page.evaluate("true") and len(held) == 1)
    again.click()
    wait_until(lambda: page.evaluate("true") and len(held) == 2)
    # The first one fails, and only then the second is answered.
    hold = False
    before = len(lost)
    held[0].abort()
    wait_until(lambda: page.evaluate("true") and len(lost) == before + 2)
    page.evaluate("new Promise((go) => setTimeout(go, 200))")
    hold = True
    held[1].continue_()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.evaluate("new Promise((go) => setTimeout(go, 5000))")
    assert len(held) == 2
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_whoever_waits_for_the_service_can_sign_out(windows: Any, admin_key: str) -> None:
    windows.allowed.append("net::ERR_FAILED")
    page: Page = windows.open(admin_key)
    page.route("**/api/keys/current", lambda route: route.abort())
    page.reload()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("Object.values(sessionStorage).join('')") == ""
    page.unroute("**/api/keys/current")
    page.get_by_label("API key").fill(admin_key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_who_signs_in_goes_on_at_the_heading(windows: Any, admin_key: str) -> None:
    page: Page = windows.open(admin_key)
    expect(page.get_by_role("heading", name="Overview")).to_be_focused()

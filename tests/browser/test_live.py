"""Always honest: live, or said not to be; after a break what was missed is there."""

import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.faults.processes import supervised
from tests.functional.flow import Flow, adjust
from tests.functional.service import Api, Service, is_healthy, wait_until
from tests.functional.test_sockets import Socket
from tests.servers import TestServers
from web.probes import SIGN_LOST

Window = Callable[..., Page]


def add(api: Api, product_id: str, quantity: int = 1) -> None:
    body = {"productId": product_id, "quantity": quantity, "type": "increment"}
    found = api.post("/api/inventory/adjust", json=body, headers={"Prefer": "wait=20"})
    assert found.status_code == 200, found.text


def test_a_redis_restart_is_survived_without_a_reload(
    window: Window,
    api: Api,
    service: Service,
    servers: TestServers,
    new_product: Callable[..., str],
) -> None:
    product_id = new_product(stock=1, name="Through it")
    page = window(f"#/products/{product_id}")
    page.evaluate("window.notReloaded = true")
    expect(page.get_by_test_id("stock")).to_contain_text("1")
    # Celery's worker may end with Redis; whoever runs it starts it again.
    with supervised(service):
        os.kill(servers.valkey.pid, signal.SIGKILL)
        expect(page.locator(".health-line")).to_contain_text("Redis away")
        # On a phone there is no room for that line; the banner is on every screen.
        page.set_viewport_size({"width": 360, "height": 740})
        expect(page.locator(".banner")).to_be_visible()
        expect(page.locator(".banner")).to_contain_text("Redis")
        expect(page.locator(".banner")).to_contain_text("told later than usual")
        servers.valkey.restart()
        add(api, product_id)
        expect(page.get_by_test_id("stock")).to_contain_text("2")
        wait_until(lambda: is_healthy(service), 30)
    expect(page.locator(".health-line")).to_contain_text("All parts well")
    assert page.evaluate("window.notReloaded")


def test_what_was_missed_while_the_service_was_away_is_caught_up(
    windows: Any, window: Window, api: Api, service: Service, new_product: Callable[..., str]
) -> None:
    windows.allowed += ["WebSocket", "Failed to load resource", "net::"]
    product_id = new_product(stock=1, name="Missed")
    page = window(f"#/products/{product_id}")
    expect(page.get_by_test_id("stock")).to_contain_text("1")
    body = {"productId": product_id, "quantity": 4, "type": "increment"}
    service.stop("worker")
    assert api.post("/api/inventory/adjust", json=body).status_code == 202
    service.stop("web")
    try:
        expect(page.locator(".connection")).to_contain_text("Reconnecting")
        expect(page.locator(".banner")).to_contain_text("What you see is as of")
        service.start("worker")
    finally:
        service.start("web")
    wait_until(lambda: is_healthy(service), 60)
    expect(page.locator(".banner", has_text="Live again")).to_be_visible()
    expect(page.get_by_test_id("stock")).to_contain_text("5")
    expect(page.locator(".connection")).to_contain_text("Live")


_FOLLOW = """async () => {
    const files = performance.getEntriesByType('resource').map((one) => one.name);
    window.live = await import(files.find((name) => name.endsWith('/core/live.js')));
    window.heard = { operations: [], system: [] };
    for (const [topic, told] of Object.entries(window.heard)) {
        window.live.follow(topic, null, ({ event }) => event && told.push(event.position));
    }
}"""
_AWAIT_SNAPSHOT = """async (id) => {
    const files = performance.getEntriesByType('resource').map((one) => one.name);
    const { follow } = await import(files.find((name) => name.endsWith('/core/live.js')));
    await new Promise((go) => follow('operation', id, ({ snapshot }) => snapshot && go()));
}"""
_ROUND = "window.live.connection.get().round"


def test_nothing_is_lost_over_breaks_while_events_flow(
    window: Window,
    windows: Any,
    service: Service,
    admin_key: str,
    new_product: Callable[..., str],
) -> None:
    windows.allowed += ["WebSocket"]
    products = [new_product(stock=1, lowStockThreshold=0) for _ in range(4)]
    page = window("#/orders")
    ends: list[WebSocketRoute] = []
    page.route_web_socket(
        "**/socket.io/**", lambda wire: ends.extend((wire, wire.connect_to_server()))
    )
    page.reload()
    page.get_by_text("Live", exact=True).wait_for()
    page.evaluate(_FOLLOW)
    with Flow(service.url, admin_key, products) as flow:
        for _ in range(6):
            flow.go_on()
            before = page.evaluate(_ROUND)
            for end in ends[-2:]:
                end.close()
            wait_until(lambda before=before: page.evaluate(_ROUND) > before)
    adjust(Api(service.url, admin_key), products[0], kind="decrement")
    head = operations_head(service, admin_key)
    wait_until(lambda: page.evaluate("window.heard.operations.at(-1)") == head)
    for told in page.evaluate("window.heard").values():
        assert told == list(range(told[0], told[0] + len(told)))


def operations_head(service: Service, secret: str) -> int:
    """The place of the last end of this key's operations."""
    socket = Socket(service, secret)
    position: int = socket.call("subscribe_operations")["position"]
    socket.close()
    return position


def relayed(page: Page) -> list[WebSocketRoute]:
    """The wires of the page, to be spoken into; the last one is in use."""
    wires: list[WebSocketRoute] = []

    def relay(wire: WebSocketRoute) -> None:
        wire.connect_to_server()
        wires.append(wire)

    page.route_web_socket("**/socket.io/**", relay)
    page.reload()
    page.get_by_text("Live", exact=True).wait_for()
    return wires


def tell(wire: WebSocketRoute, **told: Any) -> None:
    """An event of an operation, far on in a stream that is none of this key's."""
    event = {"position": 1_000_000, "cursor": f"{'0' * 12}.1000000.", **told}
    wire.send("42" + json.dumps(["operation_update", event]))


def test_the_last_that_is_told_of_anothers_operation_hides_none_of_ones_own(
    window: Window, service: Service, admin_key: str, new_product: Callable[..., str]
) -> None:
    product_id = new_product(stock=1, lowStockThreshold=0)
    page = window("#/orders")
    wires = relayed(page)
    page.evaluate(_FOLLOW)

    def hears_the_next_end() -> None:
        adjust(Api(service.url, admin_key), product_id)
        head = operations_head(service, admin_key)
        wait_until(lambda: page.evaluate("window.heard.operations.at(-1)") == head)

    hears_the_next_end()
    # It was on its way when that one was followed no more.
    tell(wires[-1], operationId=product_id, status="queued")
    hears_the_next_end()


def test_who_looks_back_at_once_sees_how_far_it_is_by_now(
    window: Window, api: Api, service: Service, new_product: Callable[..., str]
) -> None:
    row = {"productId": new_product(name="Half way"), "quantity": 1, "type": "increment"}
    page = window("#/orders")
    service.stop("worker")
    try:
        made = api.post("/api/inventory/adjustments", json=[row] * 10).json()["id"]
        page.goto(f"/#/operations/{made}")
        wires = relayed(page)
        bar = page.get_by_role("progressbar")
        expect(bar).to_have_attribute("aria-valuenow", "0")
        page.evaluate(_AWAIT_SNAPSHOT, made)
        tell(wires[-1], operationId=made, status="queued", progress={"done": 6, "total": 10})
        expect(bar).to_have_attribute("aria-valuenow", "6")
        page.get_by_role("link", name="Operations").last.click()
        expect(page.get_by_role("heading", name="Operations")).to_be_visible()
        page.go_back()
        expect(bar).to_have_attribute("aria-valuenow", "6")
    finally:
        service.start("worker")


def test_a_web_process_that_hangs_is_noticed(
    window: Window, windows: Any, service: Service
) -> None:
    windows.allowed += ["WebSocket", "Failed to load resource", "net::"]
    page = window("#/orders")
    web = service.processes["web"].pid
    os.kill(web, signal.SIGSTOP)
    try:
        # The socket stands, and the library would believe in it for half a minute.
        expect(page.locator(".banner")).to_contain_text("No sign of life for", timeout=15_000)
        expect(page.locator(".banner")).to_contain_text("What you see is as of")
        expect(page.locator(".connection")).to_contain_text("No sign of life")
    finally:
        os.kill(web, signal.SIGCONT)
    expect(page.locator(".connection")).to_contain_text("Live")


_KEEP_WHAT_HEALTH_SAYS = """() => {
    window.said = [];
    const keep = () => window.said.push(document.querySelector('.health-line').textContent);
    const every = {subtree: true, childList: true, characterData: true};
    new MutationObserver(keep).observe(document.querySelector('.rail-foot'), every);
}"""


def test_a_web_process_that_stood_still_does_not_take_the_workers_for_away(
    window: Window, windows: Any, service: Service
) -> None:
    windows.allowed += ["WebSocket", "Failed to load resource", "net::"]
    page = window("#/orders")
    expect(page.locator(".health-line")).to_have_text("All parts well")
    page.evaluate(_KEEP_WHAT_HEALTH_SAYS)
    began = time.monotonic()
    web = service.processes["web"].pid
    os.kill(web, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(1) as aside:
            # Longer than after which a worker without a sign of life counts as away.
            wait_until(lambda: time.monotonic() - began > SIGN_LOST + 6, 30)
            # Waits at the door, and is answered by what wakes before anything else is.
            first = aside.submit(requests.get, service.url + "/health", timeout=30)
            wait_until(first.running)
            os.kill(web, signal.SIGCONT)
            checks = first.result().json()["checks"]
    finally:
        os.kill(web, signal.SIGCONT)
    assert checks["workers"]["lastSeenSeconds"] is not None
    assert (checks["workers"]["healthy"], checks["beat"]["healthy"]) == (True, True), checks
    expect(page.locator(".health-line")).to_have_text("All parts well")
    expect(page.locator(".connection")).to_contain_text("Live")
    said = page.evaluate("window.said")
    assert "No answer" in said
    assert not any("Workers" in one or "Beat" in one for one in said), said


def test_nothing_looks_well_while_nobody_answers(
    window: Window, windows: Any, service: Service
) -> None:
    windows.allowed += ["WebSocket", "Failed to load resource", "net::"]
    page = window("#/")
    health = page.get_by_role("region", name="Health")
    expect(health.locator("li.good")).to_have_count(4)
    web = service.processes["web"].pid
    os.kill(web, signal.SIGSTOP)
    try:
        expect(health.get_by_role("alert")).to_contain_text("The service does not answer.")
        expect(health.locator("li.good")).to_have_count(0)
        expect(health.locator("li", has_text="Database")).to_contain_text("not known")
        expect(health.locator("li", has_text="read ")).to_contain_text("ago")
    finally:
        os.kill(web, signal.SIGCONT)
    expect(health.locator("li.good")).to_have_count(4)
    expect(health.get_by_role("alert")).to_have_count(0)


def test_no_more_is_said_of_what_was_missed_than_is_known(
    windows: Any, window: Window, service: Service
) -> None:
    windows.allowed += ["WebSocket", "Failed to load resource", "net::"]
    page = window("#/products")
    service.stop("web")
    try:
        expect(page.locator(".connection")).to_contain_text("Reconnecting")
    finally:
        service.start("web")
    banner = page.locator(".banner", has_text="Live again")
    expect(banner).to_contain_text("no event was missed of what is followed here")
    expect(banner).to_contain_text("all else on this page is read again")
    wait_until(lambda: is_healthy(service), 60)


def test_what_each_part_that_is_away_means_is_said(window: Window, service: Service) -> None:
    page = window("#/orders")
    for name in ("worker", "beat"):
        service.stop(name)
    try:
        banner = page.locator(".banner", has_text="Workers, Beat away")
        expect(banner).to_contain_text("Operations are accepted and wait in line.")
        expect(banner).to_contain_text("What runs by the clock waits")
    finally:
        for name in ("worker", "beat"):
            service.start(name)
        wait_until(lambda: is_healthy(service), 60)
    expect(banner).to_have_count(0)


def test_being_offline_is_said(window: Window, windows: Any) -> None:
    windows.allowed += ["net::", "Failed to load resource"]
    page = window("#/orders")
    page.context.set_offline(True)
    expect(page.locator(".connection")).to_contain_text("Offline")
    expect(page.locator(".banner")).to_contain_text("offline")
    page.context.set_offline(False)
    expect(page.locator(".connection")).to_contain_text("Live")


def test_fifty_events_a_second_end_at_the_right_figure(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(stock=1, name="Busy")
    page = window(f"#/products/{product_id}")
    expect(page.get_by_test_id("stock")).to_contain_text("1")
    body = {"productId": product_id, "quantity": 1, "type": "increment"}
    for _ in range(150):
        assert api.post("/api/inventory/adjust", json=body).status_code == 202
    expect(page.get_by_test_id("stock")).to_contain_text("151")
    expect(page.get_by_role("region", name="Movements").locator("tbody tr").first).to_contain_text(
        "151"
    )


def test_a_snapshot_that_comes_after_a_newer_event_loses(
    window: Window, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(stock=1, name="Overtaken", lowStockThreshold=0)
    page = window()
    held: list[str | bytes] = []

    def delay(wire: WebSocketRoute) -> None:
        """The answer with the snapshot comes after the event of what happened since."""
        server = wire.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            told = str(message)
            if told.startswith("43") and product_id in told and '"stock"' in told and not held:
                held.append(message)
                add(api, product_id)
                return
            wire.send(message)
            if "inventory_update" in told and product_id in told:
                wire.send(held[0])

        server.on_message(pass_on)

    page.route_web_socket("**/socket.io/**", delay)
    page.goto(f"/#/products/{product_id}")
    page.reload()
    expect(page.get_by_test_id("stock")).to_contain_text("2")
    page.evaluate("new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    assert held
    assert "2" in page.get_by_test_id("stock").inner_text()

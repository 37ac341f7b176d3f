"""What is going on right now, what the dashboard asks beside it, and the dashboard's files."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from db.queries import activity as queries
from db.session import Database
from web import activity


@pytest.fixture(autouse=True)
def _count_anew() -> None:
    activity._kept.clear()


def test_a_quiet_shop(client: Any) -> None:
    found = client.get("/api/analytics/activity").json
    assert found["orders"]["pending"] == 0
    assert found["operations"]["ended"] == 0
    assert found["operations"]["latency"] is None
    assert found["operations"]["series"] == []


def test_orders_by_status_and_ends_by_second(
    client: Any, product: Callable[..., str], apply_line: Callable[[], None]
) -> None:
    product_id = product(stock=3)
    for quantity in (2, 2):
        order = {
            "items": [{"productId": product_id, "quantity": quantity}],
            "customerId": "c",
            "shippingAddress": "a",
        }
        assert client.post("/api/pms/orders", json=order).status_code == 202
    apply_line()
    found = client.get("/api/analytics/activity").json
    assert {name: count for name, count in found["orders"].items() if count} == {
        "pending": 1,
        "rejected": 1,
    }
    operations = found["operations"]
    assert operations["ended"] == 3 == sum(one["ended"] for one in operations["series"])
    assert sum(one["failed"] for one in operations["series"]) == 1
    assert 0 <= operations["latency"]["p50"] <= operations["latency"]["p99"]
    assert all(0 <= one["p95"] <= operations["latency"]["p99"] for one in operations["series"])


def test_what_had_waited_long_is_counted_when_it_ends(
    client: Any, product: Callable[..., str], apply_line: Callable[[], None], database: Database
) -> None:
    product(stock=3)
    apply_line()
    backdated = text("""
        INSERT INTO operations OVERRIDING SYSTEM VALUE
        SELECT (jsonb_populate_record(o, jsonb_build_object(
            'id', :id, 'seq', o.seq + 1000, 'created_at', o.created_at - interval '20 minutes'
        ))).* FROM operations o
    """)
    with database.transaction() as connection:
        twenty_minutes_ago = datetime.now(UTC) - timedelta(minutes=20)
        connection.execute(backdated, {"id": str(queries._first_id(twenty_minutes_ago))})
    found = client.get("/api/analytics/activity").json["operations"]
    assert (found["ended"], found["seconds"], found["perSecond"]) == (2, 60, 0.03)
    assert found["latency"]["p99"] >= 20 * 60_000


def test_of_very_many_the_newest_are_counted_in_their_own_time(
    client: Any,
    product: Callable[..., str],
    apply_line: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(4):
        product(stock=1)
    apply_line()
    monkeypatch.setattr(queries, "_MOST", 2)
    found = client.get("/api/analytics/activity").json["operations"]
    assert (found["ended"], found["seconds"], found["perSecond"]) == (2, 2, 1.0)


def test_a_key_can_see_what_it_may_do(client: Any, client_with: Any, make_key: Any) -> None:
    found = client_with(make_key(scopes=["read"])).get("/api/keys/current")
    assert found.status_code == 200
    assert found.json["scopes"] == ["read"]
    assert "secret" not in found.json


def test_an_operation_tells_what_was_asked_for(client: Any, product: Callable[..., str]) -> None:
    product_id = product(stock=3)
    operation_id = client.get("/api/operations").json["items"][0]["id"]
    found = client.get(f"/api/operations/{operation_id}").json
    assert found["payload"]["productId"] == product_id
    assert found["payload"]["quantity"] == 3


def test_an_order_tells_where_it_can_go(
    client: Any, product: Callable[..., str], apply_line: Callable[[], None]
) -> None:
    order = {
        "items": [{"productId": product(stock=1), "quantity": 1}],
        "customerId": "c",
        "shippingAddress": "a",
    }
    order_id = client.post("/api/pms/orders", json=order).json["orderId"]
    assert client.get(f"/api/pms/orders/{order_id}").json["allowedTransitions"] == []
    apply_line()
    found = client.get(f"/api/pms/orders/{order_id}").json
    assert found["allowedTransitions"] == ["confirmed", "cancelled"]


class TestScreen:
    def test_the_page_runs_only_its_own_files(self, client_with: Any) -> None:
        page = client_with(None).get("/")
        policy = page.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "http" not in policy
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page.text)
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(loaded) > 5
        for path in loaded:
            assert path.startswith("/"), path
            found = client_with(None).get(path)
            assert found.status_code == 200, path

    def test_files_of_this_version_are_kept_and_others_are_not(self, client_with: Any) -> None:
        client = client_with(None)
        page = client.get("/").text
        (main,) = set(re.findall(r'<script type="module" src="([^"]+)"', page))
        assert "immutable" in client.get(main).headers["Cache-Control"]
        old = re.sub("/app/[0-9a-f]+/", "/app/000000000000/", main)
        assert client.get(old).headers["Cache-Control"] == "no-cache"

    @pytest.mark.parametrize(
        "name", ["dashboard.html", "vendor/vendor.lock.json", "../docs/api.js", "nothing.js"]
    )
    def test_nothing_else_can_be_had(self, client_with: Any, name: str) -> None:
        assert client_with(None).get(f"/app/x/{name}").status_code == 404

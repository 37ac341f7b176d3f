"""The rollups: kept by the clock, recomputed on demand, and never other than the orders."""

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import text

from db.models.operation import ANALYTICS
from tasks import analytics
from tasks.analytics import refresh, refresh_rollups, run_rebuilds
from tests.factories.sales import Shop

ROLLUPS = "/api/analytics/rollups"


@pytest.fixture
def shop(database: Any) -> Shop:
    return Shop(database)


def _noon(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=UTC)


def _held(database: Any) -> dict[str, tuple[int, int, Any]]:
    with database.transaction() as connection:
        rows = connection.execute(
            text("SELECT day, orders, units, revenue FROM sales_days WHERE orders > 0")
        )
        return {row[0].isoformat(): tuple(row[1:]) for row in rows}


def _count(database: Any, table: str) -> int:
    with database.transaction() as connection:
        found: int = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
        return found


def _rebuild(client: Any, start: str, end: str) -> dict[str, Any]:
    found = client.post(ROLLUPS, json={"startDate": start, "endDate": end})
    assert found.status_code == 202, found.text
    run_rebuilds()
    operation: dict[str, Any] = client.get(found.headers["Location"]).json
    return operation


def test_the_clock_fills_in_every_day_since_the_first_order(database: Any, shop: Shop) -> None:
    start = datetime.now(UTC) - timedelta(days=9)
    mug = shop.product()
    shop.sell(start, (mug, 2, "1.50"))
    shop.sell(start + timedelta(days=5), (mug, 1, "1.50"))
    assert refresh_rollups() == 10
    assert _held(database) == shop.plain("UTC")
    assert _count(database, "sales_days") == 10
    assert _count(database, "sales_changes") == 0
    assert refresh_rollups() == 0


def test_the_clock_computes_only_what_changed(database: Any, shop: Shop) -> None:
    mug = shop.product()
    made = [shop.sell(datetime.now(UTC) - timedelta(days=n), (mug, 1, "1.50")) for n in range(5)]
    refresh_rollups()
    shop.move(made[3], "cancelled")
    assert refresh_rollups() == 1
    assert _held(database) == shop.plain("UTC")


def test_a_long_history_is_rolled_up_in_steps(database: Any, shop: Shop) -> None:
    """Each of them commits, and the latest days come first."""
    mug, now = shop.product(), datetime.now(UTC)
    for n in range(0, 101, 10):
        shop.sell(now - timedelta(days=n), (mug, 1, "1.50"))
    with database.transaction() as connection:
        assert refresh(connection, "UTC") == 31
    latest = (now - timedelta(days=30)).date().isoformat()
    assert _held(database) == {k: v for k, v in shop.plain("UTC").items() if k >= latest}
    assert refresh_rollups() == 70
    assert _held(database) == shop.plain("UTC")
    assert _count(database, "sales_changes") == 0


def test_without_orders_there_is_nothing_to_roll_up(database: Any) -> None:
    assert refresh_rollups() == 0
    assert _count(database, "sales_days") == 0


def test_two_at_once_do_the_work_once(database: Any, shop: Shop) -> None:
    shop.sell(datetime.now(UTC), (shop.product(), 1, "1.50"))
    with database.transaction() as first:
        assert refresh(first, "UTC") == 1
        assert refresh_rollups() == 0
    assert _held(database) == shop.plain("UTC")


def test_a_change_that_commits_meanwhile_is_not_lost(database: Any, shop: Shop) -> None:
    mug, now = shop.product(), datetime.now(UTC)
    shop.sell(now, (mug, 1, "1.00"))
    with database.transaction() as connection:
        refresh(connection, "UTC")
        # Between the counting and the commit of the rollup, and without waiting for it.
        thread = threading.Thread(target=shop.sell, args=(now, (mug, 1, "2.00")))
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
    assert _count(database, "sales_changes") == 1
    assert refresh_rollups() == 1
    assert _held(database) == shop.plain("UTC")


def test_recomputing_gives_the_same_whoever_asks_how_often(
    client: Any, database: Any, shop: Shop
) -> None:
    mug = shop.product()
    for day in ("2026-05-01", "2026-05-02", "2026-05-04"):
        shop.sell(_noon(day), (mug, 1, "1.00"))
    expected = shop.plain("UTC")
    results = [_rebuild(client, "2026-05-01", "2026-05-31") for _ in range(2)]
    for operation in results:
        assert operation["status"] == "succeeded"
        assert operation["kind"] == "rebuild-rollups"
        assert operation["result"] == {
            "startDate": "2026-05-01",
            "endDate": "2026-05-31",
            "timezone": "UTC",
            "days": 31,
        }
    assert _held(database) == expected


def test_recomputing_after_others_is_left_to_another_task(
    client: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the longest that a task may run to itself."""
    monkeypatch.setattr(analytics, "_SECONDS_A_BEGINNING", 0.0)
    body = {"startDate": "2026-05-01", "endDate": "2026-05-01"}
    asked = [client.post(ROLLUPS, json=body).headers["Location"] for _ in range(2)]
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
        run_rebuilds()
        assert [client.get(path).json["status"] for path in asked] == ["succeeded", "queued"]
        assert redis.llen(ANALYTICS) == 1


def test_recomputing_mends_what_was_spoilt(client: Any, database: Any, shop: Shop) -> None:
    mug = shop.product()
    shop.sell(_noon("2026-05-01"), (mug, 1, "1.00"))
    refresh_rollups()
    with database.transaction() as connection:
        connection.execute(text("UPDATE sales_days SET revenue = revenue + 1"))
        connection.execute(text("DELETE FROM product_sales_days"))
    _rebuild(client, "2026-05-01", "2026-05-01")
    query = {"startDate": "2026-05-01", "endDate": "2026-05-01"}
    body = client.get("/api/analytics/sales", query_string=query).json
    assert body["totals"]["revenue"] == 1
    assert body["topProducts"][0]["revenue"] == 1


def test_recomputing_keeps_nothing_of_days_without_a_history(
    client: Any, database: Any, shop: Shop
) -> None:
    today = datetime.now(UTC).date()
    shop.sell(datetime.now(UTC), (shop.product(), 1, "1.00"))
    _rebuild(client, f"{today - timedelta(days=3000)}", f"{today + timedelta(days=300)}")
    assert _count(database, "sales_days") == 1
    _rebuild(client, "1970-01-01", "1970-01-02")
    assert _count(database, "sales_days") == 1


def test_recomputing_strikes_only_the_changes_of_its_range(
    client: Any, database: Any, shop: Shop
) -> None:
    mug = shop.product()
    shop.sell(_noon("2026-05-01"), (mug, 1, "1.00"))
    shop.sell(_noon("2026-05-02"), (mug, 1, "1.00"))
    _rebuild(client, "2026-05-01", "2026-05-01")
    assert _count(database, "sales_changes") == 1
    refresh_rollups()
    assert _held(database) == shop.plain("UTC")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"startDate": "2026-05-02", "endDate": "2026-05-01"}, "/endDate"),
        ({"startDate": "2010-01-01", "endDate": "2020-01-02"}, "/endDate"),
        ({"startDate": "2026-02-30", "endDate": "2026-03-01"}, "/startDate"),
        ({"startDate": 20260501, "endDate": "2026-05-01"}, "/startDate"),
        ({"startDate": None, "endDate": "2026-05-01"}, "/startDate"),
        ({"endDate": "2026-05-01"}, "/startDate"),
        ({"startDate": "2026-05-01", "endDate": "2026-05-01", "timezone": "UTC"}, "/timezone"),
    ],
)
def test_refused(client: Any, database: Any, body: dict[str, Any], pointer: str) -> None:
    found = client.post(ROLLUPS, json=body)
    assert found.status_code == 422
    assert pointer in [error["pointer"] for error in found.json["errors"]]
    assert _count(database, "operations") == 0


def test_needs_a_key_that_may_write(client_with: Any, make_key: Any) -> None:
    body = {"startDate": "2026-05-01", "endDate": "2026-05-01"}
    assert client_with(make_key(scopes=["read"])).post(ROLLUPS, json=body).status_code == 403
    assert client_with(make_key(scopes=["write"])).post(ROLLUPS, json=body).status_code == 202


def test_the_same_key_makes_one_operation(client: Any, database: Any) -> None:
    day = date(2026, 5, 1).isoformat()
    options = {
        "json": {"startDate": day, "endDate": day},
        "headers": {"Idempotency-Key": "once"},
    }
    first, second = client.post(ROLLUPS, **options), client.post(ROLLUPS, **options)
    assert first.json["id"] == second.json["id"]
    assert _count(database, "operations") == 1

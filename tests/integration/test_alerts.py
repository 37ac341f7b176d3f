"""Alerts with a life: raised and resolved by operations, kept as history, told once per cause."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from db.session import Database
from tasks.alerts import sweep_alerts
from web import components
from web.components import ComponentWatch
from workers.commands import AdjustStock
from workers.registry import HANDLERS

ALERTS = "/api/inventory/alerts"
SYSTEM_ALERTS = "/api/system/alerts"


def told(database: Database, kind: str) -> list[dict[str, Any]]:
    """What was told of a type, in order."""
    with database.transaction() as connection:
        rows = connection.execute(
            text("""
                SELECT data FROM events
                WHERE stream = 'system' AND data ->> 'type' = :type ORDER BY position
            """),
            {"type": kind},
        )
        return list(rows.scalars())


@pytest.fixture
def adjust(client: Any, apply_line: Callable[[], None]) -> Callable[..., str]:
    """Adjust a product's stock, wait for the end, give the operation's id."""

    def do(product_id: str, change: int) -> str:
        kind = "increment" if change > 0 else "decrement"
        body = {"productId": product_id, "quantity": abs(change), "type": kind}
        found = client.post("/api/inventory/adjust", json=body)
        assert found.status_code == 202, found.text
        apply_line()
        operation_id: str = found.json["id"]
        return operation_id

    return do


def test_an_alert_keeps_when_and_by_which_operation(
    client: Any, product: Callable[..., str], adjust: Callable[..., str]
) -> None:
    mug = product(lowStockThreshold=5)
    adjust(mug, 10)
    assert client.get(ALERTS).json["items"] == []
    raised_by = adjust(mug, -6)
    adjust(mug, -4)
    resolved_by = adjust(mug, 20)
    assert client.get(ALERTS).json["items"] == []
    (past,) = client.get(ALERTS, query_string={"status": "resolved"}).json["items"]
    assert (past["raisedBy"], past["resolvedBy"]) == (raised_by, resolved_by)
    assert past["raisedAt"] < past["resolvedAt"]
    assert (past["severity"], past["stock"]) == ("out_of_stock", 20)
    again = adjust(mug, -20)
    assert client.get(ALERTS).json["items"][0]["raisedBy"] == again
    whole = client.get(ALERTS, query_string={"status": "all", "productId": mug}).json["items"]
    assert [alert["resolvedAt"] is None for alert in whole] == [True, False]
    assert client.get(ALERTS, query_string={"status": "all", "productId": product()}).json == {
        "items": [],
        "nextCursor": None,
    }


def test_the_history_has_pages(
    client: Any, product: Callable[..., str], adjust: Callable[..., str]
) -> None:
    mug = product(lowStockThreshold=5)
    adjust(mug, 10)
    for _ in range(3):
        adjust(mug, -10)
        adjust(mug, 10)
    seen: list[str] = []
    query = {"status": "resolved", "limit": "2"}
    while True:
        page = client.get(ALERTS, query_string=query).json
        seen += [item["id"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]
    assert len(seen) == len(set(seen)) == 3
    assert seen == sorted(seen, reverse=True)


@pytest.fixture
def dead(
    client: Any, product: Callable[..., str], apply_line: Callable[[], None], database: Database
) -> Iterator[str]:
    """An operation that was given up; what comes later is well again."""
    good = HANDLERS[AdjustStock]

    def broken(command: Any, turn: Any) -> dict[str, Any]:
        raise RuntimeError("a bug")

    HANDLERS[AdjustStock] = broken
    body = {"productId": product(), "quantity": 5, "type": "increment"}
    operation_id: str = client.post("/api/inventory/adjust", json=body).json["id"]
    for _ in range(3):
        apply_line()
        with database.transaction() as connection:
            connection.execute(
                text("UPDATE operations SET available_at = NULL WHERE status = 'queued'")
            )
    HANDLERS[AdjustStock] = good
    yield operation_id
    HANDLERS[AdjustStock] = good


def test_a_dead_operation_is_told_once_and_again_when_it_is_retried(
    client: Any, dead: str, database: Database, apply_line: Callable[[], None]
) -> None:
    (alert,) = client.get(SYSTEM_ALERTS).json["items"]
    assert (alert["type"], alert["operationId"]) == ("operation_dead", dead)
    assert alert["resolvedAt"] is None
    again = client.post(f"/api/operations/{dead}/retry").json["id"]
    apply_line()
    assert client.post(f"/api/operations/{dead}/retry").status_code == 409
    assert client.get(SYSTEM_ALERTS).json["items"] == []
    (past,) = client.get(SYSTEM_ALERTS, query_string={"status": "resolved"}).json["items"]
    assert past["resolvedBy"] == again
    raised, over = told(database, "operation_dead")
    assert (raised["operationId"], "resolved" in raised) == (dead, False)
    assert (over["operationId"], over["resolved"]) == (dead, True)


def test_retrying_all_of_a_kind_tells_of_each(client: Any, dead: str, database: Database) -> None:
    made = client.post("/api/operations/retry", json={"kind": "adjust-stock"})
    assert made.status_code == 202
    assert [alert.get("resolved") for alert in told(database, "operation_dead")] == [None, True]
    assert client.get(SYSTEM_ALERTS).json["items"] == []


@pytest.fixture
def well(monkeypatch: pytest.MonkeyPatch) -> dict[Any, bool | None]:
    """How the components are; whoever is away is missed at once, and at once no more."""
    for component in components.PATIENCE:
        monkeypatch.setitem(components.PATIENCE, component, 0.0)
    monkeypatch.setattr(components, "CALM_SECONDS", 0.0)
    return {"database": True, "redis": True, "workers": True, "beat": True}


def test_an_absent_component_is_told_once_by_all_web_processes_together(
    client: Any, database: Database, well: dict[Any, bool | None]
) -> None:
    watches = [ComponentWatch(database, lambda: well) for _ in range(3)]

    def look() -> None:
        for _ in range(2):
            threads = [threading.Thread(target=watch.look) for watch in watches]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    look()
    assert told(database, "component_away") == []
    well["redis"] = False
    look()
    (alert,) = client.get(SYSTEM_ALERTS).json["items"]
    assert (alert["type"], alert["component"]) == ("component_away", "redis")
    well["redis"] = True
    look()
    assert client.get(SYSTEM_ALERTS).json["items"] == []
    raised, over = told(database, "component_away")
    assert (raised["component"], "resolved" in raised) == ("redis", False)
    assert (over["component"], over["resolved"]) == ("redis", True)
    well["redis"] = False
    look()
    assert len(told(database, "component_away")) == 3


def test_who_cannot_be_seen_is_not_said_to_be_back(
    database: Database, well: dict[Any, bool | None]
) -> None:
    watch = ComponentWatch(database, lambda: well)
    for state in (False, None, None):
        well["workers"] = state
        watch.look()
    assert [alert.get("resolved") for alert in told(database, "component_away")] == [None]
    well["workers"] = True
    watch.look()
    assert [alert.get("resolved") for alert in told(database, "component_away")] == [None, True]


def test_one_process_that_is_cut_off_does_not_make_it_flicker(
    database: Database, well: dict[Any, bool | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components, "CALM_SECONDS", 60.0)
    cut_off = ComponentWatch(database, lambda: {"redis": False})
    well["redis"] = False
    other = ComponentWatch(database, lambda: well)
    for _ in range(3):
        cut_off.look()
        other.look()
        well["redis"] = True
    assert len(told(database, "component_away")) == 1


def test_a_short_absence_is_no_news(
    database: Database, well: dict[Any, bool | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(components.PATIENCE, "redis", 60.0)
    watch = ComponentWatch(database, lambda: well)
    for state in (False, False, True, False):
        well["redis"] = state
        watch.look()
    assert told(database, "component_away") == []


def test_an_absence_is_counted_from_the_last_sign_and_told_with_the_same_patience(
    client: Any, database: Database, well: dict[Any, bool | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(components.PATIENCE, "beat", 10.0)
    watch = ComponentWatch(database, lambda: well, lambda component: 12.0)
    well["workers"] = well["beat"] = False
    watch.look()
    (alert,) = client.get(SYSTEM_ALERTS).json["items"]
    assert alert["component"] == "workers"
    well["workers"] = True
    watch.look()
    messages = [alert["message"] for alert in told(database, "component_away")]
    assert messages[1:] == ["Workers are at work again, after 12 s."]


def test_an_alert_whose_web_process_is_gone_is_resolved_by_the_clock(
    client: Any, database: Database, well: dict[Any, bool | None]
) -> None:
    well["beat"] = False
    ComponentWatch(database, lambda: well).look()
    sweep_alerts()
    assert len(client.get(SYSTEM_ALERTS).json["items"]) == 1
    with database.transaction() as connection:
        connection.execute(
            text("UPDATE operator_alerts SET seen_at = seen_at - interval '1 minute'")
        )
    sweep_alerts()
    assert client.get(SYSTEM_ALERTS).json["items"] == []
    assert [alert.get("resolved") for alert in told(database, "component_away")] == [None, True]


def test_needs_a_key_that_may_read(client_with: Any, make_key: Any) -> None:
    assert client_with(None).get(SYSTEM_ALERTS).status_code == 401
    assert client_with(make_key(scopes=["read"])).get(SYSTEM_ALERTS).status_code == 200

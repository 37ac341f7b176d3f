"""Integrity: every kind of damage is found by name, told once, and mended with a trace."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Connection, text

import workers.clock
from beat_schedule import BEAT_SCHEDULE
from db.queries import integrity, ledger
from db.session import Database, jobs_database
from tasks import integrity as nightly
from tasks.integrity import CHECK, check_all
from tests.integration.test_alerts import told
from tests.integration.test_clock import deliver
from workers.app import app as celery

INTEGRITY = "/api/inventory/integrity"
REPAIRS = f"{INTEGRITY}/repairs"
STREAMS = f"{INTEGRITY}/streams"
ADDRESS = {"customerId": "c", "shippingAddress": "a"}


@pytest.fixture
def damage(database: Database) -> Callable[..., None]:
    """Change what no constraint or trigger would let pass otherwise."""

    def do(statement: str, **values: Any) -> None:
        with database.transaction() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            assert connection.execute(text(statement), values).rowcount

    return do


@pytest.fixture
def mug(client: Any, product: Callable[..., str], apply_line: Callable[[], None]) -> str:
    """Ten mugs, of which an order holds three."""
    product_id = product(stock=10, name="Mug")
    items = [{"productId": product_id, "quantity": 3}]
    assert client.post("/api/pms/orders", json={"items": items, **ADDRESS}).status_code == 202
    apply_line()
    assert find(client) == []
    return product_id


def find(client: Any) -> list[tuple[str, str]]:
    """What differs in the whole shop: the check, and what it is about."""
    found: list[tuple[str, str]] = []
    query: dict[str, str] = {}
    while True:
        part = client.get(INTEGRITY, query_string=query)
        assert part.status_code == 200, part.text
        body = part.json
        assert body["ok"] is not bool(body["differences"])
        found += [(one["check"], one["stream"] or one["name"]) for one in body["differences"]]
        if body["nextCursor"] is None:
            return found
        query = {"cursor": body["nextCursor"]}


@pytest.fixture
def repair(client: Any, apply_line: Callable[[], None]) -> Callable[..., dict[str, Any]]:
    """Repair and give the operation as it ended."""

    def do(path: str, **body: str) -> dict[str, Any]:
        accepted = client.post(path, json=body)
        assert accepted.status_code == 202, accepted.text
        apply_line()
        ended: dict[str, Any] = client.get(accepted.headers["Location"]).json
        return ended

    return do


def test_an_empty_shop_is_whole(client: Any) -> None:
    body = client.get(INTEGRITY).json
    assert body.pop("asOf").endswith("Z")
    assert body == {
        "ok": True,
        "differences": [],
        "checked": {"products": 0, "movements": 0, "orders": 0, "streams": 2},
        "nextCursor": None,
    }


def test_what_was_compared_is_counted(client: Any, mug: str, product: Callable[..., str]) -> None:
    product()
    checked = client.get(INTEGRITY).json["checked"]
    assert checked == {"products": 2, "movements": 2, "orders": 1, "streams": 2}


DAMAGES = {
    "level": "UPDATE stock_levels SET on_hand = on_hand + 2 WHERE product_id = :id",
    "lower level": "UPDATE stock_levels SET on_hand = 4 WHERE product_id = :id",
    "reserved": "UPDATE stock_levels SET reserved = 1 WHERE product_id = :id",
    "version": "UPDATE stock_levels SET version = 1 WHERE product_id = :id",
    "changed row": "UPDATE stock_movements SET on_hand_change = 11"
    " WHERE product_id = :id AND version = 1",
    "lost row": "DELETE FROM stock_movements WHERE product_id = :id AND version = 1",
    "lost last row": "DELETE FROM stock_movements WHERE product_id = :id AND version = 2",
    "lost level": "DELETE FROM stock_levels WHERE product_id = :id",
    "lost alert": "UPDATE products SET low_stock_threshold = 8 WHERE id = :id",
}
EXPECTED = {
    "level": {"level"},
    "lower level": {"level", "alert"},
    "reserved": {"level", "reservations"},
    "version": {"level", "stream"},
    "changed row": {"ledger"},
    "lost row": {"ledger"},
    "lost last row": {"level"},
    "lost level": {"level"},
    "lost alert": {"alert"},
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_found_by_name_and_mended(
    client: Any,
    mug: str,
    damage: Callable[..., None],
    repair: Callable[..., dict[str, Any]],
    kind: str,
) -> None:
    damage(DAMAGES[kind], id=mug)
    found = find(client)
    assert {check for check, _ in found} == EXPECTED[kind]
    assert {about for _, about in found} <= {"Mug", f"stock:{mug}"}
    ended = repair(REPAIRS, productId=mug)
    assert ended["status"] == "succeeded", ended
    assert find(client) == []
    stock = client.get(f"/api/inventory/stock/{mug}").json
    assert (stock["onHand"], stock["reserved"]) == (10, 3)
    movements = client.get("/api/inventory/movements", query_string={"productId": mug}).json
    assert sum(row["onHandChange"] for row in movements["items"]) == 10
    assert sum(row["reservedChange"] for row in movements["items"]) == 3
    if kind != "lost alert":
        trace = movements["items"][0]
        assert (trace["kind"], trace["operationId"]) == ("repair", ended["id"])
        assert trace["reason"] == ended["result"]["found"]
    # And the next change goes on from there.
    body = {"productId": mug, "quantity": 1, "type": "increment"}
    assert repair("/api/inventory/adjust", **body)["result"]["onHand"] == 11
    assert find(client) == []


def test_what_is_whole_is_left_alone(
    client: Any, mug: str, repair: Callable[..., dict[str, Any]]
) -> None:
    ended = repair(REPAIRS, productId=mug)
    assert (ended["status"], ended["result"]["found"]) == ("succeeded", None)
    assert ended["result"]["version"] == 2


def test_a_product_without_level_and_ledger_gets_an_empty_one(
    client: Any,
    product: Callable[..., str],
    damage: Callable[..., None],
    repair: Callable[..., dict[str, Any]],
) -> None:
    product_id = product(name="Vase")
    damage(DAMAGES["lost level"], id=product_id)
    assert find(client) == [("level", "Vase")]
    ended = repair(REPAIRS, productId=product_id)
    assert (ended["result"]["onHand"], ended["result"]["version"]) == (0, 1)
    assert "the level was gone" in ended["result"]["found"]
    assert find(client) == []


def test_a_lost_level_takes_no_number_twice(
    client: Any, mug: str, damage: Callable[..., None], repair: Callable[..., dict[str, Any]]
) -> None:
    damage(DAMAGES["lost last row"], id=mug)
    damage(DAMAGES["lost level"], id=mug)
    ended = repair(REPAIRS, productId=mug)
    assert ended["result"]["version"] == 3
    assert find(client) == []


def test_a_lost_level_of_more_than_there_is_can_be_filled(
    client: Any, mug: str, damage: Callable[..., None], repair: Callable[..., dict[str, Any]]
) -> None:
    damage("UPDATE order_items SET quantity = 12, line_total = 12 * unit_price"
           " WHERE product_id = :id", id=mug)  # fmt: skip
    damage(DAMAGES["lost level"], id=mug)
    ended = repair(REPAIRS, productId=mug)
    assert ended["error"]["type"] == "/docs/problems/repair-impossible"
    assert repair("/api/inventory/adjust", productId=mug, quantity=2, type="increment")
    assert repair(REPAIRS, productId=mug)["status"] == "succeeded"
    assert find(client) == []


def test_two_repairs_and_changes_in_one_batch(
    client: Any, mug: str, damage: Callable[..., None], apply_line: Callable[[], None]
) -> None:
    damage(DAMAGES["level"], id=mug)
    change = {"productId": mug, "quantity": 5, "type": "increment"}
    for path, body in (
        ("/api/inventory/adjust", change),
        (REPAIRS, {"productId": mug}),
        ("/api/inventory/adjust", change),
        (REPAIRS, {"productId": mug}),
    ):
        assert client.post(path, json=body).status_code == 202
    apply_line()
    assert client.get(f"/api/inventory/stock/{mug}").json["onHand"] == 20
    assert find(client) == []
    movements = client.get("/api/inventory/movements", query_string={"productId": mug}).json
    assert [row["kind"] for row in movements["items"]].count("repair") == 1


def test_orders_that_hold_more_than_there_is_are_for_a_person_to_solve(
    client: Any, mug: str, damage: Callable[..., None], repair: Callable[..., dict[str, Any]]
) -> None:
    damage("UPDATE order_items SET quantity = 12, line_total = 12 * unit_price"
           " WHERE product_id = :id", id=mug)  # fmt: skip
    assert find(client) == [("reservations", "Mug")]
    ended = repair(REPAIRS, productId=mug)
    assert ended["status"] == "failed"
    assert ended["error"]["type"] == "/docs/problems/repair-impossible"
    assert (ended["error"]["onHand"], ended["error"]["reserved"]) == (10, 12)
    # Cancelling is no way out, as long as the level does not know what the order holds.
    assert "cancel" not in ended["error"]["detail"]
    assert repair("/api/inventory/adjust", productId=mug, quantity=2, type="increment")
    assert repair(REPAIRS, productId=mug)["status"] == "succeeded"
    assert find(client) == []


@pytest.mark.parametrize("kind", ["stock", "product", "operations", "system"])
def test_a_gap_in_a_stream_is_found_and_let_go(
    client: Any,
    mug: str,
    damage: Callable[..., None],
    repair: Callable[..., dict[str, Any]],
    database: Database,
    kind: str,
) -> None:
    for _ in range(2):
        repair("/api/inventory/adjust", productId=mug, quantity=7, type="decrement")
        repair("/api/inventory/adjust", productId=mug, quantity=7, type="increment")
        client.patch(f"/api/pms/products/{mug}", json={"description": f"{time.time()}"})
    with database.transaction() as connection:
        stream = connection.execute(
            text("SELECT DISTINCT stream FROM events WHERE split_part(stream, ':', 1) = :kind"),
            {"kind": kind},
        ).scalar_one()
    damage("DELETE FROM events WHERE stream = :stream AND position = 2", stream=stream)
    assert find(client) == [("stream", stream)]
    ended = repair(STREAMS, stream=stream)
    assert (ended["status"], ended["result"]) == ("succeeded", {"stream": stream, "through": 1})
    assert find(client) == []
    assert client.post(STREAMS, json={"stream": stream}).status_code == 422


def test_lost_ends_of_streams_are_found(
    client: Any, mug: str, damage: Callable[..., None], database: Database
) -> None:
    damage("DELETE FROM events WHERE stream LIKE 'order:%'")
    damage("DELETE FROM events WHERE stream = :stream AND position = 2", stream=f"stock:{mug}")
    found = find(client)
    assert [check for check, _ in found] == ["stream", "stream"]
    assert {about.partition(":")[0] for _, about in found} == {"order", "stock"}
    check_all()
    nightly.look_again(jobs_database())
    assert [one.get("resolved") for one in told(database, "integrity")] == [None, None]
    # Old events are removed in the course of time, and nothing is wrong about that.
    damage("UPDATE orders SET updated_at = updated_at - interval '30 days'")
    assert [about for _, about in find(client)] == [f"stock:{mug}"]


LOSSES = {
    "the last": "AND position = (SELECT max(position) FROM events WHERE stream = :stream)",
    "all": "",
    "the first and the last": "AND position <> 2",
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", ["stock", "product", "order", "operations", "system"])
def test_a_stream_that_lost_its_end_is_mended_and_goes_on(
    client: Any,
    mug: str,
    damage: Callable[..., None],
    repair: Callable[..., dict[str, Any]],
    apply_line: Callable[[], None],
    database: Database,
    kind: str,
    loss: str,
) -> None:
    (order,) = client.get("/api/pms/orders").json["items"]
    path = f"/api/pms/orders/{order['id']}/status"
    following = {"pending": "confirmed", "confirmed": "processing", "processing": "shipped"}

    def move() -> None:
        now = client.get("/api/pms/orders").json["items"][0]["status"]
        repair("/api/inventory/adjust", productId=mug, quantity=7, type="decrement")
        repair("/api/inventory/adjust", productId=mug, quantity=7, type="increment")
        client.patch(f"/api/pms/products/{mug}", json={"description": f"{time.time()}"})
        changed = client.patch(path, json={"status": following[now]})
        assert changed.status_code == 202, changed.text
        apply_line()

    move()
    move()
    stream, before = _events(database, kind)
    damage(f"DELETE FROM events WHERE stream = :stream {LOSSES[loss]}", stream=stream)
    if loss == "all" and kind in ("operations", "system"):
        # Old events are removed in the course of time, and nothing tells these from old ones.
        assert find(client) == []
        return
    assert find(client) == [("stream", stream)]
    ended = repair(STREAMS, stream=stream)
    assert ended["status"] == "succeeded"
    assert ended["result"] == {"stream": stream, "through": before[-1][0]}
    assert find(client) == []
    if kind not in ("operations", "system"):
        assert _events(database, kind) == (stream, before[-1:])
    assert client.post(STREAMS, json={"stream": stream}).status_code == 422
    move()
    numbers = [position for position, *_ in _events(database, kind)[1]]
    assert numbers[0] == before[-1][0] + (kind in ("operations", "system"))
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) > 1
    assert find(client) == []


def _events(database: Database, kind: str) -> tuple[str, list[tuple[int, str, Any]]]:
    """The one stream of a kind, and its events."""
    with database.transaction() as connection:
        rows = connection.execute(
            text("""
                SELECT stream, position, name, data FROM events
                WHERE split_part(stream, ':', 1) = :kind ORDER BY position
            """),
            {"kind": kind},
        ).all()
    return rows[0].stream, [(row.position, row.name, row.data) for row in rows]


def test_two_repairs_of_a_stream_in_one_batch_with_changes(
    client: Any, mug: str, damage: Callable[..., None], apply_line: Callable[[], None]
) -> None:
    damage("DELETE FROM events WHERE stream = :stream AND position = 2", stream=f"stock:{mug}")
    change = {"productId": mug, "quantity": 5, "type": "increment"}
    for path, body in (
        ("/api/inventory/adjust", change),
        (STREAMS, {"stream": f"stock:{mug}"}),
        ("/api/inventory/adjust", change),
        (STREAMS, {"stream": f"stock:{mug}"}),
    ):
        assert client.post(path, json=body).status_code == 202
    apply_line()
    assert find(client) == []
    counts = client.get("/api/operations", query_string={"status": "succeeded"}).json["items"]
    assert [one["kind"] for one in counts].count("repair-stream") == 2


def test_it_goes_on_where_an_answer_stopped(
    client: Any,
    product: Callable[..., str],
    apply_line: Callable[[], None],
    damage: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In pieces of one row, each answer one piece."""
    made = [product(stock=3, name=f"P{n}") for n in range(5)]
    items = [{"productId": made[0], "quantity": 1}]
    for _ in range(3):
        client.post("/api/pms/orders", json={"items": items, **ADDRESS})
    apply_line()
    for size in ("_PRODUCTS", "_ORDERS", "_STREAMS", "_ROWS"):
        monkeypatch.setattr(integrity, size, 1)
    monkeypatch.setattr(ledger, "_ROWS", 1)
    monkeypatch.setattr("web.integrity._SECONDS", 0.0)
    assert find(client) == []
    damage(DAMAGES["changed row"], id=made[4])
    damage("DELETE FROM events WHERE stream = 'system' AND position = 2")
    assert find(client) == [("ledger", "P4"), ("stream", "system")]


@pytest.mark.parametrize(
    "cursor",
    ["x", "WyJ4IiwgIiJd", "WyJwcm9kdWN0cyIsICJ4Il0", "WyJzdHJlYW1zIiwgIlx1MDAwMCJd"],
    ids=["nothing", "unknown phase", "no id", "NUL"],
)
def test_bad_cursors_are_refused(client: Any, cursor: str) -> None:
    assert client.get(INTEGRITY, query_string={"cursor": cursor}).status_code == 422


def test_the_night_tells_each_difference_once_and_that_it_is_mended(
    client: Any,
    mug: str,
    damage: Callable[..., None],
    repair: Callable[..., dict[str, Any]],
    database: Database,
) -> None:
    check_all()
    assert told(database, "integrity") == []
    damage(DAMAGES["level"], id=mug)
    for _ in range(2):
        check_all()
    (alert,) = told(database, "integrity")
    assert alert["productId"] == mug
    assert alert["message"].startswith("Mug: 12 on hand")
    (listed,) = client.get("/api/system/alerts").json["items"]
    assert (listed["type"], listed["productId"]) == ("integrity", mug)
    nightly.look_again(jobs_database())
    assert len(told(database, "integrity")) == 1
    repair(REPAIRS, productId=mug)
    nightly.look_again(jobs_database())
    assert [one.get("resolved") for one in told(database, "integrity")] == [None, True]
    assert told(database, "integrity")[1]["message"] == "Mended: Mug."
    assert client.get("/api/system/alerts").json["items"] == []


def test_the_night_after_finds_what_was_mended_otherwise(
    mug: str, damage: Callable[..., None], database: Database
) -> None:
    damage(DAMAGES["level"], id=mug)
    check_all()
    damage("UPDATE stock_levels SET on_hand = 10 WHERE product_id = :id", id=mug)
    check_all()
    assert [one.get("resolved") for one in told(database, "integrity")] == [None, True]


def test_a_check_that_ends_late_takes_nothing_for_mended(
    mug: str,
    damage: Callable[..., None],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell_whole = nightly.tell_whole

    def tell_late(connection: Connection, *cause: Any, **when: float) -> Any:
        connection.exec_driver_sql("SELECT pg_sleep(0.3)")
        return tell_whole(connection, *cause, **when)

    monkeypatch.setattr(nightly, "tell_whole", tell_late)
    damage(DAMAGES["level"], id=mug)
    check_all()
    assert [one.get("resolved") for one in told(database, "integrity")] == [None]


@pytest.fixture
def compared(mug: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A run of the check compares one piece only; the phases of those that were compared."""
    phases: list[str] = []
    compare = nightly.compare

    def one(connection: Connection, place: integrity.Place, days: int) -> integrity.Piece:
        phases.append(place.phase)
        return compare(connection, place, days)

    monkeypatch.setattr(nightly, "compare", one)
    monkeypatch.setattr(nightly, "_SECONDS_A_RUN", 0.0)
    return phases


def test_a_long_check_goes_on_though_redis_forgets_all(
    compared: list[str],
    damage: Callable[..., None],
    database: Database,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only = {CHECK: BEAT_SCHEDULE[CHECK]}
    monkeypatch.setattr(workers.clock, "BEAT_SCHEDULE", only)
    monkeypatch.setattr(workers.clock, "_AGAIN_SECONDS", 0.0)
    damage("DELETE FROM events WHERE stream LIKE 'order:%'")
    clock = workers.clock.Clock(celery, lazy=True)
    runs = 0
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
        clock.tick()
        while redis.llen("maintenance"):
            runs += 1
            assert runs < 20
            deliver(CHECK, 0.0)
            redis.flushdb()
            clock.tick()
    assert runs == len(compared)
    assert set(compared) == {"products", "streams", "orders"}
    assert len(told(database, "integrity")) == 1


def test_a_check_whose_worker_died_goes_on_where_it_was(
    compared: list[str], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def dies(*_: Any) -> None:
        raise Killed

    while "streams" not in compared:
        deliver(CHECK, 0.0)
    compared.clear()
    with monkeypatch.context() as patch:
        patch.setattr(nightly, "compare", dies)
        with pytest.raises(Killed):
            deliver(CHECK, 0.0)
    deliver(CHECK, 0.0)
    assert compared == []
    with database.transaction() as connection:
        connection.execute(text("UPDATE schedules SET claimed_at = now() - interval '331 s'"))
    for _ in range(20):
        deliver(CHECK, 0.0)
    assert compared[-1] == "orders"
    assert "products" not in compared


def test_a_night_begins_anew_whatever_the_last_one_left(
    compared: list[str], database: Database
) -> None:
    while "streams" not in compared:
        deliver(CHECK, 0.0)
    with database.transaction() as connection:
        connection.execute(text("UPDATE schedules SET tick = tick - interval '1 day'"))
    compared.clear()
    deliver(CHECK, 0.0)
    assert compared == ["products"]


def test_a_check_that_takes_too_long_is_given_up(
    compared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(CHECK, 0.0)
    compared.clear()
    monkeypatch.setattr(nightly, "_SECONDS_IN_ALL", 0.0)
    for _ in range(20):
        deliver(CHECK, 0.0)
    assert compared == []


def test_repair_is_for_admins(client_with: Any, make_key: Any, mug: str) -> None:
    writer = client_with(make_key(scopes=["write"]))
    assert writer.get(INTEGRITY).status_code == 200
    assert writer.post(REPAIRS, json={"productId": mug}).status_code == 403
    assert writer.post(STREAMS, json={"stream": "system"}).status_code == 403
    assert client_with(None).get(INTEGRITY).status_code == 401


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        (REPAIRS, {"productId": "x"}, "/productId"),
        (REPAIRS, {"productId": "01900000-0000-7000-8000-000000000000"}, "/productId"),
        (STREAMS, {"stream": "nothing"}, "/stream"),
        (STREAMS, {"stream": "stock:01900000-0000-7000-8000-000000000000"}, "/stream"),
        (STREAMS, {"stream": "stock:x"}, "/stream"),
        (STREAMS, {}, "/stream"),
    ],
)
def test_bad_repairs_are_refused(client: Any, path: str, body: Any, pointer: str) -> None:
    found = client.post(path, json=body)
    assert found.status_code == 422
    assert [error["pointer"] for error in found.json["errors"]] == [pointer]

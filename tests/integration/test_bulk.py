"""Many adjustments at once: taken in, applied in turns, refused row by row, tried again."""

import csv
import io
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from db.errors import Refusal
from db.models.operator_alert import OPERATION_DEAD
from db.queries import bulk_order, bulks, operator_alerts
from db.session import Database, line_database
from tests.integration.test_conventions import check_problem
from tests.integration.test_line import check_consistency
from workers import bulk as turns
from workers.app import app as celery
from workers.commands import AdjustStock
from workers.registry import HANDLERS
from workers.runner import apply_bulk, apply_next

celery.loader.import_default_modules()

PATH = "/api/inventory/adjustments"
Product = Callable[..., str]


def row(product: str, quantity: int, type: str = "increment", **more: Any) -> dict[str, Any]:
    return {"productId": product, "quantity": quantity, "type": type, **more}


def send(client: Any, rows: Any, query: str = "", **options: Any) -> dict[str, Any]:
    found = client.post(PATH + query, json=rows, **options)
    assert found.status_code == 202, found.text
    return found.json  # type: ignore[no-any-return]


def operation(client: Any, sent: dict[str, Any]) -> dict[str, Any]:
    return client.get(f"/api/operations/{sent['id']}").json  # type: ignore[no-any-return]


def stock(client: Any, product: str) -> int:
    return client.get(f"/api/inventory/stock/{product}").json["stock"]  # type: ignore[no-any-return]


def post_csv(client: Any, text: str | bytes, query: str = "", **options: Any) -> Any:
    headers = {"Content-Type": "text/csv", **options.pop("headers", {})}
    return client.post(PATH + query, data=text, headers=headers, **options)


def count(database: Database, table: str) -> int:
    with database.transaction() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


@pytest.fixture
def small_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of three rows, whatever the pace."""
    monkeypatch.setattr(turns, "_LEAST", 3)
    monkeypatch.setattr(turns, "_MOST", 3)


def test_turns_are_short_while_single_operations_come(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(turns.time, "monotonic", lambda: now)
    pace = turns.Pace()
    for _ in range(20):
        pace.took(pace.rows, pace.rows / 8_000)
    assert pace.rows == 320
    pace.single()
    assert pace.rows == 80
    now += 2
    assert pace.rows == 320
    for _ in range(20):
        pace.took(pace.rows, 1)
    assert pace.rows == turns._LEAST


@pytest.fixture
def bad_luck() -> Iterator[Callable[[Callable[[AdjustStock], None]], None]]:
    """Have something happen to adjustments before they are made."""
    good = HANDLERS[AdjustStock]

    def strike(what: Callable[[AdjustStock], None]) -> None:
        def handler(command: AdjustStock, turn: Any) -> Any:
            what(command)
            return good(command, turn)

        HANDLERS[AdjustStock] = handler

    yield strike
    HANDLERS[AdjustStock] = good


def test_every_row_is_applied_and_leaves_its_trace(
    client: Any, product: Product, apply_line: Callable[[], None], database: Database
) -> None:
    mug, cup = product(sku="MUG"), product(sku="CUP")
    sent = send(
        client,
        [
            row(mug, 10, reason="delivery", reference="DN-1"),
            {"sku": "CUP", "quantity": 4, "type": "increment"},
            row(mug, 3, "decrement"),
        ],
        headers={"X-Request-ID": "bulk-1"},
    )
    assert sent["kind"] == "adjust-many"
    assert sent["progress"] == operation(client, sent)["progress"] == {"done": 0, "total": 3}
    apply_line()
    ended = operation(client, sent)
    assert (ended["status"], ended["error"], ended["attempts"]) == ("succeeded", None, 1)
    assert ended["progress"] == {"done": 3, "total": 3}
    assert ended["result"] == {"total": 3, "applied": 3, "refused": 0, "refusedRows": []}
    assert (stock(client, mug), stock(client, cup)) == (7, 4)
    ledger = client.get(f"/api/inventory/movements?productId={mug}").json["items"]
    assert [one["onHandChange"] for one in ledger] == [-3, 10]
    assert {one["operationId"] for one in ledger} == {sent["id"]}
    assert (ledger[1]["reason"], ledger[1]["reference"]) == ("delivery", "DN-1")
    check_consistency(database)
    assert count(database, "bulk_rows") == 0
    assert count(database, "events WHERE stream LIKE 'stock:%'") == 3


def test_refused_rows_keep_their_problems_and_the_rest_goes_on(
    client: Any, product: Product, apply_line: Callable[[], None]
) -> None:
    mug = product(sku="MUG")
    sent = send(
        client,
        [row(mug, 5, "decrement"), row(mug, 3), row(mug, 2, "decrement"), row(mug, 9, "decrement")],
    )
    apply_line()
    result = operation(client, sent)["result"]
    assert (result["applied"], result["refused"]) == (2, 2)
    first, second = result["refusedRows"]
    assert (first["row"], first["quantity"], first["type"]) == (0, 5, "decrement")
    problem = first["problem"]
    assert problem["type"].endswith("/insufficient-stock")
    assert (problem["available"], problem["requested"]) == (0, 5)
    assert second["problem"]["available"] == 1
    assert stock(client, mug) == 1
    page = client.get(f"/api/operations/{sent['id']}/refused?limit=1").json
    assert [one["row"] for one in page["items"]] == [0]
    rest = client.get(f"/api/operations/{sent['id']}/refused?cursor={page['nextCursor']}").json
    assert [one["row"] for one in rest["items"]] == [3]
    assert rest["nextCursor"] is None


def test_only_the_refused_rows_are_tried_again_and_only_once(
    client: Any, product: Product, apply_line: Callable[[], None]
) -> None:
    mug = product()
    sent = send(client, [row(mug, 5, "decrement"), row(mug, 3), row(mug, 4, "decrement")])
    early = client.post(f"/api/operations/{sent['id']}/retry-refused")
    assert check_problem(early, 409)["type"].endswith("/nothing-to-retry")
    apply_line()
    send(client, [row(mug, 2)])
    again = client.post(f"/api/operations/{sent['id']}/retry-refused")
    assert again.status_code == 202
    assert again.json["retryOf"] == sent["id"]
    apply_line()
    ended = operation(client, again.json)
    assert ended["progress"] == {"done": 2, "total": 2}
    assert [one["row"] for one in ended["result"]["refusedRows"]] == [2]
    assert stock(client, mug) == 0
    twice = client.post(f"/api/operations/{sent['id']}/retry-refused")
    assert check_problem(twice, 409)["type"].endswith("/already-retried")
    once_more = client.post(f"/api/operations/{again.json['id']}/retry-refused")
    assert once_more.status_code == 202


def test_nothing_to_retry(client: Any, product: Product, apply_line: Callable[[], None]) -> None:
    mug = product(stock=1)
    sent = send(client, [row(mug, 1)])
    single = client.post("/api/inventory/adjust", json=row(mug, 1)).json
    apply_line()
    for one in (sent, single):
        found = client.post(f"/api/operations/{one['id']}/retry-refused")
        assert check_problem(found, 409)["type"].endswith("/nothing-to-retry")
    nowhere = "01900000-0000-7000-8000-000000000000"
    check_problem(client.post(f"/api/operations/{nowhere}/retry-refused"), 404)
    check_problem(client.get(f"/api/operations/{single['id']}/refused"), 404)


def test_a_bulk_that_an_older_version_kept_is_refused_and_no_fault(
    client: Any, product: Product, apply_line: Callable[[], None], database: Database
) -> None:
    sent = send(client, [row(product(), 1, "decrement")])
    apply_line()
    with database.transaction() as connection:
        connection.exec_driver_sql(
            """UPDATE operations SET payload = jsonb_set(payload, '{atomic}', '"perhaps"')"""
        )
    again = client.post(f"/api/operations/{sent['id']}/retry-refused")
    listed = client.get(f"/api/operations/{sent['id']}/refused")
    for found in (again, listed):
        assert check_problem(found, 409)["type"].endswith("/unreadable-operation")


def test_all_or_nothing(client: Any, product: Product, apply_line: Callable[[], None]) -> None:
    mug, cup = product(stock=5), product()
    apply_line()
    sent = send(
        client,
        [row(cup, 2), row(mug, 9, "decrement"), row(cup, 3, "decrement")],
        "?atomic=true",
    )
    apply_line()
    ended = operation(client, sent)
    assert ended["status"] == "failed"
    assert ended["error"]["type"].endswith("/bulk-refused")
    assert [one["row"] for one in ended["error"]["refused"]] == [1, 2]
    assert (stock(client, mug), stock(client, cup)) == (5, 0)
    found = client.post(f"/api/operations/{sent['id']}/retry-refused")
    assert check_problem(found, 409)["type"].endswith("/nothing-to-retry")
    good = send(
        client, [row(cup, 2), row(mug, 5, "decrement"), row(cup, 2, "decrement")], "?atomic=true"
    )
    apply_line()
    assert operation(client, good)["result"]["applied"] == 3
    assert (stock(client, mug), stock(client, cup)) == (0, 0)


@pytest.mark.parametrize("query", ["?dryRun=true", "?dryRun=true&atomic=true"])
def test_a_dry_run_says_what_would_happen(
    client: Any, product: Product, apply_line: Callable[[], None], query: str, database: Database
) -> None:
    mug = product(stock=5)
    apply_line()
    before = count(database, "events WHERE stream LIKE 'stock:%'")
    sent = send(client, [row(mug, 2, "decrement"), row(mug, 3, "decrement")], query)
    apply_line()
    ended = operation(client, sent)
    assert ended["result"] == {
        "total": 2, "applied": 2, "refused": 0, "refusedRows": [], "dryRun": True
    }  # fmt: skip
    assert stock(client, mug) == 5
    assert count(database, "events WHERE stream LIKE 'stock:%'") == before
    assert count(database, "bulk_rows") == 0


def test_a_dry_run_of_many_turns_counts_on(
    client: Any, product: Product, apply_line: Callable[[], None], small_turns: None
) -> None:
    mug = product(stock=4)
    apply_line()
    sent = send(client, [row(mug, 1, "decrement")] * 8, "?dryRun=true")
    apply_line()
    result = operation(client, sent)["result"]
    assert (result["applied"], result["refused"]) == (4, 4)
    assert [one["row"] for one in result["refusedRows"]] == [4, 5, 6, 7]
    assert stock(client, mug) == 4


def test_a_single_operation_waits_only_for_rows_of_its_product(
    client: Any, product: Product, database: Database, small_turns: None
) -> None:
    mugs = [product() for _ in range(10)]
    sent = send(client, [row(mug, 1) for mug in mugs])
    last = client.post("/api/inventory/adjust", json=row(mugs[9], 1, "decrement")).json
    other = client.post("/api/inventory/adjust", json=row(product(), 1)).json
    apply_next(line_database())
    assert operation(client, other)["status"] == "succeeded"
    assert operation(client, last)["status"] == "queued"
    # Its product's row comes before the many that nobody waits for.
    apply_bulk(line_database())
    assert operation(client, sent)["progress"]["done"] < 10
    apply_next(line_database())
    assert operation(client, last)["status"] == "succeeded"
    while apply_bulk(line_database()):
        pass
    assert operation(client, sent)["result"]["applied"] == 10
    check_consistency(database)


def test_many_that_wait_for_a_bulk_are_in_nobodys_way(
    client: Any, product: Product, apply_line: Callable[[], None], database: Database
) -> None:
    """More of them than a batch takes; what touches the same things keeps its order."""
    mug, cup, pot = product(), product(), product()
    send(client, [row(mug, 1) for _ in range(3)])

    def adjust(name: str) -> dict[str, Any]:
        found: dict[str, Any] = client.post("/api/inventory/adjust", json=row(name, 10)).json
        return found

    waiting = [adjust(mug) for _ in range(6)]
    free = adjust(pot)
    items = [{"productId": name, "quantity": 1} for name in (mug, cup)]
    order = {"items": items, "customerId": "c", "shippingAddress": "a"}
    waiting += [client.post("/api/pms/orders", json=order).json, adjust(cup)]
    while apply_next(line_database(), 5):
        pass
    assert operation(client, free)["status"] == "succeeded"
    assert {operation(client, one)["status"] for one in waiting} == {"queued"}
    apply_line()
    # The order found no cup: what filled the shelf was accepted after it.
    ends = [operation(client, one)["status"] for one in waiting]
    assert ends == ["succeeded"] * 6 + ["failed", "succeeded"]
    ledger = client.get(f"/api/inventory/movements?productId={mug}").json["items"]
    assert [one["onHandChange"] for one in ledger] == [10] * 6 + [1] * 3
    check_consistency(database)


def test_an_order_waits_for_the_rows_of_its_items(
    client: Any, product: Product, apply_line: Callable[[], None], small_turns: None
) -> None:
    mugs = [product() for _ in range(8)]
    send(client, [row(mug, 1) for mug in mugs])
    order = client.post(
        "/api/pms/orders",
        json={
            "items": [{"productId": mugs[7], "quantity": 1}, {"productId": mugs[6], "quantity": 1}],
            "customerId": "c",
            "shippingAddress": "a",
        },
    ).json
    apply_line()
    assert client.get(f"/api/pms/orders/{order['orderId']}").json["status"] == "pending"


def test_a_bulk_waits_for_operations_accepted_before_it(
    client: Any, product: Product, database: Database
) -> None:
    mug, cup = product(), product()
    first = client.post("/api/inventory/adjust", json=row(mug, 5)).json
    sent = send(client, [row(mug, 5, "decrement"), row(cup, 1)])
    apply_bulk(line_database())
    assert operation(client, sent)["progress"] == {"done": 1, "total": 2}
    assert stock(client, cup) == 1
    assert apply_bulk(line_database()) == 0
    apply_next(line_database())
    assert operation(client, first)["status"] == "succeeded"
    apply_bulk(line_database())
    assert operation(client, sent)["result"]["applied"] == 2
    assert stock(client, mug) == 0


def test_rows_of_a_product_keep_their_order_over_turns_and_bulks(
    client: Any, product: Product, apply_line: Callable[[], None], small_turns: None
) -> None:
    mug = product()
    rows = [row(mug, n, "increment" if n % 2 else "decrement") for n in range(1, 12)]
    send(client, rows)
    send(client, [row(mug, 100)])
    apply_line()
    ledger = client.get(f"/api/inventory/movements?productId={mug}").json["items"][::-1]
    changes = [one["onHandChange"] for one in ledger]
    level, expected = 0, []
    for n in [*(n if n % 2 else -n for n in range(1, 12)), 100]:
        if level + n >= 0:
            level += n
            expected.append(n)
    assert changes == expected


def test_progress_is_told_and_numbered(
    client: Any,
    product: Product,
    apply_line: Callable[[], None],
    database: Database,
    small_turns: None,
) -> None:
    mug = product()
    sent = send(client, [row(mug, 1)] * 7)
    apply_line()
    with database.transaction() as connection:
        told = [
            tuple(found)
            for found in connection.execute(
                text("SELECT position, data FROM events WHERE name = 'operation_update' ORDER BY 1")
            )
        ]
    assert [position for position, _ in told] == list(range(1, len(told) + 1))
    statuses = [data["status"] for _, data in told]
    assert statuses[0] == "queued"
    assert statuses[-1] == "succeeded"
    assert told[0][1]["progress"] == {"done": 3, "total": 7}
    assert told[-1][1]["progress"] == {"done": 7, "total": 7}
    assert {data["operationId"] for _, data in told} == {sent["id"]}


def test_who_has_waited_long_enough_is_told_how_far_it_is(
    client: Any, product: Product, small_turns: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait_in_vain(_waiter: Any, _seconds: float) -> bool:
        apply_bulk(line_database())
        return False

    monkeypatch.setattr("web.waiters.Waiter.wait", wait_in_vain)
    rows = [row(product(), 1)] * 10
    answer = client.post(PATH, json=rows, headers={"Prefer": "wait=1"})
    assert answer.status_code == 202
    assert 0 < answer.json["progress"]["done"] < 10


def test_a_row_that_raises_is_refused_alone(
    client: Any, product: Product, apply_line: Callable[[], None], bad_luck: Any
) -> None:
    def strike(command: AdjustStock) -> None:
        if command.quantity == 13:
            raise RuntimeError("unlucky")

    bad_luck(strike)
    mug = product()
    sent = send(client, [row(mug, 1), row(mug, 13), row(mug, 1)])
    apply_line()
    result = operation(client, sent)["result"]
    assert (result["applied"], result["refused"]) == (2, 1)
    assert result["refusedRows"][0]["problem"]["type"].endswith("/processing-failed")
    assert stock(client, mug) == 2


def test_a_row_that_cannot_be_written_is_found_among_many(
    client: Any, product: Product, database: Database
) -> None:
    mugs = [product() for _ in range(4)]
    rows = [row(mugs[n % 4], 13 if n == 77 else 1) for n in range(150)]
    sent = send(client, rows)
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "ALTER TABLE stock_movements ADD CONSTRAINT unlucky CHECK (on_hand_change <> 13)"
        )
    try:
        while apply_bulk(line_database()):
            pass
    finally:
        with database.transaction() as connection:
            connection.exec_driver_sql("ALTER TABLE stock_movements DROP CONSTRAINT unlucky")
    ended = operation(client, sent)
    assert ended["status"] == "succeeded"
    assert (ended["result"]["applied"], ended["result"]["refused"]) == (149, 1)
    assert ended["result"]["refusedRows"][0]["row"] == 77
    assert "unlucky" in ended["result"]["refusedRows"][0]["problem"]["detail"]
    check_consistency(database)


def test_a_bulk_of_which_every_row_fails_is_given_up_and_can_be_tried_again(
    client: Any, product: Product, apply_line: Callable[[], None], database: Database
) -> None:
    mug = product()
    sent = send(client, [row(mug, 13)] * 40)
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "ALTER TABLE stock_movements ADD CONSTRAINT unlucky CHECK (on_hand_change <> 13)"
        )
    try:
        while apply_bulk(line_database()):
            pass
    finally:
        with database.transaction() as connection:
            connection.exec_driver_sql("ALTER TABLE stock_movements DROP CONSTRAINT unlucky")
    ended = operation(client, sent)
    assert ended["status"] == "dead"
    assert ended["progress"] == {"done": 40, "total": 40}
    again = client.post(f"/api/operations/{sent['id']}/retry-refused")
    assert again.status_code == 202
    apply_line()
    assert operation(client, again.json)["result"]["applied"] == 40
    assert stock(client, mug) == 520


@pytest.mark.parametrize("query", ["", "?atomic=true"])
def test_a_dead_bulk_is_retried_with_its_rows(
    client: Any, product: Product, apply_line: Callable[[], None], database: Database, query: str
) -> None:
    mug = product()
    sent = send(client, [row(mug, 1)] * 3, query)
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE bulks SET given_up = 10")
        connection.exec_driver_sql(
            "ALTER TABLE stock_movements ADD CONSTRAINT unlucky CHECK (on_hand_change <> 1)"
        )
    try:
        while apply_bulk(line_database()):
            pass
    finally:
        with database.transaction() as connection:
            connection.exec_driver_sql("ALTER TABLE stock_movements DROP CONSTRAINT unlucky")
    assert operation(client, sent)["status"] == "dead"
    again = client.post(f"/api/operations/{sent['id']}/retry")
    assert again.status_code == 202, again.text
    apply_line()
    assert operation(client, again.json)["result"]["applied"] == 3
    assert stock(client, mug) == 3


@pytest.mark.parametrize("gone", ["bulk_rows", "bulks", "bulks, bulk_rows"])
def test_a_bulk_without_its_rows_does_not_stop_the_others(
    client: Any, product: Product, apply_line: Callable[[], None], database: Database, gone: str
) -> None:
    mug = product()
    sent = send(client, [row(mug, 1)])
    with database.transaction() as connection:
        connection.exec_driver_sql(f"TRUNCATE {gone}")
    other = send(client, [row(mug, 2)])
    single = client.post("/api/inventory/adjust", json=row(mug, 4)).json
    apply_line()
    ended = operation(client, sent)
    assert (ended["status"], bool(ended["error"])) == ("dead", True)
    assert operation(client, other)["status"] == "succeeded"
    assert operation(client, single)["status"] == "succeeded"
    with database.transaction() as connection:
        assert sent["id"] in operator_alerts.open_causes(connection, OPERATION_DEAD)


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("plain", "sku,quantity,type\nMUG,5,increment\n"),
        ("a byte-order mark", "\ufeffsku,quantity,type\r\nMUG,5,increment\r\n"),
        ("semicolons", "sku;quantity;type\nMUG;5;increment\n"),
        ("tabs", "SKU\tQuantity\tType\nMUG\t5\tincrement"),
        ("quotes", 'sku,quantity,type,reason\n"MUG",5,increment,"a, ""b""\nc"\n'),
        ("blank rows", "sku,quantity,type\n\nMUG,5,increment\n,,\n"),
    ],
)
def test_csv_in_many_forms(
    client: Any, product: Product, apply_line: Callable[[], None], form: str, body: str
) -> None:
    mug = product(sku="MUG")
    found = post_csv(client, body.encode())
    assert found.status_code == 202, found.text
    apply_line()
    assert stock(client, mug) == 5, form


HEAD = b"sku,quantity,type\n"


@pytest.mark.parametrize("zeros", [1, 18, 60_000])
def test_leading_zeros_of_csv_change_no_number(
    client: Any, product: Product, apply_line: Callable[[], None], zeros: int
) -> None:
    mug = product(sku="MUG")
    assert post_csv(client, HEAD + b"MUG," + b"0" * zeros + b"12345,increment\n").status_code == 202
    apply_line()
    assert stock(client, mug) == 12_345


@pytest.mark.parametrize(
    ("body", "pointer", "said"),
    [
        (b"", "#row=1", "lacks the column"),
        (b"sku,quantity\nMUG,5\n", "#row=1", "lacks the column type"),
        (b"quantity,type\n5,increment\n", "#row=1", "productId or sku"),
        (b"sku,quantity,type,colour\n", "#row=1", "unknown column 'colour'"),
        (b"sku,sku,quantity,type\n", "#row=1", "twice"),
        (b"sku,quantity,type" + b",x" * 1_000_000, "#row=1", "longer than"),
        (b"sku,quantity,type" + b",x" * 20_000, "#row=1", "20003 columns"),
        (HEAD + b"MUG,5\n", "#row=2", "2 cells under 3 columns"),
        (HEAD + b"MUG,5,increment" + b"," * 1_000_000, "#row=2", "longer than"),
        (HEAD + b"MUG,5,increment,1\n", "#row=2", "4 cells"),
        (HEAD + b'"MUG,5,increment\nMUG,5,increment\n', "#row=2", "quote is left open"),
        (HEAD + b'"MUG"x,5,increment\n', "#row=2", "cannot be read"),
        (HEAD + b"M\xfcG,5,increment\n", "#row=2", "no UTF-8"),
        ("sku,quantity,type\n".encode("utf-16"), "#row=1", "UTF-16"),
        (HEAD + b"MUG,5,increment\nMUG,five,increment\n", "#row=3", "quantity: must be an integer"),
        (HEAD + b"MUG,-5,increment\n", "#row=2", "quantity: must be at least 1"),
        (HEAD + b"MUG,+5,increment\n", "#row=2", "quantity: must be an integer"),
        (HEAD + b"MUG,1_0,increment\n", "#row=2", "quantity: must be an integer"),
        (HEAD + "MUG,\u0665,increment\n".encode(), "#row=2", "quantity: must be an integer"),
        (HEAD + "MUG,\uff15,increment\n".encode(), "#row=2", "quantity: must be an integer"),
        (HEAD + b"MUG,5\xc2\xb2,increment\n", "#row=2", "quantity: must be an integer"),
        (HEAD + b"MUG,1" + b"0" * 60_000 + b",increment\n", "#row=2", "at most 1,000,000,000"),
        (HEAD + b"MUG,-1" + b"0" * 60_000 + b",increment\n", "#row=2", "must be at least 1"),
        (HEAD + b"MUG,0,increment\n", "#row=2", "quantity"),
        (HEAD + b"MUG,1e3,increment\n", "#row=2", "quantity"),
        (HEAD + b"MUG,5,plus\n", "#row=2", "type"),
        (HEAD + b"CUP,5,increment\n", "#row=2", "sku: there is no such product"),
        (HEAD + b",5,increment\n", "#row=2", "must be given"),
        (HEAD + b"MU\x00G,5,increment\n", "#row=2", ""),
        (HEAD, "", "at least one row"),
    ],
)
def test_csv_that_cannot_be_read(
    client: Any, product: Product, database: Database, body: bytes, pointer: str, said: str
) -> None:
    product(sku="MUG")
    found = check_problem(post_csv(client, body), 422)
    assert found["errors"][0]["pointer"] == pointer
    assert said in found["errors"][0]["detail"]
    for table in ("bulks", "bulk_rows", "operations"):
        assert count(database, table) == 0


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "bracket"),
        (b"x", 400, "bracket"),
        (b"{", 400, "bracket"),
        (b"{}", 422, "must be an array"),
        (b" null", 422, "must be an array"),
        (b"[1]", 422, '"/0"'),
        (b"[{}, null]", 422, '"/1"'),
        (b"[x]", 400, "row 1"),
        (b"[{}", 400, "comma"),
        (b"[{},]", 400, "row 2"),
        (b'[{"a": ', 400, "row 1"),
        (b"[{}] x", 400, "after the array"),
        (b'[{"a": "\xff"}]', 400, "UTF-8"),
        (b"[" + b'{"a":' * 100_000, 400, "row 1"),
        (b'[{"a": 1e999999999999}]', 422, ""),
        (b"[]", 422, "at least one row"),
        (b"[{}]", 422, ""),
    ],
)
def test_json_that_cannot_be_read(
    client: Any, database: Database, body: bytes, status: int, said: str
) -> None:
    found = client.post(PATH, data=body, headers={"Content-Type": "application/json"})
    problem = check_problem(found, status)
    assert said in problem["detail"] + json.dumps(problem.get("errors", ""))
    assert count(database, "operations") == 0


def test_bad_rows_of_json_are_named_by_pointers(client: Any, product: Product) -> None:
    mug = product(sku="MUG")
    other = product(sku="CUP")
    nobody = "01900000-0000-7000-8000-000000000000"
    rows = [
        row(mug, 1),
        row(mug, 0),
        row(nobody, 1),
        row(mug, 1, "sideways"),
        row(mug, 1, colour="red"),
        {"quantity": 1, "type": "increment"},
        row(mug, 1, sku="CUP"),
        {"quantity": 1.0, "type": "increment", "sku": "CUP", "productId": other},
        row(mug, 1, reason="x" * 501),
    ]
    found = check_problem(client.post(PATH, json=rows), 422)
    # By the rows, whether or not a product had to be looked for.
    assert [one["pointer"] for one in found["errors"]] == [
        "/1/quantity",
        "/2/productId",
        "/3/type",
        "/4/colour",
        "/5/productId",
        "/6/sku",
        "/8/reason",
    ]


def test_pieces_of_json_may_end_anywhere(
    client: Any, product: Product, apply_line: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.bulk_rows._PIECE", 7)
    mug = product(sku="MÜG")
    body = json.dumps([{"sku": "MÜG", "quantity": n, "type": "increment"} for n in (1, 2, 30)])
    found = client.post(
        PATH,
        data=body.replace("\\u00dc", "Ü").encode(),
        headers={"Content-Type": "application/json"},
    )
    assert found.status_code == 202, found.text
    apply_line()
    assert stock(client, mug) == 33


def test_too_many_rows_and_too_many_bytes(
    client: Any, product: Product, database: Database, app: Any
) -> None:
    product(sku="MUG")
    line = b"MUG,1,increment\n"
    found = check_problem(post_csv(client, HEAD + line * 1001, "?atomic=true"), 422)
    assert "1,000" in found["errors"][0]["detail"]
    found = check_problem(post_csv(client, HEAD + line * 100_001), 422)
    assert "100,000" in found["errors"][0]["detail"]
    settings = app.extensions["pms"].settings
    kept, settings.max_bulk_bytes = settings.max_bulk_bytes, 2000
    try:
        check_problem(post_csv(client, HEAD + line * 200), 413)
    finally:
        settings.max_bulk_bytes = kept
    assert count(database, "bulk_rows") == 0


@pytest.mark.parametrize(
    ("kind", "status"),
    [("text/plain", 415), ("text/csv; charset=latin-1", 415), ("text/csv; charset=UTF-8", 202)],
)
def test_what_the_body_says_it_is(client: Any, product: Product, kind: str, status: int) -> None:
    product(sku="MUG")
    headers = {"Content-Type": kind}
    assert post_csv(client, HEAD + b"MUG,1,increment\n", headers=headers).status_code == status


def test_a_bulk_is_done_once_per_idempotency_key(
    client: Any, product: Product, apply_line: Callable[[], None], database: Database
) -> None:
    mug = product()
    key = {"Idempotency-Key": "bulk-1"}
    sent = send(client, [row(mug, 1)], headers=key)
    apply_line()
    again = client.post(PATH, json=[row(mug, 1)], headers=key)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.json["id"], again.json["status"]) == (sent["id"], "succeeded")
    other = client.post(PATH, json=[row(mug, 2)], headers=key)
    assert check_problem(other, 422)["type"].endswith("/idempotency-key-reused")
    assert stock(client, mug) == 1
    assert count(database, "bulks") == 1


def test_a_bulk_that_is_taken_in_holds_nobody_up_who_misuses_its_key(
    client: Any, product: Product, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mug = product()
    key = {"Idempotency-Key": "bulk-1"}
    reached, go_on = threading.Event(), threading.Event()
    insert_some = bulks.insert_some

    def slowly(*arguments: Any) -> None:
        insert_some(*arguments)
        reached.set()
        assert go_on.wait(20)

    monkeypatch.setattr("db.queries.bulks.insert_some", slowly)
    with ThreadPoolExecutor(1) as pool:
        bulk = pool.submit(client.post, PATH, json=[row(mug, 1)], headers=key)
        assert reached.wait(10)
        single = client.post("/api/inventory/adjust", json=row(mug, 2), headers=key)
        go_on.set()
        late = bulk.result()
    assert single.status_code == 202
    assert check_problem(late, 422)["type"].endswith("/idempotency-key-reused")
    assert count(database, "bulks") == 0


def test_refused_rows_as_csv_can_be_mended_and_sent_again(
    client: Any, product: Product, apply_line: Callable[[], None]
) -> None:
    mug = product(sku="=MUG")
    sent = send(client, [row(mug, 2, "decrement", reason="-1+1"), row(mug, 1)])
    apply_line()
    found = client.get(f"/api/operations/{sent['id']}/refused", headers={"Accept": "text/csv"})
    assert found.content_type.startswith("text/csv")
    (told,) = csv.DictReader(io.StringIO(found.text))
    assert told["sku"] == "'=MUG"
    assert told["reason"] == "'-1+1"
    assert (told["row"], told["code"]) == ("0", "insufficient-stock")
    mended = found.text.replace(",2,decrement", ",1,decrement")
    assert post_csv(client, mended.encode()).status_code == 202
    apply_line()
    assert stock(client, mug) == 0
    ledger = client.get(f"/api/inventory/movements?productId={mug}").json["items"]
    assert ledger[0]["reason"] == "-1+1"


def test_rows_left_by_one_bulk_are_not_ahead_of_others(
    client: Any, product: Product, database: Database, apply_line: Callable[[], None]
) -> None:
    """Refused rows stay for ever, and hold nobody up."""
    mug = product()
    send(client, [row(mug, 2, "decrement")])
    apply_line()
    with database.transaction() as connection:
        assert bulk_order.ahead_of(connection, [UUID(mug)]) == {}


def test_a_refusal_of_the_model_is_no_bug(client: Any, product: Product, bad_luck: Any) -> None:
    def refuse(_: AdjustStock) -> None:
        raise Refusal("stock-limit", "no", onHand=1, limit=1)

    bad_luck(refuse)
    sent = send(client, [row(product(), 1)])
    apply_bulk(line_database())
    problem = operation(client, sent)["result"]["refusedRows"][0]["problem"]
    assert problem["limit"] == 1

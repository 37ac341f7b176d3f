"""Operations over the API: accepted, read, listed, replayed, tried again."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from db.queries import operations
from db.session import Database
from tests.functional.service import wait_until
from workers.commands import AdjustStock, decode
from workers.dispatch import record
from workers.operators import tell_retried
from workers.registry import HANDLERS


@pytest.fixture
def adjust(client: Any, product: Callable[..., str]) -> Callable[..., Any]:
    """Submit an adjustment of a fresh product; headers and fields may be given."""
    product_id = product()

    def submit(quantity: int = 5, path: str = "", **options: Any) -> Any:
        body = {"productId": product_id, "quantity": quantity, "type": "increment"}
        body |= options.pop("fields", {})
        return client.post("/api/inventory/adjust" + path, json=body, **options)

    return submit


@pytest.fixture
def broken_adjustments() -> Iterator[dict[str, bool]]:
    """Adjustments raise while the switch is on."""
    good = HANDLERS[AdjustStock]
    switch = {"on": True}

    def handler(command: Any, turn: Any) -> dict[str, Any]:
        if switch["on"]:
            raise RuntimeError("a bug")
        return good(command, turn)

    HANDLERS[AdjustStock] = handler
    yield switch
    HANDLERS[AdjustStock] = good


@pytest.fixture
def let_die(database: Database, apply_line: Callable[[], None]) -> Callable[[], None]:
    """Apply until attempts are used up."""

    def die() -> None:
        left = 1
        while left:
            apply_line()
            with database.transaction() as connection:
                left = connection.execute(
                    text("UPDATE operations SET available_at = NULL WHERE status = 'queued'")
                ).rowcount

    return die


def test_an_accepted_operation_can_be_read_at_once(
    client: Any, adjust: Callable[..., Any], apply_line: Callable[[], None]
) -> None:
    accepted = adjust(headers={"X-Request-ID": "till-7"})
    assert accepted.status_code == 202
    operation = accepted.json
    assert operation["status"] == "queued"
    assert operation["requestId"] == "till-7"
    assert operation["resource"]["type"] == "product"
    assert accepted.headers["Location"] == f"/api/operations/{operation['id']}"
    read = client.get(accepted.headers["Location"]).json
    payload = read.pop("payload")
    assert (payload["quantity"], payload["dryRun"]) == (5, False)
    assert read.pop("retriedBy") is None
    assert read.pop("productName") == client.get("/api/operations").json["items"][0]["productName"]
    assert read == operation
    apply_line()
    ended = client.get(accepted.headers["Location"]).json
    assert (ended["status"], ended["result"]["stock"], ended["attempts"]) == ("succeeded", 5, 1)
    assert ended["finishedAt"] > ended["createdAt"]


def test_a_refusal_says_why(
    client: Any, adjust: Callable[..., Any], apply_line: Callable[[], None]
) -> None:
    accepted = adjust(fields={"type": "decrement"})
    apply_line()
    error = client.get(accepted.headers["Location"]).json["error"]
    assert error["type"] == "/docs/problems/insufficient-stock"
    assert (error["available"], error["requested"]) == (0, 5)


def test_a_dry_run_writes_nothing(
    client: Any, adjust: Callable[..., Any], apply_line: Callable[[], None], database: Database
) -> None:
    accepted = adjust(path="?dryRun=true")
    apply_line()
    assert client.get(accepted.headers["Location"]).json["result"]["dryRun"] is True
    with database.transaction() as connection:
        assert connection.execute(text("SELECT count(*) FROM stock_movements")).scalar() == 0


def test_the_stock_as_of_a_time_comes_from_the_ledger(
    client: Any, adjust: Callable[..., Any], apply_line: Callable[[], None]
) -> None:
    moments = []
    for quantity in (5, 7):
        accepted = adjust(quantity)
        apply_line()
        moments.append(client.get(accepted.headers["Location"]).json["finishedAt"])
    product_id = accepted.json["resource"]["id"]
    path = f"/api/inventory/stock/{product_id}"
    assert client.get(path, query_string={"at": moments[0]}).json["stock"] == 5
    assert client.get(path, query_string={"at": moments[1]}).json["stock"] == 12
    assert client.get(path, query_string={"at": "2020-01-01T00:00:00Z"}).json["stock"] == 0
    assert client.get(path, query_string={"at": "yesterday"}).status_code == 422


def test_lists_are_filtered_and_paged_without_gap_or_repeat(
    client: Any, adjust: Callable[..., Any], apply_line: Callable[[], None]
) -> None:
    ids = [adjust(number + 1).json["id"] for number in range(7)]
    apply_line()
    queued = adjust().json["id"]
    assert [o["id"] for o in client.get("/api/operations?status=queued").json["items"]] == [queued]
    seen, cursor = [], None
    while True:
        query = {"limit": 3, "status": "succeeded", "kind": "adjust-stock"}
        page = client.get(
            "/api/operations", query_string=query | ({"cursor": cursor} if cursor else {})
        ).json
        seen += [operation["id"] for operation in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]
    assert client.get("/api/operations?kind=create-order").json["items"] == []
    assert client.get("/api/operations?status=lost").status_code == 422


def test_an_idempotency_key_makes_one_operation_and_tells_how_it_stands(
    client: Any, adjust: Callable[..., Any], apply_line: Callable[[], None]
) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    first = adjust(headers=headers)
    assert "Idempotent-Replayed" not in first.headers
    again = adjust(headers=headers)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert again.json["id"] == first.json["id"]
    apply_line()
    assert adjust(headers=headers).json["status"] == "succeeded"
    assert len(client.get("/api/operations").json["items"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "changed"),
    [
        ("POST", "/api/inventory/adjust", {"quantity": 6}),
        ("POST", "/api/inventory/adjust?dryRun=true", {}),
        ("POST", "/api/inventory/counts", {}),
    ],
)
def test_the_same_key_with_another_request_is_refused(
    client: Any, adjust: Callable[..., Any], method: str, path: str, changed: dict[str, Any]
) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    first = adjust(headers=headers)
    body = {"productId": first.json["resource"]["id"], "quantity": 5, "type": "increment"}
    if path.endswith("counts"):
        body = {"productId": body["productId"], "counted": 5, "reason": "count"}
    other = client.open(method, path, json=body | changed, headers=headers)
    assert other.status_code == 422
    assert other.json["type"] == "/docs/problems/idempotency-key-reused"


def test_a_key_of_another_client_is_another_key(
    client: Any,
    adjust: Callable[..., Any],
    client_with: Callable[..., Any],
    make_key: Callable[..., str],
) -> None:
    headers = {"Idempotency-Key": "order-1"}
    first = adjust(headers=headers)
    body = {"productId": first.json["resource"]["id"], "quantity": 5, "type": "increment"}
    other = client_with(make_key()).post("/api/inventory/adjust", json=body, headers=headers)
    assert other.status_code == 202
    assert other.json["id"] != first.json["id"]


def test_what_failed_is_not_remembered(client: Any, product: Callable[..., str]) -> None:
    headers = {"Idempotency-Key": "later"}
    body = {"productId": str(uuid4()), "quantity": 5, "type": "increment"}
    assert client.post("/api/inventory/adjust", json=body, headers=headers).status_code == 422
    body["productId"] = product()
    assert client.post("/api/inventory/adjust", json=body, headers=headers).status_code == 202


def test_a_key_past_its_time_is_free_again(adjust: Callable[..., Any], database: Database) -> None:
    headers = {"Idempotency-Key": "old"}
    first = adjust(headers=headers)
    with database.transaction() as connection:
        connection.execute(
            text("UPDATE idempotency_keys SET created_at = created_at - interval '25 h'")
        )
    second = adjust(6, headers=headers)
    assert second.status_code == 202
    assert second.json["id"] != first.json["id"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ä"])
def test_a_key_that_is_none_is_named(adjust: Callable[..., Any], key: str) -> None:
    response = adjust(headers={"Idempotency-Key": key})
    assert response.status_code == 422
    assert response.json["errors"][0]["pointer"] == "Idempotency-Key"


def test_a_preference_that_says_nothing_is_ignored(adjust: Callable[..., Any]) -> None:
    for preference in ("wait", "wait=soon", "return=minimal", "waiting=3", "wait=-1"):
        response = adjust(headers={"Prefer": preference})
        assert response.status_code == 202
        assert "Preference-Applied" not in response.headers


def test_waiting_gives_up_after_its_time(adjust: Callable[..., Any]) -> None:
    response = adjust(headers={"Prefer": "respond-async, wait=0"})
    assert (response.status_code, response.json["status"]) == (202, "queued")
    assert response.headers["Preference-Applied"] == "wait=0"


def test_waiting_for_what_has_ended_answers_with_the_end(
    adjust: Callable[..., Any], apply_line: Callable[[], None]
) -> None:
    headers = {"Idempotency-Key": "k", "Prefer": "wait=99"}
    refused = {"Idempotency-Key": "r", "Prefer": "wait=5"}
    adjust(headers={"Idempotency-Key": "k"})
    adjust(10, headers={"Idempotency-Key": "r"}, fields={"type": "decrement"})
    apply_line()
    done = adjust(headers=headers)
    assert (done.status_code, done.json["status"]) == (200, "succeeded")
    assert done.headers["Preference-Applied"] == "wait=30"
    problem = adjust(10, headers=refused, fields={"type": "decrement"})
    assert problem.status_code == 409
    assert problem.content_type == "application/problem+json"
    assert problem.json["operationId"]
    assert problem.json["available"] == 5


def test_a_dead_operation_is_tried_again_once(
    client: Any,
    adjust: Callable[..., Any],
    let_die: Callable[[], None],
    apply_line: Callable[[], None],
    broken_adjustments: dict[str, bool],
) -> None:
    dead = adjust(headers={"Idempotency-Key": "k"}).json["id"]
    let_die()
    assert [o["id"] for o in client.get("/api/operations?status=dead").json["items"]] == [dead]
    waited = adjust(headers={"Idempotency-Key": "k", "Prefer": "wait=1"})
    assert (waited.status_code, waited.json["type"]) == (500, "/docs/problems/operation-dead")

    broken_adjustments["on"] = False
    again = client.post(f"/api/operations/{dead}/retry")
    assert (again.status_code, again.json["retryOf"]) == (202, dead)
    apply_line()
    assert client.get(again.headers["Location"]).json["status"] == "succeeded"
    stays = client.get(f"/api/operations/{dead}").json
    assert (stays["status"], stays["retriedBy"]) == ("dead", again.json["id"])
    listed = client.get("/api/operations").json["items"]
    assert {one["id"]: one["retriedBy"] for one in listed} == {
        dead: again.json["id"],
        again.json["id"]: None,
    }
    twice = client.post(f"/api/operations/{dead}/retry")
    assert (twice.status_code, twice.json["type"]) == (409, "/docs/problems/already-retried")
    alive = client.post(f"/api/operations/{again.json['id']}/retry")
    assert (alive.status_code, alive.json["type"]) == (409, "/docs/problems/not-dead")
    assert client.post(f"/api/operations/{uuid4()}/retry").status_code == 404


def test_all_dead_of_a_kind_are_tried_again(
    client: Any,
    adjust: Callable[..., Any],
    let_die: Callable[[], None],
    apply_line: Callable[[], None],
    broken_adjustments: dict[str, bool],
) -> None:
    dead = [adjust(number + 1).json["id"] for number in range(3)]
    let_die()
    broken_adjustments["on"] = False
    made = client.post("/api/operations/retry", json={"kind": "adjust-stock"})
    assert made.status_code == 202
    assert [one["retryOf"] for one in made.json["items"]] == dead
    again = client.post("/api/operations/retry", json={"kind": "adjust-stock"})
    assert again.json["items"] == []
    apply_line()
    product_id = made.json["items"][0]["resource"]["id"]
    assert client.get(f"/api/inventory/stock/{product_id}").json["stock"] == 6
    assert client.post("/api/operations/retry", json={"kind": "nothing"}).status_code == 422


def test_two_that_retry_a_kind_at_once_do_not_meet(
    client: Any,
    adjust: Callable[..., Any],
    let_die: Callable[[], None],
    broken_adjustments: dict[str, bool],
    database: Database,
) -> None:
    dead = [adjust(number + 1).json["id"] for number in range(3)]
    let_die()
    broken_adjustments["on"] = False

    def retry() -> Any:
        return client.post("/api/operations/retry", json={"kind": "adjust-stock"})

    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            assert len(operations.dead_of_kind(connection, "adjust-stock", 500)) == 3
            second = pool.submit(retry)
            wait_until(lambda: _waiting_for_locks(database) == 1)
            command = operations.command_of(connection, UUID(dead[0]))
            assert command is not None
            record(connection, decode(*command), retry_of=UUID(dead[0]))
        answer = second.result()
    assert answer.status_code == 202, answer.text
    assert [one["retryOf"] for one in answer.json["items"]] == dead[1:]


def test_one_that_is_retried_beside_all_of_its_kind_does_not_stop_the_line(
    client: Any,
    adjust: Callable[..., Any],
    let_die: Callable[[], None],
    broken_adjustments: dict[str, bool],
    database: Database,
) -> None:
    dead = adjust().json["id"]
    let_die()
    broken_adjustments["on"] = False
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            operations.dead_of_kind(connection, "adjust-stock", 500)
            single = pool.submit(client.post, f"/api/operations/{dead}/retry")
            wait_until(lambda: _waiting_for_locks(database) == 1)
            # Each batch of the line takes this.
            with database.transaction() as line:
                free = "SELECT 1 FROM streams WHERE name = 'system' FOR UPDATE NOWAIT"
                assert line.exec_driver_sql(free).scalar() == 1
            tell_retried(connection, [UUID(dead)])
        answer = single.result()
    assert answer.status_code == 202, answer.text


def _waiting_for_locks(database: Database) -> int:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    waiting += " AND datname = current_database()"
    with database.transaction() as connection:
        return int(connection.exec_driver_sql(waiting).scalar_one())


def test_a_dead_operation_that_cannot_be_read_holds_up_no_other(
    client: Any,
    database: Database,
    adjust: Callable[..., Any],
    let_die: Callable[[], None],
    broken_adjustments: dict[str, bool],
) -> None:
    broken, whole = (adjust(number + 1).json["id"] for number in range(2))
    let_die()
    with database.transaction() as connection:
        spoil = text("""UPDATE operations SET payload = '{"of": "long ago"}' WHERE id = :id""")
        connection.execute(spoil, {"id": broken})
    made = client.post("/api/operations/retry", json={"kind": "adjust-stock"})
    assert made.status_code == 202
    assert [one["retryOf"] for one in made.json["items"]] == [whole]
    assert [one["id"] for one in made.json["leftOut"]] == [broken]
    assert "cannot be read" in made.json["leftOut"][0]["detail"]


def test_trying_again_is_for_admins(
    client_with: Callable[..., Any], make_key: Callable[..., str]
) -> None:
    writer = client_with(make_key(["write"]))
    assert writer.post(f"/api/operations/{uuid4()}/retry").status_code == 403

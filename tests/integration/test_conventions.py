"""What is true of every route: who may, how errors look, what bad input gets."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg2  # type: ignore[import-untyped]
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from structlog import get_logger
from structlog.testing import capture_logs

from db.session import Database
from tests.factories.shop import new_products
from web import errors
from web.app import create_web

NOBODY = "01900000-0000-7000-8000-000000000000"

BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/api/pms/products"): {
        "name": "Mug",
        "description": "d",
        "price": 1,
        "categoryId": "c",
        "images": [],
    },
    ("PATCH", f"/api/pms/products/{NOBODY}"): {"name": "Mug"},
    ("PUT", f"/api/pms/products/{NOBODY}/publish"): {"status": "published"},
    ("POST", "/api/inventory/adjust"): {"productId": NOBODY, "quantity": 1, "type": "increment"},
    ("POST", "/api/inventory/counts"): {"productId": NOBODY, "counted": 1, "reason": "count"},
    ("POST", "/api/pms/orders"): {
        "items": [{"productId": NOBODY, "quantity": 1}],
        "customerId": "c",
        "shippingAddress": "a",
    },
    ("PATCH", f"/api/pms/orders/{NOBODY}/status"): {"status": "confirmed"},
    ("POST", "/api/analytics/rollups"): {"startDate": "2026-01-01", "endDate": "2026-01-02"},
    ("POST", "/api/keys"): {"name": "k", "scopes": ["read"]},
}
READS = (
    "/api/products",
    f"/api/products/{NOBODY}",
    "/api/inventory/stock",
    f"/api/inventory/stock/{NOBODY}",
    f"/api/inventory/movements?productId={NOBODY}",
    "/api/inventory/alerts",
    "/api/pms/orders",
    f"/api/pms/orders/{NOBODY}",
    "/api/operations",
    f"/api/operations/{NOBODY}",
    f"/api/operations/{NOBODY}/refused",
    "/api/analytics/sales",
    "/api/analytics/inventory/metrics",
)
LISTS = (
    "/api/products",
    "/api/inventory/stock",
    "/api/inventory/movements",
    "/api/inventory/alerts",
    "/api/pms/orders",
    "/api/operations",
    "/api/keys",
)
writes = pytest.mark.parametrize(("method", "path"), list(BODIES))
reads = pytest.mark.parametrize("path", READS)


def check_problem(response: Any, status: int) -> dict[str, Any]:
    """A problem document, complete, and nothing of the machinery in it."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = response.json
    assert body["status"] == status
    assert {"type", "title", "detail", "instance", "requestId"} <= body.keys()
    assert body["requestId"] == response.headers["X-Request-ID"]
    assert "Traceback" not in response.text
    return body


def row_counts(database: Database) -> dict[str, int]:
    tables = ("products", "categories", "orders", "order_items", "operations", "events", "api_keys")
    with database.transaction() as connection:
        return {
            table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            for table in (*tables, "idempotency_keys")
        }


@reads
@pytest.mark.parametrize("secret", [None, "pms_unknown", "x" * 500, "\x7f"])
def test_no_key_no_answer(client_with: Callable[..., Any], path: str, secret: str | None) -> None:
    response = client_with(secret).get(path)
    body = check_problem(response, 401)
    assert body["type"] == "/docs/problems/unauthorized"
    assert response.headers["WWW-Authenticate"]


def test_a_refused_key_does_not_tell_why(
    client: Any, client_with: Callable[..., Any], make_key: Callable[..., str]
) -> None:
    made = client.post("/api/keys", json={"name": "k", "scopes": ["read"]}).json
    assert client.delete(f"/api/keys/{made['id']}").status_code == 204
    revoked = client_with(made["secret"]).get("/api/products")
    unknown = client_with("pms_unknown").get("/api/products")
    for response in (revoked, unknown):
        check_problem(response, 401)
    assert revoked.json["detail"] == unknown.json["detail"]


@writes
def test_a_read_key_may_not_write(
    client_with: Callable[..., Any], make_key: Callable[..., str], method: str, path: str
) -> None:
    reader = client_with(make_key(["read"]))
    body = check_problem(reader.open(method, path, json=BODIES[method, path]), 403)
    assert body["requiredScope"] in ("write", "admin")


def test_a_write_key_may_read_but_not_manage_keys(
    client_with: Callable[..., Any], make_key: Callable[..., str]
) -> None:
    writer = client_with(make_key(["write"]))
    assert writer.get("/api/products").status_code == 200
    check_problem(writer.get("/api/keys"), 403)


@writes
@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"a":' * 100_000, "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"{}", "application/x-www-form-urlencoded", 415),
        (b"{}", None, 415),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b'"x"', "application/json", 422),
        (b"NaN", "application/json", 422),
        (b"1" * 10_000, "application/json", 422),
        (b'{"\\ud800": "\\ud800"}', "application/json", 422),
        (b'{"unknown": 1}', "application/json", 422),
        (b'"' + b"x" * 2_000_000 + b'"', "application/json", 413),
    ],
)
def test_bodies_that_are_no_request(
    client: Any,
    database: Database,
    method: str,
    path: str,
    data: bytes,
    content_type: str | None,
    status: int,
) -> None:
    before = row_counts(database)
    response = client.open(
        method,
        path,
        data=data,
        content_type=content_type,
        headers={"Idempotency-Key": str(uuid4())},
    )
    check_problem(response, status)
    assert row_counts(database) == before


VALUES: list[Any] = [
    None,
    True,
    -1,
    0.5,
    10**30,
    -(10**30),
    "1",
    "",
    " ",
    "a\x00b",
    "x" * 30_000,
    [],
    [[]],
    {},
    {"a": 1},
    [None],
]


@writes
@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_wrong_values_are_named_and_leave_nothing(
    client: Any, database: Database, method: str, path: str, value: Any
) -> None:
    good = BODIES[method, path]
    for name in good:
        before = row_counts(database)
        response = client.open(method, path, json={**good, name: value})
        assert response.status_code < 500, response.text
        if response.status_code == 422:
            body = check_problem(response, 422)
            assert body["errors"]
            assert all(error["pointer"].startswith("/") for error in body["errors"])
            assert row_counts(database) == before


@writes
@pytest.mark.parametrize(
    "literal",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "1" * 400,
        "1e99999999999999999999",
        "1e-9999999999999999999",
    ],
)
def test_numbers_that_are_none(client: Any, method: str, path: str, literal: str) -> None:
    good = BODIES[method, path]
    for name in good:
        sent = json.dumps({**good, name: "@"}).replace('"@"', literal)
        response = client.open(method, path, data=sent, content_type="application/json")
        check_problem(response, 422)


@writes
def test_missing_and_unknown_fields_are_all_named(client: Any, method: str, path: str) -> None:
    body = check_problem(client.open(method, path, json={"surprise": 1}), 422)
    pointers = {error["pointer"] for error in body["errors"]}
    assert "/surprise" in pointers
    unnamed = len(pointers) - 5
    assert (f" and {unnamed} more." in body["detail"]) == (unnamed > 0)
    if method == "POST":
        assert len(pointers) > 1


def test_a_route_without_parameters_takes_none(app: Any, client: Any, database: Database) -> None:
    """What is asked in vain, such as a dry run, must not be done after all."""
    before = row_counts(database)
    for rule in app.url_map.iter_rules():
        path = re.sub("<[^>]*>", NOBODY, rule.rule)
        if path.startswith("/api/"):
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                sent = BODIES.get((method, path))
                response = client.open(method, f"{path}?surprise=1&other=%20", json=sent)
                body = check_problem(response, 422)
                names = [error["pointer"] for error in body["errors"]]
                assert {"?surprise", "?other"} <= set(names), (method, path)
    assert row_counts(database) == before
    assert client.get(f"/api/products/{NOBODY}?").status_code == 404
    assert client.open("OPTIONS", "/api/pms/products?surprise=1").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PATCH", f"/api/pms/products/{NOBODY}", 404),
        ("PUT", f"/api/pms/products/{NOBODY}/publish", 404),
        ("PATCH", f"/api/pms/orders/{NOBODY}/status", 404),
        ("POST", "/api/inventory/adjust", 422),
        ("POST", "/api/inventory/counts", 422),
        ("POST", "/api/pms/orders", 422),
    ],
)
def test_unknown_things(
    client: Any, database: Database, method: str, path: str, status: int
) -> None:
    before = row_counts(database)
    body = check_problem(client.open(method, path, json=BODIES[method, path]), status)
    if status == 422:
        assert body["errors"][0]["pointer"].endswith("/productId")
    assert row_counts(database) == before


@pytest.mark.parametrize(
    "path",
    [
        "/api/nothing",
        "/api/products/1",
        "/api/products/%00",
        "/api/products/../../etc/passwd",
        f"/api/products/{NOBODY}",
        f"/api/inventory/stock/{NOBODY}",
        f"/api/pms/orders/{NOBODY}",
        f"/api/operations/{NOBODY}",
        f"/api/inventory/movements?productId={NOBODY}",
        "/nothing",
    ],
)
def test_what_is_not_there_is_not_found(client: Any, path: str) -> None:
    problem = check_problem(client.get(path), 404)
    assert "There is n" in problem["detail"], "in words of this service"


@pytest.mark.parametrize("path", ["/api/inventory/adjust", "/api/products", "/health"])
def test_a_wrong_method_is_told_the_right_ones(client: Any, path: str) -> None:
    response = client.delete(path)
    check_problem(response, 405)
    assert response.headers["Allow"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=1.0",
        "limit=%D9%A3",
        "limit=1&limit=2",
        "cursor=x",
        "cursor=%00",
        "cursor=W10",
        "cursor=" + "a" * 3000,
        "surprise=1",
    ],
)
def test_wrong_queries_are_named(client: Any, path: str, query: str) -> None:
    body = check_problem(client.get(f"{path}?{query}"), 422)
    assert body["errors"][0]["pointer"] == "?" + query.split("=")[0]


@pytest.mark.parametrize("path", LISTS)
def test_lists_have_items_and_a_cursor(client: Any, path: str) -> None:
    found = client.get(path)
    assert found.status_code == 200
    assert found.json.keys() == {"items", "nextCursor"}


def test_a_page_has_fifty_unless_told_otherwise(client: Any, database: Database) -> None:
    new_products(database, 101)
    sizes = []
    for query in ("", "?limit=1", "?limit=100"):
        found = client.get(f"/api/products{query}").json
        sizes.append(len(found["items"]))
        assert isinstance(found["nextCursor"], str)
    assert sizes == [50, 1, 100]


def test_identifiers_are_uuids_that_grow_with_time(
    client: Any, product: Callable[..., str]
) -> None:
    mug = product()
    order = {"items": [{"productId": mug, "quantity": 1}], "customerId": "c"}
    accepted = client.post("/api/pms/orders", json={**order, "shippingAddress": "a"}).json
    key = client.post("/api/keys", json=BODIES["POST", "/api/keys"]).json["id"]
    made = client.get("/api/products").headers["X-Request-ID"]
    found = [UUID(one) for one in (mug, accepted["id"], accepted["orderId"], key, made)]
    assert [one.version for one in found] == [7] * 5


def test_a_request_id_is_taken_or_made(client: Any) -> None:
    assert (
        client.get("/api/products", headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"]
        == "abc-1"
    )
    for bad in ("a b", "x" * 200, "é"):
        made = client.get("/api/products", headers={"X-Request-ID": bad}).headers["X-Request-ID"]
        assert made not in ("", bad)


def test_limits_are_told_on_every_answer_and_held(
    client_with: Callable[..., Any], make_key: Callable[..., str]
) -> None:
    limited = client_with(make_key(["read"], rate="3/minute"))
    for left in (2, 1, 0):
        response = limited.get("/api/products")
        assert response.status_code == 200
        assert response.headers["RateLimit-Limit"] == "3"
        assert response.headers["RateLimit-Remaining"] == str(left)
        assert 0 <= int(response.headers["RateLimit-Reset"]) <= 60
    response = limited.get("/api/inventory/alerts")
    check_problem(response, 429)
    assert int(response.headers["Retry-After"]) >= 1
    # Another key is another client.
    assert client_with(make_key(["read"])).get("/api/products").status_code == 200


def test_the_default_limit_is_100_a_minute(
    client_with: Callable[..., Any], make_key: Callable[..., str]
) -> None:
    response = client_with(make_key(["read"], rate=None)).get("/api/products")
    assert response.headers["RateLimit-Limit"] == "100"


def test_those_without_a_key_are_counted_by_their_address(client_with: Callable[..., Any]) -> None:
    stranger = client_with("pms_guess")
    answers = [stranger.get("/api/products").status_code for _ in range(102)]
    assert set(answers[:100]) == {401}
    assert answers[-1] == 429


@pytest.mark.parametrize(
    "path", ["/health", "/docs", "/docs/files/docs.css", "/openapi.json", "/nothing"]
)
def test_what_is_not_counted_says_that_nothing_is_used(
    client_with: Callable[..., Any], make_key: Callable[..., str], path: str
) -> None:
    limited = client_with(make_key(["read"], rate="3/minute"))
    for _ in range(5):
        headers = limited.get(path).headers
        assert [
            headers.getlist(f"RateLimit-{name}") for name in ("Limit", "Remaining", "Reset")
        ] == [
            ["100"],
            ["100"],
            ["0"],
        ]
        assert "Retry-After" not in headers


def test_money_is_told_to_the_cent(
    client: Any, product: Callable[..., str], apply_line: Callable[[], None]
) -> None:
    dear = product(stock=1_000_000_000, price=999_999_999_999.99)
    product(stock=1, price=0.01)
    apply_line()
    for hit in ("miss", "hit"):
        found = client.get(f"/api/products/{dear}")
        assert '"price":999999999999.99,' in found.text
        assert found.headers["X-Cache"] in (hit, "miss")
    assert '"price":999999999999.99,' in client.get("/api/products").text
    metrics = client.get("/api/analytics/inventory/metrics").text
    assert '"stockValue":999999999999990000000.01,' in metrics
    for _ in range(2):
        item = {"productId": dear, "quantity": 1}
        order = {"items": [item], "customerId": "c", "shippingAddress": "a"}
        assert client.post("/api/pms/orders", json=order).status_code == 202
    apply_line()
    assert '"total":999999999999.99,' in client.get("/api/pms/orders").text
    sales = client.get("/api/analytics/sales?compareTo=previous").text
    assert '"revenue":1999999999999.98,' in sales
    assert '"difference":1999999999999.98,' in sales


def test_a_price_is_read_to_the_cent(client: Any) -> None:
    def create(price: str, key: str = "") -> Any:
        sent = json.dumps({**BODIES["POST", "/api/pms/products"], "price": "@"})
        return client.post(
            "/api/pms/products",
            data=sent.replace('"@"', price),
            content_type="application/json",
            headers={"Idempotency-Key": key} if key else {},
        )

    for _ in range(2):
        assert '"price":123456789012.34,' in create("123456789012.34", "once").text
    assert '"price":123456789012.30,' in create("123456789012.3000000000000000").text
    for more in ("123456789012.340000000000000001", "0.010000000000000000000000000000001"):
        check_problem(create(more), 422)


def test_only_who_asks_for_it_waits(
    client: Any, app: Any, product: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiters = app.extensions["pms"].waiters
    registered: list[Any] = []
    register = waiters.register
    monkeypatch.setattr(
        waiters, "register", lambda operation_id: registered.append(1) or register(operation_id)
    )
    body = {"productId": product(), "quantity": 1, "type": "increment"}
    assert client.post("/api/inventory/adjust", json=body).status_code == 202
    assert not registered
    headers = {"Prefer": "wait=0"}
    found = client.post("/api/inventory/adjust", json=body, headers=headers)
    assert (found.status_code, found.headers["Preference-Applied"]) == (202, "wait=0")
    assert registered


def test_the_documents_need_no_key(client_with: Callable[..., Any]) -> None:
    response = client_with(None).get("/openapi.json")
    assert response.status_code == 200
    assert response.json["openapi"].startswith("3.1")
    assert client_with(None).get("/health").status_code in (200, 503)


@pytest.mark.usefixtures("frozen_redis")
def test_a_frozen_redis_costs_no_request_and_no_header(make_key: Callable[..., str]) -> None:
    # An application of its own: its limiter remembers for a while that Redis was away.
    mine = create_web("threading").app.test_client()
    for _ in range(3):
        response = mine.get("/api/inventory/alerts", headers={"X-API-Key": make_key()})
        assert response.status_code == 200
        assert len(response.headers.getlist("RateLimit-Remaining")) == 1
        assert response.headers["RateLimit-Limit"] == "1000000"


def test_an_exception_outside_of_the_routes_is_a_problem_too(
    client: Any, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(response: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setitem(app.after_request_funcs, None, [broken])
    response = client.get("/api/products")
    assert response.status_code == 500
    assert response.json["type"] == "/docs/problems/internal-error"
    assert "a bug" not in response.text


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/nope"), ("DELETE", "/api/pms/products"), ("GET", "/api/products/x")],
)
def test_what_is_not_found_counts_too(
    client_with: Callable[..., Any], make_key: Callable[..., str], method: str, path: str
) -> None:
    limited = client_with(make_key(["read"], rate="2/minute"))
    assert [limited.open(method, path).headers["RateLimit-Remaining"] for _ in "12"] == ["1", "0"]
    check_problem(limited.open(method, path), 429)


def test_before_the_migration_nothing_is_lost_and_the_log_says_what_to_do(
    client: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One that was used before is kept as it is, and writes past those who listen.
    monkeypatch.setattr(errors, "log", get_logger())

    def rename(old: str, new: str) -> None:
        with database.transaction() as connection:
            connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    rename("orders", "orders_of_tomorrow")
    try:
        with capture_logs() as logs:
            problem = check_problem(client.get("/api/pms/orders"), 503)
    finally:
        rename("orders_of_tomorrow", "orders")
    assert problem["type"] == "/docs/problems/unavailable"
    (told,) = (log for log in logs if log["event"] == "database_not_migrated")
    assert "pms migrate" in told["remedy"]
    assert client.get("/api/pms/orders").status_code == 200


LOST = psycopg2.OperationalError("the connection is gone")


class Between(psycopg2.OperationalError):  # type: ignore[misc]
    """What who stands between says when it has lost the server."""

    pgcode = "08P01"


class Overdue(psycopg2.OperationalError):  # type: ignore[misc]
    """What the server says to a statement that took too long."""

    pgcode = "57014"


def fail_with(error: Exception) -> Callable[..., None]:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "is_known"),
    [
        (OperationalError("EXECUTE", None, LOST), False),
        (OperationalError("EXECUTE", None, Between()), False),
        (OperationalError("EXECUTE", None, Overdue()), True),
        (OperationalError(None, None, LOST, connection_invalidated=True), False),
        (OperationalError(None, None, LOST), True),  # no connection could be made
        (PoolTimeout("no connection is free"), True),
    ],
)
def test_what_may_have_been_done_is_not_called_undone(
    client: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, is_known: bool
) -> None:
    monkeypatch.setattr("db.queries.acceptance.accept", fail_with(error))
    for method, path in (("POST", "/api/inventory/adjust"), ("POST", "/api/pms/orders")):
        answer = client.open(method, path, json=BODIES[method, path])
        found = check_problem(answer, 503)
        assert answer.headers["Retry-After"]
        assert ("nothing was done" in found["detail"]) == is_known
        assert found.get("outcome") == (None if is_known else "unknown")


@pytest.mark.parametrize(
    ("what", "error", "is_known"),
    [
        ("db.queries.products.insert", OperationalError("INSERT", None, LOST), True),
        ("db.queries.products.insert", OperationalError("BEGIN", None, LOST), True),
        # The commit itself.
        (
            "db.queries.products.insert",
            OperationalError(None, None, LOST, connection_invalidated=True),
            False,
        ),
        ("web.auth.keyring.find", OperationalError("SELECT", None, LOST), True),
        ("db.queries.products.prices", OperationalError("SELECT", None, LOST), True),
    ],
)
def test_what_was_never_committed_is_called_undone(
    client: Any, monkeypatch: pytest.MonkeyPatch, what: str, error: Exception, is_known: bool
) -> None:
    monkeypatch.setattr(what, fail_with(error))
    path = "/api/pms/orders" if what.endswith("prices") else "/api/pms/products"
    found = check_problem(client.post(path, json=BODIES["POST", path]), 503)
    assert ("nothing was done" in found["detail"]) == is_known
    assert found.get("outcome") == (None if is_known else "unknown")


def test_what_takes_too_long_to_read_is_not_called_an_absence(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "db.queries.operations.page", fail_with(OperationalError("SELECT", None, Overdue()))
    )
    found = check_problem(client.get("/api/operations?status=failed"), 503)
    assert "took too long" in found["detail"]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/api/inventory/alerts", [NOBODY]),
        ("/api/system/alerts", [NOBODY]),
        ("/api/products?sort=createdAt", [NOBODY]),
    ],
)
def test_an_offset_that_no_database_knows_is_a_moment_all_the_same(
    client: Any, path: str, place: list[str]
) -> None:
    for moment, status in (("2026-01-01T00:00:00+23:59", 200), ("0001-01-01T00:00:00+01:00", 422)):
        values = ["createdAt", moment, *place] if "sort" in path else [moment, *place]
        cursor = base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")
        answer = client.get(f"{path}{'&' if '?' in path else '?'}cursor={cursor}")
        assert answer.status_code == status, answer.text

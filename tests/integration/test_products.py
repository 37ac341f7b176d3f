"""Products over HTTP: written at once, versioned, told, listed."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from redis import Redis
from redis.client import PubSub
from sqlalchemy import text

from db.session import Database
from workers.broadcast import channel

UNKNOWN = "0198c0de-0000-7000-8000-000000000000"
MUG = {
    "name": "Mug",
    "description": "Holds coffee.",
    "price": 9.5,
    "categoryId": "kitchen",
    "images": ["https://img.example/mug.jpg"],
}


def rows(database: Database, statement: str) -> list[Any]:
    """What the database holds."""
    with database.transaction() as connection:
        return list(connection.execute(text(statement)))


def together(calls: list[Callable[[], Any]]) -> list[Any]:
    """The answers of calls that are made at the same moment."""
    barrier = threading.Barrier(len(calls))
    found: list[Any] = [None] * len(calls)

    def run(index: int, call: Callable[[], Any]) -> None:
        barrier.wait()
        found[index] = call()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def pointers(answer: Any) -> set[str]:
    """The bad fields that a 422 names."""
    assert answer.status_code == 422, answer.text
    assert answer.content_type == "application/problem+json"
    return {error["pointer"] for error in answer.json["errors"]}


class TestCreate:
    def test_a_product_begins_as_a_draft(self, client: Any) -> None:
        made = client.post("/api/pms/products", json=MUG)
        assert made.status_code == 201
        body = dict(made.json)
        assert made.headers["Location"] == f"/api/products/{body['id']}"
        assert made.headers["ETag"] == '"1"'
        assert body.pop("createdAt") == body.pop("updatedAt")
        body.pop("id")
        assert body == MUG | {
            "sku": None,
            "status": "draft",
            "lowStockThreshold": 5,
            "version": 1,
        }
        assert client.get(made.headers["Location"]).json == made.json

    def test_it_is_told_and_has_an_empty_stock(self, client: Any, database: Database) -> None:
        made = client.post("/api/pms/products", json=MUG).json
        [event] = rows(database, "SELECT stream, position, name, data FROM events")
        assert event == (
            f"product:{made['id']}",
            1,
            "product_update",
            {
                "productId": made["id"],
                "status": "draft",
                "version": 1,
                "updatedAt": made["updatedAt"],
            },
        )
        assert rows(database, "SELECT on_hand, ever_stocked FROM stock_levels") == [(0, False)]
        # A draft that never had stock deserves no alert: nothing to look at.
        assert rows(database, "SELECT kind FROM operations") == []

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"name": ""}, "/name"),
            ({"name": "x" * 201}, "/name"),
            ({"name": "a\x00b"}, "/name"),
            ({"name": 5}, "/name"),
            ({"name": None}, "/name"),
            ({"description": "x" * 20_001}, "/description"),
            ({"price": -0.01}, "/price"),
            ({"price": 1.005}, "/price"),
            ({"price": "9.50"}, "/price"),
            ({"price": 10**12}, "/price"),
            ({"categoryId": ""}, "/categoryId"),
            ({"images": "one"}, "/images"),
            ({"images": ["x"] * 51}, "/images"),
            ({"images": ["x", "y" * 2_001]}, "/images/1"),
            ({"sku": ""}, "/sku"),
            ({"lowStockThreshold": -1}, "/lowStockThreshold"),
            ({"lowStockThreshold": 1_000_000_001}, "/lowStockThreshold"),
            ({"lowStockThreshold": 1.5}, "/lowStockThreshold"),
            ({"lowStockThreshold": None}, "/lowStockThreshold"),
            ({"stock": 5}, "/stock"),
        ],
    )
    def test_a_bad_field_is_named(self, client: Any, change: dict[str, Any], pointer: str) -> None:
        answer = client.post("/api/pms/products", json=MUG | change)
        assert pointers(answer) == {pointer}

    def test_every_missing_field_is_named(self, client: Any) -> None:
        answer = client.post("/api/pms/products", json={})
        assert pointers(answer) == {f"/{name}" for name in MUG}

    @pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400"])
    def test_no_number_but_a_number_is_a_price(self, client: Any, literal: str) -> None:
        body = orjson.dumps(MUG).replace(b"9.5", literal.encode())
        answer = client.post("/api/pms/products", data=body, content_type="application/json")
        assert pointers(answer) == {"/price"}

    def test_text_that_no_utf8_can_carry_is_refused(self, client: Any) -> None:
        body = orjson.dumps(MUG).replace(b"Mug", rb"\ud800")
        answer = client.post("/api/pms/products", data=body, content_type="application/json")
        assert pointers(answer) == {"/name"}

    def test_a_taken_sku_is_refused_and_leaves_nothing(
        self, client: Any, database: Database
    ) -> None:
        assert client.post("/api/pms/products", json=MUG | {"sku": "M-1"}).status_code == 201
        again = client.post(
            "/api/pms/products", json=MUG | {"sku": "M-1", "categoryId": "elsewhere"}
        )
        assert again.status_code == 409
        assert again.json["type"].endswith("/sku-taken")
        assert again.json["title"] == "SKU taken"
        assert [error["pointer"] for error in again.json["errors"]] == ["/sku"]
        assert rows(database, "SELECT id FROM categories") == [("kitchen",)]

    def test_of_many_with_one_sku_one_is_made(
        self, client: Any, client_with: Any, make_key: Callable[..., str], database: Database
    ) -> None:
        secret = make_key()
        call = lambda: client_with(secret).post("/api/pms/products", json=MUG | {"sku": "S"})  # noqa: E731
        statuses = sorted(found.status_code for found in together([call] * 8))
        assert statuses == [201] + [409] * 7


class TestChange:
    def test_what_is_given_changes_and_nothing_else(
        self, client: Any, product: Callable[..., str]
    ) -> None:
        product_id = product(sku="M-1")
        before = client.get(f"/api/products/{product_id}").json
        changed = client.patch(
            f"/api/pms/products/{product_id}", json={"price": 11, "images": ["a", "b"]}
        )
        assert changed.status_code == 200
        assert changed.headers["ETag"] == '"2"'
        after = before | {"price": 11, "images": ["a", "b"], "version": 2}
        assert changed.json == after | {"updatedAt": changed.json["updatedAt"]}
        assert changed.json["updatedAt"] > before["updatedAt"]
        assert client.get(f"/api/products/{product_id}").json == changed.json

    @pytest.mark.parametrize(
        "patch", [{}, {"name": "Mug"}, {"price": 9.50}, {"images": [], "sku": None}]
    )
    def test_what_changes_nothing_is_no_version(
        self, client: Any, product: Callable[..., str], database: Database, patch: dict[str, Any]
    ) -> None:
        product_id = product()
        answer = client.patch(f"/api/pms/products/{product_id}", json=patch)
        assert (answer.status_code, answer.json["version"]) == (200, 1)
        assert rows(database, "SELECT count(*) FROM events") == [(1,)]

    def test_null_takes_the_sku_away_and_nothing_else(
        self, client: Any, product: Callable[..., str]
    ) -> None:
        path = f"/api/pms/products/{product(sku='M-1')}"
        assert client.patch(path, json={"sku": None}).json["sku"] is None
        fields = ("name", "description", "price", "categoryId", "images", "lowStockThreshold")
        answer = client.patch(path, json=dict.fromkeys(fields))
        assert pointers(answer) == {f"/{name}" for name in fields}

    def test_the_status_is_not_a_field_to_patch(
        self, client: Any, product: Callable[..., str]
    ) -> None:
        answer = client.patch(f"/api/pms/products/{product()}", json={"status": "published"})
        assert pointers(answer) == {"/status"}

    def test_a_taken_sku_is_refused(self, client: Any, product: Callable[..., str]) -> None:
        product(sku="M-1")
        other = product(sku="M-2")
        answer = client.patch(f"/api/pms/products/{other}", json={"sku": "M-1"})
        assert answer.status_code == 409
        assert client.get(f"/api/products/{other}").json["version"] == 1

    def test_publishing_once_more_changes_nothing(
        self, client: Any, product: Callable[..., str], database: Database
    ) -> None:
        path = f"/api/pms/products/{product()}/publish"
        first = client.put(path, json={"status": "published"})
        assert (first.status_code, first.json["status"]) == (200, "published")
        assert first.headers["ETag"] == '"2"'
        again = client.put(path, json={"status": "published"})
        assert (again.status_code, again.json) == (200, first.json)
        assert rows(database, "SELECT position FROM events ORDER BY position") == [(1,), (2,)]

    def test_only_publishing_can_be_asked_for(
        self, client: Any, product: Callable[..., str]
    ) -> None:
        path = f"/api/pms/products/{product()}/publish"
        assert pointers(client.put(path, json={"status": "draft"})) == {"/status"}

    def test_a_threshold_or_status_makes_the_line_look_at_the_alerts(
        self, client: Any, product: Callable[..., str], database: Database
    ) -> None:
        product_id = product()
        path = f"/api/pms/products/{product_id}"
        client.patch(path, json={"name": "Cup", "price": 1})
        assert rows(database, "SELECT 1 FROM operations") == []
        client.patch(path, json={"lowStockThreshold": 7})
        client.put(path + "/publish", json={"status": "published"})
        client.put(path + "/publish", json={"status": "published"})
        found = rows(database, "SELECT kind, product_id::text, api_key_id FROM operations")
        assert found == [("check-alerts", product_id, None)] * 2

    @pytest.mark.parametrize("path", ["", "/publish"])
    def test_an_unknown_product_is_not_found(self, client: Any, path: str) -> None:
        method = client.put if path else client.patch
        body = {"status": "published"} if path else {}
        answer = method(f"/api/pms/products/{UNKNOWN}{path}", json=body)
        assert answer.status_code == 404
        assert answer.content_type == "application/problem+json"

    def test_the_event_is_broadcast(
        self, client: Any, product: Callable[..., str], listener: PubSub
    ) -> None:
        product_id = product()
        message = listener.get_message(timeout=10)
        assert message is not None
        changed = client.get(f"/api/products/{product_id}").json["updatedAt"]
        event = {
            "productId": product_id,
            "status": "draft",
            "version": 1,
            "updatedAt": changed,
        }
        told = [[f"product:{product_id}", 1, "product_update", event]]
        assert orjson.loads(message["data"]) == told

    @pytest.fixture
    def listener(self, app: Any, redis_url: str) -> Iterator[PubSub]:
        with Redis.from_url(redis_url) as redis, redis.pubsub() as found:
            found.subscribe(channel())
            assert found.get_message(timeout=10)["type"] == "subscribe"
            yield found


class TestConditions:
    @pytest.mark.parametrize(
        ("condition", "status"),
        [
            ('"1"', 200),
            ('"7", "1"', 200),
            ("*", 200),
            ('"2"', 412),
            ('W/"1"', 412),
            (",", 412),
        ],
    )
    @pytest.mark.parametrize("method", ["patch", "put", "get"])
    def test_if_match(
        self,
        client: Any,
        product: Callable[..., str],
        method: str,
        condition: str,
        status: int,
    ) -> None:
        product_id = product()
        path = {
            "patch": f"/api/pms/products/{product_id}",
            "put": f"/api/pms/products/{product_id}/publish",
            "get": f"/api/products/{product_id}",
        }[method]
        body = {"patch": {"json": {"price": 2}}, "put": {"json": {"status": "published"}}}
        headers = {"If-Match": condition}
        answer = getattr(client, method)(path, headers=headers, **body.get(method, {}))
        assert answer.status_code == status
        if status == 412:
            assert answer.headers["ETag"] == '"1"'
            assert client.get(f"/api/products/{product_id}").json["version"] == 1

    @pytest.mark.parametrize(
        ("condition", "status"),
        [('"1"', 304), ('W/"1"', 304), ('"0", "1"', 304), ("*", 304), ('"2"', 200)],
    )
    def test_if_none_match(
        self, client: Any, product: Callable[..., str], condition: str, status: int
    ) -> None:
        path = f"/api/products/{product()}"
        answer = client.get(path, headers={"If-None-Match": condition})
        assert answer.status_code == status
        assert answer.headers["ETag"] == '"1"'
        assert bool(answer.data) == (status == 200)

    def test_of_many_on_one_version_one_wins(
        self,
        client: Any,
        client_with: Any,
        make_key: Callable[..., str],
        product: Callable[..., str],
    ) -> None:
        product_id, secret = product(), make_key()

        def change(price: int) -> Callable[[], Any]:
            return lambda: client_with(secret).patch(
                f"/api/pms/products/{product_id}",
                json={"price": price},
                headers={"If-Match": '"1"'},
            )

        found = together([change(price) for price in range(20, 28)])
        assert sorted(answer.status_code for answer in found) == [200] + [412] * 7
        [winner] = [answer for answer in found if answer.status_code == 200]
        assert client.get(f"/api/products/{product_id}").json == winner.json


class TestIdempotency:
    def test_a_repeated_create_is_answered_from_memory(
        self, client: Any, database: Database
    ) -> None:
        headers = {"Idempotency-Key": "k-1"}
        first = client.post("/api/pms/products", json=MUG, headers=headers)
        client.patch(f"/api/pms/products/{first.json['id']}", json={"price": 3})
        again = client.post("/api/pms/products", json=MUG, headers=headers)
        assert "Idempotent-Replayed" not in first.headers
        assert again.headers["Idempotent-Replayed"] == "true"
        assert (again.status_code, again.json) == (201, first.json)
        for name in ("Location", "ETag"):
            assert again.headers[name] == first.headers[name]
        assert rows(database, "SELECT count(*) FROM products") == [(1,)]
        assert client.get(first.headers["Location"]).json["price"] == 3

    def test_a_repeated_change_is_not_done_again(
        self, client: Any, product: Callable[..., str]
    ) -> None:
        path, headers = f"/api/pms/products/{product()}", {"Idempotency-Key": "k-1"}
        first = client.patch(path, json={"price": 3}, headers=headers)
        client.patch(path, json={"price": 4})
        # The condition held when it was done; that it does not hold any more is no matter.
        again = client.patch(path, json={"price": 3}, headers=headers | {"If-Match": '"1"'})
        assert again.json == first.json

    def test_the_same_key_for_another_request_is_refused(self, client: Any) -> None:
        headers = {"Idempotency-Key": "k-1"}
        client.post("/api/pms/products", json=MUG, headers=headers)
        other = client.post("/api/pms/products", json=MUG | {"price": 1}, headers=headers)
        assert (other.status_code, other.json["type"]) == (
            422,
            "/docs/problems/idempotency-key-reused",
        )

    def test_a_refusal_is_not_remembered(self, client: Any, product: Callable[..., str]) -> None:
        product_id = product(sku="M-1")
        headers = {"Idempotency-Key": "k-1"}
        wanted = MUG | {"sku": "M-1"}
        assert client.post("/api/pms/products", json=wanted, headers=headers).status_code == 409
        client.patch(f"/api/pms/products/{product_id}", json={"sku": None})
        assert client.post("/api/pms/products", json=wanted, headers=headers).status_code == 201

    def test_two_at_once_make_one(
        self, client: Any, client_with: Any, make_key: Callable[..., str], database: Database
    ) -> None:
        secret, headers = make_key(), {"Idempotency-Key": "k-1"}
        call = lambda: client_with(secret).post("/api/pms/products", json=MUG, headers=headers)  # noqa: E731
        found = together([call] * 8)
        assert {answer.status_code for answer in found} == {201}
        assert len({answer.json["id"] for answer in found}) == 1
        assert rows(database, "SELECT count(*) FROM products") == [(1,)]


class TestList:
    @pytest.fixture
    def shop(self, client: Any, product: Callable[..., str]) -> dict[str, str]:
        """Products by name; several share a name or a price."""
        found = {
            "apple": product(name="apple", price=1, sku="F-1"),
            "Äpfel": product(name="Äpfel", price=2, categoryId="fruit"),
            "100% juice": product(name="100% juice", price=2, categoryId="fruit"),
            "100 juices": product(name="100 juices", price=2),
            "a_b": product(name="a_b", price=0.01),
            "back\\slash": product(name="back\\slash", price=10),
        }
        for _ in range(3):
            product(name="same", price=2)
        client.put(f"/api/pms/products/{found['apple']}/publish", json={"status": "published"})
        return found

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ({"status": "published"}, {"apple"}),
            ({"categoryId": "fruit"}, {"Äpfel", "100% juice"}),
            ({"categoryId": "none"}, set()),
            ({"q": "APP"}, {"apple"}),
            ({"q": "äPF"}, {"Äpfel"}),
            ({"q": "f-1"}, {"apple"}),
            ({"q": "0%"}, {"100% juice"}),
            ({"q": "a_"}, {"a_b"}),
            ({"q": "k\\s"}, {"back\\slash"}),
            ({"q": "juice", "categoryId": "fruit"}, {"100% juice"}),
        ],
    )
    def test_filters(
        self, client: Any, shop: dict[str, str], query: dict[str, str], names: set[str]
    ) -> None:
        answer = client.get("/api/products", query_string=query)
        assert answer.status_code == 200, answer.text
        assert {item["name"] for item in answer.json["items"]} == names
        assert answer.json["nextCursor"] is None

    @pytest.mark.parametrize(
        "sort", ["name", "-name", "price", "-price", "createdAt", "-createdAt"]
    )
    def test_pages_hold_everything_once_and_in_order(
        self, client: Any, shop: dict[str, str], sort: str
    ) -> None:
        whole = client.get("/api/products", query_string={"sort": sort}).json["items"]
        assert len(whole) == 9
        key = sort.removeprefix("-")
        places = [(item[key], item["id"]) for item in whole]
        assert places == sorted(places, reverse=sort.startswith("-"))
        query: dict[str, Any] = {"sort": sort, "limit": 2}
        paged: list[Any] = []
        while True:
            page = client.get("/api/products", query_string=query).json
            paged += page["items"]
            if page["nextCursor"] is None:
                break
            assert len(page["items"]) == 2
            query["cursor"] = page["nextCursor"]
        assert paged == whole

    def test_newest_first_unless_told_otherwise(self, client: Any, shop: dict[str, str]) -> None:
        found = client.get("/api/products").json
        assert found == client.get("/api/products?sort=-createdAt").json
        assert found["items"][-1]["name"] == "apple"

    def test_the_longest_name_fits_a_cursor(self, client: Any, product: Callable[..., str]) -> None:
        names = sorted("🍎" * 199 + letter for letter in "abc")
        for name in names:
            product(name=name)
        query = {"sort": "name", "limit": 1}
        cursor = client.get("/api/products", query_string=query).json["nextCursor"]
        page = client.get("/api/products", query_string=query | {"cursor": cursor})
        assert page.json["items"][0]["name"] == names[1]

    def test_a_cursor_of_another_sort_is_refused(self, client: Any, shop: dict[str, str]) -> None:
        cursor = client.get("/api/products?sort=name&limit=1").json["nextCursor"]
        answer = client.get("/api/products", query_string={"sort": "price", "cursor": cursor})
        assert pointers(answer) == {"?cursor"}

    @pytest.mark.parametrize(
        ("sort", "value"),
        [
            ("price", "NaN"),
            ("price", "1E+999999"),
            ("price", 5),
            ("price", None),
            ("name", "a\x00b"),
            ("name", 7),
            ("createdAt", "yesterday"),
            ("createdAt", "2026-01-01T00:00:00"),
            ("createdAt", 12),
        ],
    )
    def test_a_forged_cursor_is_refused(self, client: Any, sort: str, value: Any) -> None:
        from web.pages import encode_cursor

        cursor = encode_cursor([sort, value, UNKNOWN])
        answer = client.get("/api/products", query_string={"sort": sort, "cursor": cursor})
        assert pointers(answer) == {"?cursor"}

    @pytest.mark.parametrize(
        ("query", "pointer"),
        [
            ("status=sold", "?status"),
            ("sort=weight", "?sort"),
            ("limit=0", "?limit"),
            ("limit=101", "?limit"),
            ("limit=ten", "?limit"),
            ("cursor=%00", "?cursor"),
            ("cursor=abc", "?cursor"),
            ("q=%00", "?q"),
            ("categoryId=", "?categoryId"),
            ("color=red", "?color"),
        ],
    )
    def test_a_bad_query_is_named(self, client: Any, query: str, pointer: str) -> None:
        assert pointers(client.get(f"/api/products?{query}")) == {pointer}


class TestWhoMay:
    def test_reading_and_writing_need_their_scopes(
        self, client: Any, client_with: Any, make_key: Callable[..., str], product: Any
    ) -> None:
        product_id = product()
        nobody, reader, writer = (
            client_with(None),
            client_with(make_key(scopes=["read"])),
            client_with(make_key(scopes=["write"])),
        )
        for path in ("/api/products", f"/api/products/{product_id}"):
            assert nobody.get(path).status_code == 401
            assert reader.get(path).status_code == writer.get(path).status_code == 200
        # The scope is judged before the body is looked at.
        assert nobody.post("/api/pms/products", data="{").status_code == 401
        assert reader.post("/api/pms/products", data="{").status_code == 403
        assert writer.post("/api/pms/products", json=MUG).status_code == 201

    def test_an_id_that_is_none_is_not_found(self, client: Any) -> None:
        for product_id in (UNKNOWN, "7", "%00"):
            assert client.get(f"/api/products/{product_id}").status_code == 404

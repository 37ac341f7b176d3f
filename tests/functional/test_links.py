"""Every link of the OpenAPI document, followed: what an answer offers leads to where it says."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg2
import pytest
import requests

from tests.functional.service import Api, Service, given_up
from web.schemas.links import LINKS

# These lead on only where the database has been damaged, or is too large for one look.
_FOR_THE_DAMAGED = {"checkIntegrity", "repairStock", "repairStream"}
_ALL = [
    (operation, status, name)
    for operation, answers in LINKS.items()
    if operation not in _FOR_THE_DAMAGED
    for status, links in answers.items()
    for name in links
]
_ALERTS = """
INSERT INTO operator_alerts (id, type, cause, message, operation_id, raised_at, seen_at)
SELECT gen_random_uuid(), 'operation_dead', %s || n, 'For a test.', %s, now(), now()
FROM generate_series(1, 2) AS n
"""


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{service.url}/openapi.json", timeout=10).json()
    return found


class Caller:
    """Makes the calls of the document out of its own examples, about things that there are."""

    def __init__(self, api: Api, document: dict[str, Any], things: dict[str, str]) -> None:
        self._api = api
        self._document = document
        self._things = things
        self._calls = {
            operation["operationId"]: (method, path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def call(
        self,
        name: str,
        values: dict[str, Any] | None = None,
        body: Any = None,
        wait: bool = True,
    ) -> requests.Response:
        """Make a call.

        Args:
            name: its operationId.
            values: of its parameters; those of its path are ours unless given.
            body: its body; the document's example about our things unless given.
            wait: for the end of an operation.
        """
        method, path, operation = self._calls[name]
        values = dict(values or {})
        for parameter in map(self._resolved, operation["parameters"]):
            known = self._things.get(f"{name} {parameter['name']}")
            known = known or self._things.get(parameter["name"])
            if parameter["in"] == "path":
                value = values.pop(parameter["name"], known)
                assert value, f"no {parameter['name']} for {name}: make one in the test's things"
                path = path.replace("{" + parameter["name"] + "}", str(value))
            elif parameter.get("required") and known:
                values.setdefault(parameter["name"], known)
        sent = body if body is not None else self.example(operation)
        headers = {"Prefer": "wait=20"} if wait else {}
        return self._api.request(method.upper(), path, params=values, json=sent, headers=headers)

    def example(self, operation: dict[str, Any]) -> Any:
        """A body, if the call takes one."""
        if "requestBody" not in operation:
            return None
        media = operation["requestBody"]["content"]["application/json"]
        schema = self._resolved(media["schema"])
        named = [example["value"] for example in media.get("examples", {}).values()]
        return self._about_ours([*named, *schema.get("examples", ())][0])

    def _about_ours(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._about_ours(item) for item in value]
        if not isinstance(value, dict):
            return value
        if {"sku", "quantity"} <= value.keys():
            value = {**value, "productId": self._things["productId"]}
        # What must be once, and what would be refused in a shop that is another's than the example.
        return {
            key: self._things.get(key) or self._about_ours(item)
            for key, item in value.items()
            if key not in ("sku", "expectedStock", "expiresAt")
        }

    def _resolved(self, value: dict[str, Any]) -> dict[str, Any]:
        found: Any = self._document
        if "$ref" not in value:
            return value
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return dict(found)


@pytest.fixture
def caller(
    service: Service, api: Api, document: dict[str, Any], new_product: Callable[..., str]
) -> Iterator[Caller]:
    """A product with stock and an alert, an order, an operation that died, a key: two of each."""

    def ended(path: str, body: Any) -> dict[str, Any]:
        answer = api.post(path, json=body, headers={"Prefer": "wait=20"})
        assert answer.ok, answer.text
        return dict(answer.json())

    products = [new_product(stock=3) for _ in range(2)]
    items = [{"productId": products[0], "quantity": 1}]
    wanted = {"items": items, "customerId": "c", "shippingAddress": "a"}
    orders = [ended("/api/pms/orders", wanted) for _ in range(2)]
    keys = [ended("/api/keys", {"name": "k", "scopes": ["read"]}) for _ in range(2)]
    more = {"productId": products[0], "quantity": 100, "type": "increment"}
    dead = given_up(service, ended("/api/inventory/adjust", more)["id"])
    database = psycopg2.connect(service.env["DATABASE_URL"])
    database.autocommit = True
    cursor = database.cursor()
    cursor.execute(_ALERTS, (dead, dead))
    too_many = {"productId": products[0], "quantity": 10**6, "type": "decrement"}
    bulk = ended("/api/inventory/adjustments", [too_many, too_many])["id"]
    yield Caller(
        api,
        document,
        {
            "listRefused operation_id": bulk,
            "retryRefused operation_id": bulk,
            "productId": products[0],
            "product_id": products[0],
            "order_id": orders[0]["orderId"],
            "operation_id": dead,
            "key_id": keys[0]["id"],
        },
    )
    cursor.execute("DELETE FROM operator_alerts WHERE operation_id = %s", (dead,))
    database.close()


def _value(expression: Any, answer: requests.Response) -> Any:
    """What a runtime expression stands for (OpenAPI 3.1, "Runtime Expressions")."""
    if isinstance(expression, dict):
        return {key: _value(item, answer) for key, item in expression.items()}
    if isinstance(expression, list):
        return [_value(item, answer) for item in expression]
    if not isinstance(expression, str) or not expression.startswith("$"):
        return expression
    source, _, pointer = expression.partition("#/")
    sent = requests.models.complexjson.loads(answer.request.body or "null")
    found = {"$response.body": answer.json, "$request.body": lambda: sent}[source]()
    for part in pointer.split("/"):
        found = found[part]
    assert found is not None, f"{expression} is null"
    return found


@pytest.mark.parametrize(("operation", "status", "name"), _ALL)
def test_a_link_leads_where_it_says(caller: Caller, operation: str, status: str, name: str) -> None:
    link = LINKS[operation][status][name]
    first = {"limit": 1} if "nextCursor" in str(link) else {}
    answer = caller.call(operation, first, wait=status != "202")
    assert answer.status_code == int(status), answer.text
    values = {key: _value(item, answer) for key, item in link.get("parameters", {}).items()}
    body = _value(link["requestBody"], answer) if "requestBody" in link else None
    # Whether a rule has a word against it, such as too little stock, is no matter of the link.
    led = caller.call(link["operationId"], {**first, **values}, body, wait=False)
    assert led.ok, led.text
    if "id" in str(values) and led.status_code == 200 and name in ("product", "operation", "order"):
        assert led.json()["id"] in values.values()
        UUID(led.json()["id"])

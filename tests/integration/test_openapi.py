"""The OpenAPI document: complete, tidy, and true."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from web.problems import PROBLEMS, example_of

ROOT = Path(__file__).parents[2]
# Clients are generated from these names: one may come, none may go.
OPERATION_IDS = {
    "adjustMany",
    "listRefused",
    "listStock",
    "retryRefused",
    "adjustStock",
    "changeOrderStatus",
    "countStock",
    "createKey",
    "createOrder",
    "createProduct",
    "listAlerts",
    "listKeys",
    "listMovements",
    "listOperations",
    "listOrders",
    "listProducts",
    "publishProduct",
    "readActivity",
    "readCurrentKey",
    "readHealth",
    "readInventoryMetrics",
    "readOperation",
    "readOrder",
    "readProduct",
    "readSales",
    "readStock",
    "rebuildRollups",
    "revokeKey",
    "rotateKey",
    "updateProduct",
}
KEBAB = re.compile(r"[a-z]+(-[a-z]+)+|error|forbidden|unauthorized|unavailable")
# What answers: a problem's code stands first among the texts that these are called with.
ANSWERS = {"Problem", "Refusal", "problem_of"}


@pytest.fixture(scope="module")
def spec(session_app: Any) -> dict[str, Any]:
    return session_app.test_client().get("/openapi.json").json  # type: ignore[no-any-return]


def operations(spec: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def resolved(spec: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """What a reference stands for."""
    if "$ref" not in value:
        return value
    found: Any = spec
    for step in value["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found  # type: ignore[no-any-return]


def schema_of(spec: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "components": spec["components"]}


def test_it_is_a_valid_document(spec: dict[str, Any]) -> None:
    assert spec["openapi"].startswith("3.1")
    for name, schema in spec["components"]["schemas"].items():
        jsonschema_rs.validator_for(schema_of(spec, schema)), name


def test_every_reference_leads_somewhere(spec: dict[str, Any]) -> None:
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(spec))):
        assert resolved(spec, {"$ref": reference}), reference


def test_operation_ids_are_there_once_and_for_good(spec: dict[str, Any]) -> None:
    found = [operation["operationId"] for _, _, operation in operations(spec)]
    assert len(found) == len(set(found))
    assert set(found) >= OPERATION_IDS


def test_every_tag_is_described_once(spec: dict[str, Any]) -> None:
    names = [tag["name"] for tag in spec["tags"]]
    assert len(names) == len(set(names))
    assert all(tag["description"] for tag in spec["tags"])
    assert {name for _, _, operation in operations(spec) for name in operation["tags"]} == set(
        names
    )


def test_no_title_repeats_a_name(spec: dict[str, Any]) -> None:
    assert '"title": "' not in json.dumps(spec["components"]["schemas"]["ProductIn"])
    assert "Lowstockthreshold" not in json.dumps(spec)


def test_keys_are_in_camel_case(spec: dict[str, Any]) -> None:
    names = {
        name
        for schema in spec["components"]["schemas"].values()
        for name in schema.get("properties", {})
    }
    assert len(names) > 50
    assert [
        name for name in names if not re.fullmatch("[a-z]+([A-Z][a-z]*|[0-9]+[a-z]*)*", name)
    ] == []


def test_every_call_is_described(spec: dict[str, Any]) -> None:
    for path, method, operation in operations(spec):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert {"500", "503"} <= operation["responses"].keys(), where
        for parameter in operation["parameters"]:
            found = resolved(spec, parameter)
            assert found["in"] == "path" or found["name"] in UNSAID or found["description"], where


# Their names say all.
UNSAID = {"status", "kind", "categoryId", "customerId", "productId", "sort", "groupBy"}


def test_paths_take_identifiers(spec: dict[str, Any]) -> None:
    for _, _, operation in operations(spec):
        for parameter in operation["parameters"]:
            if parameter.get("in") == "path":
                assert parameter["schema"] == {"type": "string", "format": "uuid"}


def test_request_headers_stand_where_they_are_read(spec: dict[str, Any]) -> None:
    for path, method, operation in operations(spec):
        names = {resolved(spec, parameter)["name"] for parameter in operation["parameters"]}
        assert "X-Request-ID" in names
        assert ("Idempotency-Key" in names) == (method in ("post", "put", "patch"))
        queued = "Location" in operation["responses"].get("202", {}).get("headers", {})
        assert ("Prefer" in names) == queued
        conditional = path.startswith("/api/pms/products/") or path == "/api/products/{product_id}"
        assert ({"If-Match", "If-None-Match"} <= names) == conditional


def test_what_is_waited_for_has_all_its_ends(spec: dict[str, Any]) -> None:
    for _, _, operation in operations(spec):
        responses = operation["responses"]
        if "Preference-Applied" not in responses.get("202", {}).get("headers", {}):
            continue
        done = "201" if operation["operationId"] == "createOrder" else "200"
        assert {done, "202", "500"} <= responses.keys()
        assert responses[done]["content"] == responses["202"]["content"]
        assert (
            "operation-dead" in responses["500"]["content"]["application/problem+json"]["examples"]
        )


def test_every_answer_has_its_headers(spec: dict[str, Any]) -> None:
    always = {"X-Request-ID", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}
    for path, _, operation in operations(spec):
        for status, answer in operation["responses"].items():
            headers = resolved(spec, answer)["headers"]
            assert always <= headers.keys()
            if status == "429" or (status == "503" and path != "/health"):
                assert "Retry-After" in headers


def test_every_example_fits_its_schema(spec: dict[str, Any]) -> None:
    for schema in spec["components"]["schemas"].values():
        for example in schema.get("examples", ()):
            jsonschema_rs.validate(schema_of(spec, schema), example)
    problem = schema_of(spec, spec["components"]["schemas"]["Problem"])
    for code in PROBLEMS:
        jsonschema_rs.validate(problem, example_of(code))


def test_an_operation_that_has_ended_was_tried(spec: dict[str, Any]) -> None:
    """`attempts` counts the one that ended it."""
    for name in ("OperationOut", "OperationDetail"):
        (example,) = spec["components"]["schemas"][name]["examples"]
        assert (example["status"], example["attempts"]) == ("succeeded", 1)


def test_what_a_setting_decides_names_it(spec: dict[str, Any]) -> None:
    key = spec["components"]["parameters"]["IdempotencyKey"]["description"]
    assert "`IDEMPOTENCY_TTL`" in key
    too_large = PROBLEMS["body-too-large"].meaning
    assert "`MAX_BODY_BYTES`" in too_large
    assert "`MAX_BULK_BYTES`" in too_large
    assert "`text/csv`" in PROBLEMS["unsupported-media-type"].remedy


def test_every_body_has_an_example(spec: dict[str, Any]) -> None:
    for path, method, operation in operations(spec):
        contents = [operation["requestBody"]["content"]] if "requestBody" in operation else []
        contents += [
            resolved(spec, answer)["content"]
            for status, answer in operation["responses"].items()
            if "content" in resolved(spec, answer)
        ]
        for content in contents:
            for media in content.values():
                schema = resolved(spec, media["schema"])
                assert schema.get("examples") or media.get("examples"), f"{method} {path}"


def test_every_link_leads_to_a_call_and_its_parameters(spec: dict[str, Any]) -> None:
    known = {
        operation["operationId"]: {
            resolved(spec, parameter)["name"] for parameter in operation["parameters"]
        }
        for _, _, operation in operations(spec)
    }
    links = [
        link
        for _, _, operation in operations(spec)
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert len(links) > 20
    for link in links:
        assert link.get("parameters", {}).keys() <= known[link["operationId"]]


def raised() -> Iterator[tuple[str, set[str]]]:
    """The codes of all problems in the code, each with the members that it is given."""
    for package in ("web", "workers", "tasks", "db"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield from _code_in(node)


def _code_in(call: ast.Call) -> Iterator[tuple[str, set[str]]]:
    name = getattr(call.func, "id", getattr(call.func, "attr", None))
    texts = [
        argument.value
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]
    initialises = name == "__init__" and isinstance(call.args[:1] and call.args[0], ast.Constant)
    if texts and (name in ANSWERS or initialises):
        members = {word.arg for word in call.keywords if word.arg} - {"headers", "status"}
        yield texts[0], members


def test_every_problem_is_registered_with_its_members() -> None:
    from web.errors import _CODES

    found: dict[str, set[str]] = {code: set() for code in (*_CODES.values(), "error")}
    for code, members in raised():
        assert KEBAB.fullmatch(code), code
        found.setdefault(code, set()).update(members)
    assert found.keys() == PROBLEMS.keys()
    for code, members in found.items():
        assert members == PROBLEMS[code].members.keys(), code


def test_no_member_hides_one_that_every_problem_has(spec: dict[str, Any]) -> None:
    taken = set(spec["components"]["schemas"]["Problem"]["required"])
    for _, members in raised():
        assert members.isdisjoint(taken)

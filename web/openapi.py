"""How requests are described: OpenAPI 3.1, out of the same schemas that validate."""

from collections.abc import Iterator
from typing import Any

from apiflask import APIFlask
from flask import Flask

from web.auth import needs
from web.schemas.answers import (
    ALWAYS,
    BEYOND,
    HEADERS,
    PARAMETERS,
    PROBLEM_SCHEMA,
    REFUSALS,
    RESPONSES,
    WAITED,
    header_refs,
    problem_response,
)
from web.schemas.examples import EXAMPLES
from web.schemas.files import BODIES, TABLES, schemas_of_bodies
from web.schemas.links import LINKS

# Operation ids are for good: clients are generated from them. Where a function's name does not
# say enough outside of its module, this does.
_OPERATION_IDS = {
    "inventory.check_stock": "readStock",
    "inventory.adjust": "adjustStock",
    "inventory.count": "countStock",
    "inventory.movements": "listMovements",
    "orders.change_status": "changeOrderStatus",
    "keys.make_key": "createKey",
    "analytics.read_metrics": "readInventoryMetrics",
}
_TAGS = {
    "Products": "What the shop sells; written at once, read from a cache.",
    "Inventory": "What is in the house, and every change of it.",
    "Orders": "What customers want; accepted at once, processed in order.",
    "Operations": "What was submitted, and how it ended.",
    "Analytics": "What was sold, and what the stock does.",
    "System": "What operators have to know.",
    "Keys": "Who may call.",
    "Health": "How the system is.",
}
_DESCRIPTION = """
The back office of a shop. Changes of stock and orders are **operations**: the answer is a `202`
once the operation is durable, and its end is told by `GET /api/operations/{operation_id}`, by
`Prefer: wait=N`, and by socket events. Errors are problem documents (RFC 9457) whose `type` is a
page of these documents; a method that a path does not have is answered by `405` with `Allow`.
A request may be refused before a route sees it, on any path: by `400` if it is no HTTP, `408` if
it comes too slowly, `414` or `431` if its address or its headers are too large; such an answer may
come without a body.
""".strip()
# What is no schema, though it lies in one: nothing in it is ours to tidy.
_VALUES = {"example", "examples", "const", "enum", "default"}


def init_openapi(app: APIFlask) -> None:
    """Complete what the routes declare with what is true of all of them."""
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        AUTO_404_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_OPERATION_ID=False,
        AUTO_SERVERS=False,
        DESCRIPTION=_DESCRIPTION,
        SECURITY_SCHEMES={
            "ApiKey": {
                "type": "apiKey",
                "in": "header",
                "name": "X-API-Key",
                "description": "`pms keys create` makes one, `make up` shows the first.",
            },
        },
    )

    needs(None)(app.view_functions["openapi.spec"])

    @app.spec_processor
    def complete(spec: dict[str, Any]) -> dict[str, Any]:
        spec = _tidy(_flatten(spec))
        components = spec.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas["Problem"] = PROBLEM_SCHEMA
        schemas.update(schemas_of_bodies())
        components.update(headers=HEADERS, parameters=PARAMETERS, responses=RESPONSES)
        for name, example in EXAMPLES.items():
            if name in schemas:
                schemas[name]["examples"] = [example]
        for operation, path, method, view in _operations(app, spec):
            _complete(operation, path, method, getattr(view, "scope", None))
        spec["tags"] = _tags(spec)
        return spec


def _operations(app: Flask, spec: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str, Any]]:
    """Each described operation, by path and method, with its view; it has got its id."""
    for rule in app.url_map.iter_rules():
        for method in rule.methods or ():
            path = _template(rule.rule)
            operation = spec.get("paths", {}).get(path, {}).get(method.lower())
            if operation is not None:
                operation["operationId"] = _operation_id(rule.endpoint)
                yield operation, path, method.lower(), app.view_functions[rule.endpoint]


def _operation_id(endpoint: str) -> str:
    first, *others = endpoint.rpartition(".")[2].split("_")
    return _OPERATION_IDS.get(endpoint, first + "".join(word.capitalize() for word in others))


def _tags(spec: dict[str, Any]) -> list[dict[str, str]]:
    used = [
        tag
        for methods in spec.get("paths", {}).values()
        for operation in methods.values()
        for tag in operation["tags"]
    ]
    order = {name: place for place, name in enumerate(_TAGS)}
    return [
        {"name": name, "description": _TAGS.get(name, "")}
        for name in sorted(set(used), key=lambda name: (order.get(name, len(order)), name))
    ]


def _flatten(value: Any) -> Any:
    """Give nested schemas plain names: ``Page.Item`` is ``Item``, wherever it is named."""
    if isinstance(value, list):
        return [_flatten(item) for item in value]
    if not isinstance(value, dict):
        return value
    flat = {name: _flatten(item) for name, item in value.items()}
    if isinstance(flat.get("$ref"), str):
        flat["$ref"] = "#/components/schemas/" + flat["$ref"].rpartition("/")[2].split(".")[-1]
    if isinstance(flat.get("schemas"), dict):
        flat["schemas"] = {name.split(".")[-1]: item for name, item in flat["schemas"].items()}
    return flat


def _tidy(spec: dict[str, Any]) -> dict[str, Any]:
    """Without the titles that only repeat a name, and without null where none can be sent."""
    for part in ("paths", "components"):
        if part in spec:
            spec[part] = _untitled(spec[part])
    for methods in spec.get("paths", {}).values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                _tidy_parameter(parameter)
    return spec


def _untitled(value: Any) -> Any:
    if isinstance(value, list):
        return [_untitled(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: item if name in _VALUES else _untitled(item)
        for name, item in value.items()
        # A schema's title is text; a property of that name is a schema.
        if not (name == "title" and isinstance(item, str))
    }


def _tidy_parameter(parameter: dict[str, Any]) -> None:
    schema = parameter["schema"]
    kinds = [kind for kind in schema.pop("anyOf", ()) if kind != {"type": "null"}]
    for kind in kinds:
        schema |= kind
    if schema.get("default", 0) is None:
        del schema["default"]
    if "description" in schema:
        parameter["description"] = schema.pop("description")
    if parameter["in"] == "path":
        parameter["schema"] = {"type": "string", "format": "uuid"}
    parameter["schema"] = parameter["schema"] if parameter["in"] == "path" else schema


def _template(rule: str) -> str:
    """A route's rule as an OpenAPI path: ``<id:product_id>`` is ``{product_id}``."""
    parts = [
        "{" + part[1:-1].rpartition(":")[2] + "}" if part.startswith("<") else part
        for part in rule.split("/")
    ]
    return "/".join(parts)


def _complete(operation: dict[str, Any], path: str, method: str, scope: str | None) -> None:
    responses = operation["responses"]
    if operation["operationId"] in BODIES:
        operation["requestBody"] = {"content": BODIES[operation["operationId"]]}
    if operation["operationId"] in TABLES:
        table = responses["200"]
        table["content"] |= TABLES[operation["operationId"]]
        table["headers"] = table.get("headers", {}) | header_refs("Content-Disposition")
    for response in responses.values():
        if "$ref" not in response:
            response["headers"] = {**header_refs(*ALWAYS), **response.get("headers", {})}
    _add_parameters(operation, path, method)
    if _queues_one(operation):
        _add_waiting(operation)
    _add_problems(operation, path, method, limited=scope is not None)
    if scope is not None:
        operation["security"] = [{"ApiKey": []}]
        text = operation.get("description", "")
        operation["description"] = f"{text}\n\nNeeds the scope `{scope}`.".strip()
    for status, links in LINKS.get(operation["operationId"], {}).items():
        responses[status]["links"] = links
    operation["responses"] = dict(sorted(responses.items()))


def _add_problems(operation: dict[str, Any], path: str, method: str, limited: bool) -> None:
    responses = operation["responses"]
    for status in _problems(operation, path, limited):
        codes: tuple[str, ...] = ()
        if status == 409:
            codes = REFUSALS.get(operation["operationId"], ())
        elif status == 422 and method in ("post", "put", "patch"):
            codes = ("invalid-input", "idempotency-key-reused")
        elif status == 500 and _queues_one(operation):
            codes = ("operation-dead", "internal-error")
        # What a route says about these itself is completed; the rest it may say better.
        if status in (409, 412) or str(status) not in responses:
            responses[str(status)] = problem_response(status, *codes)
            if status in (409, 500) and _queues_one(operation):
                responses[str(status)]["headers"] |= WAITED


def _problems(operation: dict[str, Any], path: str, limited: bool) -> list[int]:
    responses = operation["responses"]
    statuses = [500, 503] + [int(status) for status in responses if int(status) in (409, 412)]
    if limited:
        statuses += [401, 403, 429]
    if "{" in path:
        statuses.append(404)
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
        statuses += [400, 413, 415]
    if operation["operationId"] in REFUSALS:
        statuses.append(409)
    # Each refuses parameters that it does not know.
    if path.startswith("/api/") or any(map(_can_be_invalid, operation["parameters"])):
        statuses.append(422)
    return statuses + list(BEYOND.get(operation["operationId"], ()))


def _can_be_invalid(parameter: dict[str, Any]) -> bool:
    """Of the others, a wrong path is not found, and a wrong header is passed over."""
    is_idempotency_key = str(parameter.get("$ref")).endswith("/IdempotencyKey")
    return parameter.get("in") == "query" or is_idempotency_key


def _add_parameters(operation: dict[str, Any], path: str, method: str) -> None:
    names = []
    if method in ("post", "put", "patch") and path.startswith("/api/"):
        names.append("IdempotencyKey")
    if "412" in operation["responses"]:
        names += ["IfMatch", "IfNoneMatch"]
    if _queues_one(operation):
        names.append("Prefer")
    parameters = operation.setdefault("parameters", [])
    parameters += [{"$ref": f"#/components/parameters/{name}"} for name in [*names, "RequestId"]]
    if "IdempotencyKey" in names:
        for status, response in operation["responses"].items():
            if int(status) < 300:
                response["headers"] |= header_refs("Idempotent-Replayed")


def _queues_one(operation: dict[str, Any]) -> bool:
    """Whether an answer may be an operation that has still to be done."""
    content = operation["responses"].get("202", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    return bool(schema.get("$ref") == "#/components/schemas/OperationOut")


def _add_waiting(operation: dict[str, Any]) -> None:
    """A queued operation: where it is, and its end for those who wait."""
    responses = operation["responses"]
    queued = responses["202"]
    queued["description"] = "Accepted, and durable: it will be done, once, in its turn"
    queued["headers"] |= header_refs("Location", "Preference-Applied")
    done = {**queued, "headers": dict(queued["headers"])}
    done["description"] = "Waited for, and done"
    # What is tried again may have been the creation of an order.
    for status in {"createOrder": ["201"], "retryOperation": ["200", "201"]}.get(
        operation["operationId"], ["200"]
    ):
        responses[status] = done

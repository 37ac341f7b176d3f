"""How requests are described: OpenAPI 3.1, out of the same schemas that validate."""

from typing import Any

from apiflask import APIFlask

from web.auth import needs
from web.errors import PROBLEM_JSON

_PROBLEM = {
    "type": "object",
    "description": "What is wrong, as RFC 9457 has it.",
    "required": ["type", "title", "status", "detail", "instance", "requestId"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "requestId": {"type": ["string", "null"]},
        "operationId": {"type": "string", "format": "uuid"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
_DESCRIPTIONS = {
    400: "Malformed",
    401: "No valid API key",
    403: "The key lacks the scope",
    404: "No such thing",
    413: "The body is too large",
    415: "The body is not JSON",
    422: "Not valid; every bad field is named",
    429: "Too many requests",
    503: "Something that the service needs is down; nothing was done",
}
_RATE_HEADERS = {
    "RateLimit-Limit": ("Requests in the window", "integer"),
    "RateLimit-Remaining": ("Requests left in it", "integer"),
    "RateLimit-Reset": ("Seconds until it begins anew", "integer"),
    "X-Request-ID": ("Finds this request in every log line", "string"),
}


def init_openapi(app: APIFlask) -> None:
    """Complete what the routes declare with what is true of all of them."""
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        AUTO_404_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_OPERATION_ID=False,
        AUTO_SERVERS=False,
        SECURITY_SCHEMES={
            "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        },
    )

    needs(None)(app.view_functions["openapi.spec"])

    @app.spec_processor
    def complete(spec: dict[str, Any]) -> dict[str, Any]:
        spec = _flatten(spec)
        spec.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
        scopes = {
            (_template(rule.rule), method.lower()): getattr(
                app.view_functions[rule.endpoint], "scope", None
            )
            for rule in app.url_map.iter_rules()
            for method in rule.methods or ()
        }
        for path, methods in spec.get("paths", {}).items():
            for method, operation in methods.items():
                if isinstance(operation, dict) and "responses" in operation:
                    _complete(path, method, operation, scopes.get((path, method)))
        return spec


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


def _template(rule: str) -> str:
    """A route's rule as an OpenAPI path: ``<id:product_id>`` is ``{product_id}``."""
    parts = [
        "{" + part[1:-1].rpartition(":")[2] + "}" if part.startswith("<") else part
        for part in rule.split("/")
    ]
    return "/".join(parts)


def _complete(path: str, method: str, operation: dict[str, Any], scope: str | None) -> None:
    statuses = [503]
    if path.startswith("/api/"):
        statuses += [401, 403, 429]
    if "{" in path:
        statuses.append(404)
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
        statuses += [400, 413, 415, 422]
    elif operation.get("parameters"):
        statuses.append(422)
    responses = operation["responses"]
    for status in statuses:
        problem = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        responses.setdefault(
            str(status), {"description": _DESCRIPTIONS[status], "content": problem}
        )
    if scope is not None:
        operation["security"] = [{"ApiKey": []}]
        operation["description"] = (
            operation.get("description", "") + f"\n\nNeeds the scope `{scope}`."
        ).strip()
        for response in responses.values():
            headers = response.setdefault("headers", {})
            for name, (text, kind) in _RATE_HEADERS.items():
                headers[name] = {"description": text, "schema": {"type": kind}}
    if method in ("post", "put", "patch") and path.startswith("/api/"):
        operation.setdefault("parameters", []).append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "Same key and same request: same answer, done once.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        )

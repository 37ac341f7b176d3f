"""How requests are parsed and described: APIFlask with pydantic, strict where it is lenient."""

import json
from decimal import Decimal
from typing import Any

from apiflask import APIFlask
from apiflask.schema_adapters.pydantic import PydanticAdapter
from apiflask.schema_adapters.registry import registry
from flask import Request
from pydantic import BaseModel, ValidationError

from web.errors import PROBLEM_JSON, Invalid, Problem

_TOO_DEEP = "The body is nested too deeply."


class StrictAdapter(PydanticAdapter):
    """Validates what APIFlask's own adapter would let through or lose.

    Bodies must say that they are JSON, numbers are read as decimals, a query parameter that is
    given twice is not silently halved, and every bad field is named by a JSON pointer.
    """

    def validate_input(self, request: Request, location: str, **_: Any) -> BaseModel:
        """The parsed body or query.

        Raises:
            Problem: 400 malformed, 413 too large, 415 not JSON, 422 not valid.
        """
        if location == "json":
            return parse(self.model_class, read_json(request))
        given = request.args.to_dict(flat=False)
        values = {name: found[0] if len(found) == 1 else found for name, found in given.items()}
        return parse(self.model_class, values, prefix="?")


registry.register("pydantic", StrictAdapter)


def read_json(request: Request) -> Any:
    """The body as JSON whose fractions are decimals; NaN and Infinity stay visible as such.

    Raises:
        Problem: 400 malformed, 415 not declared as JSON.
    """
    if not request.is_json:
        raise Problem(415, "unsupported-media-type", "The body must be sent as application/json.")
    data = request.get_data()
    try:
        return json.loads(data, parse_float=Decimal, parse_constant=Decimal)
    except RecursionError:
        raise Problem(400, "malformed-request", _TOO_DEEP) from None
    except json.JSONDecodeError as error:
        detail = f"The body is no JSON: {error.msg}, line {error.lineno}, column {error.colno}."
        raise Problem(400, "malformed-request", detail) from None
    except UnicodeDecodeError:
        raise Problem(400, "malformed-request", "The body is no UTF-8.") from None
    except ValueError:
        raise Invalid(("", "a number has too many digits")) from None


def parse(model: type[BaseModel], values: Any, prefix: str = "/") -> BaseModel:
    """The model of these values.

    Raises:
        Invalid: with a pointer to every bad field.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise Invalid(*(_named(problem, prefix) for problem in found[:100])) from None


def _named(problem: Any, prefix: str) -> tuple[str, str]:
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in problem["loc"]]
    detail = problem["msg"].removeprefix("Value error, ")
    return (prefix + "/".join(steps) if steps else ""), detail


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

    @app.spec_processor
    def complete(spec: dict[str, Any]) -> dict[str, Any]:
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

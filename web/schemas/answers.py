"""What every answer may be: problems, their headers, and the request headers that change it."""

from typing import Any

from web.problems import PROBLEMS, example_of

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "What is wrong, as RFC 9457 has it. Some problems carry further members, which"
    " their pages under `/docs/problems/` name.",
    "required": ["type", "title", "status", "detail", "instance", "requestId"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "The page that says what it means and what to do",
        },
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "One sentence for a person"},
        "instance": {"type": "string", "description": "The path of the request"},
        "requestId": {"type": "string", "description": "Finds the request in every log line"},
        "operationId": {
            "type": "string",
            "format": "uuid",
            "description": "The operation that was waited for",
        },
        "errors": {
            "type": "array",
            "description": "Of invalid input: every bad field",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "A JSON pointer (RFC 6901) into the body, `?name` for a"
                        " query parameter, or the name of a header",
                    },
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def _header(description: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    """A response header; ``required`` unless told otherwise."""
    required = more.pop("required", True)
    return {"description": description, "required": required, "schema": {"type": kind, **more}}


HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": _header("Finds this request in every log line"),
    "RateLimit-Limit": _header("Requests in the window", "integer", minimum=1),
    "RateLimit-Remaining": _header("Requests left in it", "integer", minimum=0),
    "RateLimit-Reset": _header("Seconds until it begins anew", "integer", minimum=0),
    "Retry-After": _header("Seconds after which it is worth another try", "integer", minimum=1),
    "Location": _header("Where the operation can be read", format="uri-reference"),
    "Preference-Applied": _header(
        "The wait as it was applied, if one was asked for",
        pattern="^wait=[0-9]+$",
        required=False,
    ),
    "Idempotent-Replayed": _header(
        "The request had been done before, with this `Idempotency-Key`",
        enum=["true"],
        required=False,
    ),
    "WWW-Authenticate": _header("How to say who one is"),
    "ETag": _header("The version that the product has, in quotes"),
    "Content-Disposition": _header("Of a table: what its file is called", required=False),
}
# Those that every answer carries.
ALWAYS = ("X-Request-ID", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
# Those that a problem carries if it is the end of an operation that was waited for.
WAITED = {
    name: {**HEADERS[name], "required": False}
    for name in ("Location", "Preference-Applied", "Idempotent-Replayed")
}


def header_refs(*names: str) -> dict[str, Any]:
    """Response headers by name."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _parameter(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", **schema},
    }


PARAMETERS: dict[str, dict[str, Any]] = {
    "RequestId": _parameter(
        "X-Request-ID",
        "Such as `checkout-42`. Comes back on the answer and stands in every log line; made if it"
        " is missing, longer than 128 characters, or holds others than letters, digits and"
        " `._:+/=-`.",
    ),
    "IdempotencyKey": _parameter(
        "Idempotency-Key",
        "Such as `delivery-1`. Same key and same request (method, path, query, body): same"
        " answer, done once. Any visible ASCII characters; remembered for a day, or for as many"
        " seconds as `IDEMPOTENCY_TTL` says.",
        minLength=1,
        maxLength=255,
        pattern="^[!-~]+$",
    ),
    "Prefer": _parameter(
        "Prefer",
        "Such as `wait=10`: the answer comes when the operation ends, or as `202` after so many"
        " seconds; more than 30 count as 30. Anything else is ignored (RFC 7240).",
    ),
    "IfMatch": _parameter(
        "If-Match",
        'Such as `"1"`. Go on only if the product\'s `ETag` is one of these, else `412`; `*`'
        " stands for any.",
    ),
    "IfNoneMatch": _parameter(
        "If-None-Match",
        'Such as `"1"`. A read whose `ETag` is one of these is answered by an empty `304`; a write'
        " is refused by `412`.",
    ),
}

_DESCRIPTIONS = {
    400: "Malformed",
    401: "No valid API key",
    403: "The key lacks the scope",
    404: "No such thing",
    409: "A rule said no; a problem with `operationId` if it was waited for",
    412: "The product has another version than the request's condition wants",
    413: "The body is too large",
    415: "The body is not of a type that is taken here",
    422: "Not valid; every bad field is named",
    429: "Too many requests",
    500: "Something went wrong on the side of the service",
    503: "Something that the service needs is down; nothing was done, unless `outcome` is unknown",
}
_CODES = {
    400: ("malformed-request",),
    401: ("unauthorized",),
    403: ("forbidden",),
    404: ("not-found",),
    412: ("precondition-failed",),
    413: ("body-too-large",),
    415: ("unsupported-media-type",),
    422: ("invalid-input",),
    429: ("too-many-requests",),
    500: ("internal-error",),
    503: ("unavailable",),
}
_OWN_HEADERS = {
    401: ("WWW-Authenticate",),
    412: ("ETag",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
# What a rule may say against an operation, by the operationId of its route.
REFUSALS = {
    "adjustStock": ("insufficient-stock", "stock-changed", "stock-limit"),
    "adjustMany": ("bulk-refused",),
    "retryRefused": ("nothing-to-retry", "already-retried", "unreadable-operation"),
    "listRefused": ("unreadable-operation",),
    "countStock": ("count-below-reserved", "stock-changed"),
    "createOrder": ("insufficient-stock",),
    "changeOrderStatus": ("invalid-transition",),
    "createProduct": ("sku-taken",),
    "updateProduct": ("sku-taken",),
    "rotateKey": ("key-expired", "key-revoked"),
    "retryOperation": ("not-dead", "already-retried", "unreadable-operation", "nothing-to-retry"),
    "repairStock": ("repair-impossible",),
}


# What a route may answer though neither its path nor its body says so.
BEYOND = {"listMovements": (404,)}


def problem_response(status: int, *codes: str) -> dict[str, Any]:
    """A problem as a response, by reference where it is the same for all routes.

    Args:
        status: of the response.
        codes: the problems that it may be; those that the status stands for unless given.
    """
    if not codes and status in _CODES:
        return {"$ref": f"#/components/responses/{_name(status)}"}
    return _problem_response(status, codes or _CODES.get(status, ()))


def _problem_response(status: int, shown: tuple[str, ...]) -> dict[str, Any]:
    names = (*ALWAYS, *_OWN_HEADERS.get(status, ()))
    document: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if shown:
        document["examples"] = {
            code: {"summary": PROBLEMS[code].meaning, "value": example_of(code)} for code in shown
        }
    return {
        "description": _DESCRIPTIONS.get(status, "A problem"),
        "headers": header_refs(*names),
        "content": {"application/problem+json": document},
    }


def _name(status: int) -> str:
    (code,) = _CODES[status]
    return "".join(word.capitalize() for word in code.split("-"))


RESPONSES = {_name(status): _problem_response(status, _CODES[status]) for status in _CODES}

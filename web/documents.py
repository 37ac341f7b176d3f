"""The documents: pages under /docs that need no key, no other host, and no inline script."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from apiflask import APIBlueprint
from flask import Response, render_template, request, send_from_directory
from markupsafe import Markup, escape
from pydantic import BaseModel

from web import asyncapi
from web.auth import needs
from web.browsers import scheme
from web.errors import not_found
from web.problems import PROBLEMS, example_of, title_of
from web.schemas.sockets import TOPICS, ErrorCode
from web.services import services
from web.socket_clients import MAX_BACKLOG_BYTES
from web.socket_subscriptions import MAX_SUBSCRIPTIONS
from workers.events import EVENTS
from workers.settings import worker_settings

_DASHBOARD = Path(__file__).parent / "dashboard"
_SNIPPETS = _DASHBOARD / "docs" / "snippets"
# What pages load, by the folder that it lies in; nothing else can be had.
_FILES = {
    "docs.css": "docs",
    "api.css": "docs",
    "api.js": "docs",
    "icon.svg": "docs",
    "theme.js": "app",
    "swagger-ui.css": "vendor",
    "swagger-ui-bundle.js": "vendor",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; img-src 'self'"
)
# The calls that people try, and the icons in its style sheet.
_VIEWER_POLICY = f"{_POLICY} data:; connect-src 'self'"
_WRITTEN_FOR = "http://localhost:8000"

blueprint = APIBlueprint(
    "documents", __name__, tag="Documents", template_folder=str(_DASHBOARD / "docs")
)


@dataclass(frozen=True, slots=True)
class Field:
    """A row of a table: a member of what goes over the wire."""

    name: str
    kind: str
    meaning: str


SOCKET_ERRORS: dict[ErrorCode, str] = {
    "invalid": "The message does not fit; `detail` says what of it.",
    "unknown-event": "There is no message of this name.",
    "unknown-product": "There is no such product.",
    "unknown-order": "There is no such order.",
    "unknown-operation": "There is no such operation, or nobody submitted it.",
    "forbidden": "The key may not read.",
    "rate-limited": "Too many messages; try again after `retryAfter` seconds.",
    "too-many-subscriptions": "The connection has as many subscriptions as it may have.",
    "not-recovered": "What was missed can no longer be told: read the state again.",
    "unavailable": "The database is away; try again after `retryAfter` seconds.",
    "internal": "Something went wrong on the side of the service.",
}


@blueprint.get("/docs")
@needs(None)
@blueprint.doc(hide=True)
def read_start() -> Response:
    """The quick start."""
    return _page("start.html", snippets=_snippets("first-"))


@blueprint.get("/docs/api")
@needs(None)
@blueprint.doc(hide=True)
def read_api() -> Response:
    """Every call, with a way to try it."""
    return _page("api.html", policy=_VIEWER_POLICY)


@blueprint.get("/docs/sockets")
@needs(None)
@blueprint.doc(hide=True)
def read_sockets() -> Response:
    """Messages, acknowledgements, events, recovery, limits."""
    settings = services().settings
    return _page(
        "sockets.html",
        topics=[
            (f"subscribe_{name}", text, list(_fields(schema.model_json_schema())))
            for name, (text, schema) in TOPICS.items()
        ],
        events=[
            (name, _text_of(event), list(_event_fields(event))) for name, event in EVENTS.items()
        ],
        errors=SOCKET_ERRORS,
        connections=settings.ws_connections_per_client,
        rate=settings.rate_limit_ws,
        subscriptions=MAX_SUBSCRIPTIONS,
        backlog=MAX_BACKLOG_BYTES,
        retention=worker_settings().event_retention_days,
        snippets=_snippets("recover"),
    )


@blueprint.get("/asyncapi.json")
@needs(None)
@blueprint.doc(hide=True)
def read_asyncapi() -> Response:
    """What goes over the sockets, for programs: AsyncAPI 3."""
    found = asyncapi.document(request.host, secure=scheme(request.environ) == "https")
    body = orjson.dumps(found, option=orjson.OPT_INDENT_2)
    return Response(body, content_type="application/json", headers={"Cache-Control": "no-cache"})


@blueprint.get("/docs/problems")
@needs(None)
@blueprint.doc(hide=True)
def list_problems() -> Response:
    """All kinds of problems."""
    kinds = [(code, title_of(code), kind) for code, kind in sorted(PROBLEMS.items())]
    return _page("problems.html", kinds=kinds)


@blueprint.get("/docs/problems/<code>")
@needs(None)
@blueprint.doc(hide=True)
def read_problem(code: str) -> Response:
    """What a problem means and what to do."""
    kind = PROBLEMS.get(code)
    if kind is None:
        raise not_found("kind of problem")
    return _page(
        "problem.html", code=code, title=title_of(code), kind=kind, example=example_of(code)
    )


@blueprint.get("/docs/files/<name>")
@needs(None)
@blueprint.doc(hide=True)
def read_file(name: str) -> Response:
    """A style sheet or a script of the pages."""
    if name not in _FILES:
        raise not_found("file")
    response = send_from_directory(_DASHBOARD / _FILES[name], name)
    # Asked for each time, and sent only after a new version.
    response.headers["Cache-Control"] = "no-cache"
    return response


def _page(template: str, policy: str = _POLICY, **values: Any) -> Response:
    page = render_template(template, here=request.path, prose=_prose, **values)
    response = Response(page, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = policy
    response.headers["Cache-Control"] = "no-cache"
    return response


def _prose(text: str) -> Markup:
    """Text in which what stands between backticks is code."""
    return Markup().join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part)
        for index, part in enumerate(text.split("`"))
    )


def _snippets(begin: str) -> dict[str, str]:
    """The snippets whose names begin so, by language, for the address of this request."""
    address = f"{scheme(request.environ)}://{request.host}"
    return {
        path.suffix[1:]: path.read_text().replace(_WRITTEN_FOR, address)
        for path in sorted(_SNIPPETS.glob(f"{begin}*"))
    }


def _event_fields(event: type[BaseModel]) -> Iterable[Field]:
    yield from _fields(event.model_json_schema(by_alias=True))
    yield Field("cursor", "text", "The client's place in this stream, for `since`")
    yield Field("position", "whole number", "The event's number in its stream")


def _text_of(event: type[BaseModel]) -> str:
    return (event.__doc__ or "").strip().splitlines()[0]


def _fields(schema: dict[str, Any]) -> Iterable[Field]:
    required = schema.get("required", ())
    for name, found in schema.get("properties", {}).items():
        kind = _kind(found)
        if name not in required:
            kind += ", or absent"
        yield Field(name, kind, found.get("description", ""))


_KINDS = {"string": "text", "integer": "whole number", "object": "object", "null": "null"}


def _kind(schema: dict[str, Any]) -> str:
    """What a value may be, in words."""
    if "anyOf" in schema:
        # Events leave out what is null.
        return " or ".join(_kind(one) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema:
        return " | ".join(schema["enum"])
    formats = {"uuid": "identifier", "date-time": "time"}
    return formats.get(schema.get("format", ""), _KINDS.get(schema.get("type", ""), "any"))

"""What browsers are told: which other origins may call, and what no page may do with an answer."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request

from web.settings import web_settings

_ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_ALLOWED_HEADERS = (
    "Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, X-API-Key, X-Request-ID"
)
_EXPOSED_HEADERS = (
    "ETag, Idempotent-Replayed, Location, Preference-Applied, RateLimit-Limit,"
    " RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Cache, X-Request-ID"
)
_PREFLIGHT_SECONDS = "600"
# Answers are data unless a page says otherwise: nothing in them is run, framed or embedded.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_ONE_YEAR = "max-age=31536000"


def init_browsers(app: Flask) -> None:
    """Answer preflights, which carry no key, and put the safe headers on every answer."""

    @app.before_request
    def preflight() -> Response | None:
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
            return None
        response = Response(status=204)
        if _is_allowed_origin():
            response.headers["Access-Control-Allow-Methods"] = _ALLOWED_METHODS
            response.headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
            response.headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
        return response

    @app.after_request
    def protect(response: Response) -> Response:
        # Looked up one by one they would cost more than all else that is done here.
        given = {name.lower() for name, _ in response.headers}
        response.headers.extend([one for one in _HEADERS.items() if one[0].lower() not in given])
        if _came_over_tls():
            response.headers["Strict-Transport-Security"] = _ONE_YEAR
        if web_settings().cors_origins:
            response.vary.add("Origin")
        if _is_allowed_origin():
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
        return response


def unsniffed(start_response: Callable[..., Any]) -> Callable[..., Any]:
    """What sockets answer by long polling comes without Flask; no browser is to run it either."""

    def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        return start_response(status, [*headers, ("X-Content-Type-Options", "nosniff")], *more)

    return start


def socket_origins(allowed: list[str]) -> Callable[[str | None, dict[str, Any]], bool] | None:
    """Who may open a socket: always the pages of the same host, and those that may call.

    Returns:
        What the Socket.IO server wants to know; None stands for the same host alone.
    """
    if not allowed:
        return None

    def may_open(origin: str | None, environ: dict[str, Any]) -> bool:
        host = environ.get("HTTP_X_FORWARDED_HOST") or environ.get("HTTP_HOST")
        own = (f"http://{host}", f"https://{host}")
        return origin is not None and (origin in own or origin in allowed or "*" in allowed)

    return may_open


def _is_allowed_origin() -> bool:
    allowed = web_settings().cors_origins
    # A key is no cookie: any page that may call has to have been given one.
    return "Origin" in request.headers and (request.headers["Origin"] in allowed or "*" in allowed)


def _came_over_tls() -> bool:
    """A lie about this harms only who tells it: the header is not remembered over plain HTTP."""
    return request.is_secure or request.headers.get("X-Forwarded-Proto") == "https"

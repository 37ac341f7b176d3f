"""What browsers are told: which other origins may call, and what no page may do with an answer."""

from collections.abc import Callable, Iterator
from typing import Any

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
_HEADERS = [
    (name.lower(), (name, value))
    for name, value in {
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }.items()
]
_ONE_YEAR = "max-age=31536000"

Environ = dict[str, Any]
Headers = list[tuple[str, str]]


def is_preflight(environ: Environ) -> bool:
    """Whether a browser asks if a page of another origin may call; it sends no key with that."""
    return (
        environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
    )


def preflight_headers(environ: Environ) -> Headers:
    """What it is told."""
    if not _is_allowed_origin(environ):
        return []
    return [
        ("Access-Control-Allow-Methods", _ALLOWED_METHODS),
        ("Access-Control-Allow-Headers", _ALLOWED_HEADERS),
        ("Access-Control-Max-Age", _PREFLIGHT_SECONDS),
    ]


def safe_headers(environ: Environ, given: set[str]) -> Iterator[tuple[str, str]]:
    """What makes an answer safe in a browser, and lets friendly origins read it.

    Args:
        environ: of the request.
        given: the headers that the answer has, in small letters; they stay as they are.
    """
    for low, header in _HEADERS:
        if low not in given:
            yield header
    if _came_over_tls(environ):
        yield "Strict-Transport-Security", _ONE_YEAR
    if web_settings().cors_origins:
        yield "Vary", "Origin"
    if _is_allowed_origin(environ):
        yield "Access-Control-Allow-Origin", environ["HTTP_ORIGIN"]
        yield "Access-Control-Expose-Headers", _EXPOSED_HEADERS


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


def _is_allowed_origin(environ: Environ) -> bool:
    origin = environ.get("HTTP_ORIGIN")
    if origin is None:
        return False
    allowed = web_settings().cors_origins
    # A key is no cookie: any page that may call has to have been given one.
    return origin in allowed or "*" in allowed


def _came_over_tls(environ: Environ) -> bool:
    """A lie about this harms only who tells it: the header is not remembered over plain HTTP."""
    return environ["wsgi.url_scheme"] == "https" or environ.get("HTTP_X_FORWARDED_PROTO") == "https"

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
_SCHEMES = ("http", "https")

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
    if scheme(environ) == "https":
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


def socket_origins(allowed: list[str]) -> Callable[[str | None, Environ], bool]:
    """Who may open a socket: always the pages of the same host, and those that may call.

    Returns:
        What the Socket.IO server asks. Its own answer would go by the scheme too, of which this
        process knows only what a proxy in front of it cares to tell.
    """

    def may_open(origin: str | None, environ: Environ) -> bool:
        if origin is None:
            return False
        hosts = (environ.get("HTTP_HOST"), _first(environ.get("HTTP_X_FORWARDED_HOST")))
        own = [f"{one}://{host}" for one in _SCHEMES for host in hosts if host]
        return origin in own or origin in allowed or "*" in allowed

    return may_open


def scheme(environ: Environ) -> str:
    """How the client came, ``http`` or ``https``: a proxy tells, where one stands in front.

    A lie about this harms only who tells it: no browser remembers what it is told of TLS without.
    """
    told = _first(environ.get("HTTP_X_FORWARDED_PROTO")) or environ["wsgi.url_scheme"]
    return "https" if told.lower() == "https" else "http"


def _first(told: str | None) -> str:
    """Of what several proxies have told, what the first of them did, which the client spoke to."""
    return told.partition(",")[0].strip() if told else ""


def _is_allowed_origin(environ: Environ) -> bool:
    origin = environ.get("HTTP_ORIGIN")
    if origin is None:
        return False
    allowed = web_settings().cors_origins
    # A key is no cookie: any page that may call has to have been given one.
    return origin in allowed or "*" in allowed

"""Around every answer: its request's id, what browsers and clients are told besides, a log line.

It works on the lists that WSGI (PEP 3333) passes along: the same through hooks and header objects
of the application would cost more than all else that most requests do.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from uuid_utils.compat import uuid7

from web import browsers
from web.facts import API_KEY, REQUEST_ID
from web.limits import limit_headers
from workers.logs import log_each, logged_request_id

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_FORM = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")
_QUIET = ("/health",)


class Envelope:
    """Wraps an application.

    Args:
        application: answers; what it leaves in the environment is told and logged.
    """

    def __init__(self, application: WSGI) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        began = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID", "")
        environ[REQUEST_ID] = given if _FORM.fullmatch(given) else str(uuid7())
        logged_request_id.set(environ[REQUEST_ID])

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            answer = start_response(status, [*headers, *_more_headers(environ, headers)], *more)
            _log(environ, status, time.perf_counter() - began)
            return answer

        if browsers.is_preflight(environ):
            start("204 No Content", browsers.preflight_headers(environ))
            return ()
        return self._application(environ, start)


def _more_headers(
    environ: dict[str, Any], headers: list[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    given = {name.lower() for name, _ in headers}
    yield "X-Request-ID", environ[REQUEST_ID]
    if "cache-control" not in given and environ["PATH_INFO"].startswith("/api/"):
        yield "Cache-Control", "no-store"
    yield from limit_headers(environ)
    yield from browsers.safe_headers(environ, given)


def _log(environ: dict[str, Any], status: str, seconds: float) -> None:
    path = environ["PATH_INFO"]
    if path in _QUIET:
        return
    if not path.isascii():
        path = path.encode("latin-1").decode("utf-8", "replace")
    key = environ.get(API_KEY)
    line = {
        "method": environ["REQUEST_METHOD"],
        "path": path,
        "status": int(status[:3]),
        "ms": round(seconds * 1000, 1),
        "request_id": environ[REQUEST_ID],
        "key": None if key is None else str(key.id),
    }
    log_each("request", (line,))

"""What is true of every request: its id and its line in the log."""

import re
import time

import structlog
from flask import Flask, Response, g, request
from uuid_utils.compat import uuid7

log = structlog.get_logger("web")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")
_QUIET = ("/health",)


def init_requests(app: Flask) -> None:
    """Give each request its id before anything else, and a line in the log after all."""

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid7())
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        if request.path.startswith("/api/"):
            response.headers.setdefault("Cache-Control", "no-store")
        if request.path not in _QUIET:
            log.info(
                "request",
                method=request.method,
                path=request.path,
                status=response.status_code,
                ms=round((time.perf_counter() - g.began) * 1000, 1),
                key=str(g.api_key.id) if g.get("api_key") else None,
            )
        return response

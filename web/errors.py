"""Problems: every error a client sees, in the form of RFC 9457."""

from typing import Any

import orjson
import structlog
from flask import Flask, Response, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from db.errors import is_commit_lost, is_overdue, is_passing, is_unmigrated
from web.facts import request_id
from web.problems import title_of

log = structlog.get_logger(__name__)

PROBLEM_JSON = "application/problem+json"

_CODES = {
    400: "malformed-request",
    404: "not-found",
    405: "method-not-allowed",
    408: "request-timeout",
    411: "length-required",
    413: "body-too-large",
    414: "uri-too-long",
    415: "unsupported-media-type",
    429: "too-many-requests",
    431: "headers-too-large",
}


# Where the library's own words are about addresses that people mistype.
_DETAILS = {
    404: "There is nothing at this path; /docs/api lists all calls.",
    405: "This path does not take this method; the header Allow names those that it takes.",
}


_SOON = {"Retry-After": "1"}
_READS = ("GET", "HEAD", "OPTIONS")
_TOO_MUCH = (
    "The database took too long for this. Try again; if it stays so, ask for less at once, such as"
    " a shorter time."
)
_UNKNOWN = (
    "The database has not answered, so it is not known whether this was done. Send it again with"
    " the same Idempotency-Key; if it had none, look first."
)


class Problem(Exception):  # noqa: N818 - the name of the thing in RFC 9457
    """An answer that says what is wrong.

    Args:
        status: the HTTP status.
        code: the problem's name in kebab case; its type is a page of the documents.
        detail: one sentence for a person.
        headers: more response headers.
        facts: more members of the document, such as ``errors``.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}
        self.facts = facts

    def response(self) -> Response:
        """The problem document."""
        body = {
            "type": f"/docs/problems/{self.code}",
            "title": title_of(self.code),
            "status": self.status,
            "detail": self.detail,
            "instance": request.path,
            "requestId": request_id(),
            **self.facts,
        }
        return Response(
            orjson.dumps(_printable(body)),
            self.status,
            headers=self.headers,
            content_type=PROBLEM_JSON,
        )


class Invalid(Problem):
    """Well-formed input that does not fit; every bad field is named.

    Args:
        errors: ``(pointer, detail)``; the pointer is a JSON pointer into the body (RFC 6901),
            or ``?name`` for a query parameter.
    """

    def __init__(self, *errors: tuple[str, str]) -> None:
        shown = [{"pointer": pointer, "detail": detail} for pointer, detail in errors]
        names = ", ".join(pointer or "the body" for pointer, _ in errors[:5])
        if len(errors) > 5:
            names += f" and {len(errors) - 5:,} more"
        super().__init__(422, "invalid-input", f"Not valid: {names}.", errors=shown)


def not_found(thing: str) -> Problem:
    """There is no such thing."""
    return Problem(404, "not-found", f"There is no such {thing}.")


def unavailable(detail: str = "The database is away; nothing was done.") -> Problem:
    """Something that the service needs is down."""
    return Problem(503, "unavailable", detail, headers=_SOON)


def outcome_unknown(error: SQLAlchemyError) -> Problem:
    """What was sent may have been done all the same; only its answer got lost."""
    log.warning("database_away", error=_first_line(error))
    return Problem(503, "unavailable", _UNKNOWN, headers=_SOON, outcome="unknown")


def _first_line(error: Exception) -> str:
    return repr(error).splitlines()[0]


def _printable(value: Any) -> Any:
    """Without the lone surrogates that a client's text may carry and UTF-8 cannot."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list) else value


def init_errors(app: Flask) -> None:
    """Answer every exception with a problem document, and never with a traceback."""

    @app.errorhandler(Problem)
    def problem(error: Problem) -> Response:
        return error.response()

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        if error.response is not None and error.code is not None and error.code < 400:
            return error.response  # type: ignore[return-value]
        status = error.code or 500
        if status == 500:
            # Flask brings here what was raised outside of the routes, after a response was made.
            return unexpected(getattr(error, "original_exception", None) or error)
        code = _CODES.get(status, "error")
        headers = {
            name: value
            for name, value in error.get_headers(request.environ)
            if name in ("Allow", "Retry-After")
        }
        detail = _DETAILS.get(status) or error.description or code
        return Problem(status, code, detail, headers=headers).response()

    @app.errorhandler(SQLAlchemyError)
    def database(error: SQLAlchemyError) -> Response:
        if not is_passing(error):
            return unexpected(error)
        if is_unmigrated(error):
            log.warning("database_not_migrated", remedy="run `pms migrate`")
            return unavailable("The database is not up to date yet; nothing was done.").response()
        if is_commit_lost(error) and request.method not in _READS:
            return outcome_unknown(error).response()
        log.warning("database_away", error=_first_line(error))
        if is_overdue(error) and request.method in _READS:
            return unavailable(_TOO_MUCH).response()
        return unavailable().response()

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log.error("request_failed", exc_info=error)
        detail = "Something went wrong on our side; the request id finds it in the log."
        return Problem(500, "internal-error", detail).response()

"""Queries of routes that declare no parameters: they take none, as the others take no unknown ones.

Who asks for a dry run where there is none must not be answered by the thing itself.
"""

from flask import Flask
from flask.globals import current_app, request_ctx

from web.errors import Invalid

_UNKNOWN = "is not known here"
_MOST_NAMED = 100


def refuse_unknown() -> None:
    """Before each request, after the guard.

    Raises:
        Invalid: parameters were given to a route of the API that has none.
    """
    request = request_ctx.request
    if not request.query_string or request.endpoint is None or request.method == "OPTIONS":
        return
    if request.path.startswith("/api/") and not _takes_any(request.endpoint):
        names = list(request.args)[:_MOST_NAMED]
        if names:
            raise Invalid(*((f"?{name}", _UNKNOWN) for name in names))


def _takes_any(endpoint: str) -> bool:
    declared = getattr(current_app.view_functions[endpoint], "_spec", {}).get("args") or ()
    return any(location == "query" for _, location in declared)


def init_queries(app: Flask) -> None:
    """Have each request's query looked at."""
    app.before_request(refuse_unknown)

"""What is known of the request that is being served, kept in its environment for the envelope."""

from flask.globals import request_ctx

REQUEST_ID = "pms.request_id"
API_KEY = "pms.api_key"
LIMIT = "pms.limit"


def request_id() -> str | None:
    """The id of this request."""
    found: str | None = request_ctx.request.environ.get(REQUEST_ID)
    return found

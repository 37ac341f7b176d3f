"""How much a client may ask: requests a minute per API key, over all web processes."""

import time
from functools import lru_cache

from flask import Flask, Response, g, request
from flask_limiter import HeaderNames, Limiter
from limits import RateLimitItem, parse

from web import limit_storage
from web.settings import web_settings


def _who() -> str:
    """Whose bucket a request draws from: the key's, or the address' of those without one."""
    if g.api_key is not None:
        return f"key:{g.api_key.id}"
    return f"address:{request.remote_addr}"


def _rate() -> str:
    own: str | None = g.api_key.rate if g.api_key is not None else None
    return own or web_settings().rate_limit_api


_NAMES = {
    HeaderNames.LIMIT: "RateLimit-Limit",
    HeaderNames.REMAINING: "RateLimit-Remaining",
    HeaderNames.RESET: "RateLimit-Reset",
    HeaderNames.RETRY_AFTER: "Retry-After",
}


def init_limits(app: Flask) -> None:
    """Count every request of the API, in Redis, or in memory while Redis is away.

    Other requests are not counted; their answers say that nothing of the limit is used.
    """
    # Its import registers the scheme under which the limiter finds it.
    (scheme,) = limit_storage.FallbackStorage.STORAGE_SCHEME

    # Registered before the limiter's own, and therefore called after it.
    @app.after_request
    def in_seconds(response: Response) -> Response:
        """As the IETF draft "RateLimit header fields for HTTP", version 3, has it.

        The limiter names the moment of the reset; the draft wants the seconds until then.
        """
        headers = response.headers
        if "RateLimit-Reset" not in headers:
            headers.update(_unused())
        else:
            window = parse_rate(_rate()).get_expiry()
            reset = min(window, max(0, round(float(headers["RateLimit-Reset"]) - time.time())))
            headers["RateLimit-Reset"] = str(reset)
            if response.status_code == 429:
                headers["Retry-After"] = str(max(1, reset))
            elif response.status_code != 503:
                headers.pop("Retry-After", None)
        return response

    limiter = Limiter(
        _who,
        application_limits=[_rate],
        headers_enabled=True,
        header_name_mapping=_NAMES,
        strategy="sliding-window-counter",
        # What is not found counts too: otherwise guessing paths would cost nothing.
        request_identifier=lambda: request.endpoint or "nothing",
        storage_uri=f"{scheme}://",
        key_prefix="requests",
    )
    limiter.request_filter(lambda: not request.path.startswith("/api/"))
    limiter.init_app(app)


def _unused() -> dict[str, str]:
    limit = str(parse_rate(web_settings().rate_limit_api).amount)
    return {"RateLimit-Limit": limit, "RateLimit-Remaining": limit, "RateLimit-Reset": "0"}


@lru_cache
def parse_rate(rate: str) -> RateLimitItem:
    """A rate such as ``1000/minute``."""
    return parse(rate)

"""How much a client may ask: requests a minute per API key, over all web processes."""

import math
import time
from functools import lru_cache

from flask import Flask, Response, g, request
from flask_limiter import Limiter
from limits import RateLimitItem, parse

from web import limit_storage
from web.errors import Problem
from web.settings import web_settings


def _who() -> str:
    """Whose bucket a request draws from: the key's, or the address' of those without one."""
    if g.api_key is not None:
        return f"key:{g.api_key.id}"
    return f"address:{request.remote_addr}"


def _rate() -> str:
    own: str | None = g.api_key.rate if g.api_key is not None else None
    return own or web_settings().rate_limit_api


class OneLimit(Limiter):
    """A limiter with one limit for all routes, which need not be looked for by route.

    What is not found counts too: otherwise guessing paths would cost nothing.
    """

    def _check_request_limit(
        self, callable_name: str | None = None, in_middleware: bool = True
    ) -> None:
        g.limit = None
        if not request.path.startswith("/api/"):
            return
        item, who = parse_rate(_rate()), _who()
        is_within = self.limiter.hit(item, "requests", who)
        g.limit = item, self.limiter.get_window_stats(item, "requests", who)
        if not is_within:
            raise Problem(429, "too-many-requests", str(item))


def init_limits(app: Flask) -> None:
    """Count every request of the API, over all web processes.

    Other requests are not counted; their answers say that nothing of the limit is used.
    """
    # Its import registers the scheme under which the limiter finds it.
    (scheme,) = limit_storage.SharedStorage.STORAGE_SCHEME
    OneLimit(_who, app=app, strategy="sliding-window-counter", storage_uri=f"{scheme}://")

    @app.after_request
    def tell(response: Response) -> Response:
        """As the IETF draft "RateLimit header fields for HTTP", version 3, has it."""
        limit = g.get("limit")
        if limit is None:
            response.headers.extend(_unused())
            return response
        item, stats = limit
        reset = min(item.get_expiry(), max(0, math.ceil(stats.reset_time - time.time())))
        response.headers.extend(_headers(item.amount, stats.remaining, reset))
        if response.status_code == 429:
            response.headers["Retry-After"] = str(max(1, reset))
        return response


def _headers(limit: int, remaining: int, reset: int) -> dict[str, str]:
    return {
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(remaining),
        "RateLimit-Reset": str(reset),
    }


def _unused() -> dict[str, str]:
    limit = parse_rate(web_settings().rate_limit_api).amount
    return _headers(limit, limit, 0)


@lru_cache
def parse_rate(rate: str) -> RateLimitItem:
    """A rate such as ``1000/minute``."""
    return parse(rate)

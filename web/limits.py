"""How much a client may ask: requests a minute per API key, over all web processes."""

import time
from functools import lru_cache

from flask import Flask, Response, g, request
from flask_limiter import Limiter
from limits import RateLimitItem, parse
from redis.backoff import NoBackoff
from redis.retry import Retry

from web.settings import web_settings
from workers.settings import worker_settings

# A limiter that waits for Redis is worse than one that counts by itself for a while.
_REDIS_PATIENCE = 0.1


def _who() -> str:
    """Whose bucket a request draws from: the key's, or the address' of those without one."""
    if g.api_key is not None:
        return f"key:{g.api_key.id}"
    return f"address:{request.remote_addr}"


def _rate() -> str:
    own: str | None = g.api_key.rate if g.api_key is not None else None
    return own or web_settings().rate_limit_api


def init_limits(app: Flask) -> Limiter:
    """Count every request of the API, in Redis, or in memory while Redis is away."""
    limiter = Limiter(
        _who,
        application_limits=[_rate],
        strategy="sliding-window-counter",
        storage_uri=worker_settings().redis_url,
        storage_options={
            "socket_timeout": _REDIS_PATIENCE,
            "socket_connect_timeout": _REDIS_PATIENCE,
            "retry": Retry(NoBackoff(), 0),
        },
        in_memory_fallback_enabled=True,
        key_prefix="pms:limit",
    )
    limiter.request_filter(lambda: not request.path.startswith("/api/"))
    limiter.init_app(app)

    @app.after_request
    def tell(response: Response) -> Response:
        """The fields of the IETF draft "RateLimit header fields for HTTP", version 3."""
        limit = limiter.current_limit
        if limit is not None:
            window = limit.limit.get_expiry()
            reset = min(window, max(0, round(limit.reset_at - time.time())))
            response.headers["RateLimit-Limit"] = str(limit.limit.amount)
            response.headers["RateLimit-Remaining"] = str(max(0, limit.remaining))
            response.headers["RateLimit-Reset"] = str(reset)
            if response.status_code == 429:
                response.headers["Retry-After"] = str(max(1, reset))
        return response

    return limiter


@lru_cache
def parse_rate(rate: str) -> RateLimitItem:
    """A rate such as ``1000/minute``."""
    return parse(rate)

"""How much a client may ask: requests a minute per API key, over all web processes."""

import math
import time
from functools import lru_cache
from typing import Any

from flask import Flask
from flask.globals import request_ctx
from flask_limiter import Limiter
from flask_limiter._extension import LimiterContext
from limits import RateLimitItem, parse
from limits.strategies import RateLimiter

from web import limit_storage
from web.errors import Problem
from web.facts import API_KEY, LIMIT
from web.settings import web_settings


def _bucket() -> tuple[str, str]:
    """Whose bucket a request draws from, and the rate: the key's, or the address' without one."""
    request = request_ctx.request
    key = request.environ.get(API_KEY)
    if key is None:
        return f"address:{request.remote_addr}", web_settings().rate_limit_api
    return f"key:{key.id}", key.rate or web_settings().rate_limit_api


class OneLimit(Limiter):
    """A limiter with one limit for all routes, which need not be looked for by route.

    What is not found counts too: otherwise guessing paths would cost nothing.
    """

    # With one limit there is nothing to be remembered of a request.
    context = LimiterContext()

    def _check_request_limit(
        self, callable_name: str | None = None, in_middleware: bool = True
    ) -> None:
        request = request_ctx.request
        if not request.path.startswith("/api/"):
            return
        who, rate = _bucket()
        item = parse_rate(rate)
        is_within = self.limiter.hit(item, "requests", who)
        stats = self.limiter.get_window_stats(item, "requests", who)
        reset = min(item.get_expiry(), max(0, math.ceil(stats.reset_time - time.time())))
        if not is_within:
            reset = seconds_until_next(self.limiter, item, "requests", who)
        request.environ[LIMIT] = item.amount, stats.remaining, reset
        if not is_within:
            again = {"Retry-After": str(reset)}
            raise Problem(429, "too-many-requests", str(item), headers=again)


def seconds_until_next(limiter: RateLimiter, item: RateLimitItem, *who: str) -> int:
    """Whole seconds after which one who was refused may ask again."""
    storage: Any = limiter.storage
    wait = storage.seconds_until_next(item.key_for(*who), item.amount, item.get_expiry())
    return max(1, math.ceil(wait))


def init_limits(app: Flask) -> None:
    """Count every request of the API, over all web processes."""
    # Its import registers the scheme under which the limiter finds it.
    (scheme,) = limit_storage.SharedStorage.STORAGE_SCHEME
    OneLimit(
        lambda: _bucket()[0], app=app, strategy="sliding-window-counter", storage_uri=f"{scheme}://"
    )


def limit_headers(environ: dict[str, Any]) -> list[tuple[str, str]]:
    """As the IETF draft "RateLimit header fields for HTTP", version 3, has it.

    Other requests than the API's are not counted; of their limit nothing is used.
    """
    found = environ.get(LIMIT)
    if found is None:
        limit = parse_rate(web_settings().rate_limit_api).amount
        found = limit, limit, 0
    return [
        ("RateLimit-Limit", str(found[0])),
        ("RateLimit-Remaining", str(found[1])),
        ("RateLimit-Reset", str(found[2])),
    ]


@lru_cache
def parse_rate(rate: str) -> RateLimitItem:
    """A rate such as ``1000/minute``."""
    return parse(rate)

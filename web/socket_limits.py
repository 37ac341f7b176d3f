"""How much a client may say: messages a minute per API key, over all web processes."""

import math
import threading
import time

import structlog
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from db.models.api_key import ApiKey
from workers.settings import worker_settings

log = structlog.get_logger(__name__)

_PATIENCE_SECONDS = 0.1
# Redis is not asked for so long after it did not answer: nobody's messages wait for it.
_AWAY_SECONDS = 2.0
# Questions to Redis at once: each of them takes a connection.
_CALLS = 16


class MessageLimits:
    """Counts messages in Redis, or in memory while Redis is away.

    Args:
        rate: of a key that carries none of its own, such as ``1000/minute``.
    """

    def __init__(self, rate: str) -> None:
        self._rate = rate
        self._parsed: dict[str, RateLimitItem] = {}
        storage = RedisStorage(
            worker_settings().redis_url,
            key_prefix="pms:messages",
            socket_timeout=_PATIENCE_SECONDS,
            socket_connect_timeout=_PATIENCE_SECONDS,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]
        )
        self._shared = SlidingWindowCounterRateLimiter(storage)
        self._alone = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._away_until = 0.0
        self._calls = threading.BoundedSemaphore(_CALLS)

    def refuse_for(self, key: ApiKey) -> int | None:
        """Count one message.

        Returns:
            None if it is allowed, else the seconds after which another one may be.
        """
        item = self._item(key.ws_rate or self._rate)
        if not self._is_away():
            with self._calls:
                if not self._is_away():
                    try:
                        return _count(self._shared, item, str(key.id))
                    except (RedisError, OSError) as error:
                        self._note_away(error)
        return _count(self._alone, item, str(key.id))

    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _note_away(self, error: Exception) -> None:
        if not self._is_away():
            log.warning("messages_counted_alone", error=repr(error))
        self._away_until = time.monotonic() + _AWAY_SECONDS

    def _item(self, rate: str) -> RateLimitItem:
        if rate not in self._parsed:
            self._parsed[rate] = parse(rate)
        return self._parsed[rate]


def _count(limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, who: str) -> int | None:
    if limiter.hit(item, who):
        return None
    reset = limiter.get_window_stats(item, who).reset_time
    return max(1, math.ceil(reset - time.time()))

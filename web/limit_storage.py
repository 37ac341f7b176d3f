"""Where limits are counted: in Redis, or in this process' memory while Redis is away."""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.storage.base import SlidingWindowCounterSupport
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from workers.settings import worker_settings

log = structlog.get_logger(__name__)

T = TypeVar("T")

# A limiter that waits for Redis is worse than one that counts by itself for a while.
_PATIENCE_SECONDS = 0.1
# After Redis did not answer, only one caller in so many seconds asks it again.
_AWAY_SECONDS = 2.0
# Questions to Redis at once: each of them takes a connection.
_CALLS = 16


class FallbackStorage(Storage, SlidingWindowCounterSupport):
    """A storage of the ``limits`` library that never fails.

    Flask-Limiter's own fallback answers 500 to those requests that were asking Redis when
    another one had already found it away.
    """

    STORAGE_SCHEME = ["pms"]

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **_: Any) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        self._shared = RedisStorage(
            worker_settings().redis_url,
            key_prefix="pms:limits",
            socket_timeout=_PATIENCE_SECONDS,
            socket_connect_timeout=_PATIENCE_SECONDS,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]
        )
        self._alone = MemoryStorage()
        self._calls = threading.BoundedSemaphore(_CALLS)
        self._ask_again_at = 0.0
        self._away = False

    def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        """Count, unless that would be over the limit."""
        return self._ask(
            lambda storage: storage.acquire_sliding_window_entry(key, limit, expiry, amount)
        )

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """The counts of the window before and of this one, with the seconds they live on."""
        return self._ask(lambda storage: storage.get_sliding_window(key, expiry))

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Forget a client's counts."""
        self._ask(lambda storage: storage.clear_sliding_window(key, expiry))

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, whatever the limit."""
        return self._ask(lambda storage: storage.incr(key, expiry, amount))

    def get(self, key: str) -> int:
        """A count."""
        return self._ask(lambda storage: storage.get(key))

    def get_expiry(self, key: str) -> float:
        """When a count ends."""
        return self._ask(lambda storage: storage.get_expiry(key))

    def clear(self, key: str) -> None:
        """Forget a count."""
        self._ask(lambda storage: storage.clear(key))

    def reset(self) -> int | None:
        """Forget everything."""
        return self._ask(lambda storage: storage.reset())

    def check(self) -> bool:
        """It always works."""
        return True

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """What may be raised: nothing of Redis'."""
        return ()

    def _ask(self, question: Callable[[Any], T]) -> T:
        looks_again = self._away and self._takes_the_look()
        if looks_again or not self._away:
            with self._calls:
                # Who has waited here may have learned meanwhile that Redis is away.
                if looks_again or not self._away:
                    try:
                        found = question(self._shared)
                    except (RedisError, OSError) as error:
                        self._note_away(error)
                    else:
                        self._away = False
                        return found
        return question(self._alone)

    def _takes_the_look(self) -> bool:
        """While Redis is away: whether this caller is the one to look for it now."""
        now = time.monotonic()
        if now < self._ask_again_at:
            return False
        self._ask_again_at = now + _AWAY_SECONDS
        return True

    def _note_away(self, error: Exception) -> None:
        if not self._away:
            log.warning("limits_counted_alone", error=repr(error))
        self._away = True
        self._ask_again_at = time.monotonic() + _AWAY_SECONDS

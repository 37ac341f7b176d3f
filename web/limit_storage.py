"""Where limits are counted: in each process, which asks Redis only now and then.

A process lets in by itself what is a small share of what was left when it last asked Redis, and
tells Redis of it a moment later; once that share is used up it asks for each request. So one
process alone is exact, and near the limit all of them are. At worst, in one window each further
process lets in its share (the limit divided by `SHARES`) more than the limit allows; a limit of
fewer than `SHARES` is held exactly. Nobody is refused below the limit.
"""

import os
import threading
import time
from dataclasses import dataclass, field
from weakref import WeakMethod

import structlog
from limits.storage import RedisStorage
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from workers.settings import worker_settings

log = structlog.get_logger(__name__)

# What a process may let in by itself, of what is left: one part of so many.
SHARES = 16
# Seconds until Redis, and so the other processes, are told of what was let in.
_TELL_SECONDS = 0.2
# A limiter that waits for Redis is worse than one that counts by itself for a while.
_PATIENCE_SECONDS = 0.1
# After Redis did not answer, only one caller in so many seconds asks it again.
_AWAY_SECONDS = 2.0
# Questions to Redis at once: each of them takes a connection.
_CALLS = 16

# A bucket counts this window and the one before. Redis' own clock says which is which, as the
# processes' clocks may differ. Arguments: the window in milliseconds, the limit, what was let in
# already and in which window, what is wanted.
_COUNT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window, let_in = tonumber(ARGV[1]), tonumber(ARGV[3])
local number = math.floor(now / window)
local kept = redis.call('HMGET', KEYS[1], 'number', 'previous', 'current')
local previous, current = 0, 0
if tonumber(kept[1] or -1) == number then
    previous, current = tonumber(kept[2]), tonumber(kept[3])
elseif tonumber(kept[1] or -1) == number - 1 then
    previous = tonumber(kept[3])
end
if tonumber(ARGV[4]) == number then
    current = current + let_in
elseif tonumber(ARGV[4]) == number - 1 then
    previous = previous + let_in
end
local weighted = previous * (window - now % window) / window + current
local granted = weighted + ARGV[5] <= tonumber(ARGV[2]) and 1 or 0
current = current + granted * ARGV[5]
redis.call('HSET', KEYS[1], 'number', number, 'previous', previous, 'current', current)
redis.call('PEXPIRE', KEYS[1], 2 * window)
return {granted, now, previous, current}
"""


@dataclass(slots=True)
class _Bucket:
    """One client's counts, as far as this process knows them."""

    window: int  # milliseconds
    number: int = 0
    previous: int = 0
    current: int = 0
    limit: int = 0
    share: int = 0
    untold: int = 0
    untold_in: int = 0  # the number of their window
    lock: threading.Lock = field(default_factory=threading.Lock)

    def turn_to(self, number: int) -> None:
        """Begin the window of this number, unless it is this one already."""
        if number != self.number:
            follows = number == self.number + 1
            self.previous = self.current if follows else 0
            self.number, self.current, self.share = number, 0, 0

    def left_of_window(self, now: int) -> int:
        """Milliseconds."""
        return self.window - now % self.window

    def weighted(self, now: int) -> float:
        """The window before counts as far as it would reach into one that ends now."""
        return self.previous * self.left_of_window(now) / self.window + self.current

    def until_next(self, now: int, limit: int) -> float:
        """Milliseconds until one more fits, if nothing else comes meanwhile."""
        left, room = self.left_of_window(now), limit - 1 - self.current
        if room >= 0:
            # As much of this window has to be over as makes the one before count so little.
            return max(0.0, left - room * self.window / self.previous) if self.previous else 0.0
        # What this window has counts on in the next one.
        return left + self.window * (1 - (limit - 1) / self.current)

    def let_in(self, amount: int) -> None:
        """Count what Redis is not asked about."""
        if not self.untold:
            self.untold_in = self.number
        self.current += amount
        self.untold += amount

    def learn(self, now: int, previous: int, current: int) -> None:
        """Take over what all have counted; counts only grow, so that more is newer."""
        self.turn_to(now // self.window)
        self.previous = max(self.previous, previous)
        self.current = max(self.current, current)
        self.untold = 0
        self.share = max(0, int(self.limit - self.weighted(now))) // SHARES


class SharedStorage(RedisStorage):
    """A storage of the ``limits`` library for sliding windows that never fails.

    While Redis is away each process counts for itself, and tells it all when it is back.
    """

    STORAGE_SCHEME = ["pms"]

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False) -> None:
        super().__init__(
            worker_settings().redis_url,
            key_prefix="pms:limits",
            wrap_exceptions=wrap_exceptions,
            socket_timeout=_PATIENCE_SECONDS,
            socket_connect_timeout=_PATIENCE_SECONDS,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]
        )
        self._count = self.get_connection().register_script(_COUNT)
        self._clock = 0  # Redis' clock less this process', in milliseconds
        self._ask_again_at = 0.0
        self._away = False
        self._begin()
        begin = WeakMethod(self._begin)
        os.register_at_fork(after_in_child=lambda: (begin() or (lambda: None))())

    def _begin(self) -> None:
        """Count from nothing; in a forked child too, whose locks nobody else would release."""
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()
        self._calls = threading.BoundedSemaphore(_CALLS)
        self._untold = threading.Event()
        self._teller: threading.Thread | None = None

    def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        """Count, unless that would be over the limit.

        Args:
            key: whose bucket.
            limit: how much fits.
            expiry: the window, in seconds.
            amount: what is to be counted.
        """
        bucket = self._bucket(key, expiry)
        with bucket.lock:
            now = self._now()
            bucket.limit = limit
            bucket.turn_to(now // bucket.window)
            if bucket.weighted(now) + amount > limit:
                # Whatever the others have counted, it is not less.
                return False
            if bucket.untold + amount > bucket.share:
                granted = self._ask(key, bucket, amount)
                if granted is not None:
                    return granted
            bucket.let_in(amount)
        self._tell_soon()
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """The counts of the window before and of this one, with the seconds they live on."""
        bucket = self._bucket(key, expiry)
        with bucket.lock:
            now = self._now()
            bucket.turn_to(now // bucket.window)
            left = bucket.left_of_window(now) / 1000
            return bucket.previous, left, bucket.current, left + expiry

    def seconds_until_next(self, key: str, limit: int, expiry: int) -> float:
        """How long a client who was refused has to wait.

        Args:
            key: whose bucket.
            limit: how much fits.
            expiry: the window, in seconds.
        """
        bucket = self._bucket(key, expiry)
        with bucket.lock:
            now = self._now()
            bucket.turn_to(now // bucket.window)
            return bucket.until_next(now, limit) / 1000

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Forget a client's counts."""
        self._buckets.pop(key, None)
        self.clear(key)

    def reset(self) -> int | None:
        """Forget all counts, here and in Redis."""
        self._buckets.clear()
        return super().reset()

    def _bucket(self, key: str, expiry: int) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            with self._lock:
                bucket = self._buckets.setdefault(key, _Bucket(expiry * 1000))
        return bucket

    def _now(self) -> int:
        return int(time.time() * 1000) + self._clock

    def _ask(self, key: str, bucket: _Bucket, amount: int) -> bool | None:
        """Tell Redis what was let in, and ask for more; None if it is away."""
        looks_again = self._away and self._takes_the_look()
        if self._away and not looks_again:
            return None
        with self._calls:
            # Who has waited here may have learned meanwhile that Redis is away.
            if self._away and not looks_again:
                return None
            counted = [bucket.untold, bucket.untold_in, amount]
            try:
                granted, now, previous, current = self._count(
                    [self.prefixed_key(key)], [bucket.window, bucket.limit, *counted]
                )
            except (RedisError, OSError) as error:
                self._note_away(error)
                return None
        self._away = False
        self._clock += now - self._now()
        bucket.learn(now, previous, current)
        return bool(granted)

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

    def _tell_soon(self) -> None:
        if self._untold.is_set():
            return
        self._untold.set()
        with self._lock:
            if self._teller is None:
                self._teller = threading.Thread(target=self._tell, name="limits", daemon=True)
                self._teller.start()

    def _tell(self) -> None:
        """Tell Redis of what was let in, again and again; at rest nothing is done."""
        while True:
            self._untold.wait()
            time.sleep(_TELL_SECONDS)
            self._untold.clear()
            for key, bucket in list(self._buckets.items()):
                with bucket.lock:
                    if bucket.untold:
                        if self._ask(key, bucket, 0) is None:
                            self._untold.set()
                    elif bucket.number < self._now() // bucket.window - 1:
                        self._buckets.pop(key, None)

"""Connections: how many a client may have, counted over all web processes.

A place belongs to a web process and lasts only as long as that process renews it, so that a
killed one gives its places back.
"""

import threading
import time
from collections.abc import Callable
from typing import cast
from uuid import UUID

import structlog
from redis import Redis
from redis.exceptions import RedisError
from uuid_utils.compat import uuid7

from workers.broadcast import connect_redis

log = structlog.get_logger(__name__)

LEASE_SECONDS = 5.0
_RENEW_SECONDS = 1.5
# How long an attempt over the cap waits for places that nobody renews any more.
HOLD_SECONDS = LEASE_SECONDS + 0.5
_RETRY_SECONDS = 0.25
# Questions to Redis at once: each of them takes a connection.
_CALLS = 16

_COUNTS = "pms:connections"

# Redis' own clock decides, as the processes' clocks may differ.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3] * 2)
return 1
"""


def _places_of(key_id: UUID) -> str:
    return f"{_COUNTS}:{key_id}"


class Places:
    """The places that connections of this process hold, and the count of all processes'.

    Args:
        cap: connections of one API key over all web processes.
        connect: makes a Redis client.
    """

    def __init__(self, cap: int, connect: Callable[[], Redis] = connect_redis) -> None:
        self._cap = cap
        self._redis = connect()
        self._take = self._redis.register_script(_TAKE)
        self._process = uuid7().hex
        self._held: dict[UUID, set[str]] = {}
        self._released: list[tuple[UUID, str]] = []
        self._wanted = threading.Event()
        self._calls = threading.BoundedSemaphore(_CALLS)
        self._away = False
        self._elsewhere = 0
        self._stopped = False

    def start(self) -> None:
        """Begin to renew."""
        threading.Thread(target=self._run, name="connection-places", daemon=True).start()

    def stop(self) -> None:
        """Give all places back and end."""
        self._stopped = True
        for key_id, sids in list(self._held.items()):
            for sid in list(sids):
                self.release(key_id, sid)
        self._wanted.set()

    def take(self, key_id: UUID, sid: str) -> bool:
        """Take a place for a connection; over the cap, wait for one as long as a lease lasts.

        Returns:
            Whether there was one.
        """
        deadline = time.monotonic() + HOLD_SECONDS
        while not self._try(key_id, sid):
            if time.monotonic() >= deadline or self._stopped:
                return False
            time.sleep(_RETRY_SECONDS)
        return True

    def release(self, key_id: UUID, sid: str) -> None:
        """Give a place back; returns at once."""
        sids = self._held.get(key_id, set())
        if sid in sids:
            sids.remove(sid)
            self._released.append((key_id, sid))
            self._wanted.set()
        if not sids:
            self._held.pop(key_id, None)

    def local_connections(self) -> int:
        """The connections of this process."""
        return sum(map(len, self._held.values()))

    def total_connections(self) -> int:
        """The connections of all web processes, as known a moment ago; returns at once."""
        return self.local_connections() + self._elsewhere

    def _try(self, key_id: UUID, sid: str) -> bool:
        sids = self._held.setdefault(key_id, set())
        if len(sids) >= self._cap:
            return False
        # Before Redis is asked, so that others of this process see the place as taken.
        sids.add(sid)
        if self._away or self._take_shared(key_id, sid):
            return True
        sids.discard(sid)
        return False

    def _take_shared(self, key_id: UUID, sid: str) -> bool:
        lease = int(LEASE_SECONDS * 1000)
        with self._calls:
            if self._away:
                return True
            try:
                arguments: list[str | int] = [self._member(sid), self._cap, lease]
                return bool(self._take(keys=[_places_of(key_id)], args=arguments))
            except (RedisError, OSError) as error:
                self._note(away=True, error=error)
                return True

    def _member(self, sid: str) -> str:
        return f"{self._process}:{sid}"

    def _note(self, *, away: bool, error: Exception | None = None) -> None:
        """Whether Redis can be counted on; while it is away each process counts for itself."""
        if away and not self._away:
            log.warning("places_counted_alone", error=repr(error))
        self._away = away
        if away:
            self._elsewhere = 0

    def _run(self) -> None:
        last = 0.0
        while True:
            self._wanted.wait(max(0.0, last + _RENEW_SECONDS - time.monotonic()))
            self._wanted.clear()
            try:
                self._give_back()
                if time.monotonic() - last >= _RENEW_SECONDS or self._away or self._stopped:
                    last = time.monotonic()
                    self._renew()
                self._note(away=False)
            except (RedisError, OSError) as error:
                last = time.monotonic()
                self._note(away=True, error=error)
            except Exception:
                last = time.monotonic()
                log.exception("places_not_renewed")
            if self._stopped:
                return

    def _give_back(self) -> None:
        released, self._released = self._released, []
        if released:
            with self._redis.pipeline(transaction=False) as pipe:
                for key_id, sid in released:
                    pipe.zrem(_places_of(key_id), self._member(sid))
                pipe.execute()

    def _renew(self) -> None:
        """Renew this process' places, tell its count, read the others'."""
        seconds, microseconds = cast(tuple[int, int], self._redis.time())
        now = seconds * 1000 + microseconds // 1000
        until = now + int(LEASE_SECONDS * 1000)
        with self._redis.pipeline(transaction=False) as pipe:
            for key_id, sids in list(self._held.items()):
                if sids:
                    name = _places_of(key_id)
                    pipe.zadd(name, {self._member(sid): until for sid in sids})
                    pipe.pexpire(name, int(LEASE_SECONDS * 2000))
            if self._stopped:
                pipe.hdel(_COUNTS, self._process)
            else:
                pipe.hset(_COUNTS, self._process, f"{self.local_connections()}:{until}")
            pipe.hgetall(_COUNTS)
            counts = pipe.execute()[-1]
        self._read_counts(counts, now)

    def _read_counts(self, counts: dict[bytes, bytes], now: int) -> None:
        elsewhere = 0
        dead: list[str] = []
        for process, value in counts.items():
            count, _, until = value.decode().partition(":")
            if int(until) <= now:
                dead.append(process.decode())
            elif process.decode() != self._process:
                elsewhere += int(count)
        self._elsewhere = elsewhere
        if dead:
            self._redis.hdel(_COUNTS, *dead)

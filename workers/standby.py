"""Standby: a drain that has applied all there was hears at once of what comes next.

A message of Celery's passes two processes on its way and takes milliseconds; a call through Redis
takes a fraction of one. Nothing rests on a call: who is not heard sends a message, and so does,
now and then, who is, since a worker that stands still counts as one that hears.
"""

import time
from functools import lru_cache
from typing import Any

import structlog
from redis.client import PubSub
from redis.exceptions import RedisError

from workers.broadcast import channel, connect_redis, redis_client
from workers.ending import is_ending

log = structlog.get_logger(__name__)

# So long after the last operation the next one is waited for.
STANDBY_SECONDS = 1.0
# A worker that is about to end looks up so often.
_LOOK_SECONDS = 0.1
# For Redis to answer.
_PATIENCE_SECONDS = 0.25


@lru_cache
def _channel() -> str:
    return f"{channel()}:line"


def call() -> bool:
    """Tell the drains that stand by that something is waiting.

    Returns:
        Whether there are any; False as well if Redis is away.
    """
    try:
        heard: Any = redis_client().publish(_channel(), b"")
        return bool(heard)
    except (RedisError, OSError):
        return False


class Standby:
    """One process' place to stand by; its connection is kept from drain to drain."""

    def __init__(self) -> None:
        self._hearing: PubSub | None = None
        self._listens = False

    def hears(self, deadline: float) -> bool:
        """Wait for a call.

        Args:
            deadline: of the drain, by the monotonic clock.

        Returns:
            Whether the line has to be looked at: somebody called; or this begins to listen now,
            and what came before was not heard; or the deadline has come, and another drain should
            go on. False if it is quiet, if another stands by, or if Redis is away.
        """
        try:
            return self._wait(deadline) if self._listens else self._begin()
        except (RedisError, OSError) as error:
            self._drop(error)
            return False

    def leave(self) -> bool:
        """Listen no more.

        Returns:
            Whether somebody has called who was not heard yet.
        """
        if not self._listens or self._hearing is None:
            return False
        self._listens = False
        try:
            self._hearing.unsubscribe()  # type: ignore[no-untyped-call]
            return self._read_until("unsubscribe")
        except (RedisError, OSError) as error:
            self._drop(error)
            return False

    def _begin(self) -> bool:
        # One is enough: more would look for the same.
        listening: Any = redis_client().pubsub_numsub(_channel())
        if any(count for _, count in listening):
            return False
        if self._hearing is None:
            self._hearing = connect_redis(_PATIENCE_SECONDS).pubsub()  # type: ignore[no-untyped-call]
        self._hearing.subscribe(_channel())
        self._read_until("subscribe")
        self._listens = True
        return True

    def _wait(self, deadline: float) -> bool:
        until = time.monotonic() + STANDBY_SECONDS
        while not is_ending():
            left = min(until, deadline) - time.monotonic()
            if left <= 0:
                return deadline < until
            if self._read(min(left, _LOOK_SECONDS)) == "message":
                # One look serves all who have called until now.
                while self._read(0.0):
                    pass
                return True
        return False

    def _read(self, seconds: float) -> str | None:
        assert self._hearing is not None
        message = self._hearing.get_message(timeout=seconds)
        return None if message is None else message["type"]

    def _read_until(self, wanted: str) -> bool:
        """Read what is there up to Redis' answer; whether a call was among it.

        Raises:
            TimeoutError: it does not answer.
        """
        called = False
        while (found := self._read(_PATIENCE_SECONDS)) != wanted:
            if found is None:
                raise TimeoutError("Redis does not answer")
            called = called or found == "message"
        return called

    def _drop(self, error: Exception) -> None:
        log.info("standby_ended", error=repr(error))
        hearing, self._hearing, self._listens = self._hearing, None, False
        if hearing is not None:
            hearing.close()

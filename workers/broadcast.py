"""The way out: the hint through Redis that events are there."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson
import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from workers.settings import worker_settings

log = structlog.get_logger(__name__)

CHANNEL = "pms:events"


def connect_redis(timeout: float = 0.25) -> Redis:
    """A Redis client that fails soon instead of waiting long.

    Args:
        timeout: seconds for a connection and for each answer.
    """
    return Redis.from_url(
        worker_settings().redis_url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
    )


@lru_cache
def _redis() -> Redis:
    return connect_redis()


def broadcast(events: Sequence[tuple[str, int, str, Any]]) -> None:
    """Publish committed events as one message.

    Only a hint: a web process that misses it finds the events in the database.

    Args:
        events: ``(stream, position, name, data)`` in the order of their streams.
    """
    if not events:
        return
    try:
        _redis().publish(CHANNEL, orjson.dumps(events))
    except (RedisError, OSError) as error:
        log.warning("broadcast_failed", error=repr(error), events=len(events))

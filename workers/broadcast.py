"""The way out: the hint through Redis that events are there."""

from collections.abc import Sequence
from functools import lru_cache

import orjson
import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from workers.settings import worker_settings

log = structlog.get_logger(__name__)

_TOLD_IDS = 20


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
def redis_client() -> Redis:
    """One for all that this process publishes."""
    return connect_redis()


@lru_cache
def channel() -> str:
    """Where events are published.

    Redis' channels know no database numbers: two shops on one server would hear each other.
    """
    return f"pms:events:{redis_client().connection_pool.connection_kwargs.get('db', 0)}"


def broadcast(events: Sequence[tuple[str, int, str, str]]) -> None:
    """Publish committed events as one message.

    Only a hint: a web process that misses it finds the events in the database.

    Args:
        events: ``(stream, position, name, data)``, data being JSON text, in the order of their
            streams.
    """
    if not events:
        return
    # Their data is JSON already, written once for the database and for all clients.
    message = orjson.dumps(
        [(stream, position, name, orjson.Fragment(data)) for stream, position, name, data in events]
    )
    try:
        redis_client().publish(channel(), message)
    except (RedisError, OSError) as error:
        log.warning("broadcast_failed", error=repr(error), events=len(events), **_about(message))


def _about(message: bytes) -> dict[str, list[str]]:
    """Whose events these are: the first operations and requests among them, for the log."""
    found: dict[str, dict[str, None]] = {"operation_ids": {}, "request_ids": {}}
    for _, _, _, data in orjson.loads(message):
        for name, key in (("operation_ids", "operationId"), ("request_ids", "requestId")):
            if data.get(key):
                found[name][data[key]] = None
    return {name: list(ids)[:_TOLD_IDS] for name, ids in found.items() if ids}

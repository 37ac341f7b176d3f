"""Neighbours: which installations use this Redis database, which is made for one alone."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import structlog
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from db.queries import installation
from db.session import Database
from workers.broadcast import connect_redis

log = structlog.get_logger(__name__)

_SIGNS = "pms:installations"
_EVERY_SECONDS = 10.0
# Whose last sign is older than this is there no more.
_GONE_SECONDS = 30
# After so many looks nobody is seen any more who had left before the first of them.
_SURE = 5

# Redis' own clock decides, as the machines' clocks may differ.
_LEAVE = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""


def present(redis: Redis) -> list[str]:
    """The names of the installations that use a Redis database.

    Raises:
        redis.exceptions.RedisError: it does not answer.
    """
    return [name.decode() for name in cast(list[bytes], redis.zrange(_SIGNS, 0, -1))]


class Neighbours:
    """Leaves this installation's sign of life in Redis, and says so if others leave theirs.

    Two on one Redis database serve each other's lists from the cache, take each other's wake-ups
    and tell each other's events.

    Args:
        database: whose installation this is.
        connect: makes a Redis client.
    """

    def __init__(self, database: Database, connect: Callable[[], Redis] = connect_redis) -> None:
        self._database = database
        self._redis = connect()
        self._leave = self._redis.register_script(_LEAVE)
        self._shared = 0
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="neighbours", daemon=True).start()

    def stop(self) -> None:
        """Leave no more signs."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            # Which of the two is away, others tell.
            with suppress(SQLAlchemyError, RedisError, OSError):
                self.look()
            self._stopping.wait(_EVERY_SECONDS)

    def look(self) -> None:
        """Leave a sign, and look for those of others.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database could not be asked for the name.
            redis.exceptions.RedisError: Redis did not answer.
        """
        with self._database.statement() as connection:
            # Each time: a backup that is restored under running processes may bear another.
            name = installation.name(connection)
        self._leave(keys=[_SIGNS], args=[name, _GONE_SECONDS])
        self._shared = self._shared + 1 if len(present(self._redis)) > 1 else 0
        if self._shared == _SURE:
            log.warning("redis_is_shared", remedy="give each installation a database of its own")

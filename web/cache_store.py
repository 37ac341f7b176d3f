"""What the product cache keeps in Redis, and the marks by which it tells old from new.

Every entry begins with a line ``<epoch> <mark>``. The epoch is one value for all entries: giving
it a new one empties the cache at a stroke. A product's mark is its version; an entry without a
body only says that nothing older may be stored. A list's mark is a token that every write of any
product replaces.
"""

import re
import secrets
from collections import deque
from typing import Any, NamedTuple
from uuid import UUID

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.retry import Retry

_PREFIX = "pms:cache:"
_EPOCH = _PREFIX + "epoch"
_LISTS = _PREFIX + "lists"
_TTL_MS = 300_000
# Seconds for a connection and for each answer; a cache that is slower than this is none.
_PATIENCE = 0.2
_MOST_IDLE = 100

# In each: the epoch's key first. A product's older version never replaces a newer one.
_NEWER_KEPT = """
local function version_kept(key, epoch)
    local head = redis.call('GETRANGE', key, 0, 120)
    local of, version = string.match(head, '^(%S+) (%d+)\\n')
    return of == epoch and tonumber(version) or 0
end
"""
_FILL = (
    _NEWER_KEPT
    + """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if version_kept(KEYS[2], ARGV[1]) > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. ARGV[2] .. '\\n' .. ARGV[3], 'PX', ARGV[4])
return 1
"""
)
_OUTDATE = (
    _NEWER_KEPT
    + """
redis.call('SET', KEYS[3], ARGV[2])
local epoch = redis.call('GET', KEYS[1])
if not epoch or version_kept(KEYS[2], epoch) >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[2], epoch .. ' ' .. ARGV[1] .. '\\n', 'PX', ARGV[3])
return 1
"""
)


class Marks(NamedTuple):
    """What was current at one moment; never the same again after any write."""

    epoch: bytes
    lists: bytes


class Entry(NamedTuple):
    """An answer as it is kept."""

    mark: bytes
    body: bytes


def product_name(product_id: UUID) -> str:
    """The name of a product's entry."""
    return f"product:{product_id}"


class CacheStore:
    """The entries and their marks.

    Its methods raise `redis.exceptions.RedisError` when Redis does not answer.

    Args:
        url: where Redis is.
    """

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
            retry=Retry(NoBackoff(), 0),
            redis_connect_func=_greet,
        )
        self._fill = self._redis.register_script(_FILL)
        self._outdate = self._redis.register_script(_OUTDATE)
        self._wire = _Wire(self._redis.connection_pool)

    def renew(self) -> None:
        """Begin a new epoch: nothing that was stored before counts any more."""
        run = self._redis.get(_EPOCH) or b""
        self._redis.set(_EPOCH, _new_epoch(run.rpartition(b"-")[0].decode()))

    def look(self, name: str) -> tuple[Marks, Entry | None]:
        """The marks, and the entry of this name if it is of the epoch."""
        epoch, lists, kept = self._wire.ask("MGET", _EPOCH, _LISTS, _PREFIX + name)
        if epoch is None or lists is None:
            # An emptied Redis. Whoever comes first sets the marks for all.
            self._redis.set(_EPOCH, _new_epoch(""), nx=True)
            self._redis.set(_LISTS, _token(), nx=True)
            epoch, lists, kept = self._redis.mget(_EPOCH, _LISTS, _PREFIX + name)
        marks = Marks(epoch or b"", lists or b"")
        head, _, body = (kept or b"").partition(b"\n")
        of, _, mark = head.partition(b" ")
        return marks, Entry(mark, body) if kept and of == marks.epoch else None

    def fill_product(self, marks: Marks, product_id: UUID, version: int, body: bytes) -> None:
        """Store a product, unless a newer version or a newer epoch is there."""
        keys = [_EPOCH, _PREFIX + product_name(product_id)]
        self._fill(keys=keys, args=[marks.epoch, version, body, _TTL_MS])

    def fill_list(self, marks: Marks, name: str, body: bytes) -> None:
        """Store a list under the marks that were seen before it was read."""
        entry = marks.epoch + b" " + marks.lists + b"\n" + body
        self._redis.set(_PREFIX + name, entry, px=_TTL_MS)

    def outdate(self, product_id: UUID, version: int) -> None:
        """From now on no list, and nothing older than this version, is served or stored."""
        keys = [_EPOCH, _PREFIX + product_name(product_id), _LISTS]
        self._outdate(keys=keys, args=[version, _token(), _TTL_MS])

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()
        self._redis.close()


class _Wire:
    """Connections for the one command of every reading.

    redis-py's pool looks at a connection before each use, which costs more than the command.
    Here a connection that was closed meanwhile is noticed by its use, and replaced once.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._idle: deque[Any] = deque(maxlen=_MOST_IDLE)

    def ask(self, *command: str) -> Any:
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._ask(self._pool.make_connection(), command)
        try:
            return self._ask(connection, command)
        except RedisConnectionError:
            # The others are from before the same end.
            self.close()
            return self._ask(self._pool.make_connection(), command)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().disconnect()

    def _ask(self, connection: Any, command: tuple[str, ...]) -> Any:
        try:
            connection.send_command(*command, check_health=False)
            answer = connection.read_response()
        except BaseException:
            # Half an answer may be left in it.
            connection.disconnect()
            raise
        self._idle.append(connection)
        return answer


def _greet(connection: Any) -> None:
    """On each new connection: a Redis that started anew may have lost what it confirmed.

    With its file written once a second, a crash brings back entries whose outdating is lost.
    Its run id tells, and a new epoch makes all of them void before the first of them is read.
    """
    connection.on_connect()
    try:
        connection.send_command("INFO", "server")
        found = re.search(rb"run_id:(\w+)", bytes(connection.read_response() or b""))
    except ResponseError:
        found = None  # a hosted Redis need not tell; it then has to keep what it confirmed
    run = found[1].decode() if found else ""
    connection.send_command("GET", _EPOCH)
    epoch = connection.read_response()
    if epoch is None or epoch.rpartition(b"-")[0].decode() != run:
        connection.send_command("SET", _EPOCH, _new_epoch(run))
        connection.read_response()


def _new_epoch(run: str) -> str:
    return f"{run}-{_token()}"


def _token() -> str:
    return secrets.token_hex(8)

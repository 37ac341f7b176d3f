"""Hints: the subscription to Redis that makes streams fast. Nothing rests on it."""

import threading
import time
from collections.abc import Callable, Sequence

import orjson
import structlog
from redis import Redis
from redis.client import PubSub
from redis.exceptions import RedisError

from web.stream_tracks import StreamEvent
from workers.broadcast import channel, connect_redis

log = structlog.get_logger(__name__)

# A connection that carries nothing, not even the answer to a ping, is taken for dead.
_PING_SECONDS = 1.0
_SILENCE_SECONDS = 3.0
_AGAIN_SECONDS = 0.5
# For connecting and for the rest of a message that has begun to arrive.
_PATIENCE_SECONDS = 1.5


class Hints:
    """Listens, connects again, and says so: what was published in between went by unheard.

    Args:
        on_events: takes the events of one message.
        on_connected: called whenever a subscription begins to hear.
        connect: makes a Redis client.
    """

    def __init__(
        self,
        on_events: Callable[[Sequence[StreamEvent]], None],
        on_connected: Callable[[], None],
        connect: Callable[[float], Redis] = connect_redis,
    ) -> None:
        self._on_events = on_events
        self._on_connected = on_connected
        self._connect = connect
        self._stopped = False

    def start(self) -> None:
        """Begin to listen."""
        threading.Thread(target=self._run, name="stream-hints", daemon=True).start()

    def stop(self) -> None:
        """End within a second."""
        self._stopped = True

    def _run(self) -> None:
        away = False
        while not self._stopped:
            client = self._connect(_PATIENCE_SECONDS)
            try:
                with client.pubsub() as hearing:  # type: ignore[no-untyped-call]
                    hearing.subscribe(channel())
                    away = False
                    self._listen(hearing)
            except (RedisError, OSError) as error:
                if not away:
                    log.warning("hints_lost", error=repr(error))
                away = True
            finally:
                client.close()
            time.sleep(_AGAIN_SECONDS if not self._stopped else 0)

    def _listen(self, hearing: PubSub) -> None:
        heard = pinged = time.monotonic()
        while not self._stopped:
            message = hearing.get_message(timeout=_PING_SECONDS)
            now = time.monotonic()
            if message is not None:
                heard = now
                self._take(message)
            if now - heard > _SILENCE_SECONDS:
                raise ConnectionError("no answer to a ping")
            if now - pinged >= _PING_SECONDS:
                pinged = now
                hearing.ping()

    def _take(self, message: dict[str, object]) -> None:
        if message["type"] == "subscribe":
            log.info("hints_heard")
            self._on_connected()
        elif message["type"] == "message":
            try:
                self._on_events(orjson.loads(message["data"]))  # type: ignore[arg-type]
            except Exception:
                # A hint may be dropped; the listener may not.
                log.exception("hint_unreadable")

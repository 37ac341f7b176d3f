"""The way in: record an operation, then wake a worker, never the other way round."""

import threading
import time
from typing import Any
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from db.models.operation import ANALYTICS, LINE, Operation
from db.queries import acceptance
from db.queries.acceptance import NewOperation
from db.queries.orders import NewOrder
from workers.app import app
from workers.broadcast import redis_client
from workers.commands import Command, encode
from workers.crash import may_crash
from workers.settings import worker_settings
from workers.standby import call

log = structlog.get_logger(__name__)

DRAIN = "line.drain"
REBUILD = "analytics.rebuild"
# The first wish is published at once; those that come so soon after it share the next message.
_SPACING_SECONDS = 0.005
# A message is sent so often although a drain stands by and was called: it may have died just now.
_UNSENT_SECONDS = 1.0
# So many messages that nobody has taken yet serve whoever comes as well. More of them would stay
# between a worker that is back and what it is to do.
_MOST_WAITING = 10


def new_operation(
    command: Command,
    *,
    api_key_id: UUID | None = None,
    request_id: str | None = None,
    retry_of: UUID | None = None,
    key: str | None = None,
    fingerprint: str | None = None,
) -> NewOperation:
    """The operation of a command, with an id of its own; see `NewOperation`."""
    return NewOperation(
        uuid7(),
        command.queue,
        command.kind,
        encode(command),
        getattr(command, "product_id", None),
        getattr(command, "order_id", None),
        api_key_id,
        request_id,
        retry_of,
        key,
        fingerprint,
    )


def record(
    connection: Connection,
    command: Command,
    *,
    api_key_id: UUID | None = None,
    request_id: str | None = None,
    retry_of: UUID | None = None,
    order: NewOrder | None = None,
) -> Operation:
    """Write the operation of a command; it is accepted when the caller's transaction commits.

    Args:
        connection: the caller's transaction, which may hold what belongs to the operation.
        command: what is asked.
        api_key_id: who asks, and is told of the end; None for the product itself.
        request_id: follows the operation through every log line.
        retry_of: the dead operation that this one tries again.
        order: the order that the command creates.

    Returns:
        The operation, queued.

    Raises:
        LookupError: it names a product or an order that is not there.
    """
    operation = new_operation(
        command, api_key_id=api_key_id, request_id=request_id, retry_of=retry_of
    )
    ttl = worker_settings().idempotency_ttl
    made = acceptance.accept(connection, [operation], [order] if order else [], ttl=ttl)
    return made[operation.id]


def is_crowded(queue: str) -> bool:
    """Whether so many messages wait in a queue that it needs no further one.

    This is what keeps an absence of the workers from becoming a flood. A message of a certain age
    could be dropped instead only if the clocks of all machines agreed.
    """
    try:
        waiting: Any = redis_client().llen(queue)
    except (RedisError, OSError):
        return False
    return bool(waiting >= _MOST_WAITING)


def wake(queue: str = LINE) -> None:
    """Publish the one message that makes a worker look; any number of them is harmless.

    One that cannot be published soon is left to the sweeper.
    """
    # Bulks take their turns where the line is applied.
    task, queue = (REBUILD, ANALYTICS) if queue == ANALYTICS else (DRAIN, LINE)
    if not is_crowded(queue):
        app.send_task(task, queue=queue, retry=False)
    may_crash("woken")


class Waker:
    """Wakes workers off the request path: one message for all that wait at the moment.

    A drain that stands by is called, which is faster than a message. A frozen Redis holds a
    publish for seconds; here it holds only this thread, and requests go on. What could not be
    published is found by the sweeper.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._queues: set[str] = set()
        self._rests = False
        self._sent_at = 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to listen for wishes."""
        self._thread = threading.Thread(target=self._run, name="waker", daemon=True)
        self._thread.start()

    def ask(self, queue: str = LINE) -> None:
        """Have a worker woken soon; returns at once, and after the message has left if it can."""
        self._queues.add(queue)
        self._asked.set()
        if self._rests:
            # The answer takes longer to be built than the message to be sent.
            time.sleep(0)

    def _run(self) -> None:
        while True:
            self._rests = True
            self._asked.wait()
            self._rests = False
            self._asked.clear()
            queues: Any = self._queues
            self._queues = set()
            for queue in queues:
                try:
                    self._wake(queue)
                except Exception as error:
                    log.warning("wake_failed", queue=queue, error=repr(error))
            time.sleep(_SPACING_SECONDS)

    def _wake(self, queue: str) -> None:
        if queue != ANALYTICS:
            is_heard, now = call(), time.monotonic()
            if is_heard and now - self._sent_at < _UNSENT_SECONDS:
                may_crash("woken")
                return
            self._sent_at = now
        wake(queue)

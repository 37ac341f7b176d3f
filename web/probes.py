"""Probes: each looks at one thing all the time, and remembers what it saw."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from db.errors import is_unmigrated
from db.queries.installation import heartbeat_ages
from db.queries.metrics import Queue, pulse
from db.session import Database, make_engine
from workers.dispatch import Waker

log = structlog.get_logger(__name__)

T = TypeVar("T")

_PERIOD = 0.5
# Seconds without a result after which a server counts as away. It goes unseen no longer than
# this, which a probe that answers in time, every half a second, never reaches.
OVERDUE = 0.95
# How long an answer may wait for a result that a busy process is late with.
_LATE_PATIENCE = 0.1
_STATEMENT_MS = 800
# A worker is asked for a sign when the last is this old, and counts as away when it gives none.
_ASK_AFTER = 5.0
SIGN_LOST = 12.0
# Who did not come to look for longer than this stood still.
_LONGEST_PAUSE = 3.0
_COUNT_AT_MOST = 1_000_000
# Counting a long queue may take one part of this many of the probe's time.
_COUNT_SHARE = 20


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """What a probe saw.

    Attributes:
        value: what the look gave; None if it failed.
        latency: milliseconds that it took.
        at: when it ended, by the monotonic clock.
    """

    value: T | None
    latency: float
    at: float


class Probe(Generic[T]):
    """Looks at one thing every half a second, in a thread of its own, and keeps what it saw."""

    def __init__(self, name: str, look: Callable[[], T]) -> None:
        self.name = name
        self.last: T | None = None
        self.well_at: float | None = None
        self._look = look
        self._seen: Seen[T] | None = None
        self._news = threading.Condition()
        self._stopping = threading.Event()
        self._missed = False
        self._thread = threading.Thread(target=self._run, name=f"probe-{name}", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; one that hangs in its look is left to end by itself."""
        self._stopping.set()

    def join(self, seconds: float) -> None:
        """Wait for the end of the last look."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                value: T | None = self._look()
            except Exception as error:
                value = None
                if self._seen is None or self._seen.value is not None:
                    self._tell(error)
            ended = time.monotonic()
            with self._news:
                self._seen = Seen(value, round((ended - began) * 1000, 3), ended)
                self._missed = False
                if value is not None:
                    self.last, self.well_at = value, ended
                self._news.notify_all()
            self._stopping.wait(max(0.05, _PERIOD - (ended - began)))

    def _tell(self, error: Exception) -> None:
        if is_unmigrated(error):
            log.warning("database_not_migrated", probe=self.name, remedy="run `pms migrate`")
        else:
            log.warning("probe_failed", probe=self.name, error=repr(error).splitlines()[0])

    def await_first(self, seconds: float) -> None:
        """Wait until it has seen something."""
        with self._news:
            self._news.wait_for(lambda: self._seen is not None, seconds)

    def healthy(self) -> Seen[T] | None:
        """What it saw, if that was well and is fresh.

        If this process was too busy to look, the look gets a moment to end, once.
        """
        with self._news:
            if self._overdue() and not self._missed:
                self._news.wait_for(lambda: not self._overdue(), _LATE_PATIENCE)
                self._missed = self._overdue()
            seen = None if self._overdue() else self._seen
        return seen if seen is not None and seen.value is not None else None

    def _overdue(self) -> bool:
        return self._seen is None or time.monotonic() - self._seen.at > OVERDUE


@dataclass(frozen=True, slots=True)
class Signs:
    """Signs of life and the queue, as the database told them at a moment of the monotonic clock."""

    ages: dict[str, float]
    queue: Queue
    at: float


class Standstill:
    """When this process last stood still, by the monotonic clock.

    It asked nobody for a sign of life meanwhile, so that time makes no sign older.
    """

    def __init__(self) -> None:
        self._began = self._ended = self._last = time.monotonic()

    def notice(self, now: float) -> None:
        """Be told that it runs, again and again."""
        if now - self._last > _LONGEST_PAUSE:
            self._began, self._ended = self._last, now
        self._last = now

    def within(self, since: float) -> float:
        """How many seconds it stood still after a moment."""
        return max(0.0, self._ended - max(self._began, since))


class ReadOnlyError(Exception):
    """The database answers, and takes nothing in."""


def _is_read_only(connection: Connection) -> bool:
    """As the server tells by itself with its answers (PostgreSQL, "Asynchronous Operations")."""
    driver: Any = connection.connection.driver_connection
    told = driver.info.parameter_status
    return "on" in (told("default_transaction_read_only"), told("in_hot_standby"))


class Pulse:
    """Asks the database, over a connection of its own, whether it answers and who is alive."""

    def __init__(self, database: Database, waker: Waker) -> None:
        self.engine = make_engine(
            database.engine.url.render_as_string(hide_password=False),
            application="pms-health",
            statement_timeout_ms=_STATEMENT_MS,
            idle_in_transaction_ms=5_000,
            pool_size=1,
            autocommit=True,
        )
        self._waker = waker
        self._asked = 0.0
        self._count_due = 0.0
        self._queue = Queue(0, None, 0)

    def __call__(self) -> Signs:
        """One look.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is away.
            ReadOnlyError: nothing can be accepted.
        """
        try:
            signs = self._ask()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            # Only the connection was lost; whether the server is, a new one tells.
            signs = self._ask()
        self._ask_worker(signs)
        return signs

    def _ask(self) -> Signs:
        with self.engine.connect() as connection:
            now = time.monotonic()
            if now >= self._count_due:
                ages, self._queue = pulse(connection, _COUNT_AT_MOST)
                self._count_due = now + _COUNT_SHARE * (time.monotonic() - now)
            else:
                ages = heartbeat_ages(connection)
            if _is_read_only(connection):
                # Another server may be the one to write to by now.
                connection.invalidate()
                raise ReadOnlyError
        return Signs(ages, self._queue, at=now)

    def _ask_worker(self, signs: Signs) -> None:
        """An idle worker leaves no sign: an empty drain proves that one consumes."""
        if signs.ages.get("worker", SIGN_LOST) > _ASK_AFTER and signs.at - self._asked > _ASK_AFTER:
            self._asked = signs.at
            self._waker.ask()

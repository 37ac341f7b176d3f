"""The watchdog: sees workers that run and do not consume, so that they can be started again.

The clock sends a sweep every two seconds. Where the database, Redis and the clock are well and
no sweep is taken up, the workers hear nothing, or stand still.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil  # type: ignore[import-untyped]
import structlog
from celery.signals import worker_ready
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy.exc import SQLAlchemyError

from db.queries import schedules
from db.queries.installation import heartbeat_ages
from db.session import Database, make_engine
from db.settings import DatabaseSettings, database_settings
from workers.logs import log_last
from workers.settings import worker_settings

log = structlog.get_logger(__name__)

SWEEP = "maintenance.sweep"
_LOOK_SECONDS = 2.0
# A clock whose sign is older than this may have sent nothing.
_CLOCK_SECONDS = 5.0
_REDIS_SECONDS = 1.0
# A worker ends itself after this; who supervises it ends one that stands still a little later.
_OWN_PATIENCE = 20.0
SUPERVISOR_PATIENCE = 30.0
_EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: to be started again


class Watchdog:
    """Looks every two seconds, and calls when workers could have consumed for long, and did not.

    Args:
        database_url: where the signs are.
        redis_url: what the workers should hear.
        patience: seconds without a sweep taken up, while all else was well.
        on_deaf: is called from the watchdog's thread; the patience begins anew after it.
    """

    def __init__(
        self, database_url: str, redis_url: str, patience: float, on_deaf: Callable[[], None]
    ) -> None:
        self._database = Database(
            make_engine(
                DatabaseSettings(database_url=database_url).database_url,
                application="pms-watchdog",
                statement_timeout_ms=1_000,
                idle_in_transaction_ms=5_000,
                pool_size=1,
            )
        )
        self._redis = Redis.from_url(
            redis_url,
            socket_timeout=_REDIS_SECONDS,
            socket_connect_timeout=_REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._patience = patience
        self._on_deaf = on_deaf
        self._stopped = threading.Event()
        self._well_at = 0.0

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _run(self) -> None:
        self._well_at = time.monotonic()
        while not self._stopped.wait(_LOOK_SECONDS):
            if not self._nobody_consumes():
                self._well_at = time.monotonic()
            elif time.monotonic() - self._well_at > self._patience:
                self._on_deaf()
                self._well_at = time.monotonic()

    def _nobody_consumes(self) -> bool:
        """Whether a sweep should have been taken up by now; False if that is not the workers'."""
        try:
            with self._database.transaction() as connection:
                clock = heartbeat_ages(connection).get("beat")
                sweep = schedules.seconds_since_taken_up(connection, SWEEP)
            self._redis.ping()
        except (SQLAlchemyError, RedisError, OSError):
            return False
        if clock is None or clock > _CLOCK_SECONDS:
            return False
        return sweep is None or sweep > 2 * _LOOK_SECONDS


@worker_ready.connect
def _watch_oneself(**_: Any) -> None:
    """In a worker's main process: whoever supervises it starts it again when it has ended."""
    Watchdog(
        database_settings().database_url, worker_settings().redis_url, _OWN_PATIENCE, _end_oneself
    ).start()


def _end_oneself() -> None:
    log_last(lambda: log.critical("worker_hears_nothing", seconds=_OWN_PATIENCE))
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    os._exit(_EXIT_CODE)

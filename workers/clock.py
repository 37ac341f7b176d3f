"""The clock: Celery's scheduler, which also leaves a sign of life in the database."""

import time
from typing import Any

import structlog
from celery.beat import Scheduler
from sqlalchemy.exc import SQLAlchemyError

from db.queries.installation import beat_heart
from db.session import jobs_database

log = structlog.get_logger(__name__)

_HEARTBEAT_SECONDS = 4.0


class Clock(Scheduler):  # type: ignore[misc]
    """Keeps its schedule in memory: every tick may be repeated, so nothing must be remembered."""

    _last_sign = 0.0

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due, then leave a sign of life.

        Returns:
            Seconds until the next look.
        """
        wait: float = super().tick(*args, **kwargs)
        now = time.monotonic()
        if now - self._last_sign >= _HEARTBEAT_SECONDS:
            self._last_sign = now
            try:
                with jobs_database().transaction() as connection:
                    beat_heart(connection, "beat")
            except SQLAlchemyError as error:
                log.warning("no_sign_of_life", error=repr(error))
        return wait

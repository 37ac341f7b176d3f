"""The clock: Celery's beat, which sends each tick until a worker has taken it up.

Two beats do no harm, since a tick is taken up once; a beat that was away sends what is due, and
the run stands for the ticks that were missed. What time it is, the database says: those of several
machines may differ.
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import structlog
from celery import Task
from celery.beat import Scheduler
from sqlalchemy.exc import SQLAlchemyError

from beat_schedule import BEAT_SCHEDULE
from db.queries import schedules
from db.queries.installation import beat_heart
from db.session import jobs_database
from workers.app import TASK_SECONDS, app
from workers.dispatch import is_crowded

log = structlog.get_logger(__name__)

# How often the clock looks, which also leaves its sign of life.
_LOOK_SECONDS = 1.0
# A tick that nobody has taken up is sent again after this.
_AGAIN_SECONDS = 5.0
# Who took a tick up and has not finished after this has died with it.
_LEASE_SECONDS = TASK_SECONDS + 30.0


def last_tick(period: float, now: float) -> float:
    """The last multiple of a period, in seconds since 1970, that is not in the future."""
    return now // period * period


class Clock(Scheduler):  # type: ignore[misc]
    """Sends what is due, and keeps nothing: the database knows what was taken up."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sent: dict[str, tuple[float, float]] = {}
        self._away = False

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due, and leave a sign of life.

        Returns:
            Seconds until the next look.
        """
        began = time.monotonic()
        try:
            with jobs_database().transaction() as connection:
                beat_heart(connection, "beat")
                settled = schedules.settled(connection, _LEASE_SECONDS)
                now = schedules.now(connection)
        except SQLAlchemyError as error:
            if not self._away:
                log.warning("clock_waits_for_the_database", error=repr(error).splitlines()[0])
            self._away = True
        else:
            self._away = False
            self._send_due(settled, now)
        return max(0.0, _LOOK_SECONDS - (time.monotonic() - began))

    def _send_due(self, settled: dict[str, float], now: float) -> None:
        for name, entry in BEAT_SCHEDULE.items():
            period = entry["schedule"]
            tick = last_tick(period, now)
            sent, at = self._sent.get(name, (0.0, 0.0))
            # One of a time to come was taken up before the clock was set back.
            if tick <= settled.get(name, 0.0) <= now + period:
                continue
            if sent == tick and time.monotonic() - at < _AGAIN_SECONDS:
                continue
            if is_crowded(entry["options"]["queue"]):
                continue
            self._sent[name] = (tick, time.monotonic())
            try:
                app.send_task(
                    entry["task"],
                    headers={"tick": tick},
                    retry=False,
                    **entry["options"],
                )
            except Exception as error:
                log.warning("tick_not_sent", schedule=name, error=repr(error))
                return


def on_tick(name: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Make a job of the clock: a Celery task that takes its tick up before it runs.

    What takes longer than a task should is done in several runs (`schedules.keep_rest`).

    Args:
        name: of the schedule and of the task.
    """
    period = BEAT_SCHEDULE[name]["schedule"]

    def decorate(job: Callable[[], Any]) -> Callable[[], Any]:
        @app.task(name=name, bind=True)
        @wraps(job)
        def run(self: Task) -> None:
            # Without one it was called by hand, or by a clock that knows no ticks.
            if self.request.get("tick") is None:
                job()
                return
            with jobs_database().transaction() as connection:
                # However old the message is: those that nobody took while they were sent are one
                # run now, and copies of it.
                tick = last_tick(period, schedules.now(connection))
                mine = schedules.claim(connection, name, tick, period, _LEASE_SECONDS)
            if not mine:
                return
            job()
            with jobs_database().transaction() as connection:
                schedules.finish(connection, name, tick)

        return job

    return decorate

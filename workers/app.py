"""The Celery application: how messages travel, and nothing about what they mean."""

import os
import resource
import signal
import sys
import threading
import warnings
from contextlib import suppress
from typing import Any

import structlog
from billiard import active_children  # type: ignore[import-untyped]
from celery import Celery, bootsteps
from celery.app.amqp import AMQP
from celery.exceptions import SecurityWarning
from celery.signals import setup_logging, worker_process_init, worker_shutting_down
from kombu.connection import Connection

import beat_schedule
from db.session import LINE_SECONDS, jobs_database, line_database, marker_database
from workers.collector import spare_the_collector
from workers.ending import begin_to_end
from workers.logs import configure_logs, log_last
from workers.settings import worker_settings

log = structlog.get_logger(__name__)

# The longest that any task may run.
TASK_SECONDS = 300
# Longer than that, and the same wherever Celery asks for it: a killed worker's message comes
# back after this.
_VISIBILITY_SECONDS = TASK_SECONDS + 120
_TRANSPORT = {
    "visibility_timeout": _VISIBILITY_SECONDS,
    # Look for a killed worker's messages every second instead of every 86.
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 1,
    "socket_keepalive": True,
    "retry_on_timeout": False,
}

# A Redis that is back is noticed within this many seconds.
_LOOK_AGAIN_SECONDS = 1.0

# A good pool child has a fifth of this. One whose task takes ever more meets a MemoryError, which
# is a bug like any other, before the machine has to choose whom it kills.
_CHILD_DATA_BYTES = 1024**3

# From being asked to end until it has, whatever stands in the way: longer than any batch may take.
_END_SECONDS = 8.0
# The same when it ends by itself, as it does if Redis dies under a task: soon, since nobody else
# is on, and yet long enough for a batch.
_BROKEN_SECONDS = 0.5

# It warns of pickles under root; only JSON is accepted here.
warnings.filterwarnings("ignore", category=SecurityWarning)


class _EagerConnection(Connection):
    """Looks for Redis again every second: Celery's own pauses grow to half a minute."""

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        options = {"interval_start": 0.2, "interval_max": _LOOK_AGAIN_SECONDS, **options}
        return super().ensure_connection(*args, **options)  # type: ignore[no-untyped-call]


class _Amqp(AMQP):  # type: ignore[misc]
    Connection = _EagerConnection


app = Celery("pms", amqp=_Amqp)
app.conf.update(
    broker_url=worker_settings().redis_url,
    broker_transport_options=_TRANSPORT,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_pool_limit=4,
    broker_pool_acquire_timeout=1,
    visibility_timeout=_VISIBILITY_SECONDS,
    include=[
        "workers.drain",
        "workers.watchdog",
        "tasks.inventory",
        "tasks.orders",
        "tasks.alerts",
        "tasks.analytics",
        "tasks.maintenance",
        "tasks.repair",
        "tasks.integrity",
    ],
    task_default_queue="maintenance",
    task_create_missing_queues=True,
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_annotations={"line.drain": {"time_limit": LINE_SECONDS}},
    task_time_limit=TASK_SECONDS,
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=10_000,
    worker_max_memory_per_child=400_000,
    worker_soft_shutdown_timeout=9,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    timezone="UTC",
    enable_utc=True,
    beat_schedule=beat_schedule.BEAT_SCHEDULE,
    beat_scheduler="workers.clock:Clock",
    beat_max_loop_interval=2,
)


@setup_logging.connect
def _logs(**_: Any) -> None:
    configure_logs(process="beat" if "beat" in sys.argv else "worker")


@worker_process_init.connect
def _leave_parents_connections(**_: Any) -> None:
    """A pool that is inherited over a fork hangs."""
    for database in (line_database(), marker_database(), jobs_database()):
        database.forget_inherited_connections()


worker_process_init.connect(spare_the_collector)


@worker_process_init.connect
def _limit_memory(**_: Any) -> None:
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    # Not every system can limit it, and a limit that is lower already stays.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (_CHILD_DATA_BYTES, hard))


class _EndInTime(bootsteps.StartStopStep):  # type: ignore[misc]
    """Sees to it that a worker that has begun to end is gone in time."""

    def close(self, worker: Any) -> None:
        """Called as soon as it begins to end, by itself or because it was asked to."""
        _end_within(_BROKEN_SECONDS if worker.exitcode else _END_SECONDS, worker.exitcode or 0)


app.steps["worker"].add(_EndInTime)


@worker_shutting_down.connect
def _end_in_time(**_: Any) -> None:
    """It has been asked to end, and may be anywhere, such as on its way to Redis."""
    _end_within(_END_SECONDS, 0)


def _end_within(seconds: float, code: int) -> None:
    """Begin nothing new, and end after so long at the latest.

    Children that stand still, and results that never come, would be waited for without end.
    Whatever is broken off has not committed, and is taken up by the next worker.
    """
    begin_to_end()
    timer = threading.Timer(seconds, _end_at_once, (seconds, code))
    timer.daemon = True
    timer.start()


def _end_at_once(seconds: float, code: int) -> None:
    log_last(lambda: log.warning("worker_ends_at_once", seconds=seconds))
    for child in active_children():
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
    os._exit(code)

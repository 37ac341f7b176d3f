"""The clock's housekeeping: wake what was stranded, remove what is old."""

import structlog

from db.models.operation import ANALYTICS, BULK, LINE
from db.queries import maintenance, operations
from db.session import jobs_database
from workers.clock import on_tick
from workers.dispatch import wake
from workers.settings import worker_settings

log = structlog.get_logger(__name__)

# A healthy line takes an operation within milliseconds; one that waits this long was stranded,
# or stands in a backlog whose own drain goes on: then one message more does no harm.
_STRANDED_SECONDS = 1.0


@on_tick("maintenance.sweep")
def sweep() -> None:
    """Wake the workers of each queue whose oldest operation waits longer than it should."""
    with jobs_database().transaction() as connection:
        waits = {
            queue: operations.oldest_waiting_seconds(connection, queue)
            for queue in (LINE, BULK, ANALYTICS)
        }
    for queue, seconds in waits.items():
        if seconds is not None and seconds > _STRANDED_SECONDS:
            log.info("stranded_operations_woken", queue=queue, oldest_seconds=round(seconds, 1))
            wake(queue)


@on_tick("maintenance.clean_up")
def clean_up() -> None:
    """Remove events that nobody can ask for any more, and idempotency keys past their time."""
    settings = worker_settings()
    with jobs_database().transaction() as connection:
        removed = {
            "events": maintenance.remove_old_events(connection, settings.event_retention_days),
            "idempotency_keys": maintenance.remove_old_idempotency_keys(
                connection, settings.idempotency_ttl
            ),
        }
    log.info("cleaned_up", **removed)

"""Sales rollups: kept up to date by the clock, and recomputed on demand."""

import time
from datetime import date
from typing import Any

import structlog
from sqlalchemy import Connection

from db.models.operation import ANALYTICS
from db.queries import sales, sales_rollups, sales_spans
from db.session import jobs_database
from workers.app import app
from workers.clock import on_tick
from workers.commands import RebuildRollups
from workers.dispatch import REBUILD, wake
from workers.ending import is_ending
from workers.offline import run_next
from workers.settings import worker_settings

log = structlog.get_logger(__name__)


# A long history is rolled up in steps that commit, the latest days first, and in several runs.
_DAYS_A_STEP = 31
_SECONDS_A_RUN = 60.0
# After this a recomputation is begun by another task: each has the longest that a task may run
# almost to itself, and is not to blame for those before it.
_SECONDS_A_BEGINNING = 5.0


@on_tick("analytics.refresh")
def refresh_rollups() -> int:
    """Celery: bring the rollups up to date.

    Returns:
        How many days were computed.
    """
    deadline = time.monotonic() + _SECONDS_A_RUN
    total, more = 0, True
    while more and time.monotonic() < deadline:
        with jobs_database().transaction() as connection:
            days = refresh(connection, worker_settings().shop_timezone)
        total += days
        more = days == _DAYS_A_STEP
    if total:
        log.info("rollups_refreshed", days=total)
    return total


def refresh(connection: Connection, timezone: str) -> int:
    """Take one step: compute days that changed, and such as were never rolled up.

    Args:
        connection: its transaction is one step, and nothing if another worker is at it.
        timezone: whose days.

    Returns:
        How many days were computed, 31 if more may be left.
    """
    if not sales_rollups.take_lock(connection):
        return 0
    sales.use_zone(connection, timezone)
    changed = sales_rollups.changed_days(connection)
    days = sorted(changed.keys() | _never_held(connection))[-_DAYS_A_STEP:]
    for first, last in sales.ranges(days):
        sales_rollups.roll_up(connection, first, last, _changes_of(changed, first, last))
    sales_spans.complete(connection)
    return len(days)


def _never_held(connection: Connection) -> set[date]:
    """The days since the first order, today included, that have no rollup."""
    first = sales.first_order_day(connection)
    if first is None:
        return set()
    _, today = sales.clock(connection)
    return set(sales.span(first, today)) - sales_rollups.rolled_days(connection, first, today)


def _changes_of(changed: dict[date, list[int]], first: date, last: date) -> list[int]:
    return [change for day, rows in changed.items() if first <= day <= last for change in rows]


def rebuild(connection: Connection, command: RebuildRollups) -> dict[str, Any]:
    """Compute a range of days again; the same answer whoever asks how often."""
    timezone = worker_settings().shop_timezone
    sales.use_zone(connection, timezone)
    changed = sales_rollups.changed_days(connection)
    first = max(command.start_date, sales.first_order_day(connection) or date.max)
    # Of days to come there is nothing to keep.
    last = min(command.end_date, sales.clock(connection)[1])
    if first <= last:
        sales_rollups.roll_up(connection, first, last, _changes_of(changed, first, last))
    sales_spans.complete(connection)
    return {
        "startDate": command.start_date.isoformat(),
        "endDate": command.end_date.isoformat(),
        "timezone": timezone,
        "days": (command.end_date - command.start_date).days + 1,
    }


@app.task(name=REBUILD)
def run_rebuilds() -> None:
    """Celery: do the recomputations that are waiting."""
    deadline = time.monotonic() + _SECONDS_A_BEGINNING
    while not is_ending() and run_next(
        jobs_database(), ANALYTICS, rebuild, alone=sales_rollups.take_lock
    ):
        if time.monotonic() > deadline:
            wake(ANALYTICS)
            return

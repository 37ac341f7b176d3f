"""Integrity: compared every night, piece by piece; a difference is an alert."""

import time
from uuid import UUID

import structlog
from sqlalchemy import Connection

from db.models.operator_alert import INTEGRITY
from db.queries import operator_alerts, schedules
from db.queries.gaps import last_gap
from db.queries.integrity import (
    START,
    Difference,
    Piece,
    Place,
    compare,
    compare_products,
)
from db.session import Database, jobs_database
from workers.app import app
from workers.broadcast import broadcast
from workers.clock import on_tick
from workers.operators import tell_difference, tell_whole
from workers.settings import worker_settings
from workers.tell import Told

log = structlog.get_logger(__name__)

GO_ON = "integrity.go_on"
# A long check gives its pool child back in between, for others to have their turn.
_SECONDS_A_RUN = 20.0
# A check that has not ended after this is not taken up any more; the next night begins anew.
_SECONDS_IN_ALL = 6 * 3600.0
# More alerts than this help nobody; the log counts them all.
_MOST_TOLD = 100


@on_tick("integrity.check")
def begin_check() -> None:
    """Celery: compare all, from the beginning."""
    database = jobs_database()
    check(database, START, _now(database), 0)


@app.task(name=GO_ON)
def go_on(phase: str, after: str, began: float, found: int) -> None:
    """Celery: compare the rest.

    Args:
        phase: how far the check is.
        after: how far in it.
        began: when it began, by the database's clock, in seconds since 1970.
        found: how many differences it has found so far.
    """
    database = jobs_database()
    if _now(database) - began < _SECONDS_IN_ALL:
        check(database, Place(phase, after), began, found)  # type: ignore[arg-type]


def _now(database: Database) -> float:
    with database.statement() as connection:
        return schedules.now(connection)


def check(database: Database, place: Place, began: float, found: int) -> None:
    """Compare for a while, tell what was found, and have the rest done by another task."""
    deadline = time.monotonic() + _SECONDS_A_RUN
    rest: Place | None = place
    while rest is not None:
        piece = _compare(database, rest)
        _tell(database, piece.differences[: max(0, _MOST_TOLD - found)])
        found += len(piece.differences)
        rest = piece.rest
        if rest is not None and time.monotonic() > deadline:
            app.send_task(GO_ON, (rest.phase, rest.after, began, found), queue="maintenance")
            return
    log.info("integrity_checked", differences=found, seconds=round(_now(database) - began, 1))
    if found > _MOST_TOLD:
        return
    # What this check has not seen is mended.
    with database.transaction() as connection:
        told = tell_whole(connection, None, before=began)
    broadcast(told)


def _compare(database: Database, place: Place) -> Piece:
    with database.snapshot() as connection:
        return compare(connection, place, worker_settings().event_retention_days)


def _tell(database: Database, differences: list[Difference]) -> None:
    if not differences:
        return
    told: Told = []
    with database.transaction() as connection:
        for difference in differences:
            log.error("integrity_differs", cause=difference.cause, detail=difference.detail)
            message = f"{difference.name or difference.cause}: {difference.detail}."
            told += tell_difference(connection, difference.cause, message, difference.product_id)
    broadcast(told)


def look_again(database: Database) -> None:
    """Resolve the alerts about what is mended by now."""
    with database.snapshot() as connection:
        causes = operator_alerts.open_causes(connection, INTEGRITY)
        wrong = _still_wrong(connection, causes) if causes else set()
    mended = causes.keys() - wrong
    if mended:
        told: Told = []
        with database.transaction() as connection:
            for cause in sorted(mended):
                told += tell_whole(connection, cause)
        broadcast(told)


def _still_wrong(connection: Connection, causes: dict[str, UUID | None]) -> set[str]:
    products = {product_id for product_id in causes.values() if product_id is not None}
    days = worker_settings().event_retention_days
    wrong = {one.cause for one in compare_products(connection, products, days)}
    names = [cause for cause, product_id in causes.items() if product_id is None]
    return wrong | {name for name in names if last_gap(connection, name, days) is not None}

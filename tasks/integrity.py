"""Integrity: compared every night, piece by piece; a difference is an alert."""

import time
from dataclasses import asdict, dataclass
from uuid import UUID

import structlog
from sqlalchemy import Connection

from db.models.operator_alert import INTEGRITY
from db.queries import operator_alerts, schedules
from db.queries.gaps import last_gap
from db.queries.integrity import (
    START,
    Difference,
    Phase,
    Piece,
    Place,
    compare,
    compare_products,
)
from db.session import Database, jobs_database
from workers.broadcast import broadcast
from workers.clock import on_tick
from workers.ending import is_ending
from workers.operators import tell_difference, tell_whole
from workers.settings import worker_settings
from workers.tell import Told

log = structlog.get_logger(__name__)

CHECK = "integrity.check"
# A long check gives its pool child back in between, for others to have their turn.
_SECONDS_A_RUN = 20.0
# A check that has not ended after this is not taken up any more; the next night begins anew.
_SECONDS_IN_ALL = 6 * 3600.0
# More alerts than this help nobody; the log counts them all.
_MOST_TOLD = 100


@dataclass(frozen=True, slots=True)
class Course:
    """How far a check is, as it is kept from run to run.

    Attributes:
        phase: where it goes on, see `Place`.
        after: the same.
        began: when it began, by the database's clock, in seconds since 1970.
        found: how many differences it has found so far.
    """

    phase: Phase
    after: str
    began: float
    found: int


@on_tick(CHECK)
def check_all() -> None:
    """Celery: compare all, for a while; the clock has another run go on where this one stopped."""
    database = jobs_database()
    with database.transaction() as connection:
        now = schedules.now(connection)
        was = schedules.rest(connection, CHECK)
    course = Course(**was) if was else Course(START.phase, START.after, now, 0)
    left: Course | None = None
    if now - course.began < _SECONDS_IN_ALL:
        left = _go_on(database, course)
    else:
        log.error("integrity_check_given_up", differences=course.found, phase=course.phase)
    with database.transaction() as connection:
        schedules.keep_rest(connection, CHECK, was, asdict(left) if left else None)


def _go_on(database: Database, course: Course) -> Course | None:
    """Compare for a while, and tell what was found; gives what is left."""
    deadline = time.monotonic() + _SECONDS_A_RUN
    rest: Place | None = Place(course.phase, course.after)
    found = course.found
    while rest is not None:
        piece = _compare(database, rest)
        _tell(database, piece.differences[: max(0, _MOST_TOLD - found)])
        found += len(piece.differences)
        rest = piece.rest
        if rest is not None and (is_ending() or time.monotonic() > deadline):
            return Course(rest.phase, rest.after, course.began, found)
    _tell_end(database, course.began, found)
    return None


def _tell_end(database: Database, began: float, found: int) -> None:
    """All was compared: what this check has not seen is mended."""
    told: Told = []
    with database.transaction() as connection:
        seconds = schedules.now(connection) - began
        if found <= _MOST_TOLD:
            told = tell_whole(connection, None, before=began)
    broadcast(told)
    log.info("integrity_checked", differences=found, seconds=round(seconds, 1))


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

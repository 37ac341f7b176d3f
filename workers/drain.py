"""Drains: what a message to the line's workers is; it applies until nothing comes any more."""

import time
from collections.abc import Callable

import structlog
from sqlalchemy.exc import DBAPIError

from db.queries.installation import beat_heart
from db.session import Database, line_database
from workers.app import app
from workers.bulk import pace
from workers.bulk_order import rotation
from workers.dispatch import DRAIN, wake
from workers.ending import is_ending
from workers.runner import apply_and_look, apply_bulk
from workers.standby import Standby
from workers.walk import Walk

log = structlog.get_logger(__name__)

# Long enough to be worth the way here, short enough that the hard limit never meets a good batch:
# the last one still has more than half of it.
DRAIN_SECONDS = 2.5
# Sent messages are cheap to repeat; the sign of life need not be renewed with every batch.
_HEARTBEAT_SECONDS = 1.0


def drain(database: Database, hears: Callable[[float], bool] = lambda deadline: False) -> bool:
    """Apply the line until it is empty, the time is up, or this worker is about to end.

    Args:
        database: whose line.
        hears: called when it is empty, with the time by the monotonic clock when this drain has
            to end; whether to look again.

    Returns:
        Whether more may be waiting.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database is away for a while.
    """
    deadline = time.monotonic() + DRAIN_SECONDS
    walk, is_in_vain = Walk(), True
    while time.monotonic() < deadline and not is_ending():
        ended, waits = apply_and_look(database, walk)
        if ended:
            pace.single()
        if waits.bulks:
            ended += apply_bulk(database)
        elif not waits.singles:
            if not hears(deadline):
                return False
            continue
        is_in_vain = is_in_vain and ended == 0
        if walk.is_on:
            continue
        if is_in_vain and not (waits.bulks and rotation.is_looking):
            return False
        is_in_vain = True
    return True


# The line's, and the marker's.
_CONNECTIONS = 2


def _drain_anew(database: Database, hears: Callable[[float], bool]) -> bool:
    """Drain; if a connection has died since it was last used, by a new one.

    A process that has stood by while the server was started anew only finds out now.
    """
    for _ in range(_CONNECTIONS):
        try:
            return drain(database, hears)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            log.info("connection_lost", error=repr(error.orig).splitlines()[0])
    return drain(database, hears)


@app.task(name=DRAIN)
def drain_line() -> None:
    """Celery: apply what is waiting, and for a moment what comes, and leave a sign of life."""
    database = line_database()

    def hears(deadline: float) -> bool:
        _signs_of_life(database)
        return _standby.hears(deadline)

    try:
        more = _drain_anew(database, hears)
    finally:
        called = _standby.leave()
    _signs_of_life(database)
    if more or called:
        wake()


class _SignsOfLife:
    """Leaves at most one sign of life a second: it says that a worker consumes and commits."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, database: Database) -> None:
        now = time.monotonic()
        if now - self._last >= _HEARTBEAT_SECONDS:
            with database.transaction() as connection:
                beat_heart(connection, "worker")
            self._last = now


_signs_of_life = _SignsOfLife()
_standby = Standby()

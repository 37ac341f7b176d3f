"""The line: takes what is next, reads once, decides in order, writes once, commits."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Connection

from db.errors import is_passing
from db.models.operation import Waiting
from db.queries import bulk_order, line, marker
from db.session import LINE_SECONDS, Database, marker_database
from workers.batch import Batch, begun_book, read_book
from workers.broadcast import broadcast
from workers.bulk import blame as blame_rows
from workers.bulk import committed, pace, take_turn
from workers.bulk_order import rotation
from workers.bulk_turn import BulkTurn
from workers.commands import AdjustMany
from workers.crash import may_crash
from workers.ends import problem_code
from workers.logs import log_each
from workers.walk import Walk, choose

log = structlog.get_logger(__name__)

BATCH = 500
# A connection that is lost later than this may have been lost by a handler that never ends.
_INNOCENT_SECONDS = LINE_SECONDS - 2.0

# Takings of this process that failed through no fault of their operations.
_excused: set[UUID] = set()


# What has to be looked for where nobody has looked.
_UNKNOWN = marker.Waits(singles=True, bulks=True)


def apply_next(database: Database, limit: int = BATCH) -> int:
    """Apply the next operations of the line that need not wait, in one transaction.

    Returns:
        How many were ended or held back; 0 means that there is nothing to do, or that
        another worker is on.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database is away for a while.
    """
    walk = Walk()
    ended, _ = apply_and_look(database, walk, limit)
    while not ended and walk.is_on:
        ended, _ = apply_and_look(database, walk, limit)
    return ended


def apply_and_look(database: Database, walk: Walk, limit: int = BATCH) -> tuple[int, marker.Waits]:
    """The same for the next of a walk along the line; says as well what waits after it."""
    token = uuid4()
    taken, waits = _take(database, token, walk, limit)
    if not taken:
        waits = replace(waits, singles=waits.singles or walk.is_on)
        walk.start_again()
        return 0, waits
    may_crash("taken")
    return _apply_taken(database, token, taken, partial(_apply, walk=walk))


def apply_bulk(database: Database) -> int:
    """Give the bulk whose turn it is its next one, in one transaction.

    Returns:
        How many rows got their verdict; 0 means that there is no bulk, that all have to wait for
        single operations, or that another worker is on.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database is away for a while.
    """
    with marker_database().transaction() as connection:
        free = rotation.free(connection)
    for operation in free:
        token = uuid4()
        with marker_database().transaction() as connection:
            if not marker.take(connection, token, [operation.id]):
                return 0
        may_crash("taken")
        began = time.monotonic()
        rotation.had_turn(operation)
        rows, _ = _apply_taken(database, token, [operation], _apply_rows)
        pace.took(rows, time.monotonic() - began)
        if rows:
            return rows
    return 0


# What was applied, if it was, and what waits after the commit.
_Applied = tuple[Batch | BulkTurn | None, marker.Waits]


def _apply_taken(
    database: Database,
    token: UUID,
    taken: Sequence[Waiting],
    apply: Callable[[Database, UUID, Sequence[Waiting]], _Applied],
) -> tuple[int, marker.Waits]:
    began = time.monotonic()
    try:
        batch, waits = apply(database, token, taken)
    except Exception as error:
        if is_passing(error):
            if time.monotonic() - began < _INNOCENT_SECONDS:
                _excuse(token)
            raise
        log.error("batch_failed", error=repr(error), operations=len(taken))
        _blame(database, token, repr(error))
        return len(taken), _UNKNOWN
    if batch is None:
        # The one before may be about to let go of its lock: who takes the line next need not look
        # for somebody who died.
        _excuse(token)
        return 0, waits
    may_crash("committed")
    outcome = batch.book.outcome
    broadcast(outcome.events)
    may_crash("broadcast")
    _log_ends(batch)
    return batch.count, waits


def _apply(database: Database, token: UUID, taken: Sequence[Waiting], walk: Walk) -> _Applied:
    """Read, decide, write, commit; None if somebody else is on, or the marker has passed on."""
    with database.transaction() as connection:
        book = read_book(connection, taken, begin=token)
        if book is None:
            return None, _UNKNOWN
        ahead = bulk_order.ahead_of(connection, book.levels) if book.bulks_wait else {}
        batch = Batch(taken, book, ahead, set(walk.blocked))
        may_crash("read")
        batch.decide()
        may_crash("decided")
        line.write(connection, batch.book.outcome, batch.book.given, batch.book.now)
        may_crash("written")
        waits = marker.commit_and_look(connection)
    walk.pass_by(batch)
    return batch, waits


def _apply_rows(database: Database, token: UUID, taken: Sequence[Waiting]) -> _Applied:
    """The same for the next rows of a bulk; None as well if it has to wait."""
    with database.transaction() as connection:
        if marker.begin(connection, token) is None:
            return None, _UNKNOWN
        # Somebody else may have been on between its reading and its taking.
        again = line.waiting(connection, [operation.id for operation in taken])
        turn = take_turn(connection, again[0]) if again else None
        may_crash("written")
    if turn is not None:
        committed(turn)
    return turn, _UNKNOWN


def _take(
    database: Database, token: UUID, walk: Walk, limit: int = BATCH
) -> tuple[list[Waiting], marker.Waits]:
    """Write down what is next in line, so that a death with it can be told from a death alone.

    Returns:
        What was taken, and what waits.
    """
    with marker_database().transaction() as connection:
        taken, waits, is_left = marker.take_fresh(connection, token, limit, walk.passed)
    walk.is_last = len(taken) < limit
    if not taken and is_left:
        taken = _take_tried(database, token, walk, limit)
    return taken, waits


def _take_tried(database: Database, token: UUID, walk: Walk, limit: int) -> list[Waiting]:
    """The same, where the marker has been left, or something has been tried before.

    What was is taken singly: one that kills its worker is found so. The others behind it wait.
    """
    walk.is_last = False
    with marker_database().transaction() as connection:
        found = marker.read(connection)
        if found.token is not None:
            if found.age < marker.PATIENCE_SECONDS or not _rescue(database, found):
                return []
        elif not found.waiting:
            return []
        chosen = choose(marker.candidates(connection, limit, walk.passed))
        if not chosen or not marker.take(connection, token, chosen):
            return []
        # Somebody else may have been on between the two.
        taken = line.waiting(connection, chosen)
        if not taken:
            marker.release(connection, token)
        return taken


def _rescue(database: Database, found: marker.Marker) -> bool:
    """A worker died, or froze, with what it had taken: count it, and go on.

    Returns:
        False if it is alive after all, or another has rescued already.
    """
    assert found.token is not None
    if found.server_restarted or found.token in _excused:
        with marker_database().transaction() as connection:
            return marker.release(connection, found.token)
    is_rescued = _blame(database, found.token, "the worker died or froze while applying it")
    if is_rescued:
        log.warning("line_rescued", seconds=round(found.age, 1))
    return is_rescued


def _blame(database: Database, token: UUID, reason: str) -> bool:
    """Count an attempt on what was taken; the last one of a single operation is its end."""
    try:
        return _count(database, token, reason, _blame_taken)
    except Exception as error:
        if is_passing(error):
            raise
        # What belongs to it may be broken itself: that must not stop the line for ever.
        log.exception("blame_failed")
        return _count(database, token, f"{reason}; {error!r}", _blame_operations)


def _count(
    database: Database,
    token: UUID,
    reason: str,
    blame: Callable[[Connection, Sequence[Waiting], str], Batch | BulkTurn],
) -> bool:
    with database.transaction() as connection:
        begun = marker.begin(connection, token)
        if begun is None:
            return False
        batch = blame(connection, line.waiting(connection, begun), reason)
        may_crash("blamed")
    broadcast(batch.book.outcome.events)
    _log_ends(batch)
    return True


def _blame_taken(connection: Connection, taken: Sequence[Waiting], reason: str) -> Batch | BulkTurn:
    if taken and taken[0].kind == AdjustMany.kind:
        return blame_rows(connection, taken[0], reason)
    return _blame_operations(connection, taken, reason)


def _blame_operations(connection: Connection, taken: Sequence[Waiting], reason: str) -> Batch:
    batch = Batch(taken, begun_book(connection, taken))
    suspects = [operation for operation in taken if not operation.held_back]
    if len(suspects) == 1:
        batch.count_attempt(suspects[0], set(), reason)
        line.write(connection, batch.book.outcome, batch.book.given, batch.book.now)
    else:
        line.count_attempts(connection, [operation.id for operation in suspects])
    return batch


def _excuse(token: UUID) -> None:
    """Give the marker up without blame, now or as soon as the database is back."""
    _excused.add(token)
    try:
        with marker_database().transaction() as connection:
            marker.release(connection, token)
        _excused.discard(token)
    except Exception as error:
        if not is_passing(error):
            raise
        log.warning("marker_left", error=repr(error))


def _log_ends(batch: Batch | BulkTurn) -> None:
    known = {operation.id: operation for operation in batch.taken}
    ended = [(known[end["id"]], end) for end in batch.book.outcome.ends]
    now = batch.book.now
    log_each(
        "operation_ended",
        [
            {
                "operation_id": str(operation.id),
                "kind": operation.kind,
                "status": end["status"],
                "problem": problem_code(end["error"]),
                "request_id": operation.request_id,
                "seconds": round((now - operation.created_at).total_seconds(), 4),
            }
            for operation, end in ended
        ],
    )

"""Attempts at operations outside the line: counted before they are made, as a death says nothing.

One that failed through no fault of its operation is taken back.
"""

import threading
import time
from types import TracebackType
from uuid import UUID

import structlog

from db.errors import has_code, is_overdue, is_passing
from db.queries import operations
from db.queries.operations import Due
from db.session import Database
from workers.ending import is_ending
from workers.ends import retry_delay

log = structlog.get_logger(__name__)

# A connection that is lost later than this may have been lost by work that takes too long each
# time: the server's own time-outs for sessions do not always come with their code.
_INNOCENT_SECONDS = 30.0
# Soon enough for a worker that ends by itself, which has half a second.
_LOOK_SECONDS = 0.1


def is_innocent(error: BaseException) -> bool:
    """Whether an operation that met this error may be tried again without having failed."""
    return is_passing(error) and not is_overdue(error)


def number_of(due: Due) -> int:
    """The number of the attempt that is due.

    The one before does not count if the server has been started since it began.
    """
    made = due.operation.attempts
    if made == 0 or due.available_at is None:
        return made + 1
    began = due.available_at - retry_delay(made)
    return made if began < due.server_start else made + 1


class Attempts:
    """The attempt that is being made, if any: as a context, around the transaction of its work.

    It is written by a transaction of its own. It is taken back when the work was soon broken off by
    a passing fault, and already when this worker is asked to end: it may be killed before the work
    is done. If that ends well all the same, its end says how many attempts it took.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._operation_id: UUID | None = None
        self._number = 0
        self._began = 0.0
        self._is_over = threading.Event()
        self._watcher: threading.Thread | None = None

    def begin(self, operation_id: UUID, number: int) -> None:
        """Count the attempt, as if it were to fail."""
        with self._database.transaction() as connection:
            operations.begin_attempt(connection, operation_id, number, retry_delay(number))
        self._operation_id, self._number = operation_id, number
        self._began = time.monotonic()
        self._watcher = threading.Thread(target=self._watch, name="attempt", daemon=True)
        self._watcher.start()

    def __enter__(self) -> "Attempts":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._watcher is None:
            return
        self._is_over.set()
        self._watcher.join()
        soon = time.monotonic() - self._began < _INNOCENT_SECONDS
        if error is not None and is_innocent(error) and (soon or has_code(error)):
            self._take_back()

    def _watch(self) -> None:
        while not self._is_over.wait(_LOOK_SECONDS):
            if is_ending():
                self._take_back()
                return

    def _take_back(self) -> None:
        assert self._operation_id is not None
        try:
            with self._database.transaction() as connection:
                operations.take_back_attempt(connection, self._operation_id, self._number)
        except Exception as error:
            if not is_passing(error):
                raise
            log.warning("attempt_left", operation_id=str(self._operation_id), error=repr(error))

"""Waiters: requests that wait for the end of an operation."""

import threading
import time
from types import TracebackType
from typing import Any
from uuid import UUID

import structlog

from db.errors import is_passing
from db.queries.snapshots import ended_operations
from db.session import Database

log = structlog.get_logger(__name__)

# Hints wake waiters at once; this is for the end whose hint was lost.
_POLL_SECONDS = 0.5


class Waiter:
    """One request's wait; made by `Waiters.register`, ended by `cancel` or a ``with`` block.

    Attributes:
        ended: whether the operation has its end.
        told: the data of the event that told it, if a hint did.
    """

    def __init__(self, waiters: "Waiters", operation_id: UUID) -> None:
        self._waiters = waiters
        self.operation_id = operation_id
        self.ended = False
        self.told: dict[str, Any] | None = None
        self._woken = threading.Event()

    def wait(self, seconds: float) -> bool:
        """Wait until the operation has its end.

        Args:
            seconds: at most.

        Returns:
            Whether it has ended; False also when the process is about to stop.
        """
        self._woken.wait(seconds)
        return self.ended

    def wake(self, *, ended: bool) -> None:
        """End the wait."""
        self.ended = self.ended or ended
        self._woken.set()

    def cancel(self) -> None:
        """Nobody waits any more; a second time does nothing."""
        self._waiters.remove(self)

    def __enter__(self) -> "Waiter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()


class Waiters:
    """All waits of a web process.

    Register before the operation commits, so that no end can be missed; what had ended before
    is found by the next poll.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, list[Waiter]] = {}
        self._guard = threading.Lock()
        self._someone = threading.Event()
        self._closed = False

    def start(self) -> None:
        """Begin to poll, which costs nothing while nobody waits."""
        threading.Thread(target=self._run, name="waiters", daemon=True).start()

    def register(self, operation_id: UUID) -> Waiter:
        """Begin to watch for the end of an operation."""
        waiter = Waiter(self, operation_id)
        with self._guard:
            if self._closed:
                waiter.wake(ended=False)
                return waiter
            self._waiting.setdefault(str(operation_id), []).append(waiter)
            self._someone.set()
        return waiter

    def remove(self, waiter: Waiter) -> None:
        """Forget a waiter."""
        key = str(waiter.operation_id)
        with self._guard:
            others = [one for one in self._waiting.pop(key, []) if one is not waiter]
            if others:
                self._waiting[key] = others

    def end(self, operation_id: str, told: dict[str, Any] | None = None) -> None:
        """An operation has its end: wake those who wait for it.

        Args:
            operation_id: which.
            told: the data of the event that says so, if it is at hand.
        """
        if operation_id not in self._waiting:
            return
        with self._guard:
            woken = self._waiting.pop(operation_id, [])
        for waiter in woken:
            waiter.told = told
            waiter.wake(ended=True)

    def release_all(self) -> None:
        """The process is about to stop: everybody gets the answer of now, later ones at once."""
        with self._guard:
            self._closed = True
            everybody = [waiter for waiters in self._waiting.values() for waiter in waiters]
            self._waiting.clear()
            self._someone.set()
        for waiter in everybody:
            waiter.wake(ended=False)

    def _run(self) -> None:
        while not self._closed:
            self._someone.wait()
            time.sleep(_POLL_SECONDS)
            with self._guard:
                ids = [UUID(key) for key in self._waiting]
                if not ids and not self._closed:
                    self._someone.clear()
            if ids:
                self._poll(ids)

    def _poll(self, ids: list[UUID]) -> None:
        try:
            with self._database.statement() as connection:
                ended = ended_operations(connection, ids)
        except Exception as error:
            if is_passing(error):
                log.warning("waiters_wait_for_the_database", error=repr(error))
            else:
                log.exception("waiters_poll_failed")
            return
        for operation_id in ended:
            self.end(str(operation_id))

"""Dry runs: what their passed rows would have changed, remembered from one turn to the next."""

from uuid import UUID

from sqlalchemy import Connection

from db.models.bulk import Bulk
from db.queries import bulks

# Dry runs that have their turns alternately; one of 100,000 products takes some 20 MB.
_MOST = 4


class Memory:
    """What this process knows of the dry runs that it had turns of: to read it takes long.

    Every turn with a verdict counts up how many rows are done, and only what was committed is
    remembered: as long as the database says the same count, nothing else has passed.
    """

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[int, dict[UUID, int]]] = {}

    def take(self, connection: Connection, bulk: Bulk) -> dict[UUID, int]:
        """What has passed of a dry run, by product; the turn adds to it.

        It is out of the memory until that turn is committed: one that is not leaves no trace.

        Args:
            connection: of the turn's transaction.
            bulk: how far the dry run is, locked.
        """
        done, passed = self._known.pop(bulk.id, (None, {}))
        if done == bulk.done:
            return passed
        return bulks.passed(connection, bulk.id) if bulk.done > bulk.refused else {}

    def keep(self, bulk: Bulk, passed: dict[UUID, int]) -> None:
        """The turn is committed.

        Args:
            bulk: how far the dry run is after it.
            passed: what was taken and added to.
        """
        if bulk.done == bulk.total:
            return
        self._known[bulk.id] = bulk.done, passed
        if len(self._known) > _MOST:
            del self._known[next(iter(self._known))]


memory = Memory()

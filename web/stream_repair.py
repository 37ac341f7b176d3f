"""Repair: at least every second, bring rooms to where the database's streams are."""

import threading
import time
from collections.abc import Collection
from itertools import groupby

import structlog
from sqlalchemy import Connection

from db.errors import is_passing
from db.queries import streams
from db.session import Database
from web.stream_cursors import event_tag
from web.stream_tracks import StreamEvent
from web.streams import Streams

log = structlog.get_logger(__name__)

# With the pause below it, the idle cost is one query a second.
_EVERY_SECONDS = 0.9
# Between two readings that gaps ask for, so that a storm of gaps costs few of them.
_PAUSE_SECONDS = 0.05
# Events of each stream that one reading brings.
_PAGE = 500


class Repair:
    """The loop that reads what hints did not bring.

    ::

        repair = Repair(database)
        repair.streams = Streams(..., on_gap=repair.ask)
        repair.start()
    """

    streams: Streams

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wanted = threading.Event()
        self._gaps: set[str] = set()
        self._all_at = 0.0
        self._stopped = False
        self._past: int | None = None

    def ask(self, stream: str) -> None:
        """Have one stream repaired soon; returns at once."""
        self._gaps.add(stream)
        self._wanted.set()

    def ask_all(self) -> None:
        """Have all streams repaired soon: hints may have been lost."""
        self._all_at = 0.0
        self._wanted.set()

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="stream-repair", daemon=True).start()

    def stop(self) -> None:
        """End with the next turn."""
        self._stopped = True
        self._wanted.set()

    def _run(self) -> None:
        away = False
        while not self._stopped:
            self._wanted.wait(max(0.0, self._all_at + _EVERY_SECONDS - time.monotonic()))
            self._wanted.clear()
            try:
                self._turn()
                away = False
            except Exception as error:
                if not is_passing(error):
                    log.exception("repair_failed")
                elif not away:
                    log.warning("repair_waits_for_the_database", error=repr(error))
                away = True
                self.ask_all()
                time.sleep(_EVERY_SECONDS / 2)
            time.sleep(_PAUSE_SECONDS)

    def _turn(self) -> None:
        gaps, self._gaps = self._gaps, set()
        now = time.monotonic()
        if now - self._all_at >= _EVERY_SECONDS:
            self._all_at = now
            self.repair()
        else:
            self.repair(gaps)

    def repair(self, names: Collection[str] | None = None) -> None:
        """Read and send what these streams are ahead; all that clients are in if not given.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database could not be asked.
        """
        places = self.streams.places()
        if names is not None:
            places = {name: sent for name, sent in places.items() if name in names}
        if not places:
            return
        with self._database.statement() as connection:
            heads, past = streams.heads_and_past(connection, places)
            # Numbers only grow: rows that were put back into the same tables give themselves away.
            fallen = {name for name, sent in places.items() if heads.get(name, 0) < sent}
            if past != self._past or fallen:
                self._check_past(connection, self.streams.places(), fallen)
                self._past = past
            ahead = {name: sent for name, sent in places.items() if heads.get(name, 0) > sent}
            events = streams.events_after(connection, ahead, _PAGE)
        self._tell(heads, ahead, events)

    def _check_past(
        self, connection: Connection, places: dict[str, int], fallen: Collection[str]
    ) -> None:
        """What the database holds may be a restored backup: compare it with what was told."""
        if self._past is None:
            return
        before = {name: sent - 1 for name, sent in places.items() if sent}
        found = streams.events_after(connection, before, 1)
        tags = {e[0]: event_tag(e[3]) for e in found if e[1] == places[e[0]]}
        self.streams.check_past(places, tags, fallen)

    def _tell(
        self, heads: dict[str, int], ahead: dict[str, int], events: list[StreamEvent]
    ) -> None:
        found = {name: list(group) for name, group in groupby(events, key=lambda e: e[0])}
        for name, sent in ahead.items():
            mine = found.get(name)
            if not mine or mine[0][1] > sent + 1:
                self.streams.lose(name, mine[0][1] - 1 if mine else heads[name])
            if mine:
                self.streams.feed(name, mine)
                time.sleep(0)
                if len(mine) == _PAGE:
                    self.ask(name)

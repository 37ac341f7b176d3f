"""Numbered streams: every client in a room is told every event, in order, once, whatever is lost.

A hint through Redis makes it fast; the database makes it true: what is missing is read there.
"""

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection

from db.queries import installation, streams
from db.session import Database
from web.stream_arrivals import Arrivals
from web.stream_cursors import Cursor, stream_mark
from web.stream_recovery import LOST, find_missed, tag_of
from web.stream_registry import Gone, Tracks
from web.stream_tracks import (
    Clients,
    Missed,
    Place,
    Shown,
    Snapshot,
    StreamEvent,
    Track,
    unasked_room,
)

log = structlog.get_logger(__name__)

# Who is further behind than this many pages of recovery starts from the snapshot.
_MAX_PAGES = 400
# A hint of many streams lets others have their turn after so long.
_TURN_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Subscribed:
    """What a new subscriber is told.

    Attributes:
        snapshot: the state at this moment, with its position.
        cursor: the place in the stream that belongs to it.
        recovered: whether what was missed could be sent; None if nobody asked.
    """

    snapshot: dict[str, Any]
    cursor: str
    recovered: bool | None


@dataclass(slots=True)
class _Look:
    """What one reading of the database found for a subscriber and those already in."""

    snapshot: Snapshot
    behind: list[StreamEvent] = field(default_factory=list)
    missed: Missed | None = None


class Streams:
    """The streams that clients of this process are in.

    Args:
        database: where the events are.
        clients: the sockets of this process, and of this process only.
        on_end: called with the id of each operation whose end a hint tells, and the event's
            data.
        on_gap: called when a stream should be repaired soon.
        readers: held while the database is read: a wave of subscriptions waits here, not for
            connections that the requests need.

    Attributes:
        arrivals: clients on their way into what they are told without asking.
    """

    def __init__(
        self,
        database: Database,
        clients: Clients,
        on_end: Callable[[str, dict[str, Any]], None],
        on_gap: Callable[[str], None],
        readers: threading.BoundedSemaphore,
    ) -> None:
        self._database = database
        self._clients = clients
        self._on_end = on_end
        self._on_gap = on_gap
        self._tracks = Tracks(clients, on_gap)
        self._guard = self._tracks.guard
        self._readers = readers
        self.arrivals = Arrivals(database, clients, self._tracks, readers, self._mark)
        self._epoch: UUID | None = None

    # What comes in

    def offer(self, events: Sequence[StreamEvent]) -> None:
        """Take in a hint: events of any streams, each stream's in order."""
        began = time.monotonic()
        for stream, group in groupby(events, key=itemgetter(0)):
            mine = list(group)
            for event in mine:
                if event[2] == "operation_update" and event[3]["status"] != "queued":
                    self._on_end(event[3]["operationId"], event[3])
            if self._tracks.find(stream) is not None:
                self.feed(stream, mine)
                if time.monotonic() - began > _TURN_SECONDS:
                    # Others may have their turn between two streams of a large batch.
                    time.sleep(0)
                    began = time.monotonic()

    def feed(self, stream: str, events: Sequence[StreamEvent]) -> None:
        """Take in events of one stream, from a hint or from the database."""
        with self._guard:
            track = self._tracks.find(stream)
            if track is None:
                return
            if track.held:
                track.keep(events)
                return
            gap = track.advance(events, self._clients)
        if gap:
            self._on_gap(stream)

    def places(self) -> dict[str, int]:
        """How far each stream that clients are in has been told."""
        return self._tracks.places()

    def lose(self, stream: str, head: int) -> None:
        """Events that clients need are gone: close these clients, their cursors will tell them."""
        with self._guard:
            track = self._tracks.find(stream)
            if track is None or track.sent is None or track.sent >= head:
                return
            log.error("stream_has_a_hole", stream=stream, sent=track.sent, head=head)
            self._begin_again(track, head)

    def check_past(
        self, places: dict[str, int], tags: dict[str, str], fallen: Collection[str]
    ) -> None:
        """The database may be another one: is what clients were told still what it holds?

        Args:
            places: how far each stream had been told.
            tags: of the events that the database has under these numbers.
            fallen: streams that have not got so far any more.
        """
        with self._guard:
            for stream, sent in places.items():
                track = self._tracks.find(stream)
                if track is None or track.sent != sent:
                    continue
                # Without a tag, that event was not told here; without the event, it is too old.
                same = not track.tag or tags.get(stream, track.tag) == track.tag
                if same and stream not in fallen:
                    continue
                log.error("stream_has_another_past", stream=stream, sent=sent)
                self._begin_again(track, None)

    def _begin_again(self, track: Track, head: int | None) -> None:
        """Nothing told before holds any more for those who are in: they come again."""
        track.sent, track.tag = head, ""
        track.shown.clear()
        for sid in track.members():
            self._clients.close(sid, "stream lost")

    # Who comes and goes

    def subscribe(self, sid: str, place: Place, since: Cursor | None = None) -> Subscribed | None:
        """Let a client in: no event lies between its snapshot and the first it will get.

        Args:
            sid: the client; in the room already, it stays, and is told nothing twice.
            place: what it asks for.
            since: where it was before; what it missed is sent first, in order.

        Returns:
            None if there is no such thing.

        Raises:
            Gone: the client left meanwhile.
            sqlalchemy.exc.SQLAlchemyError: the database could not be asked.
        """
        asked = time.monotonic()
        reached = since
        for page in range(_MAX_PAGES + 1):
            if page == _MAX_PAGES:
                reached = LOST
            with self._tracks.hold(place.stream) as track:
                look = self._look(track, sid, place, reached, asked)
                if look is None:
                    return None
                self._bring_up(track, look)
                if look.missed is None or not look.missed.more:
                    return self._admit(track, sid, place, look, since)
            # Far behind: page by page, no faster than it takes them, while others go on.
            assert look.missed is not None
            self._send(track, sid, look.missed.events)
            reached = look.missed.reached
            if not self._clients.wait_until_taken(sid):
                raise Gone
        raise AssertionError("the last page is never followed by another")

    def leave(self, sid: str, room: str) -> None:
        """Let a client out of a room, or keep it out of one that it would be let into."""
        self._tracks.leave(sid, room)
        self._tracks.leave(sid, unasked_room(room))

    def forget(self, sid: str) -> None:
        """A client has gone: nothing is kept of it."""
        self._tracks.forget(sid)

    def rooms_of(self, sid: str) -> set[str]:
        """The rooms that a client is in, and those where it is noted."""
        return self._tracks.rooms_of(sid)

    # How it is done

    def _look(
        self, track: Track, sid: str, place: Place, since: Cursor | None, asked: float
    ) -> _Look | None:
        shown = track.shown.get(place.room)
        if shown and (shown.began < asked or shown.snapshot.position != track.sent):
            shown = None
        if shown is not None:
            # Read for somebody else after this client had asked, and nothing has come since.
            if since is None:
                return _Look(shown.snapshot)
            if since in shown.missed and track.is_stranger(sid, place):
                return _Look(shown.snapshot, missed=shown.missed[since])
        with self._readers, self._database.statement() as connection:
            return self._read(connection, track, sid, place, since, shown)

    def _read(
        self,
        connection: Connection,
        track: Track,
        sid: str,
        place: Place,
        since: Cursor | None,
        shown: Shown | None,
    ) -> _Look | None:
        self._mark(connection, track)
        began = time.monotonic()
        snapshot = place.read(connection) if shown is None else shown.snapshot
        if snapshot is None:
            return None
        missed = Missed(recovered=False)
        if since is not None:
            missed = find_missed(connection, track, sid, place, since, snapshot.position)
        if shown is None:
            tag = tag_of(connection, place, snapshot, since, missed)
            shown = track.shown[place.room] = Shown(began, replace(snapshot, tag=tag))
        look = _Look(shown.snapshot)
        if since is not None:
            look.missed = missed
            if track.is_stranger(sid, place) and not missed.more:
                shown.keep(since, missed)
        if track.rooms and track.sent is not None and track.sent < snapshot.position:
            count = snapshot.position - track.sent
            look.behind = streams.events_after(connection, {track.stream: track.sent}, count)
        return look

    def _bring_up(self, track: Track, look: _Look) -> None:
        """Tell those already in what they lack: the room stands where the snapshot does."""
        with self._guard:
            track.advance(look.behind, self._clients)
            if track.sent is None or not track.rooms:
                track.sent, track.tag = look.snapshot.position, look.snapshot.tag
        self.lose(track.stream, look.snapshot.position)

    def _admit(
        self, track: Track, sid: str, place: Place, look: _Look, since: Cursor | None
    ) -> Subscribed:
        told = track.told_after(sid, place.room)
        after = look.snapshot.position if told is None else told
        if look.missed is not None and look.missed.recovered:
            self._send(track, sid, look.missed.events)
            assert since is not None
            after = min(after, since.position)
        with self._guard:
            self._tracks.enter(track, sid, place.room, after)
            self._tracks.leave(sid, unasked_room(place.room))
        return Subscribed(
            snapshot={**look.snapshot.state, "position": look.snapshot.position},
            cursor=str(Cursor(track.mark, look.snapshot.position, look.snapshot.tag)),
            recovered=None if look.missed is None else look.missed.recovered,
        )

    def _send(self, track: Track, sid: str, events: Sequence[StreamEvent]) -> None:
        for event in events:
            self._clients.emit(event[2], track.dress(event), sid)

    def _mark(self, connection: Connection, track: Track) -> None:
        if not track.mark:
            if self._epoch is None:
                self._epoch = installation.epoch(connection)
            track.mark = stream_mark(self._epoch, track.stream)

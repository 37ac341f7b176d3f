"""Arrivals: whoever has just come may first say where it was; what came meanwhile is told then."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from sqlalchemy import Connection

from db.queries import streams
from db.session import Database
from web.stream_cursors import Cursor
from web.stream_recovery import PAGE, find_missed, is_whole, tag_at
from web.stream_registry import Gone, Tracks
from web.stream_tracks import Clients, Place, StreamEvent, Track, unasked_room


@dataclass(slots=True)
class _Way:
    """A client's way into a whole stream.

    Attributes:
        follows: an operation of the stream, and where the client was; None if there is none, or
            what was missed of it cannot be told.
        reached: how far the client has been told; None as long as it was told nothing.
    """

    sid: str
    stream: str
    follows: tuple[Place, Cursor] | None
    reached: int | None = None


class Arrivals:
    """The way into whole streams that a client is told of without asking.

    Told at once, it would hear what is new before it could say what it missed. So its place is
    noted when it comes, and nothing is told until it has asked, or is let in all the same.

    Args:
        database: where the events are.
        clients: the sockets of this process.
        tracks: the streams that they are in.
        readers: held while the database is read.
        mark: finds what begins the cursors of a stream.
    """

    def __init__(
        self,
        database: Database,
        clients: Clients,
        tracks: Tracks,
        readers: threading.BoundedSemaphore,
        mark: Callable[[Connection, Track], None],
    ) -> None:
        self._database = database
        self._clients = clients
        self._tracks = tracks
        self._readers = readers
        self._mark = mark

    def note(self, sid: str, names: Sequence[str]) -> None:
        """Note where these streams are: what comes from now on is for this client too.

        Raises:
            Gone: the client left meanwhile.
            sqlalchemy.exc.SQLAlchemyError: the database could not be asked.
        """
        with ExitStack() as stack:
            tracks = [stack.enter_context(self._tracks.pinned(name)) for name in names]
            for track in tracks:
                if track.sent is None:
                    self._find_head(track)
            with self._tracks.guard:
                if not self._clients.is_here(sid):
                    raise Gone
                for track in tracks:
                    room = unasked_room(track.stream)
                    self._tracks.enter(track, sid, room, track.sent or 0)

    def let_in(self, sid: str, stream: str, follows: tuple[Place, Cursor] | None = None) -> None:
        """Tell a client what came since its place was noted, then all that comes.

        Whoever is in already, or is not to be told without asking, is told nothing. Whoever was
        told a part when it fails is closed: asked for again, that part would be told twice.

        Args:
            sid: the client.
            stream: what it is let into.
            follows: an operation of this stream that it asks for, and where it was: what it
                missed of that before its place was noted is told first.

        Raises:
            Gone: the client left meanwhile.
            sqlalchemy.exc.SQLAlchemyError: the database could not be asked.
        """
        if unasked_room(stream) not in self._tracks.rooms_of(sid):
            return
        way = _Way(sid, stream, follows)
        try:
            while not self._go_on(way):
                # Page by page, no faster than it takes them, while others go on.
                if not self._clients.wait_until_taken(sid):
                    raise Gone
        except Exception:
            if way.reached is not None:
                self._clients.close(sid, "unavailable")
            raise

    def _go_on(self, way: _Way) -> bool:
        """Tell a client a page of what the others have been told; gives whether it is in."""
        with self._tracks.hold(way.stream) as track:
            noted = track.told_after(way.sid, unasked_room(way.stream))
            if noted is None or track.told_after(way.sid, way.stream) is not None:
                return True
            for event in self._read(track, way, noted):
                self._clients.emit(event[2], track.dress(event), way.sid)
            if way.reached is not None and way.reached < (track.sent or 0):
                return False
            with self._tracks.guard:
                self._tracks.enter(track, way.sid, way.stream, noted)
                if way.follows is not None:
                    # Told all of this one: asked for again, nothing of it is told twice.
                    place, since = way.follows
                    self._tracks.enter(track, way.sid, place.room, since.position)
            return True

    def _read(self, track: Track, way: _Way, noted: int) -> list[StreamEvent]:
        """The next page; before the first of them what was missed of the one that it follows."""
        after = noted if way.reached is None else way.reached
        count = max(0, min(PAGE, (track.sent or 0) - after))
        follows = way.follows if way.reached is None else None
        if not count and follows is None:
            return []
        before: list[StreamEvent] = []
        with self._readers, self._database.statement() as connection:
            if follows is not None:
                missed = find_missed(connection, track, way.sid, *follows, noted)
                before, way.follows = missed.events, follows if missed.recovered else None
            events = streams.events_after(connection, {track.stream: after}, count)
        if count and not is_whole(events, after):
            # It comes again, and its cursors tell it that something is lost.
            self._clients.close(way.sid, "stream lost")
            raise Gone
        way.reached = after + len(events)
        return [*before, *events]

    def _find_head(self, track: Track) -> None:
        with self._tracks.hold(track.stream):
            if track.sent is not None:
                return
            with self._readers, self._database.statement() as connection:
                self._mark(connection, track)
                head = streams.heads(connection, [track.stream]).get(track.stream, 0)
                track.sent, track.tag = head, tag_at(connection, track.stream, head)

"""Arrivals: whoever has just come may first say where it was; what came meanwhile is told then."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from sqlalchemy import Connection

from db.queries import streams
from db.session import Database
from web.stream_recovery import PAGE, is_whole, tag_at
from web.stream_registry import Gone, Tracks
from web.stream_tracks import Clients, Track, unasked_room


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

    def let_in(self, sid: str, stream: str) -> None:
        """Tell a client what came since its place was noted, then all that comes.

        Whoever is in already, or is not to be told without asking, is told nothing.

        Raises:
            Gone: the client left meanwhile.
            sqlalchemy.exc.SQLAlchemyError: the database could not be asked.
        """
        if unasked_room(stream) not in self._tracks.rooms_of(sid):
            return
        reached: int | None = None
        while True:
            with self._tracks.hold(stream) as track:
                noted = track.told_after(sid, unasked_room(stream))
                if noted is None or track.told_after(sid, stream) is not None:
                    return
                after = noted if reached is None else reached
                reached = self._tell(track, sid, after)
                if reached >= (track.sent or 0):
                    with self._tracks.guard:
                        self._tracks.enter(track, sid, stream, noted)
                    return
            # Page by page, no faster than it takes them, while others go on.
            if not self._clients.wait_until_taken(sid):
                raise Gone

    def _tell(self, track: Track, sid: str, after: int) -> int:
        """Tell a client a page of what the others have been told; gives how far that leads."""
        count = min(PAGE, (track.sent or 0) - after)
        if count <= 0:
            return after
        with self._readers, self._database.statement() as connection:
            events = streams.events_after(connection, {track.stream: after}, count)
        if not is_whole(events, after):
            # It comes again, and its cursors tell it that something is lost.
            self._clients.close(sid, "stream lost")
            raise Gone
        for event in events:
            self._clients.emit(event[2], track.dress(event), sid)
        return events[-1][1]

    def _find_head(self, track: Track) -> None:
        with self._tracks.hold(track.stream):
            if track.sent is not None:
                return
            with self._readers, self._database.statement() as connection:
                self._mark(connection, track)
                head = streams.heads(connection, [track.stream]).get(track.stream, 0)
                track.sent, track.tag = head, tag_at(connection, track.stream, head)

"""Numbered streams: every client in a room is told every event, in order, once, whatever is lost.

A hint through Redis makes it fast; the database makes it true: what is missing is read there.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection

from db.queries import installation, streams
from db.session import Database
from web.stream_cursors import stream_mark
from web.stream_recovery import LOST, Cursor, Missed, find_missed
from web.stream_tracks import Clients, Place, Snapshot, StreamEvent, Track

log = structlog.get_logger(__name__)

# Who is further behind than this many pages of recovery starts from the snapshot.
_MAX_PAGES = 40


class Gone(Exception):  # noqa: N818 - nobody is left to tell an error to
    """The client left while it was being served."""


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
        self._tracks: dict[str, Track] = {}
        self._joined: dict[str, dict[str, str]] = {}
        # Held for moments only, never while waiting for anything.
        self._guard = threading.RLock()
        self._readers = readers
        self._epoch: UUID | None = None

    # What comes in

    def offer(self, events: Sequence[StreamEvent]) -> None:
        """Take in a hint: events of any streams, each stream's in order."""
        for stream, group in groupby(events, key=lambda event: event[0]):
            mine = list(group)
            for event in mine:
                if event[2] == "operation_update":
                    self._on_end(event[3]["operationId"], event[3])
            if stream in self._tracks:
                self.feed(stream, mine)
                # Others may have their turn between two streams of a large batch.
                time.sleep(0)

    def feed(self, stream: str, events: Sequence[StreamEvent]) -> None:
        """Take in events of one stream, from a hint or from the database."""
        with self._guard:
            track = self._tracks.get(stream)
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
        with self._guard:
            return {t.stream: t.sent for t in self._tracks.values() if t.sent is not None}

    def lose(self, stream: str, head: int) -> None:
        """Events that clients need are gone: close these clients, their cursors will tell them."""
        with self._guard:
            track = self._tracks.get(stream)
            if track is None or track.sent is None or track.sent >= head:
                return
            log.error("stream_has_a_hole", stream=stream, sent=track.sent, head=head)
            track.sent = head
            members = track.members()
        for sid in members:
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
            with self._hold(place.stream) as track:
                look = self._look(track, sid, place, reached, asked)
                if look is None:
                    return None
                self._bring_up(track, look)
                if look.missed is None or not look.missed.more:
                    return self._admit(track, sid, place, look, since)
            # Far behind: page by page, no faster than it takes them, while others go on.
            assert look.missed is not None
            self._send(track, sid, look.missed.events)
            reached = Cursor(track.mark, look.missed.reached)
            if not self._clients.wait_until_taken(sid):
                raise Gone
        raise AssertionError("the last page is never followed by another")

    def join(self, sid: str, names: Sequence[str]) -> None:
        """Let a client into the rooms of whole streams, at where they are now.

        Raises:
            Gone: the client left meanwhile.
            sqlalchemy.exc.SQLAlchemyError: the database could not be asked.
        """
        with ExitStack() as stack:
            tracks = [stack.enter_context(self._pinned(name)) for name in names]
            for track in tracks:
                if track.sent is None:
                    self._find_head(track)
            # All at once, so that nothing can be told before the connection stands.
            with self._guard:
                for track in tracks:
                    self._enter(track, sid, track.stream, track.sent or 0)

    def leave(self, sid: str, room: str) -> None:
        """Let a client out of a room."""
        with self._guard:
            stream = self._joined.get(sid, {}).pop(room, None)
            if stream is not None:
                self._clients.leave(sid, room)
                self._strike(self._tracks[stream], sid, room)

    def forget(self, sid: str) -> None:
        """A client has gone: nothing is kept of it."""
        with self._guard:
            for room, stream in self._joined.pop(sid, {}).items():
                self._strike(self._tracks[stream], sid, room)

    def rooms_of(self, sid: str) -> set[str]:
        """The rooms that a client is in."""
        return set(self._joined.get(sid, ()))

    # How it is done

    def _look(
        self, track: Track, sid: str, place: Place, since: Cursor | None, asked: float
    ) -> _Look | None:
        began, snapshot = track.shown.get(place.room, (0.0, None))
        fresh = snapshot is not None and began >= asked and snapshot.position == track.sent
        if fresh and since is None and snapshot is not None:
            # Read for somebody else after this client had asked, and nothing has come since.
            return _Look(snapshot)
        with self._readers, self._database.transaction() as connection:
            self._mark(connection, track)
            if not fresh or snapshot is None:
                began, snapshot = time.monotonic(), place.read(connection)
                if snapshot is None:
                    return None
                track.shown[place.room] = (began, snapshot)
            look = _Look(snapshot)
            if track.rooms and track.sent is not None and track.sent < snapshot.position:
                count = snapshot.position - track.sent
                look.behind = streams.events_after(connection, {track.stream: track.sent}, count)
            if since is not None:
                look.missed = find_missed(connection, track, sid, place, since, snapshot.position)
        return look

    def _bring_up(self, track: Track, look: _Look) -> None:
        """Tell those already in what they lack: the room stands where the snapshot does."""
        with self._guard:
            track.advance(look.behind, self._clients)
            if track.sent is None or not track.rooms:
                track.sent = look.snapshot.position
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
            self._enter(track, sid, place.room, after)
        return Subscribed(
            snapshot={**look.snapshot.state, "position": look.snapshot.position},
            cursor=track.cursor(look.snapshot.position),
            recovered=None if look.missed is None else look.missed.recovered,
        )

    def _send(self, track: Track, sid: str, events: Sequence[StreamEvent]) -> None:
        for event in events:
            self._clients.emit(event[2], track.dress(event), sid)

    def _enter(self, track: Track, sid: str, room: str, after: int) -> None:
        if not self._clients.is_here(sid):
            raise Gone
        members = track.rooms.setdefault(room, {})
        if sid not in members:
            self._clients.enter(sid, room)
        members[sid] = after
        self._joined.setdefault(sid, {})[room] = track.stream

    def _strike(self, track: Track, sid: str, room: str) -> None:
        members = track.rooms.get(room, {})
        members.pop(sid, None)
        if not members:
            track.rooms.pop(room, None)
            track.shown.pop(room, None)
        self._drop_if_idle(track)

    def _drop_if_idle(self, track: Track) -> None:
        if not track.rooms and track.users == 0:
            self._tracks.pop(track.stream, None)

    def _find_head(self, track: Track) -> None:
        with self._hold(track.stream):
            if track.sent is not None:
                return
            with self._readers, self._database.transaction() as connection:
                self._mark(connection, track)
                track.sent = streams.heads(connection, [track.stream]).get(track.stream, 0)

    def _mark(self, connection: Connection, track: Track) -> None:
        if not track.mark:
            if self._epoch is None:
                self._epoch = installation.epoch(connection)
            track.mark = stream_mark(self._epoch, track.stream)

    @contextmanager
    def _pinned(self, stream: str) -> Iterator[Track]:
        """Keep a stream's track, even while nobody is in."""
        with self._guard:
            track = self._tracks.setdefault(stream, Track(stream))
            track.users += 1
        try:
            yield track
        finally:
            with self._guard:
                track.users -= 1
                self._drop_if_idle(track)

    @contextmanager
    def _hold(self, stream: str) -> Iterator[Track]:
        """Hold a stream's events; other streams go on. What came meanwhile is sent at the end."""
        with self._pinned(stream) as track, track.turn:
            track.held = True
            try:
                yield track
            finally:
                with self._guard:
                    track.held = False
                    gap = track.advance(track.take_inbox(), self._clients)
                if gap:
                    self._on_gap(stream)

"""Which streams clients of this process are in: kept while somebody is, held by one at a time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from web.stream_tracks import Clients, Track


class Gone(Exception):  # noqa: N818 - nobody is left to tell an error to
    """The client left while it was being served."""


class Tracks:
    """The tracks of one process, and who is in which room.

    Args:
        clients: the sockets of this process.
        on_gap: called when a stream should be repaired soon.

    Attributes:
        guard: held for moments only, never while waiting for anything.
    """

    def __init__(self, clients: Clients, on_gap: Callable[[str], None]) -> None:
        self.guard = threading.RLock()
        self._clients = clients
        self._on_gap = on_gap
        self._tracks: dict[str, Track] = {}
        self._joined: dict[str, dict[str, str]] = {}

    def find(self, stream: str) -> Track | None:
        """The track of a stream, if somebody is in."""
        return self._tracks.get(stream)

    def places(self) -> dict[str, int]:
        """How far each stream has been told."""
        with self.guard:
            return {t.stream: t.sent for t in self._tracks.values() if t.sent is not None}

    def leave(self, sid: str, room: str) -> None:
        """Let a client out of a room."""
        with self.guard:
            stream = self._joined.get(sid, {}).pop(room, None)
            if stream is not None:
                self._clients.leave(sid, room)
                self._strike(self._tracks[stream], sid, room)

    def forget(self, sid: str) -> None:
        """A client has gone: nothing is kept of it."""
        with self.guard:
            for room, stream in self._joined.pop(sid, {}).items():
                self._strike(self._tracks[stream], sid, room)

    def rooms_of(self, sid: str) -> set[str]:
        """The rooms that a client is in."""
        return set(self._joined.get(sid, ()))

    def enter(self, track: Track, sid: str, room: str, after: int) -> None:
        """Let a client into a room, told all up to a number.

        Raises:
            Gone: the client left meanwhile.
        """
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

    @contextmanager
    def pinned(self, stream: str) -> Iterator[Track]:
        """Keep a stream's track, even while nobody is in."""
        with self.guard:
            track = self._tracks.setdefault(stream, Track(stream))
            track.users += 1
        try:
            yield track
        finally:
            with self.guard:
                track.users -= 1
                self._drop_if_idle(track)

    @contextmanager
    def hold(self, stream: str) -> Iterator[Track]:
        """Hold a stream's events; other streams go on. What came meanwhile is sent at the end."""
        with self.pinned(stream) as track, track.turn:
            track.held = True
            try:
                yield track
            finally:
                with self.guard:
                    track.held = False
                    gap = track.advance(track.take_inbox(), self._clients)
                if gap:
                    self._on_gap(stream)

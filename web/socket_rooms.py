"""Rooms: which clients are in which, of this process only; quick also when many leave at once."""

from typing import Any

import socketio


class Rooms(socketio.Manager):  # type: ignore[misc]
    """Knows each client's rooms.

    The library's own keeps only the clients of each room, and looks through all rooms whenever
    a client leaves: thousands that leave at once would hold everybody for seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rooms_of: dict[tuple[str, str], set[str | None]] = {}

    def transports_in(self, rooms: str | list[str]) -> list[str]:
        """The transports of all that are in any of these rooms, each once.

        Args:
            rooms: of the default namespace; a client's own id is a room too.
        """
        found = self.rooms.get("/", {})
        names = [rooms] if isinstance(rooms, str) else rooms
        members = [found[name] for name in names if name in found]
        if len(members) == 1:
            return list(members[0].values())
        return list({sid: key for each in members for sid, key in each.items()}.values())

    def basic_enter_room(
        self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None
    ) -> None:
        """Let a client into a room; the library's rooms are None for all, and one's own id."""
        super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
        self._rooms_of.setdefault((namespace, sid), set()).add(room)

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        """Let a client out of a room."""
        super().basic_leave_room(sid, namespace, room)
        self._rooms_of.get((namespace, sid), set()).discard(room)

    def basic_disconnect(self, sid: str, namespace: str, **_: Any) -> None:
        """Forget a client."""
        for room in self._rooms_of.pop((namespace, sid), set()):
            super().basic_leave_room(sid, namespace, room)
        self.callbacks.pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            waiting = pending.get(namespace, [])
            if sid in waiting:
                waiting.remove(sid)
            if not waiting:
                pending.pop(namespace, None)

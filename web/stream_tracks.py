"""One stream as one web process follows it: who is in, and how far they have been told."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection

from web.stream_cursors import Cursor, event_tag

# (stream, position, name, data), as the database keeps it and as hints carry it.
StreamEvent = tuple[str, int, str, dict[str, Any]]

# What may wait while a stream is held; what is over is read from the database afterwards.
_INBOX = 1000
# Cursors whose missed events are kept beside a snapshot, and events kept for each.
_KEPT = 20


class Clients(Protocol):
    """What streams need of the sockets of their process."""

    def is_here(self, sid: str) -> bool: ...
    def emit(self, event: str, data: dict[str, Any], to: str | list[str]) -> None: ...
    def enter(self, sid: str, room: str) -> None: ...
    def leave(self, sid: str, room: str) -> None: ...
    def wait_until_taken(self, sid: str) -> bool: ...
    def close(self, sid: str, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a thing and its place in its stream, read in one statement.

    Attributes:
        position: the last number of the stream.
        state: as clients get it.
        tag: of the event under that number.
    """

    position: int
    state: dict[str, Any]
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Missed:
    """What a client missed.

    Attributes:
        recovered: False if it can no longer be told.
        events: what is to be sent, in order.
        reached: where these events lead; None if nothing was missed.
        more: whether that is not enough yet.
    """

    recovered: bool
    events: list[StreamEvent] = field(default_factory=list)
    reached: Cursor | None = None
    more: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """What one reading found, for whoever asked before it began.

    Attributes:
        began: when, by the monotonic clock.
        snapshot: the state.
        missed: since the cursors that were asked for meanwhile; a crowd that comes again asks for
            few of them.
    """

    began: float
    snapshot: Snapshot
    missed: dict[Cursor, Missed] = field(default_factory=dict)

    def keep(self, since: Cursor, missed: Missed) -> None:
        """Have it for the next who ask for the same, unless it is much."""
        if len(self.missed) < _KEPT and len(missed.events) <= _KEPT:
            self.missed[since] = missed


@dataclass(frozen=True, slots=True)
class Place:
    """What can be subscribed to.

    Attributes:
        stream: whose events.
        room: the clients who get them.
        read: its snapshot; None if there is no such thing.
        operation_id: only what tells of this operation, out of the stream.
    """

    stream: str
    room: str
    read: Callable[[Connection], Snapshot | None]
    operation_id: str | None = None


def operation_room(operation_id: str) -> str:
    """The room of those who follow one operation."""
    return f"operation:{operation_id}"


def unasked_room(stream: str) -> str:
    """The room of those who get a whole stream without asking, from the number noted there on.

    Nothing is told to this room itself. Who subscribes leaves it.
    """
    return f"unasked:{stream}"


@dataclass(eq=False, slots=True)
class Track:
    """A stream that clients of this process are in.

    Attributes:
        stream: its name.
        sent: the last number that its rooms were told; None before the database was asked.
        tag: of the event under that number; empty if it is not known.
        mark: begins its cursors.
        rooms: of each room its clients, and the number after which each of them was told all.
        turn: who holds the stream; a stream does one thing at a time.
        held: events go to the inbox meanwhile.
        users: how many hold it or wait for their turn.
        shown: what was last read of each room's thing.
    """

    stream: str
    sent: int | None = None
    tag: str = ""
    mark: str = ""
    rooms: dict[str, dict[str, int]] = field(default_factory=dict)
    turn: threading.Lock = field(default_factory=threading.Lock)
    held: bool = False
    inbox: list[StreamEvent] = field(default_factory=list)
    users: int = 0
    shown: dict[str, Shown] = field(default_factory=dict)

    def keep(self, events: Sequence[StreamEvent]) -> None:
        """Put events aside until the stream is released."""
        if len(self.inbox) < _INBOX:
            self.inbox.extend(events)

    def take_inbox(self) -> list[StreamEvent]:
        """What came while it was held."""
        events, self.inbox = self.inbox, []
        return events

    def advance(self, events: Sequence[StreamEvent], clients: Clients) -> bool:
        """Send what comes next, drop what is old.

        Returns:
            Whether something is missing in between, so that the rest could not be sent.
        """
        for event in events:
            position = event[1]
            if self.sent is None or position <= self.sent:
                continue
            if position > self.sent + 1:
                return True
            self.sent, self.tag = position, event_tag(event[3])
            audience = self._audience(event)
            if audience:
                clients.emit(event[2], self._dressed(event, self.tag), audience)
        return False

    def dress(self, event: StreamEvent) -> dict[str, Any]:
        """An event's data as clients get it, with its place."""
        return self._dressed(event, event_tag(event[3]))

    def _dressed(self, event: StreamEvent, tag: str) -> dict[str, Any]:
        position = event[1]
        cursor = str(Cursor(self.mark, position, tag))
        return {**event[3], "cursor": cursor, "position": position}

    def _audience(self, event: StreamEvent) -> list[str]:
        """The rooms that are told; who is in two of them is told once."""
        rooms = (self.stream, operation_room(event[3].get("operationId", "")))
        return [room for room in rooms if room in self.rooms]

    def told_after(self, sid: str, room: str) -> int | None:
        """The number after which a client was told all; None if it is not in."""
        return self.rooms.get(room, {}).get(sid)

    def is_stranger(self, sid: str, place: Place) -> bool:
        """Whether a client has been told nothing of a place as a member of its rooms."""
        return all(self.told_after(sid, room) is None for room in (place.stream, place.room))

    def members(self) -> set[str]:
        """All clients in its rooms."""
        return {sid for room in self.rooms.values() for sid in room}

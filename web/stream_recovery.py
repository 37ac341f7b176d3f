"""Recovery: what a client missed since its cursor, or the certainty that it cannot be told."""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from db.queries import snapshots, streams
from web.stream_cursors import Cursor, event_tag
from web.stream_tracks import Place, StreamEvent, Track

# Events read and sent at once to one client that is behind.
PAGE = 500
# Further behind than this, the snapshot is the shorter way for everybody.
_MAX_BEHIND = 10_000


# A place that no stream knows.
LOST = Cursor("", 0, "")


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


def find_missed(
    connection: Connection, track: Track, sid: str, place: Place, since: Cursor, head: int
) -> Missed:
    """What lies between a client's cursor and what it has been told or will be.

    Args:
        connection: the transaction that also read the head.
        track: the stream, held.
        sid: the client; what it got as a member of the room is not sent again.
        place: what it asks for.
        since: its cursor.
        head: the last number of the stream.
    """
    if since.mark != track.mark or since.position > head:
        return Missed(recovered=False)
    if since.tag != tag_at(connection, place.stream, since.position):
        return Missed(recovered=False)
    told = [track.told_after(sid, room) for room in {place.stream, place.room}]
    upto = min([head, *(after for after in told if after is not None)])
    if since.position >= upto:
        return Missed(recovered=True)
    if upto - since.position > _MAX_BEHIND:
        return Missed(recovered=False)
    if place.operation_id is not None:
        return _missed_of_operation(connection, place, since.position, upto)
    events = streams.events_after(connection, {place.stream: since.position}, PAGE)
    if not _is_whole(events, since.position):
        return Missed(recovered=False)
    wanted = [event for event in events if event[1] <= upto]
    _, reached, _, data = wanted[-1]
    return Missed(True, wanted, Cursor(track.mark, reached, event_tag(data)), more=reached < upto)


def tag_at(connection: Connection, stream: str, position: int) -> str:
    """The tag of the event under a number; empty if there is none."""
    found = streams.events_after(connection, {stream: position - 1}, 1)
    return event_tag(found[0][3]) if found and found[0][1] == position else ""


def _is_whole(events: list[StreamEvent], after: int) -> bool:
    """Whether no number is missing: old events are removed some day."""
    return bool(events) and [event[1] for event in events] == list(
        range(after + 1, after + 1 + len(events))
    )


def _missed_of_operation(connection: Connection, place: Place, after: int, upto: int) -> Missed:
    """The same for one operation, which is few events of a stream of many."""
    first = streams.events_after(connection, {place.stream: after}, 1)
    if not _is_whole(first, after):
        return Missed(recovered=False)
    events = snapshots.events_of_operation(
        connection, place.stream, place.operation_id or "", after=after, upto=upto, limit=PAGE
    )
    return Missed(True, events)

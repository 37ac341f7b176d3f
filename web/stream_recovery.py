"""Recovery: what a client missed since its cursor, or the certainty that it cannot be told."""

from sqlalchemy import Connection

from db.queries import snapshots, streams
from web.stream_cursors import Cursor, event_tag
from web.stream_tracks import Missed, Place, Snapshot, StreamEvent, Track, unasked_room

# Events read and sent at once to one client that is behind.
PAGE = 500
# Further behind than this, the snapshot is the shorter way for everybody.
_MAX_BEHIND = 100_000


# A place that no stream knows.
LOST = Cursor("", 0, "")


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
        head: the last number of the stream, or the last that is to be told.
    """
    if since.mark != track.mark or since.position > head:
        return Missed(recovered=False)
    if _came_unasked(track, sid, place, since):
        return Missed(recovered=False)
    # The event that the cursor names and those after it, in one query.
    limit = 1 if place.operation_id is not None else PAGE + 1
    read = streams.events_after(connection, {place.stream: since.position - 1}, limit)
    if since.tag != _tag_in(read, since.position):
        return Missed(recovered=False)
    told = [track.told_after(sid, room) for room in {place.stream, place.room}]
    upto = min([head, *(after for after in told if after is not None)])
    if since.position >= upto:
        return Missed(recovered=True)
    if upto - since.position > _MAX_BEHIND:
        return Missed(recovered=False)
    if place.operation_id is not None:
        return _missed_of_operation(connection, place, since.position, upto)
    events = [event for event in read if event[1] > since.position]
    if not is_whole(events, since.position):
        return Missed(recovered=False)
    wanted = [event for event in events if event[1] <= upto]
    _, reached, _, data = wanted[-1]
    return Missed(True, wanted, Cursor(track.mark, reached, event_tag(data)), more=reached < upto)


def tag_of(
    connection: Connection, place: Place, snapshot: Snapshot, since: Cursor | None, missed: Missed
) -> str:
    """The tag of the event under a snapshot's number; read only if recovery did not find it.

    Args:
        connection: to the database.
        place: what was asked for.
        snapshot: its state.
        since: the client's cursor.
        missed: what was found since then.
    """
    for known in (missed.reached, since):
        if missed.recovered and known is not None and known.position == snapshot.position:
            return known.tag
    return tag_at(connection, place.stream, snapshot.position)


def tag_at(connection: Connection, stream: str, position: int) -> str:
    """The tag of the event under a number; empty if there is none."""
    return _tag_in(streams.events_after(connection, {stream: position - 1}, 1), position)


def is_whole(events: list[StreamEvent], after: int) -> bool:
    """Whether no number is missing: old events are removed some day."""
    return bool(events) and [event[1] for event in events] == list(
        range(after + 1, after + 1 + len(events))
    )


def _tag_in(events: list[StreamEvent], position: int) -> str:
    return event_tag(events[0][3]) if events and events[0][1] == position else ""


def _came_unasked(track: Track, sid: str, place: Place, since: Cursor) -> bool:
    """Whether a cursor is likely to be of what this very connection was told before it asked.

    It is newer than what the client had when it came: nobody can say what it missed before.
    """
    noted = track.told_after(sid, unasked_room(place.stream))
    if noted is None or track.told_after(sid, place.stream) is None:
        return False
    has_asked = place.operation_id is not None and track.told_after(sid, place.room) is not None
    return not has_asked and since.position > noted


def _missed_of_operation(connection: Connection, place: Place, after: int, upto: int) -> Missed:
    """The same for one operation, which is few events of a stream of many."""
    first = streams.events_after(connection, {place.stream: after}, 1)
    if not is_whole(first, after):
        return Missed(recovered=False)
    events = snapshots.events_of_operation(
        connection, place.stream, place.operation_id or "", after=after, upto=upto, limit=PAGE
    )
    return Missed(True, events)

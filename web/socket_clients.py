"""The sockets of this process, as streams see them: rooms, sending, and closing."""

import time
from typing import Any

import socketio
import structlog
from engineio.packet import MESSAGE, Packet
from engineio.socket import Socket
from socketio.packet import EVENT

from web.socket_packets import Json
from web.socket_queues import waiting_bytes

log = structlog.get_logger(__name__)

_NAMESPACE = "/"
# A client further behind than this is closed; it comes again and recovers by its cursor.
MAX_BACKLOG_BYTES = 1_048_576
# Recovery sends its next page when no more than this is waiting.
_TAKEN_BYTES = 65_536
_TAKE_SECONDS = 15.0


class SocketClients:
    """Rooms and connections of one Socket.IO server, which are those of this process only."""

    def __init__(self, server: socketio.Server) -> None:
        self._server = server

    def is_here(self, sid: str) -> bool:
        """Whether the client's connection stands."""
        return self._socket(sid) is not None

    def emit(self, event: str, data: dict[str, Any], to: str | list[str]) -> None:
        """Send to a client or to rooms; encoded once, and once to who is in several."""
        # What the library would do, without its way from layer to layer for each client.
        packet = Packet(MESSAGE, f"{EVENT}{Json.dumps([event, data])}")
        sockets = self._server.eio.sockets
        for transport in self._server.manager.transports_in(to):
            socket = sockets.get(transport)
            if socket is None or socket.closed:
                continue
            # A ping is out: has it been answered in time?
            if socket.last_ping is None or socket.check_ping_timeout():
                socket.queue.put(packet)

    def enter(self, sid: str, room: str) -> None:
        """Let a client into a room."""
        self._server.enter_room(sid, room, namespace=_NAMESPACE)

    def leave(self, sid: str, room: str) -> None:
        """Let a client out of a room."""
        self._server.leave_room(sid, room, namespace=_NAMESPACE)

    def wait_until_taken(self, sid: str) -> bool:
        """Wait until a client has taken most of what was sent to it.

        Returns:
            False if it has gone, or was closed for taking too long.
        """
        deadline = time.monotonic() + _TAKE_SECONDS
        while (socket := self._socket(sid)) is not None:
            if waiting_bytes(socket.queue) <= _TAKEN_BYTES:
                return True
            if time.monotonic() >= deadline:
                self.close(sid, "too slow")
                break
            time.sleep(0.02)
        return False

    def is_too_far_behind(self, sid: str) -> bool:
        """Whether more waits for a client than may."""
        socket = self._socket(sid)
        return socket is not None and waiting_bytes(socket.queue) > MAX_BACKLOG_BYTES

    def close(self, sid: str, reason: str) -> None:
        """Close a client's transport, not its session: so it connects again by itself."""
        socket = self._socket(sid)
        if socket is not None:
            # While the database is away every client comes again and again: no line for each.
            log.debug("socket_closed", sid=sid, reason=reason)
            close_transport(socket)

    def close_all(self) -> None:
        """Close every transport."""
        for socket in list(self._server.eio.sockets.values()):
            close_transport(socket)

    def strangers(self, known: set[str]) -> dict[str, Socket]:
        """Transports without a connection of ours, by their own ids.

        Args:
            known: the clients that are connected.
        """
        ours = {self._transport_id(sid) for sid in known}
        return {key: one for key, one in list(self._server.eio.sockets.items()) if key not in ours}

    def disown(self, sid: str) -> None:
        """Have the library forget a client whose transport ended unnoticed."""
        self._server.manager.disconnect(sid, _NAMESPACE)

    def _transport_id(self, sid: str) -> str | None:
        found: str | None = self._server.manager.eio_sid_from_sid(sid, _NAMESPACE)
        return found

    def _socket(self, sid: str) -> Socket | None:
        socket = self._server.eio.sockets.get(self._transport_id(sid))
        return None if socket is None or socket.closed or socket.closing else socket


def close_transport(socket: Socket) -> None:
    """Close a transport without a farewell: clients come again only after what looks like a fault.

    What still waits to be sent is dropped, so that a writer that stands still holds no memory.
    """
    if not socket.closed:
        socket.queue.queue.clear()
        socket.close(wait=False, abort=True, reason="transport close")

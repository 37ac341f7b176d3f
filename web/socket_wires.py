"""Websockets: what waits for a client is written in one piece and at once, and nobody is woken.

The library wakes a thread of each client for each packet, sets a timer and writes it alone. Here
one task writes to all clients that something waits for; a client's own thread, which the library
starts, only carries what the operating system would not take in time.
"""

import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import engineio
import structlog

log = structlog.get_logger(__name__)

# Written at once to one client; what is taken from its queue is counted in `Wire.rest`.
_PIECE = 65_536
# After so long other tasks have their turn before the next client is written to.
_TURN_SECONDS = 0.005


def _frame(text: str) -> bytes:
    """A whole text message as a server sends it, neither masked nor compressed (RFC 6455, 5.2)."""
    data = text.encode()
    size = len(data)
    if size < 126:
        return bytes((0x81, size)) + data
    if size < 65_536:
        return struct.pack("!BBH", 0x81, 126, size) + data
    return struct.pack("!BBQ", 0x81, 127, size) + data


def _unmask(data: bytes, mask: Sequence[int], length: int | None = None, offset: int = 0) -> bytes:
    """What a client has sent under its mask (RFC 6455, 5.3); the server's own goes byte by byte."""
    size, first = len(data), offset % 4
    key = (bytes((*mask[first:], *mask[:first])) * (size // 4 + 1))[:size]
    return (int.from_bytes(data) ^ int.from_bytes(key)).to_bytes(size)


class Wire:
    """The sending side of one websocket.

    Args:
        websocket: the server's.
        waiting: packets of Engine.IO, and None after the last.
        wake: called when there is something to write; it has `write` called soon.
        woken: an event, of the server's own kind.

    Attributes:
        rest: what was taken out of the queue and not yet by the operating system.
        noted: whether `write` will be called.
    """

    def __init__(
        self, websocket: Any, waiting: deque[Any], wake: Callable[["Wire"], None], woken: Any
    ) -> None:
        self._websocket = websocket
        self._waiting = waiting
        self._wake = wake
        self._woken = woken
        # The websocket's own lock: it writes its control frames by itself.
        self._lock = websocket._sendlock
        # A frame that is not compressed is the same for everybody.
        self._shares = getattr(websocket, "extensions", None) == {}
        self._handed_over = self._locked = self._ended = False
        self.noted = False
        self.rest = b""

    def put(self, packet: Any) -> None:
        """Have a packet sent; returns at once."""
        if self._ended:
            return
        self._waiting.append(packet)
        if not self.noted and not self._handed_over:
            self.noted = True
            self._wake(self)

    def write(self) -> None:
        """Write as much as can be written now; returns at once."""
        self.noted = False
        if self._handed_over or self._ended:
            return
        if not self._lock.acquire(blocking=False):
            self._hand_over()
            return
        try:
            while self.rest or self._fill():
                self.rest = self.rest[self._websocket.socket.fd.send(self.rest) :]
        except BlockingIOError:
            # The lock stays taken: nothing may come between two parts of a frame.
            self._locked = True
            self._hand_over()
            return
        except Exception as error:
            self._fail(error)
        self._lock.release()
        if self._ended:
            self._woken.set()

    def carry(self) -> None:
        """Write whatever `write` could not, until the last packet is out or nobody is there."""
        self.write()
        while True:
            if self._handed_over:
                self._carry_on()
            if self._ended:
                return
            self._woken.wait()
            self._woken.clear()

    def _hand_over(self) -> None:
        self._handed_over = True
        self._woken.set()

    def _carry_on(self) -> None:
        try:
            if not self._locked:
                self._locked = self._lock.acquire()
            while self.rest or self._fill():
                self.rest = self.rest[self._websocket.socket.send(self.rest) :]
        except Exception as error:
            self._fail(error)
        finally:
            if self._locked:
                self._lock.release()
            self._handed_over = self._locked = False

    def _fail(self, error: Exception) -> None:
        """The client has gone; or a fault of ours, which may not keep others from being told."""
        if not isinstance(error, OSError):
            log.error("websocket_failed", exc_info=error)
        self._ended = True
        self._waiting.clear()
        self.rest = b""

    def _fill(self) -> bool:
        """Take the next frames out of the queue; whether there were any."""
        frames, size = [], 0
        while self._waiting and size < _PIECE:
            packet = self._waiting.popleft()
            if packet is None:
                self._ended = True
                self._waiting.clear()
                break
            frame = self._frame_of(packet)
            frames.append(frame)
            size += len(frame)
        self.rest = b"".join(frames)
        return bool(frames)

    def _frame_of(self, packet: Any) -> bytes:
        if not self._shares:
            own: bytes = self._websocket._pack_message(packet.encode())
            return own
        kept: dict[str, Any] = packet.__dict__
        found: bytes | None = kept.get("frame")
        if found is None:
            found = kept["frame"] = _frame(packet.encode())
        return found


class _Writer:
    """Writes to all clients that something waits for, in one task."""

    def __init__(self, server: engineio.Server) -> None:
        self._server = server
        self._noted: list[Wire] = []
        self._runs = False

    def wake(self, wire: Wire) -> None:
        """Have a wire written to soon; returns at once."""
        self._noted.append(wire)
        if not self._runs:
            self._runs = True
            self._server.start_background_task(self._run)

    def _run(self) -> None:
        began = time.monotonic()
        try:
            while self._noted:
                noted, self._noted = self._noted, []
                for wire in noted:
                    wire.write()
                    if time.monotonic() - began > _TURN_SECONDS:
                        self._server.sleep(0)
                        began = time.monotonic()
        finally:
            self._runs = False


def use_wires(server: engineio.Server) -> None:
    """Have an Engine.IO server under eventlet write its websockets so.

    Its queues and its websockets are replaced; long polling goes on as before.
    """
    plain_queue: Any = server.create_queue
    plain_websocket: Any = server._async["websocket"]
    empty = server.get_queue_empty_exception()
    writer = _Writer(server)

    class WiredQueue(plain_queue):  # type: ignore[misc]
        """Hands nothing out any more once a websocket carries what is put in."""

        wire: Wire | None = None
        connection: Any = None
        websocket: Any = None

        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            if self.wire is None:
                super().put(item, block, timeout)
            else:
                self.wire.put(item)

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            if self.wire is None and block and self._is_upgraded():
                self.wire = Wire(self.websocket, self.queue, writer.wake, server.create_event())
                self.wire.carry()
            if self.wire is not None:
                # The library takes it that nothing will come any more, and closes the websocket.
                raise empty
            return super().get(block, timeout)

        def _is_upgraded(self) -> bool:
            connection = self.connection
            return connection is not None and connection.upgraded and not connection.upgrading

    class WiredWebsocket(plain_websocket):  # type: ignore[misc]
        """Tells a connection's queue of its websocket, and reads what is masked at once."""

        def __init__(self, handler: Any, server: engineio.Server) -> None:
            super().__init__(self._serve, server)
            self._handler = handler

        def _serve(self, websocket: Any) -> Any:
            connection = self._handler.__self__
            connection.queue.connection, connection.queue.websocket = connection, websocket
            websocket._apply_mask = _unmask
            return self._handler(websocket)

    server.create_queue = WiredQueue
    server._async = {**server._async, "websocket": WiredWebsocket}

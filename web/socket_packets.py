"""Packets: what clients send, made harmless before the Socket.IO library acts on it."""

from dataclasses import dataclass
from typing import Any

from engineio import json as lenient_json
from engineio.payload import Payload
from socketio.packet import (
    ACK,
    BINARY_ACK,
    BINARY_EVENT,
    CONNECT,
    DISCONNECT,
    EVENT,
    Packet,
)

from web.schemas.base import wire_json

# The one event that the library is let see; its argument is what the client really sent.
CLIENT_MESSAGE = "client_message"

# A client that connects again by long polling subscribes to all its streams in one request;
# the library drops requests of more than 16 packets whole.
Payload.max_decode_packets = 1024

_NOT_RECEIVED = object()


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """An event as a client sent it.

    Attributes:
        event: its name; None if the message could not be read.
        arguments: whatever JSON came with it.
        wants_answer: whether the client waits for an acknowledgement.
    """

    event: str | None
    arguments: tuple[Any, ...]
    wants_answer: bool


class Json:
    """Writes fast, reads what clients write."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        """JSON without blanks, as REST writes it."""
        return wire_json(value).decode()

    @staticmethod
    def loads(text: str, **_: Any) -> Any:
        """Any JSON.

        Raises:
            ValueError: it is none, or nested too deeply.
        """
        try:
            return lenient_json.loads(text)
        except RecursionError:
            raise ValueError("nested too deeply") from None


class GuardedPacket(Packet):  # type: ignore[misc]
    """A packet of which nothing that a client sends can raise, or pass for what it is not.

    The library takes any event name, ``connect`` and ``disconnect`` among them, for the name of
    a handler; it takes data of any shape apart unchecked; and it keeps binary parts for as long
    as a client announces more. Here every event becomes a `ClientMessage`, and binary parts,
    which this service has no use for, are dropped.
    """

    uses_binary_events = False

    def __init__(self, *args: Any, encoded_packet: Any = _NOT_RECEIVED, **kwargs: Any) -> None:
        received = encoded_packet is not _NOT_RECEIVED
        super().__init__(*args, encoded_packet=encoded_packet if received else None, **kwargs)
        if received and not encoded_packet:
            # The library would take what is empty, or JSON's null, for a packet of its own.
            self._become(ClientMessage(None, (), wants_answer=False))

    def decode(self, encoded_packet: Any) -> int:
        """Read a packet.

        Returns:
            0: no binary part is waited for.
        """
        if isinstance(encoded_packet, (bytes, bytearray)):
            self._ignore()
            return 0
        try:
            if not isinstance(encoded_packet, str):
                raise ValueError("not a packet")
            super().decode(encoded_packet)
        except (ValueError, TypeError, KeyError, IndexError, RecursionError):
            self.namespace = None
            self._become(ClientMessage(None, (), wants_answer=self.id is not None))
            return 0
        self._check()
        return 0

    def _check(self) -> None:
        if self.packet_type in (CONNECT, DISCONNECT):
            return
        if self.packet_type in (ACK, BINARY_ACK):
            self._ignore()
            return
        data, event = self.data, None
        if isinstance(data, list) and data and isinstance(data[0], str):
            event = data[0]
        readable = event is not None and self.packet_type == EVENT
        known_type = self.packet_type in (EVENT, BINARY_EVENT)
        self._become(
            ClientMessage(
                event if known_type else None,
                # Arguments with binary parts are of a shape that no event here takes.
                tuple(data[1:]) if readable else (b"",),
                wants_answer=known_type and self.id is not None,
            )
        )

    def _become(self, message: ClientMessage) -> None:
        self.packet_type = EVENT
        self.data = [CLIENT_MESSAGE, message]

    def _ignore(self) -> None:
        """An acknowledgement of nothing does nothing."""
        self.packet_type, self.id, self.data = ACK, None, []

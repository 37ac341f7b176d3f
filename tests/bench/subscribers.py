"""Socket.IO clients over websockets, reduced to what they must read.

They do not offer compression, as nearly no client library but the browsers' does. Sources: RFC
6455, the Engine.IO protocol 4 and the Socket.IO protocol 5.
"""

import json
from collections.abc import Callable, Iterator

from tests.bench.loop import Loop, connect

_UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
    b"Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_PING, _PONG = b"2", b"3"


class Subscriber:
    """One client; what it is sent goes to ``take`` as Socket.IO packets.

    Args:
        loop: serves it from now on.
        port: of the server.
        token: its API key, if the server wants one.
        take: is called with each packet that is no acknowledgement.
    """

    def __init__(
        self, loop: Loop, port: int, token: str | None, take: Callable[[bytes], None]
    ) -> None:
        self._loop = loop
        self._sock = connect(port)
        self._rest = b""
        self._take = take
        self._answer: bytes | None = None
        self._shake_hands(token)
        loop.add(self._sock, self._readable)

    def _shake_hands(self, token: str | None) -> None:
        self._sock.sendall(_UPGRADE)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, self._rest = data.partition(b"\r\n\r\n")
        assert b" 101 " in head, head
        assert self._next_packet().startswith(b"0")
        self.send("40" + (json.dumps({"token": token}) if token else ""))
        answer = self._next_packet()
        assert answer.startswith(b"40"), answer

    def _receive(self) -> bytes:
        data = self._sock.recv(1 << 20)
        if not data:
            raise ConnectionError("the server closed a socket")
        return data

    def _next_packet(self) -> bytes:
        while True:
            for packet in self._packets(b""):
                return packet
            self._rest += self._receive()

    def send(self, packet: str | bytes) -> None:
        """Send a packet; the mask that clients owe is all zeros, which leaves it as it is."""
        data = packet.encode() if isinstance(packet, str) else packet
        size = len(data)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self._sock.sendall(b"\x81" + length + b"\0\0\0\0" + data)

    def subscribe(self, *product_ids: str) -> None:
        """Follow the stock of products, and wait until the server has them all.

        Raises:
            AssertionError: it has not.
        """
        for product_id in product_ids:
            self._answer = None
            self.send("420" + json.dumps(["subscribe_inventory", product_id]))
            assert self._loop.run(30, lambda: self._answer is not None), "no acknowledgement"
            assert b'"error"' not in self._answer, self._answer

    def _readable(self) -> None:
        for packet in self._packets(self._receive()):
            if packet.startswith(b"42"):
                self._take(packet)
            elif packet == _PING:
                self.send(_PONG)
            elif packet.startswith(b"43"):
                self._answer = packet

    def _packets(self, data: bytes) -> Iterator[bytes]:
        """The whole packets in what was received; the rest is kept."""
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        while end - at >= 2:
            size, head = data[at + 1] & 0x7F, 2
            if size == 126:
                size, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
            if end - at < head or end - at < head + size:
                break
            opcode, packet = data[at] & 0x0F, data[at + head : at + head + size]
            at += head + size
            if opcode == 8:
                raise ConnectionError(f"the server closed a socket: {packet[2:]!r}")
            self._rest = data[at:]
            yield packet
        self._rest = data[at:]

    def close(self) -> None:
        """Leave without a word."""
        self._loop.remove(self._sock)


def allow_many_sockets() -> None:
    """As many open files as the machine lets a process have."""
    try:
        import resource
    except ImportError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536) if most > 0 else 65_536, most))

"""Websockets of a real server: whole frames in order, however slowly they are read."""

import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import engineio
import eventlet
import eventlet.wsgi
import pytest
from engineio.packet import MESSAGE, Packet
from eventlet.green import socket

from web.socket_queues import use_batching_queues, waiting_bytes
from web.socket_wires import use_wires

_TEXT, _CLOSE, _PONG = 1, 8, 10
_PING_FRAME = b"\x89\x84\0\0\0\0ping"


class Client:
    """A websocket client (RFC 6455) that reads frames one by one."""

    def __init__(self, port: int, *, deflate: bool) -> None:
        self.wire = socket.create_connection(("127.0.0.1", port))
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if deflate else ""
        self.wire.sendall(
            (
                "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
            ).encode()
        )
        self._file = self.wire.makefile("rb")
        head = b"".join(iter(self._file.readline, b"\r\n"))
        assert (b"permessage-deflate" in head) == deflate
        self._inflate = zlib.decompressobj(-15)

    def send(self, text: str) -> None:
        """Send a text under a mask."""
        data, mask = text.encode(), b"\x01\xfe\x80\x37"
        size = len(data)
        length = b"\xff" + size.to_bytes(8)
        if size < 65_536:
            length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)
        masked = bytes(one ^ mask[at % 4] for at, one in enumerate(data))
        self.wire.sendall(b"\x81" + length + mask + masked)

    def read(self) -> tuple[int, str]:
        """The next frame's opcode and text."""
        first, length = self._file.read(2)
        if length in (126, 127):
            length = int.from_bytes(self._file.read(2 if length == 126 else 8))
        data = self._file.read(length)
        if first & 0x40:
            data = self._inflate.decompress(data + b"\x00\x00\xff\xff")
        return first & 0x0F, data[2:].decode() if first & 0x0F == _CLOSE else data.decode()

    def texts(self, wanted: int) -> list[str]:
        """So many texts; answers to pings in between are let by."""
        frames = (self.read() for _ in count())
        texts = (text for opcode, text in frames if opcode == _TEXT)
        return [next(texts) for _ in range(wanted)]


@pytest.fixture
def server() -> engineio.Server:
    found = engineio.Server(async_mode="eventlet")
    use_batching_queues(found)
    use_wires(found)
    return found


@contextmanager
def connected(server: engineio.Server, *, deflate: bool = False) -> Iterator[tuple[Client, Any]]:
    """A client and the server's socket of it; little of what is sent fits into the system."""
    door = eventlet.listen(("127.0.0.1", 0))
    door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    serving = eventlet.spawn(
        eventlet.wsgi.server, door, engineio.WSGIApp(server), log_output=False, debug=False
    )
    client = Client(door.getsockname()[1], deflate=deflate)
    try:
        assert client.texts(1)[0].startswith("0{")
        yield client, list(server.sockets.values())[-1]
    finally:
        client.wire.close()
        serving.kill()
        door.close()


@pytest.mark.parametrize("deflate", [False, True])
def test_a_slow_reader_gets_all_in_order(server: engineio.Server, deflate: bool) -> None:
    with connected(server, deflate=deflate) as (client, ours):
        rng = random.Random(1)
        sent = [f"{number}\N{EURO SIGN}" + rng.randbytes(number * 5).hex() for number in range(200)]
        for number, text in enumerate(sent):
            server.send(ours.sid, text)
            if number % 20 == 0:
                # The server answers these by itself, between whole frames.
                client.wire.sendall(_PING_FRAME)
                eventlet.sleep(0)
        assert waiting_bytes(ours.queue) > 16_384
        assert client.texts(len(sent)) == [f"4{text}" for text in sent]
        assert waiting_bytes(ours.queue) == 0
        server.send(ours.sid, "again")
        assert client.texts(1) == ["4again"]


def test_what_was_put_before_the_end_is_written(server: engineio.Server) -> None:
    with connected(server) as (client, ours):
        server.send(ours.sid, "last")
        ours.close(wait=False)
        assert client.texts(2) == ["4last", "1"]
        assert client.read() == (_CLOSE, "")


def test_who_has_gone_is_forgotten(server: engineio.Server) -> None:
    with connected(server) as (client, ours):
        client.wire.shutdown(socket.SHUT_RDWR)
        client.wire.close()
        with eventlet.Timeout(5):
            while not ours.closed:
                server.send(ours.sid, "x" * 1000)
                eventlet.sleep(0)
        eventlet.sleep(0)
        assert waiting_bytes(ours.queue) == 0


@pytest.mark.parametrize("size", [1, 5, 125, 126, 70_000])
def test_what_is_masked_is_read(server: engineio.Server, size: int) -> None:
    text = "é" + "".join(chr(97 + number % 26) for number in range(size))
    server.on("message", lambda sid, data: server.send(sid, data))
    with connected(server) as (client, _):
        client.send(f"4{text}")
        assert client.texts(1) == [f"4{text}"]


@pytest.mark.parametrize("fault", [RuntimeError, UnicodeError])
def test_what_cannot_be_written_ends_one_client_alone(
    server: engineio.Server, fault: type[Exception]
) -> None:
    class Broken(Packet):  # type: ignore[misc]
        def encode(self, b64: bool = False) -> str:
            raise fault

    with connected(server) as (one, ours), connected(server) as (other, others):
        ours.queue.put(Broken(MESSAGE, "never"))
        others.queue.put(Packet(MESSAGE, "heard"))
        assert other.texts(1) == ["4heard"]
        assert one.read() == (_CLOSE, "")
        server.send(others.sid, "again")
        assert other.texts(1) == ["4again"]

"""Thousands of socket clients in one thread: they connect again and recover by their cursors.

A websocket (RFC 6455) is spoken by hand: the libraries need a thread, or too much time, a client.
"""

import asyncio
import json
import os
import random
import resource
import threading
from contextlib import suppress
from urllib.parse import urlsplit

_TEXT, _CLOSE = 0x1, 0x8
# As the client libraries pause: about a second, then longer and longer, up to five.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 5.0


class _Guest:
    """One client that watches one product."""

    def __init__(self, url: str, secret: str, product_id: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._secret = secret
        self._product_id = product_id
        self._cursor = ""
        self.position = 0
        self.times = 0
        self.wrong: list[str] = []

    async def live(self) -> None:
        """Be there, for ever."""
        pause = _FIRST_PAUSE
        while True:
            before = self.times
            with suppress(OSError, asyncio.IncompleteReadError, ValueError):
                await self._visit()
            pause = _FIRST_PAUSE if self.times > before else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))

    async def _visit(self) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            await self._shake_hands(reader, writer)
            _send(writer, "40" + json.dumps({"token": self._secret}))
            while True:
                head = await reader.readexactly(2)
                length = head[1] & 0x7F
                if length == 126:
                    length = int.from_bytes(await reader.readexactly(2))
                elif length == 127:
                    length = int.from_bytes(await reader.readexactly(8))
                packet = (await reader.readexactly(length)).decode()
                if head[0] & 0xF == _CLOSE:
                    return
                self._take(writer, packet)
        finally:
            writer.close()

    async def _shake_hands(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        request = (
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
            f"Host: {self._host}:{self._port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        writer.write(request.encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in answer.splitlines()[0]:
            raise ConnectionError(answer.decode())

    def _take(self, writer: asyncio.StreamWriter, packet: str) -> None:
        if packet == "2":
            _send(writer, "3")
        elif packet.startswith("40"):
            wanted = {"productId": self._product_id}
            if self._cursor:
                wanted["since"] = self._cursor
            _send(writer, "421" + json.dumps(["subscribe_inventory", wanted]))
        elif packet.startswith("431"):
            self._acknowledged(json.loads(packet[3:])[0])
        elif packet.startswith("44"):
            self.wrong.append(packet)
        elif packet.startswith('42["inventory_update"'):
            event = json.loads(packet[2:])[1]
            # An event may overtake the first answer.
            if self._cursor and event["position"] != self.position + 1:
                self.wrong.append(f"{event['position']} after {self.position}")
            self.position, self._cursor = event["position"], event["cursor"]

    def _acknowledged(self, answer: dict[str, object]) -> None:
        if answer.get("error") == "unavailable":
            raise ConnectionError
        if not answer.get("ok") or answer.get("recovered") is False:
            self.wrong.append(str(answer))
        elif not self._cursor:
            self.position, self._cursor = int(answer["position"]), str(answer["cursor"])  # type: ignore[call-overload]
        self.times += 1


def _send(writer: asyncio.StreamWriter, text: str) -> None:
    """A masked text frame."""
    data, mask = text.encode(), os.urandom(4)
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2)
    masked = bytes(one ^ mask[number % 4] for number, one in enumerate(data))
    writer.write(bytes([0x80 | _TEXT]) + length + mask + masked)


class Crowd:
    """Many clients of one web process.

    Args:
        url: of the web process.
        secrets: API keys, which the clients share.
        product_ids: what they watch, likewise.
        count: of clients.
    """

    def __init__(self, url: str, secrets: list[str], product_ids: list[str], count: int) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * count + 1000)), hard))
        self._guests = [
            _Guest(url, secrets[n % len(secrets)], product_ids[n % len(product_ids)])
            for n in range(count)
        ]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def subscribed(self, times: int) -> int:
        """How many have been let in and told what they missed so often."""
        return sum(guest.times >= times for guest in self._guests)

    def reached(self, heads: dict[str, int]) -> bool:
        """Whether all were told all that is."""
        return all(guest.position >= heads[guest._product_id] for guest in self._guests)

    def wrong(self) -> list[str]:
        """What nobody may be told."""
        return [one for guest in self._guests for one in guest.wrong]

    def close(self) -> None:
        """Everybody goes."""
        self._loop.call_soon_threadsafe(self._everybody.cancel)
        self._thread.join()

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._live())
        self._loop.close()

    async def _live(self) -> None:
        self._everybody = asyncio.gather(*(self._arrive(n) for n in range(len(self._guests))))
        await self._everybody

    async def _arrive(self, number: int) -> None:
        # The first time they come one after the other.
        await asyncio.sleep(number / 300)
        await self._guests[number].live()

"""A socket client that connects again and recovers by its cursor, and keeps all it was told.

It speaks on the wire: the Python client of Socket.IO hands events to threads of their own, and
loses their order.
"""

import itertools
import json
import random
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

import websocket

from tests.functional.service import Service

_PATIENCE_SECONDS = 35


class Watcher:
    """Hears everything that happens to a product's stock, over whatever breaks.

    Args:
        service: what it watches.
        secret: an API key.
        product_id: whose stock.
        urls: of the web processes; after each break it goes on to the next.

    Attributes:
        heard: positions in the order in which they came, with the moment of each.
        connections: how often it was let in.
        refused: answers to its subscriptions that nobody may get.
    """

    def __init__(
        self, service: Service, secret: str, product_id: str, urls: tuple[str, ...] = ()
    ) -> None:
        self.service = service
        self.product_id = product_id
        self.heard: list[tuple[int, float]] = []
        self.connections = 0
        self.refused: list[dict[str, Any]] = []
        self._secret = secret
        self._urls = deque(urls or (service.url,))
        self._first: int | None = None
        self._cursor = ""
        self._subscribed = threading.Event()
        self._closed = threading.Event()
        self._away = threading.Event()
        self._wire: websocket.WebSocket | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._subscribed.wait(30)

    def reached(self, position: int) -> bool:
        """Whether it was told everything up to there."""
        if self._start() >= position:
            return True
        return any(one >= position for one, _ in self.heard[-50:])

    def missed(self, position: int) -> set[int]:
        """What it was not told since its first subscription."""
        return set(range(self._start() + 1, position + 1)) - {one for one, _ in self.heard}

    def repeated(self) -> int:
        """How much it was told more than once."""
        return len(self.heard) - len({one for one, _ in self.heard})

    def swapped(self) -> int:
        """How often it was told something before what is earlier."""
        positions = [one for one, _ in self.heard]
        return sum(later < earlier for earlier, later in itertools.pairwise(positions))

    def _start(self) -> int:
        assert self._first is not None
        return self._first

    def leave(self) -> None:
        """Go away without a word."""
        self._away.set()
        self._break()

    def come_back(self) -> None:
        """Connect again; comes back when it has caught up."""
        self._subscribed.clear()
        self._away.clear()
        assert self._subscribed.wait(30)

    def close(self) -> None:
        """Hear no more."""
        self._closed.set()
        self._break()
        self._thread.join()

    def _break(self) -> None:
        wire = self._wire
        if wire is not None and wire.sock is not None:
            with suppress(OSError):
                wire.sock.shutdown(2)

    def _run(self) -> None:
        while not self._closed.is_set():
            with suppress(OSError, websocket.WebSocketException, ValueError):
                if not self._away.is_set():
                    self._hear()
            self._urls.rotate(-1)
            self._closed.wait(random.uniform(0.1, 0.4))

    def _hear(self) -> None:
        url = self._urls[0].replace("http", "ws", 1)
        self._wire = wire = websocket.create_connection(
            f"{url}/socket.io/?EIO=4&transport=websocket", timeout=_PATIENCE_SECONDS
        )
        try:
            wire.send("40" + json.dumps({"token": self._secret}))
            # It may have been closed while this connection was made.
            while not self._closed.is_set() and (packet := wire.recv()):
                self._take(wire, str(packet))
        finally:
            wire.close()

    def _take(self, wire: websocket.WebSocket, packet: str) -> None:
        if packet == "2":
            wire.send("3")
        elif packet.startswith("40"):
            self.connections += 1
            self._subscribe(wire)
        elif packet.startswith("431"):
            self._acknowledged(wire, json.loads(packet[3:])[0])
        elif packet.startswith("42"):
            name, data = json.loads(packet[2:])
            if name == "inventory_update":
                self.heard.append((data["position"], time.time()))
                self._cursor = data["cursor"]

    def _subscribe(self, wire: websocket.WebSocket) -> None:
        wanted = {"productId": self.product_id}
        if self._cursor:
            wanted["since"] = self._cursor
        wire.send("421" + json.dumps(["subscribe_inventory", wanted]))

    def _acknowledged(self, wire: websocket.WebSocket, answer: dict[str, Any]) -> None:
        if answer.get("error") == "unavailable":
            time.sleep(0.2)
            self._subscribe(wire)
            return
        if not answer.get("ok") or answer.get("recovered") is False:
            self.refused.append(answer)
            self._cursor = answer.get("cursor", "")
        # An event may have overtaken the first answer: it comes after the snapshot all the same.
        if self._first is None:
            self._first = answer["snapshot"]["position"]
        self._cursor = self._cursor or answer["cursor"]
        self._subscribed.set()

"""A socket client as a shop would write one: it connects again and recovers by its cursor."""

import threading
from collections import Counter
from typing import Any

import socketio

_EVENT = "inventory_update"


class Watcher:
    """Hears everything that happens to a product's stock, over whatever breaks.

    Args:
        url: of a web process.
        secret: an API key.
        product_id: what it watches.
    """

    def __init__(self, url: str, secret: str, product_id: str) -> None:
        self.connections = 0
        self.refused: list[dict[str, Any]] = []
        self._product_id = product_id
        self._first = 0
        self._newest = (0, "")
        self._heard: Counter[int] = Counter()
        self._guard = threading.Lock()
        self._subscribed = threading.Event()
        self._client = socketio.Client(reconnection_delay=0.2, reconnection_delay_max=1)
        self._client.on(_EVENT, self._hear)
        self._client.on("connect", self._subscribe)
        self._client.connect(url, auth={"token": secret}, transports=["websocket"])
        assert self._subscribed.wait(10)

    def reached(self, position: int) -> bool:
        """Whether it was told everything up to there."""
        return self._newest[0] >= position and not self.missed(position)

    def missed(self, position: int) -> list[int]:
        """What it was not told since its first subscription."""
        return [one for one in range(self._first + 1, position + 1) if one not in self._heard]

    def repeated(self) -> int:
        """How much it was told more than once."""
        return sum(count - 1 for count in self._heard.values())

    def close(self) -> None:
        """Hear no more."""
        self._client.disconnect()

    def _subscribe(self) -> None:
        self.connections += 1
        wanted = {"productId": self._product_id}
        if self._newest[1]:
            wanted["since"] = self._newest[1]
        self._client.emit("subscribe_inventory", wanted, callback=self._acknowledged)

    def _acknowledged(self, answer: dict[str, Any]) -> None:
        if not answer.get("ok") or answer.get("recovered") is False:
            self.refused.append(answer)
        elif not self._subscribed.is_set():
            self._first = answer["position"]
            self._keep(answer)
            self._subscribed.set()

    def _hear(self, event: dict[str, Any]) -> None:
        with self._guard:
            self._heard[event["position"]] += 1
        self._keep(event)

    def _keep(self, place: dict[str, Any]) -> None:
        """The library hands events to threads of their own: they may come in another order."""
        with self._guard:
            self._newest = max(self._newest, (place["position"], place["cursor"]))

"""Clients that post while something breaks."""

import itertools
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

from tests.faults.flood import Flood
from tests.functional.service import Api, Service, wait_until


def _was_refused(error: requests.RequestException) -> bool:
    """Whether nobody listened: such a request reached nobody."""
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


@dataclass
class Load:
    """Increments of one product, each with its idempotency key, sent again until accepted.

    Attributes:
        accepted: ids of the operations that a ``202`` told.
        by_client: the same by client, each of which waits for one before it sends the next.
        statuses: how often each status was answered; 0 stands for a connection that was refused
            or broke.
        latencies: seconds of each answered ``202``.
        slowest: seconds of the slowest request, whatever came of it.
        broken: ids of the requests whose connection broke after it stood.
        wrong: answers that nobody may get.
        urls: of the web processes; a client whose connection broke goes on to the next.
        pause: seconds between the requests of a client.
        flood: of other clients on other products, stopped with this load.
    """

    service: Service
    secret: str
    product_id: str
    accepted: list[str] = field(default_factory=list)
    by_client: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    slowest: float = 0.0
    broken: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    urls: tuple[str, ...] = ()
    pause: float = 0.0
    flood: Flood | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, clients: int = 3) -> "Load":
        """Begin to post."""
        for number in range(clients):
            thread = threading.Thread(target=self._run, args=(number,))
            thread.start()
            self._threads.append(thread)
        return self

    def stop(self) -> None:
        """Let each client finish its request.

        Raises:
            AssertionError: a client got what nobody may get.
        """
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.flood is not None:
            self.flood.stop()
        assert self.wrong == [], self.wrong[:5]

    def more(self, count: int = 50) -> Callable[[], bool]:
        """Whether so many more were accepted by then."""
        wanted = len(self.accepted) + count
        return lambda: len(self.accepted) >= wanted

    def p99(self) -> float:
        """Seconds within which 99 of 100 accepted requests were answered."""
        return sorted(self.latencies)[int(len(self.latencies) * 0.99)]

    def _run(self, client: int) -> None:
        count = 0
        with ExitStack() as stack:
            urls = self.urls or (self.service.url,)
            doors = deque(stack.enter_context(Api(url, self.secret)) for url in urls)
            doors.rotate(client)
            while not self._stop.wait(self.pause):
                count += 1
                self._send(doors, client, count)

    def _send(self, doors: deque[Api], client: int, count: int) -> None:
        key = f"{self.product_id}-{client}-{count}"
        body = {"productId": self.product_id, "quantity": 1, "type": "increment"}
        for attempt in itertools.count():
            headers = {"Idempotency-Key": key, "X-Request-ID": f"{key}-{attempt}"}
            began = time.monotonic()
            try:
                answer = doors[0].post("/api/inventory/adjust", json=body, headers=headers)
                status = answer.status_code
            except requests.RequestException as error:
                status = 0
                if not _was_refused(error):
                    self.broken.append(headers["X-Request-ID"])
            seconds = time.monotonic() - began
            self.statuses[status] += 1
            self.slowest = max(self.slowest, seconds)
            if status == 202:
                self.latencies.append(seconds)
                operation_id = answer.json()["id"]
                self.by_client[client].append(operation_id)
                self.accepted.append(operation_id)
                return
            if status == 0:
                doors.rotate(-1)
            elif status != 503 or not answer.headers.get("Retry-After"):
                self.wrong.append(f"{status}: {answer.text}")
                return
            time.sleep(0.05)

    def wait_for_ends(self, api: Api, seconds: float) -> float:
        """Wait until the stock is what was accepted; gives how long that took."""
        began = time.monotonic()

        def done() -> Any:
            answer = api.get(f"/api/inventory/stock/{self.product_id}")
            return answer.status_code == 200 and answer.json()["stock"] == len(self.accepted)

        wait_until(done, seconds)
        return time.monotonic() - began

"""Clients that post while something breaks, and the check that must hold after anything."""

import itertools
import threading
import time
from collections import Counter, deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import requests
from sqlalchemy import create_engine, text
from urllib3.exceptions import NewConnectionError

from db.settings import DatabaseSettings
from tests.functional.service import Api, Service, wait_until

# What every operation, level and stream must look like once nothing is queued any more.
WRONG = {
    "operations without an end": "SELECT count(*) FROM operations WHERE status = 'queued'",
    "levels that differ from their ledger": """
        SELECT count(*) FROM stock_levels l
        LEFT JOIN (SELECT product_id, sum(on_hand_change) AS h, sum(reserved_change) AS r,
                          count(*) AS n FROM stock_movements GROUP BY 1) m USING (product_id)
        WHERE (l.on_hand, l.reserved, l.version)
              <> (coalesce(m.h, 0), coalesce(m.r, 0), coalesce(m.n, 0))""",
    "operations with two movements of one product": """
        SELECT count(*) FROM (
            SELECT FROM stock_movements GROUP BY operation_id, product_id HAVING count(*) > 1) x""",
    "streams with a gap": """
        SELECT count(*) FROM (
            SELECT FROM events GROUP BY stream
            HAVING max(position) <> count(*) OR min(position) <> 1) x""",
    "operations told twice or never": """
        SELECT count(*) FROM operations o
        LEFT JOIN (SELECT stream, data ->> 'operationId' AS operation_id, count(*) AS told
                   FROM events WHERE stream LIKE 'operations:%' GROUP BY 1, 2) e
            ON e.stream = 'operations:' || o.api_key_id AND e.operation_id = o.id::text
        WHERE o.api_key_id IS NOT NULL AND e.told IS DISTINCT FROM 1""",
}


def ask_database(service: Service, query: str, **values: Any) -> Any:
    """What a query gives in its one row and column."""
    url = DatabaseSettings(database_url=service.env["DATABASE_URL"]).database_url
    engine = create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(text(query), values).scalar_one()
    engine.dispose()
    return found


def check_consistency(service: Service) -> None:
    """The common check: one end each, sums that agree, nothing told twice, no gap."""
    found = {name: ask_database(service, query) for name, query in WRONG.items()}
    assert {name: count for name, count in found.items() if count} == {}


def _was_refused(error: requests.RequestException) -> bool:
    """Whether nobody listened: such a request reached nobody."""
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


@dataclass
class Load:
    """Increments of one product, each with its idempotency key, sent again until accepted.

    Attributes:
        accepted: ids of the operations that a ``202`` told.
        statuses: how often each status was answered; 0 stands for a connection that was refused
            or broke.
        latencies: seconds of each answered ``202``.
        slowest: seconds of the slowest request, whatever came of it.
        broken: ids of the requests whose connection broke after it stood.
        wrong: answers that nobody may get.
        urls: of the web processes; a client whose connection broke goes on to the next.
    """

    service: Service
    secret: str
    product_id: str
    accepted: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    slowest: float = 0.0
    broken: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    urls: tuple[str, ...] = ()
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
        assert self.wrong == []

    def _run(self, client: int) -> None:
        count = 0
        with ExitStack() as stack:
            urls = self.urls or (self.service.url,)
            doors = deque(stack.enter_context(Api(url, self.secret)) for url in urls)
            doors.rotate(client)
            while not self._stop.is_set():
                count += 1
                self._send(doors, f"{self.product_id}-{client}-{count}")

    def _send(self, doors: deque[Api], key: str) -> None:
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
                self.accepted.append(answer.json()["id"])
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

"""Clients that post while something breaks, and the check that must hold after anything."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import requests
from sqlalchemy import create_engine, text

from db.settings import DatabaseSettings
from tests.functional.service import Api, Service, wait_until

# What every operation, level and stream must look like once nothing is queued any more.
_WRONG = {
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
        WHERE o.api_key_id IS NOT NULL AND 1 <> (
            SELECT count(*) FROM events e
            WHERE e.stream = 'operations:' || o.api_key_id
              AND e.data ->> 'operationId' = o.id::text)""",
}


def check_consistency(service: Service) -> None:
    """The common check: one end each, sums that agree, nothing told twice, no gap."""
    url = DatabaseSettings(database_url=service.env["DATABASE_URL"]).database_url
    engine = create_engine(url)
    with engine.connect() as connection:
        wrong = {
            name: count
            for name, query in _WRONG.items()
            if (count := connection.execute(text(query)).scalar_one())
        }
    engine.dispose()
    assert wrong == {}


@dataclass
class Load:
    """Increments of one product, each with its idempotency key, sent again until accepted.

    Attributes:
        accepted: ids of the operations that a ``202`` told.
        statuses: how often each status was answered; 0 stands for a broken connection.
        slowest: seconds of the slowest answered ``202``.
    """

    service: Service
    secret: str
    product_id: str
    accepted: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
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
        """Let each client finish its request."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: int) -> None:
        count = 0
        with Api(self.service.url, self.secret) as api:
            while not self._stop.is_set():
                count += 1
                self._send(api, f"{self.product_id}-{client}-{count}")

    def _send(self, api: Api, key: str) -> None:
        body = {"productId": self.product_id, "quantity": 1, "type": "increment"}
        while True:
            began = time.monotonic()
            try:
                answer = api.post(
                    "/api/inventory/adjust", json=body, headers={"Idempotency-Key": key}
                )
            except requests.RequestException:
                self.statuses[0] += 1
                time.sleep(0.05)
                continue
            self.statuses[answer.status_code] += 1
            if answer.status_code == 202:
                self.latencies.append(time.monotonic() - began)
                self.accepted.append(answer.json()["id"])
                return
            assert answer.status_code == 503, answer.text
            assert answer.headers["Retry-After"]
            time.sleep(0.05)

    def wait_for_ends(self, api: Api, seconds: float) -> float:
        """Wait until the stock is what was accepted; gives how long that took."""
        began = time.monotonic()

        def done() -> Any:
            answer = api.get(f"/api/inventory/stock/{self.product_id}")
            return answer.status_code == 200 and answer.json()["stock"] == len(self.accepted)

        wait_until(done, seconds)
        return time.monotonic() - began

"""What is measured end to end: ours and its peers, each asked the same in the same way."""

import itertools
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from tests.bench.ground import Ground, free_port, wait_for_port
from tests.bench.load import ask, build_request, connections
from tests.bench.loop import Loop
from tests.bench.peers import shelves
from tests.functional.service import ADMIN_KEY, Service
from tests.running import run_service
from workers.programs import PROGRAMS

PRODUCTS = 200
STOCK = 1_000_000_000
ADJUST = "/api/inventory/adjust"


@dataclass
class Shop:
    """One of them, running.

    Attributes:
        name: in the table.
        port: of its web process.
        expected: the status of an accepted adjustment.
        product_ids: of products with plenty of stock.
        pids: its own processes by their names, without the servers.
        database_url: where its stock is.
        token: what its sockets want to see.
        headers: of each request.
    """

    name: str
    port: int
    expected: int
    product_ids: list[str]
    pids: dict[str, int]
    database_url: str
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def adjustments(self, product_ids: list[str] | None = None) -> Iterator[bytes]:
        """Requests that take one unit out, of each product in turn."""
        keyed, run = bool(self.headers), uuid4().hex
        for number, product_id in enumerate(itertools.cycle(product_ids or self.product_ids)):
            body = f'{{"productId":"{product_id}","quantity":1,"type":"decrement"}}'.encode()
            headers = self.headers
            if keyed:
                headers = {**headers, "Idempotency-Key": f"{run}-{number}"}
            yield build_request("POST", ADJUST, body, headers)

    def moved(self) -> tuple[int, int, int]:
        """Operations that succeeded, ledger rows, units that went out; the last two by decrement.

        Raises:
            AssertionError: levels and ledger disagree.
        """
        rows, units = shelves.moved(self.database_url)
        return rows, rows, units


class Ours(Shop):
    """Backend PMS, with all that it does."""

    service: Service
    ground: Ground

    def moved(self) -> tuple[int, int, int]:
        """As every shop."""
        operations = self.ground.run_sql(
            self.database_url,
            """SELECT count(*) FROM operations WHERE status = 'succeeded' AND kind = 'adjust-stock'
               AND payload ->> 'type' = 'decrement'""",
        )
        movements = self.ground.run_sql(
            self.database_url,
            """SELECT count(*), coalesce(-sum(on_hand_change), 0)::bigint FROM stock_movements
               WHERE on_hand_change < 0""",
        )
        wrong = self.ground.run_sql(
            self.database_url,
            """SELECT count(*) FROM stock_levels l JOIN (
                   SELECT product_id, sum(on_hand_change) AS changes FROM stock_movements
                   GROUP BY product_id) m USING (product_id)
               WHERE l.on_hand <> m.changes""",
        )
        assert wrong == [(0,)], "levels and ledger disagree"
        return (operations[0][0], *movements[0])

    def keys(self, count: int) -> list[str]:
        """More API keys, for more connections than one key may have."""
        loop, found = Loop(), []
        body = {"name": "bench", "scopes": ["write"], "wsRate": "1000000/minute"}
        with connections(loop, self.port, each=1) as (door,):
            for _ in range(count):
                request = build_request("POST", "/api/keys", body, self.headers)
                status, answer = ask(loop, door, request)
                assert status == 201, answer
                found.append(json.loads(answer)["secret"])
        return found

    def fill(self, products: int, stock: int = STOCK) -> list[str]:
        """Make products with stock, over the API."""
        loop, found = Loop(), []
        product = {
            "name": "Mug",
            "description": "Holds coffee.",
            "price": 9.5,
            "categoryId": "kitchen",
            "images": [],
        }
        with connections(loop, self.port, each=1) as (door,):
            for _ in range(products):
                request = build_request("POST", "/api/pms/products", product, self.headers)
                status, answer = ask(loop, door, request)
                assert status == 201, answer
                found.append(json.loads(answer)["id"])
                body = {"productId": found[-1], "quantity": stock, "type": "increment"}
                last = len(found) == products
                headers = {**self.headers, **({"Prefer": "wait=30"} if last else {})}
                status, answer = ask(loop, door, build_request("POST", ADJUST, body, headers))
                assert status == (200 if last else 202), answer
        return found


@contextmanager
def ours(
    ground: Ground, products: int = PRODUCTS, settings: dict[str, str] | None = None
) -> Iterator[Ours]:
    """Our processes as ``make up`` has them, with a rate that never refuses."""
    name = ground.next_name("ours")
    with run_service(name, ground.next_redis(), ground.folder, settings) as service:
        found = Ours(
            name="ours",
            port=int(service.env["PORT"]),
            expected=202,
            product_ids=[],
            pids={program.name: service.processes[program.name].pid for program in PROGRAMS},
            database_url=service.env["DATABASE_URL"],
            token=ADMIN_KEY,
            headers={"X-API-Key": ADMIN_KEY},
        )
        found.service, found.ground = service, ground
        found.product_ids = found.fill(products)
        yield found


@contextmanager
def naive(ground: Ground) -> Iterator[Shop]:
    """``.delay()`` per request, one transaction a task."""
    name, port = ground.next_name("naive"), free_port()
    url = ground.create_database(name)
    product_ids = shelves.prepare(url, PRODUCTS, STOCK)
    env = {
        "DATABASE_URL": url,
        "REDIS_URL": f"{ground.redis_url.rpartition('/')[0]}/{ground.next_redis()}",
    }
    tasks = "tests.bench.peers.naive_tasks"
    worker = ("celery", "-q", "-A", tasks, "worker", "--loglevel=warning", "-c")
    cores = str(max(2, os.cpu_count() or 2))
    commands = (
        ("tests.bench.peers.naive", str(port)),
        (*worker, cores, "--without-gossip", "--without-mingle"),
    )
    with ground.peer(*commands, env=env) as pids:
        wait_for_port(port)
        yield Shop("naive", port, 202, product_ids, pids, url)


@contextmanager
def queueless(ground: Ground) -> Iterator[Shop]:
    """Applied inside the request."""
    name, port = ground.next_name("queueless"), free_port()
    url = ground.create_database(name)
    product_ids = shelves.prepare(url, PRODUCTS, STOCK)
    command = ("tests.bench.peers.queueless", str(port))
    with ground.peer(command, env={"DATABASE_URL": url}) as pids:
        wait_for_port(port)
        yield Shop("queue-less", port, 200, product_ids, pids, url)


class Street:
    """All shops that a run needs, each opened when it is first asked for."""

    _OPENERS = {"ours": ours, "naive": naive, "queueless": queueless}

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self._stack = ExitStack()
        self._open: dict[str, Shop] = {}

    def __getitem__(self, name: str) -> Shop:
        if name not in self._open:
            self._open[name] = self._stack.enter_context(self._OPENERS[name](self.ground))
        return self._open[name]

    def close(self) -> None:
        """Close all of them."""
        self._open.clear()
        self._stack.close()

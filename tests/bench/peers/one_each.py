"""psycopg2 alone: each connection applies one adjustment a transaction, by one statement.

Two processes share the connections, so that Python's lock is not what is measured.
"""

import multiprocessing
import sys
import threading
import time
from uuid import uuid4

import psycopg2

from tests.bench.peers.shelves import ADJUST

_PROCESSES = 2


def _connection(url: str, product_id: str, deadline: float, done: list[int]) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    count = 0
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            values = {"operation": str(uuid4()), "product": product_id, "change": -1}
            cursor.execute(ADJUST, values)
            count += 1
    connection.close()
    done.append(count)


def _process(url: str, product_id: str, connections: int, seconds: float, told: object) -> None:
    done: list[int] = []
    deadline = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_connection, args=(url, product_id, deadline, done))
        for _ in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.put(sum(done))


def adjustments_a_second(url: str, product_id: str, connections: int, seconds: float) -> float:
    """What so many connections do of one product."""
    context = multiprocessing.get_context("spawn" if sys.platform == "darwin" else "fork")
    told = context.Queue()
    shares = [connections // _PROCESSES + (n < connections % _PROCESSES) for n in range(_PROCESSES)]
    processes = [
        context.Process(target=_process, args=(url, product_id, share, seconds, told))
        for share in shares
        if share
    ]
    for process in processes:
        process.start()
    total = sum(told.get(timeout=seconds + 30) for _ in processes)
    for process in processes:
        process.join()
    return total / seconds

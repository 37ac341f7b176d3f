"""Applying: a full line in batches as they come, and one by one through the same code.

Beside it psycopg2 alone, where 1 to 32 connections each apply one adjustment a transaction.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from db.migrate import upgrade
from tests.bench.bench import Bench, ratios
from tests.bench.goals import show
from tests.bench.peers import shelves
from tests.bench.peers.one_each import adjustments_a_second
from tests.bench.shops import STOCK
from tests.functional.service import ROOT

_BATCH = 500
_CONNECTIONS = (1, 2, 4, 8, 16, 32)
_SPREAD = 500


class _Applier:
    """A process that applies when it is told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def rate(self, operations: int, products: int, limit: int) -> float:
        """Operations a second."""
        ask, answer = self._process.stdin, self._process.stdout
        assert ask is not None
        assert answer is not None
        wish = {"operations": operations, "products": products, "limit": limit}
        ask.write(json.dumps(wish) + "\n")
        ask.flush()
        told = answer.readline()
        assert told, "the applying process ended; see its errors above"
        return operations / float(json.loads(told))


@contextmanager
def _applier(bench: Bench) -> Iterator[_Applier]:
    url = bench.ground.create_database(bench.ground.next_name("line"))
    redis = f"{bench.ground.redis_url.rpartition('/')[0]}/{bench.ground.next_redis()}"
    upgrade(url)
    with (bench.ground.folder / "applier.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.applier"],
            env={**os.environ, "DATABASE_URL": url, "REDIS_URL": redis},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        with process:
            try:
                yield _Applier(process)
            finally:
                process.kill()


def measure(bench: Bench) -> None:
    """Full line, one by one, and the best number of connections."""
    url = bench.ground.create_database(bench.ground.next_name("one_each"))
    (hot_product,) = shelves.prepare(url, 1, STOCK)
    many, few = (20_000, 1_500) if not bench.short else (4_000, 150)
    best: list[int] = []

    def connections() -> float:
        tried = {
            count: adjustments_a_second(url, hot_product, count, bench.seconds(1.5, 0.3))
            for count in _CONNECTIONS
        }
        best.append(max(tried, key=lambda count: tried[count]))
        return tried[best[-1]]

    with _applier(bench) as applier:
        applier.rate(2 * _BATCH, _SPREAD, _BATCH)
        found = bench.interleave(
            {
                "spread": lambda: applier.rate(many, _SPREAD, _BATCH),
                "spread one": lambda: applier.rate(few, _SPREAD, 1),
                "hot": lambda: applier.rate(many, 1, _BATCH),
                "hot one": lambda: applier.rate(few, 1, 1),
                "connections": connections,
            }
        )
    shown = {name: show(median(each)) for name, each in found.items()}
    for way in ("spread", "hot"):
        detail = f"batches of {_BATCH}: {shown[way]}/s, of one: {shown[f'{way} one']}/s"
        bench.tell(f"line_{way}", ratios(found[way], found[f"{way} one"]), detail)
    detail = f"ours {shown['hot']}/s, psycopg2 {shown['connections']}/s with {best} connections"
    bench.tell("line_connections", ratios(found["hot"], found["connections"]), detail)

"""A bulk of 100,000 adjustments in one request, and single operations beside it."""

import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from tests.bench.bench import REPETITIONS, Bench, ratios
from tests.bench.goals import show
from tests.bench.runs import Journey, journey, percentile
from tests.bench.shops import Ours
from tests.functional.service import Api, wait_until

_PATH = "/api/inventory/adjustments"
_BESIDE = 20.0
# The last products are left to single operations.
_SINGLE = 20


class _Bulk:
    """One bulk, from its ``POST`` to the verdict of its last row."""

    def __init__(self, shop: Ours, rows: int) -> None:
        products = shop.product_ids[:-_SINGLE]
        lines = [f"{products[n % len(products)]},1,decrement,bulk" for n in range(rows)]
        self._body = "\n".join(["productId,quantity,type,reason", *lines])
        self._shop, self._rows = shop, rows
        self.missing = ""

    def rate(self) -> float:
        """Rows a second; 0 if there is no such route.

        Raises:
            AssertionError: it did not succeed, or moved something else than its rows.
        """
        before = self._shop.moved()[1:]
        seconds = self.post_and_wait()
        if self.missing:
            return 0.0
        moved = {new - old for old, new in zip(before, self._shop.moved()[1:], strict=True)}
        assert moved == {self._rows}, f"{self._rows} rows, but {moved} moved"
        return self._rows / seconds

    def post_and_wait(self) -> float:
        """Seconds until its end."""
        began = time.perf_counter()
        with Api(f"http://127.0.0.1:{self._shop.port}", self._shop.token) as api:
            headers = {"Content-Type": "text/csv"}
            answer = api.post(_PATH, data=self._body, headers=headers, timeout=120)
            if answer.status_code in (404, 405):
                self.missing = "not available"
                return 0.0
            assert answer.status_code == 202, answer.text[:500]
            path = f"/api/operations/{answer.json()['id']}"

            def ended() -> bool:
                return bool(api.get(path).json()["status"] != "queued")

            wait_until(ended, 300)
            seconds = time.perf_counter() - began
            end = api.get(path).json()
        assert end["status"] == "succeeded", end
        return seconds


def measure(bench: Bench) -> None:
    """Bulks and floods of single operations in turn, then both at once."""
    shop = bench.street["ours"]
    assert isinstance(shop, Ours)
    bulk = _Bulk(shop, 20_000 if bench.short else 100_000)
    if bulk.rate() == 0:
        for key in ("bulk", "bulk_beside"):
            bench.lack(key, bulk.missing)
        return
    with journey(shop, False, bench.ground.server_pids) as single:
        found = bench.interleave(
            {
                "bulk": lambda: _read_meanwhile(bulk, single),
                "single": lambda: single.flood(bench.seconds(4.0, 1.0)).rate,
            }
        )
    rows, singles = found["bulk"], found["single"]
    detail = f"bulk {show(median(rows))} rows/s, single {show(median(singles))}/s"
    if bench.short:
        detail += "; with 20,000 rows"
    bench.tell("bulk", ratios(rows, singles), detail, smaller=bench.short)
    beside = [_beside(bench, shop, bulk) for _ in range(REPETITIONS)]
    detail = f"{_BESIDE:g}/s on other products; p50 "
    detail += f"{median(percentile(each, 0.5) for each in beside) * 1000:.0f} ms"
    bench.tell(
        "bulk_beside",
        [percentile(each, 0.99) * 1000 for each in beside],
        detail,
        smaller=bench.short,
    )


def _read_meanwhile(bulk: _Bulk, single: Journey) -> float:
    """A bulk's rate, told to a subscriber of all its products.

    One that did not read would be closed in the midst of it, as every client 1 MiB behind is.
    """
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(bulk.rate)
        single.listen(running.done)
    return running.result()


def _beside(bench: Bench, shop: Ours, bulk: _Bulk) -> list[float]:
    """Latencies of single operations for as long as a bulk runs."""
    beside = Journey(shop, shop.product_ids[-_SINGLE:], bench.ground.server_pids, 32)
    runs = []
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(bulk.post_and_wait)
        while not running.done():
            runs.append(beside.drip(_BESIDE, 1.0, check=False))
    running.result()
    beside.close()
    return sorted(one for run in runs for one in run.latencies)

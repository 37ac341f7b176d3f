"""Latency at low load: ten adjustments a second, one after the other, from ``POST`` to event."""

from contextlib import ExitStack
from statistics import median

from tests.bench.bench import Bench, ratios
from tests.bench.runs import journey

_RATE = 10.0


def measure(bench: Bench) -> None:
    """Ours and naive."""
    seconds = bench.seconds(15.0, 2.0)
    with ExitStack() as stack:
        runs = {}
        for name in ("naive", "queueless", "ours"):
            pids = bench.ground.server_pids
            ready = stack.enter_context(journey(bench.street[name], False, pids, outstanding=8))
            runs[name] = lambda one=ready: one.drip(_RATE, seconds)
        found = bench.interleave(runs)
    middle = {name: [run.at(0.5) for run in done] for name, done in found.items()}
    detail = "p50/p99: " + ", ".join(
        f"{name} {median(middle[name]):.1f}/{median(run.at(0.99) for run in done):.1f} ms"
        for name, done in found.items()
    )
    bench.tell("latency", ratios(middle["ours"], middle["naive"]), detail)

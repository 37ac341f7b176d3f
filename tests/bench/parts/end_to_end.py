"""End to end: 64 adjustments outstanding, from ``POST`` to socket event, over many products or one.

The CPU is of all processes, the servers' included and the load generator's not.
"""

from contextlib import ExitStack
from statistics import median

from tests.bench.bench import Bench, ratios
from tests.bench.goals import show
from tests.bench.runs import Run, journey

SHOPS = ("naive", "queueless", "ours")


def measure(bench: Bench) -> None:
    """Spread and hot, for ours and both peers."""
    seconds = bench.seconds(6.0, 0.8)
    with ExitStack() as stack:
        runs = {}
        for hot in (False, True):
            for name in SHOPS:
                shop = bench.street[name]
                ready = stack.enter_context(journey(shop, hot, bench.ground.server_pids))
                ready.flood(0.5)
                runs[f"{name} {'hot' if hot else 'spread'}"] = lambda one=ready: one.flood(seconds)
        found = bench.interleave(runs)
    rates = {name: [run.rate for run in done] for name, done in found.items()}
    for way in ("spread", "hot"):
        detail = ", ".join(f"{name} {show(median(rates[f'{name} {way}']))}/s" for name in SHOPS)
        bench.tell(way, ratios(rates[f"ours {way}"], rates[f"naive {way}"]), detail)
        key = f"{way}_queueless"
        bench.tell(key, ratios(rates[f"ours {way}"], rates[f"queueless {way}"]), detail)
    bench.tell("hot_spread", ratios(rates["ours hot"], rates["ours spread"]), "ours")
    _tell_cpu(bench, found)


def _tell_cpu(bench: Bench, found: dict[str, list[Run]]) -> None:
    cost = {name: [run.cpu * 1e6 for run in found[f"{name} spread"]] for name in SHOPS}
    detail = ", ".join(f"{name} {show(median(each))} µs" for name, each in cost.items())
    where = found["ours spread"][-1].cpu_by
    detail += "; ours: " + ", ".join(f"{name} {show(one * 1e6)}" for name, one in where.items())
    bench.tell("cpu", ratios(cost["ours"], cost["naive"]), detail)

"""The load that ours holds: the highest rate at which 99 of 100 events come within 25 ms.

An open loop: requests come at their times, whatever became of those before.
"""

from contextlib import ExitStack
from statistics import median

from tests.bench.bench import Bench
from tests.bench.goals import show
from tests.bench.runs import Journey, journey

_LIMIT_MS = 25.0
_STEPS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0)
_CONNECTIONS = 128


def _climb(ready: Journey, saturation: float, seconds: float) -> float:
    """The last step, as a share of the saturation, that was held; each may be tried twice."""
    held = 0.0
    for step in _STEPS:
        if all(ready.drip(step * saturation, seconds).at(0.99) >= _LIMIT_MS for _ in range(2)):
            break
        held = step
    return held


def measure(bench: Bench) -> None:
    """Naive flooded, then ours climbing, in turn."""
    with ExitStack() as stack:
        pids = bench.ground.server_pids
        naive = stack.enter_context(journey(bench.street["naive"], False, pids))
        ours = stack.enter_context(journey(bench.street["ours"], False, pids, _CONNECTIONS))
        saturations: list[float] = []

        def flood() -> float:
            saturations.append(naive.flood(bench.seconds(4.0, 0.8)).rate)
            return saturations[-1]

        def climb() -> float:
            return _climb(ours, saturations[-1], bench.seconds(4.0, 0.8))

        found = bench.interleave({"naive": flood, "ours": climb})
    rates = [one * other for one, other in zip(found["ours"], found["naive"], strict=True)]
    detail = f"ours {show(median(rates))}/s, naive saturated at {show(median(saturations))}/s"
    bench.tell("held", found["ours"], detail + f"; in steps of {_STEPS}")

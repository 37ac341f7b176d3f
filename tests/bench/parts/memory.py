"""Memory of the whole installation, servers included: idle, and after a million operations.

Idle means after the first operations: what PostgreSQL and the interpreters load when they are
first used is theirs for good, and no growth.
"""

from tests.bench.bench import Bench
from tests.bench.goals import show
from tests.bench.processes import memory_bytes
from tests.bench.runs import journey
from tests.bench.shops import Ours, ours

_MIB = 2**20


def measure(bench: Bench) -> None:
    """Before, and after."""
    bench.street.close()
    first, total = (1_000, 5_000) if bench.short else (20_000, 1_000_000)
    with ours(bench.ground) as shop, journey(shop, False, bench.ground.server_pids) as ready:
        fresh = _now(bench, shop)
        done = 0
        before: dict[str, int] = {}
        while done < total:
            done += len(ready.flood(bench.seconds(20.0, 1.0)).latencies)
            if not before and done >= first:
                before = _now(bench, shop)
        after = _now(bench, shop)
    detail = f"fresh {_shown(fresh)}; after {first:,} operations {_shown(before)}; "
    detail += f"after {done:,} {_shown(after)}"
    grown = sum(after.values()) / sum(before.values())
    bench.tell("memory", [grown], detail, smaller=bench.short)


def _now(bench: Bench, shop: Ours) -> dict[str, int]:
    pids = {**shop.pids, **bench.ground.server_pids}
    return {name: memory_bytes([pid]) for name, pid in pids.items()}


def _shown(found: dict[str, int]) -> str:
    parts = ", ".join(f"{name} {show(one / _MIB)}" for name, one in found.items())
    return f"{show(sum(found.values()) / _MIB)} MiB ({parts})"

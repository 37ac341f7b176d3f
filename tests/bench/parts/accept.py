"""The way in: accepted durably with key, limit and idempotency key, beside Flask that does nothing.

The worker is away meanwhile, so that its work is not counted; it comes back, and what was
accepted is then applied and counted.
"""

from contextlib import ExitStack
from statistics import median

from tests.bench.bench import Bench, ratios
from tests.bench.goals import show
from tests.bench.ground import free_port, wait_for_port
from tests.bench.load import Answers, build_request, connections, press
from tests.bench.loop import Loop
from tests.bench.runs import OUTSTANDING
from tests.bench.shops import Ours
from tests.functional.service import is_healthy, wait_until


def measure(bench: Bench) -> None:
    """One process, two, and bare Flask."""
    shop, port, loop = bench.street["ours"], free_port(), Loop()
    assert isinstance(shop, Ours)
    second = free_port()
    shop.service.further["web 2"] = {"PORT": str(second)}
    seconds = bench.seconds(5.0, 1.0)
    adjustments = shop.adjustments()
    bare_request = build_request("POST", "/", b"{}")
    before = shop.moved()

    def accept(*ports: int) -> Answers:
        with connections(loop, *ports, each=OUTSTANDING // len(ports)) as doors:
            return press(loop, doors, adjustments, seconds, shop.expected)

    def bare() -> Answers:
        with connections(loop, port, each=OUTSTANDING) as doors:
            return press(loop, doors, iter(lambda: bare_request, None), seconds, 200)

    with ExitStack() as stack:
        stack.enter_context(bench.ground.peer(("tests.bench.peers.bare_flask", str(port)), env={}))
        shop.service.start("web 2")
        stack.callback(shop.service.stop, "web 2")
        for each in (port, second):
            wait_for_port(each)
        shop.service.stop("worker")
        found = bench.interleave(
            {
                "bare": bare,
                "one": lambda: accept(shop.port),
                "two": lambda: accept(shop.port, second),
            }
        )
        shop.service.start("worker")
        shop.pids["worker"] = shop.service.processes["worker"].pid
    accepted = sum(len(run.latencies) for run in [*found["one"], *found["two"]])
    _check(shop, before, accepted)
    rates = {name: [run.rate for run in done] for name, done in found.items()}
    shown = {name: show(median(each)) for name, each in rates.items()}
    latencies = sorted(one for run in found["one"] for one in run.latencies)
    detail = f"ours {shown['one']}/s, p50 {latencies[len(latencies) // 2] * 1000:.1f} ms"
    detail += f" at {OUTSTANDING} outstanding; bare Flask {shown['bare']}/s"
    bench.tell("accept", ratios(rates["one"], rates["bare"]), detail)
    detail = f"two {shown['two']}/s, one {shown['one']}/s"
    bench.tell("two_webs", ratios(rates["two"], rates["one"]), detail)


def _check(shop: Ours, before: tuple[int, int, int], accepted: int) -> None:
    """All that was accepted is applied, and nothing else.

    Raises:
        AssertionError: it is not.
    """
    wait_until(lambda: is_healthy(shop.service), 60)
    wanted = tuple(one + accepted for one in before)
    wait_until(lambda: shop.moved() >= wanted, 300)
    assert shop.moved() == wanted, f"accepted {accepted}: {before} became {shop.moved()}"

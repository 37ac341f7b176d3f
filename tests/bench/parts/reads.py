"""Reading a product from the cache, beside Flask that does nothing."""

from statistics import median

from tests.bench.bench import Bench, ratios
from tests.bench.goals import show
from tests.bench.ground import free_port, wait_for_port
from tests.bench.load import Answers, ask, build_request, connections, press
from tests.bench.loop import Loop
from tests.bench.runs import OUTSTANDING


def measure(bench: Bench) -> None:
    """Cached product reads and bare Flask, in turn."""
    shop, port, loop = bench.street["ours"], free_port(), Loop()
    seconds = bench.seconds(5.0, 1.0)
    products = [
        build_request("GET", f"/api/products/{product_id}", headers=shop.headers)
        for product_id in shop.product_ids
    ]
    with connections(loop, shop.port, each=1) as (door,):
        for request in products:
            assert ask(loop, door, request)[0] == 200

    def read() -> Answers:
        turns = (request for _ in iter(int, 1) for request in products)
        with connections(loop, shop.port, each=OUTSTANDING) as doors:
            return press(loop, doors, turns, seconds, 200)

    bare_request = build_request("GET", "/")

    def bare() -> Answers:
        with connections(loop, port, each=OUTSTANDING) as doors:
            return press(loop, doors, iter(lambda: bare_request, None), seconds, 200)

    with bench.ground.peer(("tests.bench.peers.bare_flask", str(port)), env={}):
        wait_for_port(port)
        found = bench.interleave({"bare": bare, "read": read})
    rates = {name: [run.rate for run in done] for name, done in found.items()}
    detail = f"ours {show(median(rates['read']))}/s, bare Flask {show(median(rates['bare']))}/s"
    bench.tell("read", ratios(rates["read"], rates["bare"]), detail)

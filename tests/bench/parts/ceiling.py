"""What the load generator itself can do: requests to a server that does nothing but answer."""

from statistics import median

from tests.bench.bench import Bench
from tests.bench.goals import show
from tests.bench.ground import free_port, wait_for_port
from tests.bench.load import build_request, connections, press
from tests.bench.loop import Loop
from tests.bench.runs import OUTSTANDING


def measure(bench: Bench) -> None:
    """Requests a second beside which all other figures are to be read."""
    port, loop = free_port(), Loop()
    request = build_request("POST", "/", {"productId": "0" * 36, "quantity": 1})
    seconds = bench.seconds(2.0, 0.7)

    def run() -> float:
        with connections(loop, port, each=OUTSTANDING) as doors:
            return press(loop, doors, iter(lambda: request, None), seconds, 200).rate

    with bench.ground.peer(("tests.bench.peers.yes", str(port)), env={}):
        wait_for_port(port)
        found = bench.interleave({"ceiling": run})["ceiling"]
    bench.notes.append(
        f"the load generator's own ceiling: {show(median(found))} requests/s, to a server in "
        "Python that does nothing but answer and shares the cores with it"
    )
    bench.say(bench.notes[-1])

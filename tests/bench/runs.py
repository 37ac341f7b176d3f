"""One run of a shop end to end: its speed, its cost, and the proof that nothing was lost."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.journeys import Journeys
from tests.bench.load import Connection, connections
from tests.bench.loop import Loop
from tests.bench.processes import cpu_seconds
from tests.bench.shops import Shop
from tests.bench.subscribers import Subscriber

OUTSTANDING = 64


@dataclass(frozen=True)
class Run:
    """What came of it; latencies in seconds, sorted.

    Attributes:
        cpu_by: seconds for each adjustment by process, servers included.
    """

    rate: float
    latencies: Sequence[float]
    cpu_by: dict[str, float]

    @property
    def cpu(self) -> float:
        """Seconds of all processes for each adjustment."""
        return sum(self.cpu_by.values())

    def at(self, share: float) -> float:
        """The latency that this share of all did not exceed, in milliseconds."""
        return percentile(self.latencies, share) * 1000


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed, by the nearest rank."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Journey:
    """A shop with its connections and its subscriber, ready to be run.

    Args:
        shop: which.
        product_ids: what is adjusted in turn.
        outstanding: how many connections.
        server_pids: whose CPU counts too.
    """

    def __init__(
        self, shop: Shop, product_ids: list[str], server_pids: dict[str, int], outstanding: int
    ) -> None:
        self._shop = shop
        self._products = product_ids
        self._pids = {**shop.pids, **server_pids}
        self._loop = Loop()
        self._journeys: Journeys | None = None
        self._outstanding = outstanding
        self._subscriber = self._subscribe()

    def _subscribe(self) -> Subscriber:
        found = Subscriber(self._loop, self._shop.port, self._shop.token, self._see)
        found.subscribe(*self._products)
        return found

    def close(self) -> None:
        """The subscriber leaves."""
        self._subscriber.close()

    def _see(self, packet: bytes) -> None:
        if self._journeys is not None and packet.startswith(b'42["inventory_update"'):
            self._journeys.see(packet)

    def listen(self, done: Callable[[], bool]) -> None:
        """Read what the subscriber is told, until something is so."""
        while not self._loop.run(1.0, done):
            pass

    def flood(self, seconds: float) -> Run:
        """Always as many outstanding as there are connections."""
        return self._run(lambda journeys, doors: journeys.outstanding(doors, seconds))

    def drip(self, rate: float, seconds: float, check: bool = True) -> Run:
        """So many a second; ``check`` unless something else moves stock meanwhile."""
        return self._run(lambda journeys, doors: journeys.at_rate(doors, rate, seconds), check)

    def _run(self, go: Callable[[Journeys, list[Connection]], object], check: bool = True) -> Run:
        shop = self._shop
        # While others ran it answered no ping, and may have been given up.
        self._subscriber.close()
        self._subscriber = self._subscribe()
        before = shop.moved() if check else None
        requests = shop.adjustments(self._products)
        self._journeys = journeys = Journeys(self._loop, requests, shop.expected)
        with self._doors() as doors:
            cpu = self._cpu()
            go(journeys, doors)
            cpu = {name: now - cpu[name] for name, now in self._cpu().items()}
        self._journeys = None
        if before is not None:
            self._check(before, journeys.accepted)
        each = {name: seconds / journeys.accepted for name, seconds in cpu.items()}
        return Run(journeys.rate, sorted(journeys.latencies), each)

    def _check(self, before: tuple[int, int, int], accepted: int) -> None:
        """Operations = ledger rows = stock moved.

        Raises:
            AssertionError: one was lost, or made of nothing.
        """
        after = self._shop.moved()
        differences = {new - old for old, new in zip(before, after, strict=True)}
        assert differences == {accepted}, (
            f"{self._shop.name}: {accepted} accepted, but operations, ledger rows and stock "
            f"moved went from {before} to {after}"
        )

    def _cpu(self) -> dict[str, float]:
        return {name: cpu_seconds([pid]) for name, pid in self._pids.items()}

    @contextmanager
    def _doors(self) -> Iterator[list[Connection]]:
        with connections(self._loop, self._shop.port, each=self._outstanding) as doors:
            yield doors


@contextmanager
def journey(
    shop: Shop, hot: bool, server_pids: dict[str, int], outstanding: int = OUTSTANDING
) -> Iterator[Journey]:
    """A shop ready to be run: over all its products, or over one hot one."""
    product_ids = shop.product_ids[:1] if hot else shop.product_ids
    found = Journey(shop, product_ids, server_pids, outstanding)
    try:
        yield found
    finally:
        found.close()

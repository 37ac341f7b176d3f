"""One event to everybody: when has the last client it, and does HTTP go on meanwhile?"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

from tests.bench.bench import Bench, ratios
from tests.bench.ground import free_port, wait_for_port
from tests.bench.load import Connection, build_request, connections
from tests.bench.loop import Loop
from tests.bench.runs import percentile
from tests.bench.shops import Ours
from tests.bench.subscribers import Subscriber

_A_KEY = 45  # connections; a key may have 50
_READS = 100.0  # requests a second beside the event


class Crowd:
    """Many clients of one server, all in the room of one product."""

    def __init__(self, loop: Loop, port: int, product_id: str) -> None:
        self._loop, self._port, self._product_id = loop, port, product_id
        self._clients: list[Subscriber] = []
        self.seen = 0

    def grow(self, count: int, tokens: list[str | None]) -> None:
        """Let so many more in."""
        for number in range(count):
            token = tokens[number // _A_KEY] if len(tokens) > 1 else tokens[0]
            client = Subscriber(self._loop, self._port, token, self._see)
            client.subscribe(self._product_id)
            self._clients.append(client)

    def _see(self, packet: bytes) -> None:
        if packet.startswith(b'42["inventory_update"'):
            self.seen += 1

    @property
    def size(self) -> int:
        """How many they are."""
        return len(self._clients)

    def seconds_until_all_have_it(self, door: Connection, request: bytes) -> float:
        """From a request until the last client has the one event that comes of it."""
        self.seen = 0
        answered: list[int] = []
        began = time.perf_counter()
        door.send(request, lambda status, answer: answered.append(status))
        assert self._loop.run(30, lambda: self.seen >= self.size), f"only {self.seen} have it"
        took = time.perf_counter() - began
        assert self._loop.run(30, lambda: answered), "no answer"
        return took

    def close(self) -> None:
        """All leave."""
        for client in self._clients:
            client.close()


@contextmanager
def _crowd(loop: Loop, port: int, product_id: str) -> Iterator[Crowd]:
    found = Crowd(loop, port, product_id)
    try:
        yield found
    finally:
        found.close()


def measure(bench: Bench) -> None:
    """Half the clients against the bare emit, then all of them against HTTP."""
    shop, port = bench.street["ours"], free_port()
    assert isinstance(shop, Ours)
    half = 200 if bench.short else 1_000
    times = 5 if bench.short else 20
    keys = shop.keys(2 * half // _A_KEY + 2)
    product_id = shop.product_ids[0]
    requests = shop.adjustments([product_id])
    loop = Loop()
    with ExitStack() as stack:
        stack.enter_context(bench.ground.peer(("tests.bench.peers.bare_emit", str(port)), env={}))
        wait_for_port(port)
        (door,) = stack.enter_context(connections(loop, shop.port, each=1))
        (bare_door,) = stack.enter_context(connections(loop, port, each=1))
        crowd = stack.enter_context(_crowd(loop, shop.port, product_id))
        crowd.grow(half, list(keys[: len(keys) // 2]))
        with _crowd(loop, port, product_id) as bare:
            bare.grow(half, [None])
            emit = build_request("POST", "/emit", b"{}")
            _tell_fan_out(
                bench,
                half,
                lambda: _median_ms(
                    times, lambda: crowd.seconds_until_all_have_it(door, next(requests))
                ),
                lambda: _median_ms(times, lambda: bare.seconds_until_all_have_it(bare_door, emit)),
            )
        crowd.grow(half, list(keys[len(keys) // 2 :]))
        read = build_request("GET", f"/api/products/{product_id}", headers=shop.headers)
        doors = stack.enter_context(connections(loop, shop.port, each=32))
        found = bench.interleave(
            {"read": lambda: _reads_meanwhile(crowd, loop, door, requests, doors, read, times)}
        )["read"]
    detail = f"{2 * half:,} clients, {_READS:g} product reads/s; p50 "
    detail += f"{median(percentile(each, 0.5) for each in found) * 1000:.0f} ms"
    slowest = [percentile(each, 0.99) * 1000 for each in found]
    bench.tell("fan_out_http", slowest, detail, smaller=bench.short)


def _median_ms(times: int, run: Callable[[], float]) -> float:
    return median(run() for _ in range(times)) * 1000


def _tell_fan_out(
    bench: Bench, clients: int, ours: Callable[[], float], bare: Callable[[], float]
) -> None:
    found = bench.interleave({"ours": ours, "bare": bare})
    detail = f"from the request: ours {median(found['ours']):.0f} ms, "
    detail += f"bare emit {median(found['bare']):.0f} ms; {clients:,} clients, not compressed"
    bench.tell("fan_out", ratios(found["ours"], found["bare"]), detail, smaller=bench.short)


def _reads_meanwhile(
    crowd: Crowd,
    loop: Loop,
    door: Connection,
    requests: Iterator[bytes],
    doors: list[Connection],
    read: bytes,
    times: int,
) -> list[float]:
    """Latencies of reads that were due between a request and the moment when all had its event."""
    found: list[float] = []
    for _ in range(times):
        found += _reads_during_one(crowd, loop, door, next(requests), doors, read)
    return sorted(found)


def _reads_during_one(
    crowd: Crowd,
    loop: Loop,
    door: Connection,
    request: bytes,
    doors: list[Connection],
    read: bytes,
) -> list[float]:
    crowd.seen, found, free = 0, [], list(doors)
    door.send(request, lambda status, answer: None)
    began = time.perf_counter()
    count = 0
    while crowd.seen < crowd.size or len(free) < len(doors):
        now = time.perf_counter()
        assert now - began < 60, f"only {crowd.seen} have it"
        due = began + count / _READS
        if due <= now and free and crowd.seen < crowd.size:
            one, count = free.pop(), count + 1

            def take(status: int, answer: bytes, due: float = due, one: Connection = one) -> None:
                assert status == 200, answer
                found.append(time.perf_counter() - due)
                free.append(one)

            one.send(read, take)
        loop.once(0.002)
    return found

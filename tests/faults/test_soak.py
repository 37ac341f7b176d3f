"""The soak: faults of all kinds, at random, for as long as one likes."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.faults.check import check_all
from tests.faults.load import Load
from tests.faults.processes import answers_ok, empty_redis, family, frozen, kill_family, supervised
from tests.faults.report import Fault
from tests.faults.watcher import Watcher
from tests.functional.service import Api, Service, wait_until
from tests.servers import TestServers

pytestmark = pytest.mark.long

# So long everything is broken before it is counted what came of it.
_ROUND_SECONDS = 25.0


class Storm:
    """All that can be done to a service; the methods without an underscore are the faults."""

    def __init__(self, service: Service, servers: TestServers, rng: random.Random) -> None:
        self._service = service
        self._servers = servers
        self._rng = rng
        self.faults: list[Callable[[], None]] = [
            getattr(self, name) for name in sorted(vars(Storm)) if name.startswith("do_")
        ]

    def _pid(self, name: str) -> int:
        """Of a process that runs: it may have been broken a moment ago."""
        wait_until(lambda: self._service.processes[name].poll() is None)
        return self._service.processes[name].pid

    def _stand_still(self, pid: int, longest: float) -> None:
        with frozen(pid):
            time.sleep(self._rng.uniform(0.5, longest))

    def do_kill_worker(self) -> None:
        kill_family(self._pid("worker"))

    def do_kill_a_child_of_the_worker(self) -> None:
        children = family(self._pid("worker"))[1:]
        if children:
            self._rng.choice(children).kill()

    def do_freeze_worker(self) -> None:
        self._stand_still(self._pid("worker"), 11)

    def do_end_worker(self) -> None:
        self._service.processes["worker"].terminate()

    def do_kill_web(self) -> None:
        self._service.processes["web"].kill()

    def do_end_web(self) -> None:
        self._service.processes["web"].terminate()

    def do_freeze_web(self) -> None:
        self._stand_still(self._pid("web"), 4)

    def do_kill_beat(self) -> None:
        self._service.processes["beat"].kill()

    def do_run_two_beats(self) -> None:
        self._service.start("beat 2")
        time.sleep(self._rng.uniform(1, 4))
        self._service.processes.pop("beat 2").kill()

    def do_kill_redis(self) -> None:
        os.kill(self._servers.valkey.pid, signal.SIGKILL)
        time.sleep(self._rng.choice([0.0, 1.0, 4.0]))
        self._servers.valkey.restart()

    def do_freeze_redis(self) -> None:
        self._stand_still(self._servers.valkey.pid, 6)

    def do_empty_redis(self) -> None:
        empty_redis(self._service)

    def do_drop_all_subscribers(self) -> None:
        with suppress(RedisError), Redis.from_url(self._service.env["REDIS_URL"]) as redis:
            redis.client_kill_filter(_type="pubsub")

    def do_kill_postgresql(self) -> None:
        os.kill(self._servers.postgres.pid, self._rng.choice([signal.SIGKILL, signal.SIGINT]))
        wait_until(lambda: not self._servers.postgres.alive)
        time.sleep(self._rng.choice([0.0, 0.5, 2.0]))
        self._servers.postgres.restart()

    def do_freeze_postgresql(self) -> None:
        self._stand_still(self._servers.postgres.pid, 3)


def test_everything_breaks_at_random(
    service: Service,
    servers: TestServers,
    api: Api,
    load: Callable[..., Load],
    watch: Callable[..., Watcher],
    fault: Fault,
    rng: random.Random,
) -> None:
    """Soak: faults of all kinds at random"""
    storm, done = Storm(service, servers, rng), Counter[str]()
    until = time.monotonic() + 60 * float(os.environ.get("FAULT_MINUTES", "1"))
    with supervised(service):
        while time.monotonic() < until:
            clients = load()
            watcher = watch(clients.product_id)
            end = min(until, time.monotonic() + _ROUND_SECONDS)
            while time.monotonic() < end:
                break_it = rng.choice(storm.faults)
                break_it()
                done[break_it.__name__.removeprefix("do_").replace("_", " ")] += 1
                fault.happened()
                time.sleep(rng.choice([0.0, 0.3, 1.0, 3.0]))
            began = time.monotonic()
            wait_until(lambda: answers_ok(service), 60)
            wait_until(clients.more(20), 30)
            clients.stop()
            clients.wait_for_ends(api, 60)
            fault.recovers("all well and done", time.monotonic() - began, 60)
            assert set(clients.statuses) <= {202, 503, 0}
            check_all(fault, service, clients, watchers=[watcher])
    for name, times in sorted(done.items()):
        fault.tell(name, times, None, "times")

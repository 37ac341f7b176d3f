"""Real processes that die by themselves after the steps of the road, one by one and anywhere."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.faults.check import ask_database, check_all, count_ended
from tests.faults.load import Load
from tests.faults.processes import answers_ok, kill_family, supervised
from tests.faults.report import Fault
from tests.faults.watcher import Watcher
from tests.functional.service import Api, Service, wait_until
from workers.crash import EXIT_CODE, POINTS

pytestmark = pytest.mark.long

_IN_WEB = ("accepted", "woken")
# A rescue is passed only where something else has died.
_WITH = {"blamed": "taken=0.05,"}
# Of one passing: requests are many, batches are few.
_ODDS = {"accepted": 0.02, "woken": 0.03, "blamed": 0.3}
_DEAD = """
    SELECT count(*) FROM operations
    WHERE product_id = :product AND status = 'dead' AND attempts = 3"""


class Mortal:
    """A service whose processes die at points, and how often they did."""

    def __init__(self, service: Service, ends: Counter[tuple[str, int]]) -> None:
        self._service = service
        self._ends = ends

    def arm(self, wish: str, seed: int = 0, names: Sequence[str] = ("web", "worker")) -> None:
        """Have its processes die from now on; an empty wish lets them live."""
        env = {"PMS_CRASH": wish, "PMS_CRASH_SEED": str(seed)} if wish else {}
        for name in names:
            self._service.further[name] = env
            old = self._service.processes[name]
            # The supervisor starts it again, with what it is told now.
            kill_family(old.pid)
            wait_until(lambda name=name, old=old: self._service.processes[name] is not old)

    def deaths(self) -> int:
        """How many processes have died at their points."""
        children = self._service.log.read_text().count(f"exitcode {EXIT_CODE}")
        return children + sum(n for (_, code), n in self._ends.items() if code == EXIT_CODE)

    def wait_for_deaths(self, times: int) -> int:
        """Wait until so many more have died; gives how many it were."""
        before = self.deaths()
        wait_until(lambda: self.deaths() - before >= times, 60)
        return self.deaths() - before


@pytest.fixture
def mortal(service: Service) -> Iterator[Mortal]:
    """The service, whose processes may be told to die and are started again."""
    with supervised(service) as ends:
        found = Mortal(service, ends)
        yield found
        found.arm("")
        wait_until(lambda: answers_ok(service), 60)
    service.further.clear()


def live_again(mortal: Mortal, clients: Load, api: Api, fault: Fault) -> None:
    """Nobody dies any more, and what is left is done."""
    mortal.arm("")
    began = time.monotonic()
    wait_until(clients.more(20), 60)
    clients.stop()
    wait_until(lambda: count_ended(clients) >= len(clients.accepted), 60)
    fault.recovers("all done", time.monotonic() - began, 30)
    # Now and then chance has three workers die with the same one, which is the end of it.
    dead = ask_database(clients.service, _DEAD, product=clients.product_id)
    fault.tell("given up, as each of its attempts met a death", dead, None, "")
    stock = api.get(f"/api/inventory/stock/{clients.product_id}").json()["stock"]
    assert stock == len(clients.accepted) - dead
    assert set(clients.statuses) <= {202, 503, 0}


def test_processes_die_after_each_step(
    service: Service,
    api: Api,
    load: Callable[..., Load],
    watch: Callable[..., Watcher],
    mortal: Mortal,
    fault: Fault,
    seed: int,
) -> None:
    """Processes die by themselves after each step of the road, one step after the other"""
    clients = load()
    watcher = watch(clients.product_id)
    for point in POINTS:
        wish = f"{_WITH.get(point, '')}{point}={_ODDS.get(point, 0.05)}"
        names = ("web",) if point in _IN_WEB else ("worker",)
        mortal.arm(wish, seed, names)
        deaths = mortal.wait_for_deaths(2)
        fault.happened(deaths)
        fault.tell(f"deaths at the point {point}", deaths, None, "")
        if point == _IN_WEB[-1]:
            mortal.arm("", names=names)
    live_again(mortal, clients, api, fault)
    check_all(fault, service, clients, watchers=[watcher])


def test_processes_die_anywhere(
    service: Service,
    api: Api,
    load: Callable[..., Load],
    watch: Callable[..., Watcher],
    mortal: Mortal,
    fault: Fault,
    rng: random.Random,
) -> None:
    """Processes die by themselves anywhere on the road, with other seeds each time"""
    for _ in range(3):
        clients = load()
        watcher = watch(clients.product_id)
        wish = ",".join(f"{point}={_ODDS.get(point, 0.02)}" for point in POINTS)
        mortal.arm(wish, rng.randrange(10**9))
        fault.happened(mortal.wait_for_deaths(6))
        live_again(mortal, clients, api, fault)
        check_all(fault, service, clients, watchers=[watcher])

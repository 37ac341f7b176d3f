"""The benchmark's machinery works: a moment of each kind of run, on the shared service."""

import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.bench import table
from tests.bench.bench import Bench
from tests.bench.goals import GOALS, Figure, Goal
from tests.bench.ground import Ground
from tests.bench.load import build_request, connections, press
from tests.bench.loop import Loop
from tests.bench.runs import journey
from tests.bench.shops import Ours, Street, naive
from tests.functional.service import Service
from tests.servers import TestServers
from workers.programs import PROGRAMS


@pytest.fixture
def ground(servers: TestServers, tmp_path: Path) -> Ground:
    """The servers of this test process, as the benchmark sees its own."""
    found = Ground(tmp_path, servers)
    found.database_url, found.redis_url = os.environ["DATABASE_URL"], os.environ["REDIS_URL"]
    return found


@pytest.fixture
def shop(service: Service, ground: Ground, admin_key: str) -> Ours:
    """The running service, with two products."""
    found = Ours(
        name="ours",
        port=int(service.env["PORT"]),
        expected=202,
        product_ids=[],
        pids={program.name: service.processes[program.name].pid for program in PROGRAMS},
        database_url=service.env["DATABASE_URL"],
        token=admin_key,
        headers={"X-API-Key": admin_key},
    )
    found.ground, found.service = ground, service
    found.product_ids = found.fill(2)
    return found


def test_a_run_counts_what_moved(shop: Ours, ground: Ground) -> None:
    """Closed and open loop: all arrive, and the database agrees, or the run fails."""
    with journey(shop, False, ground.server_pids, outstanding=4) as ready:
        flood, drip = ready.flood(0.2), ready.drip(20, 0.2)
    assert flood.rate > 0
    assert flood.cpu > 0
    assert len(drip.latencies) == 4


def test_a_run_that_lost_one_fails(
    shop: Ours, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More accepted than moved."""
    monkeypatch.setattr(shop, "moved", lambda: (0, 0, 0))
    with (
        journey(shop, False, ground.server_pids, outstanding=1) as ready,
        pytest.raises(AssertionError, match="accepted, but operations, ledger rows"),
    ):
        ready.flood(0.05)


def test_a_peer_is_asked_the_same(ground: Ground) -> None:
    """The naive queue runs, and is checked too."""
    with naive(ground) as peer, journey(peer, True, ground.server_pids, outstanding=2) as ready:
        assert ready.flood(0.2).rate > 0


def test_requests_are_pressed(shop: Ours) -> None:
    """Reads, in a closed loop."""
    request = build_request("GET", f"/api/products/{shop.product_ids[0]}", headers=shop.headers)
    loop = Loop()
    with connections(loop, shop.port, each=2) as doors:
        found = press(loop, doors, iter(lambda: request, None), 0.1, 200)
    assert len(found.latencies) >= 2


def test_the_table_judges(ground: Ground, tmp_path: Path) -> None:
    """Met, missed, missing; and a plot that can be read."""
    bench = Bench(ground, Street(ground), short=True)
    bench.tell("spread", [7.5, 8.0, 9.0], "fast")
    bench.tell("latency", [2.0], "slow")
    bench.lack("bulk", "not available")
    text = table.write(bench, [("machine", "2 cores")], tmp_path)
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if "|" in line}
    goals = {goal.key: goal for goal in GOALS}
    assert "| 8.00 (7.50-9.00) | met, stretch too | fast |" in rows[goals["spread"].what]
    assert "| 2.00 | MISSED | slow |" in rows[goals["latency"].what]
    assert "| not available |" in rows[goals["bulk"].what]
    ElementTree.fromstring((tmp_path / "plot.svg").read_text())


def test_a_goal_that_needs_more_cores_is_not_judged() -> None:
    """Two processes cannot be faster than one where one already has all there is."""
    goal = Goal("two", "two ÷ one", 1.6, cores=4)
    assert goal.judge(Figure([1.0]), 2) == "not judged: needs 4 cores"
    assert goal.judge(Figure([1.0]), 4) == "MISSED"


def test_less_than_the_goal_speaks_of_is_not_judged() -> None:
    """The short form shows a figure, and claims nothing by it."""
    goal = Goal("bulk", "rows a second", 4)
    assert goal.judge(Figure([5.0]), 2) == "met"
    assert goal.judge(Figure([5.0], smaller=True), 2).startswith("not judged")

"""What fault tests share: a seed that replays them, a report, clients that post and watch."""

import inspect
import os
import random
import time
from collections.abc import Callable, Generator, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from db.session import jobs_database, line_database, marker_database, web_database
from tests.faults.flood import PRODUCTS, Flood
from tests.faults.load import Load
from tests.faults.report import Fault, Report
from tests.faults.watcher import Watcher
from tests.functional.service import Service, is_healthy, wait_until

_REPORT = Report()
_FAILED = pytest.StashKey[bool]()


@lru_cache
def chosen_seed() -> int:
    """``FAULT_SEED``, or the clock."""
    return int(os.environ.get("FAULT_SEED") or time.time())


@pytest.fixture(autouse=True)
def _new_connections() -> Iterator[None]:
    """A server that was killed has left dead connections to the tests that come after."""
    yield
    for database in (web_database(), line_database(), marker_database(), jobs_database()):
        database.engine.dispose()


@pytest.fixture(scope="session")
def seed() -> int:
    """What every random choice of a run follows from."""
    return chosen_seed()


@pytest.fixture
def rng(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """Random choices of one test, the same again with the same seed."""
    return random.Random(f"{seed}/{request.node.name}")


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Iterator[Fault]:
    """This test's row of the table; its title is what the test says of itself."""
    title = inspect.getdoc(request.function) or request.node.name
    values = getattr(getattr(request.node, "callspec", None), "params", {})
    found = Fault(title.splitlines()[0].rstrip(". ").format(**values))
    _REPORT.faults.append(found)
    yield found
    found.failed = request.node.stash.get(_FAILED, True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Remember how a test ended, for its row."""
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report


@pytest.fixture
def flood(
    service: Service, fault: Fault, new_product: Callable[..., str], tmp_path: Path
) -> Iterator[Flood | None]:
    """The benchmark's load beside each fault, with ``FAULT_LOAD=bench``."""
    if os.environ.get("FAULT_LOAD") != "bench":
        yield None
        return
    wait_until(lambda: is_healthy(service), 30)
    with Flood(service, [new_product() for _ in range(PRODUCTS)], tmp_path) as found:
        yield found
    found.tell(fault)


@pytest.fixture
def load(
    service: Service, admin_key: str, new_product: Callable[..., str], flood: Flood | None
) -> Iterator[Callable[..., Load]]:
    """Start clients that post; they are stopped at the latest with the test."""
    running: list[Load] = []

    def start(clients: int = 3, urls: tuple[str, ...] = (), pause: float = 0.0) -> Load:
        found = Load(service, admin_key, new_product(), urls=urls, pause=pause, flood=flood)
        running.append(found.start(clients))
        wait_until(lambda: len(found.accepted) > (0 if pause else 20), 30)
        return found

    wait_until(lambda: is_healthy(service), 30)
    yield start
    for one in running:
        one.stop()


@pytest.fixture
def watch(service: Service, admin_key: str) -> Iterator[Callable[..., Watcher]]:
    """Start clients that watch a product; they go at the latest with the test."""
    running: list[Watcher] = []

    def start(product_id: str, urls: tuple[str, ...] = ()) -> Watcher:
        running.append(Watcher(service, admin_key, product_id, urls))
        return running[-1]

    yield start
    for one in running:
        one.close()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show the table of the run, and keep it if somebody named a file for it."""
    if not _REPORT.faults:
        return
    terminalreporter.section("what was broken, and what came of it")
    _REPORT.tell(terminalreporter.write_line)
    path = os.environ.get("FAULT_REPORT")
    if path:
        _REPORT.write(Path(path), chosen_seed())
        terminalreporter.write_line(f"\nThe same with all figures: {path}")

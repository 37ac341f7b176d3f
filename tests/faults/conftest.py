"""What fault tests share: a seed that replays them, figures, clients that post all the while."""

import os
import random
import time
from collections.abc import Callable, Iterator

import pytest

from db.session import jobs_database, line_database, marker_database, web_database
from tests.faults.figures import Figures
from tests.faults.load import Load
from tests.functional.service import Service, is_healthy, wait_until

_FIGURES = Figures()


@pytest.fixture(autouse=True)
def _new_connections() -> Iterator[None]:
    """A server that was killed has left dead connections to the tests that come after."""
    yield
    for database in (web_database(), line_database(), marker_database(), jobs_database()):
        database.engine.dispose()


@pytest.fixture(scope="session")
def seed() -> int:
    """What every random choice of a run follows from: ``FAULT_SEED``, or the clock."""
    return int(os.environ.get("FAULT_SEED") or time.time())


@pytest.fixture
def rng(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """Random choices of one test, the same again with the same seed."""
    return random.Random(f"{seed}/{request.node.name}")


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Tell a figure and hold it to its limit: ``figure("consuming again", 1.2, 5, "s")``."""
    return lambda *told: _FIGURES.tell(request.node.name, *told)


@pytest.fixture
def load(
    service: Service, admin_key: str, new_product: Callable[..., str]
) -> Iterator[Callable[..., Load]]:
    """Start clients that post; they are stopped at the latest with the test."""
    running: list[Load] = []

    def start(clients: int = 3, urls: tuple[str, ...] = ()) -> Load:
        running.append(Load(service, admin_key, new_product(), urls=urls).start(clients))
        wait_until(lambda: len(running[-1].accepted) > 20)
        return running[-1]

    wait_until(lambda: is_healthy(service), 30)
    yield start
    for one in running:
        one.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print all figures of the run."""
    _FIGURES.write(terminalreporter.write_line, os.environ.get("FAULT_SEED"))

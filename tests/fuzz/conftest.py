"""A running service for what is thrown at it, and how much of it is thrown."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings

from tests.factories.events import check_events_of
from tests.functional.service import ADMIN_KEY, Api, Service
from tests.running import run_service
from tests.servers import TestServers


@dataclass(frozen=True)
class Effort:
    """How hard to try.

    Attributes:
        seed: what all random choices follow from.
        requests: examples of each operation and phase.
        talks: conversations with a socket.
    """

    seed: int
    requests: int
    talks: int


EFFORT = Effort(
    seed=int(os.environ.get("FUZZ_SEED") or 1),
    requests=int(os.environ.get("FUZZ_REQUESTS") or 2),
    talks=int(os.environ.get("FUZZ_TALKS") or 20),
)
settings.register_profile(
    "fuzz",
    max_examples=EFFORT.talks,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What all of it came to."""
    figures = [
        f"{name}: {value}"
        for report in terminalreporter.getreports("passed")
        if "/fuzz/" in report.nodeid
        for name, value in report.user_properties
    ]
    if figures:
        terminalreporter.section(f"fuzz, seed {EFFORT.seed}")
        terminalreporter.write_line("\n".join(figures))


@pytest.fixture(scope="session")
def service(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of its own: what is thrown at it must not be in anybody's way.

    What it told of all that is held to its schemas at the end.
    """
    with run_service("fuzz", 3, tmp_path_factory.mktemp("fuzz")) as found:
        yield found
        check_events_of(found.env["DATABASE_URL"])


@pytest.fixture(scope="session")
def api(service: Service) -> Api:
    """A REST client with an admin key."""
    return Api(service.url, ADMIN_KEY)

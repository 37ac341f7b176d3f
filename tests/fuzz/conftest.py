"""A running service for what is thrown at it, and how much of it is thrown."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import pytest
from hypothesis import HealthCheck, settings

from tests.functional.service import ADMIN_KEY, Api, Service, free_port, is_healthy, wait_until
from tests.servers import TestServers
from workers.programs import PROGRAMS


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


@pytest.fixture(scope="session")
def service(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Web, worker and beat on a database of their own, with limits that nothing here meets."""
    from sqlalchemy import create_engine

    from db.migrate import upgrade
    from db.settings import database_settings

    with create_engine(
        database_settings().database_url, isolation_level="AUTOCOMMIT"
    ).connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE fuzz")
    env = {
        **os.environ,
        "DATABASE_URL": urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path="/fuzz")),
        "REDIS_URL": urlunsplit(urlsplit(os.environ["REDIS_URL"])._replace(path="/2")),
        "PMS_API_KEY": ADMIN_KEY,
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "RATE_LIMIT_API": "1000000/minute",
        "RATE_LIMIT_WS": "1000000/minute",
    }
    upgrade(env["DATABASE_URL"])
    log = tmp_path_factory.mktemp("fuzz") / "log"
    found = Service(f"http://127.0.0.1:{env['PORT']}", env, log)
    for program in PROGRAMS:
        found.start(program.name)
    try:
        wait_until(lambda: is_healthy(found), 30)
        yield found
    except AssertionError:
        sys.stderr.write(log.read_text()[-4000:])
        raise
    finally:
        for name in list(found.processes):
            found.stop(name)


@pytest.fixture(scope="session")
def api(service: Service) -> Api:
    """A REST client with an admin key."""
    return Api(service.url, ADMIN_KEY)

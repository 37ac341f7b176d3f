"""A running service for tests: web, worker and beat as real processes, started once a process."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from db.migrate import upgrade
from db.settings import database_settings
from tests.factories.bodies import product_body
from tests.factories.events import check_events_of
from tests.functional.service import ADMIN_KEY, Api, Service, free_port, is_healthy, wait_until
from tests.servers import TestServers
from workers.programs import PROGRAMS


@contextmanager
def run_service(
    name: str, redis_number: int, folder: Path, settings: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """Web, worker and beat on a database of their own, with limits that no test meets.

    Args:
        name: of the new database.
        redis_number: of a Redis database that nobody else uses.
        folder: for the log.
        settings: more of them.
    """
    with create_engine(
        database_settings().database_url, isolation_level="AUTOCOMMIT"
    ).connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    port = free_port()
    env = {
        **os.environ,
        "DATABASE_URL": urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}")),
        "REDIS_URL": urlunsplit(
            urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{redis_number}")
        ),
        "PMS_API_KEY": ADMIN_KEY,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "RATE_LIMIT_API": "1000000/minute",
        "RATE_LIMIT_WS": "1000000/minute",
        **(settings or {}),
    }
    upgrade(env["DATABASE_URL"])
    log = folder / "log"
    found = Service(f"http://127.0.0.1:{port}", env, log)
    for program in PROGRAMS:
        found.start(program.name)
    try:
        # All is imported three times over, on a machine that may have other work.
        wait_until(lambda: is_healthy(found), 90)
        yield found
    except AssertionError:
        sys.stderr.write(log.read_text()[-4000:])
        raise
    finally:
        for program_name in list(found.processes):
            found.stop(program_name)


@pytest.fixture(scope="session")
def service(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The running service that tests share; all that it told is held to its schemas at the end."""
    with run_service("service", 1, tmp_path_factory.mktemp("service")) as found:
        yield found
        # A test that broke the database and could not mend it has failed by itself.
        with suppress(OperationalError):
            check_events_of(found.env["DATABASE_URL"])


@pytest.fixture(scope="session")
def admin_key() -> str:
    """The first admin key."""
    return ADMIN_KEY


@pytest.fixture
def api(service: Service, admin_key: str) -> Api:
    """A REST client with an admin key."""
    return Api(service.url, admin_key)


@pytest.fixture
def new_product(api: Api) -> Callable[..., str]:
    """Make products over the API, with stock; gives the id."""

    def make(stock: int = 0, **fields: Any) -> str:
        found = api.post("/api/pms/products", json=product_body(**fields))
        assert found.status_code == 201, found.text
        product_id = str(found.json()["id"])
        if stock:
            adjusted = api.post(
                "/api/inventory/adjust",
                json={"productId": product_id, "quantity": stock, "type": "increment"},
                headers={"Prefer": "wait=20"},
            )
            assert adjusted.status_code == 200, adjusted.text
        return product_id

    return make

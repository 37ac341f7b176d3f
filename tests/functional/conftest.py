"""A running service: web, worker and beat as real processes, as an operator starts them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests

from tests.servers import TestServers
from workers.programs import PROGRAMS

ROOT = Path(__file__).parents[2]
ADMIN_KEY = "pms_functional_admin_key_0123456789"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until(predicate: Callable[[], Any], timeout: float = 15.0) -> Any:
    """Wait for a condition and give what made it true."""
    deadline = time.monotonic() + timeout
    while True:
        found = predicate()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {timeout} s: {predicate}")
        time.sleep(0.02)


@dataclass
class Service:
    """The processes of a running service and where it is."""

    url: str
    env: dict[str, str]
    log: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start one of its programs."""
        program = next(one for one in PROGRAMS if one.name == name)
        with self.log.open("ab") as log:
            self.processes[name] = subprocess.Popen(
                program.command, env=self.env, cwd=ROOT, stdout=log, stderr=log
            )

    def stop(self, name: str) -> None:
        """End one of its programs as a supervisor would."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Api(requests.Session):
    """A requests session that knows the service and carries a key."""

    def __init__(self, url: str, secret: str | None) -> None:
        super().__init__()
        self._url = url
        if secret:
            self.headers["X-API-Key"] = secret

    def request(self, method: str, path: str, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send a request to a path of the service."""
        options.setdefault("timeout", 35)
        return super().request(method, self._url + path, **options)


@pytest.fixture(scope="session")
def service(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Web, worker and beat on a database of their own."""
    from sqlalchemy import create_engine

    from db.migrate import upgrade
    from db.settings import database_settings

    with create_engine(
        database_settings().database_url, isolation_level="AUTOCOMMIT"
    ).connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE service")
    database_url = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path="/service"))
    redis_url = urlunsplit(urlsplit(os.environ["REDIS_URL"])._replace(path="/1"))
    upgrade(database_url)
    port = free_port()
    env = {
        **os.environ,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PMS_API_KEY": ADMIN_KEY,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "RATE_LIMIT_API": "1000000/minute",
        "RATE_LIMIT_WS": "1000000/minute",
    }
    log = tmp_path_factory.mktemp("service") / "log"
    found = Service(f"http://127.0.0.1:{port}", env, log)
    for program in PROGRAMS:
        found.start(program.name)
    try:
        wait_until(lambda: _healthy(found), 30)
        yield found
    except AssertionError:
        sys.stderr.write(log.read_text()[-4000:])
        raise
    finally:
        for name in list(found.processes):
            found.stop(name)


def _healthy(service: Service) -> bool:
    for name, process in service.processes.items():
        assert process.poll() is None, f"{name} ended: {service.log.read_text()[-4000:]}"
    try:
        return bool(requests.get(service.url + "/health", timeout=2).json()["status"] == "ok")
    except (requests.RequestException, ValueError):
        return False


@pytest.fixture(scope="session")
def admin_key() -> str:
    """The first admin key."""
    return ADMIN_KEY


@pytest.fixture
def api(service: Service, admin_key: str) -> Api:
    """A REST client with an admin key."""
    return Api(service.url, admin_key)


@pytest.fixture
def make_key(api: Api) -> Callable[..., str]:
    """Make API keys over the API."""

    def make(scopes: list[str] | None = None, **more: Any) -> str:
        body = {"name": "test", "scopes": scopes or ["read", "write"], **more}
        found = api.post("/api/keys", json=body)
        assert found.status_code == 201, found.text
        return str(found.json()["secret"])

    return make


@pytest.fixture
def new_product(api: Api) -> Callable[..., str]:
    """Make products over the API, with stock; gives the id."""

    def make(stock: int = 0, **fields: Any) -> str:
        body = {
            "name": "Mug",
            "description": "Holds coffee.",
            "price": 9.5,
            "categoryId": "kitchen",
            "images": [],
            **fields,
        }
        found = api.post("/api/pms/products", json=body)
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

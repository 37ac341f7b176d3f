"""A running service and its clients: real processes, spoken to as clients do."""

import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import requests
from uuid_utils.compat import uuid7

from workers.programs import PROGRAMS

ROOT = Path(__file__).parents[2]
ADMIN_KEY = "pms_functional_admin_key_0123456789"
_A_DEAD_ONE = """
INSERT INTO operations OVERRIDING SYSTEM VALUE
SELECT (jsonb_populate_record(operations, jsonb_build_object(
    'id', %s::text, 'seq', nextval(pg_get_serial_sequence('operations', 'seq')),
    'status', 'dead', 'result', null,
    'error', jsonb_build_object('type', '/docs/problems/operation-dead', 'title', 'Operation dead',
                                'status', 500, 'detail', 'For a test.')
))).* FROM operations WHERE id = %s
"""


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
    """The processes of a running service and where it is.

    Attributes:
        further: the settings of processes beside the first of their program, by their names:
            ``further["web 2"] = {"PORT": "8001"}``.
        instead: modules that a program runs in the place of the product's own, by its name:
            ``instead["worker"] = "tests.faults.poisoned_worker"``.
    """

    url: str
    env: dict[str, str]
    log: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    further: dict[str, dict[str, str]] = field(default_factory=dict)
    instead: dict[str, str] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start one of its programs."""
        program = next(one for one in PROGRAMS if one.name == name.partition(" ")[0])
        env = {**self.env, **self.further.get(name, {})}
        command = [
            self.instead.get(name, part) if part in ("workers.app", "web.server") else part
            for part in program.command
        ]
        with self.log.open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=env, cwd=ROOT, stdout=log, stderr=log
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


def is_healthy(service: Service) -> bool:
    for name, process in service.processes.items():
        assert process.poll() is None, f"{name} ended: {service.log.read_text()[-4000:]}"
    try:
        return bool(requests.get(service.url + "/health", timeout=2).json()["status"] == "ok")
    except (requests.RequestException, ValueError):
        return False


def given_up(service: Service, operation_id: str) -> str:
    """Another operation like this one, which the machinery gave up; gives its id."""
    dead = str(uuid7())
    database = psycopg2.connect(service.env["DATABASE_URL"])
    database.autocommit = True
    database.cursor().execute(_A_DEAD_ONE, (dead, operation_id))
    database.close()
    return dead

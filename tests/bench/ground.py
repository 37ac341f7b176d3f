"""The ground that everybody stands on: one PostgreSQL and one Valkey, equally durable for all."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg2

from tests.functional.service import ROOT, free_port, wait_until
from tests.servers import TestServers

# The defaults of both, named so that nobody wonders; Valkey syncs its file every second.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


class Ground:
    """The two servers, databases on them, and processes of peers.

    Args:
        folder: for data and logs.
        servers: which; durable ones of its own unless given.
    """

    def __init__(self, folder: Path, servers: TestServers | None = None) -> None:
        self.folder = folder
        self._servers = servers or TestServers(DURABLE)
        self._numbers = iter(range(6, 16))  # the first ones belong to the tests
        self._names = iter(range(1, 1000))

    def start(self) -> None:
        """Start both servers."""
        url, self.redis_url = self._servers.start(self.folder)
        self.database_url = url
        os.environ.update(DATABASE_URL=url, REDIS_URL=self.redis_url)

    def stop(self) -> None:
        """Stop both, and remove their data."""
        self._servers.stop()

    @property
    def server_pids(self) -> dict[str, int]:
        """Both servers' process ids by their names."""
        return {"postgres": self._servers.postgres.pid, "valkey": self._servers.valkey.pid}

    @property
    def postgres_log(self) -> Path:
        """Where PostgreSQL writes."""
        return self._servers.postgres.log

    def next_redis(self) -> int:
        """The number of a Redis database that nobody uses."""
        return next(self._numbers)

    def next_name(self, name: str) -> str:
        """The name of a database that nobody has made."""
        return f"{name}_{next(self._names)}"

    def url_of(self, database: str) -> str:
        """Where a database is."""
        return self.database_url.rpartition("/")[0] + f"/{database}"

    def create_database(self, name: str) -> str:
        """A new and empty database; gives its URL."""
        self.run_sql(self.database_url, f"CREATE DATABASE {name}")
        return self.url_of(name)

    def run_sql(self, url: str, *statements: str) -> list[tuple[object, ...]]:
        """Run statements, each by itself; gives the rows of the last."""
        connection = psycopg2.connect(url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
        connection.close()
        return rows

    @contextmanager
    def peer(self, *commands: tuple[str, ...], env: dict[str, str]) -> Iterator[dict[str, int]]:
        """Processes of a peer, each ``python -m`` something; gives their ids by module."""
        log = self.folder / "peers.log"
        with ExitStack() as stack:
            output = stack.enter_context(log.open("ab"))
            pids = {}
            for command in commands:
                process = subprocess.Popen(
                    [sys.executable, "-m", *command],
                    env={**os.environ, **env},
                    cwd=ROOT,
                    stdout=output,
                    stderr=output,
                )
                pids[command[0].rpartition(".")[2]] = process.pid
                stack.callback(_end, process)
            yield pids


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for_port(port: int) -> None:
    """Wait until somebody listens."""

    def listens() -> bool:
        with socket.socket() as found:
            return found.connect_ex(("127.0.0.1", port)) == 0

    wait_until(listens, 30)


__all__ = ["Ground", "free_port", "wait_for_port"]

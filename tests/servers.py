"""Real PostgreSQL and Valkey for the tests of one pytest process."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from workers.embedded import EmbeddedPostgres, EmbeddedServer, EmbeddedValkey

# The machine's power may take the tests' data; a kill -9 of the server loses nothing.
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
}


def reachable_folder() -> Path:
    """A temporary folder that ``nobody`` can pass through, as pytest's ``tmp_path`` is not."""
    folder = Path(tempfile.mkdtemp(prefix="pms-test-"))
    folder.chmod(0o711)
    return folder


class TestServers:
    """The two servers of one pytest process, started once and stopped at its end.

    ::

        servers = TestServers()
        database_url, redis_url = servers.start(reachable_folder())
        ...
        servers.stop()
    """

    __test__ = False

    def __init__(self, extra: dict[str, str] | None = None) -> None:
        self._extra = {**FAST, **(extra or {})}
        self._running: list[EmbeddedServer] = []
        self._base: Path | None = None

    def start(self, base: Path) -> tuple[str, str]:
        """Start both, with their data in ``base``, and return their URLs.

        Call it from the main thread: on Linux the servers end when the calling thread does.

        Returns:
            ``postgresql://…/pms`` (an empty database) and ``redis://…/0``.
        """
        self._base = base
        self.postgres = EmbeddedPostgres(base, self._extra)
        self.valkey = EmbeddedValkey(base)
        urls = []
        for server in (self.postgres, self.valkey):
            self._running.append(server)
            urls.append(server.start())
        return urls[0], urls[1]

    def stop(self) -> None:
        """Stop both and remove their data."""
        while self._running:
            self._running.pop().stop()
        if self._base is not None:
            shutil.rmtree(self._base, ignore_errors=True)


def wait_until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait until something is so; fail if it is not after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be so"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie, which only waits to be counted."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

"""The Procfile's lines, each started as a platform would start it."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from sqlalchemy import create_engine

from db.settings import database_settings
from tests.functional.service import ADMIN_KEY, ROOT, free_port, wait_until

LINES = dict(
    line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line.strip()
)


@pytest.fixture
def env() -> Iterator[dict[str, str]]:
    """An empty database and Redis of its own."""
    engine = create_engine(database_settings().database_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE procfile")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    yield {
        "PATH": path,
        "HOME": os.environ.get("HOME", "/"),
        "PORT": str(free_port()),
        "PMS_API_KEY": ADMIN_KEY,
        "DATABASE_URL": urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path="/procfile")),
        "REDIS_URL": urlunsplit(urlsplit(os.environ["REDIS_URL"])._replace(path="/2")),
    }
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE procfile WITH (FORCE)")
    engine.dispose()


def test_every_line_starts_and_together_they_work(env: dict[str, str], tmp_path: Path) -> None:
    assert list(LINES) == ["release", "web", "worker", "beat"]
    subprocess.run(
        shlex.split(LINES["release"]),
        env=env,
        cwd=ROOT,
        timeout=60,
        check=True,
        capture_output=True,
    )
    running = []
    try:
        for name in ("web", "worker", "beat"):
            output = (tmp_path / name).open("w")
            running.append(
                subprocess.Popen(
                    shlex.split(LINES[name]), env=env, cwd=ROOT, stdout=output, stderr=output
                )
            )

        def healthy() -> bool:
            for process, name in zip(running, ("web", "worker", "beat"), strict=True):
                assert process.poll() is None, (tmp_path / name).read_text()
            try:
                found = requests.get(f"http://127.0.0.1:{env['PORT']}/health", timeout=2).json()
            except requests.RequestException:
                return False
            return bool(found["status"] == "ok")

        wait_until(healthy, 40)
        for process in running:
            process.terminate()
        assert [process.wait(20) for process in running] == [0, 0, 0]
    finally:
        for process in running:
            process.kill()
            process.wait()

"""`pms up` as an operator has it: one command, no setting, everything there."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from tests.servers import reachable_folder, runs, wait_until
from web import cli_checks
from web.cli_checks import answers
from workers.data_dir import StartupError, kept_port

pytestmark = pytest.mark.timeout(120)

_PMS = (sys.executable, "-c", "from web.cli import main; main(prog_name='pms')")


def environment() -> dict[str, str]:
    """This process's own, without the servers of the tests."""
    unwanted = {"DATABASE_URL", "REDIS_URL", "PMS_DATA_DIR", "PMS_API_KEY", "HOST", "PORT"}
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def pms(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_PMS, *arguments], env=environment(), capture_output=True, text=True, timeout=60
    )


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    fresh = reachable_folder()
    yield fresh
    shutil.rmtree(fresh)


@pytest.fixture
def up(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A running system and its port."""
    port = kept_port(folder / "web-port")
    with open(folder / "output", "wb") as output:
        process = subprocess.Popen(
            [*_PMS, "up", "--port", str(port), "--data-dir", str(folder)],
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: b"Ctrl-C stops everything" in (folder / "output").read_bytes(), 60)
        yield process, port
    finally:
        process.terminate()
        process.wait(20)


def all_of(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes under this one."""
    return [child.pid for child in psutil.Process(process.pid).children(recursive=True)]


def test_help_needs_no_setting() -> None:
    done = pms("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "pms up" in done.stdout


def test_one_command_brings_it_all(up: tuple[subprocess.Popen[bytes], int], folder: Path) -> None:
    process, port = up
    said = (folder / "output").read_text()
    key = (folder / "admin-key").read_text().strip()
    assert re.search(rf"Dashboard +http://127\.0\.0\.1:{port}/\n", said)
    assert str(folder / "admin-key") in said
    assert key not in said, "a log is kept, and read by others"
    assert key.startswith("pms_")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/api/products", headers={"X-API-Key": key})
    assert connection.getresponse().status == http.client.OK

    same_folder = pms("up", "--port", str(port + 1), "--data-dir", str(folder))
    assert same_folder.returncode == 1
    assert f"PMS_DATA_DIR={folder} is in use" in same_folder.stderr
    same_port = pms("up", "--port", str(port), "--data-dir", str(folder))
    assert same_port.returncode == 1
    assert same_port.stderr.startswith(f"pms: PORT={port}: ")

    pids = all_of(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(12) == 0
    assert not any(runs(pid) for pid in pids)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can do this")
def test_a_kill_leaves_nothing_and_the_next_start_finds_everything(
    up: tuple[subprocess.Popen[bytes], int], folder: Path
) -> None:
    process, port = up
    key = (folder / "admin-key").read_text()
    pids = all_of(process)
    assert len(pids) >= 5
    process.kill()
    wait_until(lambda: not any(runs(pid) for pid in pids))
    assert not answers("127.0.0.1", port)
    with open(folder / "output", "wb") as output:
        again = subprocess.Popen(
            [*_PMS, "up", "--port", str(port), "--data-dir", str(folder), "--json"],
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: b'"running"' in (folder / "output").read_bytes(), 60)
        assert answers("127.0.0.1", port)
        assert (folder / "admin-key").read_text() == key
    finally:
        again.terminate()
        assert again.wait(12) == 0
    # Asked for JSON, nobody writes anything else: not we, not the web process, not Celery.
    told = [json.loads(line) for line in (folder / "output").read_text().splitlines()]
    (running,) = (line for line in told if line["event"] == "running")
    assert running["url"] == f"http://127.0.0.1:{port}"
    assert running["keyFile"] == str(folder / "admin-key")
    assert {"listening", "stopping"} <= {line["event"] for line in told}


def test_a_first_key_that_has_ended_is_not_shown(
    up: tuple[subprocess.Popen[bytes], int], folder: Path
) -> None:
    process, port = up
    key_file = folder / "admin-key"
    headers = {"X-API-Key": key_file.read_text().strip()}
    url = f"http://127.0.0.1:{port}/api/keys"
    key_id = requests.get(f"{url}/current", headers=headers, timeout=10).json()["id"]
    assert requests.delete(f"{url}/{key_id}", headers=headers, timeout=10).status_code == 204
    process.terminate()
    assert process.wait(20) == 0
    with open(folder / "output", "wb") as output:
        again = subprocess.Popen(
            [*_PMS, "up", "--port", str(port), "--data-dir", str(folder)],
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: b"Ctrl-C stops everything" in (folder / "output").read_bytes(), 60)
    finally:
        again.terminate()
        again.wait(20)
        key_file.unlink()
    said = (folder / "output").read_text()
    assert f"the one in {key_file} has ended" in said
    assert "first_key_is_no_live_admin_key" in said
    assert "X-API-Key" not in said


def test_a_server_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    cli_checks.check_database(os.environ["DATABASE_URL"])
    # No old server is at hand: the one of the tests is taken for one.
    monkeypatch.setattr(cli_checks, "_OLDEST_POSTGRESQL", 99)
    with pytest.raises(StartupError, match=r"it is PostgreSQL \d+, but 99 or newer is needed"):
        cli_checks.check_database(os.environ["DATABASE_URL"])

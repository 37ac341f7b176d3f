"""The main job, end to end, through `make up` in a clean clone, as a new user would do it."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.functional.node import Script, prepare
from tests.functional.service import ROOT, Api, free_port, wait_until
from tests.functional.test_seed_document import SEED_JAVASCRIPT
from tests.servers import reachable_folder

_LEFT_OUT = shutil.ignore_patterns(".venv", ".git", "*.egg-info", "__pycache__", "build", ".*cache")


@dataclass
class Clone:
    """A clean copy of the checkout, and a data folder that does not exist yet."""

    folder: Path
    data: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> subprocess.Popen[bytes]:
        """Start `make up` as a shell would."""
        (self.folder / "output").touch()
        env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        # What the operator's pip is told to use is no business of the product's.
        env |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        arguments = f"ARGS=--port {self.port} --data-dir {self.data}"
        return subprocess.Popen(
            ["make", "up", arguments],
            cwd=self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=(self.folder / "output").open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def says(self) -> str:
        return (self.folder / "output").read_text()

    def wait(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        def running() -> bool:
            assert process.poll() is None, self.says()
            return "is running" in self.says()

        wait_until(running, seconds)


@pytest.fixture
def clone() -> Iterator[Clone]:
    base = reachable_folder()
    shutil.copytree(ROOT, base / "clone", ignore=_LEFT_OUT)
    yield Clone(base / "clone", base / "data", free_port())
    shutil.rmtree(base, ignore_errors=True)


def stop(process: subprocess.Popen[bytes]) -> int:
    """Ctrl-C: the terminal tells the whole group."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    return process.wait(20)


@pytest.mark.timeout(420)
def test_from_a_clean_clone_to_the_first_events_and_again(clone: Clone, tmp_path: Path) -> None:
    first = clone.up()
    try:
        clone.wait(first, 300)
        key = (clone.data / "admin-key").read_text().strip()
        assert (clone.data / "admin-key").stat().st_mode & 0o777 == 0o600
        assert clone.url in clone.says()
        product_id = play(clone, key, tmp_path)
    finally:
        stop(first)

    second = clone.up()
    try:
        clone.wait(second, 60)
        with Api(clone.url, key) as api:
            assert api.get(f"/api/inventory/stock/{product_id}").json()["stock"] == 3
    finally:
        stop(second)


def play(clone: Clone, key: str, folder: Path) -> str:
    """The document's JavaScript against the clone: an adjustment and all that it leads to."""
    prepare(folder)
    with Api(clone.url, key) as api:
        body = {"name": "Mug", "description": "", "price": 1, "categoryId": "c", "images": []}
        product_id: str = api.post("/api/pms/products", json=body).json()["id"]
        env = {"URL": clone.url, "KEY": key, "PRODUCT": product_id}
        script = Script(folder, SEED_JAVASCRIPT, env)
        try:
            wait_until(lambda: script.seen("subscribed"))
            body = {"productId": product_id, "quantity": 3, "type": "increment"}
            assert api.post("/api/inventory/adjust", json=body).status_code == 202
            wait_until(lambda: script.seen("inventory_update") and script.seen("system_alert"))
            assert script.seen("inventory_update")[0]["stock"] == 3
            assert script.seen("system_alert")[0]["type"] == "low_stock"
        finally:
            script.stop()
    return product_id


def test_every_target_of_make_explains_itself() -> None:
    listed = subprocess.run(
        ["make"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    ).stdout
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets - {"help"} <= {line.split()[1] for line in listed.splitlines()}

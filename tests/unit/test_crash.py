"""Crash points: off unless asked for, and then at once."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from workers import crash

PASS_ALL = """
from workers.crash import POINTS, may_crash
for point in POINTS:
    may_crash(point)
    print(point)
"""


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    crash.arm("")


def run(wish: str, seed: str = "1") -> subprocess.CompletedProcess[str]:
    """A process that passes all points in their order, and says so."""
    env = {**os.environ, "PMS_CRASH": wish, "PMS_CRASH_SEED": seed}
    return subprocess.run(
        [sys.executable, "-c", PASS_ALL], env=env, capture_output=True, text=True, check=False
    )


def test_nobody_dies_unasked() -> None:
    found = run("")
    assert (found.returncode, found.stdout.split()) == (0, list(crash.POINTS))


def test_a_process_dies_at_its_point() -> None:
    found = run("read=1,committed=1")
    assert found.returncode == crash.EXIT_CODE
    assert not found.stderr


@pytest.mark.parametrize("wish", ["nowhere=1", "read", "read=often"])
def test_a_wish_that_means_nothing_stops_the_start(wish: str) -> None:
    with pytest.raises(ValueError):
        crash.arm(wish)
    found = run(wish)
    assert found.returncode == 1
    assert found.stderr.startswith("PMS_CRASH: ")
    assert len(found.stderr.splitlines()) == 1

"""What was taken from elsewhere is what its lock says."""

import hashlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", ["web/dashboard/vendor", "tests/browser/vendor"])
def test_vendored_files_are_those_of_the_lock(folder: str) -> None:
    files = ROOT / folder
    lock = json.loads((files / "vendor.lock.json").read_text())
    found = {path.name for path in files.iterdir()} - {"vendor.lock.json"}
    assert found == set(lock)
    for name, entry in lock.items():
        assert hashlib.sha256((files / name).read_bytes()).hexdigest() == entry["sha256"]
        assert entry["license"]
        assert entry["version"]

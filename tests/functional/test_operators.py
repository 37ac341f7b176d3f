"""What operators are told, by a running service whose parts go away."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import create_engine, text

from db.settings import DatabaseSettings
from tests.functional.service import Api, Service, wait_until
from tests.functional.test_sockets import Socket
from tests.servers import TestServers


def alerts(api: Api, status: str) -> list[dict[str, Any]]:
    found = api.get("/api/system/alerts", params={"status": status})
    return list(found.json()["items"])


def test_redis_away_and_back(
    service: Service, servers: TestServers, api: Api, admin_key: str
) -> None:
    """Told to a connected client through the database, while Redis is away."""
    wait_until(lambda: alerts(api, "open") == [], 30)
    client = Socket(service, admin_key)
    os.kill(servers.valkey.pid, signal.SIGSTOP)
    try:
        (away,) = client.wait_for("system_alert", type="component_away", component="redis")
        assert "resolved" not in away
        assert [alert["component"] for alert in alerts(api, "open")] == ["redis"]
    finally:
        os.kill(servers.valkey.pid, signal.SIGCONT)
    both = client.wait_for("system_alert", 2, type="component_away", component="redis")
    assert both[1]["resolved"] is True
    assert both[1]["position"] > both[0]["position"]
    assert alerts(api, "open") == []
    assert alerts(api, "resolved")[0]["component"] == "redis"


def damage(service: Service, statement: str, **values: Any) -> None:
    """Change what no constraint or trigger would let pass otherwise."""
    url = DatabaseSettings(database_url=service.env["DATABASE_URL"]).database_url
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        assert connection.execute(text(statement), values).rowcount
    engine.dispose()


def test_repair_at_the_command_line(
    service: Service, api: Api, new_product: Callable[..., str]
) -> None:
    product_id = new_product(stock=9, name="Drifting")

    def pms(*arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", "from web.cli import main; main(prog_name='pms')", *arguments],
            env=service.env,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode in (0, 1), done.stderr
        return done

    def of_product(found: list[dict[str, Any]]) -> list[str]:
        return [one["check"] for one in found if one["productId"] == product_id]

    damage(service, "UPDATE stock_levels SET on_hand = 90 WHERE product_id = :id", id=product_id)
    dry = pms("repair", "--dry-run")
    assert dry.returncode == 1
    assert "level  Drifting: 90 on hand" in dry.stdout
    assert api.get(f"/api/inventory/stock/{product_id}").json()["onHand"] == 90
    told = json.loads(pms("repair", "--json").stdout)
    assert of_product(told["found"]) == ["level"]
    assert of_product(told["left"]) == []
    assert [one["kind"] for one in told["mended"] if one["resource"]["id"] == product_id] == [
        "repair-stock"
    ]
    assert api.get(f"/api/inventory/stock/{product_id}").json()["onHand"] == 9
    assert of_product(json.loads(pms("repair", "--json").stdout)["found"]) == []
